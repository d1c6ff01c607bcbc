/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_impl.h - between agent.c (the connection, streams) and agent_put.c
 * (the receiver's puts).  One thread.
 */
#ifndef MQ_LIBMQ_AGENT_IMPL_H
#define MQ_LIBMQ_AGENT_IMPL_H

#include "libmq/agent.h"
#include "libmq/conn.h"

/* Around a callback: releases the lock; returns what take_lock() wants. */
bool mqagent_leave_lock(mqi_conn *c);
void mqagent_take_lock(mqi_conn *c, bool before);

/* A handle goes: so does a put whose body is not complete. */
void mqagent_queue_free(mqi_queue *q);

#endif
