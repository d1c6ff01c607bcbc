/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_room.c - room on the disk.
 *
 * A full disk may refuse puts and nothing else, but in LMDB a delete needs new
 * pages too, and what the journal has accepted must come in.  So the disk is
 * made to give a reserve behind the used part of the file before it is needed
 * (fallocate(2), in steps).  When it does not, what is left of the reserve and
 * the free pages within the file are counted, and below the reserve has_room
 * says no: it is then spent only by checkpoints, gets, deletes and starting
 * work.
 *
 * The reserve is ROOM_FIXED for transactions: one in progress and two whose old
 * pages LMDB does not reuse yet, each of LMDB_TXN_BYTES and a batch; and
 * ROOM_PER_BYTE for each byte of records that the journal can hold, or that
 * the engine lets it be ahead, whichever is less.  That is
 * the worst case: an empty message with a descriptor of 96 bytes is a record of
 * 205; its entry and bytes in a segment (133), its row with both ids (122) and
 * two entries of "ids" (52 each), on pages that are half full, take 585.  A
 * message of 1 KiB takes 1.2 times its record.
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

#define ROOM_FIXED (UINT64_C(64) << 20)
#define ROOM_PER_BYTE 3u
#define ROOM_STEP (UINT64_C(32) << 20)

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

/* *ret: whether there is a reserve for a journal of so many bytes; the disk is
 * asked if it must be. */
static enum mqi_err
reserve(struct lmdb_env *e, uint64_t journal_bytes, bool *ret,
    struct store_why *why)
{
	const uint64_t owed =
	    e->journal_max != 0 && journal_bytes > e->journal_max
		? e->journal_max
		: journal_bytes;
	const uint64_t want = ROOM_FIXED + ROOM_PER_BYTE * owed;
	MDB_envinfo info;
	uint64_t used;
	uint64_t left;

	*ret = true;
	if (mdb_env_info(e->env, &info) != 0)
		return MQI_OK;
	used = (info.me_last_pgno + 1) * e->page_size;
	if (used + want <= e->allocated)
		return MQI_OK;
	/* a reader that was killed would keep pages from reuse */
	(void)mdb_reader_check(e->env, NULL);
	if (allocate(e, used + want + ROOM_STEP) ||
	    (is_full(e->allocate_rc) && allocate(e, used + want)))
		return MQI_OK;
	if (!is_full(e->allocate_rc))
		return store_fail(why, MQI_E_IO,
		    "cannot reserve room on the disk (fallocate): %s",
		    strerror(e->allocate_rc));
	left = e->allocated > used ? e->allocated - used : 0;
	*ret = left + free_bytes(e) >= want;
	return MQI_OK;
}

enum mqi_err
lmdb_room_update(struct lmdb_env *e, struct store_why *why)
{
	bool room = true;
	enum mqi_err err = reserve(e, e->journal_bytes, &room, why);

	if (err == MQI_OK)
		atomic_store_explicit(&e->has_room, room, memory_order_relaxed);
	return err;
}

enum mqi_err
lmdb_room_grow(struct lmdb_env *e, uint64_t journal_bytes, bool *ret,
    struct store_why *why)
{
	bool room = true;
	enum mqi_err err = reserve(e, journal_bytes, &room, why);

	if (err != MQI_OK)
		return err;
	if (room)
		e->journal_bytes = journal_bytes;
	*ret = room;
	return MQI_OK;
}
