/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab.c - what a HAProxy test has around it, in one process: certificates, OCSP responders, a DNS
 * server and a log server, all on loopback and on ports of their own. It starts no HAProxy.
 */
#include <errno.h>
#include <poll.h>
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

#include "drive.h"
#include "lab.h"
#include "load.h"
#include "pings.h"
#include "staple.h"
#include "visit.h"
#include "wait.h"

#define LIFETIME_S 300

static const char usage_text[] =
"lab run DIR [COMMAND]...  does what the commands say, prints \"lab is ready\", goes on until its\n"
"                          input ends, SIGTERM, or 300 s have passed; LAB_LIMIT_S= in the\n"
"                          environment: so much longer, and what awaits something does so for\n"
"                          that long in place of 20 s\n"
"lab ask DIR COMMAND...    has a running lab do more, prints the answers; exit 0 if all worked\n"
"lab staple ADDRESS [--sni NAME] [--issuer PEM]\n"
"                          prints what a TLS client sees stapled at HOST:PORT or a Unix socket:\n"
"                          good, revoked, unknown, none, garbage, mismatch or unverified, and\n"
"                          cert=SERIAL, this=SECONDS next=SECONDS\n"
"lab load ADDRESS MS CONNECTIONS [NAME]\n"
"                          makes full TLS handshakes with a status request there, so many at any\n"
"                          time, with the server name NAME, and begins none after MS; prints\n"
"                          rate= a second, p50= and p99= in ms, handshakes=, stapled= of them,\n"
"                          cpu= the share of a processor that this took\n"
"lab visit ADDRESS MS EVERY-MS NAME N [NAME N]...\n"
"                          clients with the server names NAME-000 and so on come there so often,\n"
"                          each until it gets a good staple, until those of the first NAME have,\n"
"                          or until MS; prints of these seconds=, stapled= of them, bare=\n"
"                          handshakes without a staple, failed= ones, longest= s that one took\n"
"lab drive DIR PORT SEGMENT CERT N CONNECTIONS\n"
"                          asks the responder there for DIR/CERT.pem as fast as it answers, N\n"
"                          times in all; prints the milliseconds that this took\n"
"lab pings SOCKET COMMAND  gives COMMAND to HAProxy's CLI, and asks it for next to nothing over\n"
"                          another connection meanwhile; prints ms=, bytes= and lines= of the\n"
"                          answer, longest= of the others in ms, quiet= the same without COMMAND\n"
"lab wait lines FILE N REGEX\n"
"                          until so many lines of FILE match, which may come only later\n"
"lab wait names DIR N REGEX\n"
"                          until so many names in DIR match\n"
"lab wait cli SOCKET COMMAND REGEX\n"
"                          until HAProxy's CLI answers COMMAND with a line that matches\n"
"lab softstop PID          SIGUSR1, then waits until the process has ended\n"
"lab bare N                prints the microseconds of processor time in which libcrypto parses a\n"
"                          response and checks its signature, N times, and does nothing else\n"
"\n"
"DIR is made. In it: lab.cfg, a HAProxy configuration that logs to the lab, resolves names with\n"
"it and has defaults; issuer.pem and root.pem; what the commands make. In commands, %NAME is the\n"
"port of the responder NAME.\n"
"\n"
"responder NAME [v4=MODE] [v6=MODE] [ADDRESS=MODE]... [tls=KIND] [after=MS]\n"
"                          MODE: on (v4), refuse (v6), blackhole, silent (connected, nobody is\n"
"                          there), deaf (accepted, counted and read, never answered); on the\n"
"                          same port of 127.0.0.1, [::1] and further ADDRESSes as 127.0.0.2.\n"
"                          after=MS: the modes begin so much later; who is new refuses until\n"
"                          then. A running one changes. Prints its port\n"
"                          KIND of https: good (for r.test, tls.test, 127.0.0.1 and ::1; its CA\n"
"                          is in DIR/tls-ca.pem), wrong-name, expired, unknown-ca, hang\n"
"play NAME SEGMENT|-       it answers everything as SEGMENT says, a row of tests/lib/faults.c;\n"
"                          hold- before it: the answer waits; -: as the URL says\n"
"play NAME SEGMENT|- WORD...\n"
"                          the same for some requests, the last play that fits counting:\n"
"                          cert=CERT (made by \"cert\"), path=/SEGMENT, first=N of them from now\n"
"                          on; with delay=MS before the answer, retry-after=S in it\n"
"limit NAME rate=N [answer=SEGMENT] [retry-after=S]\n"
"                          lets N requests through in each second (a window that the first\n"
"                          request after the last window begins), answers the others as SEGMENT\n"
"                          says: status-429 (usual), status-503, error-3 (tryLater). rate=0: no\n"
"                          limit\n"
"pace NAME N               answers in equal steps, N a second; 0: as requests come\n"
"cache NAME SEGMENT|-      it is a cache with a stale copy: answers as SEGMENT says unless asked\n"
"                          with Cache-Control: no-cache; -: no cache\n"
"release NAME, drop NAME   lets go answers of /hold-.../; closes connections\n"
"count NAME WHAT           WHAT: requests, get, post, /SEGMENT, cert=CERT, no-cache, stale (from\n"
"                          the cache), refused (by the limit), conditional, not-modified,\n"
"                          absolute, malformed, sha1, nonce, bytes-in, bytes-out; connections,\n"
"                          at=ADDRESS, v6, open, peak (most at once), busy (most requests at\n"
"                          once); answers, answer-us (all the microseconds between a request and\n"
"                          the end of its answer);\n"
"                          up=ADDRESS (1 if it answers there)\n"
"at-most NAME N WHAT       prints it, and fails if it is more\n"
"await NAME N [WHAT]       until so many requests, or whatever is counted, have come\n"
"await-idle                until no responder has an open connection\n"
"last NAME                 the head of the last request\n"
"sni NAME                  the server name of its last TLS handshake; an empty line: none\n"
"port NAME                 the port of a responder\n"
"name NAME [WORD]...       a DNS name, see tests/lib/dnsd.h\n"
"dns mute|unmute           the server dies, comes back\n"
"dns count|stats           queries so far; all that is counted\n"
"await-dns N [NAME]        until so many queries have come\n"
"cert NAME [WORD]...       makes DIR/NAME.pem. cn=, san=, uri= (several), serial=, must-staple,\n"
"                          rsa, rsa-3072, one-key (all that say so have the same one),\n"
"                          chain=issuer (usual), root, none or apart, in\n"
"                          DIR/NAME.pem.issuer; n=3: DIR/NAME/000.pem to 002.pem, with the\n"
"                          number after the cn\n"
"ocsp FILE NAME SEGMENT    writes the response of SEGMENT for NAME into DIR/FILE\n"
"await-log N REGEX         until so many lines match (extended, of the whole run)\n"
"when-log N REGEX          the same, and prints when the last of them came, in microseconds since\n"
"                          the epoch\n"
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

struct lab lab = { .lines_end = &lab.lines };

/* ---- lab run ---- */

static void control_address(struct sockaddr_un *sun, const char *dir)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/ctl", dir) >=
	    (int)sizeof(sun->sun_path)) {
		errno = ENAMETOOLONG;
		lab_die(dir);
	}
}

static void control_open(void)
{
	struct sockaddr_un sun;

	control_address(&sun, lab.dir);
	lab.ctl = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (lab.ctl < 0 || bind(lab.ctl, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(lab.ctl, 16) != 0)
		lab_die(sun.sun_path);
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
		lab_die("open_memstream");
	if (n > 0) {
		line[n] = '\0';
		fputc('+', out);
		ok = command_run(line, out);
		if (fclose(out) != 0)
			lab_die("open_memstream");
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
	lab_file("lab.cfg", text, (size_t)n);
}

static void lab_start(const char *dir)
{
	sigset_t set;

	lab.dir = dir;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		lab_die(dir);
	/* before any thread: they all inherit it */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	lab.sig = signalfd(-1, &set, SFD_CLOEXEC);
	if (lab.sig < 0)
		lab_die("signalfd");
	lab.end = time(NULL) + LIFETIME_S + wait_limit_ms(0) / 1000;
	lab.pki = pki_new();
	pki_pem_write(lab_path("issuer", ".pem"), &lab.pki->by[PKI_BY_ISSUER].cert, 1, NULL);
	pki_pem_write(lab_path("root", ".pem"), &lab.pki->by[PKI_BY_ROOT].cert, 1, NULL);
	lab.dns = dnsd_new();
	log_open();
	control_open();
	config_write();
}

static void lab_end(void)
{
	struct line *l;
	size_t i;

	servers_free(lab.servers);
	for (i = 0; i < lab.n_responders; i++) {
		responder_free(lab.responders[i].r);
		pki_cert_fini(&lab.responders[i].tls);
	}
	dnsd_free(lab.dns);
	lab_certs_fini();
	while ((l = lab.lines)) {
		lab.lines = l->next;
		free(l);
	}
	pki_free(lab.pki);
	unlink(lab_path("ctl", ""));
}

static void lab_serve(void)
{
	struct pollfd p[] = {
		{ .fd = lab.ctl, .events = POLLIN }, { .fd = lab.log, .events = POLLIN },
		{ .fd = lab.sig, .events = POLLIN }, { .fd = 0, .events = POLLIN },
	};
	char waste[256];

	while (!lab.stop && time(NULL) < lab.end) {
		if (poll(p, sizeof(p) / sizeof(p[0]), (int)(lab.end - time(NULL)) * 1000) <= 0)
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
		lab_die(sun.sun_path);
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

static X509 *cert_read(const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (!cert)
		lab_die(path);
	fclose(f);
	return cert;
}

static int main_staple(int argc, char **argv)
{
	const char *sni = NULL;
	char text[STAPLE_TEXT_BYTES];
	X509 *issuer = NULL;
	bool ok;
	int i;

	for (i = 3; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--sni")) {
			sni = argv[i + 1];
		} else if (!strcmp(argv[i], "--issuer")) {
			issuer = cert_read(argv[i + 1]);
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

static int main_load(int argc, char **argv)
{
	struct load_conf c = {
		.addr = argv[2],
		.ms = (int)strtol(argv[3], NULL, 10),
		.connections = (unsigned)strtoul(argv[4], NULL, 10),
		.sni = argc > 5 ? argv[5] : NULL,
	};
	struct load_result r;
	bool ok;

	signal(SIGPIPE, SIG_IGN);
	ok = load_run(&c, &r);
	printf("rate=%.1f p50=%.3f p99=%.3f handshakes=%llu stapled=%llu cpu=%.2f\n",
	       (double)r.handshakes / r.seconds, r.p50_us / 1e3, r.p99_us / 1e3,
	       (unsigned long long)r.handshakes, (unsigned long long)r.stapled, r.cpu);
	if (!ok)
		fprintf(stderr, "lab: %s: %s\n", c.addr, r.why);
	return ok ? 0 : 1;
}

static int main_visit(int argc, char **argv)
{
	struct visit_conf c = {
		.addr = argv[2],
		.ms = (int)strtol(argv[3], NULL, 10),
		.every_ms = (int)strtol(argv[4], NULL, 10),
	};
	struct visit_result r;
	bool all;
	int i;

	for (i = 0; i < VISIT_LISTS_MAX && 6 + 2 * i < argc; i++) {
		c.lists[i].name = argv[5 + 2 * i];
		c.lists[i].n = (unsigned)strtoul(argv[6 + 2 * i], NULL, 10);
	}
	signal(SIGPIPE, SIG_IGN);
	all = visit_run(&c, &r);
	printf("seconds=%.2f stapled=%u bare=%llu failed=%llu longest=%.2f\n", r.seconds, r.stapled,
	       (unsigned long long)r.bare, (unsigned long long)r.failed, r.longest);
	if (!all && r.why[0])
		fprintf(stderr, "lab: %s: %s\n", c.addr, r.why);
	return all ? 0 : 1;
}

static int main_drive(char **w)
{
	struct drive_conf c = {
		.port = (uint16_t)strtoul(w[1], NULL, 10),
		.segment = w[2],
		.requests = (unsigned)strtoul(w[4], NULL, 10),
		.connections = (unsigned)strtoul(w[5], NULL, 10),
	};
	double ms;
	bool ok;

	lab.dir = w[0];
	c.cert = cert_read(lab_path(w[3], ".pem"));
	c.issuer = cert_read(lab_path("issuer", ".pem"));
	ok = drive_run(&c, &ms);
	X509_free(c.cert);
	X509_free(c.issuer);
	if (ok)
		printf("%.1f\n", ms);
	else
		fprintf(stderr, "lab: port %s: not the answers of a responder\n", w[1]);
	return ok ? 0 : 1;
}

static int main_pings(const char *path, const char *command)
{
	struct pings_result r;

	signal(SIGPIPE, SIG_IGN);
	if (!pings_run(path, command, &r))
		return 1;
	printf("ms=%.1f bytes=%llu lines=%llu longest=%.1f quiet=%.1f\n", (double)r.us / 1e3,
	       (unsigned long long)r.bytes, (unsigned long long)r.lines,
	       (double)r.longest_us / 1e3, (double)r.quiet_us / 1e3);
	return 0;
}

static int main_softstop(const char *text)
{
	struct pollfd p = { .events = POLLIN };
	pid_t pid = (pid_t)strtol(text, NULL, 10);

	p.fd = pidfd_open(pid, 0);
	if (pid <= 0 || p.fd < 0 || kill(pid, SIGUSR1) != 0)
		lab_die(text);
	if (poll(&p, 1, lab_await_ms()) == 1)
		return 0;
	fprintf(stderr, "lab: process %s goes on after a soft stop\n", text);
	return 1;
}

static int main_wait(const char *what, char **w)
{
	bool there;

	if (!strcmp(what, "lines")) {
		there = wait_lines(w[0], strtoul(w[1], NULL, 10), w[2]);
	} else if (!strcmp(what, "names")) {
		there = wait_names(w[0], strtoul(w[1], NULL, 10), w[2]);
	} else if (!strcmp(what, "cli")) {
		there = wait_cli(w[0], w[1], w[2]);
	} else {
		fputs(usage_text, stderr);
		return 2;
	}
	return there ? 0 : 1;
}

/* ---- lab bare ---- */

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Whether <der> is a response that <issuer> has signed; no CertID, time or right is looked at. */
/* A function of its own, since that is what valgrind is told to look at. */
__attribute__((noinline))
static bool bare_check(const uint8_t *der, size_t n, STACK_OF(X509) *issuer)
{
	OCSP_RESPONSE *resp = d2i_OCSP_RESPONSE(NULL, &der, (long)n);
	OCSP_BASICRESP *bs = resp ? OCSP_response_get1_basic(resp) : NULL;
	bool ok = bs && OCSP_basic_verify(bs, issuer, NULL, OCSP_TRUSTOTHER | OCSP_NOVERIFY) > 0;

	OCSP_BASICRESP_free(bs);
	OCSP_RESPONSE_free(resp);
	return ok;
}

static int main_bare(unsigned long times)
{
	STACK_OF(X509) *issuer = sk_X509_new_null();
	struct pki *pki = pki_new();
	struct pki_id leaf;
	double began, us;
	unsigned long i;
	uint8_t *der;
	size_t n;

	pki_cert_make(pki, &leaf, &(struct pki_cert){ .name = "leaf.test" });
	n = pki_response_good(pki, &der, leaf.cert);
	sk_X509_push(issuer, pki->by[PKI_BY_ISSUER].cert);
	began = cpu_us();
	for (i = 0; i < times && bare_check(der, n, issuer); i++)
		;
	us = cpu_us() - began;
	free(der);
	sk_X509_free(issuer);
	pki_cert_fini(&leaf);
	pki_free(pki);
	if (!times || i < times)
		return 1;
	printf("%.1f\n", us / (double)times);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "run"))
		return main_run(argc, argv);
	if (argc >= 4 && !strcmp(argv[1], "ask"))
		return main_ask(argc, argv);
	if (argc == 6 && !strcmp(argv[1], "wait"))
		return main_wait(argv[2], argv + 3);
	if (argc == 8 && !strcmp(argv[1], "drive"))
		return main_drive(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "pings"))
		return main_pings(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "bare"))
		return main_bare(strtoul(argv[2], NULL, 10));
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "load"))
		return main_load(argc, argv);
	if (argc >= 7 && argc % 2 && !strcmp(argv[1], "visit"))
		return main_visit(argc, argv);
	if (argc == 3 && !strcmp(argv[1], "softstop"))
		return main_softstop(argv[2]);
	if (argc >= 3 && !strcmp(argv[1], "staple"))
		return main_staple(argc, argv);
	fputs(usage_text, stderr);
	return 2;
}
