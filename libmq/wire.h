/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - between wire.c (who reads and writes when) and read.c (what has
 * been read).  Called with the connection's lock held.
 */
#ifndef MQ_LIBMQ_WIRE_H
#define MQ_LIBMQ_WIRE_H

#include "libmq/conn.h"

/* Receives once, by the thread that holds the reader's role (the lock is
 * released meanwhile), and hands out whole frames.  wait: until there is
 * something.  False if nothing came; a loss is noted. */
bool mqread_once(mqi_conn *c, bool wait);

#endif
