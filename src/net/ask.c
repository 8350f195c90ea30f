/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.c - one question to one nameserver, over c-ares.
 *
 * A c-ares channel has one question, one nameserver and one try here, and no timeout that matters:
 * c-ares 1.18 and 1.34 differ in how long they wait, whom they ask next, and what one bad answer
 * does to other questions of the channel. It may call back from inside of any of its functions; it
 * is then told where to put the outcome, and what follows from it happens after it has returned.
 */
#define CARES_NO_DEPRECATED
#include "ocu/ask.h"

#include <ares.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Longer than any question lives. */
#define NEVER_MS 86400000

struct ocu_ask_outcome {
	bool done;
	bool over_tcp; /* the answer is none, but over TCP there may be one */
	enum ocu_status st;
	struct ocu_records r;
	struct ocu_err err;
};

enum ocu_status ocu_ask_library_init(struct ocu_err *err)
{
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	if (rc == ARES_SUCCESS)
		return OCU_OK;
	return ocu_fail(err, rc == ARES_ENOMEM ? OCU_NOMEM : OCU_DNS, "resolver: %s",
			ares_strerror(rc));
}

void ocu_ask_library_fini(void)
{
	ares_library_cleanup();
}

/* ---- sockets ----
 *
 * c-ares is given a stand-in for the nameserver's address, the real one is known here: so a
 * link-local address keeps its interface, which c-ares before 1.24 has no place for.
 */

static struct in_addr stand_in(void)
{
	return (struct in_addr){ .s_addr = htonl(INADDR_LOOPBACK) };
}

static socklen_t server_address(const struct ocu_nameserver *s, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	char *end;

	memset(out, 0, sizeof(*out));
	if (!s->v6) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(s->port);
		memcpy(&v4->sin_addr, s->addr, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(s->port);
	memcpy(&v6->sin6_addr, s->addr, sizeof(v6->sin6_addr));
	/* Looked up each time: the interface may come later, or come again. */
	v6->sin6_scope_id = *s->zone ? if_nametoindex(s->zone) : 0;
	if (*s->zone && !v6->sin6_scope_id)
		v6->sin6_scope_id = (uint32_t)strtoul(s->zone, &end, 10);
	return sizeof(*v6);
}

static ares_socket_t sock_open(int family, int type, int protocol, void *arg)
{
	struct ocu_ask *a = arg;

	(void)family;
	return socket(a->server.v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
		      protocol);
}

static int sock_close(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static int sock_connect(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t n, void *arg)
{
	struct sockaddr_storage real;
	struct ocu_ask *a = arg;

	(void)addr;
	(void)n;
	n = server_address(&a->server, &real);
	return connect(fd, (struct sockaddr *)&real, n);
}

/* The kernel lets nobody but the connected peer through. */
static ares_ssize_t sock_recv(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from,
			      ares_socklen_t *from_n, void *arg)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = stand_in() };

	(void)arg;
	if (from && from_n && *from_n >= sizeof(sin)) {
		memcpy(from, &sin, sizeof(sin));
		*from_n = sizeof(sin);
	}
	return recv(fd, p, n, flags);
}

static ares_ssize_t sock_send(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)parts,
			      .msg_iovlen = (size_t)n };

	(void)arg;
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions sock_functions = {
	.asocket = sock_open,
	.aclose = sock_close,
	.aconnect = sock_connect,
	.arecvfrom = sock_recv,
	.asendv = sock_send,
};

/* c-ares says what it waits for at its only socket. */
static void sock_state_cb(void *arg, ares_socket_t fd, int readable, int writable)
{
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct ocu_ask *a = arg;

	if (!events && a->io.fd != fd)
		return;
	ev_io_stop(a->loop, &a->io);
	ev_io_set(&a->io, fd, events);
	if (events)
		ev_io_start(a->loop, &a->io);
}

/* ---- the channel ---- */

static void channel_close(struct ocu_ask *a)
{
	struct ares_channeldata *channel = a->channel;

	a->channel = NULL;
	a->outcome = NULL;
	if (channel)
		ares_destroy(channel);
	ev_io_stop(a->loop, &a->io);
}

static int ares_flags(const struct ocu_ask *a)
{
	return ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_IGNTC |
	       ARES_FLAG_NOCHECKRESP | (a->tcp ? ARES_FLAG_USEVC : 0) |
	       (a->payload_bytes ? ARES_FLAG_EDNS : 0);
}

static int channel_open(struct ocu_ask *a)
{
	/* What c-ares would otherwise look up in the system's files is all said here; 1.34 reads
	 * resolv.conf nevertheless, and would ask over TCP if that says so.
	 */
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
		   ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
		   ARES_OPT_NOROTATE | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF |
		   (a->payload_bytes ? ARES_OPT_EDNSPSZ : 0);
	struct in_addr server = stand_in();
	char lookups[] = "b", resolv_conf[] = "/dev/null";
	struct ares_options opt = {
		.flags = ares_flags(a),
		.timeout = NEVER_MS,
		.tries = 1,
		.servers = &server,
		.nservers = 1,
		.lookups = lookups,
		.resolvconf_path = resolv_conf,
		.ednspsz = (int)a->payload_bytes,
		.sock_state_cb = sock_state_cb,
		.sock_state_cb_data = a,
	};
	int rc;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* with a maximum of 0 s: off */
#endif
#ifdef ARES_OPT_MAXTIMEOUTMS
	mask |= ARES_OPT_MAXTIMEOUTMS; /* else it is 5 s, whatever the timeout is */
	opt.maxtimeout = NEVER_MS;
#endif
	rc = ares_init_options(&a->channel, &opt, mask);
	if (rc != ARES_SUCCESS)
		a->channel = NULL;
	else
		ares_set_socket_functions(a->channel, &sock_functions, a);
	return rc;
}

/* Says in words what c-ares' status means. */
static enum ocu_status explain(int status, struct ocu_err *err)
{
	switch (status) {
	case ARES_ENOMEM:
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	case ARES_ECONNREFUSED:
		return ocu_fail(err, OCU_DNS, "not reachable");
	case ARES_EBADRESP:
		return ocu_fail(err, OCU_DNS, "malformed answer");
	default:
		return ocu_fail(err, OCU_DNS, "%s", ares_strerror(status));
	}
}

/* Says in words why a nameserver does not answer (RFC 1035 section 4.1.1). */
static enum ocu_status explain_code(unsigned rcode, struct ocu_err *err)
{
	switch (rcode) {
	case 1:
		return ocu_fail(err, OCU_DNS, "FORMERR");
	case 2:
		return ocu_fail(err, OCU_DNS, "SERVFAIL");
	case 4:
		return ocu_fail(err, OCU_DNS, "NOTIMP");
	case 5:
		return ocu_fail(err, OCU_DNS, "REFUSED");
	default:
		return ocu_fail(err, OCU_DNS, "response code %u", rcode);
	}
}

static void answer_cb(void *arg, int status, int timeouts, unsigned char *answer, int n)
{
	struct ocu_ask *a = arg;
	struct ocu_ask_outcome *o = a->outcome;

	(void)timeouts;
	/* NULL while the channel is closed, and after the first one of two answers. */
	if (!o || o->done)
		return;
	o->done = true;
	if (status != ARES_SUCCESS) {
		o->st = explain(status, &o->err);
		o->over_tcp = !a->tcp && status == ARES_EBADRESP;
		return;
	}
	o->st = ocu_records_read(&o->r, answer, n > 0 ? (size_t)n : 0, a->host, a->family, &o->err);
	o->over_tcp = !a->tcp && (o->st != OCU_OK || o->r.truncated);
	if (o->st == OCU_OK && o->r.truncated)
		o->st = ocu_fail(&o->err, OCU_DNS, "answer cut over TCP");
	else if (o->st == OCU_OK && o->r.rcode != OCU_RCODE_NONE &&
		 o->r.rcode != OCU_RCODE_NXDOMAIN)
		o->st = explain_code(o->r.rcode, &o->err);
}

/* Sends the question; it may be over when this returns. */
static int send_question(struct ocu_ask *a)
{
	int type = a->family == OCU_IPV6 ? OCU_RECORD_AAAA : OCU_RECORD_A, n, rc;
	unsigned char *query = NULL;
	unsigned short id = 0;

	/* c-ares before 1.19 takes its ids from rand() where there is no /dev/urandom, as in a
	 * chroot; later versions make their own in any case.
	 */
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return ARES_ENOMEM;
	rc = ares_create_query(a->host, OCU_RECORD_IN, type, id, 1, &query, &n,
			       (int)a->payload_bytes);
	if (rc == ARES_SUCCESS)
		ares_send(a->channel, query, n, answer_cb, a);
	ares_free_string(query);
	return rc;
}

/* Opens the channel and sends; <o> says whether it is over already. */
static void begin(struct ocu_ask *a, struct ocu_ask_outcome *o)
{
	int rc;

	memset(o, 0, sizeof(*o));
	rc = channel_open(a);
	a->outcome = o;
	if (rc == ARES_SUCCESS)
		rc = send_question(a);
	a->outcome = NULL;
	if (rc != ARES_SUCCESS) {
		o->done = true;
		o->st = explain(rc, &o->err);
	}
	if (o->done)
		channel_close(a);
}

/* Goes on over TCP with a question that has ended over UDP. */
static void begin_tcp(struct ocu_ask *a, struct ocu_ask_outcome *o)
{
	channel_close(a);
	a->tcp = true;
	begin(a, o);
}

/* The end of every question; <a> may be gone when this returns. */
static void ask_end(struct ocu_ask *a, const struct ocu_ask_outcome *o)
{
	channel_close(a);
	a->cb(a->arg, o->st, o->st == OCU_OK ? &o->r : NULL, &o->err);
}

static void sock_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ocu_ask *a = w->data;
	struct ocu_ask_outcome o = { .done = false };

	(void)loop;
	a->outcome = &o;
	ares_process_fd(a->channel, revents & EV_READ ? w->fd : ARES_SOCKET_BAD,
			revents & EV_WRITE ? w->fd : ARES_SOCKET_BAD);
	a->outcome = NULL;
	if (o.done && o.over_tcp)
		begin_tcp(a, &o);
	if (o.done)
		ask_end(a, &o);
}

enum ocu_status ocu_ask_start(struct ocu_ask *a, struct ev_loop *loop,
			      const struct ocu_nameserver *server, const char *host,
			      enum ocu_family family, unsigned payload_bytes, ocu_ask_cb *cb,
			      void *arg, struct ocu_err *err)
{
	struct ocu_ask_outcome o;

	memset(a, 0, sizeof(*a));
	a->loop = loop;
	a->server = *server;
	a->host = host;
	a->family = family;
	a->payload_bytes = payload_bytes;
	if (payload_bytes && payload_bytes < OCU_ASK_PAYLOAD_MIN)
		a->payload_bytes = OCU_ASK_PAYLOAD_MIN;
	if (payload_bytes > OCU_ASK_PAYLOAD_MAX)
		a->payload_bytes = OCU_ASK_PAYLOAD_MAX;
	a->tcp = server->tcp;
	a->cb = cb;
	a->arg = arg;
	ev_init(&a->io, sock_cb);
	a->io.fd = -1;
	a->io.data = a;
	begin(a, &o);
	return o.done ? ocu_fail(err, o.st, "%s", o.err.msg) : OCU_OK;
}

enum ocu_status ocu_ask_again(struct ocu_ask *a, struct ocu_err *err)
{
	struct ocu_ask_outcome o = { .done = false };
	int rc;

	if (a->tcp)
		return OCU_OK;
	a->outcome = &o;
	rc = send_question(a);
	a->outcome = NULL;
	if (rc == ARES_SUCCESS && !o.done)
		return OCU_OK;
	if (!o.done)
		o.st = explain(rc, &o.err);
	channel_close(a);
	return ocu_fail(err, o.st, "%s", o.err.msg);
}

void ocu_ask_cancel(struct ocu_ask *a)
{
	struct ocu_ask_outcome o = { .st = OCU_CANCELLED };

	if (!a->channel)
		return;
	(void)ocu_fail(&o.err, OCU_CANCELLED, "%s", ocu_text(OCU_CANCELLED));
	ask_end(a, &o);
}

const char *ocu_ask_version(void)
{
	return ares_version(NULL);
}
