/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_env.h - the LMDB environment of a store: opening and checking it,
 * its databases, and the room on its disk.
 */
#ifndef MQ_STORE_LMDB_ENV_H
#define MQ_STORE_LMDB_ENV_H

#include <stdatomic.h>

#include <lmdb.h>

#include "qmgr/store/journal_format.h"
#include "qmgr/store/store_err.h"
#include "qmgr/store/store_lmdb.h"
#include "qmgr/store/store_schema.h"

enum lmdb_db {
	DB_STORE,
	DB_META,
	DB_OBJECTS,
	DB_STREAMS,
	DB_POSITIONS,
	DB_QUEUES,
	DB_ROWS,
	DB_BODIES,
	DB_SHARED,
	DB_IDS,
	DB_NP,
	DB_STAGED,
	DB_LIMBO,
	DB_PURGES,
	DB_SEGMENTS,
	DB_LIVE,
	DB_COUNT,
};

struct lmdb_env {
	MDB_env *env;
	MDB_dbi dbi[DB_COUNT];
	const struct store_lmdb_options *options;
	uint64_t map_size;
	uint64_t page_size;
	uint64_t allocated;     /* bytes of the file that the disk has given */
	int allocate_rc;        /* of the last time that it was asked */
	uint64_t journal_bytes; /* of its files */
	uint64_t journal_max;   /* of records that may come at once; 0: all */
	bool is_new;            /* the file FORMAT is not there yet */
	uint64_t last_batch;
	uint64_t opened; /* how often it has been, this time included */
	bool has_log;    /* there is a journal in front of it: this one */
	uint8_t log_id[JOURNAL_ID_LEN];
	uint64_t dead_epoch; /* of the starts before this one */
	atomic_bool has_room;
};

/* Opens or makes dir/store and checks its format; one commit proves that the
 * disk takes writes.  Then only the journal's batches may come, until
 * lmdb_env_start(). */
MQ_MUST_CHECK enum mqi_err lmdb_env_open(struct lmdb_env *e, const char *dir,
    const struct store_lmdb_options *options, struct store_why *why);
/* Remembers the journal that has just been made. */
MQ_MUST_CHECK enum mqi_err lmdb_env_set_log(struct lmdb_env *e,
    const uint8_t log_id[JOURNAL_ID_LEN], struct store_why *why);
/* A start's work, when the journal has been applied: what was non-persistent,
 * staged or removed before it goes, and the small tables are read through. */
MQ_MUST_CHECK enum mqi_err lmdb_env_start(
    struct lmdb_env *e, struct store_why *why);
/* The file that tells that the store was in use. */
MQ_MUST_CHECK enum mqi_err lmdb_env_made(
    struct lmdb_env *e, const char *dir, struct store_why *why);
void lmdb_env_close(struct lmdb_env *e); /* also a half-opened one */

/* Walks the small tables of a read transaction; c may be NULL: only check. */
MQ_MUST_CHECK enum mqi_err lmdb_catalog(const struct lmdb_env *e,
    const struct store_catalog *c, struct store_why *why);

/* Keeps a reserve behind the used part of the file, for transactions and for
 * what a journal of journal_bytes may hold, and judges has_room.  The thread
 * that writes, between transactions.
 * Errors: IO: the disk fails, and not for want of room. */
MQ_MUST_CHECK enum mqi_err lmdb_room_update(
    struct lmdb_env *e, struct store_why *why);
/* The journal is to be longer: *ret false if there is no reserve for that; else
 * it is kept from now on.  Errors: as before. */
MQ_MUST_CHECK enum mqi_err lmdb_room_grow(struct lmdb_env *e,
    uint64_t journal_bytes, bool *ret, struct store_why *why);

/* Reads u64 values of the database "store"; 0 if absent. */
MQ_MUST_CHECK enum mqi_err lmdb_get_number(const struct lmdb_env *e,
    MDB_txn *txn, const char *key, uint64_t *ret, struct store_why *why);

static inline MDB_val
lmdb_val(const void *data, size_t len)
{
	return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)data};
}

#endif
