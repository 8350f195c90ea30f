/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.c - the state directory, seen from HAProxy: opened before chroot, read for what is loaded,
 * written after each accepted response. What is read is verified like an answer of a responder.
 * Starts no thread and schedules nothing: which thread does the work is for task.c to say.
 */
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <haproxy/errors.h>
#include <haproxy/global.h>
#include <haproxy/openssl-compat.h>
#include <haproxy/ssl_ocsp.h>
#include <haproxy/ssl_sock.h>
#include <haproxy/tools.h>

#include "glue.h"
#include "ocu/store.h"

static struct ocu_store store = { .dir = -1 };

bool state_on(void)
{
	return store.dir >= 0;
}

/* The process writes as the user that it will become. */
static void warn_owner(void)
{
	struct stat st;
	uid_t uid = global.uid ? (uid_t)global.uid : geteuid();

	if (!uid || fstat(store.dir, &st) != 0)
		return;
	if (st.st_uid != uid || (st.st_mode & 0700) != 0700)
		ha_warning("ocsp-update.state-dir: '%s' does not belong to the user that HAProxy "
			   "runs as (%lu): responses may not be saved; chown it and give it mode "
			   "0700.\n",
			   settings.state_dir, (unsigned long)uid);
}

void state_open(void)
{
	struct ocu_err err = {0};

	if (!settings.state_dir)
		return;
	if (ocu_store_init(&store, settings.state_dir, &err) != OCU_OK)
		ha_warning("ocsp-update.state-dir: %s; responses will not outlive this process. "
			   "Create the directory for the user that HAProxy runs as.\n",
			   err.msg);
	else
		warn_owner();
}

void state_close(void)
{
	ocu_store_fini(&store);
	ha_free(&settings.state_dir);
}

enum ocu_status state_read(const struct cert *c, struct ocu_buf *der, struct ocu_ocsp *o,
			   int64_t now, struct ocu_err *err)
{
	enum ocu_status st = ocu_store_get(&store, c->key, c->key_len, der, err);

	if (st != OCU_OK)
		return st;
	return ocu_ocsp_verify(o, der->data, der->len, c->x509, c->issuer, now, err);
}

enum ocu_status state_write(const struct cert *c, const struct ocu_buf *der, int64_t next_update,
			    struct ocu_err *err)
{
	return ocu_store_put(&store, c->key, c->key_len, der->data, der->len, next_update, err);
}

/* Makes the saved response of <c> what is stapled, if it is newer than what HAProxy has read. */
static void load_one(struct cert *c, int64_t now)
{
	struct ocu_ocsp saved, held;
	struct ocsp_resp *resp;
	struct ocu_err err = {0};
	struct buffer bytes;
	struct ocu_buf der;
	enum ocu_status st;

	ocu_buf_init(&der, OCU_OCSP_MAX_BYTES);
	st = state_read(c, &der, &saved, now, &err);
	if (cert_held(c, &held) <= now)
		held.this_update = 0; /* what has ended is no better than nothing */
	if (st == OCU_OK && c->entry && saved.this_update > held.this_update) {
		bytes = b_make((char *)der.data, der.len, 0, der.len);
		resp = ssl_ocsp_resp_new(&bytes, saved.next_update - OCSP_MAX_RESPONSE_TIME_SKEW);
		if (resp)
			ssl_ocsp_resp_set(c->entry, resp);
	} else if (st != OCU_OK && st != OCU_AGAIN) {
		ha_warning("ocsp-update.state-dir: '%s': the saved response is ignored and will be "
			   "fetched anew: %s.\n",
			   c->path, err.msg);
	}
	c->loaded = true;
	ocu_buf_fini(&der);
}

/* Whether this is root, and the process will not remain it. */
static bool is_root_yet(void)
{
	return global.uid && geteuid() == 0;
}

/* The files belong to the user that the process will become, so it is that one who reads them: what
 * belongs to others is refused now as it would be later.
 */
void state_load(void)
{
	bool root = state_on() && is_root_yet();
	gid_t gid = getegid();
	struct cert *c;

	if (!state_on())
		return;
	if (root && ((global.gid && setegid(global.gid) != 0) || seteuid(global.uid) != 0))
		ha_warning("ocsp-update.state-dir: '%s' cannot be read as user %d: %m.\n",
			   settings.state_dir, global.uid);
	for (c = mail_peek(); c; c = c->next_mail)
		load_one(c, ocu_wall_s());
	if (root && (seteuid(0) != 0 || setegid(gid) != 0))
		ha_warning("ocsp-update.state-dir: root could not be regained: %m.\n");
}

void state_thread_init(void)
{
	if (!is_root_yet())
		return;
	if (global.gid)
		setfsgid(global.gid);
	setfsuid(global.uid);
}

/* The file names of all certificates that are loaded, sorted. */
struct names {
	size_t n;
	char (*v)[OCU_STORE_NAME_BYTES];
};

static int name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool name_known(void *arg, const char *name)
{
	const struct names *names = arg;

	return bsearch(name, names->v, names->n, sizeof(*names->v), name_cmp) != NULL;
}

void state_keys_add(struct state_keys *keys, const struct cert *c)
{
	memcpy(keys->v[keys->n].key, c->key, sizeof(c->key));
	keys->v[keys->n++].len = c->key_len;
}

void state_sweep(const struct state_keys *keys, int64_t now)
{
	struct names names = { keys->n, calloc(keys->n + 1, sizeof(*names.v)) };
	size_t i;

	if (!names.v)
		return;
	for (i = 0; i < keys->n; i++)
		ocu_store_name(names.v[i], keys->v[i].key, keys->v[i].len);
	qsort(names.v, names.n, sizeof(*names.v), name_cmp);
	ocu_store_sweep(&store, now, name_known, &names);
	free(names.v);
}
