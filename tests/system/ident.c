/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ident.c - see ident.h.
 */
#include "tests/system/ident.h"

#include <limits.h>
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
#include <sys/stat.h>
#include <unistd.h>

#define OK(call) assert_int_equal((call), MQI_OK)

void
ident_mqsc(struct ident *f, int i, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	qm_mqsc(&f->qm[i], text);
}

void
ident_define_receiver(struct ident *f, int i)
{
	f->port[i] = proc_free_port();
	ident_mqsc(f, i,
	    "DEFINE QLOCAL(IN) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(A) CHLTYPE(RCVR) SSLPEER('CN=QM1') HBINT(1)\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    f->port[i]);
}

void
ident_define_sender(struct ident *f, const char *channel, int to)
{
	ident_mqsc(f, 0,
	    "DEFINE CHANNEL(%s) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM*') SHORTRTY(100000) "
	    "SHORTTMR(1) HBINT(1) REPLACE\n",
	    channel, f->port[to]);
}

int
ident_setup(void **state)
{
	struct ident *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	tmpdir_make(&f->elsewhere);
	for (int i = 0; i < IDENT_QMS; i++) {
		char name[] = {'Q', 'M', (char)('1' + i), '\0'};

		qm_create(&f->qm[i], &f->dir, name);
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	ident_define_receiver(f, 1);
	ident_define_receiver(f, 2);
	ident_mqsc(f, 0, "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n");
	ident_define_sender(f, "A", 1);
	*state = f;
	return 0;
}

int
ident_teardown(void **state)
{
	struct ident *f = *state;

	for (int i = 0; i < IDENT_QMS + 1; i++) {
		if (f->qm[i].name[0] != '\0')
			qm_fini(&f->qm[i]);
	}
	tmpdir_free(&f->dir);
	tmpdir_free(&f->elsewhere);
	free(f);
	return 0;
}

/* ---- messages ---- */

void
ident_put_at(const struct qm *q, const char *text)
{
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	OK(mqi_put(queue, NULL, &md, text, strlen(text)));
	OK(mqi_disconnect(conn));
}

uint64_t
ident_depth_of(const struct qm *q, const char *name)
{
	mqi_conn *conn = qm_connect(q);
	struct mqi_queue_info info = {0};
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	OK(mqi_disconnect(conn));
	return info.depth;
}

void
ident_wait_for_depth(struct ident *f, int i, const char *name, uint64_t n)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (ident_depth_of(&f->qm[i], name) != n) {
		if (test_now_ms() > end) {
			proc_print_log(&f->qm[0].proc);
			proc_die(&f->qm[1].proc, "messages do not arrive");
		}
		(void)poll(NULL, 0, 20);
	}
}

/* Gets these texts from IN, in this order, and finds no other. */
void
ident_expect(struct ident *f, int i, const char *texts)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&f->qm[i]);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	while (*texts != '\0') {
		size_t len = strcspn(texts, " ");

		OK(mqi_get_msg(queue, NULL, &opts, &msg));
		assert_int_equal(mqi_msg_len(msg), len);
		assert_memory_equal(mqi_msg_body(msg), texts, len);
		msg = mqi_msg_free(msg);
		texts += len + (texts[len] == ' ');
	}
	assert_int_equal(mqi_poll(queue, NULL, &msg), MQI_E_NO_MSG_AVAILABLE);
	OK(mqi_disconnect(conn));
}

/* One that arrives, and is known to have done so. */
void
ident_deliver(struct ident *f, const char *text)
{
	ident_put_at(&f->qm[0], text);
	ident_wait_for_depth(f, 0, "QM2", 0);
}

/* ---- what is told ---- */

/* The whole row of a channel's status. */
char *
ident_chstatus(const struct qm *q, const char *channel)
{
	char bin[PATH_MAX], log[PATH_MAX], text[128], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s.status", q->proc.log);
	(void)snprintf(
	    text, sizeof(text), "DISPLAY CHSTATUS(%s) ALL\n", channel);
	(void)proc_run((const char *const[]){bin, "mqsc", q->name, "--json",
			   "--root", q->root, NULL},
	    text, log, &out);
	return out;
}

/* Waits until CHSTATUS says all of this. */
void
ident_wait_status(
    const struct qm *q, const char *channel, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char *out = ident_chstatus(q, channel);
		bool found = strstr(out, a) != NULL && strstr(out, b) != NULL;

		if (found) {
			free(out);
			return;
		}
		if (test_now_ms() > end) {
			fprintf(stderr, "no '%s', '%s' in %s\n", a, b, out);
			proc_die(&q->proc, "CHSTATUS");
		}
		free(out);
		(void)poll(NULL, 0, 50);
	}
}

/* The sender refuses to run, with both positions. */
void
ident_wait_refused(struct ident *f, const struct qm *q, const char *why)
{
	(void)f;
	ident_wait_status(q, "A", why, "position ");
	ident_wait_status(q, "A", "acknowledged ", "handed out ");
}

void
ident_stop_channel(struct ident *f, const struct qm *q)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	(void)f;
	qm_mqsc((struct qm *)(uintptr_t)q, "STOP CHANNEL(A) MODE(FORCE)\n");
	for (;;) {
		char *out = ident_chstatus(q, "A");
		bool stopped = strstr(out, "\"STOPPED\"") != NULL;

		free(out);
		if (stopped)
			return;
		if (test_now_ms() > end)
			proc_die(&q->proc, "the channel does not stop");
		(void)poll(NULL, 0, 20);
	}
}

void
ident_resolve(struct ident *f, const char *action)
{
	ident_stop_channel(f, &f->qm[0]);
	ident_mqsc(
	    f, 0, "RESOLVE CHANNEL(A) ACTION(%s)\nSTART CHANNEL(A)\n", action);
}

/* ---- disks ---- */

static void run_shell(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static void
run_shell(const char *fmt, ...)
{
	char cmd[4 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

void
ident_backup(struct ident *f, int i)
{
	char bin[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	run_shell("'%.2000s' backup %s '%.1000s/backup' --root '%.1000s' "
		  ">'%.1000s/backup.log'",
	    bin, f->qm[i].name, f->dir.path, f->qm[i].root, f->dir.path);
}

void
ident_restore(struct ident *f, int i)
{
	struct qm *q = &f->qm[i];
	char bin[PATH_MAX];

	proc_bin("mqadmin", bin, sizeof(bin));
	proc_stop(&q->proc);
	/* certificates are not in it */
	run_shell("mv '%.1000s/%s' '%.1000s/old' && '%.2000s' restore %s "
		  "'%.1000s/backup' --root '%.1000s' >'%.1000s/restore.log' "
		  "&& cp -a '%.1000s/old/ssl' '%.1000s/%s/'",
	    q->root, q->name, f->dir.path, bin, q->name, f->dir.path, q->root,
	    f->dir.path, f->dir.path, q->root, q->name);
	qm_start(q);
}

/* A second one with the same store, certificates and name, as of now. */
void
ident_copy_disk(struct ident *f, int i)
{
	struct qm *from = &f->qm[i], *to = &f->qm[IDENT_COPY];

	*to = (struct qm){0};
	memcpy(to->name, from->name, sizeof(to->name));
	(void)snprintf(
	    to->root, sizeof(to->root), "%.4000s/root", f->elsewhere.path);
	(void)snprintf(to->proc.log, sizeof(to->proc.log), "%.4000s/%.48s.log",
	    f->elsewhere.path, to->name);
	assert_int_equal(mkdir(to->root, 0700), 0);
	proc_stop(&from->proc);
	run_shell(
	    "cp -a '%.2000s/%s' '%.2000s/'", from->root, from->name, to->root);
	qm_start(from);
}

/* ---- with a message that was sent and not acknowledged ---- */

/* "two" has reached a receiver that does not move. */
void
ident_leave_in_doubt(struct ident *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	ident_deliver(f, "one");
	assert_int_equal(qm_signal_agents(&f->qm[1], "answer", SIGSTOP), 1);
	ident_put_at(&f->qm[0], "two");
	for (;;) {
		char bin[PATH_MAX], log[PATH_MAX], *out;
		bool in_doubt;

		proc_bin("mqadmin", bin, sizeof(bin));
		(void)snprintf(
		    log, sizeof(log), "%.4000s/saved.log", f->dir.path);
		(void)proc_run((const char *const[]){bin, "mqsc", "QM1",
				   "--root", f->qm[0].root, NULL},
		    "DISPLAY CHSTATUS(A) SAVED\n", log, &out);
		in_doubt = strstr(out, "INDOUBT(YES)") != NULL;
		free(out);
		if (in_doubt)
			break;
		if (test_now_ms() > end)
			proc_die(&f->qm[0].proc, "nothing is in doubt");
		(void)poll(NULL, 0, 20);
	}
	ident_stop_channel(f, &f->qm[0]);
	(void)qm_signal_agents(&f->qm[1], "answer", SIGKILL);
}

/* QM3 answers for QM2. */
void
ident_take_over(struct ident *f)
{
	ident_mqsc(f, 2, "DEFINE QREMOTE(QM2) RQMNAME(QM3)\n");
}
