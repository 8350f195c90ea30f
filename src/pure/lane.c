/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lane.c - the queues of each responder, and which of all may start a turn. Reads no clock; what is
 * believed of a responder is health.c's, where a certificate waits is plan.c's.
 *
 * Everything is in a heap, so that no event looks at all lanes or all that wait:
 * - places in a queue of their lane, by urgency;
 * - lanes that could start a turn, by the urgency of their first place: `known` and `fresh`;
 * - lanes that could but for the time, by that time: `probes` (down) and `timed` (paused, paced).
 * lane_refresh() puts a lane where it belongs after anything about it has changed. What concerns
 * many at once melds a heap into another one, whose members are looked after in slices: `leaving`
 * (the queue of a lane that was shut), `revived` (lanes that may be probed at once).
 */
#include "ocu/lane.h"

/* ---- Orders of the heaps ---- */

/* Ordered ones first; who was asked in vain after those who were not, in that order; must-staple
 * before the rest; then what ends first, nothing held being 0; then by lot: those that were loaded
 * one after the other may have a fault in common, and nobody is to wait until all have failed.
 */
static bool before(const struct ocu_place *a, const struct ocu_place *b)
{
	const struct ocu_urgency *u = &a->urgency, *v = &b->urgency;

	if (u->ordered != v->ordered)
		return u->ordered;
	if (a->vain != b->vain)
		return a->vain < b->vain;
	if (u->must_staple != v->must_staple)
		return u->must_staple;
	if (u->expiry != v->expiry)
		return u->expiry < v->expiry;
	if (u->lot != v->lot)
		return u->lot < v->lot;
	return u->seq < v->seq;
}

static struct ocu_place *place_of(const struct ocu_heap_node *node)
{
	return node ? OCU_OWNER(node, struct ocu_place, node) : NULL;
}

static struct ocu_lane *lane_of(const struct ocu_heap_node *node)
{
	return node ? OCU_OWNER(node, struct ocu_lane, node) : NULL;
}

static bool less_urgent(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	return before(place_of(a), place_of(b));
}

static bool less_top(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	return before(lane_of(a)->top, lane_of(b)->top);
}

/* Among strangers, one that has not disappointed yet goes first: each may hold a connection for as
 * long as there is patience with it.
 */
static bool less_strange(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	const struct ocu_lane *k = lane_of(a), *l = lane_of(b);
	bool good = k->health.trust == OCU_TRUST_GOOD;

	if (good != (l->health.trust == OCU_TRUST_GOOD) &&
	    k->top->urgency.ordered == l->top->urgency.ordered)
		return good;
	return less_top(a, b);
}

static bool less_at(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	return lane_of(a)->at_ms < lane_of(b)->at_ms;
}

/* ---- Which may start a turn ---- */

bool ocu_lane_shut(const struct ocu_lane *l)
{
	return ocu_health_shut(&l->health);
}

/* Whether a lane that is shut may be probed. */
static bool is_due(const struct ocu_lanes *ls, const struct ocu_lane *l)
{
	if (l->health.trust == OCU_TRUST_DOWN && l->revival != ls->revivals)
		return true;
	return l->health.again_ms <= ls->now->mono_ms;
}

bool ocu_lane_lacks_probe(const struct ocu_lanes *ls, const struct ocu_lane *l)
{
	return ocu_lane_shut(l) && !l->top && !l->probing && is_due(ls, l);
}

/* Whether all that wait at <l> were asked there in vain since it is shut. */
static bool has_asked_all(const struct ocu_lane *l)
{
	return !l->queue.first && !l->movers.first;
}

/* Whether others than those who were refused may ask whether <l> has paused at all. */
static bool is_doubted(const struct ocu_lane *l)
{
	return l->health.trust == OCU_TRUST_PAUSED && l->health.doubts && !has_asked_all(l);
}

/* Returns the place that would start first. At an open lane nobody is in `asked`. */
static struct ocu_place *first_place(const struct ocu_lane *l)
{
	struct ocu_place *a = place_of(l->queue.first), *b = place_of(l->movers.first);

	if (has_asked_all(l))
		return place_of(l->asked.first);
	if (!a || !b)
		return a ? a : b;
	return before(b, a) ? b : a;
}

/* Whether the window of <l> is full. If it is full at its widest although the pace would allow
 * more, the pace is no limit any more.
 */
static bool is_full(const struct ocu_lanes *ls, struct ocu_lane *l)
{
	struct ocu_health *h = &l->health;
	unsigned most = ls->host_maxconn;

	if (l->flying < most && l->flying - l->hanging < h->window)
		return false;
	if (ocu_pace_limits(&h->pace) && h->window >= most && !l->hanging &&
	    ocu_pace_next(&h->pace, ls->now->mono_ms) <= ls->now->mono_ms)
		ocu_pace_forget(&h->pace);
	return true;
}

/* Returns the heap that <l> belongs to, NULL if nothing of it can start whatever time it is. */
static struct ocu_heap *heap_for(struct ocu_lanes *ls, struct ocu_lane *l)
{
	struct ocu_heap *ready = l->health.answered ? &ls->known : &ls->fresh;
	bool ordered = l->top && l->top->urgency.ordered;

	if (!l->top)
		return NULL;
	if (ocu_lane_shut(l) && !ordered) {
		if (l->probing || l->flying >= ls->host_maxconn)
			return NULL;
		l->at_ms = l->health.again_ms;
		if (is_due(ls, l) || is_doubted(l))
			return ready;
		return l->health.trust == OCU_TRUST_DOWN ? &ls->probes : &ls->timed;
	}
	if (is_full(ls, l))
		return NULL;
	l->at_ms = ocu_pace_next(&l->health.pace, ls->now->mono_ms);
	return ordered || l->at_ms <= ls->now->mono_ms ? ready : &ls->timed;
}

/* Puts <l> where it belongs, after its queues, its flights or its health have changed. */
static void lane_refresh(struct ocu_lanes *ls, struct ocu_lane *l)
{
	bool busy;

	/* what it is in may have been melded into the revived ones */
	if (l->in)
		ocu_heap_remove(ls->revived.first == &l->node ? &ls->revived : l->in, &l->node);
	l->top = first_place(l);
	busy = l->top || l->flying || l->health.trust == OCU_TRUST_PAUSED;
	ocu_pace_busy(&l->health.pace, busy, ls->now->mono_ms);
	l->in = heap_for(ls, l);
	if (l->in)
		ocu_heap_push(l->in, &l->node);
}

/* ---- All lanes ---- */

void ocu_lanes_init(struct ocu_lanes *ls, unsigned maxconn, unsigned host_maxconn,
		    const struct ocu_clock *now)
{
	*ls = (struct ocu_lanes){ .now = now, .maxconn = maxconn, .host_maxconn = host_maxconn };
	ocu_heap_init(&ls->leaving, less_urgent);
	ocu_heap_init(&ls->known, less_top);
	ocu_heap_init(&ls->fresh, less_strange);
	ocu_heap_init(&ls->probes, less_at);
	ocu_heap_init(&ls->timed, less_at);
	ocu_heap_init(&ls->revived, less_at);
}

static struct ocu_lane *first_at(const struct ocu_lanes *ls, const struct ocu_heap *h)
{
	struct ocu_lane *l = lane_of(h->first);

	return l && l->at_ms <= ls->now->mono_ms ? l : NULL;
}

bool ocu_lanes_slice(struct ocu_lanes *ls)
{
	struct ocu_lane *l;
	int i;

	for (i = 0; i < OCU_LANE_SLICE && (l = lane_of(ls->revived.first)); i++)
		lane_refresh(ls, l);
	for (i = 0; i < OCU_LANE_SLICE && (l = first_at(ls, &ls->probes)); i++)
		lane_refresh(ls, l);
	for (i = 0; i < OCU_LANE_SLICE && (l = first_at(ls, &ls->timed)); i++)
		lane_refresh(ls, l);
	return ls->revived.first || first_at(ls, &ls->probes) || first_at(ls, &ls->timed);
}

/* Returns the lane that is first if there is a connection for it. */
static struct ocu_lane *first_lane(const struct ocu_lanes *ls)
{
	unsigned most = ls->maxconn - ls->maxconn / 4;
	struct ocu_lane *known = lane_of(ls->known.first), *fresh = lane_of(ls->fresh.first);

	if (ls->fresh_flying >= most)
		fresh = NULL;
	if (!known || !fresh)
		return known ? known : fresh;
	return before(fresh->top, known->top) ? fresh : known;
}

struct ocu_lane *ocu_lanes_next(const struct ocu_lanes *ls)
{
	return ls->flying < ls->maxconn ? first_lane(ls) : NULL;
}

bool ocu_lanes_ready(const struct ocu_lanes *ls)
{
	return ls->known.first || ls->fresh.first;
}

int64_t ocu_lanes_wake_ms(const struct ocu_lanes *ls)
{
	const struct ocu_lane *probe = lane_of(ls->probes.first), *timed = lane_of(ls->timed.first);

	if (!probe || !timed)
		return probe ? probe->at_ms : timed ? timed->at_ms : INT64_MAX;
	return probe->at_ms < timed->at_ms ? probe->at_ms : timed->at_ms;
}

/* ---- One lane ---- */

void ocu_lane_init(struct ocu_lane *l)
{
	*l = (struct ocu_lane){ 0 };
	ocu_health_init(&l->health);
	ocu_heap_init(&l->queue, less_urgent);
	ocu_heap_init(&l->movers, less_urgent);
	ocu_heap_init(&l->asked, less_urgent);
	ocu_heap_init(&l->sick, less_urgent);
}

void ocu_lane_fini(struct ocu_lanes *ls, struct ocu_lane *l)
{
	if (l->health.answered)
		ls->up--;
}

/* What a pause may last while <pl> waits for its end. */
static void hurry(struct ocu_lanes *ls, struct ocu_lane *l, const struct ocu_place *pl)
{
	int64_t left_s = pl->urgency.expiry - ls->now->wall_s;
	int64_t ms = OCU_HEALTH_AGAIN_MS;

	if (left_s <= 0 || left_s > 4 * OCU_HEALTH_PAUSE_MAX_S)
		return;
	if (left_s * 250 > ms)
		ms = left_s * 250;
	ocu_health_hurry(&l->health, ls->now->mono_ms + ms);
}

void ocu_lane_enter(struct ocu_lanes *ls, struct ocu_place *pl, struct ocu_heap *queue)
{
	ocu_heap_push(queue, &pl->node);
	if (pl->lane->health.trust == OCU_TRUST_PAUSED)
		hurry(ls, pl->lane, pl);
	lane_refresh(ls, pl->lane);
}

void ocu_lane_leave(struct ocu_lanes *ls, struct ocu_place *pl)
{
	struct ocu_lane *l = pl->lane;
	struct ocu_heap *heaps[] = { &l->movers, &l->asked, &l->sick, &ls->leaving };
	struct ocu_heap *h = &l->queue;
	size_t i;

	if (!ocu_heap_has(&pl->node))
		return;
	for (i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
		if (heaps[i]->first == &pl->node)
			h = heaps[i];
	}
	ocu_heap_remove(h, &pl->node);
	lane_refresh(ls, l);
}

void ocu_lane_round(struct ocu_lane *l)
{
	if (has_asked_all(l))
		ocu_heap_meld(&l->queue, &l->asked);
}

void ocu_lane_start(struct ocu_lanes *ls, struct ocu_lane *l, bool probes)
{
	ls->flying++;
	l->flying++;
	if (!l->health.answered)
		ls->fresh_flying++;
	if (probes)
		l->probing = true;
	ocu_pace_started(&l->health.pace, ls->now->mono_ms);
	lane_refresh(ls, l);
}

void ocu_lane_end(struct ocu_lanes *ls, struct ocu_lane *l, bool probes, bool hangs)
{
	ls->flying--;
	l->flying--;
	if (hangs)
		l->hanging--;
	if (!l->health.answered)
		ls->fresh_flying--;
	if (probes)
		l->probing = false;
}

void ocu_lane_hangs(struct ocu_lanes *ls, struct ocu_lane *l)
{
	l->hanging++;
	ocu_health_hangs(&l->health, ls->now->mono_ms);
	lane_refresh(ls, l);
}

bool ocu_lane_crowded(const struct ocu_lanes *ls, const struct ocu_lane *l)
{
	const struct ocu_lane *first = first_lane(ls);

	if (l->flying >= ls->host_maxconn && l->top && !l->top->vain)
		return true;
	return ls->flying >= ls->maxconn && first && !first->top->vain;
}

void ocu_lane_stalls(struct ocu_lanes *ls, struct ocu_lane *l)
{
	if (l->health.answered)
		return;
	ocu_health_hangs(&l->health, ls->now->mono_ms);
	ocu_heap_meld(&ls->leaving, &l->movers);
	lane_refresh(ls, l);
}

/* Counts <l> among those that are known to answer, or not any more. The first one that answers
 * after none did shows that the network is there: all that are down may be probed at once.
 */
static void count_answered(struct ocu_lanes *ls, struct ocu_lane *l)
{
	if (!l->health.answered) {
		ls->up--;
		ls->fresh_flying += l->flying;
		return;
	}
	ls->fresh_flying -= l->flying;
	if (ls->up++)
		return;
	ocu_heap_meld(&ls->revived, &ls->probes);
	ls->revivals++;
}

void ocu_lane_learnt(struct ocu_lanes *ls, struct ocu_lane *l, const struct ocu_health *was)
{
	bool down = l->health.trust == OCU_TRUST_DOWN;

	if (l->health.answered != was->answered)
		count_answered(ls, l);
	if (down && l->health.spell != was->spell)
		l->revival = ls->revivals;
	if (down && was->trust != OCU_TRUST_DOWN)
		ocu_heap_meld(&l->asked, &l->sick);
	if (!ocu_lane_shut(l) && ocu_health_shut(was))
		ocu_heap_meld(&l->queue, &l->asked);
	if (ocu_lane_shut(l) && !ocu_health_shut(was))
		ocu_heap_meld(&ls->leaving, &l->movers);
	if (l->queue.first && l->health.trust == OCU_TRUST_PAUSED)
		hurry(ls, l, place_of(l->queue.first));
	lane_refresh(ls, l);
}
