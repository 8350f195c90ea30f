# What HAProxy 3.0's own tests of the OCSP updates (reg-tests/ssl/ocsp_auto_update.vtc and
# ocsp_compat_check.vtc) cannot expect of 2.6 with the module. tests/run takes it out and runs the rest.

# They ask for 3.0.
/version_atleast/d

# 3.0 keeps the response of a certificate that "del ssl crt-list" has taken out of its last list, since
# the certificate file holds on to it. In 2.6 only what is served does: it is fetched anew when the
# certificate is put back into a list, or comes from the state directory.
/^# Remove the second line from the crt-list/,/^# Add the previously removed/{
	/send "show ssl ocsp-response/,/expect/d
}
