# What HAProxy 3.0's own tests of the OCSP updates (reg-tests/ssl/ocsp_auto_update.vtc and
# ocsp_compat_check.vtc) cannot expect of 2.6 with the module. tests/run takes it out and runs the rest.

# They ask for 3.0.
/version_atleast/d
