/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_snapshot.c - a read transaction in a process that is not the
 * store's, and the meta page that belongs to it.
 *
 * LMDB does not say where the trees of a transaction begin, so the meta pages
 * are read beside it.  Two commits later the transaction's meta page has been
 * overwritten: then, and when a page was read while it was written, the
 * transaction is begun again.
 *
 * LMDB reads nothing of the file here but the meta pages.
 */
#include "qmgr/store/store_lmdb_snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "base/mem.h"
#include "qmgr/store/store_err.h"

#define TRIES 10000u

struct store_snapshot {
	MDB_env *env;
	MDB_txn *txn;
	struct pages_meta metas[2];
};

/* Reads the meta pages; true if they are sound and one is the
 * transaction's. */
static bool
read_metas(struct store_snapshot *s, const char *path, char **ret_why)
{
	struct pages p;
	uint64_t txnid = mdb_txn_id(s->txn);
	bool found = false;

	free(*ret_why);
	*ret_why = NULL;
	if (pages_open(&p, path, ret_why) == MQI_OK) {
		memcpy(s->metas, p.metas, sizeof(s->metas));
		found =
		    p.metas[0].wrong == NULL && p.metas[1].wrong == NULL &&
		    (p.metas[0].txnid == txnid || p.metas[1].txnid == txnid);
	}
	pages_close(&p);
	return found;
}

static int
begin(struct store_snapshot *s, const char *path, char **ret_why)
{
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);

	for (unsigned i = 0; rc == 0 && i < TRIES; i++) {
		if (read_metas(s, path, ret_why))
			return 0;
		mdb_txn_reset(s->txn);
		rc = mdb_txn_renew(s->txn);
	}
	return rc != 0 ? rc : MDB_CORRUPTED;
}

enum mqi_err
store_snapshot_open(
    const char *dir, struct store_snapshot **ret, char **ret_why)
{
	struct store_snapshot *s = mqmem_alloc(sizeof(*s));
	char *path = NULL;
	char *data = NULL;
	int rc = ENOMEM;

	if (asprintf(&path, "%s/store", dir) < 0 ||
	    asprintf(&data, "%s/store/data.mdb", dir) < 0)
		goto out;
	rc = mdb_env_create(&s->env);
	if (rc != 0)
		goto out;
	rc = mdb_env_open(s->env, path, MDB_RDONLY | MDB_NOTLS, 0600);
	if (rc == 0)
		rc = begin(s, data, ret_why);
out:
	if (rc != 0 && *ret_why == NULL &&
	    asprintf(ret_why, "%s: %s", data != NULL ? data : "the store",
		mdb_strerror(rc)) < 0)
		*ret_why = NULL;
	if (rc == 0)
		*ret = s;
	else
		(void)store_snapshot_close(s);
	free(path);
	free(data);
	return store_err(rc);
}

struct store_snapshot *
store_snapshot_close(struct store_snapshot *s)
{
	if (s->txn != NULL)
		mdb_txn_abort(s->txn);
	if (s->env != NULL)
		mdb_env_close(s->env);
	free(s);
	return NULL;
}

uint64_t
store_snapshot_txnid(const struct store_snapshot *s)
{
	return mdb_txn_id(s->txn);
}

const struct pages_meta *
store_snapshot_metas(const struct store_snapshot *s)
{
	return s->metas;
}
