/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_int.h - what the files of the engine share: its structures, and, by
 * engine_fn.h, per file the functions that the others call.  Loop thread only.
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
	bool streams;               /* STREAMQ is not blank */
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
	/* Places that it was taken from meanwhile: RELEASE it so often when
	 * the last reader is done. */
	uint32_t removed;
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
	struct topic_handle *topic;   /* it publishes; else NULL */
	struct sub *sub;              /* it stands for it; else NULL */
	struct stamp_memory *stamped; /* the last put, or NULL */
	struct getter_owned getters;
	struct lane lane;
	struct gated gate;
	uint32_t n_deliveries;
	/* browse */
	bool has_cursor;
	struct place cursor;
	struct entry_list_head locked; /* by a browse: one, or none */
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

/* Where a message goes, and, once it is put, its place there (fanout.h). */
struct fanout_to {
	struct queue *q;
	uint8_t rank;
	struct place place;
};

struct unit_put {
	TAILQ_ENTRY(unit_put) link;
	struct fanout_to *to; /* &one, or allocated */
	uint32_t n_to;
	struct fanout_to one;
	struct msg m;
	struct retained *kept; /* it is a retained publication; else NULL */
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
	uint32_t n_places; /* of its puts, further ones than one of each */
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
	uint8_t *whole;    /* of a publication: descriptor and body; or NULL */
	uint32_t desc_len;
	uint32_t body_len;
	uint16_t flags;
	bool async;
	uint8_t rank;
	struct msg m;
	uint32_t crc;  /* of what has come */
	uint32_t left; /* bytes */
	uint32_t next_piece;
	struct duplicate *copy; /* for the stream queue, or NULL */
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
	/* of the queue manager's own: it is told instead of a client */
	void (*sink)(struct engine_session *s, const struct engine_reply *r);
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
	struct pubsub *pubsub; /* NULL: nobody has used it */
	uint64_t collecting;   /* bytes of publications whose pieces come */
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

#include "qmgr/engine/duplicate.h"
#include "qmgr/engine/engine_fn.h"
#include "qmgr/engine/fanout.h"
#include "qmgr/engine/pubsub.h"
#include "qmgr/engine/report.h"
#include "qmgr/engine/stream.h"

#endif
