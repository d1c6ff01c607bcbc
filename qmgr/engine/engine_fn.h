/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_fn.h - per file of the engine, the functions that the others call.
 * The structures are in engine_int.h, which includes this.  Loop thread only.
 */
#ifndef MQ_ENGINE_ENGINE_FN_H
#define MQ_ENGINE_ENGINE_FN_H

#include "qmgr/engine/engine_int.h"

/* ---- stamp.c ---- */

/* The stamped descriptor is in e->scratch. */
MQ_MUST_CHECK enum mqi_err stamp_put(
    struct handle *h, const struct engine_put *req, struct stamp_result *ret);
/* Whether one of the reports is asked for: MQI_RO_. */
bool stamp_asks(const struct mqdesc_info *info, uint32_t options);
/* Takes from it what it asks to be told here, but its expiry. */
MQ_MUST_CHECK enum mqi_err stamp_without_reports(
    struct engine *e, struct stamp_result *stamped);
/* "SLMQ", 12 bytes of the queue manager's id, a number never used before. */
void stamp_new_msg_id(struct engine *e, uint8_t ret[MQI_ID_LEN]);
struct stamp_memory *stamp_forget(struct stamp_memory *m); /* NULL */

/* ---- batch.c ---- */

/* The filling batch, with room for n more bytes. */
struct mqbuf *batch_room(struct engine *e, size_t n);
/* Between two runs of records: what follows may begin a batch. */
void batch_part(struct engine *e);
/* Makes what was appended since count; returns the position. */
uint64_t batch_appended(struct engine *e);
uint64_t batch_number(const struct engine *e);
void batch_want(struct engine *e); /* what was appended must not wait */
void batch_want_at(struct engine *e, uint64_t pos);
/* No record is on its way to the disk. */
bool batch_nothing_waits(const struct engine *e);
void batch_free_all(struct engine *e);

/* Gives the reply when pos is durable. */
void reply_at(
    struct engine_session *s, const struct engine_reply *r, uint64_t pos);
/* The same for the success of a BRIEF put: one PUTS_DONE for many. */
void reply_brief(struct engine_session *s, uint32_t id, uint64_t pos);
/* RESULT with a reason, now. */
void reply_error(struct engine_session *s, uint32_t id, uint32_t handle,
    enum mqi_err reason);
/* Now: for what is known to be durable. */
void reply_give(struct engine_session *s, const struct engine_reply *r);
void reply_drop_all(struct engine_session *s);
/* The handle's lane goes on when pos (not durable yet) is. */
void gate_handle(struct engine *e, struct handle *h, uint64_t pos);
void gate_drop(struct gated *g);

/* ---- queue.c: the tree ---- */

int place_cmp(struct place a, struct place b);
struct record_key place_key(const struct queue *q, struct place p);
struct queue *queue_new(
    struct engine *e, uint64_t id, const struct engine_object *object);
struct queue *queue_free(struct queue *q);
void queue_refresh(struct queue *q); /* attributes */
void queue_unrate(struct queue *q);  /* its entries: MSG_UNRATED */
struct queue *queue_by_id(const struct engine *e, uint64_t id);
/* Takes *m (its data) into a new entry. */
struct entry *entry_add(
    struct queue *q, struct place place, struct msg *m, uint64_t pos);
/* A record about it was appended to the filling batch. */
void entry_touch(struct entry *x);
/* owner: the list of the unit or handle; NULL: its delivery holds it. */
void entry_lock(struct entry *x, struct entry_list_head *owner);
/* Back to available; does not offer it. */
void entry_unlock(struct entry *x);
/* Sets it aside.  report: a getter is still to be told. */
void entry_damage(struct entry *x, bool report);
/* Appends REMOVE of unit (0: none) if the store has it; frees or buries it.
 * Its body stays while deliveries read it.  Returns the position that reveals
 * the removal. */
uint64_t entry_remove(struct entry *x, uint32_t unit);
/* It goes to the end of another queue, as it is, and is offered there at the
 * turn's end.  Returns the position that reveals it. */
uint64_t entry_move(struct entry *x, struct queue *to, uint8_t rank);
/* A tombstone makes way for a message that returns to its place. */
void queue_make_way(struct queue *q, struct place place);
/* An entry's backout count goes up by one, with its record. */
void entry_backed_out(struct entry *x);
void msg_fini(struct msg *m);
size_t msg_memory(const struct msg *m);
/* What a loaded message's descriptor says of it; data may be NULL. */
void msg_loaded(struct msg *m, struct mqref *data);
/* Keeps the descriptor of a message whose bytes leave memory. */
void msg_keep_head(struct msg *m, const void *desc);

enum find_result { FIND_FOUND, FIND_LOAD, FIND_NONE };

/* The first available message behind `after` that fits (g NULL or without
 * match: any), if it is known to be the first one.  FIND_LOAD: *ret_from is
 * where knowledge ends.  extra, if not NULL: what a load just showed. */
enum find_result queue_find(struct queue *q, struct place after,
    const struct getter *g, const struct find_span *extra,
    struct entry **ret_entry, struct place *ret_from);
struct entry *queue_entry_at(struct queue *q, struct place place);
const struct entry *queue_oldest(const struct queue *q); /* or NULL */
void queue_check(const struct queue *q);
bool queue_is_ready(const struct queue *q);
/* Tells watchers of a change of readiness. */
void queue_watch(struct queue *q);
void queue_trim_later(struct queue *q);
void queue_trim_all(struct engine *e);
void queue_applied(struct engine *e, uint64_t number);
/* Drops what is known; all entries go.  Nothing may be locked. */
void queue_empty(struct queue *q);

/* ---- load.c ---- */

void load_prefix(struct queue *q);
void load_span(struct queue *q, struct getter *g, struct place after);
void load_by_id(struct queue *q, struct getter *g, struct place after);
void load_body(struct delivery *d, uint32_t first, uint32_t n);
void load_forget_queue(struct queue *q);
uint64_t load_barrier(const struct queue *q);

/* ---- match.c: getters ---- */

struct getter *getter_new(struct handle *h, enum getter_kind kind, uint32_t id);
struct getter *getter_free(struct getter *g);
void getter_fail(struct getter *g, enum mqi_err reason); /* and frees */
/* Tries, and waits if it may. */
void getter_start(struct getter *g);
void getter_set_deadline(struct getter *g, uint64_t deadline);
uint64_t getter_next_deadline(const struct engine *e);
void getter_tick(struct engine *e); /* waits that end */
/* Out of where it waits; the caller restarts or frees it. */
void getter_rest(struct getter *g);
/* Into the line of its queue, without looking. */
void getter_join(struct getter *g);
/* x has become available. */
void queue_offer(struct queue *q, struct entry *x);
/* Serves those who wait, after loads and changes. */
void queue_serve(struct queue *q);
/* The same when gets were inhibited: messages came that nobody was offered. */
void queue_serve_again(struct queue *q);
/* After a load of its own. */
void getter_loaded(struct getter *g, const struct find_span *shown);
struct place getter_after(const struct getter *g);
/* Fails everyone who waits on the queue. */
void queue_fail_getters(struct queue *q, enum mqi_err reason);
bool getter_has_match(const struct getter *g);

/* ---- get.c ---- */

/* The entry goes to the getter, which may be freed by this.  False: the
 * message stays available to others. */
bool get_take(struct getter *g, struct entry *x);
/* What the handle has locked by browsing is everybody's again, if there is
 * something; it is offered at the turn's end. */
bool get_unlock(struct handle *h);

/* ---- deliver.c ---- */

/* x: of kind LOCKED, or available (GET, LOOK). */
struct delivery *deliver_new(struct handle *h, enum delivery_kind kind,
    uint32_t id, struct entry *x, uint32_t max_len);
void deliver_start(struct delivery *d);
void deliver_pump(struct handle *h);
void deliver_loaded(struct delivery *d, struct store_load *l);
void deliver_applied(struct engine *e);
/* The entry is its holder's no more: if nothing of it has been given yet, the
 * delivery ends. */
void deliver_forget(struct delivery *d);
/* The session ends: what it was to get returns. */
void deliver_abort_all(struct engine_session *s);
/* The message goes: true if its body must stay, since it is being read. */
bool body_is_kept(struct engine *e, uint64_t body_id);

/* ---- put.c ---- */

/* A visible message: PUT record (of unit) if it needs one, and the entry, not
 * offered yet.  Takes *m.  *ret_pos: what its put reveals. */
struct entry *put_visible(struct queue *q, uint8_t rank, struct msg *m,
    uint32_t unit, uint64_t *ret_pos);
/* The same on n queues: one record; sets their places.  Returns the position.
 */
uint64_t put_everywhere(struct engine *e, struct fanout_to *to, uint32_t n,
    struct msg *m, uint32_t unit);
/* A message that was removed, its body kept, comes to the end of a queue.
 * Takes *m.  The entry is not offered yet. */
struct entry *put_moved(struct queue *q, uint8_t rank, struct msg *m);
/* A removed message returns to its place: RESTORE if the store kept its body
 * (`kept`), else PUT.  Takes *m.  The entry is not offered yet. */
struct entry *put_back(
    struct queue *q, struct place place, struct msg *m, bool kept);
/* Answers it with the reason; its pieces are swallowed. */
void put_incoming_fail(
    struct engine_session *s, struct incoming *in, enum mqi_err reason);
void put_incoming_free_all(struct engine_session *s);
/* The disk takes more than what gets and deletes need. */
bool put_has_room(const struct engine *e);
/* So many more bytes of non-persistent messages are too many for memory. */
bool put_would_spill(const struct engine *e, uint64_t memory);
/* A unit's message whose body is not staged yet. */
void put_stage_whole(struct engine *e, uint32_t number, struct msg *m);

/* ---- unit.c ---- */

/* Finds or makes it.  BACKED_OUT if the queue manager has ended it. */
enum mqi_err unit_get(
    struct engine_session *s, uint32_t id, struct unit **ret_unit);
bool unit_has_room(const struct unit *u, size_t records);
/* For a message and a report about it. */
bool unit_has_room_for_report(const struct unit *u);
void unit_add_get(struct unit *u, struct entry *x);
/* The same with an entry that is on another list. */
void unit_take_get(struct unit *u, struct entry *x);
/* Backs it out, if it is there; it stays, dead. */
void unit_abandon(struct engine_session *s, uint32_t id);
/* A get waits in it, or does so no more. */
void unit_count_getter(struct engine_session *s, uint32_t id, bool more);
void unit_add_put(struct unit *u, struct queue *q, uint8_t rank, struct msg *m);
/* A retained publication.  Takes kept. */
void unit_add_retained(
    struct unit *u, struct queue *q, struct retained *kept, struct msg *m);
/* One message on n queues. */
void unit_add_puts(
    struct unit *u, const struct fanout_to *to, uint32_t n, struct msg *m);
/* Commits and frees one that nothing can be wrong with.  Returns the position
 * that reveals it. */
uint64_t unit_commit_own(struct engine_session *s, struct unit *u);
/* Its puts vanish and its gets return; it stays, dead. */
void unit_back_out(struct engine_session *s, struct unit *u);
/* Backs out and frees. */
void unit_free(struct engine_session *s, struct unit *u);

/* ---- readahead.c ---- */

void ahead_set_window(struct handle *h, uint32_t msgs, uint32_t bytes);
bool ahead_has_credit(const struct handle *h, const struct entry *next);
void ahead_lock(struct handle *h, struct entry *x);
/* Everything unacknowledged returns. */
void ahead_return_all(struct handle *h, bool count);

/* ---- session.c ---- */

struct handle *handle_find(struct engine_session *s, uint32_t id);
struct handle *handle_new(struct engine_session *s, struct queue *q);
void handle_close(struct handle *h);
void handle_unref(struct handle *h); /* one delivery less */
/* Of an open: the answer.  why: a sentence or "". */
void session_open_refused(
    struct engine_session *s, uint32_t id, enum mqi_err err, const char *why);
void session_open_done(
    struct engine_session *s, uint32_t id, const struct handle *h);
/* A handle where the route leads.  Errors: Q_DELETED, RESOURCE_PROBLEM,
 * OBJECT_IN_USE. */
MQ_MUST_CHECK enum mqi_err session_open_route(struct engine_session *s,
    const struct route *route, uint32_t options, struct handle **ret_handle);
/* A queue by the model, open.  Errors: RESOURCE_PROBLEM, TOO_BIG. */
MQ_MUST_CHECK enum mqi_err session_open_model(struct engine_session *s,
    const struct engine_object *model, uint32_t options,
    struct handle **ret_handle);
/* A channel's agent opens or has opened the dead-letter queue as such. */
bool session_dead_letters(
    const struct engine_session *s, const struct route *r, uint32_t options);
/* Says and takes nothing any more. */
void session_mute(struct engine_session *s);
bool session_is_full(const struct engine_session *s);
void session_resume(struct engine_session *s);

/* ---- dynamic.c ---- */

/* The model queue that an open names, or NULL. */
const struct engine_object *dynamic_model(
    const struct engine *e, const char *object, const char *qmgr);
/* Makes a queue by the model, and where it leads.  Errors: TOO_BIG. */
MQ_MUST_CHECK enum mqi_err dynamic_make(struct engine *e,
    const struct engine_object *model, struct route *ret_route);
bool dynamic_is_temporary(const struct engine_object *queue);
/* It is made and changed now. */
void dynamic_set_times(struct mqattr_set *s, uint64_t wall_us);
/* Nobody may open it or put any more; it goes when nobody has it open. */
void dynamic_doom(struct queue *q);
void dynamic_flush(struct engine *e);
/* Temporary queues of before do not outlive a start. */
void dynamic_delete_old(struct engine *e);

/* ---- engine.c ---- */

/* Never used before, by this or any earlier run. */
uint64_t engine_next_number(struct engine *e);
void engine_refresh(struct engine *e); /* the queue manager's attributes */

/* ---- check.c ---- */

/* Aborts if a rule of ARCHITECTURE.md does not hold. */
void engine_check(const struct engine *e);

#endif
