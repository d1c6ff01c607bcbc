/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - a queue's tree of entries: what is in memory of a queue, what is
 * known about the rest, and what may leave.
 *
 * Invariants (ARCHITECTURE.md, "The queue's tree"; check.c asserts them):
 *  - Every message with a place <= `known` that exists is in the tree, and so
 *    is every one in (span_from, span_to], which browsers and streams use.
 *  - Every message that a record in a batch above load_barrier() touched is in
 *    the tree, as a tombstone if it was removed: no load, under way or to
 *    come, can then show the tree something that it does not know better.
 *    But tombstones at the front, within `known` and with no load under way,
 *    are forgotten at once: no load can reach them as long as `known` stays
 *    above the highest of them (gone_place), and it does until the last of
 *    their removals is applied (gone_pos), since a message that returns to a
 *    place below does so by a later record, and leaves the tree only when that
 *    is applied.  So a queue that is got in order has no tombstones, however
 *    far the store is behind.
 *  - An available entry whose last record is below the barrier is `settled`:
 *    the store shows it as it is, so it may leave, after `known` and the span
 *    have been lowered below it.
 *  - `available` holds the available ones, `by_msg` and `by_correl` too once
 *    somebody has asked for an id on the queue.
 *
 * engine.touched lists entries in the order of their last record.  When a
 * batch is applied its entries come off: tombstones are freed (or held for a
 * load under way), others settle, and the queue is trimmed to its window.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/select.h"

int
place_cmp(struct place a, struct place b)
{
	if (a.rank != b.rank)
		return a.rank < b.rank ? -1 : 1;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

struct record_key
place_key(const struct queue *q, struct place p)
{
	return (struct record_key){
	    .queue_id = q->id, .rank = p.rank, .seq = p.seq};
}

static int
entry_cmp(const struct entry *a, const struct entry *b)
{
	return place_cmp(a->place, b->place);
}

static int
entry_msg_cmp(const struct entry *a, const struct entry *b)
{
	int c = memcmp(a->m.msg_id, b->m.msg_id, MQI_ID_LEN);

	return c != 0 ? c : place_cmp(a->place, b->place);
}

static int
entry_correl_cmp(const struct entry *a, const struct entry *b)
{
	int c = memcmp(a->m.correl_id, b->m.correl_id, MQI_ID_LEN);

	return c != 0 ? c : place_cmp(a->place, b->place);
}

MQ_RB_GENERATE_ENDS(entry_tree, entry, node, entry_cmp)
MQ_RB_GENERATE_ENDS(entry_free_tree, entry, free_node, entry_cmp)
MQ_RB_GENERATE(entry_settled_tree, entry, settled_node, entry_cmp)
MQ_RB_GENERATE(entry_msg_tree, entry, msg_node, entry_msg_cmp)
MQ_RB_GENERATE(entry_correl_tree, entry, correl_node, entry_correl_cmp)

/* ---- messages ---- */

void
msg_fini(struct msg *m)
{
	m->data = mqref_unref(m->data);
	m->head = mqref_unref(m->head);
}

void
msg_loaded(struct msg *m, struct mqref *data)
{
	struct mqdesc_info info;

	if (data == NULL || data->len < m->desc_len ||
	    !mqdesc_asks(data->data, m->desc_len) ||
	    mqdesc_read(data->data, m->desc_len, &info) != MQI_OK)
		return;
	m->deadline_ms = info.deadline_ms;
	m->cod = stamp_asks(&info, MQI_RO_COD);
}

void
msg_keep_head(struct msg *m, const void *desc)
{
	MQ_PRE(m->head == NULL);
	m->head = mqref_copy(desc, m->desc_len);
}

size_t
msg_memory(const struct msg *m)
{
	return sizeof(struct entry) + (m->data != NULL ? m->data->len : 0);
}

/* ---- entries ---- */

static uint64_t
entry_body_bytes(const struct entry *x)
{
	return (x->m.data != NULL ? x->m.data->len : 0) +
	       (x->m.head != NULL ? x->m.head->len : 0);
}

/* Recomputes `settled` after any change. */
static void
entry_update(struct entry *x)
{
	struct queue *q = x->q;
	bool settled = x->state == ENTRY_AVAILABLE && x->m.in_store &&
		       x->list == ENTRY_UNLISTED;

	if (settled == x->settled)
		return;
	x->settled = settled;
	if (settled) {
		RB_INSERT(entry_settled_tree, &q->settled, x);
		q->n_settled++;
		q->settled_bytes += entry_body_bytes(x);
	} else {
		RB_REMOVE(entry_settled_tree, &q->settled, x);
		q->n_settled--;
		q->settled_bytes -= entry_body_bytes(x);
	}
}

static void
entry_unlist(struct entry *x)
{
	if (x->list == ENTRY_TOUCHED)
		TAILQ_REMOVE(&x->q->e->touched, x, touched);
	else if (x->list == ENTRY_HELD)
		TAILQ_REMOVE(&x->q->held, x, touched);
	x->list = ENTRY_UNLISTED;
}

static void
entry_set_available(struct entry *x)
{
	struct queue *q = x->q;

	x->state = ENTRY_AVAILABLE;
	MQ_INVARIANT(entry_free_tree_add(&q->available, x) == NULL);
	q->n_available++;
	if (!TAILQ_EMPTY(&q->watchers))
		queue_trim_later(q);
	if (q->indexed) {
		RB_INSERT(entry_msg_tree, &q->by_msg, x);
		RB_INSERT(entry_correl_tree, &q->by_correl, x);
	}
	entry_update(x);
}

static void
entry_leave_available(struct entry *x, enum entry_state state)
{
	struct queue *q = x->q;

	MQ_PRE(x->state == ENTRY_AVAILABLE);
	entry_free_tree_take(&q->available, x);
	q->n_available--;
	if (!TAILQ_EMPTY(&q->watchers)) {
		queue_trim_later(q);
		/* one that leaves memory is still there */
		if (state != ENTRY_REMOVED)
			select_gone(x);
	}
	if (q->indexed) {
		RB_REMOVE(entry_msg_tree, &q->by_msg, x);
		RB_REMOVE(entry_correl_tree, &q->by_correl, x);
	}
	x->state = state;
	entry_update(x);
}

/* Out of the tree and freed; the entry is not available any more. */
static void
entry_free(struct entry *x)
{
	MQ_PRE(x->state != ENTRY_AVAILABLE && x->d == NULL);
	if (!x->m.in_store)
		x->q->e->np_used -= msg_memory(&x->m);
	entry_unlist(x);
	entry_tree_take(&x->q->tree, x);
	msg_fini(&x->m);
	mqpool_put(&x->q->e->entries, x);
}

struct entry *
entry_add(struct queue *q, struct place place, struct msg *m, uint64_t pos)
{
	struct entry *x = mqpool_get(&q->e->entries);

	MQ_PRE(place.seq > 0);
	x->q = q;
	x->place = place;
	x->m = *m;
	x->pos = pos;
	x->state = ENTRY_LOCKED;
	memset(m, 0, sizeof(*m));
	if (!x->m.in_store)
		q->e->np_used += msg_memory(&x->m);
	MQ_INVARIANT(entry_tree_add(&q->tree, x) == NULL);
	q->n_live++;
	entry_set_available(x);
	return x;
}

void
entry_touch(struct entry *x)
{
	struct engine *e = x->q->e;

	MQ_PRE(x->m.in_store);
	entry_unlist(x);
	x->touch = batch_number(e);
	x->list = ENTRY_TOUCHED;
	x->q->pos = x->touch;
	TAILQ_INSERT_TAIL(&e->touched, x, touched);
	entry_update(x);
}

static void
entry_disown(struct entry *x)
{
	if (x->owner != NULL)
		TAILQ_REMOVE(x->owner, x, owned);
	x->owner = NULL;
}

void
entry_lock(struct entry *x, struct entry_list_head *owner)
{
	entry_leave_available(x, ENTRY_LOCKED);
	x->q->uncommitted_gets++;
	x->owner = owner;
	if (owner != NULL)
		TAILQ_INSERT_TAIL(owner, x, owned);
}

void
entry_unlock(struct entry *x)
{
	MQ_PRE(x->state == ENTRY_LOCKED);
	MQ_INVARIANT(x->q->uncommitted_gets > 0);
	x->q->uncommitted_gets--;
	entry_disown(x);
	if (x->d != NULL)
		x->d->x = NULL;
	x->d = NULL;
	entry_set_available(x);
	if (x->q->trigger != NULL)
		trigger_check(x->q);
	queue_trim_later(x->q);
}

void
entry_damage(struct entry *x, bool report)
{
	struct queue *q = x->q;

	if (x->state == ENTRY_LOCKED)
		q->uncommitted_gets--;
	else
		entry_leave_available(x, ENTRY_DAMAGED);
	entry_disown(x);
	x->state = ENTRY_DAMAGED;
	q->damaged = true;
	if (report)
		q->damage_reports++;
}

void
entry_backed_out(struct entry *x)
{
	struct queue *q = x->q;
	struct record_backout v = {.key = place_key(q, x->place)};
	struct mqbuf *b;

	if (x->m.backout_count < UINT32_MAX)
		x->m.backout_count++;
	if (!x->m.in_store)
		return;
	v.count = x->m.backout_count;
	b = batch_room(q->e, 128);
	record_encode_backout(b, 0, &v);
	(void)batch_appended(q->e);
	entry_touch(x);
	if (x->m.persistent)
		x->pos = x->touch;
}

/* Frees the tombstones at the front, if no load can show them. */
static void
queue_forget_front(struct queue *q)
{
	uint64_t applied = q->e->applied;
	struct entry *x;

	if (!TAILQ_EMPTY(&q->loads))
		return;
	while ((x = q->tree.first) != NULL && x->state == ENTRY_REMOVED &&
	       place_cmp(x->place, q->known) <= 0) {
		if (q->gone_pos <= applied ||
		    place_cmp(q->gone_place, x->place) < 0)
			q->gone_place = x->place;
		if (q->gone_pos < x->touch)
			q->gone_pos = x->touch;
		entry_free(x);
	}
}

/* Whether loads must not look there yet. */
static bool
queue_is_gone(const struct queue *q, struct place p)
{
	return q->gone_pos > q->e->applied && place_cmp(p, q->gone_place) <= 0;
}

/* moves: its body is kept for the RESTORE that follows. */
static uint64_t
entry_leave(struct entry *x, uint32_t unit, bool moves)
{
	struct queue *q = x->q;
	struct engine *e = q->e;
	struct record_remove v = {0};
	uint64_t pos = x->pos;

	if (x->state == ENTRY_LOCKED)
		q->uncommitted_gets--;
	else if (x->state == ENTRY_AVAILABLE)
		entry_leave_available(x, ENTRY_LOCKED);
	entry_disown(x);
	if (x->d != NULL)
		x->d->x = NULL;
	x->d = NULL;
	if (q->trigger != NULL)
		trigger_forget(x);
	MQ_INVARIANT(q->depth > 0 && q->n_live > 0);
	q->depth--;
	q->n_live--;
	q->bytes -= x->m.body_len;
	x->state = ENTRY_REMOVED;
	if (!x->m.in_store) {
		entry_free(x);
		return pos;
	}
	if (!moves && !body_is_kept(e, x->m.body_id))
		v.flags = RECORD_REMOVE_RELEASE;
	v.key = place_key(q, x->place);
	v.body_id = x->m.body_id;
	record_encode_remove(batch_room(e, 128), unit, &v);
	(void)batch_appended(e);
	msg_fini(&x->m);
	entry_touch(x);
	if (x->m.persistent)
		pos = x->touch;
	if (x == q->tree.first)
		queue_forget_front(q);
	return pos;
}

uint64_t
entry_remove(struct entry *x, uint32_t unit)
{
	return entry_leave(x, unit, false);
}

uint64_t
entry_move(struct entry *x, struct queue *to, uint8_t rank)
{
	struct msg m = x->m;
	struct entry *moved;
	uint64_t gone;

	MQ_PRE(x->state == ENTRY_AVAILABLE);
	if (m.data != NULL)
		(void)mqref_ref(m.data);
	if (m.head != NULL)
		(void)mqref_ref(m.head);
	/* both records in one batch */
	(void)batch_room(to->e, 256);
	gone = entry_leave(x, 0, true);
	moved = put_moved(to, rank, &m);
	if (moved->pos < gone)
		moved->pos = gone;
	report_offer_later(to, moved->place);
	return moved->pos;
}

void
queue_make_way(struct queue *q, struct place place)
{
	struct entry *x = queue_entry_at(q, place);

	if (x == NULL)
		return;
	MQ_PRE(x->state == ENTRY_REMOVED);
	entry_free(x);
}

/* ---- queues ---- */

void
queue_refresh(struct queue *q)
{
	const struct mqattr_set *a = q->object->attrs;
	struct queue_attrs *r = &q->attr;

	r->put_ok = mqattr_is(a, MQATTR_ID_PUT, "ENABLED");
	r->get_ok = mqattr_is(a, MQATTR_ID_GET, "ENABLED");
	r->is_xmit = mqattr_is(a, MQATTR_ID_USAGE, "XMITQ");
	r->fifo = r->is_xmit || mqattr_is(a, MQATTR_ID_MSGDLVSQ, "FIFO");
	r->exclusive = mqattr_is(a, MQATTR_ID_SHARE, "NO");
	r->def_exclusive = mqattr_is(a, MQATTR_ID_DEFSOPT, "EXCL");
	r->persistent = mqattr_is(a, MQATTR_ID_DEFPSIST, "YES");
	r->priority = (int8_t)mqattr_int(a, MQATTR_ID_DEFPRTY);
	r->max_depth = (uint64_t)mqattr_int(a, MQATTR_ID_MAXDEPTH);
	r->max_msg_len = (uint32_t)mqattr_int(a, MQATTR_ID_MAXMSGL);
	r->backout_threshold = (uint32_t)mqattr_int(a, MQATTR_ID_BOTHRESH);
	r->cap_expiry = (int32_t)mqattr_int(a, MQATTR_ID_CAPEXPRY);
	r->streams =
	    !r->is_xmit && mqattr_text(a, MQATTR_ID_STREAMQ)[0] != '\0';
	q->poison_stays = false;
	trigger_refresh(q);
}

void
queue_unrate(struct queue *q)
{
	struct entry *x;

	RB_FOREACH (x, entry_tree, &q->tree)
		x->m.rated = MSG_UNRATED;
}

struct queue *
queue_new(struct engine *e, uint64_t id, const struct engine_object *object)
{
	struct queue *q = mqmem_alloc(sizeof(*q));

	q->e = e;
	q->id = id;
	q->object = object;
	q->known = PLACE_END;
	q->last_seq = e->epoch << ENGINE_SEQ_BITS;
	TAILQ_INIT(&q->held);
	TAILQ_INIT(&q->loads);
	TAILQ_INIT(&q->any);
	TAILQ_INIT(&q->readers);
	TAILQ_INIT(&q->selecting);
	TAILQ_INIT(&q->watchers);
	queue_refresh(q);
	q->is_dynamic =
	    !mqattr_is(object->attrs, MQATTR_ID_DEFTYPE, "PREDEFINED");
	e->n_dynamic += q->is_dynamic;
	HASH_ADD(hh, e->queues, id, sizeof(q->id), q);
	return q;
}

void
queue_empty(struct queue *q)
{
	struct entry *x, *next;

	RB_FOREACH_SAFE (x, entry_tree, &q->tree, next) {
		if (x->state == ENTRY_AVAILABLE)
			entry_leave_available(x, ENTRY_REMOVED);
		entry_free(x);
	}
	if (q->trigger != NULL)
		trigger_forget_all(q);
	q->n_live = 0;
	q->depth = 0;
	q->bytes = 0;
	q->known = PLACE_END;
	q->span_from = q->span_to = PLACE_START;
}

struct queue *
queue_free(struct queue *q)
{
	struct engine *e = q->e;

	MQ_PRE(TAILQ_EMPTY(&q->any) && TAILQ_EMPTY(&q->readers));
	MQ_PRE(TAILQ_EMPTY(&q->selecting));
	load_forget_queue(q);
	queue_empty(q);
	if (q->trim_queued)
		TAILQ_REMOVE(&e->trims, q, trim);
	if (q->is_doomed)
		TAILQ_REMOVE(&e->doomed, q, doomed);
	q->stream = stream_free(q->stream);
	q->trigger = trigger_free(q->trigger);
	e->n_dynamic -= q->is_dynamic;
	HASH_DEL(e->queues, q);
	free(q);
	return NULL;
}

struct queue *
queue_by_id(const struct engine *e, uint64_t id)
{
	struct queue *q;

	HASH_FIND(hh, e->queues, &id, sizeof(id), q);
	return q;
}

struct entry *
queue_entry_at(struct queue *q, struct place place)
{
	struct entry key = {.place = place};

	return RB_FIND(entry_tree, &q->tree, &key);
}

const struct entry *
queue_oldest(const struct queue *q)
{
	return q->tree.first;
}

/* ---- finding ---- */

static void
queue_index(struct queue *q)
{
	struct entry *x;

	if (q->indexed)
		return;
	q->indexed = true;
	RB_FOREACH (x, entry_free_tree, &q->available) {
		RB_INSERT(entry_msg_tree, &q->by_msg, x);
		RB_INSERT(entry_correl_tree, &q->by_correl, x);
	}
}

/* The first one in memory behind `after` that fits. */
static struct entry *
queue_first(struct queue *q, struct place after, const struct getter *g)
{
	struct entry *x = q->available.first;
	struct entry key;

	if (x == NULL)
		return NULL;
	if ((g == NULL || !getter_has_match(g)) &&
	    place_cmp(after, x->place) < 0)
		return x;
	key.place = (struct place){after.rank, after.seq + 1};
	if (g == NULL || !getter_has_match(g))
		return RB_NFIND(entry_free_tree, &q->available, &key);
	queue_index(q);
	if (!g->match_msg) {
		memcpy(key.m.correl_id, g->correl_id, MQI_ID_LEN);
		x = RB_NFIND(entry_correl_tree, &q->by_correl, &key);
		return x != NULL && memcmp(x->m.correl_id, g->correl_id,
					MQI_ID_LEN) == 0
			   ? x
			   : NULL;
	}
	memcpy(key.m.msg_id, g->msg_id, MQI_ID_LEN);
	x = RB_NFIND(entry_msg_tree, &q->by_msg, &key);
	while (x != NULL && memcmp(x->m.msg_id, g->msg_id, MQI_ID_LEN) == 0) {
		if (!g->match_correl ||
		    memcmp(x->m.correl_id, g->correl_id, MQI_ID_LEN) == 0)
			return x;
		x = RB_NEXT(entry_msg_tree, &q->by_msg, x);
	}
	return NULL;
}

/* Up to where everything behind `after` is in the tree. */
static struct place
queue_known_to(
    const struct queue *q, struct place after, const struct find_span *extra)
{
	struct place k = after;

	if (place_cmp(k, q->known) < 0)
		k = q->known;
	if (place_cmp(q->span_from, k) <= 0 && place_cmp(k, q->span_to) < 0)
		k = q->span_to;
	if (extra != NULL && place_cmp(extra->from, k) <= 0 &&
	    place_cmp(k, extra->to) < 0)
		k = extra->to;
	return k;
}

enum find_result
queue_find(struct queue *q, struct place after, const struct getter *g,
    const struct find_span *extra, struct entry **ret_entry,
    struct place *ret_from)
{
	struct entry *x = queue_first(q, after, g);
	struct place k = queue_known_to(q, after, extra);

	if (x != NULL && place_cmp(x->place, k) <= 0) {
		*ret_entry = x;
		return FIND_FOUND;
	}
	if (place_cmp(k, PLACE_END) == 0)
		return FIND_NONE;
	*ret_from = k;
	return FIND_LOAD;
}

/* ---- readiness ---- */

bool
queue_is_ready(const struct queue *q)
{
	return !q->attr.get_ok || q->n_available > 0 || q->n_live < q->depth;
}

void
queue_watch(struct queue *q)
{
	struct engine_reply r = {.kind = ENGINE_READY};
	bool any = queue_is_ready(q);
	struct handle *h;

	TAILQ_FOREACH (h, &q->watchers, watch) {
		bool again, ready = any;

		if (h->lookout != NULL && !select_is_ready(h, &ready))
			continue;
		/* who has seen the queue empty waits for the next message, also
		 * if that has come in the same turn */
		again = ready && h->watch_missed;
		h->watch_missed = false;
		if (h->watch_told == ready && !again)
			continue;
		h->watch_told = ready;
		if (h->event_pos < q->pos)
			h->event_pos = q->pos;
		r.handle = h->id;
		r.u.ready = ready;
		reply_at(h->s, &r, h->event_pos);
	}
}

/* ---- what may leave ---- */

void
queue_trim_later(struct queue *q)
{
	if (q->trim_queued)
		return;
	q->trim_queued = true;
	TAILQ_INSERT_TAIL(&q->e->trims, q, trim);
}

static bool
queue_is_over(const struct queue *q)
{
	const struct engine_config *c = &q->e->config;
	uint64_t n = place_cmp(q->span_from, q->span_to) < 0 ? 2 : 1;

	return q->n_settled > n * c->window_rows ||
	       q->settled_bytes > n * c->window_bytes;
}

static bool
queue_in_span(const struct queue *q, struct place p)
{
	return place_cmp(q->span_from, p) < 0 && place_cmp(p, q->span_to) <= 0;
}

/* Takes an entry that the store shows as it is out of the tree. */
static void
queue_evict(struct queue *q, struct entry *x)
{
	struct place below = {x->place.rank, x->place.seq - 1};

	MQ_PRE(x->settled && x->touch <= load_barrier(q));
	MQ_PRE(!queue_is_gone(q, x->place));
	if (place_cmp(x->place, q->known) <= 0)
		q->known = below;
	if (queue_in_span(q, x->place)) {
		q->span_to = below;
		if (place_cmp(q->span_from, q->span_to) >= 0)
			q->span_from = q->span_to = PLACE_START;
	}
	if (q->trigger != NULL)
		trigger_forget(x);
	entry_leave_available(x, ENTRY_REMOVED);
	q->n_live--;
	entry_free(x);
}

static void
queue_free_held(struct queue *q)
{
	uint64_t barrier = load_barrier(q);
	struct entry *x;

	while ((x = TAILQ_FIRST(&q->held)) != NULL && x->touch <= barrier) {
		entry_unlist(x);
		if (x->state == ENTRY_REMOVED)
			entry_free(x);
		else
			entry_update(x);
	}
}

static void
queue_trim(struct queue *q)
{
	struct entry *x, *prev;

	queue_free_held(q);
	if (q->n_searching > 0)
		return;
	for (x = RB_MAX(entry_settled_tree, &q->settled); x != NULL; x = prev) {
		bool in_prefix = place_cmp(x->place, q->known) <= 0;
		bool over = queue_is_over(q);

		if (in_prefix && !over)
			break;
		prev = RB_PREV(entry_settled_tree, &q->settled, x);
		if (over || !queue_in_span(q, x->place))
			queue_evict(q, x);
	}
}

void
queue_trim_all(struct engine *e)
{
	struct queue *q;

	while ((q = TAILQ_FIRST(&e->trims)) != NULL) {
		TAILQ_REMOVE(&e->trims, q, trim);
		q->trim_queued = false;
		queue_trim(q);
		queue_watch(q);
	}
}

/* Batches up to number are visible to loads that begin now. */
void
queue_applied(struct engine *e, uint64_t number)
{
	struct entry *x;

	while ((x = TAILQ_FIRST(&e->touched)) != NULL && x->touch <= number) {
		struct queue *q = x->q;

		entry_unlist(x);
		queue_trim_later(q);
		if (x->touch > load_barrier(q)) {
			x->list = ENTRY_HELD;
			TAILQ_INSERT_TAIL(&q->held, x, touched);
		} else if (x->state == ENTRY_REMOVED) {
			entry_free(x);
		} else {
			entry_update(x);
		}
	}
}

/* ---- rules ---- */

static bool
entry_is_listed(const struct entry *x)
{
	/* what the store may not show yet must be followed */
	return x->list != ENTRY_UNLISTED || !x->m.in_store ||
	       x->touch <= x->q->e->applied;
}

static void
entry_check(const struct entry *x)
{
	bool settled = x->state == ENTRY_AVAILABLE && x->m.in_store &&
		       x->list == ENTRY_UNLISTED;

	MQ_INVARIANT(x->settled == settled);
	MQ_INVARIANT(entry_is_listed(x));
	MQ_INVARIANT(x->d == NULL || x->d->x == x);
	MQ_INVARIANT(x->d == NULL || x->state == ENTRY_LOCKED);
	MQ_INVARIANT(x->owner == NULL || x->state == ENTRY_LOCKED);
	if (x->state == ENTRY_LOCKED)
		MQ_INVARIANT(x->owner != NULL || x->d != NULL);
	if (x->state == ENTRY_REMOVED) {
		MQ_INVARIANT(x->m.in_store && x->m.data == NULL);
		MQ_INVARIANT(x->touch > load_barrier(x->q));
	}
	if (!x->m.in_store)
		MQ_INVARIANT(x->m.data != NULL && !x->m.persistent);
}

void
queue_check(const struct queue *cq)
{
	/* the tree's macros take no const */
	struct queue *q = (struct queue *)(uintptr_t)cq;
	uint64_t live = 0, available = 0, settled = 0, bytes = 0, locked = 0;
	struct entry *x;

	RB_FOREACH (x, entry_tree, &q->tree) {
		entry_check(x);
		live += x->state != ENTRY_REMOVED;
		available += x->state == ENTRY_AVAILABLE;
		locked += x->state == ENTRY_LOCKED;
		settled += x->settled;
		bytes += x->settled ? entry_body_bytes(x) : 0;
		if (x->state != ENTRY_AVAILABLE)
			continue;
		MQ_INVARIANT(RB_FIND(entry_free_tree, &q->available, x) == x);
		select_check(x);
	}
	MQ_INVARIANT(q->tree.first == RB_MIN(entry_tree, &q->tree) &&
		     q->tree.last == RB_MAX(entry_tree, &q->tree));
	MQ_INVARIANT(
	    q->available.first == RB_MIN(entry_free_tree, &q->available) &&
	    q->available.last == RB_MAX(entry_free_tree, &q->available));
	MQ_INVARIANT(live == q->n_live && available == q->n_available);
	MQ_INVARIANT(settled == q->n_settled && bytes == q->settled_bytes);
	MQ_INVARIANT(q->n_live <= q->depth);
	MQ_INVARIANT(locked <= q->uncommitted_gets);
	if (q->n_live < q->depth)
		MQ_INVARIANT(place_cmp(q->known, PLACE_END) < 0);
	if (q->gone_pos > q->e->applied)
		MQ_INVARIANT(place_cmp(q->gone_place, q->known) <= 0);
	TAILQ_FOREACH (x, &q->held, touched)
		MQ_INVARIANT(x->touch > load_barrier(q));
}
