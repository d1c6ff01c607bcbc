/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_int.h - what the files of the engine share: its structures, and per
 * file the functions that the others call.  Loop thread only.
 *
 * Who owns what: the engine owns queues, sessions and batches; a queue its
 * entries and loads; a session its handles, units, deliveries and incoming
 * puts; a handle its getters.  An entry that is LOCKED is on the list of one
 * unit, one handle (read-ahead, stream) or one delivery, and is never freed.
 */
#ifndef MQ_ENGINE_ENGINE_INT_H
#define MQ_ENGINE_ENGINE_INT_H

#include <uthash.h>

#include "base/loglimit.h"
#include "base/pool.h"
#include "base/tailq.h"
#include "base/tree.h"
#include "proto/desc.h"
#include "proto/dlh.h"
#include "proto/frame.h"
#include "proto/local.h"
#include "proto/selector.h"
#include "qmgr/engine/authorize.h"
#include "qmgr/engine/engine.h"
#include "qmgr/engine/monitor.h"
#include "qmgr/engine/object.h"
#include "qmgr/engine/position.h"
#include "qmgr/engine/route.h"
#include "qmgr/engine/trigger.h"

#define ENGINE_SEQ_BITS 40u
#define ENGINE_LAZY_US 10000u /* removals wait this long for company */
/* A store that commits a batch at once holds a page or more for each record,
 * however small: past this many no more requests are read. */
#define ENGINE_BATCH_RECORDS 4096u
#define ENGINE_EAGER_BYTES 1048576u /* a batch of this size goes at once */
/* So many batches in a row that were alone, of so few records: somebody puts
 * one message at a time.  A crowd's are alone by chance. */
#define ENGINE_ALONE_BATCHES 8u
#define ENGINE_ALONE_RECORDS 2u
/* So long after them batches of many puts are parted here. */
#define ENGINE_PART_US 100000u
#define ENGINE_PART_BYTES 65536u
/* What is durable but not applied costs memory: its bytes of records, and an
 * entry for each.  Behind half of the bound the store is asked to hurry. */
#define ENGINE_UNAPPLIED_MAX 50331648u
#define ENGINE_ENTRY_COST 256u
/* A session that puts a large message goes on while less than EAGER waits to
 * be handed over, and less than this is not applied. */
#define ENGINE_PACE_UNAPPLIED(e) ((e)->config.unapplied_bytes / 4 * 3)
#define UNAPPLIED_PART 524288u /* bytes of records, or more, in a run */
/* one is not full, and the bound may be passed by what was under way */
#define UNAPPLIED_PARTS \
	(1 + (ENGINE_UNAPPLIED_MAX + 4 * STORE_BATCH_MAX) / UNAPPLIED_PART)
#define ENGINE_PIECES_PER_LOAD 4u
#define ENGINE_MAX_GETTERS 65536u  /* waiting gets of one session */
#define ENGINE_MAX_HANDLES 65536u  /* of one session */
#define ENGINE_MAX_INCOMING 4096u  /* puts whose pieces come */
#define ENGINE_MAX_UNITS 4096u     /* of one session */
#define ENGINE_MAX_POSITIONS 1024u /* of one certificate */
#define ENGINE_WINDOW_MSGS 65536u  /* of one handle: unacknowledged */
#define ENGINE_WINDOW_BYTES 67108864u
#define ENGINE_UNIT_RECORDS 7340032u /* bytes of a unit's records at commit */
#define ENGINE_NEVER UINT64_MAX
/* freed entries, deliveries, getters and waiting replies kept, of each */
#define ENGINE_POOL 2048u

/* ---- messages and their places ---- */

/* A record_key without its queue. */
struct place {
	uint8_t rank;
	uint64_t seq;
};

#define PLACE_START ((struct place){0, 0})
#define PLACE_END ((struct place){UINT8_MAX, UINT64_MAX})

struct msg {
	struct mqref *data; /* descriptor, then body; or NULL */
	uint64_t body_id;
	uint64_t body_pos; /* batch of its PUT record; 0: loaded, or none */
	uint32_t desc_len;
	uint32_t body_len;
	uint32_t body_crc;
	uint32_t backout_count;
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint64_t put_us;      /* engine.clock_us; 0: not known */
	uint64_t deadline_ms; /* engine.clock_us; 0: never expires */
	struct mqref *head; /* without data: the descriptor, if it can be had */
	bool coa;           /* asks for a report when it has arrived, */
	bool cod;           /* when it has been delivered */
	bool persistent;
	bool in_store;   /* a PUT record tells the store of it */
	bool staged;     /* its bytes are in the store in pieces */
	int8_t priority; /* of one that is put; not of one that is loaded */
	uint8_t rated;   /* enum msg_rated, by TRIGMPRI: trigger.c */
};

enum entry_state {
	ENTRY_AVAILABLE,
	ENTRY_LOCKED,
	ENTRY_REMOVED, /* tombstone */
	ENTRY_DAMAGED, /* set aside */
};

enum entry_list { ENTRY_UNLISTED, ENTRY_TOUCHED, ENTRY_HELD };

TAILQ_HEAD(entry_list_head, entry);

/* What every message's way needs stands together. */
struct entry {
	RB_ENTRY(entry) node;      /* queue.tree */
	RB_ENTRY(entry) free_node; /* queue.available */
	struct queue *q;
	struct delivery *d; /* that reads it while it is locked */
	struct place place;
	enum entry_state state;
	enum entry_list list;
	bool settled;   /* available, and the store shows it as it is */
	uint64_t pos;   /* what it reveals */
	uint64_t touch; /* batch of the last record about it */
	uint64_t token; /* read-ahead: given to the client */
	struct entry_list_head *owner;
	TAILQ_ENTRY(entry) owned;   /* its locker's list, or none */
	TAILQ_ENTRY(entry) touched; /* engine.touched or queue.held */
	struct msg m;
	RB_ENTRY(entry) settled_node; /* queue.settled */
	RB_ENTRY(entry) msg_node; /* queue.by_msg, if the queue is indexed */
	RB_ENTRY(entry) correl_node;
};

MQ_RB_HEAD(entry_tree, entry);
MQ_RB_HEAD(entry_free_tree, entry);
RB_HEAD(entry_settled_tree, entry);
RB_HEAD(entry_msg_tree, entry);
RB_HEAD(entry_correl_tree, entry);

/* What a load has shown: everything in (from, to] is in the tree. */
struct find_span {
	struct place from;
	struct place to;
};

/* ---- queues ---- */

RB_HEAD(getter_id_tree, getter);
RB_HEAD(getter_timer_tree, getter);
TAILQ_HEAD(getter_list, getter);
TAILQ_HEAD(load_list, load);
TAILQ_HEAD(handle_list, handle);

struct queue_attrs {
	bool put_ok;
	bool get_ok;
	bool fifo;
	bool is_xmit;
	bool exclusive; /* NOSHARE */
	bool def_exclusive;
	bool persistent;
	int8_t priority;
	uint64_t max_depth;
	uint32_t max_msg_len;
	uint32_t backout_threshold; /* 0: none */
	int32_t cap_expiry;         /* tenths of a second; 0: none */
};

struct queue {
	UT_hash_handle hh; /* engine.queues, by id */
	struct engine *e;
	uint64_t id;
	const struct engine_object *object;
	struct queue_attrs attr;
	struct entry_tree tree;
	struct entry_free_tree available;
	struct entry_settled_tree settled; /* what may leave */
	struct entry_msg_tree by_msg;      /* available ones, once asked for */
	struct entry_correl_tree by_correl;
	bool indexed;
	/* Every message at or before `known` that exists is in the tree, and
	 * every one in (span_from, span_to]. */
	struct place known;
	struct place span_from;
	struct place span_to;
	/* Tombstones up to gone_place were forgotten before the store knows
	 * it: it does when gone_pos is applied. */
	struct place gone_place;
	uint64_t gone_pos;
	uint64_t depth; /* visible messages, locked ones included */
	uint64_t bytes;
	uint64_t n_live; /* entries that are not removed */
	uint64_t n_available;
	uint64_t n_settled;
	uint64_t settled_bytes;
	uint64_t last_seq;
	uint64_t pos;                /* highest position of a change */
	struct entry_list_head held; /* settled ones that a load keeps here */
	struct load_list loads;
	struct load *prefix_load;
	struct getter_list any; /* FIFO */
	struct getter_id_tree by_id;
	struct getter_list readers;   /* browsers, cursors, streams */
	struct getter_list selecting; /* all with a selector: select.c */
	uint64_t n_hurried;           /* getters in `any` that do not wait */
	uint32_t n_searching;
	struct handle_list watchers;
	uint32_t n_open; /* handles, until their last delivery is sent */
	uint32_t open_input;
	uint32_t open_output;
	bool open_exclusive;
	uint64_t uncommitted_puts;
	uint64_t uncommitted_gets; /* locked, or removed and not yet sent */
	uint64_t last_put_ms;
	uint64_t last_get_ms;
	bool is_dynamic;
	bool is_doomed; /* temporary, its maker is gone: goes when unused */
	TAILQ_ENTRY(queue) doomed;
	bool poison_stays; /* the log was told that there is no place for it */
	bool damaged;
	uint32_t damage_reports; /* getters to be told 2101 */
	struct stream *stream;
	bool told_work;          /* of a transmission queue without a sender */
	struct trigger *trigger; /* NULL: none */
	TAILQ_ENTRY(queue) trim;
	bool trim_queued;
};

TAILQ_HEAD(queue_list, queue);

enum load_why { LOAD_PREFIX, LOAD_SPAN, LOAD_ID, LOAD_BODY };

/* The engine's side of a store_load under way. */
struct load {
	TAILQ_ENTRY(load) link; /* queue.loads; not LOAD_BODY */
	LIST_ENTRY(load) all;   /* engine.loads */
	enum load_why why;
	struct queue *q;       /* NULL: the queue is gone */
	struct getter *getter; /* who asked; NULL: nobody waits */
	struct delivery *d;
	uint64_t floor; /* it shows at least this batch */
	struct place after;
};

/* A body that deliveries read from the store in pieces. */
struct body {
	UT_hash_handle hh; /* engine.bodies, by id */
	uint64_t id;
	uint32_t readers;
	bool removed; /* RELEASE it when the last reader is done */
};

/* ---- sessions ---- */

enum getter_kind {
	GETTER_GET,
	GETTER_AHEAD,
	GETTER_BROWSE,
	GETTER_CURSOR,
	GETTER_STREAM,
	GETTER_LOOKOUT, /* of who watches with a selector; takes nothing */
};

enum getter_where {
	GETTER_NOWHERE,
	GETTER_ANY,
	GETTER_BY_ID,
	GETTER_READERS,
	GETTER_STALLED,
	/* with a selector: */
	GETTER_WALKING, /* goes on in the next turn */
	GETTER_WAITING, /* nothing that it has been offered fits */
};

struct getter {
	TAILQ_ENTRY(getter) link; /* by `where` */
	RB_ENTRY(getter) id_node;
	RB_ENTRY(getter) timer;
	LIST_ENTRY(getter) of_handle;
	UT_hash_handle hh; /* session.getters, by request id; GET only */
	struct handle *h;
	struct queue *q;
	enum getter_kind kind;
	enum getter_where where;
	uint32_t id;
	uint32_t unit;
	uint32_t options;
	uint32_t max_len;
	bool match_msg;
	bool match_correl;
	bool hurried; /* does not wait, or not any longer */
	bool timed;
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint64_t deadline; /* mono_us */
	uint64_t arrival;
	struct load *load; /* its own, by id or from a cursor */
	/* what the loads of this search have shown together; as long as it
	 * goes on, nothing is evicted */
	struct find_span shown;
	bool searching;
	bool selects;                    /* with a selector */
	TAILQ_ENTRY(getter) select_link; /* queue.selecting */
	struct place behind;             /* what it wants lies behind this */
	struct place looked;             /* and nothing that fits up to here */
};

LIST_HEAD(getter_owned, getter);
TAILQ_HEAD(lane, delivery);
TAILQ_HEAD(delivery_list, delivery);
TAILQ_HEAD(mark_list, mark);
TAILQ_HEAD(gated_list, gated);

/* Something that waits for a batch to be durable. */
enum gated_kind { GATED_REPLY, GATED_HANDLE };

struct gated {
	TAILQ_ENTRY(gated) link;
	struct batch *batch; /* NULL: not waiting */
	enum gated_kind kind;
};

/* A reply that waits, with a copy of what it points to. */
struct pending {
	struct gated gate;
	TAILQ_ENTRY(pending) of_session;
	struct engine_session *s;
	struct engine_reply r;
	void *copy; /* or NULL */
};

TAILQ_HEAD(pending_list, pending);

/* A reply that was given and is not yet in the socket. */
struct mark {
	TAILQ_ENTRY(mark) link;
	struct delivery *d;
	uint64_t index;
	bool is_piece; /* allocated by itself */
};

enum delivery_kind {
	DELIVERY_GET,    /* gone when sent; comes back if not */
	DELIVERY_LOCKED, /* a unit, read-ahead or a stream holds it */
	DELIVERY_LOOK,   /* browse, or cut short */
};

enum delivery_state {
	DELIVERY_LOADING,
	DELIVERY_READY,
	DELIVERY_GIVING, /* the header is given, pieces follow */
	DELIVERY_GIVEN,
};

struct delivery {
	TAILQ_ENTRY(delivery) in_lane;
	TAILQ_ENTRY(delivery) of_session;
	TAILQ_ENTRY(delivery) wait_applied;
	struct handle *h;
	struct queue *q;
	struct entry *x; /* locked by us or our unit; NULL: not any more */
	enum delivery_kind kind;
	enum delivery_state state;
	uint32_t id;
	enum mqi_err reason;
	uint64_t token;
	uint64_t previous;
	uint64_t pos;
	struct place place;
	struct msg m;
	uint32_t sent_len;
	bool removed;    /* REMOVE was written: put it back if not sent */
	bool waits;      /* on engine.wait_applied */
	bool from_store; /* pieces come from the store */
	struct body *body;
	struct load *load;
	struct mqref *pieces[ENGINE_PIECES_PER_LOAD];
	uint32_t pieces_first; /* number of pieces[0], from 1 */
	uint32_t n_pieces;
	uint32_t next_piece; /* to give, from 1 */
	uint32_t last_piece;
	uint32_t marks; /* outstanding */
	uint32_t cost;
	struct mark mark;
};

struct handle {
	UT_hash_handle hh; /* session.handles */
	uint32_t id;
	struct engine_session *s;
	struct queue *q;
	struct route route; /* queue and opened are kept true */
	uint32_t options;
	char *alternate;             /* the user it was opened as, or NULL */
	struct mqselector *selector; /* or NULL: every message is wanted */
	bool input;
	bool exclusive;
	bool closed;
	bool made_queue; /* q is temporary, and ends with this */
	bool async_failed;
	struct stamp_memory *stamped; /* the last put, or NULL */
	struct getter_owned getters;
	struct lane lane;
	struct gated gate;
	uint32_t n_deliveries;
	/* browse */
	bool has_cursor;
	struct place cursor;
	/* watch */
	TAILQ_ENTRY(handle) watch;
	bool watching;
	bool watch_told;
	bool watch_missed;      /* a get found nothing since it was told */
	struct getter *lookout; /* with a selector: finds what to tell of */
	bool found;
	struct place found_at;
	uint64_t event_pos;
	/* read-ahead and stream: delivered, in order, not acknowledged */
	struct getter *reader;
	struct entry_list_head ahead;
	uint32_t ahead_msgs;
	uint64_t ahead_bytes;
	uint32_t window_msgs;
	uint32_t window_bytes;
	uint64_t last_token;
	uint64_t ack_pos;
	bool is_stream;
	uint64_t stream_next; /* numbers above this are to be handed out */
	uint64_t stream_previous;
	uint32_t stream_limit; /* bytes of a body; 0: any */
	/* The message that was handed out although it is longer, to be put
	 * elsewhere; nothing is handed out behind it.  0: none. */
	uint64_t stream_held;
	uint32_t stream_unit; /* that removes it; 0: none */
	uint64_t stream_pos;  /* of the last such removal */
};

struct unit_put {
	TAILQ_ENTRY(unit_put) link;
	struct queue *q;
	struct entry *x; /* at commit */
	uint8_t rank;
	struct msg m;
};

TAILQ_HEAD(unit_put_list, unit_put);

struct unit {
	UT_hash_handle hh; /* session.units */
	struct engine *e;
	uint32_t id;
	uint32_t number; /* in records */
	bool dead;       /* backed out by the queue manager */
	bool staged;     /* STAGE records were written */
	bool triggers;   /* a queue that it puts on has a trigger */
	struct unit_put_list puts;
	struct entry_list_head gets;
	uint32_t n_msgs;
	uint32_t n_incoming;
	uint32_t n_getters; /* gets that wait in it */
	uint64_t bytes;     /* bodies kept in memory */
	uint64_t records;   /* bytes of records at commit */
	bool has_position;
	struct mqlocal_unit_position position;
	uint32_t stream; /* handle whose held message it removes; 0: none */
};

/* A large put whose pieces come. */
struct incoming {
	UT_hash_handle hh; /* session.incoming, by request id */
	uint32_t id;
	struct handle *h;  /* NULL: failed, or closed: swallow */
	struct unit *unit; /* NULL: stands by itself */
	uint32_t number;   /* of the unit in records */
	bool async;
	uint8_t rank;
	struct msg m;
	uint32_t crc;  /* of what has come */
	uint32_t left; /* bytes */
	uint32_t next_piece;
	struct engine_reply done;
};

struct engine_session {
	LIST_ENTRY(engine_session) all;
	struct engine *e;
	void *cookie;
	struct engine_identity who;
	struct handle *handles;
	struct handle *recent; /* of handles: the last one found, or NULL */
	struct unit *units;
	struct getter *getters;
	struct incoming *incoming;
	struct delivery_list deliveries;
	struct pending_list pending;
	struct mark_list marks;
	struct getter_list stalled;
	uint64_t given;
	uint64_t sent;
	uint64_t out_used;
	uint32_t last_handle;
	uint32_t n_handles;
	size_t selector_bytes;
	bool ended;
};

LIST_HEAD(session_list, engine_session);

/* ---- streams, positions ---- */

struct stream {
	struct record_stream state;
	uint64_t handed;        /* may be in doubt up to it */
	uint64_t given;         /* to whomever, ever */
	uint64_t discarded;     /* nothing at or below it is left */
	struct handle *sender;  /* NULL: nobody sends */
	struct monitor monitor; /* since it was opened */
	bool dirty;             /* acked moved since the last STREAM record */
	TAILQ_ENTRY(stream) link;
	struct queue *q;
};

TAILQ_HEAD(stream_list, stream);

/* ---- batches, the engine ---- */

struct batch {
	TAILQ_ENTRY(batch) link;
	uint64_t number;
	struct store_batch *records; /* NULL once it was submitted */
	size_t len;
	uint32_t n_records;
	uint64_t since; /* mono_us of its first record */
	bool wanted;    /* somebody waits for it */
	struct gated_list gated;
};

TAILQ_HEAD(batch_list, batch);
TAILQ_HEAD(offer_list, offer);
TAILQ_HEAD(trigger_list, trigger);
TAILQ_HEAD(wait_applied_list, delivery);
LIST_HEAD(all_loads, load);

struct engine {
	struct engine_config config;
	const struct engine_ops *ops;
	void *ctx;
	struct store *store;
	struct object_table *objects;
	struct authority *authority;
	struct mqloglimit lost_reports; /* their lines in the log */
	struct mqloglimit refusals;     /* their lines in the log */
	const struct engine_object *qmgr;
	struct queue *queues;
	struct session_list sessions;
	struct position *positions;
	uint64_t last_fence; /* of those that were forgotten in this run */
	struct body *bodies;
	uint8_t qmid[16];
	bool has_qmid;
	bool has_name;
	uint64_t epoch;
	uint64_t counter;
	uint32_t next_unit;
	uint64_t arrivals;
	uint64_t random;
	uint64_t mono_us;
	uint64_t wall_us;
	uint64_t clock_us; /* the queue manager's own: expire.c */
	/* Not yet durable, oldest first; the last one is filling.  `flushing`
	 * is the first one if it was submitted. */
	struct batch_list batches;
	struct batch *flushing;
	uint64_t durable;
	uint64_t applied;
	uint64_t ready_at;

	struct {
		uint64_t number; /* of its last one */
		size_t len;
	} unapplied[UNAPPLIED_PARTS]; /* ring of runs of durable batches */

	unsigned unapplied_first;
	unsigned n_unapplied;
	size_t unapplied_bytes; /* their cost */
	size_t queued_bytes;    /* of batches not durable */
	size_t usual_batch;     /* bytes that the next one will likely have */
	uint64_t part_until;    /* mono_us: batches stay small */
	unsigned n_alone;       /* batches in a row */
	uint64_t objects_pos;
	uint64_t object_changes;        /* how often */
	struct entry_list_head touched; /* by touch */
	struct queue_list trims;
	struct queue_list doomed; /* by their `doomed` */
	uint32_t n_dynamic;       /* queues that models made */
	struct wait_applied_list wait_applied;
	struct all_loads loads;
	struct getter_timer_tree timers;
	struct getter_list walking; /* with a selector, in the next turn */
	uint32_t n_walking;
	uint32_t select_left; /* of this turn's time for them */
	struct stream_list dirty_streams;
	struct offer_list offers;     /* reports that nobody was offered yet */
	struct trigger_list triggers; /* of all queues */
	struct trigger_list due;      /* those to be looked at */
	bool triggering;              /* trigger messages are being put */
	uint64_t trigger_us;          /* TRIGINT */
	uint64_t np_used;
	uint64_t max_msg_len;
	uint64_t max_unit_msgs;
	uint32_t hop_limit;
	bool quiescing;
	bool stopping;
	uint32_t n_units;
	struct mqbuf scratch;
	struct mqpool entries;
	struct mqpool deliveries;
	struct mqpool getters;
	struct mqpool pendings;
	enum mqi_err catalog_err;
};

/* ---- stamp.c ---- */

/* What a put's descriptor says, and what was made of it. */
struct stamp_result {
	bool persistent;
	int8_t priority;
	uint8_t rank;
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint64_t deadline_ms;
	bool is_trace;
	bool coa;
	bool cod;
	bool may_report; /* the queue manager may put a report about it */
};

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
/* A channel's agent opens or has opened the dead-letter queue. */
bool session_dead_letters(
    const struct engine_session *s, const struct route *r);
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

#include "qmgr/engine/report.h"
#include "qmgr/engine/stream.h"

#endif
