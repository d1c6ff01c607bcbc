/* SPDX-License-Identifier: Apache-2.0 */
/* test_run.c - memory of read-ahead messages: pieces do not overlap, runs come
 * back, threads may free them, also after the connection.  Run it under tsan
 * too, and under valgrind for leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "libmq/run.h"

#define PIECES 4000u
#define THREADS 4u
#define BIG ((size_t)1 << 20)

struct piece {
	uint8_t *p;
	size_t size;
	struct mqrun *run;
};

static struct piece pieces[PIECES];

/* Pieces of many sizes, each full of its own byte.  False: there are no runs,
 * for AddressSanitizer. */
static bool
take_all(struct mqruns *rs)
{
	for (unsigned i = 0; i < PIECES; i++) {
		struct piece *x = &pieces[i];

		x->size = 1 + i * 37 % 3000;
		x->p = mqruns_get(rs, x->size, &x->run);
		if (x->p == NULL && i == 0)
			return false;
		assert_non_null(x->p);
		assert_int_equal((uintptr_t)x->p % 16, 0);
		memset(x->p, (int)(i % 251), x->size);
	}
	return true;
}

static void
free_piece(struct piece *x)
{
	size_t i = (size_t)(x - pieces);

	for (size_t n = 0; n < x->size; n++)
		assert_int_equal(x->p[n], i % 251);
	mqrun_unref(x->run);
}

static void
test_pieces_do_not_overlap_and_runs_come_back(void **state)
{
	struct mqruns *rs = mqruns_new();
	struct mqrun *first;
	bool again = false;

	(void)state;
	assert_non_null(rs);
	if (!take_all(rs)) {
		mqruns_free(rs);
		return;
	}
	first = pieces[0].run;
	assert_ptr_equal(pieces[1].run, first);
	for (unsigned i = 0; i < PIECES; i++)
		free_piece(&pieces[i]);
	assert_true(take_all(rs));
	for (unsigned i = 0; i < PIECES; i++) {
		again |= pieces[i].run == first;
		free_piece(&pieces[i]);
	}
	assert_true(again);
	mqruns_free(rs);
}

static void
test_large_pieces_are_refused(void **state)
{
	struct mqruns *rs = mqruns_new();
	struct mqrun *run = NULL;

	(void)state;
	assert_null(mqruns_get(rs, BIG, &run));
	assert_null(run);
	mqruns_free(rs);
	mqruns_free(NULL);
}

static void *
free_every_fourth(void *arg)
{
	for (unsigned i = *(unsigned *)arg; i < PIECES; i += THREADS)
		free_piece(&pieces[i]);
	return NULL;
}

static void
test_threads_free_while_and_after_the_connection_uses_runs(void **state)
{
	pthread_t thread[THREADS];
	unsigned from[THREADS];
	struct mqruns *rs = mqruns_new();
	struct mqrun *run;

	(void)state;
	if (!take_all(rs)) {
		mqruns_free(rs);
		return;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		from[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL,
				     free_every_fourth, &from[i]),
		    0);
	}
	for (unsigned i = 0; i < PIECES; i++) {
		assert_non_null(mqruns_get(rs, 1000, &run));
		mqrun_unref(run);
	}
	mqruns_free(rs);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(thread[i], NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_do_not_overlap_and_runs_come_back),
	    cmocka_unit_test(test_large_pieces_are_refused),
	    cmocka_unit_test(
		test_threads_free_while_and_after_the_connection_uses_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
