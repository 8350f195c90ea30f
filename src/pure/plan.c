/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.c - the schedule: what is due, where it waits, how tries go on and end. Does no I/O, reads
 * no clock; who goes first at a responder, and whether it may be asked now, is lane.c's.
 *
 * No event looks at all items: those that are not due are in a heap by the time that they are,
 * `later`, and all others wait at lanes. A step of the clock melds it into `stale`, whose members
 * ocu_plan_next() looks after in slices, as after those whose lane was shut.
 */
#include "ocu/plan.h"

#include <stdlib.h>

#define OCU_PLAN_VAIN_REFUSALS 2 /* who causes so many pauses may itself be the reason */
#define OCU_PLAN_LOCAL_MS 1000   /* nothing starts after a failure on this side, doubled */
#define OCU_PLAN_LOCAL_MAX_MS 60000
#define OCU_PLAN_LATE_MS 60000   /* who has waited for its turn so long may be put off */
#define OCU_PLAN_PUT_OFF_S (45 * 60)
#define OCU_PLAN_DAY_S INT64_C(86400)
/* So many go first in the order of loading, as HAProxy lets them: too few to make a responder be
 * down.
 */
#define OCU_PLAN_IN_LINE (OCU_HEALTH_STRIKES - 1)

struct ocu_plan {
	struct ocu_plan_conf conf;
	struct ocu_clock now;       /* of the call, or of the last one that had it */
	struct ocu_lanes lanes;
	struct ocu_heap later, stale;
	uint64_t seq;
	uint64_t vain;              /* counts the turns in vain */
	unsigned locals;            /* failures on this side, in a row */
	int64_t local_ms;           /* nothing starts before */
	int64_t drift_ms;           /* wall clock less monotonic clock */
	bool drift_known, stepped;  /* stepped: but it is too early to act on it */
	int64_t step_ms;            /* no step is acted on before */
	unsigned steps;             /* that were acted on */
};

/* Takes note of the time. Each random number of this call derives from its bits. */
static void see(struct ocu_plan *p, const struct ocu_clock *now)
{
	p->now = *now;
}

static uint32_t draw(struct ocu_plan *p)
{
	uint32_t rnd = p->now.rnd;

	p->now.rnd = rnd * 1664525 + 1013904223;
	return rnd;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool item_usable(const struct ocu_plan *p, const struct ocu_item *item)
{
	return ocu_held_usable(&item->held, p->now.wall_s);
}

static bool item_expired(const struct ocu_plan *p, const struct ocu_item *item)
{
	return item->not_after <= p->now.wall_s;
}

static struct ocu_item *item_of(const struct ocu_heap_node *node)
{
	return node ? OCU_OWNER(node, struct ocu_item, node) : NULL;
}

static bool less_due(const struct ocu_heap_node *a, const struct ocu_heap_node *b)
{
	const struct ocu_item *i = item_of(a), *j = item_of(b);

	return i->due_ms != j->due_ms ? i->due_ms < j->due_ms : i->seq < j->seq;
}

/* ---- Items: where they wait ---- */

static void place_enter(struct ocu_plan *p, struct ocu_place *pl, struct ocu_heap *queue)
{
	const struct ocu_item *item = pl->item;

	pl->urgency = (struct ocu_urgency){ .ordered = item->ordered,
					    .must_staple = item->must_staple,
					    .expiry = item->held.expiry,
					    .lot = item->lot,
					    .seq = item->seq };
	ocu_lane_enter(&p->lanes, pl, queue);
}

/* Returns the <i>-th place of <item>: the spare one, if there is one, comes first. */
static struct ocu_place *place_at(const struct ocu_item *item, size_t i)
{
	if (!item->spare)
		return &item->places[i];
	return i == 0 ? item->spare : &item->places[i - 1];
}

static size_t place_count(const struct ocu_item *item)
{
	return item->n_places + (item->spare != NULL);
}

/* Takes <item> out of the heaps of due times, one of which may have been melded into the other. */
static void item_undate(struct ocu_plan *p, struct ocu_item *item)
{
	struct ocu_heap *h = p->stale.first == &item->node ? &p->stale : &p->later;

	ocu_heap_remove(h, &item->node);
}

/* Takes <item> out of every heap. What it looks like to them may be changed only after that. */
static void item_unlink(struct ocu_plan *p, struct ocu_item *item)
{
	size_t i;

	if (ocu_heap_has(&item->node))
		item_undate(p, item);
	for (i = 0; i < place_count(item); i++)
		ocu_lane_leave(&p->lanes, place_at(item, i));
}

static void item_later(struct ocu_plan *p, struct ocu_item *item, int64_t due_ms)
{
	item->state = OCU_ITEM_LATER;
	item->due_ms = due_ms;
	ocu_heap_push(&p->later, &item->node);
}

/* Whether <item> can afford that it finds a lane still down before it goes elsewhere. */
static bool item_affords(const struct ocu_plan *p, const struct ocu_item *item)
{
	return item_usable(p, item) && !ocu_held_ends_soon(&item->held, p->now.wall_s);
}

/* What an item may expect of a lane. */
enum grade { GRADE_GOOD, GRADE_SUSPECT, GRADE_SHUT };

/* A lane that is shut is like a good one for the first that comes when it is to be probed; but when
 * it is down that is no matter for who needs a response now.
 */
static enum grade grade(const struct ocu_plan *p, const struct ocu_lane *l,
			const struct ocu_item *item)
{
	switch (l->health.trust) {
	case OCU_TRUST_GOOD:
		return GRADE_GOOD;
	case OCU_TRUST_SUSPECT:
		return l->health.again_ms <= p->now.mono_ms ? GRADE_GOOD : GRADE_SUSPECT;
	case OCU_TRUST_DOWN:
		if (!item_affords(p, item))
			return GRADE_SHUT;
		break;
	case OCU_TRUST_PAUSED:
		break;
	}
	return ocu_lane_lacks_probe(&p->lanes, l) ? GRADE_GOOD : GRADE_SHUT;
}

/* Returns the place that <item> tries next: the first of those of the best grade, which goes to
 * *best. NULL: all were tried.
 */
static struct ocu_place *choose(const struct ocu_plan *p, const struct ocu_item *item,
				enum grade *best)
{
	struct ocu_place *found = NULL, *pl;
	enum grade g;
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		if (pl->tried)
			continue;
		g = grade(p, pl->lane, item);
		if (!found || g < *best) {
			*best = g;
			found = pl;
		}
	}
	return found;
}

/* Whether <item> has a place besides <not> that it has not tried, at a lane that is not shut. */
static bool has_other(const struct ocu_item *item, const struct ocu_place *not)
{
	struct ocu_place *pl;
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		if (pl != not && !pl->tried && !ocu_lane_shut(pl->lane))
			return true;
	}
	return false;
}

/* Whether a lane of <item>, tried or not, is open. */
static bool has_open(const struct ocu_item *item)
{
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		if (!ocu_lane_shut(place_at(item, i)->lane))
			return true;
	}
	return false;
}

/* Lets <item> wait at the next place of its try. False: there is none at an open lane. */
static bool item_route(struct ocu_plan *p, struct ocu_item *item)
{
	enum grade g = GRADE_SHUT;
	struct ocu_place *pl = choose(p, item, &g);
	bool moves = place_count(item) > 1 && !item->ordered;

	if (!pl || (g == GRADE_SHUT && !item->ordered))
		return false;
	item->state = OCU_ITEM_WAITS;
	place_enter(p, pl, moves ? &pl->lane->movers : &pl->lane->queue);
	return true;
}

/* Lets <item> wait at all of its lanes that are shut: the first that opens takes it. Where it was
 * asked in this try, or in vain, the others go first. Where it failed although the lane is open it
 * waits too, for the case that the lane goes down and comes back.
 */
static void item_park(struct ocu_plan *p, struct ocu_item *item)
{
	struct ocu_place *pl;
	struct ocu_lane *l;
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		l = pl->lane;
		if (ocu_lane_shut(l))
			place_enter(p, pl, pl->tried || pl->vain ? &l->asked : &l->queue);
		else if (pl->vain)
			place_enter(p, pl, &l->sick);
	}
}

/* Lets <item> wait for whatever comes first: that one of its lanes which are shut takes it, or
 * <due_ms>, when it begins anew. If all of them are shut it does not wait for the time.
 */
static void item_rest(struct ocu_plan *p, struct ocu_item *item, int64_t due_ms)
{
	size_t i;

	item->asked = false;
	if (has_open(item)) {
		item_later(p, item, due_ms);
		item_park(p, item);
		return;
	}
	item->state = OCU_ITEM_WAITS;
	item_park(p, item);
	for (i = 0; i < place_count(item); i++)
		place_at(item, i)->tried = false;
}

/* Makes a new try of <item>: nothing was asked in it. */
static void item_renew(struct ocu_item *item)
{
	size_t i;

	item->asked = false;
	item->spare = NULL;
	for (i = 0; i < item->n_places; i++)
		item->places[i].tried = false;
}

/* Begins a try. */
static void item_begin(struct ocu_plan *p, struct ocu_item *item)
{
	item_renew(item);
	item->begun_ms = p->now.mono_ms;
	if (!item_route(p, item))
		item_rest(p, item, p->now.mono_ms);
}

/* Begins the try that an administrator has ordered. */
static void item_obey(struct ocu_plan *p, struct ocu_item *item)
{
	item_renew(item);
	item->ordered = true;
	item->state = OCU_ITEM_WAITS;
	place_enter(p, item->places, &item->places->lane->queue);
}

static int64_t retry_ms(struct ocu_plan *p, const struct ocu_item *item)
{
	return ocu_when_retry(&p->conf.when, p->now.wall_s, item->failures,
			      item_usable(p, item) ? item->held.expiry : 0, draw(p));
}

/* <e> says how the turn ended that has just brought what is held, or that it is current; NULL if
 * none has.
 */
static int64_t refresh_ms(struct ocu_plan *p, const struct ocu_item *item,
			  const struct ocu_ended *e)
{
	const struct ocu_held *h = &item->held;
	int64_t max_age_s = e ? e->max_age_s : -1;

	if (!e || item->first)
		return ocu_when_found(&p->conf.when, p->now.wall_s, h->this_update, h->expiry,
				      max_age_s, draw(p));
	return ocu_when_refresh(&p->conf.when, p->now.wall_s, h->this_update, h->expiry, max_age_s,
				draw(p));
}

/* Schedules an item that is in no heap by what is held for it and how often it has failed; <e> as
 * above.
 */
static void item_schedule(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e)
{
	int64_t now = p->now.mono_ms;

	item->state = OCU_ITEM_IDLE;
	item->asked = false;
	if (!item->automatic || !item->n_places)
		return;
	if (item->failures && !item_expired(p, item))
		item_rest(p, item, now + retry_ms(p, item));
	else if (item_usable(p, item))
		item_later(p, item, now + refresh_ms(p, item, e));
	else
		item_later(p, item, now);
}

static void count(unsigned *n)
{
	*n += *n < UINT32_MAX;
}

/* Ends the try of <item>, no place of which is left. */
static void item_fails(struct ocu_plan *p, struct ocu_item *item)
{
	count(&item->failures);
	item->ordered = false;
	item_schedule(p, item, NULL);
}

/* Whether a place that <item> has not tried is at a lane that has asked for patience just once. */
static bool has_patient(const struct ocu_item *item)
{
	struct ocu_place *pl;
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		if (!pl->tried && pl->lane->health.trust == OCU_TRUST_PAUSED &&
		    pl->lane->health.pauses <= 1)
			return true;
	}
	return false;
}

/* Finds another place for <item>, which cannot stay where it was. False: none is left, and what has
 * failed before has failed for good.
 */
static bool item_moves(struct ocu_plan *p, struct ocu_item *item)
{
	if (item_route(p, item))
		return true;
	if (item->asked && (has_open(item) || !has_patient(item)))
		return false;
	item_rest(p, item, item->due_ms);
	return true;
}

/* ---- Calls from outside ---- */

enum ocu_status ocu_plan_new(struct ocu_plan **out, const struct ocu_plan_conf *conf)
{
	struct ocu_plan *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return OCU_NOMEM;
	p->conf = *conf;
	p->local_ms = p->step_ms = INT64_MIN;
	ocu_lanes_init(&p->lanes, conf->maxconn, conf->host_maxconn, &p->now);
	ocu_heap_init(&p->later, less_due);
	ocu_heap_init(&p->stale, less_due);
	return OCU_OK;
}

void ocu_plan_hurry(struct ocu_plan *p, bool hurry)
{
	p->conf.when.hurry = hurry;
}

void ocu_plan_free(struct ocu_plan *p)
{
	free(p);
}

void ocu_plan_lane_add(struct ocu_plan *p, struct ocu_lane *l)
{
	(void)p;
	ocu_lane_init(l);
}

void ocu_plan_lane_remove(struct ocu_plan *p, struct ocu_lane *l)
{
	ocu_lane_fini(&p->lanes, l);
}

void ocu_plan_add(struct ocu_plan *p, struct ocu_item *item, struct ocu_place *places, size_t n,
		  bool must_staple, int64_t not_after)
{
	size_t i;

	*item = (struct ocu_item){ .must_staple = must_staple, .not_after = not_after,
				   .places = places, .n_places = n, .seq = ++p->seq };
	for (i = 0; i < n; i++)
		places[i] = (struct ocu_place){ .lane = places[i].lane, .item = item };
}

void ocu_plan_remove(struct ocu_plan *p, struct ocu_item *item)
{
	item_unlink(p, item);
}

void ocu_plan_automatic(struct ocu_plan *p, struct ocu_item *item, bool on,
			const struct ocu_clock *now)
{
	see(p, now);
	if (item->automatic == on)
		return;
	item->automatic = on;
	item->lot = item->seq <= OCU_PLAN_IN_LINE ? 0 : now->rnd;
	if (item->state == OCU_ITEM_FLYING || item->ordered)
		return;
	item_unlink(p, item);
	item_schedule(p, item, NULL);
}

/* Lets <held> be what is held for <item> after so many failures in a row, and schedules it anew. */
static void item_hold(struct ocu_plan *p, struct ocu_item *item, const struct ocu_held *held,
		      unsigned failures)
{
	if (item->state != OCU_ITEM_FLYING)
		item_unlink(p, item);
	item->held = *held;
	item->failures = failures;
	item->put_off = false;
	if (item->state == OCU_ITEM_FLYING)
		return;
	if (item->ordered)
		item_obey(p, item);
	else
		item_schedule(p, item, NULL);
}

void ocu_plan_held(struct ocu_plan *p, struct ocu_item *item, const struct ocu_held *held,
		   const struct ocu_clock *now)
{
	/* whoever is put off waits no more for what has failed */
	bool anew = ocu_held_usable(held, now->wall_s) || item->put_off;

	see(p, now);
	item_hold(p, item, held, anew ? 0 : item->failures);
}

void ocu_plan_refused(struct ocu_plan *p, struct ocu_item *item, const struct ocu_held *held,
		      const struct ocu_clock *now)
{
	see(p, now);
	count(&item->forgiven);
	item_hold(p, item, held, item->forgiven);
}

void ocu_plan_order(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now)
{
	see(p, now);
	if (item->state == OCU_ITEM_FLYING || item->ordered || !item->n_places)
		return;
	item_unlink(p, item);
	item_obey(p, item);
}

/* ---- What has come due ---- */

/* Notices that the wall clock was set. */
static void notice_step(struct ocu_plan *p)
{
	const int64_t most = INT64_C(1) << 40;
	int64_t wall_s = p->now.wall_s, drift, moved;

	wall_s = wall_s > most ? most : wall_s < -most ? -most : wall_s;
	drift = wall_s * 1000 - p->now.mono_ms;
	moved = drift - p->drift_ms;
	p->stepped = false;
	if (!p->drift_known || (moved >= -OCU_PLAN_STEP_MS && moved <= OCU_PLAN_STEP_MS)) {
		p->drift_ms = drift;
		p->drift_known = true;
		return;
	}
	if (p->now.mono_ms < p->step_ms) {
		p->stepped = true;
		return;
	}
	p->drift_ms = drift;
	p->steps++;
	p->step_ms = p->now.mono_ms + OCU_PLAN_STEP_AGAIN_MS;
	ocu_heap_meld(&p->stale, &p->later);
}

/* Computes anew when <item> is due. Who has failed, holds nothing, or has expired, may owe that to
 * the clock.
 */
static void item_redate(struct ocu_plan *p, struct ocu_item *item)
{
	int64_t ms = 0;

	item_undate(p, item);
	if (!item->failures && item_usable(p, item))
		ms = refresh_ms(p, item, NULL);
	item_later(p, item, p->now.mono_ms + ms);
}

static void item_due(struct ocu_plan *p, struct ocu_item *item)
{
	item_unlink(p, item);
	if (item_expired(p, item))
		item_later(p, item, INT64_MAX);
	else
		item_begin(p, item);
}

/* Returns the first item of <h> if it is due. */
static struct ocu_item *first_due(const struct ocu_plan *p, const struct ocu_heap *h)
{
	struct ocu_item *item = item_of(h->first);

	return item && item->due_ms <= p->now.mono_ms ? item : NULL;
}

/* Looks after a slice of the items that something has happened to. Whether some are left. */
static bool items_slice(struct ocu_plan *p)
{
	struct ocu_item *item;
	int i;

	for (i = 0; i < OCU_PLAN_SLICE && (item = item_of(p->stale.first)); i++)
		item_redate(p, item);
	for (i = 0; i < OCU_PLAN_SLICE && (item = first_due(p, &p->later)); i++)
		item_due(p, item);
	return p->stale.first || first_due(p, &p->later);
}

/* Finds other places for a slice of those whose lane was shut. Returns where the first one has
 * waited that has none, and has failed by that; NULL: there is no such one in this slice.
 */
static struct ocu_place *leaving_slice(struct ocu_plan *p)
{
	struct ocu_heap_node *first;
	struct ocu_place *pl;
	int i;

	for (i = 0; i < OCU_PLAN_SLICE && (first = p->lanes.leaving.first); i++) {
		pl = OCU_OWNER(first, struct ocu_place, node);
		item_unlink(p, pl->item);
		if (item_moves(p, pl->item))
			continue;
		item_fails(p, pl->item);
		return pl;
	}
	return NULL;
}

/* ---- Turns ---- */

/* Whether the item at the head of its queue has expired, and is asked for no more. */
static bool item_expires(struct ocu_plan *p, struct ocu_item *item)
{
	if (item->ordered || !item_expired(p, item))
		return false;
	item_due(p, item);
	return true;
}

/* Whether the item at the head of its queue is better off elsewhere, and goes there. It came when
 * the lane looked better, or others did worse. One whose try is over has no other way.
 */
static bool item_leaves(struct ocu_plan *p, struct ocu_place *pl)
{
	struct ocu_item *item = pl->item;
	enum ocu_trust trust = pl->lane->health.trust;
	enum grade g = GRADE_SHUT;

	if (item->ordered)
		return false;
	if (item->state == OCU_ITEM_LATER || trust == OCU_TRUST_GOOD || trust == OCU_TRUST_PAUSED)
		return false;
	if (trust == OCU_TRUST_DOWN && item_affords(p, item))
		return false;
	if (grade(p, pl->lane, item) == GRADE_GOOD || !choose(p, item, &g) || g != GRADE_GOOD)
		return false;
	item_unlink(p, item);
	return item_route(p, item);
}

/* Returns for how long <item> may be put off at the most: what ends within a day by far less than
 * an hour, for its lane may not be open for longer.
 */
static int64_t put_off_s(const struct ocu_plan *p, const struct ocu_item *item)
{
	int64_t left_s = item->held.expiry - p->now.wall_s;

	return min64(left_s / 4, max64(left_s - OCU_PLAN_DAY_S, OCU_PLAN_PUT_OFF_S));
}

/* Whether the item at the head of its queue is put off: it has waited there because the lane was
 * shut, as all have that came due meanwhile. The responder would get them all at once now, and once
 * more after half of each life.
 */
static bool item_put_off(struct ocu_plan *p, struct ocu_place *pl)
{
	struct ocu_item *item = pl->item;
	int64_t late_ms = p->now.mono_ms - item->begun_ms;

	if (item->ordered || item->put_off || item->state == OCU_ITEM_LATER ||
	    late_ms < OCU_PLAN_LATE_MS || ocu_lane_shut(pl->lane) || !item_usable(p, item))
		return false;
	item_unlink(p, item);
	item->put_off = true;
	item_later(p, item, p->now.mono_ms + ocu_when_share(put_off_s(p, item) * 1000, draw(p)));
	return true;
}

static void turn_start(struct ocu_plan *p, struct ocu_place *pl, struct ocu_turn *out)
{
	struct ocu_item *item = pl->item;
	struct ocu_lane *l = pl->lane;

	ocu_lane_round(l);
	item_unlink(p, item);
	item->state = OCU_ITEM_FLYING;
	item->at = pl;
	item->lane = l;
	item->hangs = item->yields = false;
	item->probes = ocu_lane_shut(l) && !item->ordered;
	item->ask = (struct ocu_ask){ .who = item->seq, .spell = l->health.spell,
				      .start_ms = p->now.mono_ms };
	*out = (struct ocu_turn){ .item = item, .place = pl, .first = !item->asked,
				  .last = !has_other(item, pl) };
	ocu_lane_start(&p->lanes, l, item->probes);
}

/* Takes <item> out of flight. Its lane is to learn from that. */
static void turn_end(struct ocu_plan *p, struct ocu_item *item)
{
	ocu_lane_end(&p->lanes, item->lane, item->probes, item->hangs);
	item->state = OCU_ITEM_IDLE;
}

/* Returns when there is something to do if nothing happens. */
static int64_t wake_at(const struct ocu_plan *p)
{
	int64_t at = ocu_lanes_wake_ms(&p->lanes);

	if (p->later.first)
		at = min64(at, item_of(p->later.first)->due_ms);
	if (p->now.mono_ms < p->local_ms && ocu_lanes_ready(&p->lanes))
		at = min64(at, p->local_ms);
	return p->stepped ? min64(at, p->step_ms) : at;
}

enum ocu_next ocu_plan_next(struct ocu_plan *p, const struct ocu_clock *now, struct ocu_turn *out,
			    int64_t *wake_ms)
{
	struct ocu_place *lost, *top;
	struct ocu_lane *l;
	bool more;
	int i;

	see(p, now);
	notice_step(p);
	*wake_ms = now->mono_ms;
	lost = leaving_slice(p);
	if (lost) {
		*out = (struct ocu_turn){ .item = lost->item, .place = lost };
		return OCU_NEXT_FAILED;
	}
	more = items_slice(p);
	more |= ocu_lanes_slice(&p->lanes);
	more |= p->lanes.leaving.first != NULL;
	for (i = 0; i < OCU_PLAN_SLICE; i++) {
		l = now->mono_ms < p->local_ms ? NULL : ocu_lanes_next(&p->lanes);
		if (!l)
			break;
		top = l->top;
		*out = (struct ocu_turn){ .item = top->item, .place = top };
		if (item_expires(p, top->item))
			return OCU_NEXT_EXPIRED;
		if (item_leaves(p, top) || item_put_off(p, top))
			continue;
		turn_start(p, top, out);
		return OCU_NEXT_TURN;
	}
	if (!more && i < OCU_PLAN_SLICE)
		*wake_ms = wake_at(p);
	return OCU_NEXT_NOTHING;
}

unsigned ocu_plan_steps(const struct ocu_plan *p)
{
	return p->steps;
}

bool ocu_plan_hangs(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now)
{
	see(p, now);
	if (item->state != OCU_ITEM_FLYING || item->yields)
		return false;
	if (!item->hangs)
		ocu_lane_hangs(&p->lanes, item->lane);
	item->hangs = true;
	item->yields = !item->ordered && ocu_lane_crowded(&p->lanes, item->lane) &&
		       ocu_health_yields(&item->lane->health, &item->ask, item->at->vain,
					 p->now.mono_ms);
	return item->yields;
}

void ocu_plan_stalls(struct ocu_plan *p, struct ocu_item *item, const struct ocu_clock *now)
{
	see(p, now);
	if (item->state == OCU_ITEM_FLYING)
		ocu_lane_stalls(&p->lanes, item->lane);
}

/* ---- Ends of turns ---- */

/* Writes down that asking for <item> at <l> was in vain (or was not): its places there get a number
 * that lets it wait until all others have been asked.
 */
static void item_mark(struct ocu_plan *p, struct ocu_item *item, const struct ocu_lane *l,
		      bool vain)
{
	uint64_t number = vain ? ++p->vain : 0;
	struct ocu_place *pl;
	size_t i;

	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		if (pl->lane != l)
			continue;
		pl->vain = number;
		if (!vain)
			pl->refusals = 0;
	}
}

/* Whether asking for <item> where it is has paused that lane so often that it may be the reason. */
static bool item_pauses(const struct ocu_item *item)
{
	return item->at->refusals >= OCU_PLAN_VAIN_REFUSALS;
}

/* Learns of its lane from a turn that did not end well. One who was asked there in vain before
 * tells nothing new of a lane that is open: it may be the reason itself. A single pause does not
 * say so.
 */
static void learn_failure(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e)
{
	struct ocu_health *h = &item->lane->health;
	const struct ocu_ask *a = &item->ask;
	int64_t now = p->now.mono_ms;
	bool once = e->end == OCU_END_PAUSE && item->at->refusals && !item_pauses(item);
	bool known = item->at->vain && !once && !ocu_health_shut(h);

	if (e->end == OCU_END_UNREACHED)
		ocu_health_unreached(h, a, now, draw(p));
	else if (known)
		return;
	else if (e->end == OCU_END_PAUSE)
		ocu_health_paused(h, a, e->retry_after_s, item->at->refusals > 0, now, draw(p));
	else
		ocu_health_failed(h, a, e->end == OCU_END_SILENT, now, draw(p));
	if (p->conf.when.hurry)
		ocu_health_probe(h, now + OCU_PLAN_HURRY_MS);
}

/* Learns of the lane of <item> from the end of its turn. */
static void learn(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e)
{
	struct ocu_lane *l = item->lane;
	struct ocu_health was = l->health;
	bool pause = e->end == OCU_END_PAUSE, paused, doubted;

	switch (e->end) {
	case OCU_END_NEW:
	case OCU_END_CURRENT:
	case OCU_END_REFUSED:
	case OCU_END_MOVED:
		ocu_health_answered(&l->health, &item->ask, p->conf.host_maxconn, p->now.mono_ms);
		item_mark(p, item, l, false);
		break;
	case OCU_END_BROKEN:
	case OCU_END_PAUSE:
	case OCU_END_SILENT:
	case OCU_END_UNREACHED:
		learn_failure(p, item, e);
		paused = pause && l->health.spell != was.spell;
		doubted = paused && (l->health.doubts || was.doubts);
		item->at->refusals += paused;
		if (pause ? doubted || item_pauses(item) : e->end != OCU_END_UNREACHED)
			item_mark(p, item, l, true);
		break;
	case OCU_END_CANCELLED:
		if (item->yields)
			item_mark(p, item, l, true);
		break;
	case OCU_END_CUT:
	case OCU_END_LOCAL:
		break;
	}
	ocu_lane_learnt(&p->lanes, l, &was);
}

/* Lets nothing start for a while: what has failed on this side fails for all. */
static void hold_back(struct ocu_plan *p)
{
	int64_t ms = OCU_PLAN_LOCAL_MS;
	unsigned i;

	if (p->now.mono_ms < p->local_ms)
		return;
	for (i = 0; i < p->locals && ms < OCU_PLAN_LOCAL_MAX_MS; i++)
		ms *= 2;
	count(&p->locals);
	p->local_ms = p->now.mono_ms + min64(ms, OCU_PLAN_LOCAL_MAX_MS);
}

static void item_succeeds(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e)
{
	item->forgiven = item->failures;
	item->failures = 0;
	item->ordered = item->put_off = false;
	item_schedule(p, item, e);
}

/* After a turn of <item> in vain: lets it wait for the next one. Returns whether its try is over.
 * It is not when the responder asks for patience for the first time, or another one has done so
 * that was not asked yet: then it waits for that, if it has time.
 */
static bool item_goes_on(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e)
{
	bool pause = e->end == OCU_END_PAUSE;
	bool patient = (pause && item->lane->health.pauses <= 1) || has_patient(item);

	if (!item->automatic && !item->ordered) {
		item_schedule(p, item, NULL);
		return true;
	}
	if (item_route(p, item))
		return false;
	if (patient && !item->ordered && !e->out_of_time && !has_open(item)) {
		/* One of many that were refused together did not make it pause: no turn lost. */
		if (pause && !item->at->refusals)
			item->at->tried = false;
		item_rest(p, item, p->now.mono_ms);
		return false;
	}
	item_fails(p, item);
	return true;
}

/* After a turn of <item> that is as if it had not been: it goes on, unless no place is left. That
 * is said by ocu_plan_next(), as of those whose lane was shut.
 */
static void item_resumes(struct ocu_plan *p, struct ocu_item *item)
{
	if (!item->automatic && !item->ordered)
		return;
	if (item_moves(p, item))
		return;
	item->state = OCU_ITEM_WAITS;
	place_enter(p, item->at, &p->lanes.leaving);
}

/* Lets no place of the try of <item> be left. */
static void item_give_up(struct ocu_item *item)
{
	size_t i;

	for (i = 0; i < place_count(item); i++)
		place_at(item, i)->tried = true;
}

bool ocu_plan_done(struct ocu_plan *p, struct ocu_item *item, const struct ocu_ended *e,
		   const struct ocu_clock *now)
{
	bool brought = e->end == OCU_END_NEW || e->end == OCU_END_CURRENT;

	see(p, now);
	turn_end(p, item);
	learn(p, item, e);
	if (e->end == OCU_END_LOCAL)
		hold_back(p);
	else if (e->end != OCU_END_CANCELLED)
		p->locals = 0;

	if (e->end == OCU_END_LOCAL || e->end == OCU_END_CANCELLED) {
		item_resumes(p, item);
		return false;
	}
	item->first = e->end == OCU_END_NEW && !item_usable(p, item);
	if (e->end == OCU_END_NEW)
		item->held = e->held;
	if (brought && item_usable(p, item)) {
		item_succeeds(p, item, e);
		return true;
	}
	item->at->tried = item->asked = true;
	if (e->out_of_time)
		item_give_up(item);
	return item_goes_on(p, item, e);
}

bool ocu_plan_moved(struct ocu_plan *p, struct ocu_item *item, struct ocu_place *spare,
		    const struct ocu_clock *now)
{
	const struct ocu_ended e = { .end = OCU_END_MOVED };

	see(p, now);
	turn_end(p, item);
	learn(p, item, &e);
	p->locals = 0;
	item->at->tried = item->asked = true;

	if (spare->knows != spare->lane) {
		spare->vain = 0;
		spare->refusals = 0;
	}
	spare->knows = spare->lane;
	spare->item = item;
	spare->tried = false;
	item->spare = spare;
	return item_goes_on(p, item, &e);
}

/* ---- Listings ---- */

enum ocu_wait ocu_plan_waits(const struct ocu_item *item, int64_t *until_ms)
{
	const struct ocu_lane *first = NULL;
	const struct ocu_place *pl;
	size_t i;

	*until_ms = 0;
	if (item->state == OCU_ITEM_IDLE)
		return OCU_WAIT_IDLE;
	if (item->state == OCU_ITEM_FLYING)
		return OCU_WAIT_FLYING;
	if (item->state == OCU_ITEM_LATER) {
		*until_ms = item->due_ms;
		return OCU_WAIT_LATER;
	}
	for (i = 0; i < place_count(item); i++) {
		pl = place_at(item, i);
		if (!ocu_heap_has(&pl->node))
			continue;
		if (!ocu_lane_shut(pl->lane) || item->ordered)
			return OCU_WAIT_TURN;
		if (!first || pl->lane->health.again_ms < first->health.again_ms)
			first = pl->lane;
	}
	if (!first)
		return OCU_WAIT_TURN;
	*until_ms = first->health.again_ms;
	return first->health.trust == OCU_TRUST_DOWN ? OCU_WAIT_DOWN : OCU_WAIT_PAUSED;
}
