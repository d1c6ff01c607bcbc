/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qm.h - a queue manager in a directory of the test's own, ready when it
 * answers, with a recorder before it if the test wants one.  With
 * MQ_TEST_REMOTE in the environment, qm_connect() goes by TLS, so that a test
 * of libmq can be run again as one of a remote libmq.
 *
 * As proc.h: main thread only, and everything that fails aborts the test.
 */
#ifndef MQ_TESTS_QM_H
#define MQ_TESTS_QM_H

#include <mq/mqi.h>

#include "proto/ctl.h"
#include "tests/lib/proc.h"
#include "tests/lib/recorder.h"
#include "tests/lib/tmpdir.h"

struct qm {
	char name[MQI_NAME_LEN + 1];
	char root[PATH_MAX]; /* MQ_ROOT */
	char dir[PATH_MAX];  /* of the test */
	int port;            /* of its listener; 0: none */
	struct proc proc;
	char control_path[PATH_MAX];
	struct recorder_control *control; /* NULL: no recorder */
	bool lets_in;                     /* partners: its rules are set */
};

/* Makes NAME under d/root with `qmgr --create`, not started. */
void qm_create(struct qm *q, const struct tmpdir *d, const char *name);
/* Puts a recorder before it from its next start; trace may be NULL. */
void qm_record(struct qm *q, const char *trace);
/* Starts it, does not wait. */
void qm_spawn(struct qm *q);
/* Connects, trying until it answers.  NULL when the program has ended. */
mqi_conn *qm_try_connect(struct qm *q);
/* Starts it and waits until it answers; dies if it ends instead.  The first
 * time, if it has a certificate (qm_tls()), with qm_let_in(). */
void qm_start(struct qm *q);
/* Lets everybody in who has a certificate of its authority, as user "partner",
 * who may use all queues. */
void qm_let_in(const struct qm *q);
/* A connection to the running queue manager; dies without. */
mqi_conn *qm_connect(const struct qm *q);
/* The same with options of one's own; where it is is filled in here. */
mqi_conn *qm_connect_by(const struct qm *q, struct mqi_connect_opts opts);
/* Runs MQSC commands by mqadmin; dies if one fails. */
void qm_mqsc(const struct qm *q, const char *commands);
/* Gives it a certificate of the authority of d, which the first call makes. */
void qm_tls(const struct qm *q, const struct tmpdir *d);
/* Puts the certificate that whom has now (NULL: none more) on the authority's
 * list, gives the list to q and has q look at it: REFRESH SECURITY. */
void qm_revoke(
    const struct qm *q, const struct tmpdir *d, const struct qm *whom);
/* Another certificate instead of the one that it has. */
void qm_renew(const struct qm *q, const struct tmpdir *d);
/* The processes of its agents of this kind ("dial"); how many. */
#define QM_AGENTS_MAX 1024u
unsigned qm_agents(
    const struct qm *q, const char *kind, pid_t *ret, unsigned max);
/* Resident bytes of a process; 0: it is gone. */
uint64_t qm_rss(pid_t pid);
/* Gives a signal (0: none) to its agents of this kind ("dial"); returns how
 * many there were. */
unsigned qm_signal_agents(const struct qm *q, const char *kind, int signum);
/* A listener named TCP on a port of its own, q->port, without more. */
void qm_listen(struct qm *q);
/* The messages on a queue. */
uint64_t qm_depth(const struct qm *q, const char *queue);
/* How many lines of its log, and its agents', have both texts. */
unsigned qm_log_count(const struct qm *q, const char *a, const char *b);
/* A field of the last row of DISPLAY noun(name); "" if there is none. */
#define QM_VALUE_MAX 300u
void qm_shown(const struct qm *q, enum mqctl_noun noun, const char *name,
    const char *keyword, char ret[QM_VALUE_MAX]);
/* A listener named TCP on a port of its own, which is returned, and a
 * certificate for applications, "CN=app", in d/app. */
int qm_serve(const struct qm *q, const struct tmpdir *d);
/* Another certificate of the same authority, in d/NAME. */
void qm_issue(const struct qm *q, const struct tmpdir *d, const char *name);
void qm_fini(struct qm *q);

#endif
