/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hand.c - a store that is closed, by hand (hand.h).
 */
#include "tests/unit/store/hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "qmgr/store/store_schema.h"

struct hand
hand_open(const struct harness *h)
{
	struct hand x;
	char path[PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/store", h->dir.path);
	assert_int_equal(mdb_env_create(&x.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(x.env, 32), 0);
	assert_int_equal(mdb_env_set_mapsize(x.env, 1u << 30), 0);
	assert_int_equal(mdb_env_open(x.env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(x.env, NULL, 0, &x.txn), 0);
	return x;
}

MDB_dbi
hand_table(struct hand *x, const char *name)
{
	MDB_dbi dbi;

	assert_int_equal(mdb_dbi_open(x->txn, name, MDB_CREATE, &dbi), 0);
	return dbi;
}

void
hand_close(struct hand *x)
{
	assert_int_equal(mdb_txn_commit(x->txn), 0);
	mdb_env_close(x->env);
}

size_t
hand_entries(const struct harness *h, const char *table)
{
	struct hand x = hand_open(h);
	MDB_stat st;

	assert_int_equal(mdb_stat(x.txn, hand_table(&x, table), &st), 0);
	hand_close(&x);
	return st.ms_entries;
}

void
hand_made_id(uint8_t id[MQI_ID_LEN], uint64_t body_id)
{
	memset(id, 0x51, MQI_ID_LEN);
	schema_u64(id + 16, body_id - 1);
}

void
hand_put_made(struct harness *h, struct record_key key, uint64_t body_id)
{
	struct record_put v = {.body_id = body_id,
	    .n_places = 1,
	    .places = &key,
	    .desc = "descriptor",
	    .desc_len = 10,
	    .body = "body",
	    .body_len = 4,
	    .body_crc = mqcrc32c(0, "body", 4)};

	hand_made_id(v.msg_id, body_id);
	record_encode_put(harness_records(h), 0, &v);
}

uint32_t
hand_found(struct harness *h, uint64_t queue, uint64_t body_id,
    const struct record_key *after)
{
	struct store_load *l = store_load_new();
	uint32_t n;

	l->kind = STORE_LOAD_BY_ID;
	l->queue_id = queue;
	l->from_start = after == NULL;
	if (after != NULL)
		l->after = *after;
	l->max_rows = 10;
	l->max_bytes = 100000;
	l->id_kind = STORE_ID_MSG;
	hand_made_id(l->id, body_id);
	l = harness_load(h, l);
	assert_int_equal(l->err, MQI_OK);
	assert_true(l->end);
	n = l->n_rows;
	for (uint32_t i = 0; i < n; i++) {
		assert_non_null(l->rows[i].data);
		assert_memory_equal(
		    l->rows[i].data->data, "descriptorbody", 14);
	}
	(void)store_load_free(l);
	return n;
}
