/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.h - from a frame's type to what is done with it.  A handler decodes
 * the frame and calls the engine; it returns PROTOCOL if the bytes are wrong,
 * which ends the session.  Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_DISPATCH_H
#define MQ_QMGR_DISPATCH_H

#include <mq/mqi_err.h>

#include "base/check.h"
#include "proto/frame.h"

struct session;

/* For a session that is open.  Errors: PROTOCOL; *ret_why, constant, says what
 * was wrong. */
MQ_MUST_CHECK enum mqi_err dispatch(
    struct session *s, const struct mqframe *f, const char **ret_why);

/* request_object.c */
enum mqi_err request_open(struct session *s, const struct mqframe *f);
enum mqi_err request_open_as(struct session *s, const struct mqframe *f);
enum mqi_err request_open_select(struct session *s, const struct mqframe *f);
enum mqi_err request_open_topic(struct session *s, const struct mqframe *f);
enum mqi_err request_subscribe(struct session *s, const struct mqframe *f);
enum mqi_err request_unsubscribe(struct session *s, const struct mqframe *f);
enum mqi_err request_browse_unlock(struct session *s, const struct mqframe *f);
enum mqi_err request_close(struct session *s, const struct mqframe *f);
enum mqi_err request_inquire(struct session *s, const struct mqframe *f);
enum mqi_err request_watch(struct session *s, const struct mqframe *f);
/* request_message.c */
enum mqi_err request_put(struct session *s, const struct mqframe *f);
enum mqi_err request_piece(struct session *s, const struct mqframe *f);
enum mqi_err request_get(struct session *s, const struct mqframe *f);
enum mqi_err request_cancel_get(struct session *s, const struct mqframe *f);
enum mqi_err request_consume(struct session *s, const struct mqframe *f);
enum mqi_err request_ack(struct session *s, const struct mqframe *f);
/* request_unit.c */
enum mqi_err request_commit(struct session *s, const struct mqframe *f);
enum mqi_err request_backout(struct session *s, const struct mqframe *f);
enum mqi_err request_position_open(struct session *s, const struct mqframe *f);
enum mqi_err request_unit_position(struct session *s, const struct mqframe *f);
/* request_stream.c */
enum mqi_err request_stream_open(struct session *s, const struct mqframe *f);
enum mqi_err request_stream_bind(struct session *s, const struct mqframe *f);
enum mqi_err request_stream_ack(struct session *s, const struct mqframe *f);
enum mqi_err request_stream_credit(struct session *s, const struct mqframe *f);
enum mqi_err request_stream_limit(struct session *s, const struct mqframe *f);
enum mqi_err request_stream_remove(struct session *s, const struct mqframe *f);
/* request_ctl.c */
enum mqi_err request_ping(struct session *s, const struct mqframe *f);
enum mqi_err request_command(struct session *s, const struct mqframe *f);
enum mqi_err request_agent_status(struct session *s, const struct mqframe *f);

#endif
