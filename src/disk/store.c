/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store.c - the state directory: writes, reads and removes response files through one descriptor.
 * Verifies nothing, decides nothing about when.
 */
#include "ocu/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".ocsp"
#define TMP_PREFIX ".tmp-"
#define TMP_OLD_S 3600 /* nobody needs that long to write a file */

enum ocu_status ocu_store_init(struct ocu_store *s, const char *path, struct ocu_err *err)
{
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return ocu_fail(err, OCU_IO, "%s: %s", path, strerrordesc_np(errno));
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
	uint8_t hash[SHA256_DIGEST_LENGTH];
	size_t i;

	out[0] = '\0';
	if (!SHA256(certid, n, hash)) {
		ERR_clear_error();
		return;
	}
	for (i = 0; i < sizeof(hash); i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	memcpy(out + 2 * sizeof(hash), SUFFIX, sizeof(SUFFIX));
}

static enum ocu_status fail_errno(struct ocu_err *err, const char *name, const char *what)
{
	return ocu_fail(err, OCU_IO, "%s: %s: %s", name, what, strerrordesc_np(errno));
}

static enum ocu_status fail_nomem(struct ocu_err *err)
{
	return ocu_fail(err, OCU_NOMEM, "state directory: %s", ocu_text(OCU_NOMEM));
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

enum ocu_status ocu_store_put(const struct ocu_store *s, const uint8_t *certid, size_t certid_len,
			      const uint8_t *der, size_t n, int64_t next_update,
			      struct ocu_err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = next_update } };
	char name[OCU_STORE_NAME_BYTES], tmp[OCU_STORE_NAME_BYTES + 64];
	enum ocu_status ret = OCU_IO;
	int fd;

	ocu_store_name(name, certid, certid_len);
	if (!name[0])
		return fail_nomem(err);
	/* no two writers share a name: threads by their address, processes by their number */
	snprintf(tmp, sizeof(tmp), TMP_PREFIX "%ld-%lx-%.16s", (long)getpid(),
		 (unsigned long)pthread_self(), name);
	(void)unlinkat(s->dir, tmp, 0);
	fd = openat(s->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(err, name, "creating");
	/* no fsync: it would stop all fetches for the time of the disk, and a file that a power
	 * failure cuts does not verify
	 */
	if (!write_all(fd, der, n) || futimens(fd, times) != 0) {
		(void)fail_errno(err, name, "writing");
		close(fd);
		goto out;
	}
	if (close(fd) != 0 || renameat(s->dir, tmp, s->dir, name) != 0) {
		(void)fail_errno(err, name, "renaming");
		goto out;
	}
	return OCU_OK;

out:
	(void)unlinkat(s->dir, tmp, 0);
	return ret;
}

static enum ocu_status check_file(const struct stat *st, const struct ocu_buf *out,
				  const char *name, struct ocu_err *err)
{
	if (!S_ISREG(st->st_mode))
		return ocu_fail(err, OCU_IO, "%s: not a regular file", name);
	if (st->st_uid != geteuid() && st->st_uid != 0)
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

enum ocu_status ocu_store_get(const struct ocu_store *s, const uint8_t *certid, size_t certid_len,
			      struct ocu_buf *out, struct ocu_err *err)
{
	char name[OCU_STORE_NAME_BYTES];
	enum ocu_status ret;
	struct stat st;
	int fd;

	ocu_store_name(name, certid, certid_len);
	if (!name[0])
		return fail_nomem(err);
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

static bool is_response(const char *name)
{
	return strlen(name) == OCU_STORE_NAME_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == 2 * SHA256_DIGEST_LENGTH &&
	       strcmp(name + 2 * SHA256_DIGEST_LENGTH, SUFFIX) == 0;
}

void ocu_store_sweep(const struct ocu_store *s, int64_t now,
		     bool (*known)(void *arg, const char *name), void *arg)
{
	int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	struct stat st;
	bool tmp;

	while (d && (e = readdir(d))) {
		tmp = strncmp(e->d_name, TMP_PREFIX, sizeof(TMP_PREFIX) - 1) == 0;
		if (!tmp && !is_response(e->d_name))
			continue;
		if (fstatat(s->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		/* a response file is as old as its nextUpdate, see ocu_store_put() */
		if (tmp ? st.st_ctime < now - TMP_OLD_S
			: st.st_mtime < now && !known(arg, e->d_name))
			(void)unlinkat(s->dir, e->d_name, 0);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
}
