/* SPDX-License-Identifier: GPL-2.0-or-later */
/* start.c - the life of the module in a process: checks the configuration, opens what is out of
 * reach after a chroot, waits for responses if it is told to, starts the engine, ends it.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <netinet/in.h>
#include <unistd.h>

#include <haproxy/cfgparse.h>
#include <haproxy/errors.h>
#include <haproxy/log.h>
#include <haproxy/tools.h>

#include "stores.h"
#include "conf.h"
#include "entries.h"
#include "handover.h"
#include "host.h"
#include "wait.h"
#include "ocu/etc.h"
#include "ocu/openssl.h"
#include "ocu/stream.h"

/* What the engine keeps pointers to. */
static struct ocu_store store = { .dir = -1 };
static struct ocu_conf_dns dns;
static SSL_CTX *tls;
static int etc = -1;

/* Whether the engine has anything to do in this process, or may come to: the first certificate that
 * is updated may be added by a command, when it is too late to start threads or to open files. All
 * of HAProxy's threads wake the engine by a descriptor.
 */
static bool wanted(void)
{
	return ocu_host_engine && !OCU_DISABLED &&
	       (ocu_entries_known() || (ocu_stores_serve() && !OCU_FDS_APART));
}

/* ---- the state directory ---- */

/* The process writes as the user that it will become. */
static void warn_owner(void)
{
	struct stat st;
	uid_t uid = OCU_UID ? OCU_UID : geteuid();

	if (!uid || fstat(store.dir, &st) != 0)
		return;
	if (st.st_uid != uid || (st.st_mode & 0700) != 0700)
		ha_notice("ocsp-update.state-dir: '%s' does not belong to the user that HAProxy "
			   "runs as (%lu): responses may not be saved; chown it and give it mode "
			   "0700.\n",
			   ocu_settings.state_dir, (unsigned long)uid);
}

static void store_open(void)
{
	struct ocu_err err = { 0 };

	if (!ocu_settings.state_dir)
		return;
	if (ocu_store_init(&store, ocu_settings.state_dir, &err) != OCU_OK)
		ha_notice("ocsp-update.state-dir: %s; responses will not outlive this process. "
			   "Create the directory for the user that HAProxy runs as.\n",
			   err.msg);
	else
		warn_owner();
}

/* Whether this is root, and the process will not remain it. */
static bool is_root_yet(void)
{
	return OCU_UID && geteuid() == 0;
}

/* Becomes the user that the process will be. Says so and returns false if that cannot be. */
static bool user_become(void)
{
	if ((!OCU_GID || setegid(OCU_GID) == 0) && seteuid(OCU_UID) == 0)
		return true;
	if (ocu_settings.state_dir)
		ha_notice("ocsp-update.state-dir: '%s' cannot be read as user %d (%m): what is "
			  "saved is not stapled until it was fetched again; start HAProxy as "
			  "root, or as that user.\n", ocu_settings.state_dir, global.uid);
	return false;
}

/* Reads what is saved, and staples it; and looks at what the old process has handed over. The files
 * belong to the user that the process will become, so it is that one who reads them: what belongs
 * to others is refused now as it would be later, and nothing that came from the network is parsed
 * as root. Returns false with an alert if the process did not become root again.
 */
static bool preload(bool handed_over)
{
	bool root = (store.dir >= 0 || handed_over) && is_root_yet();
	gid_t gid = getegid();

	if (!root || user_become())
		ocu_engine_preload(ocu_host_engine);
	if (root && (seteuid(0) != 0 || setegid(gid) != 0)) {
		ha_alert("ocsp-update: root could not be regained (%m).\n");
		return false;
	}
	ocu_host_deliver(true);
	return true;
}

/* ---- the configuration ---- */

/* Whether the host has a route to the IPv6 internet: connecting a datagram socket sends nothing. */
static bool ipv6_routed(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	inet_pton(AF_INET6, "2000::1", &sin6.sin6_addr);
	ok = fd >= 0 && connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Whether resolv.conf names a nameserver now. */
static bool system_nameserver(void)
{
	struct ocu_buf found;
	bool any;

	ocu_buf_init(&found, 4096);
	any = ocu_dns_system_servers(&found, NULL) == OCU_OK && found.len > 0;
	ocu_buf_fini(&found);
	return any;
}

/* resolv.conf and the hosts file are read again when they change, also from inside a chroot. */
static void open_etc(void)
{
	struct ocu_err err;

	if (ocu_etc_open(&etc, NULL, &err) != OCU_OK)
		ha_notice("ocsp-update: %s; OCSP responders cannot be resolved by name.\n",
			   err.msg);
}

static void warn_resolvers(void)
{
	if (ocu_stores_names && ocu_settings.resolvers_off)
		ha_warning("ocsp-update: 'httpclient.resolvers.disabled' is on: OCSP responders "
			   "cannot be resolved; set it to off.\n");
}

/* What the host lacks now it may have later: no reason not to start. */
static void notice_network(void)
{
	if (!ocu_stores_names)
		return;
	if (dns.system && !system_nameserver())
		ha_notice("ocsp-update: no nameserver: OCSP responders cannot be resolved; add a "
			  "'resolvers default' section with a nameserver, or one to "
			  "/etc/resolv.conf.\n");
	if ((ocu_settings.prefer == OCU_IPV6 || ocu_settings.family == OCU_IPV6) && !ipv6_routed())
		ha_notice("ocsp-update: IPv6 is preferred but this host has no IPv6 route; set "
			  "'httpclient.resolvers.prefer ipv4'%s.\n",
			  ocu_settings.family == OCU_IPV6 ? " and 'ocsp-update.family any'" : "");
}

static struct ocu_engine_conf engine_conf(void)
{
	return (struct ocu_engine_conf){
		.plan = {
			.when = {
				.mindelay_s = global_ssl.ocsp_update.delay_min,
				.maxdelay_s = ocu_settings.maxdelay_auto
						      ? OCU_WHEN_AUTO
						      : global_ssl.ocsp_update.delay_max,
			},
			.maxconn = ocu_settings.maxconn,
			.host_maxconn = ocu_settings.host_maxconn,
		},
		.fetch = {
			.prefer = ocu_settings.prefer,
			.only = ocu_settings.family,
			.connect_ms = ocu_settings.connect_ms,
			.dns = {
				.system = dns.system,
				.nameservers = (const char *)dns.nameservers.data,
				.etc = etc,
				.try_ms = dns.try_ms,
				.rounds = dns.rounds,
				.payload_bytes = dns.payload_bytes,
				.limit_ms = ocu_settings.timeout_ms,
			},
			.proxy = ocu_settings.proxy.addr,
			.proxy_host = ocu_settings.proxy.host,
			.proxy_port = ocu_settings.proxy.port,
			.proxy_auth = ocu_settings.proxy.auth,
			.tls = tls,
			.idle_max = ocu_settings.host_maxconn,
		},
		.timeout_ms = ocu_settings.timeout_ms,
		.store = store.dir >= 0 ? &store : NULL,
		.uid = OCU_UID,
		.gid = OCU_GID,
		.reason_inside = OCU_REASON_IN_TEXT,
	};
}

/* Reading the certificates of all CAs takes a moment: it is done where somebody will need them. */
static void open_tls(void)
{
	struct ocu_err err = { 0 };

	if (!ocu_stores_https && !ocu_settings.ca_file)
		return;
	if (ocu_stream_ctx_new(&tls, !ocu_settings.tls_no_verify, ocu_settings.ca_file, &err) !=
	    OCU_OK)
		ha_notice("ocsp-update: responders with https:// cannot be asked: %s; see "
			  "'httpclient.ssl.ca-file'.\n",
			  err.msg);
}

/* Whether HAProxy will have <n> descriptors more, in a process whose maxconn is set: two for each
 * connection, and up to a quarter as many pipes of two.
 */
static bool has_room(unsigned n)
{
	unsigned long long need = global.maxsock + n + 2ULL * global.maxconn +
				  global.maxconn / 2 + 3ULL * global.nbthread;
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) != 0 || need <= limit.rlim_max;
}

/* The descriptors that this process may come to use at the same time. What the certificates at
 * hand do not need is not counted, nor is what would keep a process from starting.
 */
static void count_fds(unsigned maxconn)
{
	size_t n = ocu_entries_known();
	unsigned fds = ocu_engine_fds(n < maxconn ? n : maxconn);

	if (n && (!global.maxconn || has_room(fds)))
		global.maxsock += fds;
}

/* Opens what is out of reach after a chroot; staples what the old process has, or what is saved. */
static int open_all(void)
{
	struct ocu_engine_conf conf;
	struct ocu_err err = { 0 };

	if (dns.system)
		open_etc();
	store_open();
	open_tls();
	conf = engine_conf();
	switch (ocu_engine_configure(ocu_host_engine, &conf, &err)) {
	case OCU_OK:
		break;
	case OCU_NOMEM:
		ha_alert("ocsp-update: %s.\n", err.msg);
		return 1;
	default:
		ha_notice("ocsp-update.state-dir: %s; responses will not outlive this process.\n",
			  err.msg);
	}
	/* what was handed over is known before what is saved, so that the newer one stays */
	if (!preload(ocu_handover_take()))
		return 1;
	count_fds(conf.plan.maxconn);
	return 0;
}

/* After the whole configuration was read. A mere check of it opens nothing. */
static int conf_finish(void)
{
	if (!ocu_conf_check())
		return 1;
	if (ocu_host_engine && !OCU_DISABLED)
		ocu_host_load();
	ocu_stores_say();
	if (!wanted())
		return 0;
	if (OCU_FDS_APART) {
		ha_alert("ocsp-update: 'tune.fd.tables per-thread-group' is incompatible with OCSP "
			 "updates; set it to 'shared', or turn the updates off.\n");
		return 1;
	}
	switch (ocu_conf_dns(&dns)) {
	case OCU_OK:
		break;
	case OCU_TOO_BIG:
		ha_warning("ocsp-update: the resolvers section has more nameservers than can be "
			   "used, the last ones are left out.\n");
		break;
	default:
		ha_alert("ocsp-update: out of memory.\n");
		return 1;
	}
	warn_resolvers();
	if (global.mode & MODE_CHECK)
		return 0;
	notice_network();
	return open_all();
}
REGISTER_CONFIG_POSTPARSER("ocsp-update-module", conf_finish);

/* ---- the process ---- */

/* Which process has the threads. */
static pid_t started_in;

/* With "quick-exit" HAProxy frees nothing; the threads must not outlive what they use. A child that
 * was forked for an external check and cannot run it comes here as well, and has no such threads.
 */
static void end_threads(void)
{
	if (ocu_host_engine && started_in == getpid())
		ocu_engine_stop(ocu_host_engine);
}

static bool start(void)
{
	static bool registered;

	started_in = getpid();
	if (!registered)
		registered = atexit(end_threads) == 0;
	return ocu_host_start();
}

/* The child needs what cannot be opened in a chroot. */
static void wait_for_responses(void)
{
	if (!ocu_settings.wait_ms || !wanted())
		return;
	ocu_wait((const int[]){ store.dir, etc, ocu_engine_dir(ocu_host_engine) }, 3);
}

/* Makes the task; nothing runs before thread_init(). */
static int post_check(void)
{
	if (!ocu_host_init()) {
		ha_alert("ocsp-update: out of memory.\n");
		return ERR_ALERT | ERR_FATAL;
	}
	wait_for_responses();
	return ERR_NONE;
}
REGISTER_POST_CHECK(post_check);

/* Tells the engine what was fetched while this process waited. */
static void tell_waited(void)
{
	if (!ocu_entries_tell(ocu_host_engine))
		send_log(NULL, LOG_ERR, "<OCSP-UPDATE> out of memory: responses that were waited "
					"for may be fetched once more\n");
}

/* Runs on each thread of the process that serves, after chroot and the change of identity; the
 * master of master-worker mode runs it too. The engine is started here since HAProxy forbids new
 * threads as soon as all of its own have started.
 */
static int thread_init(void)
{
	if (master && tid == 0)
		ocu_wait_master();
	if (tid == 0)
		ocu_wait_signals();
	if (master || tid != 0 || !ocu_host_engine)
		return 1;
	/* else what is posted would pile up for a thread that never comes */
	if (wanted())
		tell_waited();
	if (wanted() && start())
		ocu_host_serve();
	else
		ocu_host_give_up();
	return 1;
}
REGISTER_PER_THREAD_INIT(thread_init);

/* HAProxy's threads have ended by now. */
static void end_module(void)
{
	ocu_host_fini();
	ocu_store_fini(&store);
	SSL_CTX_free(tls);
	tls = NULL;
	if (etc >= 0)
		close(etc);
	etc = -1;
	ocu_buf_fini(&dns.nameservers);
	ocu_conf_fini();
}
REGISTER_POST_DEINIT(end_module);

static void register_build_options(void)
{
	char versions[OCU_FETCH_VERSIONS_BYTES], *text = NULL;

	ocu_engine_versions(versions);
	memprintf(&text, "Built with OCSP updater module version %s (%s, for %s)", OCU_VERSION,
		  versions, ocu_built_for_openssl);
	hap_register_build_opts(text, 1);
}
INITCALL0(STG_REGISTER, register_build_options);
