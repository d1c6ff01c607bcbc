/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqi.h - libmq: put, get, poll and notify on the queues of a queue manager.
 *
 * Rules that hold for every call:
 *  - The result is an enum mqi_err (mqi_err.h).  Outputs are the last
 *    parameters, named ret_; they are written on MQI_OK and on a warning and
 *    are untouched on a failure.
 *  - Inputs are borrowed until the call returns.  A text or name is a string
 *    that ends in a NUL; a length is in bytes, a time in milliseconds.
 *  - A connection may be used from several threads at once; each handle,
 *    unit and message by one thread at a time, unless a call says otherwise.
 *  - No call starts a thread, but mqi_notify() with a handler and
 *    mqi_descriptor(): the first of them starts one per connection, in which
 *    all signals are blocked.
 *  - A call that "blocks" does so in the queue manager's answer, without a
 *    time limit of its own; it ends when the connection is lost.  Signals do
 *    not interrupt it, and SIGPIPE is never raised.
 *  - The library never logs, never exits, and reports a lack of memory.
 *
 * Any call on a connection may return, beside what its comment lists:
 *    MQI_E_INVAL, MQI_E_NO_MEMORY, MQI_E_RESOURCE_PROBLEM;
 *    MQI_E_FORKED in the child of a fork (connect again there);
 *    MQI_E_PROTOCOL, MQI_E_Q_MGR_STOPPING, MQI_E_Q_MGR_QUIESCING;
 *    MQI_E_HOBJ if the queue manager has forgotten the handle;
 *    and, when the connection is lost during the call:
 *      MQI_E_CONNECTION_BROKEN  from a call that changes nothing,
 *      MQI_E_NOT_DONE           if it changes something and was not done,
 *      MQI_E_UNKNOWN_OUTCOME    if it may or may not have been done.
 *    A call begun after the loss fails at once with MQI_E_CONNECTION_BROKEN,
 *    and has done nothing, until mqi_reconnect().
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

/* A call begun after a loss reconnects first, within timeout_ms; the call
 * during which the connection was lost still says so. */
#define MQI_CONNECT_RECONNECT 0x1u

/* To a queue manager of this host, whatever the environment says. */
#define MQI_CONNECT_LOCAL 0x2u

/* What is zero is as if it were not there: a local connection by default. */
struct mqi_connect_opts {
	const char *root;     /* NULL: MQ_ROOT, the user's root, the system's */
	const char *app_name; /* NULL: the program's name; 28 bytes are kept */
	int64_t timeout_ms;   /* whole connect, up to 999,999,999; 0: 10,000 */
	uint32_t flags;       /* MQI_CONNECT_ */
	/* By TLS to a listener of another host: */
	const char *conname;  /* "host(port),host(port)", tried in order */
	const char *channel;  /* of CHLTYPE(SVRCONN) over there */
	const char *key_dir;  /* has ca.pem, cert.pem, key.pem */
	const char *ssl_peer; /* pattern for the subject of the server's
				 certificate; NULL: its CN is qmgr */
};

/* Connects to a queue manager.
 * qmgr: its name; or a URI that says where it is, and more:
 *   mqs://host:port,host:port/NAME?channel=CHANNEL&keys=DIR
 * with the parameters channel, keys, peer, timeout (ms) and reconnect=yes,
 * %XX for other characters.  opts may be NULL (defaults).
 * Where it is: as a URI in qmgr says; else opts->conname; else, with
 * opts->root or MQI_CONNECT_LOCAL, on this host; else as the environment says
 * by MQ_URI (a URI, which may leave out the name) or by MQSERVER
 * (CHANNEL/TCP/host(port)); else on this host.  A name in qmgr is preferred
 * to the URI's, and may be "" if that has one.  What a URI or MQSERVER leaves
 * out, opts give; a directory of certificates, at last MQSSLKEYR.
 * A remote connection is by TLS 1.3, in which both sides show certificates
 * of an authority in key_dir's ca.pem; TLS is in libmqtls.so, which the first
 * such connect loads.  All calls and promises are the same as locally.  A
 * server that is not heard for two of the channel's HBINT and a second, while
 * a call waits, counts as lost.
 * Errors: Q_MGR_NAME (no such queue manager where roots are looked for),
 * Q_MGR_NOT_AVAILABLE (it does not run, or did not answer in time),
 * NOT_AUTHORIZED, VERSION, Q_MGR_QUIESCING, PROTOCOL; and remotely
 * HOST_NOT_AVAILABLE, CERTIFICATE (ours or theirs is refused), SECURITY (it
 * is not the server that was asked for), CLIENT_EXIT_ERROR,
 * SSL_INITIALIZATION_ERROR, UNKNOWN_CHANNEL, CHANNEL_CONFIG,
 * CHANNEL_NOT_AVAILABLE (it is stopped), MAX_CONNS_LIMIT_REACHED (of the
 * channel's MAXINST or MAXINSTC),
 * FUNCTION_NOT_SUPPORTED (libmqtls.so is not there).  mqi_last_error(NULL)
 * then says what was tried.
 * Ownership: *ret_conn is the caller's until mqi_disconnect().
 * Blocks up to the time limit.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_connect(
    const char *qmgr, const struct mqi_connect_opts *opts, mqi_conn **ret_conn);

/* Ends the connection and frees it with all its handles and units; open units
 * are backed out.  NULL is allowed.  Waits for what was put asynchronously,
 * for acknowledgements sent and for asynchronous commits, whose completions
 * are called; not until the queue manager has closed the handles (mqi_close()
 * does that).  In the child of a fork it only frees memory, and returns FORKED.
 * Errors: the first failure of an asynchronous put or acknowledgement that
 * nobody has been told, with the reasons of mqi_put().
 * Blocks.  No other call on the connection may be running or follow, and it
 * may not be called from a handler. */
enum mqi_err mqi_disconnect(mqi_conn *conn);

/* Connects again after a loss, and opens the handles again, with their
 * read-ahead, handlers and descriptors.  Units of work of before are gone:
 * calls on them give BACKED_OUT.  Messages that were read ahead and not
 * acknowledged come again.  With a connection that is not lost it does nothing.
 * timeout_ms: how long to try while the queue manager is not there; 0: as for
 * the first connect; up to 999,999,999.
 * Errors: as mqi_connect(): Q_MGR_NAME, Q_MGR_NOT_AVAILABLE, NOT_AUTHORIZED,
 * VERSION; and, if a handle could not be opened again, its reason as from
 * mqi_open(), which its calls then return too, while the others work.
 * Blocks up to the time limit and for a round trip per handle.  Calls of other
 * threads on the connection wait meanwhile. */
MQI_CHECK enum mqi_err mqi_reconnect(mqi_conn *conn, int64_t timeout_ms);

/* The sentence for a person that belongs to this thread's last failure, if
 * that was on this connection; else "".  conn NULL: of a failed mqi_connect().
 * Ownership: the library's, valid until the thread's next call.
 * Never blocks.  Thread-safe: each thread has its own. */
const char *mqi_last_error(const mqi_conn *conn);

/* The name of the queue manager that answered.
 * Ownership: the library's, valid until mqi_disconnect() or mqi_reconnect().
 * Never blocks.  Thread-safe. */
const char *mqi_qmgr_name(const mqi_conn *conn);

/* ---- handles ---- */

/* options of mqi_open: IBM's MQOO_ values */
#define MQI_OO_INPUT_AS_Q_DEF 0x1u
#define MQI_OO_INPUT_SHARED 0x2u
#define MQI_OO_INPUT_EXCLUSIVE 0x4u
#define MQI_OO_BROWSE 0x8u
#define MQI_OO_OUTPUT 0x10u
#define MQI_OO_INQUIRE 0x20u
#define MQI_OO_ALTERNATE_USER_AUTHORITY 0x1000u /* mqi_open_with() */

/* Opens a queue.
 * object: the queue's name (1 to 48 bytes).  If it is that of a model queue
 * (QMODEL), a queue of the program's own is made, whose name mqi_queue_name()
 * tells; a temporary one ends with this handle, and after a reconnection it is
 * another one.  object_qmgr: the queue manager
 * that has it; NULL or "": this one decides.  options: MQI_OO_ values, at
 * least one; at most one of the three for input.
 * Errors: UNKNOWN_OBJECT, UNKNOWN_OBJECT_Q_MGR, UNKNOWN_REMOTE_Q_MGR,
 * UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, UNKNOWN_XMIT_Q, UNKNOWN_DEF_XMIT_Q,
 * XMIT_Q_TYPE, XMIT_Q_USAGE, DEF_XMIT_Q_TYPE, DEF_XMIT_Q_USAGE,
 * REMOTE_Q_NAME, OBJECT_IN_USE, OBJECT_NAME, OBJECT_Q_MGR_NAME,
 * NOT_AUTHORIZED, OPTIONS, OPTION_NOT_VALID_FOR_TYPE.
 * Ownership: *ret_queue is the caller's until mqi_close() or the connection's
 * end.  Blocks for one round trip.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_open(mqi_conn *conn, const char *object,
    const char *object_qmgr, uint32_t options, mqi_queue **ret_queue);

#define MQI_USER_LEN 64         /* bytes of a user's name, at most */
#define MQI_SELECTOR_LEN 10240u /* bytes of a selector, at most */

struct mqi_open_opts {
	uint32_t options; /* MQI_OO_ values */
	/* for MQI_OO_ALTERNATE_USER_AUTHORITY, else NULL: whose rights count
	 * instead of one's own, and whose name messages carry; 1 to 64 bytes */
	const char *alternate_user;
	/* with input or browse: a condition (docs/selectors.md) that messages
	 * must fit to be seen by this handle; at most MQI_SELECTOR_LEN bytes.
	 * NULL: all are seen */
	const char *selector;
};

/* Opens a queue with all that can be said about it: mqi_open() with more.
 * Gets, browses, read-ahead, notification and descriptors of a handle with a
 * selector are about the messages that fit.
 * Errors: as mqi_open(): UNKNOWN_OBJECT, UNKNOWN_OBJECT_Q_MGR,
 * UNKNOWN_REMOTE_Q_MGR, UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, UNKNOWN_XMIT_Q,
 * UNKNOWN_DEF_XMIT_Q, XMIT_Q_TYPE, XMIT_Q_USAGE, DEF_XMIT_Q_TYPE,
 * DEF_XMIT_Q_USAGE, REMOTE_Q_NAME, OBJECT_IN_USE, OBJECT_NAME,
 * OBJECT_Q_MGR_NAME, NOT_AUTHORIZED (also without the right to act as another
 * user), OPTIONS, OPTION_NOT_VALID_FOR_TYPE; SELECTOR_SYNTAX_ERROR,
 * SELECTION_STRING_ERROR, SELECTOR_LIMIT (mqi_last_error() says where and
 * what); FUNCTION_NOT_SUPPORTED (an older queue manager and an alternate user
 * or a selector).
 * Ownership: *ret_queue is the caller's until mqi_close() or the connection's
 * end.  Blocks for one round trip.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_open_with(mqi_conn *conn, const char *object,
    const char *object_qmgr, const struct mqi_open_opts *opts,
    mqi_queue **ret_queue);

/* ---- publish and subscribe ---- */

/* Opens a topic to publish on: puts on the handle go to all who have subscribed
 * to a pattern that it fits.
 * object: the name of a topic object (TOPIC), whose string comes first, or NULL
 * or "".  topic: the string behind it, NULL or "": none; both are joined by a
 * '/'.  Levels stand between '/'; none may be "+" or "#".  At most 10,240 bytes
 * and 512 levels.
 * On the handle only puts are possible; messages of more than 4 MiB are not.  A
 * put may give PUBLICATION_FAILURE: a subscriber who must get it cannot take
 * it, and nobody got it.
 * Errors: UNKNOWN_OBJECT, TOPIC_STRING_ERROR, NOT_AUTHORIZED (to publish, by
 * the topic object above), FUNCTION_NOT_SUPPORTED (an older queue manager).
 * Ownership: *ret_queue is the caller's until mqi_close() or the connection's
 * end.  Blocks for one round trip.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_open_topic(mqi_conn *conn, const char *object,
    const char *topic, mqi_queue **ret_queue);

/* Publishes as mqi_put() does, on a handle of mqi_open_topic(), and has the
 * publication retained, instead of the topic's last such one: who subscribes
 * later gets it at once, with the property MQIsRetained.  It lies on
 * SYSTEM.RETAINED.PUB.QUEUE; one that does not persist does not outlive a
 * start.
 * Errors: as mqi_put(): PUT_INHIBITED, Q_FULL (that queue), MSG_TOO_BIG_FOR_Q,
 * MSG_TOO_BIG_FOR_Q_MGR, STORAGE_MEDIUM_FULL, PERSISTENCE, PRIORITY, MD,
 * EXPIRY, MSG_TYPE, PROPERTY_NAME, PROPERTY_TYPE, TOO_BIG, SYNCPOINT_LIMIT,
 * BACKED_OUT, SUPPRESSED; PUBLICATION_FAILURE.
 * Blocks.  Several threads may put on one handle at once. */
MQI_CHECK enum mqi_err mqi_put_retained(mqi_queue *queue, mqi_unit *unit,
    struct mqi_md *md, const void *body, size_t body_len);

/* options of mqi_subscribe: IBM's MQSO_ values */
#define MQI_SO_CREATE 0x2u
#define MQI_SO_RESUME 0x4u
#define MQI_SO_DURABLE 0x8u
#define MQI_SO_MANAGED 0x20u
#define MQI_SO_FIXED_USERID 0x100u
#define MQI_SO_NEW_PUBLICATIONS_ONLY 0x1000u
#define MQI_SO_SET_CORREL_ID 0x400000u

/* What is zero is as if it were not there. */
struct mqi_sub_opts {
	uint32_t options;   /* MQI_SO_ values */
	const char *name;   /* of a durable one; 1 to 48 bytes */
	const char *object; /* a topic object, whose string comes first */
	const char *topic;  /* behind it: levels "+" and "#" are wildcards */
	/* where publications go, unless it is managed */
	const char *dest;
	const char *dest_qmgr;
	const char *selector;  /* a condition that publications must fit */
	const char *user_data; /* a property of each; at most 128 bytes */
	/* for MQI_SO_SET_CORREL_ID: of each; else the publisher's */
	uint8_t correl_id[MQI_ID_LEN];
	uint32_t expiry; /* tenths of a second that it lives; 0: for ever */
};

/* Makes or resumes a subscription: publications that fit come to a queue, a
 * new one's beginning with those that are retained, unless it says
 * MQI_SO_NEW_PUBLICATIONS_ONLY.
 * With MQI_SO_MANAGED that is one of its own, and the handle gets from it, as
 * from any queue; else it is the queue `dest`, from which the program gets by
 * another handle, and this one only stands for the subscription.
 * Without MQI_SO_DURABLE it ends with the handle, and so does its queue.  A
 * durable one has a name, and goes on collecting publications when its handle
 * is closed, until mqi_unsubscribe() or DELETE SUB.  MQI_SO_CREATE makes it,
 * MQI_SO_RESUME takes it up again as it is; with both it is made if it is not
 * there.
 * Each publication has the property MQTopicString, and MQSubUserData if there
 * is any.
 * Errors: OPTIONS, UNKNOWN_OBJECT, TOPIC_STRING_ERROR, SUB_NAME_ERROR,
 * SUB_ALREADY_EXISTS, NO_SUBSCRIPTION, SUBSCRIPTION_IN_USE, IDENTITY_MISMATCH,
 * DURABILITY_NOT_ALLOWED, SUB_INHIBITED, NOT_AUTHORIZED (to subscribe, by the
 * topic object above, or to put on dest), SELECTOR_SYNTAX_ERROR,
 * SELECTION_STRING_ERROR, SELECTOR_LIMIT, FUNCTION_NOT_SUPPORTED (an older
 * queue manager); of dest those of mqi_open(): UNKNOWN_OBJECT_Q_MGR,
 * UNKNOWN_REMOTE_Q_MGR, UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, OBJECT_NAME.
 * Ownership: *ret_queue is the caller's until mqi_close(), mqi_unsubscribe() or
 * the connection's end.  Blocks for one round trip.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_subscribe(
    mqi_conn *conn, const struct mqi_sub_opts *opts, mqi_queue **ret_queue);

/* Ends the handle's subscription, durable or not, with the queue of a managed
 * one and what is on it, and closes the handle: it is freed in every case.
 * Errors: NO_SUBSCRIPTION (it stands for none); and as mqi_close().
 * Blocks, as mqi_close(). */
enum mqi_err mqi_unsubscribe(mqi_queue *queue);

/* Closes a handle, and frees it in every case; NULL is allowed.  Waits for its
 * asynchronous puts and for the acknowledgements sent on it; unacknowledged
 * read-ahead messages return to the queue.
 * Errors: the first failure of an asynchronous put or acknowledgement that
 * nobody has been told, with the reasons of mqi_put().
 * Blocks.  No other call on the handle may be running (a get that waits ends
 * by itself or with the connection, not by a close), and it may not be called
 * from the handle's own handler. */
enum mqi_err mqi_close(mqi_queue *queue);

/* The name of the local queue that the handle leads to: of what was made by a
 * model, or behind an alias; for a queue elsewhere, the name that it has there.
 * Ownership: the library's, valid until mqi_close() or mqi_reconnect().
 * Never blocks. */
const char *mqi_queue_name(const mqi_queue *queue);

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

/* Tells about the queue as it is now.
 * Errors: NOT_OPEN_FOR_INQUIRE, Q_DELETED.
 * Blocks for one round trip.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_inquire(
    mqi_queue *queue, struct mqi_queue_info *ret_info);

/* ---- units of work: several per connection ---- */

/* Begins a unit of work.  The queue manager learns of it with the first call
 * that names it.
 * Ownership: *ret_unit is the caller's until one of the calls that end it, or
 * the connection's end.  Never blocks.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_begin(mqi_conn *conn, mqi_unit **ret_unit);

/* Commits the unit: all its puts become visible and all its gets final, at
 * once and durably.  The unit is freed in every case.
 * Errors of commit: BACKED_OUT (nothing was done: the unit was backed out,
 * by the queue manager, a loss of the connection, or because an asynchronous
 * put in it had failed), UNKNOWN_OUTCOME, POSITION_MOVED, FENCED (nothing was
 * done).  Blocks until it is durable. */
MQI_CHECK enum mqi_err mqi_commit(mqi_unit *unit);

/* Backs the unit out: nothing of it was ever put, and what it had got is on
 * its queues again, with its backout count raised.  The unit is freed in every
 * case, and is backed out whatever is returned.  Blocks for one round trip. */
enum mqi_err mqi_backout(mqi_unit *unit);

/* Told the result of an asynchronous commit or back out.  It may call
 * anything but mqi_disconnect(). */
typedef void (*mqi_done_fn)(void *arg, enum mqi_err result);

/* Commits or backs out without waiting.  Ends are carried out in the order of
 * these calls, each when the unit's asynchronous puts have been answered;
 * mqi_flush() on any handle of the connection waits for all.
 * done: called once with the result (the reasons of mqi_commit()), from a
 * later call of any thread on the connection or, where it has one, from the
 * library's thread.  NULL: a failure is returned by the next mqi_flush().
 * The unit is freed in every case; `done` is not called if this call fails.
 * Errors: BACKED_OUT.  Never blocks on an answer. */
MQI_CHECK enum mqi_err mqi_commit_async(
    mqi_unit *unit, mqi_done_fn done, void *arg);
MQI_CHECK enum mqi_err mqi_backout_async(
    mqi_unit *unit, mqi_done_fn done, void *arg);

/* ---- put ---- */

/* Puts one message.
 * unit NULL: the put stands by itself and is durable, if persistent, when the
 * call returns.  Else it becomes visible with the unit's commit.
 * md may be NULL (mqi_md_init()); else, on success, its msg_id (if it was
 * zeros), priority, persistence, put_date and put_time are filled in.
 * body: body_len bytes, at most MQI_MAX_BODY; may be NULL if that is 0.
 * Errors: NOT_OPEN_FOR_OUTPUT, PUT_INHIBITED, Q_FULL, MSG_TOO_BIG_FOR_Q,
 * MSG_TOO_BIG_FOR_Q_MGR, STORAGE_MEDIUM_FULL, PERSISTENCE, PRIORITY, MD,
 * EXPIRY, MSG_TYPE, PROPERTY_NAME, PROPERTY_TYPE, TOO_BIG (the properties),
 * Q_DELETED, SYNCPOINT_LIMIT, BACKED_OUT, HOP_LIMIT, NOT_AUTHORIZED (to put on
 * the reply-to queue, where it asks for an expiration report), SUPPRESSED (an
 * asynchronous put on the handle has failed, and mqi_flush() has not told).
 * Blocks.  Several threads may put on one handle at once. */
MQI_CHECK enum mqi_err mqi_put(mqi_queue *queue, mqi_unit *unit,
    struct mqi_md *md, const void *body, size_t body_len);

struct mqi_put_item {
	struct mqi_md *md; /* as for mqi_put */
	const void *body;
	size_t body_len; /* bytes */
	enum mqi_err result;
};

/* Puts items in order, with one wait at the end.  Not atomic without a unit.
 * Each item's result says what became of it, and its md is filled in as by
 * mqi_put(); those after a failure are SUPPRESSED: not tried.
 * Errors: the first item's that failed, as mqi_put().
 * Blocks.  Several threads may put on one handle at once. */
MQI_CHECK enum mqi_err mqi_put_many(mqi_queue *queue, mqi_unit *unit,
    struct mqi_put_item *items, size_t n_items);

/* Puts one message without waiting for the answer; waits only while the window
 * (1,024 puts or 4 MiB unanswered on the connection) is full.
 * Parameters as mqi_put(), but md is not written.
 * Puts in quick succession are gathered and written together, at the latest
 * when 64 KiB are there, when a call on the connection waits, or by
 * mqi_dispatch(); one that comes alone is written at once.
 * After one has failed, later ones on the handle fail unexecuted (SUPPRESSED)
 * until mqi_flush() has told the failure; a unit in which one has failed can
 * only be backed out.
 * Errors: SUPPRESSED, BACKED_OUT, MSG_TOO_BIG_FOR_Q_MGR, MD, PROPERTY_NAME,
 * PROPERTY_TYPE, TOO_BIG; all others of mqi_put() come with mqi_flush().
 * Several threads may put on one handle at once. */
MQI_CHECK enum mqi_err mqi_put_async(mqi_queue *queue, mqi_unit *unit,
    struct mqi_md *md, const void *body, size_t body_len);

/* Waits until every asynchronous put of the handle, every acknowledgement on
 * it and every asynchronous commit or back out of its connection has been
 * answered.
 * Errors: the first failure since the last flush, of an asynchronous put (as
 * mqi_put()), of an acknowledgement (NOT_DONE, UNKNOWN_OUTCOME, Q_DELETED), or
 * of a commit without a completion.
 * Blocks.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_flush(mqi_queue *queue);

/* ---- get ---- */

/* options of gets */
#define MQI_GET_BROWSE_FIRST 0x10u
#define MQI_GET_BROWSE_NEXT 0x20u
#define MQI_GET_ACCEPT_TRUNCATED 0x40u
#define MQI_GET_UNDER_CURSOR 0x100u /* get what was browsed last */
/* with a browse option, on a handle that is open for input too: nobody else
 * gets or browses it until it is got under the cursor, the handle browses
 * again, mqi_browse_unlock() or the handle's end */
#define MQI_GET_LOCK 0x200u
#define MQI_GET_BROWSE_UNDER_CURSOR 0x800u /* browse it again */
/* match options */
#define MQI_GET_MATCH_MSG_ID 0x10000u
#define MQI_GET_MATCH_CORREL_ID 0x20000u

struct mqi_get_opts {
	uint32_t options; /* MQI_GET_ */
	int64_t wait_ms;  /* 0: do not wait (poll); MQI_WAIT_FOREVER */
	uint8_t msg_id[MQI_ID_LEN];    /* for MQI_GET_MATCH_MSG_ID */
	uint8_t correl_id[MQI_ID_LEN]; /* for MQI_GET_MATCH_CORREL_ID */
};

/* Gets a message into the caller's buffer, with the truncation rules of MQGET:
 * if the body is longer than the buffer, the buffer is filled and the result
 * is the warning TRUNCATED (the message stays) or, with
 * MQI_GET_ACCEPT_TRUNCATED, TRUNCATED_ACCEPTED (it is gone).
 * unit NULL: the message is gone when the call returns; if the connection is
 * lost during the call it may be lost with it (UNKNOWN_OUTCOME).  Else it is
 * locked, and gone with the unit's commit.
 * opts may be NULL: any message, no wait.  With one of the browse options
 * nothing is got: the message stays, and the cursor stands on it.
 * buf: buf_len bytes; may be written also when the call fails.
 * ret_md may be NULL; its props point into the handle and are valid until the
 * next get on it.  *ret_body_len is the whole length of the body.
 * Errors: NO_MSG_AVAILABLE, GET_INHIBITED, NOT_OPEN_FOR_INPUT,
 * NOT_OPEN_FOR_BROWSE, NO_MSG_UNDER_CURSOR, OBJECT_DAMAGED (also a body that
 * does not match its checksum), OBJECT_IN_USE, Q_DELETED, SYNCPOINT_LIMIT,
 * BACKED_OUT, WAIT_INTERVAL, OPTIONS (also a handle that reads ahead), BUSY
 * (a get of another thread is waiting on the handle).
 * Warnings: TRUNCATED, TRUNCATED_ACCEPTED.
 * Blocks up to wait_ms and a round trip. */
MQI_CHECK enum mqi_err mqi_get(mqi_queue *queue, mqi_unit *unit,
    const struct mqi_get_opts *opts, void *buf, size_t buf_len,
    struct mqi_md *ret_md, size_t *ret_body_len);

/* Gets a message into memory of the library's.  As mqi_get(), but never
 * truncates.
 * Errors: NO_MSG_AVAILABLE, GET_INHIBITED, NOT_OPEN_FOR_INPUT,
 * NOT_OPEN_FOR_BROWSE, NO_MSG_UNDER_CURSOR, OBJECT_DAMAGED, OBJECT_IN_USE,
 * Q_DELETED, SYNCPOINT_LIMIT, BACKED_OUT, WAIT_INTERVAL, OPTIONS, BUSY.
 * Ownership: *ret_msg is the caller's until mqi_msg_free(), also after the
 * handle and the connection are gone.
 * Blocks up to wait_ms and a round trip. */
MQI_CHECK enum mqi_err mqi_get_msg(mqi_queue *queue, mqi_unit *unit,
    const struct mqi_get_opts *opts, mqi_msg **ret_msg);

/* Gives back what the handle has locked by browsing with MQI_GET_LOCK: others
 * may get it again.
 * Errors: NO_MSG_LOCKED, FUNCTION_NOT_SUPPORTED (an older queue manager).
 * Blocks for one round trip. */
MQI_CHECK enum mqi_err mqi_browse_unlock(mqi_queue *queue);

/* Gets any message that is there now: mqi_get_msg() without options.
 * Errors: NO_MSG_AVAILABLE, GET_INHIBITED, NOT_OPEN_FOR_INPUT, OBJECT_DAMAGED,
 * Q_DELETED, SYNCPOINT_LIMIT, BACKED_OUT, BUSY.
 * Blocks for one round trip, or, reading ahead, not at all. */
MQI_CHECK enum mqi_err mqi_poll(
    mqi_queue *queue, mqi_unit *unit, mqi_msg **ret_msg);

/* What the message holds: descriptor, body, and its length in bytes.
 * Ownership: the message's; valid until it is freed.
 * Never blocks.  Thread-safe. */
const struct mqi_md *mqi_msg_md(const mqi_msg *msg);
const void *mqi_msg_body(const mqi_msg *msg);
size_t mqi_msg_len(const mqi_msg *msg);

/* Frees the message, and returns NULL.  NULL is allowed.  Never blocks. */
mqi_msg *mqi_msg_free(mqi_msg *msg);

/* ---- acknowledged read-ahead ---- */

struct mqi_read_ahead {
	uint32_t max_msgs;  /* window; 0: 256 */
	uint32_t max_bytes; /* window; 0: 1 MiB; one message always fits */
};

/* From now on the queue manager delivers ahead within the window, and
 * mqi_get_msg(queue, NULL, ...) (wait_ms is its only option) and mqi_poll()
 * take from what has arrived.  Each message is locked until acknowledged; what
 * is not acknowledged when the handle or the connection ends returns to its
 * place, with its backout count raised.  Called again, it changes the window.
 * opts may be NULL.
 * Errors: NOT_OPEN_FOR_INPUT, Q_DELETED, GET_INHIBITED, BUSY.
 * Blocks for one round trip. */
MQI_CHECK enum mqi_err mqi_read_ahead(
    mqi_queue *queue, const struct mqi_read_ahead *opts);

/* Acknowledges this message and all delivered before it on its handle: they
 * are gone from the queue.
 * Acknowledgements in quick succession are sent together, at the latest with
 * the next call on the connection that waits (a get: when it has waited for a
 * few milliseconds), or by mqi_dispatch().
 * mqi_flush() tells when the removals are durable: until then their outcome
 * is unknown.
 * Errors: NOT_DONE (the message came before the connection was lost: it will
 * come again).
 * Ownership: the message stays the caller's.  Never blocks on an answer. */
MQI_CHECK enum mqi_err mqi_ack(mqi_queue *queue, const mqi_msg *msg);

/* ---- notify ---- */

/* Called on the library's thread or from mqi_dispatch().  It may call anything
 * but mqi_disconnect(), and mqi_close() of its own handle. */
typedef void (*mqi_notify_fn)(mqi_queue *queue, void *arg);

/* Calls `handler` each time a get that does not wait begins to be able to
 * return, with a message or an error, and once if it is able to now: so a
 * handler gets until NO_MSG_AVAILABLE.  It runs on the library's own thread or,
 * after mqi_descriptor() was called for the handle, in mqi_dispatch(); never
 * twice at once for one handle.
 * handler NULL: no more calls; none is running when this returns (unless
 * called from the handler).
 * Errors: NOT_OPEN_FOR_INPUT, Q_DELETED, RESOURCE_PROBLEM (no thread).
 * Blocks for one round trip, and for a handler that is running. */
MQI_CHECK enum mqi_err mqi_notify(
    mqi_queue *queue, mqi_notify_fn handler, void *arg);

/* Gives a descriptor for poll(2) and epoll, level-triggered: readable exactly
 * while a get on the handle that does not wait would return, with a message or
 * an error, as far as the queue manager has told: after the last message was
 * got it becomes unreadable a moment later, or with NO_MSG_AVAILABLE.
 * The library's thread keeps it true.
 * Ownership: the library's until mqi_close(): do not read, write or close it.
 * Errors: NOT_OPEN_FOR_INPUT, Q_DELETED, RESOURCE_PROBLEM.
 * Blocks for one round trip, the first time. */
MQI_CHECK enum mqi_err mqi_descriptor(mqi_queue *queue, int *ret_fd);

/* Writes what is waiting to be written, reads what has arrived, and calls the
 * handlers of handles with descriptors, and completions of asynchronous
 * commits.  Never waits for anything to arrive.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_dispatch(mqi_conn *conn);

/* ---- conditional positions: idempotent puts ---- */

#define MQI_STREAM_ID_LEN 16

/* Opens a position: a number that the queue manager keeps durably under
 * (partner, stream), and that moves only together with a unit of work.
 * Opening it takes a higher fencing number: every older holder's commit fails
 * with FENCED.
 * partner: a name of the application's choice, 1 to 48 bytes as object names.
 * stream: MQI_STREAM_ID_LEN bytes of its choice.  *ret_position is where it
 * stands (0 if it is new): after a commit with UNKNOWN_OUTCOME, this tells
 * whether it was done.
 * Errors: OBJECT_NAME, NOT_AUTHORIZED (it is another user's, or a channel's),
 * NOT_CURRENT (the stream is known under another incarnation).
 * Blocks until it is durable.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_position_open(mqi_conn *conn, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t *ret_position);

/* Makes the unit's commit move the position from `from` to `to`: the commit
 * fails with POSITION_MOVED, and nothing of the unit is done, if it does not
 * stand at `from`.  The position must have been opened on this connection.
 * from, to: `to` must be greater.  At most one position per unit.
 * Errors: BACKED_OUT, OPTIONS; after a failure the unit can only be backed
 * out.  Blocks for one round trip. */
MQI_CHECK enum mqi_err mqi_unit_position(mqi_unit *unit, const char *partner,
    const uint8_t stream[MQI_STREAM_ID_LEN], uint64_t from, uint64_t to);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
