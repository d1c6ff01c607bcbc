/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_snapshot.h - the state of a store that another process is writing,
 * kept as it is while it is looked at: a read transaction of LMDB, so that no
 * page of it is written again.  One thread.
 */
#ifndef MQ_STORE_STORE_LMDB_SNAPSHOT_H
#define MQ_STORE_STORE_LMDB_SNAPSHOT_H

#include "qmgr/store/pages.h"

struct store_snapshot;

/* Opens DIR/store.  Errors: IO, OBJECT_DAMAGED (LMDB refuses the file), and
 * *ret_why, malloc'd. */
MQ_MUST_CHECK enum mqi_err store_snapshot_open(
    const char *dir, struct store_snapshot **ret, char **ret_why);
/* NULL. */
struct store_snapshot *store_snapshot_close(struct store_snapshot *s);

uint64_t store_snapshot_txnid(const struct store_snapshot *s);
/* Both meta pages as they were then. */
const struct pages_meta *store_snapshot_metas(const struct store_snapshot *s);

#endif
