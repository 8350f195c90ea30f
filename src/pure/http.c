/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http.c - writes one HTTP/1.1 request and reads one response. Opens no socket, follows nothing. */
#include "ocu/http.h"

#include <string.h>
#include <strings.h>

#include "ocu/date.h"

#define OCU_HTTP_DATE_BYTES 80 /* more than any date has */
#define OCU_HTTP_AGENT "ocu/" OCU_VERSION
#define OCU_HTTP_OCSP_TYPE "application/ocsp-response"
#define OCU_HTTP_SECONDS_MAX INT64_C(2147483648) /* RFC 9111 section 1.2.2 */
#define OCU_HTTP_SHOWN_BYTES 64 /* how much of a bad line goes into the reason */
/* So much of the line before a chunk is free: digits enough for every size that is accepted. The
 * rest counts as header bytes, or a peer could send extensions and zeros without end.
 */
#define OCU_HTTP_CHUNK_FREE_BYTES 8

/* What the next byte belongs to. Those up to ST_CHUNK_SIZE are read line by line. */
enum {
	ST_STATUS,
	ST_FIELD,
	ST_TRAILER,
	ST_CHUNK_SIZE,
	ST_CHUNK,
	ST_CHUNK_CR,
	ST_CHUNK_LF,
	ST_LENGTH,
	ST_CLOSE,
	ST_DONE,
	ST_FAILED,
};

/* Appends "name: value" if there is a value. */
static enum ocu_status add_field(struct ocu_buf *out, const char *name, const char *value)
{
	return value && value[0] ? ocu_buf_addf(out, "%s: %s\r\n", name, value) : OCU_OK;
}

/* Appends what the caller may wish for. */
static enum ocu_status add_wishes(struct ocu_buf *out, const struct ocu_http_request *r)
{
	enum ocu_status ret;

	ret = add_field(out, "Accept-Encoding", r->identity ? "identity" : NULL);
	if (ret == OCU_OK)
		ret = add_field(out, "Cache-Control", r->no_cache ? "no-cache" : NULL);
	if (ret == OCU_OK)
		ret = add_field(out, "Proxy-Authorization", r->proxy_auth);
	if (ret == OCU_OK && !r->body)
		ret = add_field(out, "If-None-Match", r->etag);
	if (ret == OCU_OK && !r->body)
		ret = add_field(out, "If-Modified-Since", r->last_modified);
	return ret;
}

enum ocu_status ocu_http_request(struct ocu_buf *out, const struct ocu_http_request *r)
{
	size_t before = out->len;
	enum ocu_status ret;

	ret = ocu_buf_addf(out, "%s ", r->body ? "POST" : "GET");
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, r->target, r->target_len);
	if (ret == OCU_OK)
		ret = ocu_buf_addf(out, " HTTP/1.1\r\nHost: %s\r\nUser-Agent: " OCU_HTTP_AGENT
				   "\r\nAccept: " OCU_HTTP_OCSP_TYPE "\r\n", r->host);
	if (ret == OCU_OK)
		ret = add_wishes(out, r);
	if (ret == OCU_OK && r->body)
		ret = ocu_buf_addf(out, "Content-Type: application/ocsp-request\r\n"
				   "Content-Length: %zu\r\n", r->body_len);
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, "\r\n", 2);
	if (ret == OCU_OK && r->body)
		ret = ocu_buf_add(out, r->body, r->body_len);
	if (ret != OCU_OK)
		out->len = before;
	return ret;
}

enum ocu_status ocu_http_connect(struct ocu_buf *out, const char *authority, const char *proxy_auth)
{
	size_t before = out->len;
	enum ocu_status ret;

	ret = ocu_buf_addf(out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: " OCU_HTTP_AGENT
			   "\r\n", authority, authority);
	if (ret == OCU_OK)
		ret = add_field(out, "Proxy-Authorization", proxy_auth);
	if (ret == OCU_OK)
		ret = ocu_buf_add(out, "\r\n", 2);
	if (ret != OCU_OK)
		out->len = before;
	return ret;
}

void ocu_http_init(struct ocu_http *h)
{
	memset(h, 0, sizeof(*h));
	ocu_buf_init(&h->body, OCU_HTTP_BODY_MAX_BYTES);
	ocu_buf_init(&h->line, OCU_HTTP_HEADER_MAX_BYTES + OCU_HTTP_CHUNK_FREE_BYTES);
	h->state = ST_STATUS;
	h->retry_after_s = -1;
	h->max_age_s = -1;
}

void ocu_http_init_connect(struct ocu_http *h)
{
	ocu_http_init(h);
	h->connect = true;
}

void ocu_http_fini(struct ocu_http *h)
{
	ocu_buf_fini(&h->body);
	ocu_buf_fini(&h->line);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110 section 5.6.2: what header names are made of. */
static bool is_token(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
	       || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* Whether <s> is <word>, in any case. */
static bool is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(s, word, n) == 0;
}

/* Takes the spaces off both ends of <s>. */
static void trim(const char **s, size_t *n)
{
	while (*n > 0 && is_space((*s)[*n - 1]))
		(*n)--;
	while (*n > 0 && is_space((*s)[0])) {
		(*s)++;
		(*n)--;
	}
}

static enum ocu_status fail_line(struct ocu_err *err, const char *what, const char *s, size_t n)
{
	int shown = (int)(n < OCU_HTTP_SHOWN_BYTES ? n : OCU_HTTP_SHOWN_BYTES);

	return ocu_fail(err, OCU_HTTP, "%s: %.*s", what, shown, s);
}

/* Whether this is the answer after which a tunnel begins. */
static bool is_tunnel(const struct ocu_http *h)
{
	return h->connect && h->status / 100 == 2;
}

/* Whether this response can have a body at all (RFC 9112 section 6.3). */
static bool has_body(const struct ocu_http *h)
{
	return h->status != 204 && h->status != 304 && !is_tunnel(h);
}

/* Reads a number of seconds (RFC 9110 10.2.3, RFC 9111 1.2.2); false if it is none. What is more
 * than can be of any use becomes OCU_HTTP_SECONDS_MAX.
 */
static bool read_seconds(int64_t *out, const char *s, size_t n)
{
	int64_t v = 0;
	size_t i;

	for (i = 0; i < n && is_digit(s[i]); i++) {
		v = v * 10 + (s[i] - '0');
		if (v > OCU_HTTP_SECONDS_MAX)
			v = OCU_HTTP_SECONDS_MAX;
	}
	if (n == 0 || i < n)
		return false;
	*out = v;
	return true;
}

/* Reads "HTTP/1.1 200 OK". An interim response leaves status at 0. */
static enum ocu_status read_status(struct ocu_http *h, const char *s, size_t n, struct ocu_err *err)
{
	int status;

	if (n < 12 || memcmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]) || s[8] != ' '
	    || !is_digit(s[9]) || !is_digit(s[10]) || !is_digit(s[11]) || (n > 12 && s[12] != ' '))
		return fail_line(err, "not an HTTP/1 status line", s, n);
	status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
	if (status < 100 || status > 599)
		return ocu_fail(err, OCU_HTTP, "status %d does not exist", status);
	if (status == 101)
		return ocu_fail(err, OCU_HTTP, "status 101: peer switches to another protocol");
	if (status >= 200)
		h->status = status;
	h->http10 = s[7] == '0';
	h->state = ST_FIELD;
	return OCU_OK;
}

/* Returns the seconds since the epoch of <d> in the month <name>, 0 if there is no such date. */
static int64_t date_seconds(struct ocu_date *d, const char *name)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int leap = d->second == 60;
	int64_t s;

	d->second -= leap;
	for (d->month = 1; d->month <= 12; d->month++) {
		if (strncmp(name, months + (d->month - 1) * 3, 3) == 0)
			break;
	}
	return ocu_date_s(&s, d) ? s + leap : 0;
}

/* Whether <c> may stand where the form of a date has <f>: d, y, h, m and s are a digit of the day,
 * the year and so on, e is one that is a space where it were 0, b is a letter of the month.
 */
static bool fits(char f, char c)
{
	if (f == 'b')
		return true;
	if (f == 'e')
		return c == ' ' || (c >= '1' && c <= '9');
	return strchr("dyhms", f) ? is_digit(c) : c == f;
}

/* Returns the number of the digits in <s> where <form> has <f>. */
static int digits(const char *s, const char *form, char f)
{
	int v = 0;

	for (; *form; form++, s++) {
		if (*form == f && *s != ' ')
			v = v * 10 + (*s - '0');
	}
	return v;
}

/* Reads <s>, a date in the form <form>; 0 if it is none. */
static int64_t read_form(const char *s, const char *form)
{
	struct ocu_date d = { 0 };
	size_t n = strlen(form), i;

	if (strlen(s) != n)
		return 0;
	for (i = 0; i < n; i++) {
		if (!fits(form[i], s[i]))
			return 0;
	}
	d.year = digits(s, form, 'y');
	/* Nothing that matters here was dated before the epoch. */
	if (!strstr(form, "yyyy"))
		d.year += d.year < 70 ? 2000 : 1900;
	d.day = digits(s, form, 'e') * 10 + digits(s, form, 'd');
	d.hour = digits(s, form, 'h');
	d.minute = digits(s, form, 'm');
	d.second = digits(s, form, 's');
	return date_seconds(&d, s + (strchr(form, 'b') - form));
}

/* Reads a date in one of its three forms (RFC 9110 section 5.6.7); 0 if it is none. The day of the
 * week is not asked whether it fits.
 */
static int64_t read_date(const char *s, size_t n)
{
	static const char *const weekdays[] = { "Monday", "Tuesday", "Wednesday", "Thursday",
						"Friday", "Saturday", "Sunday" };
	char text[OCU_HTTP_DATE_BYTES];
	size_t i, len;

	if (n >= sizeof(text))
		return 0;
	memcpy(text, s, n);
	text[n] = '\0';
	for (i = 0; i < sizeof(weekdays) / sizeof(weekdays[0]); i++) {
		len = strlen(weekdays[i]);
		if (strncmp(text, weekdays[i], len) == 0)
			return read_form(text + len, ", dd-bbb-yy hh:mm:ss GMT");
		if (strncmp(text, weekdays[i], 3) == 0)
			return read_form(text + 3, text[3] == ',' ? ", dd bbb yyyy hh:mm:ss GMT"
								  : " bbb ed hh:mm:ss yyyy");
	}
	return 0;
}

static enum ocu_status read_length(struct ocu_http *h, const char *s, size_t n, struct ocu_err *err)
{
	size_t i;

	if (h->got_length)
		return ocu_fail(err, OCU_HTTP, "more than one Content-Length");
	h->got_length = true;
	for (i = 0; i < n && is_digit(s[i]); i++) {
		h->left = h->left * 10 + (uint64_t)(s[i] - '0');
		if (h->left > OCU_HTTP_BODY_MAX_BYTES)
			h->left = OCU_HTTP_BODY_MAX_BYTES + 1;
	}
	if (n == 0 || i < n)
		return fail_line(err, "malformed Content-Length", s, n);
	if (h->left > OCU_HTTP_BODY_MAX_BYTES && has_body(h))
		return ocu_fail(err, OCU_TOO_BIG, "body is longer than %d bytes",
				OCU_HTTP_BODY_MAX_BYTES);
	return OCU_OK;
}

static enum ocu_status read_coding(struct ocu_http *h, const char *s, size_t n, struct ocu_err *err)
{
	if (h->http10)
		return ocu_fail(err, OCU_HTTP, "Transfer-Encoding in HTTP/1.0");
	if (h->chunked || !is_word(s, n, "chunked"))
		return fail_line(err, "Transfer-Encoding is not just chunked", s, n);
	h->chunked = true;
	return OCU_OK;
}

/* Reads one Retry-After (RFC 9110 section 10.2.3); a second one is ignored. */
static void read_retry(struct ocu_http *h, const char *s, size_t n)
{
	if (h->retry_after_s >= 0 || h->retry_date_s)
		return;
	if (!read_seconds(&h->retry_after_s, s, n))
		h->retry_date_s = read_date(s, n);
}

/* Reads one directive of Cache-Control (RFC 9111 section 5.2.2). */
static void read_directive(struct ocu_http *h, const char *s, size_t n)
{
	const char *equals = n ? memchr(s, '=', n) : NULL;
	size_t name = equals ? (size_t)(equals - s) : n;

	if (is_word(s, name, "no-cache") || is_word(s, name, "no-store"))
		h->no_max_age = true;
	if (!is_word(s, name, "max-age"))
		return;
	if (!equals || h->max_age_s >= 0 || !read_seconds(&h->max_age_s, equals + 1, n - name - 1))
		h->no_max_age = true;
}

/* Returns how many bytes come before the first comma that is not quoted. */
static size_t until_comma(const char *s, size_t n)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < n && (quoted || s[i] != ','); i++) {
		if (s[i] == '"')
			quoted = !quoted;
		else if (quoted && s[i] == '\\')
			i += i + 1 < n;
	}
	return i;
}

static void read_cache_control(struct ocu_http *h, const char *s, size_t n)
{
	const char *word;
	size_t len, step;

	for (; n > 0; s += step, n -= step) {
		word = s;
		len = step = until_comma(s, n);
		step += step < n;
		trim(&word, &len);
		read_directive(h, word, len);
	}
}

static void read_connection(struct ocu_http *h, const char *s, size_t n)
{
	const char *comma, *word;
	size_t len;

	for (;;) {
		comma = memchr(s, ',', n);
		word = s;
		len = comma ? (size_t)(comma - s) : n;
		trim(&word, &len);
		h->conn_close |= is_word(word, len, "close");
		h->conn_keep |= is_word(word, len, "keep-alive");
		if (!comma)
			return;
		n -= (size_t)(comma + 1 - s);
		s = comma + 1;
	}
}

static void read_type(struct ocu_http *h, const char *s, size_t n)
{
	const char *semicolon = n ? memchr(s, ';', n) : NULL;
	size_t cut = n < sizeof(h->type) ? n : sizeof(h->type) - 1;

	memcpy(h->type, s, cut);
	h->type[cut] = '\0';
	if (semicolon)
		n = (size_t)(semicolon - s);
	trim(&s, &n);
	h->is_ocsp = is_word(s, n, OCU_HTTP_OCSP_TYPE);
}

/* Remembers a validator unless it is too long, or (RFC 9110 section 8.8.3) no entity tag: sending
 * back anything but what was received would be worse than sending none.
 */
static void read_validator(char out[static OCU_HTTP_VALUE_BYTES], const char *s, size_t n,
			   bool etag)
{
	size_t i = etag && n >= 2 && s[0] == 'W' && s[1] == '/' ? 2 : 0;

	out[0] = '\0';
	if (n >= OCU_HTTP_VALUE_BYTES)
		return;
	if (etag && (n < i + 2 || s[i] != '"' || memchr(s + i + 1, '"', n - i - 1) != s + n - 1))
		return;
	for (i = 0; i < n; i++) {
		if (s[i] < 0x20 || s[i] > 0x7e || (etag && s[i] == ' '))
			return;
	}
	memcpy(out, s, n);
	out[n] = '\0';
}

static enum ocu_status read_location(struct ocu_http *h, const char *s, size_t n,
				     struct ocu_err *err)
{
	if (h->status / 100 != 3)
		return OCU_OK;
	if (h->location[0])
		return ocu_fail(err, OCU_HTTP, "more than one Location");
	if (n >= sizeof(h->location))
		return ocu_fail(err, OCU_TOO_BIG, "Location is longer than %zu bytes",
				sizeof(h->location) - 1);
	memcpy(h->location, s, n);
	h->location[n] = '\0';
	return OCU_OK;
}

/* Reads a field that no response can be refused for. */
static void read_advice(struct ocu_http *h, const char *name, size_t n, const char *value,
			size_t len)
{
	if (is_word(name, n, "connection"))
		read_connection(h, value, len);
	else if (is_word(name, n, "content-type"))
		read_type(h, value, len);
	else if (is_word(name, n, "content-encoding"))
		h->coded |= len > 0 && !is_word(value, len, "identity");
	else if (is_word(name, n, "etag"))
		read_validator(h->validators.etag, value, len, true);
	else if (is_word(name, n, "last-modified"))
		read_validator(h->validators.last_modified, value, len, false);
	else if (is_word(name, n, "retry-after"))
		read_retry(h, value, len);
	else if (is_word(name, n, "cache-control"))
		read_cache_control(h, value, len);
	else if (is_word(name, n, "date") && !h->date_s)
		h->date_s = read_date(value, len);
	else if (is_word(name, n, "age") && !h->age_s)
		(void)!read_seconds(&h->age_s, value, len);
}

/* Reads one header line that is not empty. Those of interim responses and of trailers are only
 * checked.
 */
static enum ocu_status read_field(struct ocu_http *h, const char *s, size_t n, struct ocu_err *err)
{
	const char *colon = memchr(s, ':', n), *value;
	size_t name, len;

	if (++h->lines > OCU_HTTP_HEADER_MAX_LINES)
		return ocu_fail(err, OCU_TOO_BIG, "header has more than %d lines",
				OCU_HTTP_HEADER_MAX_LINES);
	for (name = 0; name < n && is_token(s[name]); name++)
		;
	if (name == 0 || s + name != colon)
		return fail_line(err, "malformed header line", s, n);
	if (h->status == 0 || h->state == ST_TRAILER)
		return OCU_OK;
	value = colon + 1;
	len = n - name - 1;
	trim(&value, &len);
	/* In the answer before a tunnel there is no meaning in either (RFC 9110 9.3.6). */
	if (is_word(s, name, "content-length"))
		return is_tunnel(h) ? OCU_OK : read_length(h, value, len, err);
	if (is_word(s, name, "transfer-encoding"))
		return is_tunnel(h) ? OCU_OK : read_coding(h, value, len, err);
	if (is_word(s, name, "location"))
		return read_location(h, value, len, err);
	read_advice(h, s, name, value, len);
	return OCU_OK;
}

/* The empty line after the header: decides how the body ends. */
static enum ocu_status end_header(struct ocu_http *h, struct ocu_err *err)
{
	if (h->status == 0) {
		h->state = ST_STATUS;
		return OCU_OK;
	}
	if (h->chunked && h->got_length)
		return ocu_fail(err, OCU_HTTP, "Content-Length beside Transfer-Encoding");
	if (h->no_max_age)
		h->max_age_s = -1;
	else if (h->max_age_s >= 0)
		h->max_age_s = h->max_age_s > h->age_s ? h->max_age_s - h->age_s : 0;
	h->keep = !h->conn_close && (!h->http10 || h->conn_keep);
	if (!has_body(h)) {
		/* Some send a body nevertheless, which is not the next response. After 304 a length
		 * may stand for what is not sent, but nothing tells the two apart.
		 */
		if (h->chunked || h->left > 0)
			h->keep = false;
		h->state = ST_DONE;
	} else if (h->chunked) {
		h->state = ST_CHUNK_SIZE;
	} else if (h->got_length) {
		h->state = h->left > 0 ? ST_LENGTH : ST_DONE;
	} else {
		h->keep = false;
		h->state = ST_CLOSE;
	}
	return OCU_OK;
}

/* Reads "1f;extension". The extension is ignored. */
static enum ocu_status read_chunk_size(struct ocu_http *h, const char *s, size_t n,
				       struct ocu_err *err)
{
	static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
	const char *digit;
	size_t i, end;

	h->left = 0;
	for (i = 0; i < n && s[i]; i++) {
		digit = strchr(digits, s[i]);
		if (!digit)
			break;
		h->left = h->left * 16 + (uint64_t)((digit - digits) / 2);
		if (h->left > OCU_HTTP_BODY_MAX_BYTES)
			h->left = OCU_HTTP_BODY_MAX_BYTES + 1;
	}
	for (end = i; end < n && is_space(s[end]); end++)
		;
	if (i == 0 || (end < n && s[end] != ';'))
		return fail_line(err, "malformed chunk size", s, n);
	if (h->left > OCU_HTTP_BODY_MAX_BYTES - h->body.len)
		return ocu_fail(err, OCU_TOO_BIG, "body is longer than %d bytes",
				OCU_HTTP_BODY_MAX_BYTES);
	h->state = h->left > 0 ? ST_CHUNK : ST_TRAILER;
	return OCU_OK;
}

/* Reads the line that is complete in h->line, without its LF. */
static enum ocu_status read_line(struct ocu_http *h, struct ocu_err *err)
{
	const char *s = h->line.len > 0 ? (const char *)h->line.data : "";
	size_t n = h->line.len, i;

	if (n > 0 && s[n - 1] == '\r')
		n--;
	for (i = 0; i < n; i++) {
		if ((s[i] >= 0 && s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return ocu_fail(err, OCU_HTTP, "control character 0x%02x in the header",
					(unsigned char)s[i]);
	}
	if (h->state == ST_STATUS)
		return read_status(h, s, n, err);
	if (h->state == ST_CHUNK_SIZE)
		return read_chunk_size(h, s, n, err);
	if (n > 0)
		return read_field(h, s, n, err);
	if (h->state == ST_FIELD)
		return end_header(h, err);
	h->state = ST_DONE;
	return OCU_OK;
}

/* Takes bytes up to the end of the line. */
static enum ocu_status feed_line(struct ocu_http *h, const uint8_t *p, size_t n, size_t *used,
				 struct ocu_err *err)
{
	const uint8_t *lf = memchr(p, '\n', n);
	size_t take = lf ? (size_t)(lf - p) + 1 : n;
	size_t free_bytes = h->state == ST_CHUNK_SIZE ? OCU_HTTP_CHUNK_FREE_BYTES : 0;
	enum ocu_status ret;
	size_t i;

	/* A server of another protocol may greet and wait: better told now than timed out. */
	for (i = h->line.len; h->state == ST_STATUS && i < 7 && i - h->line.len < take; i++) {
		if (p[i - h->line.len] != (uint8_t)"HTTP/1."[i])
			return fail_line(err, "not an HTTP/1 status line", (const char *)p, take);
	}
	if (take > OCU_HTTP_HEADER_MAX_BYTES + free_bytes - h->header_bytes - h->line.len)
		return ocu_fail(err, OCU_TOO_BIG, "header is longer than %d bytes",
				OCU_HTTP_HEADER_MAX_BYTES);
	ret = ocu_buf_add(&h->line, p, lf ? take - 1 : take);
	if (ret != OCU_OK)
		return ocu_fail(err, ret, "no memory for the header");
	*used = take;
	if (!lf)
		return OCU_OK;
	take = h->line.len + 1;
	ret = read_line(h, err);
	h->header_bytes += take > free_bytes ? take - free_bytes : 0;
	ocu_buf_reset(&h->line);
	return ret;
}

/* Takes bytes of the body. */
static enum ocu_status feed_body(struct ocu_http *h, const uint8_t *p, size_t n, size_t *used,
				 struct ocu_err *err)
{
	bool delimited = h->state != ST_CLOSE;
	size_t take = delimited && h->left < n ? (size_t)h->left : n;
	enum ocu_status ret;

	ret = ocu_buf_add(&h->body, p, take);
	if (ret == OCU_TOO_BIG)
		return ocu_fail(err, ret, "body is longer than %d bytes", OCU_HTTP_BODY_MAX_BYTES);
	if (ret != OCU_OK)
		return ocu_fail(err, ret, "no memory for the body");
	*used = take;
	if (!delimited)
		return OCU_OK;
	h->left -= take;
	if (h->left == 0)
		h->state = h->state == ST_CHUNK ? ST_CHUNK_CR : ST_DONE;
	return OCU_OK;
}

/* Takes the line end behind a chunk. */
static enum ocu_status feed_chunk_end(struct ocu_http *h, uint8_t c, size_t *used,
				      struct ocu_err *err)
{
	if (c == '\n')
		h->state = ST_CHUNK_SIZE;
	else if (c == '\r' && h->state == ST_CHUNK_CR)
		h->state = ST_CHUNK_LF;
	else
		return ocu_fail(err, OCU_HTTP, "chunk is longer than its size");
	*used = 1;
	return OCU_OK;
}

enum ocu_status ocu_http_feed(struct ocu_http *h, const uint8_t *p, size_t n, size_t *used,
			      struct ocu_err *err)
{
	enum ocu_status ret = OCU_OK;
	size_t took;

	*used = 0;
	if (h->state == ST_FAILED)
		return ocu_fail(err, OCU_HTTP, "response was refused before");
	h->started |= n > 0;
	while (ret == OCU_OK && *used < n && h->state != ST_DONE) {
		took = 0;
		if (h->state <= ST_CHUNK_SIZE)
			ret = feed_line(h, p + *used, n - *used, &took, err);
		else if (h->state == ST_CHUNK_CR || h->state == ST_CHUNK_LF)
			ret = feed_chunk_end(h, p[*used], &took, err);
		else
			ret = feed_body(h, p + *used, n - *used, &took, err);
		*used += took;
	}
	if (ret != OCU_OK) {
		h->state = ST_FAILED;
		return ret;
	}
	return h->state == ST_DONE ? OCU_OK : OCU_AGAIN;
}

enum ocu_status ocu_http_eof(struct ocu_http *h, struct ocu_err *err)
{
	if (h->state == ST_CLOSE)
		h->state = ST_DONE;
	if (h->state == ST_DONE)
		return OCU_OK;
	if (!h->started)
		return ocu_fail(err, OCU_HTTP, "closed before any answer");
	if (h->state <= ST_FIELD)
		return ocu_fail(err, OCU_HTTP, "closed within the header");
	if (h->state == ST_FAILED)
		return ocu_fail(err, OCU_HTTP, "response was refused before");
	return ocu_fail(err, OCU_HTTP, "closed within the body, after %zu bytes", h->body.len);
}
