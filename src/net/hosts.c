/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts.c - remembers which addresses of a host worked last. Opens no socket, reads no clock. */
#include "ocu/hosts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct host {
	TAILQ_ENTRY(host) link;
	struct sockaddr_storage last[2]; /* IPv4, IPv6: answered last; ss_family 0: none did */
	bool first_v6;                   /* which of them goes first */
	bool first_address;              /* it does, and not only its family */
	int64_t first_until;             /* ms; 0: none does */
	char name[];
};

struct ocu_hosts {
	size_t n;
	TAILQ_HEAD(host_list, host) all; /* the one used last comes first */
};

enum ocu_status ocu_hosts_new(struct ocu_hosts **out)
{
	struct ocu_hosts *hs = calloc(1, sizeof(*hs));

	*out = hs;
	if (!hs)
		return OCU_NOMEM;
	TAILQ_INIT(&hs->all);
	return OCU_OK;
}

static void host_free(struct ocu_hosts *hs, struct host *h)
{
	TAILQ_REMOVE(&hs->all, h, link);
	hs->n--;
	free(h);
}

void ocu_hosts_free(struct ocu_hosts *hs)
{
	struct host *h;

	if (!hs)
		return;
	while ((h = TAILQ_FIRST(&hs->all)))
		host_free(hs, h);
	free(hs);
}

static struct host *host_find(struct ocu_hosts *hs, const char *name)
{
	struct host *h;

	TAILQ_FOREACH(h, &hs->all, link) {
		if (strcmp(h->name, name) == 0)
			return h;
	}
	return NULL;
}

static struct host *host_new(struct ocu_hosts *hs, const char *name)
{
	size_t n = strlen(name) + 1;
	struct host *h = calloc(1, sizeof(*h) + n);

	if (!h)
		return NULL;
	if (hs->n >= OCU_HOSTS_MAX)
		host_free(hs, TAILQ_LAST(&hs->all, host_list));
	memcpy(h->name, name, n);
	TAILQ_INSERT_HEAD(&hs->all, h, link);
	hs->n++;
	return h;
}

/* Returns <name> as the one used last, made anew if it is not known. NULL without memory. */
static struct host *host_get(struct ocu_hosts *hs, const char *name)
{
	struct host *h = host_find(hs, name);

	if (!h)
		return host_new(hs, name);
	TAILQ_REMOVE(&hs->all, h, link);
	TAILQ_INSERT_HEAD(&hs->all, h, link);
	return h;
}

/* Its time is not made longer by its being used: the families would never race again. */
static void first_set(struct host *h, bool v6, bool address, int64_t now)
{
	if (now >= h->first_until || h->first_v6 != v6)
		h->first_until = now + OCU_HOSTS_FIRST_MS;
	h->first_v6 = v6;
	h->first_address = address;
}

void ocu_hosts_answered(struct ocu_hosts *hs, const char *host,
			const struct sockaddr_storage *peer, int64_t now)
{
	bool v6 = peer->ss_family == AF_INET6;
	struct host *h = host_get(hs, host);

	if (!h)
		return;
	h->last[v6] = *peer;
	first_set(h, v6, true, now);
}

void ocu_hosts_silent(struct ocu_hosts *hs, const char *host, const struct sockaddr_storage *peer,
		      int64_t now)
{
	bool v6 = peer->ss_family == AF_INET6;
	struct host *h = host_get(hs, host);

	if (h)
		first_set(h, !v6, false, now);
}

void ocu_hosts_unreachable(struct ocu_hosts *hs, const char *host)
{
	struct host *h = host_find(hs, host);

	if (h)
		h->first_until = 0;
}

void ocu_hosts_first(struct ocu_hosts *hs, const char *host, int64_t now, enum ocu_family *prefer,
		     struct sockaddr_storage *worked)
{
	struct host *h = host_find(hs, host);

	if (!h || now >= h->first_until)
		return;
	if (h->first_address)
		*worked = h->last[h->first_v6];
	else
		*prefer = h->first_v6 ? OCU_IPV6 : OCU_IPV4;
}

bool ocu_hosts_last(struct ocu_hosts *hs, const char *host, enum ocu_family family,
		    struct sockaddr_storage *out)
{
	struct host *h = host_find(hs, host);
	bool v6 = family == OCU_IPV6;

	if (!h || !h->last[v6].ss_family)
		return false;
	*out = h->last[v6];
	return true;
}
