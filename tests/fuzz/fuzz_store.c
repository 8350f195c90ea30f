/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_store.c - the state directory: whatever lies there under the name of a response is read as
 * it is or refused with a reason, makes room for another response as it should, and only what
 * verifies is accepted. Touches its own directory.
 *
 * Input: a byte for the permissions of the file, a byte that says what is done, then the file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixed.h"
#include "fuzz.h"
#include "ocu/ocsp.h"
#include "ocu/store.h"

static struct ocu_store store;
static char path[512], name[OCU_STORE_NAME_BYTES];
static const uint8_t certid[] = "certid";

static void dir_remove(void)
{
	(void)unlinkat(store.dir, name, 0);
	ocu_store_fini(&store);
	(void)rmdir(path);
}

void fuzz_init(void)
{
	const char *tmp = getenv("TMPDIR");
	struct ocu_err err;

	snprintf(path, sizeof(path), "%s/ocu-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	fuzz_must(mkdtemp(path) != NULL, path);
	fuzz_must(ocu_store_init(&store, path, &err) == OCU_OK, "directory");
	ocu_store_name(name, certid, sizeof(certid));
	fuzz_must(atexit(dir_remove) == 0, "atexit");
	(void)fixed_get();
}

void fuzz_seeds(void)
{
	struct pki_single s = { .cert = fixed_get()->cert, .this_update = FIXED_NOW - 3600,
				.next_update = FIXED_NOW + PKI_DAY_S };
	uint8_t *der;
	size_t n;
	int i;

	for (i = 0; i < 4; i++) {
		n = fixed_response(&der, &s, 1, i % 2 ? FIXED_DELEGATE : FIXED_ISSUER);
		fuzz_seed(i < 2 ? "\x80\x00" : "\x80\x01", 2, der, n);
		fuzz_seed("\x80\x00", 2, der, n / 2);
		fuzz_seed("\x96\x00", 2, der, n);
		fuzz_seed("\x80\x02", 2, der, n);
		fuzz_seed("\x80\x06", 2, der, n);
		free(der);
	}
	fuzz_seed("\x80\x00", 2, "", 0);
}

/* Puts the file there, not by the code under test. */
static void file_write(mode_t mode, const uint8_t *p, size_t n)
{
	int fd;

	(void)unlinkat(store.dir, name, 0);
	fd = openat(store.dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	fuzz_must(fd >= 0 && write(fd, p, n) == (ssize_t)n && fchmod(fd, mode) == 0, "writing");
	close(fd);
}

static bool no_one(void *arg, const char *file)
{
	(void)file;
	++*(int *)arg;
	return false;
}

/* The sweep removes the file if it is old, and nothing asks for another name. */
static void sweep(int64_t expiry)
{
	struct ocu_buf out;
	int asked = 0;

	ocu_buf_init(&out, OCU_OCSP_MAX_BYTES);
	ocu_store_sweep(&store, expiry, no_one, &asked);
	fuzz_must(asked == 0, "removed what is not old");
	ocu_store_sweep(&store, expiry + 1, no_one, &asked);
	fuzz_must(asked == 1, "not asked for what is old");
	fuzz_must(ocu_store_get(&store, certid, sizeof(certid), &out, NULL) == OCU_AGAIN,
		  "not removed");
	ocu_buf_fini(&out);
}

/* What was there, and how often it was asked about. */
struct there {
	struct ocu_slice der;
	enum ocu_status answer;
	int asked;
};

static enum ocu_status replaces(void *arg, const uint8_t *der, size_t n)
{
	struct there *t = arg;

	t->asked++;
	fuzz_must(n == t->der.n && memcmp(der, t->der.p, n) == 0, "asked about something else");
	return t->answer;
}

/* Puts another response where the file is; <good> says whether it can be read, <stays> what is
 * answered if it is asked about.
 */
static void replace(const uint8_t *p, size_t n, bool good, bool stays)
{
	static const uint8_t other[] = "other";
	const struct ocu_slice id = { certid, sizeof(certid) }, der = { other, sizeof(other) };
	struct there t = { { p, n }, stays ? OCU_AGAIN : OCU_OK, 0 };
	const struct ocu_store_ask ask = { replaces, &t };
	bool same = n == der.n && memcmp(p, der.p, n) == 0, kept;
	struct ocu_buf out;

	kept = good && !same && stays;
	fuzz_must(ocu_store_replace(&store, id, der, FIXED_NOW, &ask, NULL) ==
		  (kept ? OCU_AGAIN : OCU_OK), "replaced wrongly");
	fuzz_must(t.asked == (good && !same), "asked wrongly");
	ocu_buf_init(&out, OCU_OCSP_MAX_BYTES);
	fuzz_must(ocu_store_get(&store, certid, sizeof(certid), &out, NULL) == OCU_OK, "not there");
	if (kept)
		fuzz_must(out.len == n && memcmp(out.data, p, n) == 0, "was to stay");
	else
		fuzz_must(out.len == der.n && memcmp(out.data, other, der.n) == 0, "was to go");
	ocu_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* always readable for its owner: who is not root sees nothing otherwise */
	mode_t mode = n ? (mode_t)(0400 | (data[0] & 077)) : 0;
	bool put = n > 1 && data[1] & 1, good;
	struct ocu_err err = { .code = OCU_OK };
	enum ocu_status st;
	struct ocu_buf out;

	if (n < 2)
		return 0;
	data += 2;
	n -= 2;
	ocu_buf_init(&out, OCU_OCSP_MAX_BYTES);
	if (put) {
		fuzz_must(ocu_store_put(&store, certid, sizeof(certid), data, n, FIXED_NOW, &err)
			  == OCU_OK, "put");
		mode = 0600;
	} else {
		file_write(mode, data, n);
	}
	st = ocu_store_get(&store, certid, sizeof(certid), &out, &err);
	good = n > 0 && n <= OCU_OCSP_MAX_BYTES && !(mode & (S_IWGRP | S_IWOTH));
	fuzz_must(st == (good ? OCU_OK : OCU_IO), "read or refused wrongly");
	fuzz_must(good || (err.code == OCU_IO && fuzz_is_clean(err.msg)), "reason");
	fuzz_must(!good || (out.len == n && memcmp(out.data, data, n) == 0), "not what was there");
	if (good)
		(void)fixed_check(out.data, out.len, fixed_get()->cert);
	if (data[-1] & 2)
		replace(data, n, good, data[-1] & 4);
	else if (put)
		sweep(FIXED_NOW);
	ocu_buf_fini(&out);
	return 0;
}
