/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb.h - what tests may set on the LMDB store; everybody else calls
 * store_lmdb_open() of store.h.
 */
#ifndef MQ_STORE_LMDB_H
#define MQ_STORE_LMDB_H

#include "qmgr/store/store.h"

struct store_lmdb_options {
	/* Makes the disk give the first len bytes of the file; 0 or errno. */
	int (*allocate)(void *arg, int fd, uint64_t len);
	void *arg;
	uint64_t map_size; /* bytes; 0: the size of the file system */
	/* type of the file system, as of statfs(2); 0: ask */
	long fs_type;
};

/* options live until close. */
MQ_MUST_CHECK enum mqi_err store_lmdb_open_with(const char *dir,
    const struct store_lmdb_options *options, void (*wake)(void *arg),
    void *arg, struct store **ret, char **ret_why);

#endif
