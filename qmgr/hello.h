/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello.h - a session's first frame.  Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_HELLO_H
#define MQ_QMGR_HELLO_H

#include <mq/mqi_err.h>

#include "base/check.h"
#include "proto/frame.h"

struct session;

/* Checks the first frame and opens the session, or returns the reason why not;
 * *ret_why is then a sentence, valid until the next call, or NULL. */
MQ_MUST_CHECK enum mqi_err hello_take(
    struct session *s, const struct mqframe *f, const char **ret_why);

#endif
