/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_pack.c - COMPMSG between two real queue managers: each way of
 * compressing, small messages and one in pieces, and what CHSTATUS says of it.
 */
#include <setjmp.h>
#include <signal.h>
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
#include "libmq/agent.h"
#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

#define SMALL 500u
#define LARGE 1000000u

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	int port;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[512];

	f->port = proc_free_port();
	tmpdir_make(&f->dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	qm_mqsc(&f->qm[0], "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n");
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(IN)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d)\n"
	    "START LISTENER(TCP)\n",
	    f->port);
	qm_mqsc(&f->qm[1], text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
define(struct fixture *f, const char *sender, const char *receiver)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(C) CHLTYPE(RCVR) SSLPEER('CN=QM1') COMPMSG(%s) "
	    "REPLACE\n",
	    receiver);
	qm_mqsc(&f->qm[1], text);
	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(C) CHLTYPE(SDR) SSLPEER('CN=QM2') XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') COMPMSG(%s) SHORTTMR(1) REPLACE\n",
	    f->port, sender);
	qm_mqsc(&f->qm[0], text);
}

/* ---- what is seen ---- */

struct seen {
	const char *keyword;
	char value[300];
	bool have;
};

static void
take_row(void *arg, const struct mqctl_list *row)
{
	struct seen *s = arg;
	const char *v = mqctl_list_get(row, s->keyword);

	if (v == NULL)
		return;
	s->have = true;
	(void)snprintf(s->value, sizeof(s->value), "%s", v);
}

/* A field of the last row of DISPLAY CHSTATUS(C); "" if there is none. */
static void
chstatus(const struct qm *q, struct seen *s)
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	mqi_conn *conn = qm_connect(q);
	char text[512];

	mqctl_list_init(&cmd->attrs);
	cmd->verb = MQCTL_DISPLAY;
	cmd->noun = MQCTL_CHSTATUS;
	(void)snprintf(cmd->name, sizeof(cmd->name), "C");
	s->value[0] = '\0';
	(void)!mqagent_command(conn, cmd, take_row, s, text, sizeof(text));
	mqctl_command_fini(cmd);
	free(cmd);
	OK(mqi_disconnect(conn));
}

static void
wait_for(const struct qm *q, const char *keyword, bool (*fits)(const char *))
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	struct seen s = {.keyword = keyword};

	for (chstatus(q, &s); !fits(s.value); chstatus(q, &s)) {
		if (test_now_ms() > end)
			fail_msg("%s is '%s'", keyword, s.value);
		(void)poll(NULL, 0, 20);
	}
}

static bool
saves_much(const char *value)
{
	return strtoul(value, NULL, 10) > 50;
}

static bool
is_there(const char *value)
{
	return value[0] != '\0';
}

static void
check_way(const struct qm *q, const char *way)
{
	struct seen s = {.keyword = "COMPMSG"};

	wait_for(q, "COMPMSG", is_there);
	chstatus(q, &s);
	assert_string_equal(s.value, way);
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
run_way(struct fixture *f, const char *sender, const char *receiver,
    const char *way)
{
	char *body = malloc(LARGE);

	define(f, sender, receiver);
	put_all(&f->qm[0], body);
	get_all(&f->qm[1], body);
	check_way(&f->qm[0], way);
	check_way(&f->qm[1], way);
	if (strcmp(way, "NONE") != 0) {
		wait_for(&f->qm[0], "COMPRATE", saves_much);
		wait_for(&f->qm[1], "COMPRATE", saves_much);
	}
	qm_mqsc(&f->qm[0], "STOP CHANNEL(C) STATUS(INACTIVE)\n");
	free(body);
}

static void
test_each_way_delivers_what_was_sent(void **state)
{
	struct fixture *f = *state;

	run_way(f, "LZ4FAST,ZLIBFAST", "ZLIBFAST,LZ4FAST", "LZ4FAST");
	run_way(f, "ZLIBHIGH,NONE", "ZLIBHIGH", "ZLIBHIGH");
	run_way(f, "LZ4FAST,ZLIBFAST", "ZLIBFAST", "ZLIBFAST");
	run_way(f, "LZ4FAST", "NONE", "NONE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_each_way_delivers_what_was_sent, setup, teardown),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
