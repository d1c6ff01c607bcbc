/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqi.h - libmq: put, get, poll and notify on the queues of a queue manager.
 *
 * Rules that hold for every call:
 *  - The result is an enum mqi_err (mqi_err.h).  Outputs are the last
 *    parameters, named ret_; they are written on MQI_OK and on a warning and
 *    are untouched on a failure.
 *  - Inputs are borrowed until the call returns.
 *  - A connection may be used from several threads at once; each handle,
 *    unit and message by one thread at a time, unless a call says otherwise.
 *  - No call starts a thread, but mqi_notify() with a handler.
 *  - Any call on a connection may return, beside what its comment lists:
 *    MQI_E_INVAL, MQI_E_NO_MEMORY, MQI_E_FORKED,
 *    MQI_E_CONNECTION_BROKEN (a call that changes nothing),
 *    MQI_E_NOT_DONE or MQI_E_UNKNOWN_OUTCOME (a call that changes something),
 *    MQI_E_Q_MGR_STOPPING, MQI_E_PROTOCOL.
 */
#ifndef MQ_MQI_H
#define MQ_MQI_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define MQI_CHECK __attribute__((warn_unused_result))

typedef struct mqi_conn mqi_conn;   /* a connection to a queue manager */
typedef struct mqi_queue mqi_queue; /* an open queue: a handle */
typedef struct mqi_unit mqi_unit;   /* a unit of work */
typedef struct mqi_msg mqi_msg;     /* a message that the library allocated */

#define MQI_WAIT_FOREVER INT64_C(-1)

/* ---- connections ---- */

#define MQI_CONNECT_RECONNECT 0x1u /* reconnect by itself after a 2009 */

struct mqi_connect_opts {
	const char *root;     /* NULL: MQ_ROOT, the user's root, the system's */
	const char *app_name; /* NULL: the program's name; 28 bytes are kept */
	int64_t timeout_ms;   /* whole connect; 0: 10,000 */
	uint32_t flags;
};

/* opts may be NULL.  Errors: Q_MGR_NAME, Q_MGR_NOT_AVAILABLE, NOT_AUTHORIZED,
 * VERSION, Q_MGR_QUIESCING.  Blocks up to the time limit. */
MQI_CHECK enum mqi_err mqi_connect(
    const char *qmgr, const struct mqi_connect_opts *opts, mqi_conn **ret_conn);

/* Ends the connection and frees it with all its handles and units; open units
 * are backed out.  NULL is allowed.  Waits for what was put asynchronously and
 * for acknowledgements sent; returns the first failure among them. */
enum mqi_err mqi_disconnect(mqi_conn *conn);

/* After MQI_E_CONNECTION_BROKEN, NOT_DONE or UNKNOWN_OUTCOME: connects again
 * and opens the handles again.  Units of work in flight are gone: calls on
 * them give MQI_E_BACKED_OUT.  Errors as mqi_connect() and mqi_open(). */
MQI_CHECK enum mqi_err mqi_reconnect(mqi_conn *conn, int64_t timeout_ms);

/* The sentence for a person that belongs to the last failure on this
 * connection in this thread; "" if none.  Valid until the next call. */
const char *mqi_last_error(const mqi_conn *conn);

/* The name of the queue manager that answered.  Valid until disconnect. */
const char *mqi_qmgr_name(const mqi_conn *conn);

/* ---- handles ---- */

/* options of mqi_open: IBM's MQOO_ values */
#define MQI_OO_INPUT_AS_Q_DEF 0x1u
#define MQI_OO_INPUT_SHARED 0x2u
#define MQI_OO_INPUT_EXCLUSIVE 0x4u
#define MQI_OO_BROWSE 0x8u
#define MQI_OO_OUTPUT 0x10u
#define MQI_OO_INQUIRE 0x20u

/* object_qmgr may be NULL or "": this queue manager.
 * Errors: UNKNOWN_OBJECT, UNKNOWN_OBJECT_Q_MGR, UNKNOWN_REMOTE_Q_MGR,
 * UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, UNKNOWN_XMIT_Q, UNKNOWN_DEF_XMIT_Q,
 * XMIT_Q_TYPE, XMIT_Q_USAGE, DEF_XMIT_Q_TYPE, DEF_XMIT_Q_USAGE,
 * REMOTE_Q_NAME, OBJECT_IN_USE, OBJECT_NAME, NOT_AUTHORIZED, OPTIONS,
 * OPTION_NOT_VALID_FOR_TYPE.  Blocks for one round trip. */
MQI_CHECK enum mqi_err mqi_open(mqi_conn *conn, const char *object,
    const char *object_qmgr, uint32_t options, mqi_queue **ret_queue);

/* Frees the handle in every case; NULL is allowed.  Unacknowledged read-ahead
 * messages return to the queue.  Returns the first unreported failure of
 * asynchronous puts. */
enum mqi_err mqi_close(mqi_queue *queue);

struct mqi_queue_info {
	char name[MQI_NAME_LEN + 1];          /* as opened */
	char resolved_name[MQI_NAME_LEN + 1]; /* the local queue behind it */
	char resolved_qmgr[MQI_NAME_LEN + 1];
	uint64_t depth; /* messages, uncommitted ones included */
	uint64_t max_depth;
	uint64_t max_msg_len; /* bytes */
	uint32_t open_input;  /* handles, in all processes */
	uint32_t open_output;
	int32_t default_priority;
	int32_t default_persistence;
	bool put_inhibited;
	bool get_inhibited;
	bool is_transmission;
};

/* Errors: NOT_OPEN_FOR_INQUIRE, Q_DELETED. */
MQI_CHECK enum mqi_err mqi_inquire(
    mqi_queue *queue, struct mqi_queue_info *ret_info);

/* ---- units of work: several per connection ---- */

/* Never blocks: the queue manager learns of the unit with its first call. */
MQI_CHECK enum mqi_err mqi_begin(mqi_conn *conn, mqi_unit **ret_unit);

/* Both end the unit and free it in every case, whatever they return.
 * Errors of commit: BACKED_OUT (nothing was done), UNKNOWN_OUTCOME,
 * POSITION_MOVED, FENCED (nothing was done). */
MQI_CHECK enum mqi_err mqi_commit(mqi_unit *unit);
enum mqi_err mqi_backout(mqi_unit *unit);

/* Commit or back out without waiting: `done`, if not NULL, is called with the
 * result from a later call of any thread on the connection or, where it has
 * one, from the library's thread; mqi_flush() waits for all.  The unit is
 * freed by the call. */
typedef void (*mqi_done_fn)(void *arg, enum mqi_err result);
MQI_CHECK enum mqi_err mqi_commit_async(
    mqi_unit *unit, mqi_done_fn done, void *arg);
MQI_CHECK enum mqi_err mqi_backout_async(
    mqi_unit *unit, mqi_done_fn done, void *arg);

/* ---- put ---- */

/* unit NULL: the put stands by itself and is durable, if persistent, when the
 * call returns.  md may be NULL (defaults); else its msg_id (if it was zeros),
 * priority, persistence and put date and time are filled in.
 * Errors: NOT_OPEN_FOR_OUTPUT, PUT_INHIBITED, Q_FULL, MSG_TOO_BIG_FOR_Q,
 * MSG_TOO_BIG_FOR_Q_MGR, STORAGE_MEDIUM_FULL, PERSISTENCE, PRIORITY, MD,
 * EXPIRY, MSG_TYPE, PROPERTY_NAME, PROPERTY_TYPE, Q_DELETED, SYNCPOINT_LIMIT,
 * BACKED_OUT, HOP_LIMIT, SUPPRESSED. */
MQI_CHECK enum mqi_err mqi_put(mqi_queue *queue, mqi_unit *unit,
    struct mqi_md *md, const void *body, size_t body_len);

struct mqi_put_item {
	struct mqi_md *md; /* as for mqi_put */
	const void *body;
	size_t body_len; /* bytes */
	enum mqi_err result;
};

/* Puts items in order with one wait at the end.  Returns the first failure;
 * each item's result says what became of it (those after a failure are
 * SUPPRESSED: not tried).  Not atomic without a unit.  Errors as mqi_put(). */
MQI_CHECK enum mqi_err mqi_put_many(mqi_queue *queue, mqi_unit *unit,
    struct mqi_put_item *items, size_t n_items);

/* Sends the put and returns; waits only while the window (1,024 puts or 4 MiB
 * unanswered on the connection) is full.  After one has failed, later ones on
 * the handle fail unexecuted (SUPPRESSED) until mqi_flush() has reported. */
MQI_CHECK enum mqi_err mqi_put_async(mqi_queue *queue, mqi_unit *unit,
    struct mqi_md *md, const void *body, size_t body_len);

/* Waits until every asynchronous put of the handle, every acknowledgement sent
 * on it and every asynchronous commit or back out of its connection has been
 * answered.  Returns the first failure since the last flush. */
MQI_CHECK enum mqi_err mqi_flush(mqi_queue *queue);

/* ---- get ---- */

/* options of gets */
#define MQI_GET_BROWSE_FIRST 0x10u
#define MQI_GET_BROWSE_NEXT 0x20u
#define MQI_GET_ACCEPT_TRUNCATED 0x40u
#define MQI_GET_UNDER_CURSOR 0x100u /* get what was browsed last */
/* match options */
#define MQI_GET_MATCH_MSG_ID 0x10000u
#define MQI_GET_MATCH_CORREL_ID 0x20000u

struct mqi_get_opts {
	uint32_t options;
	int64_t wait_ms; /* 0: do not wait (poll); MQI_WAIT_FOREVER */
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
};

/* Gets into the caller's buffer with the truncation rules of MQGET: if the
 * body is longer than the buffer, the buffer is filled and the result is
 * TRUNCATED (the message stays) or, with MQI_GET_ACCEPT_TRUNCATED,
 * TRUNCATED_ACCEPTED (it is gone).  *ret_body_len is the whole length.
 * opts may be NULL: any message, no wait.  ret_md may be NULL; its props point
 * into the handle and are valid until the next get on it.
 * unit NULL: the message is gone when the call returns.
 * Errors: NO_MSG_AVAILABLE, GET_INHIBITED, NOT_OPEN_FOR_INPUT,
 * NOT_OPEN_FOR_BROWSE, NO_MSG_UNDER_CURSOR, OBJECT_DAMAGED, OBJECT_IN_USE,
 * Q_DELETED, SYNCPOINT_LIMIT, BACKED_OUT, WAIT_INTERVAL, OPTIONS, BUSY. */
MQI_CHECK enum mqi_err mqi_get(mqi_queue *queue, mqi_unit *unit,
    const struct mqi_get_opts *opts, void *buf, size_t buf_len,
    struct mqi_md *ret_md, size_t *ret_body_len);

/* Gets into a buffer of the library's; mqi_msg_free() it.  Never truncates. */
MQI_CHECK enum mqi_err mqi_get_msg(mqi_queue *queue, mqi_unit *unit,
    const struct mqi_get_opts *opts, mqi_msg **ret_msg);

/* mqi_get_msg() of any message without waiting. */
MQI_CHECK enum mqi_err mqi_poll(
    mqi_queue *queue, mqi_unit *unit, mqi_msg **ret_msg);

/* What the message holds; valid until it is freed.  Thread-safe. */
const struct mqi_md *mqi_msg_md(const mqi_msg *msg);
const void *mqi_msg_body(const mqi_msg *msg);
size_t mqi_msg_len(const mqi_msg *msg); /* bytes */
mqi_msg *mqi_msg_free(mqi_msg *msg);    /* returns NULL; NULL is allowed */

/* ---- acknowledged read-ahead ---- */

struct mqi_read_ahead {
	uint32_t max_msgs;  /* window; 0: 256 */
	uint32_t max_bytes; /* window; 0: 1 MiB; one message always fits */
};

/* From now on the queue manager delivers ahead within the window, and
 * mqi_get_msg(queue, NULL, ...) (wait_ms is its only option) takes from what
 * has arrived.  Each message is locked until acknowledged.  opts may be NULL.
 * Errors: NOT_OPEN_FOR_INPUT, Q_DELETED, GET_INHIBITED. */
MQI_CHECK enum mqi_err mqi_read_ahead(
    mqi_queue *queue, const struct mqi_read_ahead *opts);

/* Acknowledges this message and all delivered before it on its handle.
 * Sends without waiting; mqi_flush() tells when the removals are durable:
 * until then their outcome is unknown.  The message stays the caller's. */
MQI_CHECK enum mqi_err mqi_ack(mqi_queue *queue, const mqi_msg *msg);

/* ---- notify ---- */

typedef void (*mqi_notify_fn)(mqi_queue *queue, void *arg);

/* Calls `handler` each time a get that does not wait begins to be able to
 * return, with a message or an error: on the library's own thread, which the
 * first such call starts, or, after mqi_descriptor() was called for the
 * handle, from mqi_dispatch().  The handler may call anything but
 * mqi_disconnect() and mqi_close() of its own handle.  NULL: no more calls;
 * none is running when this returns (unless called from the handler).
 * Errors: NOT_OPEN_FOR_INPUT. */
MQI_CHECK enum mqi_err mqi_notify(
    mqi_queue *queue, mqi_notify_fn handler, void *arg);

/* A descriptor for poll(2) and epoll, level-triggered: readable exactly while
 * a get on the handle that does not wait would return, with a message or an
 * error.  It is the library's: do not read, write or close it.
 * Errors: NOT_OPEN_FOR_INPUT, RESOURCE_PROBLEM. */
MQI_CHECK enum mqi_err mqi_descriptor(mqi_queue *queue, int *ret_fd);

/* Reads what has arrived on the connection without waiting and calls the
 * handlers of handles with descriptors, and completions of asynchronous
 * commits. */
MQI_CHECK enum mqi_err mqi_dispatch(mqi_conn *conn);

/* ---- conditional positions: idempotent puts ---- */

#define MQI_STREAM_ID_LEN 16

/* A position is a number that the queue manager keeps durably under
 * (partner, stream).  Opening it takes a higher fencing number: every older
 * holder's commit fails with FENCED.  *ret_position is where it stands (0 if
 * it is new).  Errors: OBJECT_NAME, NOT_AUTHORIZED, NOT_CURRENT (the stream is
 * known under another incarnation). */
MQI_CHECK enum mqi_err mqi_position_open(mqi_conn *conn, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t *ret_position);

/* Makes the unit's commit move the position from `from` to `to`: the commit
 * fails with POSITION_MOVED, and nothing of the unit is done, if it does not
 * stand at `from`.  `to` must be greater than `from`.  At most one position
 * per unit.  Errors: BACKED_OUT, OPTIONS. */
MQI_CHECK enum mqi_err mqi_unit_position(mqi_unit *unit, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t from, uint64_t to);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
