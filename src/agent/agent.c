/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agent.c - puts the parts of the agent together. What HAProxy is asked is process.c's. */
#include "agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beside.h"
#include "leaf.h"
#include "log.h"
#include "ocu/engine.h"
#include "ocu/etc.h"
#include "ocu/store.h"
#include "ocu/stream.h"
#include "process.h"

#define DELIVER_AT_ONCE 256

struct ocu_agent {
	struct ev_loop *loop;
	struct ocu_engine *engine;
	struct ocu_leaves *leaves;
	struct ocu_beside *beside; /* NULL: no .ocsp files */
	ev_async woken;
	struct ocu_process **processes;
	size_t n_processes;
	/* what the engine keeps pointers to */
	struct ocu_store store;
	SSL_CTX *tls;
	int etc;
};

/* ---- what the engine calls ---- */

static void publish(void *host, struct ocu_publication *p)
{
	struct ocu_agent *a = host;

	ocu_engine_published(a->engine, p, ocu_leaf_publish(a->leaves, p));
}

static void log_line(void *host, enum ocu_level level, const char *path, const char *text)
{
	(void)host;
	ocu_log(level, "%s%s%s", path ? path : "", path ? ": " : "", text);
}

static void wake(void *host)
{
	struct ocu_agent *a = host;

	ev_async_send(a->loop, &a->woken);
}

static void woken_cb(struct ev_loop *loop, ev_async *w, int revents)
{
	struct ocu_agent *a = w->data;

	(void)revents;
	if (ocu_engine_deliver(a->engine, DELIVER_AT_ONCE, true))
		ev_async_send(loop, w);
}

/* ---- begin and end ---- */

static struct ocu_engine_conf engine_conf(const struct ocu_agent *a,
					  const struct ocu_agent_conf *conf)
{
	return (struct ocu_engine_conf){
		.plan = {
			.when = {
				.mindelay_s = conf->mindelay_s,
				.maxdelay_s = conf->maxdelay_auto ? OCU_WHEN_AUTO
								  : conf->maxdelay_s,
			},
			.maxconn = conf->maxconn,
			.host_maxconn = conf->host_maxconn,
		},
		.fetch = {
			.prefer = conf->prefer,
			.only = conf->family,
			.connect_ms = conf->connect_ms,
			.dns = {
				.system = !conf->nameservers.len,
				.nameservers = (const char *)conf->nameservers.data,
				.etc = a->etc,
				.limit_ms = conf->timeout_ms,
			},
			.proxy = conf->proxy.addr,
			.proxy_host = conf->proxy.host,
			.proxy_port = conf->proxy.port,
			.proxy_auth = conf->proxy.auth,
			.tls = a->tls,
			.idle_max = conf->host_maxconn,
		},
		.timeout_ms = conf->timeout_ms,
		.store = a->store.dir >= 0 ? &a->store : NULL,
		.reason_inside = true,
	};
}

static enum ocu_status open_all(struct ocu_agent *a, const struct ocu_agent_conf *conf,
				struct ocu_err *err)
{
	enum ocu_status st = ocu_etc_open(&a->etc, NULL, err);

	if (st == OCU_OK && conf->state_dir)
		st = ocu_store_init(&a->store, conf->state_dir, err);
	if (st == OCU_OK)
		st = ocu_stream_ctx_new(&a->tls, !conf->tls_no_verify, conf->ca_file, err);
	return st;
}

static enum ocu_status engine_begin(struct ocu_agent *a, const struct ocu_agent_conf *conf,
				    struct ocu_err *err)
{
	/* it is asked nothing, so it answers nothing */
	static const struct ocu_host_ops ops = {
		.publish = publish,
		.log = log_line,
		.wake = wake,
	};
	struct ocu_engine_conf how;
	enum ocu_status st = ocu_engine_new(&a->engine, &ops, a, err);

	if (st == OCU_OK)
		st = open_all(a, conf, err);
	how = engine_conf(a, conf);
	if (st == OCU_OK)
		st = ocu_engine_configure(a->engine, &how, err);
	if (st == OCU_OK)
		st = ocu_engine_start(a->engine, err);
	if (st == OCU_OK && ocu_leaves_new(&a->leaves, a->engine) != OCU_OK)
		st = ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	return st;
}

static enum ocu_status processes_begin(struct ocu_agent *a, const struct ocu_agent_conf *conf,
				       struct ocu_err *err)
{
	enum ocu_status st = OCU_OK;
	size_t i;

	if (!conf->files_off)
		st = ocu_beside_new(&a->beside, a->loop, err);
	a->processes = calloc(conf->n_sockets, sizeof(struct ocu_process *));
	if (!a->processes)
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	for (i = 0; i < conf->n_sockets && st == OCU_OK; i++) {
		st = ocu_process_new(&a->processes[i], a->loop, a->leaves, a->beside,
				     conf->sockets[i], err);
		if (st == OCU_OK)
			a->n_processes++;
	}
	return st;
}

enum ocu_status ocu_agent_new(struct ocu_agent **out, struct ev_loop *loop,
			      const struct ocu_agent_conf *conf, struct ocu_err *err)
{
	struct ocu_agent *a = calloc(1, sizeof(*a));
	enum ocu_status st;

	*out = NULL;
	if (!a)
		return ocu_fail(err, OCU_NOMEM, "%s", ocu_text(OCU_NOMEM));
	a->loop = loop;
	a->store.dir = a->etc = -1;
	ev_async_init(&a->woken, woken_cb);
	a->woken.data = a;
	ev_async_start(loop, &a->woken);
	st = engine_begin(a, conf, err);
	if (st == OCU_OK)
		st = processes_begin(a, conf, err);
	if (st == OCU_OK)
		*out = a;
	else
		ocu_agent_free(a);
	return st;
}

void ocu_agent_free(struct ocu_agent *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->n_processes; i++)
		ocu_process_free(a->processes[i]);
	free(a->processes);
	ocu_beside_free(a->beside);
	if (a->engine)
		ocu_engine_stop(a->engine);
	ocu_engine_free(a->engine);
	ocu_leaves_free(a->leaves);
	ev_async_stop(a->loop, &a->woken);
	SSL_CTX_free(a->tls);
	ocu_store_fini(&a->store);
	if (a->etc >= 0)
		close(a->etc);
	free(a);
}
