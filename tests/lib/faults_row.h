/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults_row.h - what a row of the table of faults is made of, for the files that make its answer.
 * Those who only use faults include faults.h.
 */
#ifndef TESTS_FAULTS_ROW_H
#define TESTS_FAULTS_ROW_H

#include <stdio.h>

#include "faults.h"

#define NO_TYPE "-"           /* no Content-Type at all */
#define OCSP_TYPE "application/ocsp-response"
#define ENDLESS UINT64_MAX

enum form {
	FORM_LENGTH, FORM_CHUNKED, FORM_CLOSE, FORM_NONE,
};

enum cut {
	CUT_NO, CUT_NOTHING, CUT_HEADER, CUT_BODY,
};

struct answer;

struct fault {
	const char *name;
	const char *want;
	const char *why;           /* what the reason must hold; NULL: anything */
	const char *then, *then_why; /* the same for the second time; both NULL: as the first
				    * time */
	enum fault_server server;
	unsigned requests;         /* that one fetch makes; 0: one, or none if nobody reads them */
	unsigned then_requests;    /* the same for the second time; 0: as the first time */
	bool or_post;              /* one more, as POST, if it passes for no OCSP answer at all */
	bool again;                /* it is asked for once more by itself soon, and so on */
	long num;                  /* stands for the number if the segment has none */

	int64_t this_s, next_s;    /* relative to now; both 0: an hour ago, in a day */
	int64_t next_at;           /* absolute */
	int cert_status;
	int ocsp_status;
	enum pki_signer signer;
	bool no_next, no_certs, by_key, with_issuer, bad_signature, body_beside_error;
	const char *nonce;
	void (*ocsp)(struct answer *a);

	void (*body)(struct answer *a);

	int status;                /* 0: 200 */
	const char *type;          /* NULL: the right one */
	const char *more;          /* further header lines, each with its CRLF */
	enum form form;
	void (*http)(struct answer *a, FILE *out);

	int delay_ms;
	size_t step;
	int step_ms;
	enum cut cut;
	enum fault_end end;
};

struct answer {
	const struct fault *row;
	const struct fault_ask *ask;
	const char *arg;           /* what follows the row's name and a hyphen, "" if nothing */
	long num;
	struct pki *pki;
	struct pki_response resp;
	uint8_t *der;
	size_t n;
	int64_t date_s;            /* of the answer; 0: one of long ago */
	size_t head_bytes;         /* 0 if the answer has no header of the usual kind */
	struct fault_plan *plan;
};

/* Parts of an answer. The head is written line by line: answer_head() begins it, answer_head_end()
 * ends it, and remembers where, for those who cut it.
 */
void answer_head(struct answer *a, FILE *out, int status, const char *type, const char *more);
void answer_head_end(struct answer *a, FILE *out);

/* The head of a good answer but for its length, and the rest of one: length and body. */
void answer_ok_head(struct answer *a, FILE *out);
void answer_lengthy(struct answer *a, FILE *out);

/* The body, and a chunk of <n> bytes. */
void answer_whole(struct answer *a, FILE *out);
void answer_chunk(FILE *out, const void *p, size_t n);

/* A whole answer that only refuses. */
void answer_status(struct answer *a, FILE *out, int status, const char *more);

/* What makes the answers of rows. Those of fault_http write all of it; those of fault_ocsp change
 * the response before it is signed, and those of fault_body the body after that.
 */
typedef void fault_http(struct answer *a, FILE *out);
typedef void fault_ocsp(struct answer *a);
typedef void fault_body(struct answer *a);

/* faults_http.c */
fault_http http_usual, http_status, http_get, http_post, http_first, http_continue,
	http_continue_flood, http_switch, http_not_modified, http_etag, http_modified, http_fresh,
	http_garbage_after, http_garbage_before, http_flood_after, http_crlf_before;

/* faults_redirect.c */
fault_http http_redirect, http_chain, http_loop, http_redirect_relative, http_redirect_none,
	http_redirect_ftp, http_redirect_file, http_redirect_port, http_redirect_user,
	http_redirect_control, http_redirect_long;

/* faults_framing.c */
fault_http http_length_twice, http_length_differ, http_length_list, http_length_negative,
	http_length_blank, http_length_word, http_length_overflow, http_length_huge,
	http_length_short, http_length_long, http_length_and_chunked, http_endless,
	http_endless_close, http_chunk_tiny, http_chunk_extension, http_chunk_overflow,
	http_chunk_negative, http_chunk_lie, http_chunk_word, http_chunk_open,
	http_chunk_endless, http_chunk_size_endless, http_trailer_endless, http_te_gzip,
	http_te_twice, http_te_word;

/* faults_header.c */
fault_http http_header_lines, http_header_long, http_header_flood, http_line_flood,
	http_header_nul, http_header_no_colon, http_header_space, http_header_fold,
	http_header_cr, http_bare_lf, http_two_types, http_10, http_10_chunked, http_09, http_20,
	http_no_reason, http_four_digits, http_status_word, http_other_protocol;

/* faults_ocsp.c */
fault_ocsp ocsp_error, ocsp_soon, ocsp_wrong_cert, ocsp_wrong_issuer, ocsp_sha256, ocsp_sha512,
	ocsp_trailing, ocsp_size, ocsp_none, ocsp_older, ocsp_later_revoked, ocsp_several_first,
	ocsp_several_middle, ocsp_several_last, ocsp_several_others, ocsp_two_digests,
	ocsp_expired_and_valid, ocsp_once;
fault_body body_empty, body_zeros, body_random, body_html, body_truncate, body_flip;

#endif
