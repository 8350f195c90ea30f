/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etc.c - the system's resolv.conf and hosts file, read again when they change. */
#include "ocu/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ETC "/etc"
#define READ_BYTES 16384

enum ocu_status ocu_etc_open(int *out, const char *path, struct ocu_err *err)
{
	char text[OCU_ERRNO_BYTES];

	path = path ? path : ETC;
	*out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*out < 0)
		return ocu_fail(err, OCU_IO, "%s: %s", path, ocu_errno_text(errno, text));
	return OCU_OK;
}

/* Opens <name> in the directory; -1 if that cannot be. A link with an absolute target, as some
 * make of resolv.conf, would be looked for below the new root after a chroot: it is followed from
 * the parent of the directory instead, which is the old root.
 */
static int file_open(int dir, const char *name)
{
	char target[PATH_MAX], path[PATH_MAX + 3];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	if (fd >= 0)
		return fd;
	n = readlinkat(dir, name, target, sizeof(target));
	if (n <= 0 || (size_t)n >= sizeof(target) || target[0] != '/')
		return -1;
	snprintf(path, sizeof(path), "..%.*s", (int)n, target);
	return openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int64_t ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static void stamp_take(struct ocu_etc_stamp *out, int fd)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->modified_ns = ns(&st.st_mtim);
	out->changed_ns = ns(&st.st_ctim);
}

static bool stamp_equal(const struct ocu_etc_stamp *a, const struct ocu_etc_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* Reads as much as can be read and <out> may hold, with room for one byte behind it. */
static enum ocu_status file_read(struct ocu_buf *out, int fd)
{
	enum ocu_status ret = OCU_OK;
	size_t room;
	ssize_t got;

	while (ret == OCU_OK && (room = out->max - 1 - out->len) > 0) {
		room = room < READ_BYTES ? room : READ_BYTES;
		ret = ocu_buf_room(out, room);
		got = ret == OCU_OK ? read(fd, out->data + out->len, room) : 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	return ret;
}

static void resolv_read(struct ocu_etc *e, int fd)
{
	struct ocu_buf text;

	ocu_buf_init(&text, OCU_ETC_RESOLV_BYTES);
	if (fd >= 0 && file_read(&text, fd) != OCU_OK)
		/* Without memory it is as if it had not been seen: the next check reads it. */
		memset(&e->resolv_stamp, 0, sizeof(e->resolv_stamp));
	else
		ocu_resolv_read(&e->resolv, text.data, text.len);
	ocu_buf_fini(&text);
}

static void hosts_read(struct ocu_etc *e, int fd)
{
	enum ocu_status st;

	ocu_names_fini(&e->names);
	if (fd < 0)
		return;
	st = file_read(&e->names.text, fd);
	if (st == OCU_OK)
		st = ocu_names_read(&e->names);
	if (st != OCU_OK) {
		ocu_names_fini(&e->names);
		memset(&e->hosts_stamp, 0, sizeof(e->hosts_stamp));
	}
}

/* Reads the file <name> by <take> if it is not the one that <stamp> is of; returns whether. */
static bool file_check(struct ocu_etc *e, const char *name, struct ocu_etc_stamp *stamp,
		       void (*take)(struct ocu_etc *e, int fd))
{
	int fd = file_open(e->dir, name);
	struct ocu_etc_stamp now;
	bool changed;

	stamp_take(&now, fd);
	changed = !stamp_equal(&now, stamp);
	if (changed) {
		*stamp = now;
		take(e, fd);
	}
	if (fd >= 0)
		close(fd);
	return changed;
}

bool ocu_etc_check(struct ocu_etc *e, int64_t now)
{
	if (now - e->checked_ms < OCU_ETC_CHECK_MS)
		return false;
	e->checked_ms = now;
	(void)file_check(e, "hosts", &e->hosts_stamp, hosts_read);
	return file_check(e, "resolv.conf", &e->resolv_stamp, resolv_read);
}

void ocu_etc_init(struct ocu_etc *e, int dir)
{
	memset(e, 0, sizeof(*e));
	e->dir = dir;
	ocu_names_init(&e->names, OCU_ETC_HOSTS_BYTES);
	ocu_resolv_read(&e->resolv, NULL, 0);
	e->checked_ms = ocu_now_ms() - OCU_ETC_CHECK_MS;
	(void)ocu_etc_check(e, e->checked_ms + OCU_ETC_CHECK_MS);
}

void ocu_etc_fini(struct ocu_etc *e)
{
	ocu_names_fini(&e->names);
}
