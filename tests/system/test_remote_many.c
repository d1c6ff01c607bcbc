/* SPDX-License-Identifier: Apache-2.0 */
/* test_remote_many.c - a crowd of remote applications, all connected at once
 * and served by one process, which keeps no buffers for those that are idle; it
 * comes back after that process was killed. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define CLIENT_BYTES (40u * 1024) /* resident, of an idle one */
#define BOTH_WAYS (MQI_OO_INPUT_SHARED | MQI_OO_OUTPUT | MQI_OO_INQUIRE)

struct one {
	mqi_conn *conn;
	mqi_queue *queue;
};

static void
put_and_get(struct one *v, unsigned n)
{
	mqi_msg *msg = NULL;
	unsigned got;

	for (unsigned i = 0; i < n; i++)
		OK(mqi_put(v[i].queue, NULL, NULL, &i, sizeof(i)));
	/* each gets what another has put */
	for (unsigned i = 0; i < n; i++) {
		OK(mqi_poll(v[n - 1 - i].queue, NULL, &msg));
		memcpy(&got, mqi_msg_body(msg), sizeof(got));
		(void)mqi_msg_free(msg);
		assert_int_equal(got, i);
	}
}

/* The first call notices the loss, a later one has connected again. */
static void
come_back(struct one *v)
{
	struct mqi_queue_info info;
	enum mqi_err err = MQI_E_CONNECTION_BROKEN;

	for (int i = 0; i < 5 && err == MQI_E_CONNECTION_BROKEN; i++)
		err = mqi_inquire(v->queue, &info);
	OK(err);
}

static uint64_t
clients_rss(const struct qm *qm)
{
	pid_t pid = 0;

	assert_int_equal(qm_agents(qm, "clients", &pid, 1), 1);
	return qm_rss(pid);
}

static void
test_a_crowd_is_served_and_comes_back(void **state)
{
	unsigned n = getenv("MQ_LONG") != NULL ? 2000 : 200;
	struct one *v = calloc(n, sizeof(*v));
	uint64_t alone = 0, each;
	struct rlimit rl;
	struct tmpdir dir;
	struct qm qm;

	(void)state;
	assert_non_null(v);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	qm_mqsc(&qm, "DEFINE QLOCAL(Q) MAXDEPTH(10000)\n");
	for (unsigned i = 0; i < n; i++) {
		v[i].conn = qm_connect_by(
		    &qm, (struct mqi_connect_opts){.app_name = "one of many",
			     .flags = MQI_CONNECT_RECONNECT,
			     .timeout_ms = 60000});
		OK(mqi_open(v[i].conn, "Q", NULL, BOTH_WAYS, &v[i].queue));
		if (i == 0)
			alone = clients_rss(&qm);
	}
	each = (clients_rss(&qm) - alone) / (n - 1);
	(void)printf("%llu bytes for each of %u idle clients\n",
	    (unsigned long long)each, n);
	if (!test_is_slow())
		assert_true(each < CLIENT_BYTES);
	put_and_get(v, n);
	/* one process has them all */
	assert_int_equal(qm_signal_agents(&qm, "clients", SIGKILL), 1);
	for (unsigned i = 0; i < n; i++)
		come_back(&v[i]);
	put_and_get(v, n);
	for (unsigned i = 0; i < n; i++)
		OK(mqi_disconnect(v[i].conn));
	free(v);
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_crowd_is_served_and_comes_back),
	};

	(void)setenv("MQ_TEST_REMOTE", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
