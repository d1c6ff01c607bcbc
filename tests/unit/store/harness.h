/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.h - a store under test, LMDB or memory, driven step by step: batches
 * that are waited for, loads that are answered, reopening.  Everything that a
 * test does not expect fails it.
 */
#ifndef MQ_TESTS_STORE_HARNESS_H
#define MQ_TESTS_STORE_HARNESS_H

#include <pthread.h>

#include "qmgr/store/store.h"
#include "qmgr/store/store_journal.h"
#include "tests/lib/tmpdir.h"

enum harness_kind { HARNESS_LMDB, HARNESS_MEM };

struct harness {
	enum harness_kind kind;
	struct store *s;
	struct tmpdir dir; /* LMDB */
	struct store_options options;
	struct store_batch *batch; /* filling */
	uint64_t submitted;
	/* what was told */
	uint64_t durable;
	uint64_t applied;
	enum mqi_err failed;
	unsigned n_failed;
	char why[256];
	struct store_load *answer;
	/* wake */
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool woken;
};

struct harness *harness_new(enum harness_kind kind);
struct harness *harness_free(struct harness *h); /* NULL */
/* Stop and start: LMDB is closed and opened, memory crashes.  What is
 * submitted is there, and nothing of the batch that was filling. */
void harness_reopen(struct harness *h);
void harness_close(struct harness *h);
/* The error and *ret_why, malloc'd, of an opening that may fail. */
enum mqi_err harness_open(struct harness *h, char **ret_why);

/* The batch that is filling. */
struct mqbuf *harness_records(struct harness *h);
void harness_submit(struct harness *h); /* does not wait */
void harness_wait(struct harness *h);   /* until all is applied */
void harness_wait_durable(struct harness *h);
void harness_submit_alone(struct harness *h); /* and waits likewise */
void harness_commit(struct harness *h);       /* submits and waits */
/* Submits; expects failed() and returns its error. */
enum mqi_err harness_commit_fails(struct harness *h);
void harness_poll(struct harness *h);
/* Waits for the answer, which is the caller's. */
struct store_load *harness_load(struct harness *h, struct store_load *l);

/* ---- shorter ---- */

/* A test over a store of each kind, with epoch 1 and two queues. */
#define HARNESS_Q1 UINT64_C(11)
#define HARNESS_Q2 UINT64_C(12)
#define HARNESS_TEST(f)                                                        \
	{#f " (lmdb)", f, harness_setup, harness_teardown, &harness_kinds[0]}, \
	{                                                                      \
#f " (mem)", f, harness_setup, harness_teardown,               \
		    &harness_kinds[1]                                          \
	}

extern enum harness_kind harness_kinds[2];

int harness_setup(void **state);
int harness_teardown(void **state);
struct record_key harness_key(uint64_t queue, uint8_t rank, uint64_t seq);
/* 10 bytes, with rank 0 and body id queue * 1000000 + seq. */
void harness_put_at(struct harness *h, uint64_t queue, uint64_t seq);
void harness_assert_depth(
    struct harness *h, uint64_t queue, uint64_t depth, uint64_t bytes);
/* The body in pieces is the one of harness_fill_body(). */
void harness_check_body(struct harness *h, uint64_t body_id, uint32_t body_len);

void harness_epoch(struct harness *h, uint64_t epoch);
void harness_queue(struct harness *h, uint64_t id, const char *name);
/* A message with an inline body of len bytes; its ids and bytes are made
 * from body_id. */
void harness_put(struct harness *h, const struct record_key *key,
    uint64_t body_id, uint32_t len, uint8_t flags);
void harness_remove(struct harness *h, const struct record_key *key,
    uint64_t body_id, uint8_t flags);
/* All rows of a queue. */
struct store_load *harness_rows(struct harness *h, uint64_t queue_id);
uint32_t harness_count(struct harness *h, uint64_t queue_id);
/* Whether piece 0 of the body can be read. */
bool harness_has_body(struct harness *h, uint64_t body_id);
/* What the catalog says of the queue. */
void harness_depth(struct harness *h, uint64_t queue_id, uint64_t *ret_depth,
    uint64_t *ret_bytes);
void harness_fill_body(uint64_t body_id, uint8_t *body, uint32_t len);

#endif
