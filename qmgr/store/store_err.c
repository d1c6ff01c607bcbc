/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_err.c - LMDB's codes (negative) and errno (positive) in our words.
 *
 * The cause of a failed write is not to be read from here: on a full disk
 * LMDB 0.9 reports EIO, and room is judged before (store_lmdb_room.c).
 */
#include "qmgr/store/store_err.h"

#include <errno.h>

#include <lmdb.h>

enum mqi_err
store_err(int rc)
{
	switch (rc) {
	case 0:
		return MQI_OK;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
		return MQI_E_OBJECT_DAMAGED;
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return MQI_E_STORE_FORMAT;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		return MQI_E_STORAGE_MEDIUM_FULL;
	case ENOMEM:
		return MQI_E_NO_MEMORY;
	default:
		return rc < 0 ? MQI_E_STORE_FAILED : MQI_E_IO;
	}
}

enum mqi_err
store_err_fail(struct store_why *why, int rc, const char *what)
{
	return store_fail(why, store_err(rc), "%s: %s", what, mdb_strerror(rc));
}
