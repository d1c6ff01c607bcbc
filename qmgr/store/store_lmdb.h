/* SPDX-License-Identifier: Apache-2.0 */
/* store_lmdb.h - what can be set on LMDB's side of the store. */
#ifndef MQ_STORE_LMDB_H
#define MQ_STORE_LMDB_H

#include <stdint.h>

struct store_lmdb_options {
	/* Makes the disk give the first len bytes of the file; 0 or errno. */
	int (*allocate)(void *arg, int fd, uint64_t len);
	void *arg;
	uint64_t map_size; /* bytes; 0: the size of the file system */
	/* type of the file system, as of statfs(2); 0: ask */
	long fs_type;
};

#endif
