/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab.c - what a HAProxy test has around it, in one process: certificates, OCSP responders, a DNS
 * server and a log server, all on loopback and on ports of their own. It starts no HAProxy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "dnsd.h"
#include "faults.h"
#include "pki.h"
#include "responder.h"
#include "servers.h"
#include "staple.h"

#define LIFETIME_S 300
#define AWAIT_MS 20000
#define COMMAND_BYTES 8192
#define RESPONDERS_MAX 16
#define WORDS_MAX 64
#define LOG_LINE_BYTES 2048
#define PATH_BYTES 512
#define FAULTS_SERIAL 0x10000001 /* of the first row's certificate; the others follow */

static const char usage_text[] =
"lab run DIR [COMMAND]...  does what the commands say, prints \"lab is ready\", goes on until its\n"
"                          input ends, SIGTERM, or 300 s have passed\n"
"lab ask DIR COMMAND...    has a running lab do more, prints the answers; exit 0 if all worked\n"
"lab staple ADDRESS [--sni NAME] [--issuer PEM]\n"
"                          prints what a TLS client sees stapled at HOST:PORT or a Unix socket:\n"
"                          good, revoked, unknown, none, garbage, mismatch or unverified, and\n"
"                          cert=SERIAL, this=SECONDS next=SECONDS\n"
"lab softstop PID          SIGUSR1, then waits until the process has ended\n"
"\n"
"DIR is made. In it: lab.cfg, a HAProxy configuration that logs to the lab, resolves names with\n"
"it and has defaults; issuer.pem and root.pem; what the commands make. In commands, %NAME is the\n"
"port of the responder NAME.\n"
"\n"
"responder NAME [v4=MODE] [v6=MODE] [tls=KIND]\n"
"                          MODE: on (v4), refuse (v6), blackhole, silent; on the same port of\n"
"                          127.0.0.1 and [::1]. A running one changes. Prints its port\n"
"                          KIND of https: good (for r.test, tls.test, 127.0.0.1 and ::1; its CA\n"
"                          is in DIR/tls-ca.pem), wrong-name, expired, unknown-ca, hang\n"
"play NAME SEGMENT|-       it answers everything as SEGMENT says; -: as the URL says\n"
"release NAME, drop NAME   lets go answers of /hold-.../; closes connections\n"
"count NAME WHAT           WHAT: /SEGMENT, requests, get, post, connections, open, peak, busy,\n"
"                          v6, conditional, not-modified, absolute, malformed, sha1, nonce\n"
"await NAME N [/SEGMENT]   until so many requests have come\n"
"await-connections NAME N  until so many connections have come\n"
"await-idle                until no responder has an open connection\n"
"last NAME                 the head of the last request\n"
"sni NAME                  the server name of its last TLS handshake; an empty line: none\n"
"port NAME                 the port of a responder\n"
"name NAME [WORD]...       a DNS name, see tests/lib/dnsd.h\n"
"dns mute|unmute           the server dies, comes back\n"
"dns count|stats           queries so far; all that is counted\n"
"await-dns N [NAME]        until so many queries have come\n"
"cert NAME [WORD]...       makes DIR/NAME.pem. cn=, san=, uri= (several), serial=, must-staple,\n"
"                          rsa, chain=issuer (usual), root, none or apart, in\n"
"                          DIR/NAME.pem.issuer; n=3: DIR/NAME/000.pem to 002.pem, with the\n"
"                          number after the cn\n"
"ocsp FILE NAME SEGMENT    writes the response of SEGMENT for NAME into DIR/FILE\n"
"await-log N REGEX         until so many lines match (extended, of the whole run)\n"
"log REGEX                 prints them; count-log REGEX: how many they are\n"
"faults-make NAME RESPONDER\n"
"                          makes DIR/NAME/ROW.pem for each row of tests/lib/faults.c, with\n"
"                          http://ROW.test:PORT/ROW/; starts further responders for rows that\n"
"                          need them; prints how many rows there are\n"
"faults-check NAME ADDRESS [2]\n"
"                          whether each was asked for, stapled and logged as the table says, once\n"
"                          or twice\n"
"file NAME TEXT            writes TEXT into DIR/NAME\n"
"stop                      ends the lab\n";

struct named_responder {
	char name[32];
	struct responder *r;
	struct pki_id tls;
};

struct named_cert {
	struct named_cert *next;
	char name[64];
	struct pki_id id;
};

struct line {
	struct line *next;
	char text[];
};

static struct lab {
	const char *dir;
	struct pki *pki;
	struct dnsd *dns;
	struct named_responder responders[RESPONDERS_MAX];
	size_t n_responders;
	struct named_cert *certs;
	struct servers *servers;   /* those of "faults-make" */
	int log, ctl, sig;
	struct line *lines, **lines_end;
	time_t end;
	bool stop;
} lab = { .lines_end = &lab.lines };

static void die(const char *what)
{
	fprintf(stderr, "lab: %s: %m\n", what);
	exit(1);
}

/* ---- files ---- */

static const char *path_of(const char *name, const char *suffix)
{
	static char path[PATH_BYTES];

	if (snprintf(path, sizeof(path), "%s/%s%s", lab.dir, name, suffix) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		die(name);
	}
	return path;
}

static void file_write(const char *name, const void *p, size_t n)
{
	const char *path = path_of(name, "");
	FILE *f = fopen(path, "w");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		die(path);
}

/* ---- log ---- */

static int log_port(void)
{
	struct sockaddr_in in4;
	socklen_t n = sizeof(in4);

	if (getsockname(lab.log, (struct sockaddr *)&in4, &n) != 0)
		die("getsockname");
	return ntohs(in4.sin_port);
}

static void log_open(void)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	int room = 4 << 20;

	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lab.log = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (lab.log < 0 || bind(lab.log, (struct sockaddr *)&in4, sizeof(in4)) != 0)
		die("log server");
	setsockopt(lab.log, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

/* Keeps what has come; "<PRI>" in front tells level and facility. */
static void log_read(void)
{
	char text[LOG_LINE_BYTES];
	struct line *l;
	ssize_t n;

	while ((n = recv(lab.log, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		l = calloc(1, sizeof(*l) + strlen(text) + 1);
		if (!l)
			die("calloc");
		memcpy(l->text, text, strlen(text) + 1);
		*lab.lines_end = l;
		lab.lines_end = &l->next;
	}
}

static uint64_t log_match(const regex_t *re, FILE *out)
{
	struct line *l;
	uint64_t n = 0;

	log_read();
	for (l = lab.lines; l; l = l->next) {
		if (regexec(re, l->text, 0, NULL, 0) != 0)
			continue;
		n++;
		if (out)
			fprintf(out, "%s\n", l->text);
	}
	return n;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool log_await(const regex_t *re, uint64_t n)
{
	struct pollfd p = { .fd = lab.log, .events = POLLIN };
	int64_t end = now_ms() + AWAIT_MS, left;

	while (log_match(re, NULL) < n) {
		left = end - now_ms();
		if (left <= 0)
			return false;
		poll(&p, 1, (int)left);
	}
	return true;
}

/* ---- commands ----
 *
 * Each gets its words, the first of which is its name, and writes its answer; false: it failed, and
 * the answer says why.
 */

static struct responder *responder_of(const char *name)
{
	size_t i;

	for (i = 0; i < lab.n_responders; i++)
		if (!strcmp(lab.responders[i].name, name))
			return lab.responders[i].r;
	return NULL;
}

static struct named_cert *cert_of(const char *name)
{
	struct named_cert *c;

	for (c = lab.certs; c; c = c->next)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static bool refuse(FILE *out, const char *why, const char *what)
{
	fprintf(out, "%s '%s'\n", why, what);
	return false;
}

static bool mode_read(const char *word, enum responder_mode *m)
{
	static const struct {
		const char *name;
		enum responder_mode mode;
	} modes[] = {
		{ "on", RESPONDER_LISTEN }, { "refuse", RESPONDER_REFUSE },
		{ "blackhole", RESPONDER_BLACKHOLE }, { "silent", RESPONDER_SILENT },
	};
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, word) != 0)
			continue;
		*m = modes[i].mode;
		return true;
	}
	return false;
}

/* Whoever verifies responders gets what their certificates come down to. */
static void tls_ca_write(void)
{
	pki_pem_write(path_of("tls-ca", ".pem"), &lab.pki->by[PKI_BY_ROOT].cert, 1, NULL);
}

static bool tls_read(const char *word, struct responder_conf *conf, struct pki_id *id)
{
	static const struct {
		const char *name;
		enum fault_server kind;
	} kinds[] = {
		{ "good", FAULT_TLS }, { "wrong-name", FAULT_TLS_WRONG_NAME },
		{ "expired", FAULT_TLS_EXPIRED }, { "unknown-ca", FAULT_TLS_UNKNOWN_CA },
		{ "hang", FAULT_TLS_HANG },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, word) != 0)
			continue;
		tls_ca_write();
		pki_cert_fini(id);
		servers_cert_make(lab.pki, id, kinds[i].kind);
		conf->tls = id;
		conf->tls_hang = kinds[i].kind == FAULT_TLS_HANG;
		return true;
	}
	return false;
}

static bool cmd_responder(char **w, size_t n, FILE *out)
{
	struct responder_conf conf = { .pki = lab.pki, .v6 = RESPONDER_REFUSE };
	struct responder *r = responder_of(w[1]);
	struct named_responder *slot;
	bool v4 = false, v6 = false;
	size_t i;

	if (!r && lab.n_responders == RESPONDERS_MAX)
		return refuse(out, "too many responders", w[1]);
	slot = &lab.responders[lab.n_responders];
	for (i = 2; i < n; i++) {
		if (!strncmp(w[i], "v4=", 3) && mode_read(w[i] + 3, &conf.v4))
			v4 = true;
		else if (!strncmp(w[i], "v6=", 3) && mode_read(w[i] + 3, &conf.v6))
			v6 = true;
		else if (r || strncmp(w[i], "tls=", 4) || !tls_read(w[i] + 4, &conf, &slot->tls))
			return refuse(out, "unknown word", w[i]);
	}
	if (r) {
		if (v4)
			responder_mode_set(r, false, conf.v4);
		if (v6)
			responder_mode_set(r, true, conf.v6);
		fprintf(out, "%u\n", (unsigned)responder_port(r));
		return true;
	}
	lab.n_responders++;
	snprintf(slot->name, sizeof(slot->name), "%s", w[1]);
	slot->r = responder_new(&conf);
	if (v6 && !responder_has_v6(slot->r))
		return refuse(out, "this host has no [::1] for", w[1]);
	fprintf(out, "%u\n", (unsigned)responder_port(slot->r));
	return true;
}

static bool cmd_play(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);
	const char *segment = w[2];

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	if (!strcmp(segment, "-")) {
		responder_force(r, NULL);
		return true;
	}
	if (!fault_find(strncmp(segment, "hold-", 5) ? segment : segment + 5))
		return refuse(out, "no such behaviour", segment);
	responder_force(r, segment);
	return true;
}

static bool cmd_release(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	responder_release(r);
	return true;
}

static bool cmd_drop(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	responder_drop(r);
	return true;
}

static bool cmd_count(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);
	struct responder_stats st;
	const struct {
		const char *name;
		const uint64_t *value;
	} rows[] = {
		{ "requests", &st.requests }, { "get", &st.get }, { "post", &st.post },
		{ "connections", &st.connections }, { "open", &st.open }, { "peak", &st.peak },
		{ "busy", &st.busy_peak }, { "v6", &st.v6 }, { "conditional", &st.conditional },
		{ "not-modified", &st.not_modified }, { "absolute", &st.absolute },
		{ "malformed", &st.malformed }, { "sha1", &st.sha1 }, { "nonce", &st.nonce },
	};
	size_t i;

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	if (*w[2] == '/') {
		fprintf(out, "%llu\n", (unsigned long long)responder_count(r, w[2] + 1));
		return true;
	}
	responder_stats(r, &st);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, w[2]) != 0)
			continue;
		fprintf(out, "%llu\n", (unsigned long long)*rows[i].value);
		return true;
	}
	return refuse(out, "nothing counted is called", w[2]);
}

static bool cmd_await(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);
	const char *segment = n > 3 ? w[3] + (*w[3] == '/') : NULL;
	uint64_t many = strtoull(w[2], NULL, 10);

	if (!r)
		return refuse(out, "no such responder", w[1]);
	if (!strcmp(w[0], "await-connections"))
		return responder_wait_connections(r, many, AWAIT_MS) ||
		       refuse(out, "too few connections came to", w[1]);
	return responder_wait(r, segment, many, AWAIT_MS) ||
	       refuse(out, "too few requests came to", w[1]);
}

static bool cmd_await_idle(char **w, size_t n, FILE *out)
{
	size_t i;

	(void)n;
	for (i = 0; i < lab.n_responders; i++)
		if (!responder_wait_idle(lab.responders[i].r, AWAIT_MS))
			return refuse(out, "still connected:", lab.responders[i].name);
	return !lab.servers || servers_wait_idle(lab.servers, AWAIT_MS) ||
	       refuse(out, "still connected:", w[0]);
}

static bool cmd_sni(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);
	char name[256];

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	responder_sni(r, name, sizeof(name));
	fprintf(out, "%s\n", name);
	return true;
}

static bool cmd_last(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);
	char head[COMMAND_BYTES];

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	responder_last(r, head, sizeof(head));
	fputs(head, out);
	return true;
}

static bool cmd_name(char **w, size_t n, FILE *out)
{
	char line[COMMAND_BYTES];
	size_t i, at = 0;

	for (i = 1; i < n; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s ", w[i]);
	return dnsd_set(lab.dns, line) || refuse(out, "not understood:", line);
}

static bool cmd_dns(char **w, size_t n, FILE *out)
{
	struct dnsd_stats st;

	(void)n;
	if (!strcmp(w[1], "mute") || !strcmp(w[1], "unmute")) {
		dnsd_mute(lab.dns, *w[1] == 'm');
		return true;
	}
	dnsd_stats(lab.dns, &st);
	if (!strcmp(w[1], "count")) {
		fprintf(out, "%llu\n", (unsigned long long)st.queries);
		return true;
	}
	if (strcmp(w[1], "stats") != 0)
		return refuse(out, "unknown word", w[1]);
	fprintf(out, "queries=%llu tcp=%llu a=%llu aaaa=%llu truncated=%llu\n",
		(unsigned long long)st.queries, (unsigned long long)st.tcp,
		(unsigned long long)st.a, (unsigned long long)st.aaaa,
		(unsigned long long)st.truncated);
	return true;
}

static bool cmd_await_dns(char **w, size_t n, FILE *out)
{
	const char *name = n > 2 ? w[2] : NULL;

	return dnsd_wait(lab.dns, name, strtoull(w[1], NULL, 10), AWAIT_MS) ||
	       refuse(out, "too few queries came for", name ? name : "any name");
}

/* What "cert" was asked to make. */
struct cert_order {
	struct pki_cert c;
	const char *cn, *chain;
	unsigned many;
};

static bool cert_word(struct cert_order *o, const char *word, size_t *n_uris)
{
	if (!strncmp(word, "cn=", 3))
		o->cn = word + 3;
	else if (!strncmp(word, "san=", 4))
		o->c.san = word + 4;
	else if (!strncmp(word, "uri=", 4) && *n_uris < PKI_URIS_MAX)
		o->c.uris[(*n_uris)++] = word + 4;
	else if (!strncmp(word, "serial=", 7))
		o->c.serial = strtoull(word + 7, NULL, 0);
	else if (!strncmp(word, "chain=", 6))
		o->chain = word + 6;
	else if (!strncmp(word, "n=", 2))
		o->many = (unsigned)strtoul(word + 2, NULL, 10);
	else if (!strcmp(word, "must-staple"))
		o->c.must_staple = true;
	else if (!strcmp(word, "rsa"))
		o->c.algorithm = PKI_RSA_2048;
	else
		return false;
	return true;
}

/* Makes <name>.pem in the directory of the lab, and remembers the certificate. */
static bool cert_write(const char *name, const struct cert_order *o, FILE *out)
{
	X509 *issuer = lab.pki->by[PKI_BY_ISSUER].cert, *root = lab.pki->by[PKI_BY_ROOT].cert;
	struct named_cert *c = cert_of(name);
	X509 *chain[3];

	if (c) {
		pki_cert_fini(&c->id);
	} else {
		c = calloc(1, sizeof(*c));
		if (!c)
			die("calloc");
		snprintf(c->name, sizeof(c->name), "%s", name);
		c->next = lab.certs;
		lab.certs = c;
	}
	pki_cert_make(lab.pki, &c->id, &o->c);
	chain[0] = c->id.cert;
	chain[1] = issuer;
	chain[2] = root;
	if (!strcmp(o->chain, "issuer")) {
		pki_pem_write(path_of(name, ".pem"), chain, 2, c->id.key);
	} else if (!strcmp(o->chain, "root")) {
		pki_pem_write(path_of(name, ".pem"), chain, 3, c->id.key);
	} else if (!strcmp(o->chain, "none") || !strcmp(o->chain, "apart")) {
		pki_pem_write(path_of(name, ".pem"), chain, 1, c->id.key);
		if (*o->chain == 'a')
			pki_pem_write(path_of(name, ".pem.issuer"), &issuer, 1, NULL);
	} else {
		return refuse(out, "unknown chain", o->chain);
	}
	return true;
}

static bool cmd_cert(char **w, size_t n, FILE *out)
{
	struct cert_order o = { .cn = w[1], .chain = "issuer" };
	char cn[128], name[128];
	size_t i, n_uris = 0;
	unsigned k;

	for (i = 2; i < n; i++)
		if (!cert_word(&o, w[i], &n_uris))
			return refuse(out, "unknown word", w[i]);
	o.c.name = o.cn;
	if (!o.many)
		return cert_write(w[1], &o, out);
	if (mkdir(path_of(w[1], ""), 0700) != 0 && errno != EEXIST)
		die(w[1]);
	for (k = 0; k < o.many; k++) {
		snprintf(cn, sizeof(cn), "%s-%03u", o.cn, k);
		snprintf(name, sizeof(name), "%s/%03u", w[1], k);
		o.c.name = cn;
		if (!cert_write(name, &o, out))
			return false;
	}
	return true;
}

static bool cmd_ocsp(char **w, size_t n, FILE *out)
{
	struct named_cert *c = cert_of(w[2]);
	uint8_t *der;
	size_t len;

	(void)n;
	if (!c)
		return refuse(out, "no such certificate", w[2]);
	if (!fault_find(w[3]))
		return refuse(out, "no such behaviour", w[3]);
	len = fault_body_make(lab.pki, &der, w[3], c->id.cert);
	file_write(w[1], der, len);
	free(der);
	return true;
}

static bool cmd_log(char **w, size_t n, FILE *out)
{
	bool await = !strcmp(w[0], "await-log"), ok = true;
	const char *text = await ? (n > 2 ? w[2] : "") : w[1];
	regex_t re;

	if (regcomp(&re, text, REG_EXTENDED | REG_NOSUB) != 0)
		return refuse(out, "not an expression:", text);
	if (await)
		ok = log_await(&re, strtoull(w[1], NULL, 10)) ||
		     refuse(out, "too few log lines match", text);
	else if (!strcmp(w[0], "log"))
		log_match(&re, out);
	else
		fprintf(out, "%llu\n", (unsigned long long)log_match(&re, NULL));
	regfree(&re);
	if (!ok && regcomp(&re, "", REG_NOSUB) == 0) {
		log_match(&re, out);
		regfree(&re);
	}
	return ok;
}

/* The part of a log line from its status on, "4 \"...\" 1 0 \"...\"", of the last line about
 * <path>; NULL if there are not exactly <n> of them.
 */
static const char *log_result(const char *path, size_t n)
{
	const char *at, *found = NULL;
	size_t len = strlen(path), seen = 0;
	struct line *l;

	log_read();
	for (l = lab.lines; l; l = l->next) {
		at = strstr(l->text, path);
		if (!at || at[len] != ' ' || !strstr(l->text, "<OCSP-UPDATE>"))
			continue;
		seen++;
		found = at + len + 1;
	}
	return seen == n ? found : NULL;
}

/* "faults-make NAME RESPONDER": for each row of the table a certificate with a host of its own. */
static bool cmd_faults_make(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[2]);
	struct cert_order o = { .chain = "issuer", .c.serial = FAULTS_SERIAL };
	const struct fault *f;
	char name[128], uri[160], host[80];
	struct pki_id asked;
	size_t i;

	(void)n;
	if (!r || lab.servers)
		return refuse(out, "no such responder, or done already:", w[2]);
	if (mkdir(path_of(w[1], ""), 0700) != 0 && errno != EEXIST)
		die(w[1]);
	tls_ca_write();
	lab.servers = servers_new(lab.pki, r);
	if (!dnsd_set(lab.dns, "* a=127.0.0.1 aaaa=::1 ttl=60"))
		return false;
	for (i = 0; (f = fault_row(i)); i++, o.c.serial++) {
		snprintf(name, sizeof(name), "%s/%s", w[1], fault_name(f));
		snprintf(host, sizeof(host), "%s.test", fault_name(f));
		/* who answers early has to know the serial, and the certificate his port */
		pki_cert_make(lab.pki, &asked, &(struct pki_cert){ .serial = o.c.serial });
		servers_url(lab.servers, i, asked.cert, host, uri, sizeof(uri));
		pki_cert_fini(&asked);
		o.c.name = fault_name(f);
		o.c.uris[0] = uri;
		if (!cert_write(name, &o, out))
			return false;
	}
	fprintf(out, "%zu\n", i);
	return true;
}

/* Whether the certificate of row number <i> was asked for so often as <times> fetches may. */
static bool fault_asked(size_t i, X509 *cert, unsigned times, uint64_t *asked)
{
	const struct fault *f = fault_row(i);
	uint64_t want = (uint64_t)fault_requests(f) * times;
	char *serial = pki_serial(cert), key[128];

	snprintf(key, sizeof(key), "* %s", serial);
	OPENSSL_free(serial);
	*asked = responder_count(servers_get(lab.servers, i, cert), key);
	return fault_server(f) == FAULT_EARLY ? *asked <= want : *asked == want;
}

/* Compares what came of one row with what is wanted; says what is wrong. */
static bool fault_check(const char *dir, size_t i, const char *where, unsigned times, FILE *out)
{
	const struct fault *f = fault_row(i);
	const char *want = fault_want(f, times > 1), *why = fault_why(f, times > 1), *result;
	X509 *issuer = lab.pki->by[PKI_BY_ISSUER].cert;
	char text[STAPLE_TEXT_BYTES], path[PATH_BYTES];
	size_t n = strlen(want ? want : "none");
	struct named_cert *c;
	uint64_t asked = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, fault_name(f));
	c = cert_of(path);
	snprintf(path, sizeof(path), "%s/%s/%s.pem", lab.dir, dir, fault_name(f));
	result = log_result(path, times);
	if (c && fault_asked(i, c->id.cert, times, &asked) &&
	    staple_look(where, fault_name(f), issuer, text) &&
	    !strncmp(text, want ? want : "none", n) && text[n] == ' ' && result &&
	    (want && !why ? *result == '1' : *result >= '2' && *result <= '5') &&
	    (!why || strstr(result, why)))
		return true;
	staple_look(where, fault_name(f), issuer, text);
	fprintf(out, "%s: %.80s, %s, %llu requests, wanted %s%s%s, %u requests\n", fault_name(f),
		text, result ? result : "not the right number of lines in the log",
		(unsigned long long)asked, want ? want : "none", why ? ": " : "", why ? why : "",
		fault_requests(f) * times);
	return false;
}

/* "faults-check NAME ADDRESS [N]": once each row has been fetched N times. */
static bool cmd_faults_check(char **w, size_t n, FILE *out)
{
	unsigned times = n > 3 ? (unsigned)strtoul(w[3], NULL, 10) : 1;
	size_t i, wrong = 0;

	if (!lab.servers)
		return refuse(out, "no faults were made for", w[1]);
	for (i = 0; fault_row(i); i++)
		wrong += !fault_check(w[1], i, w[2], times, out);
	fprintf(out, "%zu of %zu rows are wrong\n", wrong, i);
	return !wrong;
}

static bool cmd_port(char **w, size_t n, FILE *out)
{
	struct responder *r = responder_of(w[1]);

	(void)n;
	if (!r)
		return refuse(out, "no such responder", w[1]);
	fprintf(out, "%u\n", (unsigned)responder_port(r));
	return true;
}

static bool cmd_file(char **w, size_t n, FILE *out)
{
	(void)n;
	(void)out;
	file_write(w[1], w[2], strlen(w[2]));
	return true;
}

static bool cmd_stop(char **w, size_t n, FILE *out)
{
	(void)w;
	(void)n;
	(void)out;
	lab.stop = true;
	return true;
}

static const struct command {
	const char *name;
	size_t words;              /* at least, with the name itself */
	bool (*run)(char **w, size_t n, FILE *out);
	size_t rest;               /* so many, the last one reaching to the end; 0: as they come */
	bool plain;                /* %NAME stays as it is */
} commands[] = {
	{ "responder", 2, cmd_responder, 0, false },
	{ "play", 3, cmd_play, 0, false },
	{ "release", 2, cmd_release, 0, false },
	{ "drop", 2, cmd_drop, 0, false },
	{ "count", 3, cmd_count, 0, false },
	{ "await", 3, cmd_await, 0, false },
	{ "await-connections", 3, cmd_await, 0, false },
	{ "await-idle", 1, cmd_await_idle, 0, false },
	{ "last", 2, cmd_last, 0, false },
	{ "sni", 2, cmd_sni, 0, false },
	{ "name", 2, cmd_name, 0, false },
	{ "dns", 2, cmd_dns, 0, false },
	{ "await-dns", 2, cmd_await_dns, 0, false },
	{ "cert", 2, cmd_cert, 0, false },
	{ "ocsp", 4, cmd_ocsp, 0, false },
	{ "await-log", 3, cmd_log, 3, true },
	{ "log", 2, cmd_log, 2, true },
	{ "count-log", 2, cmd_log, 2, true },
	{ "faults-make", 3, cmd_faults_make, 0, false },
	{ "faults-check", 3, cmd_faults_check, 0, false },
	{ "port", 2, cmd_port, 0, false },
	{ "file", 3, cmd_file, 3, false },
	{ "stop", 1, cmd_stop, 0, false },
};

/* Writes <in> into <out> with the ports of responders in it; false if it does not fit, or names a
 * responder that there is not.
 */
static bool ports_fill(char *out, size_t max, const char *in)
{
	struct named_responder *r;
	size_t at = 0, i, n;

	while (*in && at + 8 < max) {
		if (*in != '%') {
			out[at++] = *in++;
			continue;
		}
		r = NULL;
		for (i = 0; i < lab.n_responders; i++) {
			n = strlen(lab.responders[i].name);
			if (!strncmp(in + 1, lab.responders[i].name, n) &&
			    strcspn(in + 1, "/ ,:") == n)
				r = &lab.responders[i];
		}
		if (!r)
			return false;
		at += (size_t)snprintf(out + at, max - at, "%u", (unsigned)responder_port(r->r));
		in += 1 + strlen(r->name);
	}
	out[at] = '\0';
	return !*in;
}

/* Splits <text> in place; returns the number of words, the <rest>th one reaching to the end. */
static size_t split(char *text, char **words, size_t rest)
{
	size_t n = 0;

	while (n < WORDS_MAX) {
		text += strspn(text, " \t\n");
		if (!*text)
			break;
		words[n++] = text;
		if (n == rest)
			break;
		text += strcspn(text, " \t\n");
		if (*text)
			*text++ = '\0';
	}
	return n;
}

static bool command_run(const char *line, FILE *out)
{
	char text[COMMAND_BYTES], *w[WORDS_MAX] = {0};
	size_t i, n, len = strcspn(line, " \t\n");
	const struct command *c = NULL;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].name) == len && !strncmp(line, commands[i].name, len))
			c = &commands[i];
	if (!c)
		return refuse(out, "no such command:", line);
	if (c->plain)
		snprintf(text, sizeof(text), "%s", line);
	else if (!ports_fill(text, sizeof(text), line))
		return refuse(out, "too long, or a port of no responder:", line);
	n = split(text, w, c->rest);
	if (n < c->words)
		return refuse(out, "a word is missing:", line);
	return c->run(w, n, out);
}

/* ---- lab run ---- */

static void control_address(struct sockaddr_un *sun, const char *dir)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/ctl", dir) >=
	    (int)sizeof(sun->sun_path)) {
		errno = ENAMETOOLONG;
		die(dir);
	}
}

static void control_open(void)
{
	struct sockaddr_un sun;

	control_address(&sun, lab.dir);
	lab.ctl = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (lab.ctl < 0 || bind(lab.ctl, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(lab.ctl, 16) != 0)
		die(sun.sun_path);
}

/* One question: the answer begins with '+' if it worked, else with '-'. */
static void control_answer(void)
{
	char line[COMMAND_BYTES], *text = NULL;
	size_t text_n = 0;
	FILE *out;
	ssize_t n;
	bool ok;
	int fd;

	fd = accept4(lab.ctl, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	n = recv(fd, line, sizeof(line) - 1, 0);
	out = open_memstream(&text, &text_n);
	if (!out)
		die("open_memstream");
	if (n > 0) {
		line[n] = '\0';
		fputc('+', out);
		ok = command_run(line, out);
		if (fclose(out) != 0)
			die("open_memstream");
		if (!ok)
			*text = '-';
		(void)!send(fd, text, text_n, MSG_NOSIGNAL);
	} else {
		fclose(out);
	}
	free(text);
	close(fd);
}

static void config_write(void)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text),
		     "global\n\tlog 127.0.0.1:%d len 4096 format rfc3164 local0 debug\n\n"
		     "resolvers default\n\tnameserver lab 127.0.0.1:%u\n\n"
		     "defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 5s\n"
		     "\ttimeout server 5s\n", log_port(),
		     (unsigned)dnsd_port(lab.dns));
	file_write("lab.cfg", text, (size_t)n);
}

static void lab_start(const char *dir)
{
	sigset_t set;

	lab.dir = dir;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		die(dir);
	/* before any thread: they all inherit it */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	lab.sig = signalfd(-1, &set, SFD_CLOEXEC);
	if (lab.sig < 0)
		die("signalfd");
	lab.end = time(NULL) + LIFETIME_S;
	lab.pki = pki_new();
	pki_pem_write(path_of("issuer", ".pem"), &lab.pki->by[PKI_BY_ISSUER].cert, 1, NULL);
	pki_pem_write(path_of("root", ".pem"), &lab.pki->by[PKI_BY_ROOT].cert, 1, NULL);
	lab.dns = dnsd_new();
	log_open();
	control_open();
	config_write();
}

static void lab_end(void)
{
	struct named_cert *c;
	struct line *l;
	size_t i;

	servers_free(lab.servers);
	for (i = 0; i < lab.n_responders; i++) {
		responder_free(lab.responders[i].r);
		pki_cert_fini(&lab.responders[i].tls);
	}
	dnsd_free(lab.dns);
	while ((c = lab.certs)) {
		lab.certs = c->next;
		pki_cert_fini(&c->id);
		free(c);
	}
	while ((l = lab.lines)) {
		lab.lines = l->next;
		free(l);
	}
	pki_free(lab.pki);
	unlink(path_of("ctl", ""));
}

static void lab_serve(void)
{
	struct pollfd p[] = {
		{ .fd = lab.ctl, .events = POLLIN }, { .fd = lab.log, .events = POLLIN },
		{ .fd = lab.sig, .events = POLLIN }, { .fd = 0, .events = POLLIN },
	};
	char waste[256];

	while (!lab.stop && time(NULL) < lab.end) {
		if (poll(p, sizeof(p) / sizeof(p[0]), LIFETIME_S * 1000) <= 0)
			break;
		if (p[1].revents)
			log_read();
		if (p[0].revents)
			control_answer();
		if (p[2].revents || (p[3].revents && read(0, waste, sizeof(waste)) <= 0))
			break;
	}
}

static int main_run(int argc, char **argv)
{
	int i;

	lab_start(argv[2]);
	for (i = 3; i < argc; i++) {
		if (command_run(argv[i], stdout))
			continue;
		fprintf(stderr, "lab: %s: failed\n", argv[i]);
		return 1;
	}
	printf("lab is ready\n");
	fflush(stdout);
	lab_serve();
	lab_end();
	return 0;
}

/* ---- the other programs ---- */

static bool ask_one(const char *dir, const char *command)
{
	static char answer[1 << 20];
	struct sockaddr_un sun;
	ssize_t n;
	int fd;

	control_address(&sun, dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		die(sun.sun_path);
	n = recv(fd, answer, sizeof(answer), 0);
	close(fd);
	if (n < 1) {
		fprintf(stderr, "lab: no answer to '%s'\n", command);
		return false;
	}
	fwrite(answer + 1, 1, (size_t)n - 1, stdout);
	return *answer == '+';
}

static int main_ask(int argc, char **argv)
{
	int i;

	for (i = 3; i < argc; i++)
		if (!ask_one(argv[2], argv[i]))
			return 1;
	return 0;
}

static int main_staple(int argc, char **argv)
{
	const char *sni = NULL;
	char text[STAPLE_TEXT_BYTES];
	X509 *issuer = NULL;
	FILE *f;
	bool ok;
	int i;

	for (i = 3; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--sni")) {
			sni = argv[i + 1];
		} else if (!strcmp(argv[i], "--issuer")) {
			f = fopen(argv[i + 1], "r");
			issuer = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
			if (!issuer)
				die(argv[i + 1]);
			fclose(f);
		} else {
			fputs(usage_text, stderr);
			return 2;
		}
	}
	ok = staple_look(argv[2], sni, issuer, text);
	X509_free(issuer);
	printf("%s\n", text);
	return ok ? 0 : 1;
}

static int main_softstop(const char *text)
{
	struct pollfd p = { .events = POLLIN };
	pid_t pid = (pid_t)strtol(text, NULL, 10);

	p.fd = pidfd_open(pid, 0);
	if (pid <= 0 || p.fd < 0 || kill(pid, SIGUSR1) != 0)
		die(text);
	if (poll(&p, 1, AWAIT_MS) == 1)
		return 0;
	fprintf(stderr, "lab: process %s goes on after a soft stop\n", text);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "run"))
		return main_run(argc, argv);
	if (argc >= 4 && !strcmp(argv[1], "ask"))
		return main_ask(argc, argv);
	if (argc == 3 && !strcmp(argv[1], "softstop"))
		return main_softstop(argv[2]);
	if (argc >= 3 && !strcmp(argv[1], "staple"))
		return main_staple(argc, argv);
	fputs(usage_text, stderr);
	return 2;
}
