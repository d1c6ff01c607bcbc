/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ref.c - base/ref.c and base/rand.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "base/ref.h"

#define ROUNDS 20000u

static void
test_ref_keeps_bytes_until_the_last_unref(void **state)
{
	struct mqref *r = mqref_copy("hello", 5);

	(void)state;
	assert_int_equal(r->len, 5);
	assert_ptr_equal(mqref_ref(r), r);
	assert_null(mqref_unref(r));
	assert_memory_equal(r->data, "hello", 5);
	assert_null(mqref_unref(r));
	assert_null(mqref_unref(NULL));
}

static void
test_ref_new_of_impossible_size_is_null(void **state)
{
	(void)state;
	assert_null(mqref_new(SIZE_MAX));
	assert_null(mqref_new(SIZE_MAX / 2));
	mqref_unref(mqref_copy(NULL, 0));
}

static void *
ref_and_unref(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++)
		mqref_unref(mqref_ref(arg));
	return mqref_unref(arg);
}

static void
test_ref_counts_across_threads(void **state)
{
	struct mqref *r = mqref_copy("x", 1);
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     ref_and_unref, mqref_ref(r)),
		    0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(r->count, 1);
	mqref_unref(r);
}

static void
test_rand_bytes_differ(void **state)
{
	uint8_t a[300], b[300];

	(void)state;
	mqrand_bytes(a, sizeof(a));
	mqrand_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	mqrand_bytes(NULL, 0);
}

static void
test_rand_next_repeats_from_its_seed(void **state)
{
	uint64_t a = 1234567, b = 1234567;

	(void)state;
	/* the first outputs of SplitMix64 for this seed */
	assert_true(mqrand_next(&a) == UINT64_C(6457827717110365317));
	assert_true(mqrand_next(&a) == UINT64_C(3203168211198807973));
	(void)mqrand_next(&b);
	(void)mqrand_next(&b);
	assert_true(mqrand_next(&a) == mqrand_next(&b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ref_keeps_bytes_until_the_last_unref),
	    cmocka_unit_test(test_ref_new_of_impossible_size_is_null),
	    cmocka_unit_test(test_ref_counts_across_threads),
	    cmocka_unit_test(test_rand_bytes_differ),
	    cmocka_unit_test(test_rand_next_repeats_from_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
