/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.c - two queue managers and the messages between them (pair.h).
 *
 * A message is its number in 4 bytes and what the test wants behind it.  What
 * is waited for is looked at again and again, up to PROC_DEADLINE_MS.
 */
#include "tests/lib/pair.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20

_Noreturn void
pair_die(struct pair *p, const char *what)
{
	proc_print_log(&p->qm[0].proc);
	proc_die(&p->qm[1].proc, what);
}

static void
must(struct pair *p, enum mqi_err err, const char *what)
{
	if (err == MQI_OK)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, mqi_strerror(err));
	pair_die(p, what);
}

/* ---- the two ---- */

void
pair_init(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	(void)signal(SIGPIPE, SIG_IGN);
	tmpdir_make(&p->dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&p->qm[i], &p->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&p->qm[i], &p->dir);
		qm_start(&p->qm[i]);
	}
	qm_listen(&p->qm[1]);
	qm_mqsc(&p->qm[1], "DEFINE QLOCAL(IN) DEFPSIST(YES)\n");
	qm_mqsc(&p->qm[0], "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n");
}

void
pair_fini(struct pair *p)
{
	for (int i = 0; i < 2; i++)
		qm_fini(&p->qm[i]);
	tmpdir_free(&p->dir);
}

int
pair_setup(void **state)
{
	struct pair *p = malloc(sizeof(*p));

	if (p == NULL)
		proc_die(NULL, "no memory");
	pair_init(p);
	*state = p;
	return 0;
}

int
pair_teardown(void **state)
{
	pair_fini(*state);
	free(*state);
	return 0;
}

void
pair_sender(struct pair *p, const char *channel, const char *attrs)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(%s) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') SHORTRTY(1000) "
	    "SHORTTMR(1) %s\n",
	    channel, p->qm[1].port, attrs);
	qm_mqsc(&p->qm[0], text);
}

void
pair_receiver(struct pair *p, const char *channel, const char *attrs)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "DEFINE CHANNEL(%s) CHLTYPE(RCVR) SSLPEER('CN=QM1') %s\n", channel,
	    attrs);
	qm_mqsc(&p->qm[1], text);
}

void
pair_channel(struct pair *p, const char *channel)
{
	pair_receiver(p, channel, "");
	pair_sender(p, channel, "");
}

/* ---- messages ---- */

void
pair_put(struct pair *p, uint32_t n, size_t more)
{
	mqi_conn *conn = qm_connect(&p->qm[0]);
	char *body = calloc(1, sizeof(p->put) + more);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	if (body == NULL)
		proc_die(NULL, "no memory");
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	must(p, mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue), "open");
	for (; n > 0; n--) {
		p->put++;
		memcpy(body, &p->put, sizeof(p->put));
		must(p,
		    mqi_put_async(
			queue, NULL, &md, body, sizeof(p->put) + more),
		    "put");
	}
	must(p, mqi_flush(queue), "flush");
	must(p, mqi_disconnect(conn), "disconnect");
	free(body);
}

static void
take(struct pair *p, mqi_queue *queue)
{
	const struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_msg *msg = NULL;
	uint32_t number = 0;

	must(
	    p, mqi_get_msg(queue, NULL, &opts, &msg), "messages do not arrive");
	if (mqi_msg_len(msg) >= sizeof(number))
		memcpy(&number, mqi_msg_body(msg), sizeof(number));
	mqi_msg_free(msg);
	if (number == p->got + 1) {
		p->got++;
		return;
	}
	(void)fprintf(stderr, "%u instead of %u\n", number, p->got + 1);
	pair_die(p, "a message is lost, doubled or out of order");
}

void
pair_get(struct pair *p)
{
	mqi_conn *conn = qm_connect(&p->qm[1]);
	mqi_queue *queue = NULL;

	must(
	    p, mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue), "open");
	while (p->got < p->put)
		take(p, queue);
	must(p, mqi_disconnect(conn), "disconnect");
	pair_wait_depth(p, 0, "QM2", 0);
	if (qm_depth(&p->qm[1], "IN") != 0)
		pair_die(p, "a message is doubled");
}

/* ---- what is waited for ---- */

static void
wait_more(struct pair *p, uint64_t end, const char *what)
{
	if (test_now_ms() > end)
		pair_die(p, what);
	(void)poll(NULL, 0, WAIT_MS);
}

void
pair_wait_depth(struct pair *p, int at, const char *queue, uint64_t depth)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (qm_depth(&p->qm[at], queue) != depth)
		wait_more(p, end, "messages are not where they belong");
}

void
pair_wait_log(struct pair *p, int at, unsigned n, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char what[256];

	(void)snprintf(what, sizeof(what), "no line with '%s' and '%s'", a, b);
	while (qm_log_count(&p->qm[at], a, b) < n)
		wait_more(p, end, what);
}

void
pair_wait_shown(struct pair *p, int at, enum mqctl_noun noun, const char *name,
    const char *keyword, const char *value)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	char what[128 + QM_VALUE_MAX], shown[QM_VALUE_MAX];

	for (;;) {
		qm_shown(&p->qm[at], noun, name, keyword, shown);
		if (strcmp(shown, value) == 0)
			return;
		(void)snprintf(what, sizeof(what), "%s(%s) is '%s', not '%s'",
		    keyword, name, shown, value);
		wait_more(p, end, what);
	}
}
