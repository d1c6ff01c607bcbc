/* SPDX-License-Identifier: Apache-2.0 */
/* store_err.h - LMDB's and the system's codes in our words.  Thread-safe. */
#ifndef MQ_STORE_ERR_H
#define MQ_STORE_ERR_H

#include "qmgr/store/store_impl.h"

enum mqi_err store_err(int rc);
/* Keeps "what: LMDB's or the system's text" as the reason. */
enum mqi_err store_err_fail(struct store_why *why, int rc, const char *what);

#endif
