/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_format.c - the bytes of LMDB's tables: a store of before there
 * were segments is read, changed and emptied, and what is written today is what
 * the golden file says.
 *
 * With MQ_GOLDEN_WRITE set, a missing golden file is written; one that exists
 * is never changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "qmgr/store/store_lmdb_env.h"
#include "tests/unit/store/hand.h"
#include "tests/unit/store/harness.h"

#define Q1 HARNESS_Q1
#define Q2 HARNESS_Q2
#define DESC_LEN 20u

static int
setup(void **state)
{
	*state = &harness_kinds[HARNESS_LMDB];
	return harness_setup(state);
}

/* ---- a store of before there were segments ---- */

static size_t
from_hex(const char *text, uint8_t *ret)
{
	size_t n = strspn(text, "0123456789abcdef") / 2;

	for (size_t i = 0; i < n; i++) {
		const char two[3] = {text[2 * i], text[2 * i + 1], '\0'};

		ret[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

/* A long body's bytes are those of harness_fill_body(). */
static void
load_line(struct hand *x, MDB_dbi dbi, const char *line)
{
	static uint8_t key[512];
	static uint8_t val[70000];
	const char *value = strchr(line, ' ') + 1;
	MDB_val k = lmdb_val(key, from_hex(line, key));
	MDB_val v = lmdb_val(val, from_hex(value, val));

	if (strncmp(value, "body ", 5) == 0) {
		v.mv_size = strtoul(value + 5, NULL, 10);
		harness_fill_body(
		    schema_get_u64(key), val, (uint32_t)v.mv_size);
	}
	assert_int_equal(mdb_put(x->txn, dbi, &k, &v, 0), 0);
}

static void
load_golden(struct harness *h)
{
	static char line[20000];
	char path[PATH_MAX + 32];
	struct hand x;
	MDB_dbi dbi = 0;
	FILE *f;

	harness_close(h);
	(void)snprintf(path, sizeof(path), "%s/journal", h->dir.path);
	tmpdir_clear(path, 1);
	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", h->dir.path);
	assert_int_equal(unlink(path), 0);
	x = hand_open(h);
	(void)snprintf(path, sizeof(path),
	    "%s/tests/data/golden/store/format-1.txt", getenv("MQ_SRC"));
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "table ", 6) == 0)
			dbi = hand_table(&x, line + 6);
		else
			load_line(&x, dbi, line);
	}
	(void)fclose(f);
	hand_close(&x);
}

static void
check_golden_rows(struct harness *h)
{
	struct store_load *l = harness_rows(h, Q1);

	/* one is shared with Q2; the non-persistent one has ended */
	assert_int_equal(l->n_rows, 4);
	for (uint32_t i = 0; i < 3; i++) {
		const uint64_t seqs[] = {1, 3, 5};
		const struct store_row *row = &l->rows[i];
		uint8_t body[200];

		assert_int_equal(row->key.seq, seqs[i]);
		assert_int_equal(row->body_id, 100 + seqs[i]);
		assert_int_equal(row->body_len, 40 * seqs[i]);
		assert_int_equal(row->backout_count, seqs[i] == 3 ? 7 : 0);
		assert_non_null(row->data);
		harness_fill_body(row->body_id, body, row->body_len);
		assert_memory_equal(
		    row->data->data + DESC_LEN, body, row->body_len);
	}
	assert_int_equal(l->rows[3].body_id, 300);
	assert_memory_equal(l->rows[3].data->data, "dto two", 7);
	(void)store_load_free(l);
	harness_check_body(h, 200, 70000);
}

static void
test_store_without_segments_is_read_and_emptied(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(Q1, 0, 1);
	struct record_backout backout = {
	    .key = harness_key(Q1, 3, 5), .count = 2};
	static const char *const names[] = {"rows", "bodies", "ids", "shared",
	    "np", "staged", "limbo", "segments", "live"};

	load_golden(h);
	harness_reopen(h);
	harness_assert_depth(h, Q1, 4, 40 + 120 + 200 + 6);
	harness_assert_depth(h, Q2, 2, 70006);
	check_golden_rows(h);
	harness_epoch(h, 2);
	hand_put_made(h, harness_key(Q1, 9, 1000), 5001);
	record_encode_backout(harness_records(h), 0, &backout);
	harness_commit(h);
	harness_reopen(h);
	assert_int_equal(hand_found(h, Q1, 5001, NULL), 1);
	for (uint64_t seq = 1; seq <= 3; seq += 2) {
		key.seq = seq;
		harness_remove(h, &key, 100 + seq, (uint8_t)(seq == 1));
	}
	harness_remove(h, &backout.key, 105, 1);
	key = harness_key(Q1, 9, 1000);
	harness_remove(h, &key, 5001, 1);
	key = harness_key(Q1, 5, 9);
	harness_remove(h, &key, 300, 1);
	key.queue_id = Q2;
	harness_remove(h, &key, 300, 1);
	key = harness_key(Q2, 0, 1);
	harness_remove(h, &key, 200, 1);
	harness_commit(h);
	harness_assert_depth(h, Q1, 0, 0);
	harness_reopen(h);
	harness_close(h);
	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
		/* the non-persistent one is the sweep's, when it comes */
		size_t may = i < 3 || i == 4 ? 2 : 0;

		print_message("%s\n", names[i]);
		assert_in_range(hand_entries(h, names[i]), 0, may);
	}
}

/* What versions see that do not know segments. */
static void
test_opening_raises_the_features(void **state)
{
	struct harness *h = *state;
	struct hand x;
	MDB_val key = lmdb_val("format", 6);
	MDB_val val;
	uint32_t version;
	uint64_t features;

	load_golden(h);
	x = hand_open(h);
	assert_int_equal(
	    mdb_get(x.txn, hand_table(&x, "store"), &key, &val), 0);
	assert_int_equal(
	    schema_format_decode(val.mv_data, val.mv_size, &version, &features),
	    SCHEMA_OK);
	assert_int_equal(features, 0);
	hand_close(&x);
	harness_reopen(h);
	harness_close(h);
	x = hand_open(h);
	assert_int_equal(
	    mdb_get(x.txn, hand_table(&x, "store"), &key, &val), 0);
	assert_int_equal(
	    schema_format_decode(val.mv_data, val.mv_size, &version, &features),
	    SCHEMA_OK);
	assert_true((features & SCHEMA_FEATURE_SEGMENTS) != 0);
	hand_close(&x);
}

/* ---- the bytes of today ---- */

static void
print_table(FILE *f, struct hand *x, const char *name)
{
	MDB_cursor *cursor;
	MDB_val k;
	MDB_val v;

	(void)fprintf(f, "table %s\n", name);
	assert_int_equal(
	    mdb_cursor_open(x->txn, hand_table(x, name), &cursor), 0);
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		for (size_t i = 0; i < k.mv_size; i++)
			(void)fprintf(f, "%02x", ((uint8_t *)k.mv_data)[i]);
		(void)fputc(' ', f);
		for (size_t i = 0; i < v.mv_size; i++)
			(void)fprintf(f, "%02x", ((uint8_t *)v.mv_data)[i]);
		(void)fputc('\n', f);
	}
	mdb_cursor_close(cursor);
}

static char *
print_tables(const struct harness *h)
{
	static const char *const names[] = {"rows", "segments", "live",
	    "bodies", "ids", "np", "limbo", "shared", "queues"};
	struct hand x = hand_open(h);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++)
		print_table(f, &x, names[i]);
	(void)fclose(f);
	hand_close(&x);
	return text;
}

static void
check_golden_text(const char *text)
{
	char path[PATH_MAX];
	char *golden = calloc(1, strlen(text) + 2);
	FILE *f;

	(void)snprintf(path, sizeof(path),
	    "%s/tests/data/golden/store/segments.txt", getenv("MQ_SRC"));
	f = fopen(path, "re");
	if (f == NULL && getenv("MQ_GOLDEN_WRITE") != NULL) {
		f = fopen(path, "we");
		assert_non_null(f);
		(void)fputs(text, f);
		(void)fclose(f);
		f = fopen(path, "re");
	}
	assert_non_null(f);
	(void)fread(golden, 1, strlen(text) + 1, f);
	(void)fclose(f);
	assert_string_equal(golden, text);
	free(golden);
}

static void
test_bytes_are_the_golden_ones(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(Q1, 0, 1);
	struct record_key places[2] = {
	    harness_key(Q1, 5, 9), harness_key(Q2, 5, 9)};
	struct record_put shared = {.body_id = 300,
	    .msg_id = "shared",
	    .n_places = 2,
	    .places = places,
	    .desc = "d",
	    .desc_len = 1};
	char *text;

	hand_put_made(h, harness_key(Q1, 2, 7), 101);
	harness_put(h, &key, 103, 20, 0);
	key.seq = 2;
	harness_put(h, &key, 104, 20, RECORD_PUT_NON_PERSISTENT);
	record_encode_put(harness_records(h), 0, &shared);
	harness_commit(h);
	key.seq = 1;
	harness_remove(h, &key, 103, 0);
	harness_commit(h);
	harness_close(h);
	text = print_tables(h);
	check_golden_text(text);
	free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, harness_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_store_without_segments_is_read_and_emptied),
	    TEST(test_opening_raises_the_features),
	    TEST(test_bytes_are_the_golden_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
