/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_scrub.c - a queue manager looks at its whole store now and then: a bit
 * that flips under it is found and told, and nothing stops because of it.
 */
#include <fcntl.h>
#include <limits.h>
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
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)
#define N_MSGS 200u
#define VICTIM "message number 77 of 200"

struct fixture {
	struct tmpdir dir;
	struct qm qm;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

static void
start(struct fixture *f, unsigned rate_mib)
{
	char path[PATH_MAX];
	FILE *ini;

	(void)snprintf(path, sizeof(path), "%.4000s/QM1/qm.ini", f->qm.root);
	ini = fopen(path, "w");
	assert_non_null(ini);
	assert_true(fprintf(ini,
			"Log:\nCheckpointMilliseconds=10\n"
			"Scrub:\nInterval=1\nRate=%u\n",
			rate_mib) > 0);
	assert_int_equal(fclose(ini), 0);
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(Q) DEFPSIST(YES) MAXDEPTH(100000)\n");
}

static void
put_messages(struct fixture *f, unsigned n, size_t len)
{
	mqi_conn *conn = qm_connect(&f->qm);
	mqi_queue *queue = NULL;
	char *body = calloc(1, len);

	OK(mqi_open(conn, "Q", NULL, MQI_OO_OUTPUT, &queue));
	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(body, len, "message number %u of %u", i, n);
		OK(mqi_put(queue, NULL, NULL, body, len));
	}
	OK(mqi_disconnect(conn));
	free(body);
}

static char *
qmstatus(const struct fixture *f)
{
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/status.log", f->dir.path);
	assert_int_equal(proc_run((const char *const[]){bin, "mqsc", "QM1",
				      "--json", "--root", f->qm.root, NULL},
			     "DISPLAY QMSTATUS ALL\n", log, &out),
	    0);
	return out;
}

/* Waits until QMSTATUS has, or has not, this text. */
static void
wait_status(const struct fixture *f, const char *text, bool has)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	for (;;) {
		char *out = qmstatus(f);
		bool found = strstr(out, text) != NULL;

		if (found == has) {
			free(out);
			return;
		}
		if (test_now_ms() > end) {
			fprintf(stderr, "%s: %s\n", text, out);
			proc_die(&f->qm.proc, "QMSTATUS");
		}
		free(out);
		(void)poll(NULL, 0, 50);
	}
}

/* Flips a bit of the message in the file, wherever it has been written. */
static bool
flip_victim(const struct fixture *f)
{
	char path[PATH_MAX], *bytes;
	const char *at;
	struct stat st;
	bool found = false;
	int fd;

	(void)snprintf(
	    path, sizeof(path), "%.4000s/QM1/data/store/data.mdb", f->qm.root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
	at = bytes;
	while ((at = memmem(at, (size_t)(bytes + st.st_size - at), VICTIM,
		    sizeof(VICTIM) - 1)) != NULL) {
		char byte = (char)(at[3] ^ 0x10);

		assert_int_equal(pwrite(fd, &byte, 1, at + 3 - bytes), 1);
		found = true;
		at++;
	}
	free(bytes);
	(void)close(fd);
	return found;
}

static void
test_a_bit_that_flips_in_service_is_found_and_told(void **state)
{
	struct fixture *f = *state;
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;
	mqi_conn *conn;

	start(f, 4096);
	wait_status(f, "\"SCRUBTI\":\"\"", false);
	wait_status(f, "\"SCRUBFND\":0", true);
	put_messages(f, N_MSGS, 1000);
	while (!flip_victim(f)) {
		assert_true(test_now_ms() < end);
		(void)poll(NULL, 0, 20);
	}
	wait_status(f, "\"SCRUBFND\":0", false);
	assert_true(
	    qm_log_count(&f->qm, "store.damaged", "queue Q, message ") > 0);
	/* the others are served */
	conn = qm_connect(&f->qm);
	OK(mqi_open(conn, "Q", NULL, MQI_OO_INPUT_SHARED, &queue));
	OK(mqi_poll(queue, NULL, &msg));
	assert_memory_equal(mqi_msg_body(msg), "message number 1 of", 19);
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
	put_messages(f, 1, 100);
	proc_stop(&f->qm.proc);
}

static void
test_a_stop_does_not_wait_for_a_walk(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms;

	start(f, 1);
	put_messages(f, 30, 1 << 20);
	/* a walk takes half a minute now; one is under way */
	(void)poll(NULL, 0, 1500);
	start_ms = test_now_ms();
	proc_stop(&f->qm.proc);
	assert_true(test_now_ms() - start_ms < 15000);
	assert_int_equal(
	    qm_log_count(&f->qm, "store.scrubbed", "not everything"), 0);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_bit_that_flips_in_service_is_found_and_told),
	    TEST(test_a_stop_does_not_wait_for_a_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
