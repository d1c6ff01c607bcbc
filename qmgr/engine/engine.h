/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - the queue manager's logic as a deterministic state machine: no
 * descriptor, no clock, no LMDB, no thread, no lock.  In: requests, ticks,
 * the store's answers, a session's end.  Out: replies, batches, loads, and
 * "this transmission queue has work".  The one exception: damage that it finds
 * and what it refuses for want of authority are written to the log
 * (base/log.h) where they are found.
 *
 * Positions.  A position is a batch number.  Everything that the engine says
 * carries the highest position that it reveals, and is handed to ops->reply
 * only when that position is durable.  Replies to one session are handed out
 * in an order that never lets deliveries on one handle overtake each other.
 *
 * Threads: all on the loop thread.  ops are called from within engine_ calls
 * and must not call back into the engine.
 */
#ifndef MQ_ENGINE_ENGINE_H
#define MQ_ENGINE_ENGINE_H

#include <mq/mqi.h>

#include "base/average.h"
#include "base/ref.h"
#include "proto/attr.h"
#include "qmgr/engine/authority.h"
#include "qmgr/store/store.h"

struct engine;
struct engine_session;

enum engine_reply_kind {
	ENGINE_RESULT, /* of anything without a reply of its own, or failed */
	ENGINE_OPENED,
	ENGINE_PUT_DONE,
	ENGINE_PUTS_DONE, /* of BRIEF puts: engine_sent() does not count it */
	ENGINE_MESSAGE,
	ENGINE_PIECE,
	ENGINE_INQUIRED,
	ENGINE_READY,
	ENGINE_POSITION,
	ENGINE_STREAM,
	ENGINE_EXTERNAL, /* bytes of the caller's: engine_reply_external() */
};

struct engine_reply {
	enum engine_reply_kind kind;
	uint32_t id; /* of the request; 0 for events */
	enum mqi_err reason;
	uint32_t handle;
	uint64_t token;   /* RESULT of an ack; MESSAGE */
	const char *text; /* RESULT: for a person, or NULL */

	union {
		struct {
			const char *resolved_name;
			const char *resolved_qmgr;
			uint32_t max_msg_len;
		} opened;

		struct {
			uint8_t msg_id[MQI_ID_LEN];
			int8_t priority;
			bool persistent;
			uint64_t put_time_ms;
		} put;

		struct {
			const uint32_t *ids; /* of the requests */
			uint32_t n;
		} puts;

		struct {
			uint64_t previous; /* stream */
			uint64_t body_id;
			uint32_t body_crc;
			uint32_t body_len;
			uint32_t sent_len;
			uint32_t backout_count;
			/* data: descriptor, then the body if it is inline:
			 * desc_len bytes and sent_len bytes.  If not inline,
			 * PIECE replies with the same id follow. */
			struct mqref *data;
			uint32_t desc_len;
			bool inlined;
		} message;

		struct {
			struct mqref *data;
			uint32_t len; /* the first len bytes of data */
		} piece;
		const struct mqi_queue_info *info;
		bool ready;
		struct mqref *external;

		struct {
			uint64_t position;
			uint64_t fence;
			uint8_t incarnation[16];
		} position;
		const struct mqlocal_stream_ok *stream;
	} u;
};

struct engine_ops {
	/* The reply and what it points to live until the call returns; take
	 * a reference to an mqref to keep it. */
	void (*reply)(
	    void *ctx, void *session_cookie, const struct engine_reply *r);
	void (*submit)(void *ctx, struct store_batch *b); /* takes b */
	/* Something waits for applied(number). */
	void (*hurry)(void *ctx, uint64_t number);
	void (*load)(void *ctx, struct store_load *l); /* takes l */
	/* A transmission queue has a message and nobody sends from it. */
	void (*stream_work)(void *ctx, const char *queue);
	/* What the host knows of users; either may be NULL: nothing. */
	authority_groups_fn groups;
	bool (*is_owner)(void *ctx, const char *user); /* a name of the owner */
};

struct engine_config {
	char name[MQI_NAME_LEN + 1];
	/* 16 random bytes each: qmid is used if the store has none yet; the
	 * incarnation is new at each start. */
	uint8_t qmid[16];
	uint8_t incarnation[16];
	/* bounds; 0: the default given */
	uint32_t window_rows;  /* headers kept per idle queue: 1,024 */
	uint32_t window_bytes; /* bodies loaded ahead per queue: 1 MiB */
	uint32_t unit_bytes;   /* bodies of a unit kept in memory: 1 MiB */
	uint32_t np_bytes;     /* non-persistent bodies kept: 64 MiB */
	uint32_t out_bytes;    /* unsent deliveries per session: 1 MiB */
	/* cost of what is durable but not applied: 48 MiB, also the most */
	uint32_t unapplied_bytes;
};

/* Reads the store's catalog and raises the epoch: *ret_engine is not ready
 * until engine_is_ready(), after its first batch is durable.
 * Errors: STORE_FORMAT, OBJECT_DAMAGED, NO_MEMORY, Q_MGR_NAME (the store is
 * another queue manager's). */
MQ_MUST_CHECK enum mqi_err engine_new(const struct engine_config *config,
    const struct engine_ops *ops, void *ctx, struct store *store,
    struct engine **ret_engine);
struct engine *engine_free(struct engine *e); /* NULL */
bool engine_is_ready(const struct engine *e);
const uint8_t *engine_qmid(const struct engine *e);

/* Numbers of the last batch that survives a power cut, and of the last one
 * that is where it stays and no longer needed from the journal. */
uint64_t engine_batches_durable(const struct engine *e);
uint64_t engine_batches_applied(const struct engine *e);
/* Asks the store to apply what is durable now; does not wait. */
void engine_checkpoint(struct engine *e);

/* ---- time and the store ---- */

/* Time goes on: waits that end, deferred batches.  mono_us never steps back;
 * wall_us is for stamps.  To be called at the start of each loop turn. */
void engine_tick(struct engine *e, uint64_t mono_us, uint64_t wall_us);
/* When engine_tick() is next needed, mono_us; UINT64_MAX: no need. */
uint64_t engine_next_tick(const struct engine *e);
/* At the end of each loop turn: hands the batch to the store if none is being
 * flushed and it holds something that somebody waits for. */
void engine_turn_end(struct engine *e);
/* Said while a batch is submitted: whether it is all that anybody has asked for
 * since the last one.  After some in a row batches stay small for a while, so
 * that who puts one message at a time waits for little else, in the journal and
 * in a checkpoint. */
void engine_alone(struct engine *e, bool alone);
void engine_durable(struct engine *e, uint64_t number);
void engine_applied(struct engine *e, uint64_t number);
void engine_loaded(struct engine *e, struct store_load *l); /* takes l */
/* False while requests must not be read from sockets: too much is ahead of
 * the store.  Becomes true again by a call of durable or applied. */
bool engine_accepts(const struct engine *e);
/* The same for the requests of one session: one that puts a large message is
 * stopped earlier, so that others' small batches are not behind its pieces. */
bool engine_accepts_from(
    const struct engine *e, const struct engine_session *s);

/* Clean stop.  New gets and opens give Q_MGR_STOPPING; waiting gets end.
 * immediate: open units are backed out now; else they may be ended. */
void engine_quiesce(struct engine *e, bool immediate);
/* No unit open, nothing undurable. */
bool engine_is_drained(const struct engine *e);

/* ---- sessions ---- */

struct engine_identity {
	char user[AUTHORITY_NAME_LEN + 1];
	/* of the process, by the kernel's word; "" none, or not local */
	char group[AUTHORITY_NAME_LEN + 1];
	char app_name[28 + 1];
	bool is_owner; /* may do everything */
	bool is_agent;
	/* agents: on whose behalf; "" nobody */
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char address[64 + 1];
};

struct engine_session *engine_session_new(
    struct engine *e, void *cookie, const struct engine_identity *who);
/* Who it is; valid until the session's end. */
const struct engine_identity *engine_session_identity(
    const struct engine_session *s);
/* The client is gone: open units are backed out, unacknowledged messages
 * return, deliveries not reported by engine_sent() are compensated.  No reply
 * to the session follows. */
void engine_session_end(struct engine *e, struct engine_session *s);
/* The next n replies given for this session, in the order given, are wholly
 * in the socket. */
void engine_sent(struct engine *e, struct engine_session *s, uint32_t n);

/* ---- who may do what (authority.h) ---- */

/* Whether it has all of the rights on the object. */
bool engine_may(struct engine *e, const struct engine_identity *who,
    enum authority_type type, const char *name, uint32_t rights);
/* The same, and what is refused is written to the log; ret_why then gets a
 * sentence.  Errors: NOT_AUTHORIZED. */
MQ_MUST_CHECK enum mqi_err engine_authorize(struct engine *e,
    const struct engine_identity *who, enum authority_type type,
    const char *name, uint32_t rights, char *ret_why, size_t why_len);
/* Whether a record (of an AUTHREC object) is the user's or one of its
 * groups'. */
bool engine_record_is_of(
    struct engine *e, const char *user, const struct mqattr_set *record);
/* Groups may have changed: they are asked for anew. */
void engine_authority_changed(struct engine *e);

/* ---- requests ----
 * Each is answered by exactly one reply with its id, but for: ack with id 0,
 * consume (only failures, with its id; success: RESULT), stream_ack,
 * stream_credit, stream_limit (never).  A handle that does not exist gives
 * HOBJ. Structures are those of the local protocol, checked already as bytes.
 */

struct mqlocal_get;
struct mqlocal_open_select;
struct mqlocal_open_topic;
struct mqlocal_subscribe;
struct mqlocal_stream_ok;
struct mqlocal_stream_remove;
struct mqlocal_unit_position;
struct mqlocal_position_open;

void engine_open(struct engine *e, struct engine_session *s, uint32_t id,
    const char *object, const char *qmgr, uint32_t options);
/* As another user, whose rights count and whose name messages carry. */
void engine_open_as(struct engine *e, struct engine_session *s, uint32_t id,
    const char *object, const char *qmgr, uint32_t options, const char *user);
/* With a selector: gets, browses, read-ahead and watching see what fits alone.
 * Its user may be "": nobody else. */
void engine_open_select(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_open_select *req);
/* A handle that publishes. */
void engine_open_topic(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_open_topic *req);
/* A handle that stands for a subscription. */
void engine_subscribe(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_subscribe *req);
void engine_unsubscribe(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle);
/* NO_MSG_LOCKED: nothing is locked by browsing on the handle. */
void engine_browse_unlock(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle);
void engine_close(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle);
void engine_inquire(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t handle);

struct engine_put {
	uint32_t handle;
	uint32_t unit;
	uint16_t flags; /* MQLOCAL_PUT_ */
	uint32_t body_crc;
	uint32_t body_len; /* whole */
	const void *desc;
	uint32_t desc_len;
	const void *body; /* body_len bytes, or NULL: pieces follow */
};

/* PROTOCOL is returned, and the session must be ended, if pieces are announced
 * under an id whose pieces still come, or for too many puts at once. */
MQ_MUST_CHECK enum mqi_err engine_put(struct engine *e,
    struct engine_session *s, uint32_t id, const struct engine_put *req);
/* Piece of the put `id`.  PROTOCOL is returned, and the session must be
 * ended, if it was not announced or has the wrong length. */
MQ_MUST_CHECK enum mqi_err engine_put_piece(struct engine *e,
    struct engine_session *s, uint32_t id, const void *data, uint32_t len);

void engine_get(struct engine *e, struct engine_session *s, uint32_t id,
    const struct mqlocal_get *req);
void engine_cancel_get(struct engine *e, struct engine_session *s, uint32_t id);
void engine_consume(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, uint32_t max_msgs, uint32_t max_bytes);
void engine_ack(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, uint64_t token);
void engine_watch(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, bool on);

void engine_commit(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t unit);
void engine_backout(
    struct engine *e, struct engine_session *s, uint32_t id, uint32_t unit);

void engine_position_open(struct engine *e, struct engine_session *s,
    uint32_t id, const struct mqlocal_position_open *req);
void engine_unit_position(struct engine *e, struct engine_session *s,
    uint32_t id, const struct mqlocal_unit_position *req);

void engine_stream_open(
    struct engine *e, struct engine_session *s, uint32_t id, const char *queue);
void engine_stream_bind(struct engine *e, struct engine_session *s, uint32_t id,
    uint32_t handle, const uint8_t qmid[16], const char *identity);
void engine_stream_credit(struct engine *e, struct engine_session *s,
    uint32_t handle, uint32_t max_msgs, uint32_t max_bytes, uint64_t after);
void engine_stream_ack(struct engine *e, struct engine_session *s,
    uint32_t handle, uint64_t number);
void engine_stream_limit(struct engine *e, struct engine_session *s,
    uint32_t handle, uint32_t max_msg_len);
void engine_stream_remove(struct engine *e, struct engine_session *s,
    uint32_t id, const struct mqlocal_stream_remove *req);

/* ---- objects (administration) ----
 * These act at once and return the reason; what they changed is durable at
 * *ret_pos (0: already), which the caller gives to engine_reply_external(). */

struct engine_object {
	enum mqattr_object type;
	char name[MQI_NAME_LEN + 1];
	struct mqattr_set *attrs;
	uint64_t id;
};

const struct engine_object *engine_object_find(
    const struct engine *e, enum mqattr_object type, const char *name);
/* The next object of the type in order of name; prev NULL: the first. */
const struct engine_object *engine_object_next(const struct engine *e,
    enum mqattr_object type, const struct engine_object *prev);
/* Creates or replaces.  attrs is copied.  A name is unique among all queue
 * types.  Errors: OBJECT_IN_USE, OBJECT_TYPE (the name is another type's),
 * Q_NOT_EMPTY (USAGE changed). */
MQ_MUST_CHECK enum mqi_err engine_object_set(struct engine *e,
    enum mqattr_object type, const char *name, const struct mqattr_set *attrs,
    uint64_t *ret_pos);
/* Errors: UNKNOWN_OBJECT, OBJECT_IN_USE, Q_NOT_EMPTY (unless purge). */
MQ_MUST_CHECK enum mqi_err engine_object_delete(struct engine *e,
    enum mqattr_object type, const char *name, bool purge, uint64_t *ret_pos);
/* Errors: UNKNOWN_OBJECT, OBJECT_IN_USE (open or handed out). */
MQ_MUST_CHECK enum mqi_err engine_queue_clear(
    struct engine *e, const char *name, uint64_t *ret_pos);

/* Before a SUB object is set: its TOPICSTR is made whole, what it needs is
 * there, and a managed one has a queue.  ret_why gets a sentence.  Errors:
 * TOPIC_STRING_ERROR, UNKNOWN_OBJECT, ATTRIBUTE, SUB_INHIBITED,
 * DURABILITY_NOT_ALLOWED, RESOURCE_PROBLEM, and the selector's. */
MQ_MUST_CHECK enum mqi_err engine_sub_prepare(
    struct engine *e, struct mqattr_set *attrs, char *ret_why, size_t why_len);
/* One that is managed takes over the queue of the one that it replaces, if that
 * is, too, and else has none yet.  old may be NULL. */
void engine_sub_keep(struct mqattr_set *attrs, const struct mqattr_set *old);
/* It is new: it gets what is retained. */
void engine_sub_started(struct engine *e, const char *name);
/* The retained publication of the topic goes.  Errors: TOPIC_STRING_ERROR,
 * NO_RETAINED_MSG, STATE (they are still being read, after a start). */
MQ_MUST_CHECK enum mqi_err engine_topic_clear(
    struct engine *e, const char *topic, uint64_t *ret_pos);

struct engine_sub_status {
	bool active;          /* a handle has it */
	uint64_t n_msgs;      /* since the start */
	uint64_t last_msg_ms; /* wall; 0: none */
	uint64_t resumed_ms;
};

/* o: a SUB that there is. */
void engine_sub_status(const struct engine *e, const struct engine_object *o,
    struct engine_sub_status *ret);

struct engine_pubsub_status {
	uint64_t n_publications; /* since the start */
	size_t n_retained;
	size_t n_subs;
	size_t n_topics; /* levels kept of topics */
};

void engine_pubsub_status(
    const struct engine *e, struct engine_pubsub_status *ret);

/* What holds for a topic, by the objects at and above it. */
struct engine_topic_status {
	const char *topic;
	const char *admin; /* the closest object */
	bool pub;
	bool sub;
	bool durable;
	bool persistent;
	bool use_dlq;
	int8_t priority;
	unsigned pmsg; /* 0 ALL, 1 ALLDUR, 2 ALLAVAIL */
	unsigned npmsg;
	const char *durable_model;
	const char *ndurable_model;
	uint32_t n_publishers; /* handles */
	uint32_t n_subs;       /* of just this string */
	bool retained;
};

typedef void (*engine_topic_fn)(
    void *ctx, const struct engine_topic_status *st);
/* Tells of a topic, or of those that fit a pattern and have an object or a
 * retained publication.  Errors: TOPIC_STRING_ERROR. */
MQ_MUST_CHECK enum mqi_err engine_topics(
    struct engine *e, const char *pattern, engine_topic_fn fn, void *ctx);
/* What publish and subscribe needs, if it is not there. */
void engine_pubsub_create(struct engine *e);

struct engine_queue_status {
	uint64_t depth;
	uint64_t bytes;
	uint32_t open_input;
	uint32_t open_output;
	uint64_t uncommitted; /* puts and gets in open units */
	uint64_t last_put_ms; /* wall; 0 never since start */
	uint64_t last_get_ms;
	uint64_t oldest_age_ms;
	bool damaged;
};

MQ_MUST_CHECK enum mqi_err engine_queue_status(
    const struct engine *e, const char *name, struct engine_queue_status *ret);

/* Where a transmission queue's stream stands, for a person to compare with the
 * partner's position of the same stream. */
struct engine_stream_status {
	uint8_t stream[16];     /* zeros: nothing was ever sent */
	uint64_t acked;         /* the partner has everything up to here */
	uint64_t handed;        /* may have been sent up to here */
	bool in_doubt;          /* messages between the two are on the queue */
	uint8_t bound_qmid[16]; /* zeros: bound to nobody */
	char bound_identity[256 + 1];
	bool is_sending; /* a sender is open */
	/* while one is: of the channel that it has, and what it was given and
	 * has not acknowledged */
	char sender[MQI_CHANNEL_NAME_LEN + 1];
	uint64_t in_flight;
	struct mqaverage on_queue_us; /* of messages that it was given */
	struct mqaverage batch;       /* messages acknowledged at once */
	uint64_t waiting;             /* messages that nobody was given */
};

/* Errors: UNKNOWN_OBJECT, XMIT_Q_USAGE. */
MQ_MUST_CHECK enum mqi_err engine_stream_status(const struct engine *e,
    const char *queue, struct engine_stream_status *ret);

/* How much is to be measured of a channel, by its MONCHL and the queue
 * manager's: "OFF", "LOW", "MEDIUM" or "HIGH". */
const char *engine_channel_monitor(const struct engine *e, const char *channel);

typedef void (*engine_position_fn)(
    void *arg, const struct record_position *position);

/* Each position that partners' streams have reached here. */
void engine_each_position(
    const struct engine *e, engine_position_fn fn, void *arg);

/* Forgets the position of a partner's stream by a person's word, who has seen
 * that it is `number`.  Errors: UNKNOWN_OBJECT, OBJECT_IN_USE (a receiver has
 * it open), POSITION_MOVED (it is another). */
MQ_MUST_CHECK enum mqi_err engine_position_forget(struct engine *e,
    const char *partner, const uint8_t stream[16], uint64_t number,
    uint64_t *ret_pos);

/* Moves or forgets a stream's unacknowledged messages by a person's word.
 * commit: they count as delivered and go; else the binding is dropped and they
 * are sent again to whomever it is bound next.  Errors: UNKNOWN_OBJECT,
 * XMIT_Q_USAGE, OBJECT_IN_USE (a sender is open). */
MQ_MUST_CHECK enum mqi_err engine_stream_resolve(
    struct engine *e, const char *queue, bool commit, uint64_t *ret_pos);

/* Begins a new stream on a transmission queue: the old one's id, binding and
 * numbers are forgotten, and all that is on the queue is sent in the new one.
 * Errors: UNKNOWN_OBJECT, XMIT_Q_USAGE, OBJECT_IN_USE (a sender is open), STATE
 * (acknowledged messages are still being removed). */
MQ_MUST_CHECK enum mqi_err engine_stream_reset(
    struct engine *e, const char *queue, uint64_t *ret_pos);

/* Gives bytes of the caller's to ops->reply when pos is durable. */
void engine_reply_external(struct engine *e, struct engine_session *s,
    uint32_t id, uint64_t pos, struct mqref *bytes);

#endif
