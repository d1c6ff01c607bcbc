/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.c - drives a store under test (harness.h).  The LMDB store's wake
 * sets a flag under a condition variable, which waiting turns into a poll, so
 * that no test sleeps; a wait of 60 s without a wake fails the test.
 */
#include "tests/unit/store/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "proto/frame.h"
#include "qmgr/store/store_mem.h"

#define WAIT_S 60
#define DESC_LEN 20u

/* ---- events ---- */

static void
on_durable(void *ctx, uint64_t number)
{
	struct harness *h = ctx;

	assert_int_equal(h->failed, MQI_OK);
	assert_int_equal(number, h->durable + 1);
	h->durable = number;
}

static void
on_applied(void *ctx, uint64_t number)
{
	struct harness *h = ctx;

	assert_int_equal(h->failed, MQI_OK);
	assert_true(number > h->applied);
	assert_true(number <= h->durable);
	h->applied = number;
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	struct harness *h = ctx;

	h->n_failed++;
	h->failed = err;
	(void)snprintf(h->why, sizeof(h->why), "%s", why);
}

static void
on_loaded(void *ctx, struct store_load *l)
{
	struct harness *h = ctx;

	assert_int_equal(h->failed, MQI_OK);
	assert_null(h->answer);
	assert_true(l->as_of <= h->applied);
	h->answer = l;
}

static void
wake(void *arg)
{
	struct harness *h = arg;

	(void)pthread_mutex_lock(&h->mutex);
	h->woken = true;
	(void)pthread_cond_signal(&h->cond);
	(void)pthread_mutex_unlock(&h->mutex);
}

void
harness_poll(struct harness *h)
{
	const struct store_events ev = {.durable = on_durable,
	    .applied = on_applied,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = h};

	h->s->ops->poll(h->s, &ev);
}

/* Polls, after the next wake. */
static void
wait_and_poll(struct harness *h)
{
	struct timespec until;
	int rc = 0;

	if (h->kind == HARNESS_LMDB) {
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += WAIT_S;
		(void)pthread_mutex_lock(&h->mutex);
		while (!h->woken && rc == 0)
			rc =
			    pthread_cond_timedwait(&h->cond, &h->mutex, &until);
		h->woken = false;
		(void)pthread_mutex_unlock(&h->mutex);
		assert_int_equal(rc, 0);
	}
	harness_poll(h);
}

/* ---- life ---- */

enum mqi_err
harness_open(struct harness *h, char **ret_why)
{
	enum mqi_err err = MQI_OK;

	if (h->kind == HARNESS_LMDB)
		err = store_open_with(
		    h->dir.path, &h->options, wake, h, &h->s, ret_why);
	else if (h->s == NULL)
		h->s = store_mem_new(true);
	if (err != MQI_OK)
		return err;
	h->submitted = h->s->ops->last_batch(h->s);
	h->durable = h->submitted;
	h->applied = h->submitted;
	h->failed = MQI_OK;
	h->n_failed = 0;
	return MQI_OK;
}

static void
must_open(struct harness *h)
{
	char *why = NULL;

	if (harness_open(h, &why) != MQI_OK)
		fail_msg("cannot open the store: %s", why);
}

struct harness *
harness_new(enum harness_kind kind)
{
	struct harness *h = calloc(1, sizeof(*h));

	h->kind = kind;
	store_options_init(&h->options);
	h->options.journal.file_size = JOURNAL_FILE_MIN;
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_cond_init(&h->cond, NULL);
	if (kind == HARNESS_LMDB)
		tmpdir_make(&h->dir);
	must_open(h);
	return h;
}

void
harness_close(struct harness *h)
{
	h->batch = store_batch_free(h->batch);
	if (h->kind == HARNESS_LMDB) {
		if (h->s != NULL)
			(void)h->s->ops->close(h->s);
		h->s = NULL;
	} else {
		h->s = store_mem_crash(h->s, UINT32_MAX);
	}
}

void
harness_reopen(struct harness *h)
{
	harness_close(h);
	must_open(h);
}

struct harness *
harness_free(struct harness *h)
{
	(void)store_batch_free(h->batch);
	(void)store_load_free(h->answer);
	if (h->s != NULL)
		(void)h->s->ops->close(h->s);
	if (h->kind == HARNESS_LMDB)
		tmpdir_free(&h->dir);
	(void)pthread_cond_destroy(&h->cond);
	(void)pthread_mutex_destroy(&h->mutex);
	free(h);
	return NULL;
}

/* ---- steps ---- */

struct mqbuf *
harness_records(struct harness *h)
{
	if (h->batch == NULL)
		h->batch = store_batch_new(h->submitted + 1);
	return &h->batch->records;
}

void
harness_submit(struct harness *h)
{
	struct store_batch *b;

	assert_int_equal(harness_records(h)->err, MQI_OK);
	b = h->batch;
	h->batch = NULL;
	h->submitted++;
	(void)h->s->ops->submit(h->s, b, false);
	h->s->ops->hurry(h->s, h->submitted);
}

void
harness_wait_durable(struct harness *h)
{
	while (h->durable < h->submitted && h->failed == MQI_OK)
		wait_and_poll(h);
	assert_int_equal(h->failed, MQI_OK);
}

void
harness_submit_alone(struct harness *h)
{
	struct store_batch *b = h->batch;

	h->batch = NULL;
	h->submitted++;
	if (h->s->ops->submit(h->s, b, true))
		harness_poll(h);
	harness_wait_durable(h);
}

void
harness_wait(struct harness *h)
{
	while (h->applied < h->submitted && h->failed == MQI_OK)
		wait_and_poll(h);
	if (h->failed != MQI_OK)
		fail_msg("the store failed: %s", h->why);
}

void
harness_commit(struct harness *h)
{
	harness_submit(h);
	harness_wait(h);
}

enum mqi_err
harness_commit_fails(struct harness *h)
{
	uint64_t applied = h->applied;

	harness_submit(h);
	while (h->failed == MQI_OK)
		wait_and_poll(h);
	assert_int_equal(h->applied, applied);
	harness_poll(h);
	assert_int_equal(h->n_failed, 1);
	return h->failed;
}

struct store_load *
harness_load(struct harness *h, struct store_load *l)
{
	struct store_load *answer;

	h->s->ops->load(h->s, l);
	while (h->answer == NULL && h->failed == MQI_OK)
		wait_and_poll(h);
	assert_int_equal(h->failed, MQI_OK);
	answer = h->answer;
	h->answer = NULL;
	MQ_INVARIANT(answer == l);
	assert_int_equal(answer->as_of, h->applied);
	return answer;
}

/* ---- shorter ---- */

void
harness_epoch(struct harness *h, uint64_t epoch)
{
	uint8_t value[8];
	struct record_meta v = {.name = "epoch", .value = value, .len = 8};

	mqbuf_set_u64(value, epoch);
	record_encode_meta(harness_records(h), &v);
}

void
harness_queue(struct harness *h, uint64_t id, const char *name)
{
	struct record_object v = {
	    .type = 2, .id = id, .attrs = "attrs", .attrs_len = 5};

	(void)snprintf(v.name, sizeof(v.name), "%s", name);
	record_encode_object(harness_records(h), &v);
}

void
harness_fill_body(uint64_t body_id, uint8_t *body, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		body[i] = (uint8_t)(body_id * 31 + (uint64_t)i * 7 + (i >> 8));
}

void
harness_put(struct harness *h, const struct record_key *key, uint64_t body_id,
    uint32_t len, uint8_t flags)
{
	uint8_t *body = malloc(len + 1);
	char desc[DESC_LEN + 1];
	struct record_put v = {
	    .flags = flags,
	    .body_id = body_id,
	    .body_len = len,
	    .n_places = 1,
	    .places = key,
	    .desc = desc,
	    .desc_len = DESC_LEN,
	    .body = body,
	};

	harness_fill_body(body_id, body, len);
	v.body_crc = mqcrc32c(0, body, len);
	(void)snprintf(
	    desc, sizeof(desc), "%020llu", (unsigned long long)body_id);
	mqbuf_set_u64(v.msg_id, body_id);
	mqbuf_set_u64(v.correl_id, body_id % 3); /* 0: none */
	record_encode_put(harness_records(h), 0, &v);
	free(body);
}

void
harness_remove(struct harness *h, const struct record_key *key,
    uint64_t body_id, uint8_t flags)
{
	struct record_remove v = {
	    .flags = flags, .key = *key, .body_id = body_id};

	record_encode_remove(harness_records(h), 0, &v);
}

struct store_load *
harness_rows(struct harness *h, uint64_t queue_id)
{
	struct store_load *l = store_load_new();

	l->kind = STORE_LOAD_ROWS;
	l->queue_id = queue_id;
	l->from_start = true;
	l->max_rows = UINT32_MAX;
	l->max_bytes = UINT32_MAX;
	l = harness_load(h, l);
	assert_int_equal(l->err, MQI_OK);
	assert_true(l->end);
	return l;
}

uint32_t
harness_count(struct harness *h, uint64_t queue_id)
{
	struct store_load *l = harness_rows(h, queue_id);
	uint32_t n = l->n_rows;

	(void)store_load_free(l);
	return n;
}

bool
harness_has_body(struct harness *h, uint64_t body_id)
{
	struct store_load *l = store_load_new();
	bool ok;

	l->kind = STORE_LOAD_BODY;
	l->body_id = body_id;
	l->n_pieces = 1;
	l = harness_load(h, l);
	ok = l->err == MQI_OK;
	assert_true(ok || l->err == MQI_E_OBJECT_DAMAGED);
	(void)store_load_free(l);
	return ok;
}

/* ---- catalog ---- */

struct depth {
	uint64_t queue_id;
	uint64_t depth;
	uint64_t bytes;
	bool found;
};

static void
see_meta(void *ctx, const struct record_meta *v)
{
	(void)ctx;
	(void)v;
}

static void
see_object(void *ctx, const struct record_object *v)
{
	(void)ctx;
	(void)v;
}

static void
see_queue(void *ctx, uint64_t queue_id, uint64_t depth, uint64_t bytes)
{
	struct depth *d = ctx;

	if (queue_id != d->queue_id)
		return;
	d->found = true;
	d->depth = depth;
	d->bytes = bytes;
}

static void
see_stream(void *ctx, const struct record_stream *v)
{
	(void)ctx;
	(void)v;
}

static void
see_position(void *ctx, const struct record_position *v)
{
	(void)ctx;
	(void)v;
}

void
harness_depth(struct harness *h, uint64_t queue_id, uint64_t *ret_depth,
    uint64_t *ret_bytes)
{
	struct depth d = {.queue_id = queue_id};
	const struct store_catalog c = {.meta = see_meta,
	    .object = see_object,
	    .queue = see_queue,
	    .stream = see_stream,
	    .position = see_position,
	    .ctx = &d};

	assert_int_equal(h->s->ops->catalog(h->s, &c), MQI_OK);
	assert_true(d.found);
	*ret_depth = d.depth;
	*ret_bytes = d.bytes;
}

/* ---- for tests over both kinds ---- */

enum harness_kind harness_kinds[2] = {HARNESS_LMDB, HARNESS_MEM};

int
harness_setup(void **state)
{
	enum harness_kind kind = *(enum harness_kind *)*state;
	struct harness *h = harness_new(kind);

	harness_epoch(h, 1);
	harness_queue(h, HARNESS_Q1, "ONE");
	harness_queue(h, HARNESS_Q2, "TWO");
	harness_commit(h);
	*state = h;
	return 0;
}

int
harness_teardown(void **state)
{
	(void)harness_free(*state);
	return 0;
}

struct record_key
harness_key(uint64_t queue, uint8_t rank, uint64_t seq)
{
	return (struct record_key){.queue_id = queue, .rank = rank, .seq = seq};
}

void
harness_put_at(struct harness *h, uint64_t queue, uint64_t seq)
{
	struct record_key key = harness_key(queue, 0, seq);

	harness_put(h, &key, queue * 1000000 + seq, 10, 0);
}

void
harness_assert_depth(
    struct harness *h, uint64_t queue, uint64_t depth, uint64_t bytes)
{
	uint64_t d = 0;
	uint64_t b = 0;

	harness_depth(h, queue, &d, &b);
	assert_int_equal(d, depth);
	assert_int_equal(b, bytes);
}

void
harness_check_body(struct harness *h, uint64_t body_id, uint32_t body_len)
{
	uint32_t n = (body_len + MQFRAME_PIECE - 1) / MQFRAME_PIECE;
	struct store_load *l = store_load_new();
	uint8_t *body = malloc(body_len);
	uint32_t at = 0;

	harness_fill_body(body_id, body, body_len);
	l->kind = STORE_LOAD_BODY;
	l->body_id = body_id;
	l->n_pieces = n + 1;
	l = harness_load(h, l);
	assert_int_equal(l->err, MQI_OK);
	for (uint32_t i = 1; i <= n; i++) {
		assert_memory_equal(
		    l->pieces[i]->data, body + at, l->pieces[i]->len);
		at += (uint32_t)l->pieces[i]->len;
	}
	assert_int_equal(at, body_len);
	(void)store_load_free(l);
	free(body);
}
