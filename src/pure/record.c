/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record.c - reads the addresses out of a nameserver's answer. Names are compared in the form that
 * they have in messages, so that no byte in them needs an escape.
 */
#include "ocu/record.h"

#include <string.h>

#define HEADER_BYTES 12
#define NAME_BYTES 255 /* RFC 1035 section 2.3.4 */
#define LABEL_BYTES 63
#define JUMPS_MAX 64   /* far more than a name of 255 bytes needs; bounds what an answer costs */
#define CNAME 5
#define FIXED_BYTES 10 /* of a record: type, class, TTL, length of the data */

struct name {
	size_t n;
	uint8_t bytes[NAME_BYTES];
};

/* An answer that is being read. */
struct message {
	const uint8_t *p;
	size_t n;
	size_t at;      /* the next byte */
	size_t answers; /* where the first record is */
	unsigned count; /* records in the answer section */
};

struct record {
	struct name owner;
	unsigned type, class;
	uint32_t ttl_s;
	size_t data, data_n;
};

static unsigned read16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)read16(p) << 16 | read16(p + 2);
}

/* Bytes of DNS are compared as ASCII, whatever the locale is (RFC 4343). */
static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Adds the label of <n> bytes at <p>; one of none is the end of a name. */
static bool label_add(struct name *out, const uint8_t *p, size_t n)
{
	size_t i;

	if (n > LABEL_BYTES || out->n + 1 + n > NAME_BYTES)
		return false;
	out->bytes[out->n++] = (uint8_t)n;
	for (i = 0; i < n; i++)
		out->bytes[out->n++] = lower(p[i]);
	return true;
}

/* Turns the text <host> into a name. */
static bool name_make(struct name *out, const char *host)
{
	size_t n;

	for (out->n = 0; *host; host += n + (host[n] == '.')) {
		n = strcspn(host, ".");
		if (!n || !label_add(out, (const uint8_t *)host, n))
			return false;
	}
	return out->n && label_add(out, NULL, 0);
}

static bool name_equal(const struct name *a, const struct name *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

/* Reads the name at m->at, which moves behind it. A pointer may only lead to what is before the
 * part of the name that it ends, so that none leads round.
 */
static bool name_read(struct message *m, struct name *out)
{
	size_t pos = m->at, limit = m->at, target;
	unsigned jumps = 0;
	uint8_t len;

	for (out->n = 0; pos < m->n;) {
		len = m->p[pos];
		if (len < 0x40) {
			if (pos + 1 + len > m->n || !label_add(out, m->p + pos + 1, len))
				return false;
			pos += 1 + (size_t)len;
			m->at = jumps ? m->at : pos;
			if (!len)
				return true;
			continue;
		}
		if (len < 0xc0 || pos + 2 > m->n || jumps == JUMPS_MAX)
			return false;
		target = read16(m->p + pos) & 0x3fff;
		if (target >= limit)
			return false;
		m->at = jumps++ ? m->at : pos + 2;
		pos = limit = target;
	}
	return false;
}

static bool record_next(struct message *m, struct record *r)
{
	if (!name_read(m, &r->owner) || m->n - m->at < FIXED_BYTES)
		return false;
	r->type = read16(m->p + m->at);
	r->class = read16(m->p + m->at + 2);
	r->ttl_s = read32(m->p + m->at + 4);
	if (r->ttl_s > INT32_MAX)
		r->ttl_s = 0;
	r->data_n = read16(m->p + m->at + 8);
	r->data = m->at + FIXED_BYTES;
	if (m->n - r->data < r->data_n)
		return false;
	m->at = r->data + r->data_n;
	return true;
}

/* The name in the data of a CNAME, and nothing behind it. */
static bool alias_read(const struct message *m, const struct record *r, struct name *target)
{
	struct message data = { .p = m->p, .n = r->data + r->data_n, .at = r->data };

	return name_read(&data, target) && data.at == data.n;
}

/* Whether the one question is for <host> in <type>; m->at moves behind it. */
static bool question_check(struct message *m, const struct name *host, unsigned type)
{
	struct name asked;

	if (!name_read(m, &asked) || m->n - m->at < 4 || !name_equal(&asked, host) ||
	    read16(m->p + m->at) != type || read16(m->p + m->at + 2) != OCU_RECORD_IN)
		return false;
	m->at += 4;
	return true;
}

/* Whether every record can be read; *addresses says if one of them is of <type>. */
static bool records_check(struct message *m, unsigned type, bool *addresses)
{
	struct name target;
	struct record r;
	unsigned i;

	*addresses = false;
	for (i = 0; i < m->count; i++) {
		if (!record_next(m, &r))
			return false;
		if (r.class != OCU_RECORD_IN)
			continue;
		if (r.type == CNAME && !alias_read(m, &r, &target))
			return false;
		if (r.type == type && r.data_n != (type == OCU_RECORD_A ? 4 : 16))
			return false;
		*addresses |= r.type == type;
	}
	return true;
}

static void shorten(struct ocu_records *out, uint32_t ttl_s)
{
	if (ttl_s < out->ttl_s)
		out->ttl_s = ttl_s;
}

/* Takes the addresses of <owner>. Without any, and if it is an alias, <owner> becomes what it
 * stands for; returns whether that happened.
 */
static bool owner_follow(struct ocu_records *out, struct message *m, struct name *owner,
			 unsigned type)
{
	uint32_t alias_ttl_s = 0;
	struct name target;
	bool alias = false;
	struct record r;
	unsigned i;

	m->at = m->answers;
	for (i = 0; i < m->count && record_next(m, &r); i++) {
		if (r.class != OCU_RECORD_IN || !name_equal(&r.owner, owner))
			continue;
		if (r.type == CNAME && !alias) {
			alias = alias_read(m, &r, &target);
			alias_ttl_s = r.ttl_s;
		} else if (r.type == type && out->n < OCU_RECORD_ADDRESSES_MAX) {
			memcpy(out->addrs[out->n++], m->p + r.data, r.data_n);
			shorten(out, r.ttl_s);
		}
	}
	if (out->n || !alias)
		return false;
	*owner = target;
	shorten(out, alias_ttl_s);
	return true;
}

/* Reads the header; m->at is at the question then. */
static bool header_read(struct ocu_records *out, struct message *m)
{
	if (m->n < HEADER_BYTES || !(m->p[2] & 0x80) || m->p[2] & 0x78 || read16(m->p + 4) != 1)
		return false;
	out->truncated = m->p[2] & 2;
	out->rcode = m->p[3] & 0x0f;
	m->count = read16(m->p + 6);
	m->at = HEADER_BYTES;
	return true;
}

enum ocu_status ocu_records_read(struct ocu_records *out, const uint8_t *p, size_t n,
				 const char *host, enum ocu_family family, struct ocu_err *err)
{
	unsigned type = family == OCU_IPV6 ? OCU_RECORD_AAAA : OCU_RECORD_A, links = 0;
	struct message m = { .p = p, .n = n };
	struct name owner;
	bool addresses;

	memset(out, 0, sizeof(*out));
	if (!name_make(&owner, host))
		return ocu_fail(err, OCU_DNS, "the name cannot be asked for");
	if (!header_read(out, &m))
		return ocu_fail(err, OCU_DNS, "malformed answer");
	if (!question_check(&m, &owner, type))
		return ocu_fail(err, OCU_DNS, "answer to another question");
	if (out->truncated || out->rcode != OCU_RCODE_NONE)
		return OCU_OK;
	m.answers = m.at;
	if (!records_check(&m, type, &addresses))
		return ocu_fail(err, OCU_DNS, "malformed answer");
	out->ttl_s = UINT32_MAX;
	while (owner_follow(out, &m, &owner, type)) {
		if (++links > OCU_RECORD_LINKS_MAX)
			return ocu_fail(err, OCU_DNS, "too many aliases");
	}
	if (!out->n && addresses)
		return ocu_fail(err, OCU_DNS, "answer for another name");
	return OCU_OK;
}
