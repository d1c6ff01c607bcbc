/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start_check.h - a look at the store's pages before LMDB is given them.
 * Before there are threads; blocking.
 */
#ifndef MQ_QMGR_START_CHECK_H
#define MQ_QMGR_START_CHECK_H

#include <mq/mqi_err.h>

#include "base/check.h"

/*
 * start_check - looks at the store in DIR/store as far as START_CHECK_MS go, or
 * at all of it if its last end was suspect.  Where pages of messages are
 * damaged, what can be read is written anew, the damaged file stays beside it,
 * and everything is in the log.
 * Errors: OBJECT_DAMAGED: it cannot be served; *ret_why, malloc'd, says what to
 * do.
 */
MQ_MUST_CHECK enum mqi_err start_check(const char *dir, char **ret_why);

#endif
