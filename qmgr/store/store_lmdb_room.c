/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_room.c - room on the disk.
 *
 * A full disk may refuse puts and nothing else, but in LMDB a delete needs new
 * pages too.  So the disk is made to give ROOM_RESERVE bytes behind the used
 * part of the file before they are needed (fallocate(2), in steps).  When it
 * does not, what is left of the reserve and the free pages within the file are
 * counted, and below ROOM_RESERVE has_room says no: the reserve is then spent
 * only by gets, deletes and starting work.
 *
 * The usual check costs no system call.  The count of free pages, which walks
 * LMDB's free list, is made only while the disk gives nothing.
 *
 * Any failure but that of a full disk is one of the disk's: nothing is known
 * of it any more, and the store ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "qmgr/store/store_lmdb_env.h"

#define ROOM_RESERVE (UINT64_C(64) << 20)
#define ROOM_STEP (UINT64_C(64) << 20)

/* Bytes of free pages within the used part of the file. */
static uint64_t
free_bytes(const struct lmdb_env *e)
{
	const MDB_dbi free_db = 0;
	MDB_cursor *cursor = NULL;
	MDB_txn *txn = NULL;
	MDB_val key;
	MDB_val val;
	uint64_t pages = 0;

	if (mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	if (mdb_cursor_open(txn, free_db, &cursor) == 0) {
		/* each value is a list of page numbers after its length */
		while (mdb_cursor_get(cursor, &key, &val, MDB_NEXT) == 0) {
			size_t n = 0;

			memcpy(&n, val.mv_data, sizeof(n));
			pages += n;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return pages * e->page_size;
}

/* The disk is full, or may not be filled further. */
static bool
is_full(int rc)
{
	return rc == ENOSPC || rc == EDQUOT || rc == EFBIG;
}

/* True: the file has at least len bytes of blocks. */
static bool
allocate(struct lmdb_env *e, uint64_t len)
{
	int fd;
	int rc = len > e->map_size ? EFBIG : mdb_env_get_fd(e->env, &fd);

	if (rc == 0) {
		do {
			rc = e->options->allocate(e->options->arg, fd, len);
		} while (rc == EINTR);
	}
	if (rc == 0)
		e->allocated = len;
	e->allocate_rc = rc;
	return rc == 0;
}

enum mqi_err
lmdb_room_update(struct lmdb_env *e, struct store_why *why)
{
	MDB_envinfo info;
	uint64_t used;
	uint64_t left;
	bool room = true;

	if (mdb_env_info(e->env, &info) != 0)
		return MQI_OK;
	used = (info.me_last_pgno + 1) * e->page_size;
	if (used + ROOM_RESERVE > e->allocated) {
		/* a reader that was killed would keep pages from reuse */
		(void)mdb_reader_check(e->env, NULL);
		room = allocate(e, used + ROOM_RESERVE + ROOM_STEP);
		if (!room && is_full(e->allocate_rc))
			room = allocate(e, used + ROOM_RESERVE);
		if (!room && !is_full(e->allocate_rc))
			return store_fail(why, MQI_E_IO,
			    "cannot reserve room on the disk (fallocate): %s",
			    strerror(e->allocate_rc));
	}
	if (!room) {
		left = e->allocated > used ? e->allocated - used : 0;
		room = left + free_bytes(e) >= ROOM_RESERVE;
	}
	atomic_store_explicit(&e->has_room, room, memory_order_relaxed);
	return MQI_OK;
}
