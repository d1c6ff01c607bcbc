/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - what only agents (mca) and mqadmin call in libmq; not installed.
 * The rules of mqi.h hold.
 */
#ifndef MQ_LIBMQ_AGENT_H
#define MQ_LIBMQ_AGENT_H

#include <mq/mqi.h>

#include "proto/ctl.h"
#include "proto/local.h"

/* Connects as an agent, on behalf of a channel.  Agents are single-threaded:
 * one thread uses the connection, driven by mqagent_fd(). */
struct mqagent_opts {
	const char *root;
	const char *app_name;
	const char *channel;
	/* Whose rights count for what the connection opens; NULL or "": the
	 * agent's own.  Never the owner of the queue manager. */
	const char *user;
	const char *address; /* of the partner; "" not known yet */
	int64_t timeout_ms;
};

/* Errors: as mqi_connect(): NOT_AUTHORIZED also for who may not be an agent,
 * and for a user who may not connect. */
MQI_CHECK enum mqi_err mqagent_connect(
    const char *qmgr, const struct mqagent_opts *opts, mqi_conn **ret_conn);

/* The connection's socket, for an event loop: readable means call
 * mqagent_dispatch(); MQAGENT_WANT_WRITE from it means also wait until it is
 * writable. */
int mqagent_fd(const mqi_conn *conn);
MQI_CHECK enum mqi_err mqagent_dispatch(mqi_conn *conn, bool *ret_want_write);
/* Only writes what was appended, as far as the socket takes it: for whoever
 * wants no more input for a while.  ret_want_write as above. */
MQI_CHECK enum mqi_err mqagent_write(mqi_conn *conn, bool *ret_want_write);

/* 16 bytes each */
const uint8_t *mqagent_qmid(const mqi_conn *conn);
const uint8_t *mqagent_incarnation(const mqi_conn *conn);

/* ---- administration ---- */

typedef void (*mqagent_row_fn)(void *arg, const struct mqctl_list *row);

/* On any connection, of an agent or not.
 * Sends a command and calls row_fn for each row of the answer.  ret_text gets
 * the sentence of the result, also on a failure (the one output that does).
 * Errors: what the command gives.  Blocks. */
MQI_CHECK enum mqi_err mqagent_command(mqi_conn *conn,
    const struct mqctl_command *command, mqagent_row_fn row_fn, void *arg,
    char *ret_text, size_t text_len);

/* Tells the queue manager how the agent is. Never waits for an answer. */
MQI_CHECK enum mqi_err mqagent_status(
    mqi_conn *conn, const struct mqctl_list *status);

/* Called from mqagent_dispatch() for each order ("stop", ...). */
typedef void (*mqagent_order_fn)(void *arg, const struct mqctl_list *order);
void mqagent_on_order(mqi_conn *conn, mqagent_order_fn fn, void *arg);

/* ---- the sender's side: read a transmission queue as a stream ---- */

struct mqagent_stream_msg {
	uint64_t number;
	uint64_t previous; /* number of the predecessor; 0: none */
	const void *desc;  /* encoded (proto/desc.h), route included */
	uint32_t desc_len;
	uint32_t body_crc;
	uint32_t body_len; /* whole, bytes */
};

struct mqagent_stream_events {
	/* A message begins; its body comes in `piece` calls that add up to
	 * body_len (none if that is 0).  Pointers are valid in the call. */
	void (*message)(void *arg, const struct mqagent_stream_msg *m);
	void (*piece)(void *arg, const void *data, uint32_t len);
	/* The stream is gone (queue deleted, queue manager ended). */
	void (*ended)(void *arg, enum mqi_err reason);
	void *arg;
};

typedef struct mqagent_stream mqagent_stream;

/* Blocks for the round trip.  Errors: as STREAM_OPEN in local.h. */
MQI_CHECK enum mqi_err mqagent_stream_open(mqi_conn *conn, const char *queue,
    const struct mqagent_stream_events *events,
    struct mqlocal_stream_ok *ret_info, mqagent_stream **ret_stream);
/* Blocks for the round trip.  Errors: CHANNEL_INDOUBT. */
MQI_CHECK enum mqi_err mqagent_stream_bind(
    mqagent_stream *s, const uint8_t qmid[16], const char *identity);
/* These two only queue; mqagent_dispatch() writes. */
MQI_CHECK enum mqi_err mqagent_stream_credit(
    mqagent_stream *s, uint32_t max_msgs, uint32_t max_bytes, uint64_t after);
MQI_CHECK enum mqi_err mqagent_stream_ack(mqagent_stream *s, uint64_t number);
/* Hand-out stops behind a message with a longer body, until it is removed; to
 * be said before the first credit.  Only queues. */
MQI_CHECK enum mqi_err mqagent_stream_limit(
    mqagent_stream *s, uint32_t max_msg_len);
/* Makes the unit's commit remove that message; if it may not be, the commit
 * fails.  Only queues. */
MQI_CHECK enum mqi_err mqagent_unit_remove(
    mqi_unit *unit, const mqagent_stream *s, uint64_t number);
mqagent_stream *mqagent_stream_close(mqagent_stream *s); /* NULL */

/* ---- the receiver's side: puts by position, never blocking ---- */

/* Opens the dead-letter queue for output, which needs no right of the user on
 * whose behalf the agent connected.  Otherwise as mqi_open(). */
MQI_CHECK enum mqi_err mqagent_open_dead_letter(mqi_conn *conn,
    const char *object, const char *object_qmgr, mqi_queue **ret_queue);

struct mqagent_position {
	char partner[MQI_NAME_LEN + 1];
	uint8_t stream[MQI_STREAM_ID_LEN];
	uint8_t incarnation[16];
	char identity[256 + 1];
};

/* Blocks for the round trip.  Errors: NOT_CURRENT, NOT_AUTHORIZED. */
MQI_CHECK enum mqi_err mqagent_position_open(mqi_conn *conn,
    const struct mqagent_position *p, struct mqlocal_position *ret);
/* Also names the incarnation in which `to` was numbered. */
MQI_CHECK enum mqi_err mqagent_unit_position(mqi_unit *unit,
    const struct mqagent_position *p, uint64_t fence, uint64_t from,
    uint64_t to);

typedef void (*mqagent_put_fn)(void *arg, enum mqi_err result);

/* Puts an encoded descriptor with a body in one call or, with body NULL, in
 * pieces that follow by mqagent_put_piece(); context and ids are kept.
 * `done` is called from mqagent_dispatch(). */
MQI_CHECK enum mqi_err mqagent_put(mqi_queue *queue, mqi_unit *unit,
    const void *desc, uint32_t desc_len, uint32_t body_crc, uint32_t body_len,
    const void *body, mqagent_put_fn done, void *arg);
MQI_CHECK enum mqi_err mqagent_put_piece(
    mqi_queue *queue, const void *data, uint32_t len);
/* Bytes queued towards the queue manager and not yet written. */
size_t mqagent_pending(const mqi_conn *conn);

#endif
