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

/* handle_object.c */
enum mqi_err handle_open(struct session *s, const struct mqframe *f);
enum mqi_err handle_close(struct session *s, const struct mqframe *f);
enum mqi_err handle_inquire(struct session *s, const struct mqframe *f);
enum mqi_err handle_watch(struct session *s, const struct mqframe *f);
/* handle_message.c */
enum mqi_err handle_put(struct session *s, const struct mqframe *f);
enum mqi_err handle_piece(struct session *s, const struct mqframe *f);
enum mqi_err handle_get(struct session *s, const struct mqframe *f);
enum mqi_err handle_cancel_get(struct session *s, const struct mqframe *f);
enum mqi_err handle_consume(struct session *s, const struct mqframe *f);
enum mqi_err handle_ack(struct session *s, const struct mqframe *f);
/* handle_unit.c */
enum mqi_err handle_commit(struct session *s, const struct mqframe *f);
enum mqi_err handle_backout(struct session *s, const struct mqframe *f);
enum mqi_err handle_position_open(struct session *s, const struct mqframe *f);
enum mqi_err handle_unit_position(struct session *s, const struct mqframe *f);
/* handle_stream.c */
enum mqi_err handle_stream_open(struct session *s, const struct mqframe *f);
enum mqi_err handle_stream_bind(struct session *s, const struct mqframe *f);
enum mqi_err handle_stream_ack(struct session *s, const struct mqframe *f);
enum mqi_err handle_stream_credit(struct session *s, const struct mqframe *f);
/* handle_ctl.c */
enum mqi_err handle_ping(struct session *s, const struct mqframe *f);
enum mqi_err handle_command(struct session *s, const struct mqframe *f);
enum mqi_err handle_agent_status(struct session *s, const struct mqframe *f);

#endif
