/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.c - asks nameservers for the addresses of a host, remembers answers for their TTL, shares
 * questions that are under way. Reads no hosts file and appends no search domain.
 *
 * c-ares may call back from inside of any of its functions. Its answers are only stored then; they
 * are handed out from a timer, so that a caller never runs inside of c-ares.
 */
#include "ocu/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#define OCU_DNS_RESOLV_CONF "/etc/resolv.conf"

/* An answer with its owners: the cache entry and the queries it is handed to. */
struct shared {
	unsigned refs;
	struct ocu_dns_answer a;
	struct sockaddr_storage addrs[]; /* a.addrs points here */
};

struct ocu_dns_query {
	TAILQ_ENTRY(ocu_dns_query) link;
	struct ocu_dns *dns;
	struct entry *entry;     /* whose answer it waits for; NULL: it is in dns->ready */
	struct shared *answer;   /* what will be handed out */
	ocu_dns_cb *cb;
	void *arg;
};

TAILQ_HEAD(queries, ocu_dns_query);

/* One question, being asked (answer is NULL) or remembered. */
struct entry {
	TAILQ_ENTRY(entry) link;
	struct ocu_dns *dns;
	struct queries waiting;
	struct shared *answer;
	int64_t until_ms;        /* how long the answer is remembered */
	enum ocu_family family;
	char host[];
};

/* A socket of c-ares. */
struct sock {
	LIST_ENTRY(sock) link;
	struct ocu_dns *dns;
	ev_io io;
};

struct ocu_dns {
	struct ev_loop *loop;
	ares_channel channel;
	bool have_channel;           /* there is a nameserver to ask */
	bool closing;
	LIST_HEAD(, sock) socks;
	ev_timer tmo;                /* c-ares' next timeout */
	ev_timer later;              /* hands out what is in ready */
	struct queries ready;
	TAILQ_HEAD(, entry) entries; /* the oldest answer first */
	size_t n_entries;
	struct shared *nomem;        /* handed out when no answer could be stored */
	struct shared *no_server;
	struct shared *localhost[2]; /* IPv4, IPv6 (RFC 6761 section 6.3) */
};

static struct shared *shared_new(enum ocu_family family, size_t n)
{
	struct shared *s = calloc(1, sizeof(*s) + n * sizeof(s->addrs[0]));

	if (!s)
		return NULL;
	s->refs = 1;
	s->a.family = family;
	s->a.addrs = s->addrs;
	return s;
}

static struct shared *shared_get(struct shared *s)
{
	s->refs++;
	return s;
}

static void shared_put(struct shared *s)
{
	if (s && --s->refs == 0)
		free(s);
}

/* The end of every query. */
static void query_end(struct ocu_dns_query *q, bool cancelled)
{
	struct ocu_dns_query was = *q;

	free(q);
	was.cb(was.arg, cancelled ? NULL : &was.answer->a);
	shared_put(was.answer);
}

/* Puts <q>, which is in no list, among those that are handed <answer> (takes one reference). */
static void query_ready(struct ocu_dns_query *q, struct shared *answer)
{
	struct ocu_dns *d = q->dns;

	q->entry = NULL;
	q->answer = answer;
	TAILQ_INSERT_TAIL(&d->ready, q, link);
	if (!ev_is_active(&d->later)) {
		ev_timer_set(&d->later, 0., 0.);
		ev_timer_start(d->loop, &d->later);
	}
}

static void query_unlink(struct ocu_dns_query *q)
{
	if (q->entry)
		TAILQ_REMOVE(&q->entry->waiting, q, link);
	else
		TAILQ_REMOVE(&q->dns->ready, q, link);
}

static void later_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_dns *d = w->data;
	struct ocu_dns_query *q;

	(void)loop;
	(void)revents;
	while ((q = TAILQ_FIRST(&d->ready))) {
		query_unlink(q);
		query_end(q, false);
	}
}

static void entry_free(struct entry *e)
{
	TAILQ_REMOVE(&e->dns->entries, e, link);
	e->dns->n_entries--;
	shared_put(e->answer);
	free(e);
}

/* Stores <s> (takes) as the answer of <e>, and makes all ready that wait for it. */
static void entry_answer(struct entry *e, struct shared *s, int64_t ttl_ms)
{
	struct ocu_dns *d = e->dns;
	struct ocu_dns_query *q;

	e->answer = s;
	e->until_ms = ocu_now_ms() + ttl_ms;
	/* The list is in the order of the answers' age. */
	TAILQ_REMOVE(&d->entries, e, link);
	TAILQ_INSERT_TAIL(&d->entries, e, link);
	while ((q = TAILQ_FIRST(&e->waiting))) {
		TAILQ_REMOVE(&e->waiting, q, link);
		query_ready(q, shared_get(s));
	}
}

/* Returns the entry for a question, NULL if nothing usable is known. */
static struct entry *entry_find(struct ocu_dns *d, const char *host, enum ocu_family family)
{
	int64_t now = ocu_now_ms();
	struct entry *e, *next;

	for (e = TAILQ_FIRST(&d->entries); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->answer && now >= e->until_ms) {
			entry_free(e);
			continue;
		}
		if (e->family == family && strcasecmp(e->host, host) == 0)
			return e;
	}
	return NULL;
}

/* Makes an entry for a question that is to be asked; an answer that is remembered gives way. */
static struct entry *entry_new(struct ocu_dns *d, const char *host, enum ocu_family family)
{
	size_t n = strlen(host) + 1;
	struct entry *e;

	if (d->n_entries >= OCU_DNS_CACHE_MAX) {
		TAILQ_FOREACH(e, &d->entries, link) {
			if (e->answer)
				break;
		}
		if (e)
			entry_free(e);
	}
	e = calloc(1, sizeof(*e) + n);
	if (!e)
		return NULL;
	memcpy(e->host, host, n);
	e->dns = d;
	e->family = family;
	TAILQ_INIT(&e->waiting);
	TAILQ_INSERT_TAIL(&d->entries, e, link);
	d->n_entries++;
	return e;
}

/* Says in words what c-ares' status means, and whether nothing is known of the host. */
static void explain(struct shared *s, int status)
{
	const char *what = s->a.family == OCU_IPV6 ? "AAAA" : "A";

	s->a.down = true;
	switch (status) {
	case ARES_ENOTFOUND:
		s->a.down = false;
		(void)ocu_fail(&s->a.why, OCU_DNS, "no such name");
		break;
	case ARES_ENODATA:
		s->a.down = false;
		(void)ocu_fail(&s->a.why, OCU_DNS, "no %s record", what);
		break;
	case ARES_ETIMEOUT:
		(void)ocu_fail(&s->a.why, OCU_DNS, "%s: no nameserver answered", what);
		break;
	case ARES_ECONNREFUSED:
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
		/* c-ares tells a refused connection and an error of every server with one code. */
		(void)ocu_fail(&s->a.why, OCU_DNS, "%s: all nameservers failed", what);
		break;
	case ARES_ENOMEM:
		(void)ocu_fail(&s->a.why, OCU_NOMEM, "%s: %s", what, ocu_text(OCU_NOMEM));
		break;
	default:
		(void)ocu_fail(&s->a.why, OCU_DNS, "%s: %s", what, ares_strerror(status));
	}
}

/* Copies the addresses of <res>; *ttl_s is lowered to the smallest TTL on the way to them. */
static struct shared *collect(enum ocu_family family, const struct ares_addrinfo *res,
			      int64_t *ttl_s)
{
	struct shared *s = shared_new(family, OCU_DNS_ADDRESSES_MAX);
	int want = family == OCU_IPV6 ? AF_INET6 : AF_INET;
	const struct ares_addrinfo_cname *c;
	const struct ares_addrinfo_node *n;

	if (!s)
		return NULL;
	for (c = res->cnames; c; c = c->next) {
		if (c->ttl < *ttl_s)
			*ttl_s = c->ttl;
	}
	for (n = res->nodes; n && s->a.n < OCU_DNS_ADDRESSES_MAX; n = n->ai_next) {
		if (n->ai_family != want || n->ai_addrlen > sizeof(s->addrs[0]))
			continue;
		memcpy(&s->addrs[s->a.n++], n->ai_addr, n->ai_addrlen);
		if (n->ai_ttl < *ttl_s)
			*ttl_s = n->ai_ttl;
	}
	/* RFC 2181 section 8: a TTL with the highest bit set counts as zero. */
	if (*ttl_s < 0)
		*ttl_s = 0;
	return s;
}

static void ares_cb(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct entry *e = arg;
	struct ocu_dns *d = e->dns;
	int64_t ttl_s = OCU_DNS_TTL_MAX_S;
	struct shared *s = NULL;

	(void)timeouts;
	if (d->closing) {
		entry_free(e);
	} else if (status == ARES_SUCCESS && res) {
		s = collect(e->family, res, &ttl_s);
		if (s && !s->a.n)
			explain(s, ARES_ENODATA);
		entry_answer(e, s ? s : shared_get(d->nomem), s && s->a.n ? ttl_s * 1000 : 0);
	} else {
		s = shared_new(e->family, 0);
		if (s)
			explain(s, status);
		/* That DNS is down is not remembered: the next question may find it up again. */
		entry_answer(e, s ? s : shared_get(d->nomem),
			     s && !s->a.down ? OCU_DNS_NEGATIVE_MS : 0);
	}
	if (res)
		ares_freeaddrinfo(res);
}

static void timer_arm(struct ocu_dns *d)
{
	struct timeval tv, *next = ares_timeout(d->channel, NULL, &tv);

	ev_timer_stop(d->loop, &d->tmo);
	if (!next)
		return;
	ev_now_update(d->loop);
	/* A little later than asked, or it would be woken up before c-ares finds it due. */
	ev_timer_set(&d->tmo, (double)next->tv_sec + (double)next->tv_usec / 1e6 + 0.001, 0.);
	ev_timer_start(d->loop, &d->tmo);
}

static void tmo_cb(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ocu_dns *d = w->data;

	(void)loop;
	(void)revents;
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	timer_arm(d);
}

static void sock_cb(struct ev_loop *loop, ev_io *w, int revents)
{
	struct sock *s = w->data;
	struct ocu_dns *d = s->dns;
	int fd = w->fd;

	(void)loop;
	/* <s> may be gone afterwards. */
	ares_process_fd(d->channel, revents & EV_READ ? fd : ARES_SOCKET_BAD,
			revents & EV_WRITE ? fd : ARES_SOCKET_BAD);
	timer_arm(d);
}

/* c-ares says what it waits for at <fd>. A socket for which there is no memory is not watched: its
 * question then ends with c-ares' timeout.
 */
static void sock_state_cb(void *arg, ares_socket_t fd, int readable, int writable)
{
	int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
	struct ocu_dns *d = arg;
	struct sock *s;

	LIST_FOREACH(s, &d->socks, link) {
		if (s->io.fd == fd)
			break;
	}
	if (s) {
		ev_io_stop(d->loop, &s->io);
	} else if (events) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return;
		s->dns = d;
		ev_init(&s->io, sock_cb);
		s->io.data = s;
		LIST_INSERT_HEAD(&d->socks, s, link);
	}
	if (events) {
		ev_io_set(&s->io, fd, events);
		ev_io_start(d->loop, &s->io);
	} else if (s) {
		LIST_REMOVE(s, link);
		free(s);
	}
}

/* Makes the c-ares channel: only DNS, only the given nameservers, in their order. */
static enum ocu_status channel_new(struct ocu_dns *d, const char *nameservers, struct ocu_err *err)
{
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
		   ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
	char lookups[] = "b";
	struct ares_options opt = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = OCU_DNS_TRY_MS,
		.tries = OCU_DNS_TRIES,
		.ndots = 0,
		.lookups = lookups,
		.sock_state_cb = sock_state_cb,
		.sock_state_cb_data = d,
	};
	int rc;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* with a maximum of 0 s: off, there is ours */
#endif
	rc = ares_init_options(&d->channel, &opt, mask);
	if (rc != ARES_SUCCESS)
		return ocu_fail(err, rc == ARES_ENOMEM ? OCU_NOMEM : OCU_DNS, "resolver: %s",
				ares_strerror(rc));
	d->have_channel = true;
	rc = ares_set_servers_ports_csv(d->channel, nameservers);
	if (rc != ARES_SUCCESS)
		return ocu_fail(err, rc == ARES_ENOMEM ? OCU_NOMEM : OCU_DNS,
				"nameservers %s: %s", nameservers, ares_strerror(rc));
	return OCU_OK;
}

/* Makes the answers that need no nameserver. */
static enum ocu_status fixed_answers(struct ocu_dns *d)
{
	struct sockaddr_in *v4;
	struct sockaddr_in6 *v6;

	d->nomem = shared_new(OCU_ANY, 0);
	d->no_server = shared_new(OCU_ANY, 0);
	d->localhost[0] = shared_new(OCU_IPV4, 1);
	d->localhost[1] = shared_new(OCU_IPV6, 1);
	if (!d->nomem || !d->no_server || !d->localhost[0] || !d->localhost[1])
		return OCU_NOMEM;
	explain(d->nomem, ARES_ENOMEM);
	(void)ocu_fail(&d->nomem->a.why, OCU_NOMEM, "resolver: %s", ocu_text(OCU_NOMEM));
	d->no_server->a.down = true;
	(void)ocu_fail(&d->no_server->a.why, OCU_DNS, "no nameserver is configured");
	v4 = (struct sockaddr_in *)d->localhost[0]->addrs;
	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->localhost[0]->a.n = 1;
	v6 = (struct sockaddr_in6 *)d->localhost[1]->addrs;
	v6->sin6_family = AF_INET6;
	v6->sin6_addr = in6addr_loopback;
	d->localhost[1]->a.n = 1;
	return OCU_OK;
}

enum ocu_status ocu_dns_new(struct ocu_dns **out, struct ev_loop *loop, const char *nameservers,
			    struct ocu_err *err)
{
	enum ocu_status ret;
	struct ocu_dns *d;
	int rc;

	*out = NULL;
	rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		return ocu_fail(err, OCU_DNS, "resolver: %s", ares_strerror(rc));
	d = calloc(1, sizeof(*d));
	if (!d) {
		ares_library_cleanup();
		return ocu_fail(err, OCU_NOMEM, "resolver: %s", ocu_text(OCU_NOMEM));
	}
	d->loop = loop;
	LIST_INIT(&d->socks);
	TAILQ_INIT(&d->ready);
	TAILQ_INIT(&d->entries);
	ev_init(&d->tmo, tmo_cb);
	ev_init(&d->later, later_cb);
	d->tmo.data = d->later.data = d;
	ret = fixed_answers(d);
	if (ret != OCU_OK)
		(void)ocu_fail(err, ret, "resolver: %s", ocu_text(ret));
	else if (nameservers && *nameservers)
		ret = channel_new(d, nameservers, err);
	if (ret != OCU_OK) {
		ocu_dns_free(d);
		return ret;
	}
	*out = d;
	return OCU_OK;
}

void ocu_dns_free(struct ocu_dns *d)
{
	struct ocu_dns_query *q;
	struct entry *e, *next;
	struct sock *s;
	size_t i;

	if (!d)
		return;
	d->closing = true;
	while ((q = TAILQ_FIRST(&d->ready)))
		ocu_dns_cancel(q);
	for (e = TAILQ_FIRST(&d->entries); e; e = next) {
		while ((q = TAILQ_FIRST(&e->waiting)))
			ocu_dns_cancel(q);
		next = TAILQ_NEXT(e, link);
		/* One that is being asked is freed when c-ares gives it back. */
		if (e->answer)
			entry_free(e);
	}
	if (d->have_channel)
		ares_destroy(d->channel);
	ares_library_cleanup();
	while ((s = LIST_FIRST(&d->socks))) {
		LIST_REMOVE(s, link);
		ev_io_stop(d->loop, &s->io);
		free(s);
	}
	ev_timer_stop(d->loop, &d->tmo);
	ev_timer_stop(d->loop, &d->later);
	for (i = 0; i < 2; i++)
		shared_put(d->localhost[i]);
	shared_put(d->nomem);
	shared_put(d->no_server);
	free(d);
}

/* Whether <host> is "localhost" or ends in ".localhost". */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t n = strlen(host), len = sizeof(name) - 1;

	return n >= len && strcasecmp(host + n - len, name) == 0 &&
	       (n == len || host[n - len - 1] == '.');
}

/* Begins to ask. c-ares may be done with it when it returns, the answer is then in the entry. */
static void ask(struct ocu_dns *d, struct entry *e)
{
	struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = e->family == OCU_IPV6 ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(d->channel, e->host, NULL, &hints, ares_cb, e);
	timer_arm(d);
}

enum ocu_status ocu_dns_start(struct ocu_dns_query **out, struct ocu_dns *d, const char *host,
			      enum ocu_family family, ocu_dns_cb *cb, void *arg)
{
	struct ocu_dns_query *q;
	struct entry *e;

	*out = NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return OCU_NOMEM;
	q->dns = d;
	q->cb = cb;
	q->arg = arg;
	if (is_localhost(host)) {
		query_ready(q, shared_get(d->localhost[family == OCU_IPV6]));
	} else if (!d->have_channel) {
		query_ready(q, shared_get(d->no_server));
	} else if ((e = entry_find(d, host, family)) && e->answer) {
		query_ready(q, shared_get(e->answer));
	} else if (e) {
		q->entry = e;
		TAILQ_INSERT_TAIL(&e->waiting, q, link);
	} else if ((e = entry_new(d, host, family))) {
		q->entry = e;
		TAILQ_INSERT_TAIL(&e->waiting, q, link);
		ask(d, e);
	} else {
		free(q);
		return OCU_NOMEM;
	}
	*out = q;
	return OCU_OK;
}

void ocu_dns_cancel(struct ocu_dns_query *q)
{
	query_unlink(q);
	query_end(q, true);
}

/* Whether resolv.conf names a nameserver: c-ares does not tell, it then assumes 127.0.0.1. */
static bool system_names_one(void)
{
	FILE *f = fopen(OCU_DNS_RESOLV_CONF, "re");
	static const char word[] = "nameserver";
	bool found = false;
	char line[512];

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strncmp(line, word, sizeof(word) - 1) == 0 &&
			(line[sizeof(word) - 1] == ' ' || line[sizeof(word) - 1] == '\t');
	fclose(f);
	return found;
}

#if ARES_VERSION >= 0x011800
static enum ocu_status servers_csv(struct ocu_buf *out, ares_channel channel)
{
	char *csv = ares_get_servers_csv(channel);
	enum ocu_status ret;

	if (!csv)
		return OCU_NOMEM;
	ret = ocu_buf_add(out, csv, strlen(csv));
	ares_free_string(csv);
	return ret;
}
#else
static enum ocu_status servers_csv(struct ocu_buf *out, ares_channel channel)
{
	struct ares_addr_port_node *list = NULL, *s;
	enum ocu_status ret = OCU_OK;
	char text[INET6_ADDRSTRLEN];
	bool first = true;

	if (ares_get_servers_ports(channel, &list) != ARES_SUCCESS)
		return OCU_NOMEM;
	for (s = list; s && ret == OCU_OK; s = s->next) {
		if (!inet_ntop(s->family, &s->addr, text, sizeof(text)))
			continue;
		ret = ocu_buf_addf(out, s->family == AF_INET6 ? "%s[%s]:%d" : "%s%s:%d",
				   first ? "" : ",", text, s->udp_port ? s->udp_port : 53);
		first = false;
	}
	ares_free_data(list);
	return ret;
}
#endif

enum ocu_status ocu_dns_system_servers(struct ocu_buf *out, struct ocu_err *err)
{
	struct ares_options opt = { .flags = 0 };
	enum ocu_status ret;
	ares_channel channel;
	int rc;

	if (!system_names_one())
		return OCU_OK;
	rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		return ocu_fail(err, OCU_DNS, "resolver: %s", ares_strerror(rc));
	rc = ares_init_options(&channel, &opt, 0);
	if (rc != ARES_SUCCESS) {
		ares_library_cleanup();
		return ocu_fail(err, rc == ARES_ENOMEM ? OCU_NOMEM : OCU_DNS,
				OCU_DNS_RESOLV_CONF ": %s", ares_strerror(rc));
	}
	ret = servers_csv(out, channel);
	ares_destroy(channel);
	ares_library_cleanup();
	if (ret != OCU_OK)
		return ocu_fail(err, ret, OCU_DNS_RESOLV_CONF ": %s", ocu_text(ret));
	return OCU_OK;
}

const char *ocu_dns_version(void)
{
	return ares_version(NULL);
}
