/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_lmdb_catalog.c - shows what a store holds at its opening: the small
 * tables, read through in one read transaction; no row and no body.
 *
 * LMDB 0.9 shows a page that was overwritten with zeros as an empty one.  So
 * what is walked is counted against what LMDB says a table has, every record is
 * checked, and a queue without its counters is damage and not an empty queue.
 */
#include "qmgr/store/store_lmdb_env.h"

struct walk {
	const struct lmdb_env *e;
	const struct store_catalog *c; /* NULL: only check */
	struct store_why *why;
	MDB_txn *txn;
};

static enum mqi_err
show_queue(const struct walk *w, uint64_t queue_id)
{
	struct schema_counters v;
	uint8_t key[8];
	MDB_val k;
	MDB_val val;
	int rc;

	schema_u64(key, queue_id);
	k = lmdb_val(key, sizeof(key));
	rc = mdb_get(w->txn, w->e->dbi[DB_QUEUES], &k, &val);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return store_err_fail(w->why, rc, "reading counters");
	if (rc == MDB_NOTFOUND ||
	    !schema_counters_decode(queue_id, val.mv_data, val.mv_size, &v))
		return store_fail(w->why, MQI_E_OBJECT_DAMAGED,
		    "the counters of queue %llu are missing or damaged",
		    (unsigned long long)queue_id);
	/* non-persistent messages ended with the last start */
	if (w->c != NULL)
		w->c->queue(w->c->ctx, queue_id, v.depth, v.bytes);
	return MQI_OK;
}

static enum mqi_err
show_record(const struct walk *w, const struct record *r)
{
	const struct store_catalog *c = w->c;

	switch (r->type) {
	case RECORD_META:
		if (c != NULL)
			c->meta(c->ctx, &r->u.meta);
		return MQI_OK;
	case RECORD_OBJECT:
		if (c != NULL)
			c->object(c->ctx, &r->u.object);
		return r->u.object.id != 0 ? show_queue(w, r->u.object.id)
					   : MQI_OK;
	case RECORD_STREAM:
		if (c != NULL)
			c->stream(c->ctx, &r->u.stream);
		return MQI_OK;
	default:
		if (c != NULL)
			c->position(c->ctx, &r->u.position);
		return MQI_OK;
	}
}

static enum mqi_err
walk_records(const struct walk *w, enum lmdb_db db, enum record_type type,
    const char *name)
{
	MDB_cursor *cursor;
	MDB_stat st;
	MDB_val k;
	MDB_val v;
	struct record r;
	uint64_t n = 0;
	enum mqi_err err = MQI_OK;
	int rc = mdb_stat(w->txn, w->e->dbi[db], &st);

	if (rc == 0)
		rc = mdb_cursor_open(w->txn, w->e->dbi[db], &cursor);
	if (rc != 0)
		return store_err_fail(w->why, rc, name);
	for (; err == MQI_OK; n++) {
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
		if (rc != 0)
			break;
		err = record_decode(v.mv_data, v.mv_size, &r);
		if (err == MQI_OK && r.type != type)
			err = MQI_E_OBJECT_DAMAGED;
		if (err != MQI_OK)
			(void)store_fail(w->why, err,
			    "record %llu of the table %s is damaged",
			    (unsigned long long)n, name);
		else
			err = show_record(w, &r);
	}
	mdb_cursor_close(cursor);
	if (err == MQI_OK && rc != MDB_NOTFOUND)
		err = store_err_fail(w->why, rc, name);
	if (err == MQI_OK && n != st.ms_entries)
		err = store_fail(w->why, MQI_E_OBJECT_DAMAGED,
		    "the table %s shows %llu records of %llu", name,
		    (unsigned long long)n, (unsigned long long)st.ms_entries);
	return err;
}

enum mqi_err
lmdb_catalog(const struct lmdb_env *e, const struct store_catalog *c,
    struct store_why *why)
{
	struct walk w = {.e = e, .c = c, .why = why};
	enum mqi_err err;
	int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &w.txn);

	if (rc != 0)
		return store_err_fail(why, rc, "beginning a transaction");
	err = walk_records(&w, DB_META, RECORD_META, "meta");
	if (err == MQI_OK)
		err = walk_records(&w, DB_OBJECTS, RECORD_OBJECT, "objects");
	if (err == MQI_OK)
		err = walk_records(&w, DB_STREAMS, RECORD_STREAM, "streams");
	if (err == MQI_OK)
		err = walk_records(
		    &w, DB_POSITIONS, RECORD_POSITION, "positions");
	mdb_txn_abort(w.txn);
	return err;
}
