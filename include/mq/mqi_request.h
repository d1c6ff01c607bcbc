/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqi_request.h - requests and their replies: send and wait, or send now and
 * ask later (a future); and the other side, replying.
 *
 * A request is a message of type REQUEST that names a queue for the reply.  Who
 * replies copies the request's message id into the reply's correlation id, as
 * mqi_reply_md() does, and so each requester finds its own among all on the
 * queue.  A report that was asked for (an exception, say) comes as the answer
 * too: look at its msg_type and feedback.
 *
 * The rules of mqi.h hold.  A future is used by one thread at a time.
 */
#ifndef MQ_MQI_REQUEST_H
#define MQ_MQI_REQUEST_H

#include <mq/mqi.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct mqi_future mqi_future; /* a reply that may not be there yet */

struct mqi_request {
	mqi_queue *queue;   /* where it goes; open for output */
	mqi_queue *replies; /* open for input, not reading ahead, on the same
			       connection; its name is sent along */
	/* NULL: defaults.  Of it msg_type and the reply-to fields are replaced,
	 * msg_id if it is zeros, and expiry, if it is unlimited and timeout_ms
	 * is not, by timeout_ms: nobody waits for what comes later. */
	const struct mqi_md *md;
	const void *body;
	size_t body_len;    /* bytes */
	int64_t timeout_ms; /* for the reply; MQI_WAIT_FOREVER */
};

/* Puts a request and waits for its reply.
 * Errors: those of mqi_put(): NOT_OPEN_FOR_OUTPUT, PUT_INHIBITED, Q_FULL,
 * MSG_TOO_BIG_FOR_Q, MSG_TOO_BIG_FOR_Q_MGR, STORAGE_MEDIUM_FULL, PERSISTENCE,
 * PRIORITY, MD, EXPIRY, PROPERTY_NAME, PROPERTY_TYPE, TOO_BIG, HOP_LIMIT,
 * NOT_AUTHORIZED, SUPPRESSED: nothing was sent; and of the get:
 * NO_MSG_AVAILABLE (no reply in time), NOT_OPEN_FOR_INPUT, GET_INHIBITED,
 * OBJECT_DAMAGED, Q_DELETED, WAIT_INTERVAL, OPTIONS (replies reads ahead):
 * the request was sent.
 * Ownership: *ret_reply is the caller's until mqi_msg_free().
 * Blocks up to timeout_ms and a round trip.  Thread-safe: many threads may wait
 * on one queue of replies. */
MQI_CHECK enum mqi_err mqi_request(
    const struct mqi_request *request, mqi_msg **ret_reply);

/* The same without waiting.
 * Errors: MSG_TOO_BIG_FOR_Q_MGR, MD, PROPERTY_NAME, PROPERTY_TYPE, TOO_BIG,
 * WAIT_INTERVAL, OPTIONS, SUPPRESSED; all others come with the future.
 * Ownership: *ret_future is the caller's until mqi_future_free(), which must
 * come before mqi_disconnect() and, for what it still waits for, before
 * mqi_close() of a queue of the request.
 * Blocks only while a large body is written.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_request_async(
    const struct mqi_request *request, mqi_future **ret_future);

/* Waits for the reply, but no longer than wait_ms; 0: only looks (polls);
 * MQI_WAIT_FOREVER: as long as the request's timeout_ms.
 * Errors: BUSY (it is not there yet), OPTIONS (it was given away before), else
 * the result of the request, as from mqi_request(): told again each time.
 * Ownership: *ret_reply is the caller's until mqi_msg_free(); it is given once.
 * Blocks up to wait_ms. */
MQI_CHECK enum mqi_err mqi_future_wait(
    mqi_future *future, int64_t wait_ms, mqi_msg **ret_reply);

/* Calls `done` once, with the result of the request, when that is known: from a
 * later call of any thread on the connection, from mqi_dispatch() or, where the
 * connection has one, from the library's thread.  It may call anything but
 * mqi_disconnect(): mqi_future_wait() gives the reply, mqi_future_free() ends
 * the future.  To be called once for a future.
 * Errors: OPTIONS (called before).  Never blocks. */
MQI_CHECK enum mqi_err mqi_future_then(
    mqi_future *future, mqi_done_fn done, void *arg);

/* Frees the future, and returns NULL; NULL is allowed.  `done` is not called
 * any more, unless it is running.  One that is not done is cancelled: nobody
 * waits any more, and a reply that is on its way already is dropped.  The
 * request itself stays sent.  Never blocks on an answer. */
mqi_future *mqi_future_free(mqi_future *future);

/* Fills *ret_md for a reply to a request: type REPLY, message and correlation
 * id as its report options ask, its priority and persistence, and what remains
 * of its expiry if it asks to pass that on.  Never blocks.  Thread-safe. */
void mqi_reply_md(const struct mqi_md *request, struct mqi_md *ret_md);

/* Puts a reply to a request where it should go: opens, puts, closes.  A program
 * that replies often to the same queue keeps it open and uses mqi_reply_md().
 * unit: as for mqi_put(); so the get of the request and the reply can be one
 * unit.  md: NULL, or mqi_reply_md()'s with changes.
 * Errors: MISSING_REPLY_TO_Q (the request names none), those of mqi_open():
 * UNKNOWN_OBJECT, UNKNOWN_REMOTE_Q_MGR, UNKNOWN_ALIAS_TARGET, ALIAS_TARGET,
 * UNKNOWN_XMIT_Q, UNKNOWN_DEF_XMIT_Q, XMIT_Q_TYPE, XMIT_Q_USAGE,
 * DEF_XMIT_Q_TYPE, DEF_XMIT_Q_USAGE, OBJECT_NAME, OBJECT_Q_MGR_NAME,
 * NOT_AUTHORIZED; and of mqi_put().
 * Blocks for three round trips.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_reply(mqi_conn *conn, mqi_unit *unit,
    const struct mqi_md *request, struct mqi_md *md, const void *body,
    size_t body_len);

/* Tells who sent a message what became of what it asked for, if it asked to be
 * told: a report with feedback MQI_FB_PAN (done: a positive notification, for
 * MQI_RO_PAN) or MQI_FB_NAN (it could not be done, for MQI_RO_NAN), with ids as
 * its report options say.  body: what the sender should know; may be NULL if
 * body_len is 0.  *ret_told, if not NULL: whether a report was put.
 * unit: as for mqi_reply().
 * Errors: as mqi_reply(): MISSING_REPLY_TO_Q, UNKNOWN_OBJECT,
 * UNKNOWN_REMOTE_Q_MGR, UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, UNKNOWN_XMIT_Q,
 * UNKNOWN_DEF_XMIT_Q, XMIT_Q_TYPE, XMIT_Q_USAGE, DEF_XMIT_Q_TYPE,
 * DEF_XMIT_Q_USAGE, OBJECT_NAME, OBJECT_Q_MGR_NAME, NOT_AUTHORIZED; and of
 * mqi_put().  Blocks for three round trips, or not at all.  Thread-safe. */
MQI_CHECK enum mqi_err mqi_tell_action(mqi_conn *conn, mqi_unit *unit,
    const struct mqi_md *message, bool done, const void *body, size_t body_len,
    bool *ret_told);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
