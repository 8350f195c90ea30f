/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proxy.c - reads what an administrator says of a proxy. Connects to nobody. */
#include "ocu/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ocu/url.h"

/* Turns "user:password" into a value of Proxy-Authorization; NULL without memory. */
static char *auth_make(const char *user, size_t n)
{
	static const char basic[] = "Basic ";
	char *out = malloc(sizeof(basic) + (n + 2) / 3 * 4);

	if (out) {
		memcpy(out, basic, sizeof(basic));
		EVP_EncodeBlock((unsigned char *)out + strlen(basic), (const unsigned char *)user,
				(int)n);
	}
	return out;
}

/* Takes an address as it is, a name to be resolved like that of a responder. False without memory.
 */
static bool host_take(struct ocu_proxy *p, const struct ocu_url *url)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&p->addr;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&p->addr;

	if (!url->literal) {
		p->host = strdup(url->host);
		p->port = url->port;
		return p->host != NULL;
	}
	if (inet_pton(AF_INET, url->host, &sin->sin_addr) == 1) {
		sin->sin_family = AF_INET;
		sin->sin_port = htons(url->port);
	} else if (inet_pton(AF_INET6, url->host, &sin6->sin6_addr) == 1) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = htons(url->port);
	}
	return p->addr.ss_family != 0;
}

enum ocu_status ocu_proxy_parse(struct ocu_proxy *p, const char *text, struct ocu_err *err)
{
	const char *at = strrchr(text, '@'), *host = at ? at + 1 : text;
	struct ocu_proxy fresh = { .port = 0 };
	char url_text[OCU_URL_MAX_BYTES];
	struct ocu_url url;
	enum ocu_status st;

	if (strchr(host, '/') || !*host)
		return ocu_fail(err, OCU_URI, "it holds a slash, or nothing");
	if ((size_t)snprintf(url_text, sizeof(url_text), "http://%s/", host) >= sizeof(url_text))
		return ocu_fail(err, OCU_URI, "it is longer than a URL may be");
	st = ocu_url_parse(&url, url_text, strlen(url_text), err);
	if (st != OCU_OK)
		return st;
	if (at)
		fresh.auth = auth_make(text, (size_t)(at - text));
	if (!host_take(&fresh, &url) || (at && !fresh.auth)) {
		ocu_proxy_fini(&fresh);
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	}
	ocu_proxy_fini(p);
	*p = fresh;
	return OCU_OK;
}

void ocu_proxy_fini(struct ocu_proxy *p)
{
	free(p->host);
	free(p->auth);
	*p = (struct ocu_proxy){ .port = 0 };
}
