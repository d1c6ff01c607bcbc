/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_pack.c - COMPMSG between two real queue managers: each way of
 * compressing, small messages and one in pieces, and what CHSTATUS says of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define SMALL 500u
#define LARGE 1000000u

static void
define(struct pair *p, const char *sender, const char *receiver)
{
	char attrs[128];

	(void)snprintf(attrs, sizeof(attrs), "COMPMSG(%s) REPLACE", receiver);
	pair_receiver(p, "C", attrs);
	(void)snprintf(attrs, sizeof(attrs), "COMPMSG(%s) REPLACE", sender);
	pair_sender(p, "C", attrs);
}

/* ---- what is seen ---- */

static void
wait_until_it_saves_much(struct pair *p, int at)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char value[QM_VALUE_MAX];

	for (;;) {
		qm_shown(&p->qm[at], MQCTL_CHSTATUS, "C", "COMPRATE", value);
		if (strtoul(value, NULL, 10) > 50)
			return;
		if (test_now_ms() > end)
			fail_msg("COMPRATE is '%s'", value);
		(void)poll(NULL, 0, 20);
	}
}

/* ---- messages ---- */

/* Half of it text that repeats, half of it noise. */
static void
fill(char *body, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		body[i] = i % 2000 < 1800 ? "all of it alike "[i % 16]
					  : (char)mqrand_next(&seed);
}

static void
put_all(const struct qm *q, char *body)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	for (uint32_t i = 0; i <= SMALL; i++) {
		size_t len = i == SMALL ? LARGE : 3u * i;

		fill(body, len, i);
		OK(mqi_put(queue, NULL, &md, body, len));
	}
	OK(mqi_disconnect(conn));
}

static void
get_all(const struct qm *q, char *body)
{
	const struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	for (uint32_t i = 0; i <= SMALL; i++) {
		size_t len = i == SMALL ? LARGE : 3u * i;

		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		fill(body, len, i);
		assert_int_equal(mqi_msg_len(msg), len);
		if (len > 0)
			assert_memory_equal(mqi_msg_body(msg), body, len);
		mqi_msg_free(msg);
	}
	OK(mqi_disconnect(conn));
}

static void
run_way(
    struct pair *p, const char *sender, const char *receiver, const char *way)
{
	char *body = malloc(LARGE);

	define(p, sender, receiver);
	put_all(&p->qm[0], body);
	get_all(&p->qm[1], body);
	for (int at = 0; at < 2; at++) {
		pair_wait_shown(p, at, MQCTL_CHSTATUS, "C", "COMPMSG", way);
		if (strcmp(way, "NONE") != 0)
			wait_until_it_saves_much(p, at);
	}
	qm_mqsc(&p->qm[0], "STOP CHANNEL(C) STATUS(INACTIVE)\n");
	free(body);
}

static void
test_each_way_delivers_what_was_sent(void **state)
{
	struct pair *p = *state;

	run_way(p, "LZ4FAST,ZLIBFAST", "ZLIBFAST,LZ4FAST", "LZ4FAST");
	run_way(p, "ZLIBHIGH,NONE", "ZLIBHIGH", "ZLIBHIGH");
	run_way(p, "LZ4FAST,ZLIBFAST", "ZLIBFAST", "ZLIBFAST");
	run_way(p, "LZ4FAST", "NONE", "NONE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_each_way_delivers_what_was_sent, pair_setup,
		pair_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
