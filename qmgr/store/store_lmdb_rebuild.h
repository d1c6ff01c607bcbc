/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_rebuild.h - a store written anew from what can be read of another:
 * for compaction, backups, and stores that are damaged.  One thread; blocks for
 * as long as it takes.
 */
#ifndef MQ_STORE_STORE_LMDB_REBUILD_H
#define MQ_STORE_STORE_LMDB_REBUILD_H

#include "qmgr/store/pages.h"

struct rebuild_options {
	/* Go on where pages cannot be read; else that is an error. */
	bool salvage;
	/* Make the counters of queues anew from what is there. */
	bool count;
	uint64_t rate; /* bytes per second; 0: as fast as it goes */
	/* of a snapshot (store_lmdb_snapshot.h), as in verify.h */
	const struct pages_meta *metas;
	uint64_t txnid;
};

struct rebuild_result {
	uint64_t entries;
	uint64_t bytes;  /* of the new file */
	uint64_t lost;   /* pages that could not be read */
	uint64_t queues; /* whose counters were changed */
	uint64_t batch;  /* the last one that the new store has */
};

/*
 * store_rebuild - writes all tables of FROM/store/data.mdb to TO/data.mdb,
 * where TO is a directory without one, and flushes the file.  On failure what
 * has been written of it is left there. Errors: OBJECT_DAMAGED (a page cannot
 * be read; with salvage, one that no start can do without), IO,
 * STORAGE_MEDIUM_FULL, NO_MEMORY; *ret_why is malloc'd.
 */
MQ_MUST_CHECK enum mqi_err store_rebuild(const char *from, const char *to,
    const struct rebuild_options *options, struct rebuild_result *ret,
    char **ret_why);

#endif
