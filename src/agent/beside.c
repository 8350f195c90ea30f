/* SPDX-License-Identifier: GPL-2.0-or-later */
/* beside.c - has .ocsp files written, and says what is in the way. */
#include "beside.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ocu/disk.h"
#include "ocu/ocsp.h"

#define STOP_MS 2000

struct ocu_beside {
	struct ev_loop *loop;
	struct ocu_disk *disk;
	ev_async done;           /* some were written, or not */
	pthread_mutex_t lock;    /* over the list of them */
	struct save *first;
	char *said;              /* the directory that was complained about last */
};

struct save {
	struct ocu_disk_job job;
	struct ocu_beside *owner;
	struct save *next;
	struct ocu_buf der;
	char *name;              /* in the directory */
	char dir[];
};

/* On the disk thread. */
static bool save_run(struct ocu_disk_job *j)
{
	struct save *s = OCU_OWNER(j, struct save, job);
	struct ocu_slice der = { s->der.data, s->der.len };
	struct ocu_store dir;

	if (ocu_store_init(&dir, s->dir, &j->err) == OCU_OK)
		j->err.code = ocu_store_write(&dir, s->name, der, &j->err);
	ocu_store_fini(&dir);
	return false;
}

static void save_done(struct ocu_disk_job *j)
{
	struct save *s = OCU_OWNER(j, struct save, job);
	struct ocu_beside *b = s->owner;

	pthread_mutex_lock(&b->lock);
	s->next = b->first;
	b->first = s;
	pthread_mutex_unlock(&b->lock);
	ev_async_send(b->loop, &b->done);
}

static void save_free(struct save *s)
{
	ocu_buf_fini(&s->der);
	free(s);
}

static void save_over(struct ocu_beside *b, struct save *s)
{
	enum ocu_status st = s->job.err.code;

	if (st != OCU_OK && st != OCU_CANCELLED && (!b->said || strcmp(b->said, s->dir) != 0)) {
		ocu_log(OCU_LEVEL_WARNING, "%s: responses cannot be kept beside certificates, "
			"where HAProxy would find them when it starts: %s", s->dir,
			s->job.err.msg);
		free(b->said);
		b->said = strdup(s->dir);
	}
	save_free(s);
}

static void done_cb(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ocu_beside *b = w->data;
	struct save *s, *next;

	(void)loop;
	(void)revents;
	pthread_mutex_lock(&b->lock);
	s = b->first;
	b->first = NULL;
	pthread_mutex_unlock(&b->lock);
	for (; s; s = next) {
		next = s->next;
		save_over(b, s);
	}
}

enum ocu_status ocu_beside_new(struct ocu_beside **out, struct ev_loop *loop, struct ocu_err *err)
{
	struct ocu_beside *b = calloc(1, sizeof(*b));
	enum ocu_status st;

	*out = NULL;
	if (!b)
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	b->loop = loop;
	pthread_mutex_init(&b->lock, NULL);
	ev_async_init(&b->done, done_cb);
	b->done.data = b;
	ev_async_start(loop, &b->done);
	st = ocu_disk_new(&b->disk, NULL, err);
	if (st == OCU_OK)
		st = ocu_disk_start(b->disk, NULL, err);
	if (st == OCU_OK)
		*out = b;
	else
		ocu_beside_free(b);
	return st;
}

void ocu_beside_free(struct ocu_beside *b)
{
	if (!b)
		return;
	/* a job with which the thread was given up is never done, and needs all of this */
	if (b->disk && !ocu_disk_stop(b->disk, STOP_MS))
		return;
	ocu_disk_free(b->disk);
	done_cb(b->loop, &b->done, 0);
	ev_async_stop(b->loop, &b->done);
	pthread_mutex_destroy(&b->lock);
	free(b->said);
	free(b);
}

void ocu_beside_save(struct ocu_beside *b, const char *path, const struct ocu_buf *der)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	struct save *s = slash ? calloc(1, sizeof(*s) + strlen(path) + 3) : NULL;

	if (!s)
		return;
	ocu_buf_init(&s->der, OCU_OCSP_MAX_BYTES);
	if (ocu_buf_add(&s->der, der->data, der->len) != OCU_OK) {
		save_free(s);
		return;
	}
	memcpy(s->dir, n ? path : "/", n ? n : 1);
	s->name = s->dir + n + 2;
	memcpy(s->name, slash + 1, strlen(slash + 1) + 1);
	s->owner = b;
	s->job.run = save_run;
	s->job.done = save_done;
	s->job.at_stop = true;
	ocu_disk_post(b->disk, &s->job);
}
