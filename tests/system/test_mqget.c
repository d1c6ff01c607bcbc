/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_mqget.c - mqget with a real queue manager: messages of people who mean
 * harm cost no other message, make no file elsewhere, and are not lost
 * themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm;
	char to[PATH_MAX];
	mqi_conn *conn;
	mqi_queue *queue;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	qm_create(&f->qm, &f->dir, "QM1");
	qm_start(&f->qm);
	qm_mqsc(&f->qm, "DEFINE QLOCAL(Q)\n");
	f->conn = qm_connect(&f->qm);
	OK(mqi_open(f->conn, "Q", NULL,
	    MQI_OO_OUTPUT | MQI_OO_INPUT_SHARED | MQI_OO_INQUIRE, &f->queue));
	(void)snprintf(f->to, sizeof(f->to), "%.1000s/to", f->dir.path);
	assert_int_equal(mkdir(f->to, 0700), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	OK(mqi_disconnect(f->conn));
	qm_fini(&f->qm);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* mqget with two options; its status.  ret_out may be NULL. */
static int
mqget(struct fixture *f, const char *option, const char *value, char **ret_out)
{
	char bin[PATH_MAX];
	const char *argv[] = {
	    bin, "--root", f->qm.root, option, value, "QM1", "Q", NULL};

	proc_bin("mqget", bin, sizeof(bin));
	return proc_run(argv, NULL, f->qm.proc.log, ret_out);
}

static void
put_file(struct fixture *f, const char *name, const char *body)
{
	struct mqi_prop prop = {.name = "file.name", .type = MQI_PROP_STRING};
	struct mqi_md md;

	mqi_md_init(&md);
	prop.value.bytes.data = name;
	prop.value.bytes.len = strlen(name);
	md.props = &prop;
	md.n_props = 1;
	OK(mqi_put(f->queue, NULL, &md, body, strlen(body)));
}

static void
assert_depth(struct fixture *f, uint64_t depth)
{
	struct mqi_queue_info info;

	OK(mqi_inquire(f->queue, &info));
	assert_int_equal(info.depth, depth);
}

static bool
exists(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%.1000s/%s", dir, name);
	return lstat(path, &st) == 0;
}

static void
test_a_name_that_is_refused_costs_no_message(void **state)
{
	static const char *const names[] = {"../out", "/out", "a/../../out",
	    "link/out", "", ".", ".mqget-1.tmp"};
	struct fixture *f = *state;
	mqi_msg *msg = NULL;
	char link[PATH_MAX];

	(void)snprintf(link, sizeof(link), "%.1000s/link", f->to);
	assert_int_equal(symlink("..", link), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		put_file(f, names[i], "evil");
		assert_int_equal(mqget(f, "--to-dir", f->to, NULL), 1);
		assert_false(exists(f->dir.path, "out"));
		assert_depth(f, 1);
		OK(mqi_poll(f->queue, NULL, &msg));
		(void)mqi_msg_free(msg);
	}
	put_file(f, "a/b", "good");
	assert_int_equal(mqget(f, "--to-dir", f->to, NULL), 0);
	assert_true(exists(f->to, "a/b"));
	assert_depth(f, 0);
}

static void
test_fields_that_are_no_text_are_shown_in_json(void **state)
{
	struct fixture *f = *state;
	struct mqi_prop prop = {.name = "p", .type = MQI_PROP_STRING};
	char *out = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	prop.value.bytes.data = "\xfd";
	prop.value.bytes.len = 1;
	md.props = &prop;
	md.n_props = 1;
	strcpy(md.format, "\xff\xfe");
	OK(mqi_put(f->queue, NULL, &md, "hello", 5));
	assert_int_equal(mqget(f, "--format", "json", &out), 0);
	assert_non_null(strstr(out, "\"format\":\"fffe\""));
	assert_non_null(strstr(out, "\"p\":\"fd\""));
	assert_non_null(strstr(out, "hello"));
	free(out);
	assert_depth(f, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_name_that_is_refused_costs_no_message),
	    cmocka_unit_test(test_fields_that_are_no_text_are_shown_in_json),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
