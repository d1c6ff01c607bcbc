/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_check.c - base/check.c, base/mem.c and base/sm.c: a broken promise of
 * our own ends the process with a line that says which.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/sm.h"

static const struct mqsm_state states[] = {
    {"idle", MQ_BIT(1)},
    {"busy", MQ_BIT(0) | MQ_BIT(2)},
    {"done", 0},
};

/* Runs fn in a child; returns what it wrote to standard error and its signal.
 */
static int
run_child(void (*fn)(void), char *ret_text, size_t cap)
{
	static const struct rlimit no_core = {0, 0};
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (len < cap - 1 &&
	       (n = read(fds[0], ret_text + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	ret_text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
break_precondition(void)
{
	int x = getpid() ? 1 : 2;

	MQ_PRE(x == 2);
}

static void
move_wrongly(void)
{
	struct mqsm sm;

	mqsm_init(&sm, states, MQ_ARRAY_LEN(states), 0);
	mqsm_move(&sm, 2);
}

static void
move_beyond(void)
{
	struct mqsm sm;

	mqsm_init(&sm, states, MQ_ARRAY_LEN(states), 1);
	mqsm_move(&sm, 3);
}

static void
grow_too_far(void)
{
	free(mqmem_grow(NULL, SIZE_MAX, 2));
}

static void
test_check_fail_aborts_and_says_what(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(
	    run_child(break_precondition, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "precondition failed: x == 2"));
	assert_non_null(strstr(text, "test_check.c:"));
}

static void
test_sm_move_follows_the_table(void **state)
{
	struct mqsm sm;

	(void)state;
	mqsm_init(&sm, states, MQ_ARRAY_LEN(states), 0);
	assert_string_equal(mqsm_name(&sm), "idle");
	mqsm_move(&sm, 1);
	mqsm_move(&sm, 0);
	mqsm_move(&sm, 1);
	mqsm_move(&sm, 2);
	assert_string_equal(mqsm_name(&sm), "done");
}

static void
test_sm_move_that_is_not_allowed_aborts(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(run_child(move_wrongly, text, sizeof(text)), SIGABRT);
	assert_int_equal(run_child(move_beyond, text, sizeof(text)), SIGABRT);
}

static void
test_mem_gives_zeros_and_never_null(void **state)
{
	static const char zeros[64];
	char *p = mqmem_alloc(64);
	int *q;

	(void)state;
	assert_memory_equal(p, zeros, 64);
	free(p);
	p = mqmem_alloc(0);
	assert_non_null(p);
	free(p);
	q = mqmem_array(4, sizeof(*q));
	assert_memory_equal(q, zeros, 4 * sizeof(*q));
	q[3] = 7;
	q = mqmem_grow(q, 100, sizeof(*q));
	assert_int_equal(q[3], 7);
	q = mqmem_grow(q, 0, sizeof(*q));
	assert_non_null(q);
	free(q);
	p = mqmem_strdup("text");
	assert_string_equal(p, "text");
	free(p);
}

static void
test_mem_grow_that_overflows_aborts(void **state)
{
	char text[4096];

	(void)state;
	assert_int_not_equal(run_child(grow_too_far, text, sizeof(text)), 0);
	assert_true(strlen(text) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_check_fail_aborts_and_says_what),
	    cmocka_unit_test(test_sm_move_follows_the_table),
	    cmocka_unit_test(test_sm_move_that_is_not_allowed_aborts),
	    cmocka_unit_test(test_mem_gives_zeros_and_never_null),
	    cmocka_unit_test(test_mem_grow_that_overflows_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
