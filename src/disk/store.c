/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.c - the state directory: writes, reads and removes response files through one descriptor.
 * Verifies nothing, decides nothing about when, and leaves to the caller which response is better.
 */
#include "ocu/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ocu/ocsp.h"

#define SUFFIX ".ocsp"
#define TMP_PREFIX ".tmp-" /* a random number in hexadecimal follows, and the suffix */
#define TMP_BYTES (sizeof(TMP_PREFIX) + 16 + sizeof(SUFFIX) - 1)
#define TMP_TRIES 8    /* even one name that exists already is next to impossible */
#define TMP_OLD_S 3600 /* nobody needs that long to write a file */

enum ocu_status ocu_store_init(struct ocu_store *s, const char *path, struct ocu_err *err)
{
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return ocu_fail(err, OCU_IO, "%s: %m", path);
	return OCU_OK;
}

void ocu_store_fini(struct ocu_store *s)
{
	if (s->dir >= 0)
		close(s->dir);
	s->dir = -1;
}

void ocu_store_name(char out[static OCU_STORE_NAME_BYTES], const uint8_t *certid, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t i;

	out[0] = '\0';
	if (!SHA256(certid, n, hash)) {
		ERR_clear_error();
		return;
	}
	for (i = 0; i < sizeof(hash); i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	memcpy(out + 2 * sizeof(hash), SUFFIX, sizeof(SUFFIX));
}

/* Fails with errno. */
static enum ocu_status fail_errno(struct ocu_err *err, const char *name, const char *what)
{
	return ocu_fail(err, OCU_IO, "%s: %s: %m", name, what);
}

static enum ocu_status fail_nomem(struct ocu_err *err)
{
	return ocu_fail(err, OCU_NOMEM, "state directory: %s", ocu_text(OCU_NOMEM));
}

/* ---- reading ---- */

/* Returns who the calling thread acts as in the file system: a thread of root may read and write as
 * the user that the process is going to be. An impossible user changes nothing, and the present one
 * is returned.
 */
static uid_t fs_user(void)
{
	return (uid_t)setfsuid((uid_t)-1);
}

static enum ocu_status check_file(const struct stat *st, const struct ocu_buf *out,
				  const char *name, struct ocu_err *err)
{
	if (!S_ISREG(st->st_mode))
		return ocu_fail(err, OCU_IO, "%s: not a regular file", name);
	if (st->st_uid != 0 && st->st_uid != fs_user())
		return ocu_fail(err, OCU_IO, "%s: belongs to user %lu", name,
				(unsigned long)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return ocu_fail(err, OCU_IO, "%s: others may write to it", name);
	if (st->st_size <= 0 || (uint64_t)st->st_size > out->max - out->len)
		return ocu_fail(err, OCU_IO, "%s: %lld bytes", name, (long long)st->st_size);
	return OCU_OK;
}

static enum ocu_status read_all(int fd, struct ocu_buf *out, const char *name, struct ocu_err *err)
{
	enum ocu_status st;
	uint8_t part[4096];
	ssize_t n;

	for (;;) {
		n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(err, name, "reading");
		if (n == 0)
			return OCU_OK;
		st = ocu_buf_add(out, part, (size_t)n);
		if (st == OCU_NOMEM)
			return fail_nomem(err);
		if (st != OCU_OK)
			return ocu_fail(err, OCU_IO, "%s: too big", name);
	}
}

/* Appends the file <name> to <out>. */
static enum ocu_status file_get(const struct ocu_store *s, const char *name, struct ocu_buf *out,
				struct ocu_err *err)
{
	enum ocu_status ret;
	struct stat st;
	int fd;

	/* O_NONBLOCK: a pipe of that name must not hold us */
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? OCU_AGAIN : fail_errno(err, name, "opening");
	if (fstat(fd, &st) != 0)
		ret = fail_errno(err, name, "reading");
	else
		ret = check_file(&st, out, name, err);
	if (ret == OCU_OK)
		ret = read_all(fd, out, name, err);
	close(fd);
	return ret;
}

enum ocu_status ocu_store_get(const struct ocu_store *s, const uint8_t *certid, size_t certid_len,
			      struct ocu_buf *out, struct ocu_err *err)
{
	char name[OCU_STORE_NAME_BYTES];

	ocu_store_name(name, certid, certid_len);
	return name[0] ? file_get(s, name, out, err) : fail_nomem(err);
}

/* ---- writing ---- */

/* Locks the directory for this writer alone and returns a descriptor for dir_unlock(). One of its
 * own each time: threads, and processes that were forked, share what is behind s->dir, and would
 * all have the lock. A process that dies gives it back. Not a lock file: its owner would keep out
 * others who may write to the directory. Where there are no locks, or the directory may be written
 * to but not read, it is done without.
 */
static int dir_lock(const struct ocu_store *s)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR)
		;
	return fd;
}

static void dir_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t done;

	while (n) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= done;
	}
	return true;
}

/* Makes a temporary file and writes its name into <tmp>; returns its descriptor, -1 with errno on
 * failure. Random names: processes in different containers can have the same number. A HAProxy that
 * loads a directory of certificates takes each file for one, those with a dot at their begin
 * included, but leaves out what ends like a response.
 */
static int tmp_open(const struct ocu_store *s, char tmp[static TMP_BYTES], mode_t mode)
{
	int fd = -1, tries;
	uint64_t number;

	for (tries = 0; fd < 0 && tries < TMP_TRIES; tries++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -1;
		snprintf(tmp, TMP_BYTES, TMP_PREFIX "%016" PRIx64 SUFFIX, number);
		fd = openat(s->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    mode);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	return fd;
}

/* Writes the new file, puts it on the disk and closes <fd>. It is of now, if <next_update> is 0. */
static enum ocu_status file_fill(int fd, struct ocu_slice der, int64_t next_update,
				 const char *name, struct ocu_err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = next_update } };
	enum ocu_status ret = OCU_OK;

	if (!write_all(fd, der.p, der.n) || (next_update && futimens(fd, times) != 0))
		ret = fail_errno(err, name, "writing");
	else if (fsync(fd) != 0)
		ret = fail_errno(err, name, "syncing");
	if (close(fd) != 0 && ret == OCU_OK)
		ret = fail_errno(err, name, "closing");
	return ret;
}

static enum ocu_status file_put(const struct ocu_store *s, const char *name, mode_t mode,
				struct ocu_slice der, int64_t next_update, struct ocu_err *err)
{
	char tmp[TMP_BYTES];
	enum ocu_status ret;
	int fd;

	fd = tmp_open(s, tmp, mode);
	if (fd < 0)
		return fail_errno(err, name, "creating");
	ret = file_fill(fd, der, next_update, name, err);
	if (ret == OCU_OK && renameat(s->dir, tmp, s->dir, name) != 0)
		ret = fail_errno(err, name, "renaming");
	if (ret != OCU_OK)
		(void)unlinkat(s->dir, tmp, 0);
	return ret;
}

/* A copy that an administrator made has the right bytes and the wrong time. If it cannot be mended,
 * the file is swept too early or too late, no more.
 */
static void time_mend(const struct ocu_store *s, const char *name, int64_t next_update)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = next_update } };
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime != next_update)
		(void)utimensat(s->dir, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Whether the present file <name> gives way to <der>: OCU_OK if so. *same: it is that already. What
 * cannot be read makes room for what can.
 */
static enum ocu_status ask_present(const struct ocu_store *s, const char *name,
				   struct ocu_slice der, const struct ocu_store_ask *ask,
				   bool *same, struct ocu_err *err)
{
	enum ocu_status ret;
	struct ocu_buf there;

	*same = false;
	ocu_buf_init(&there, OCU_OCSP_MAX_BYTES);
	ret = file_get(s, name, &there, NULL);
	if (ret == OCU_NOMEM)
		(void)fail_nomem(err);
	else if (ret != OCU_OK)
		ret = OCU_OK;
	else if (there.len == der.n && memcmp(there.data, der.p, der.n) == 0)
		*same = true;
	else if (ask)
		ret = ask->replaces(ask->arg, there.data, there.len);
	ocu_buf_fini(&there);
	return ret;
}

/* Lets <name> be <der>, if <ask> allows that. */
static enum ocu_status replace(const struct ocu_store *s, const char *name, mode_t mode,
			       struct ocu_slice der, int64_t next_update,
			       const struct ocu_store_ask *ask, struct ocu_err *err)
{
	int lock = dir_lock(s);
	enum ocu_status ret;
	bool same;

	ret = ask_present(s, name, der, ask, &same, err);
	if (same && next_update)
		time_mend(s, name, next_update);
	else if (!same && ret == OCU_OK)
		ret = file_put(s, name, mode, der, next_update, err);
	dir_unlock(lock);
	/* EINVAL: a file system that cannot sync directories */
	if (ret == OCU_OK && !same && fsync(s->dir) != 0 && errno != EINVAL)
		ret = fail_errno(err, name, "syncing the directory");
	return ret;
}

enum ocu_status ocu_store_replace(const struct ocu_store *s, struct ocu_slice certid,
				  struct ocu_slice der, int64_t next_update,
				  const struct ocu_store_ask *ask, struct ocu_err *err)
{
	char name[OCU_STORE_NAME_BYTES];

	ocu_store_name(name, certid.p, certid.n);
	return name[0] ? replace(s, name, 0600, der, next_update, ask, err) : fail_nomem(err);
}

enum ocu_status ocu_store_write(const struct ocu_store *s, const char *name, struct ocu_slice der,
				struct ocu_err *err)
{
	return replace(s, name, 0644, der, 0, NULL, err);
}

enum ocu_status ocu_store_put(const struct ocu_store *s, const uint8_t *certid, size_t certid_len,
			      const uint8_t *der, size_t n, int64_t next_update,
			      struct ocu_err *err)
{
	return ocu_store_replace(s, (struct ocu_slice){ certid, certid_len },
				 (struct ocu_slice){ der, n }, next_update, NULL, err);
}

/* ---- sweeping ---- */

static bool is_tmp(const char *name)
{
	return strncmp(name, TMP_PREFIX, sizeof(TMP_PREFIX) - 1) == 0;
}

static bool is_response(const char *name)
{
	return strlen(name) == OCU_STORE_NAME_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == 2 * SHA256_DIGEST_LENGTH &&
	       strcmp(name + 2 * SHA256_DIGEST_LENGTH, SUFFIX) == 0;
}

/* Whether <name> is a response that has expired, or a temporary file that nobody writes any more. A
 * response file is as old as its nextUpdate, see ocu_store_replace().
 */
static bool has_ended(const struct ocu_store *s, const char *name, int64_t now)
{
	struct stat st;

	if (!is_tmp(name) && !is_response(name))
		return false;
	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
		return false;
	return is_tmp(name) ? st.st_ctime < now - TMP_OLD_S : st.st_mtime < now;
}

/* Removes <name> if it has ended. That is asked anew, since another process may have put a new
 * response in its place meanwhile.
 */
static void remove_ended(const struct ocu_store *s, const char *name, int64_t now)
{
	int lock = dir_lock(s);

	if (has_ended(s, name, now))
		(void)unlinkat(s->dir, name, 0);
	dir_unlock(lock);
}

enum ocu_status ocu_store_walk_init(struct ocu_store_walk *w, const struct ocu_store *s,
				    struct ocu_err *err)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	w->dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (w->dir)
		return OCU_OK;
	(void)ocu_fail(err, OCU_IO, "state directory: %m");
	if (fd >= 0)
		close(fd);
	return OCU_IO;
}

bool ocu_store_walk_next(struct ocu_store_walk *w, const struct ocu_store *s, int n, int64_t now,
			 bool (*known)(void *arg, const char *name), void *arg)
{
	struct dirent *e;

	for (; n > 0; n--) {
		e = readdir(w->dir);
		if (!e)
			return false;
		if (has_ended(s, e->d_name, now) && (is_tmp(e->d_name) || !known(arg, e->d_name)))
			remove_ended(s, e->d_name, now);
	}
	return true;
}

void ocu_store_walk_fini(struct ocu_store_walk *w)
{
	if (w->dir)
		closedir(w->dir);
	w->dir = NULL;
}

void ocu_store_sweep(const struct ocu_store *s, int64_t now,
		     bool (*known)(void *arg, const char *name), void *arg)
{
	struct ocu_store_walk w;

	if (ocu_store_walk_init(&w, s, NULL) != OCU_OK)
		return;
	while (ocu_store_walk_next(&w, s, INT_MAX, now, known, arg))
		;
	ocu_store_walk_fini(&w);
}
