/* SPDX-License-Identifier: Apache-2.0 */
/* store_lmdb_load.h - answers to loads.  A reader belongs to one thread. */
#ifndef MQ_STORE_LMDB_LOAD_H
#define MQ_STORE_LMDB_LOAD_H

#include "qmgr/store/store_lmdb_env.h"

struct lmdb_reader {
	const struct lmdb_env *e;
	MDB_txn *txn; /* kept, reset between loads */
};

/* Fills in the answer, with err and as_of, from one short transaction. */
void lmdb_reader_load(struct lmdb_reader *r, struct store_load *l);
void lmdb_reader_fini(struct lmdb_reader *r);

#endif
