/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ref.c - base/ref.c, base/pool.c and base/rand.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/rand.h"
#include "base/ref.h"

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

/* Takes a reference over, and gives back another. */
static void *
take_over(void *arg)
{
	struct mqref **r = arg;

	assert_memory_equal((*r)->data, "mine", 4);
	*r = mqref_unref(*r);
	*r = mqref_copy("yours", 5);
	return NULL;
}

static void
test_ref_goes_from_thread_to_thread(void **state)
{
	struct mqref *r = mqref_copy("mine", 4);
	pthread_t thread;

	(void)state;
	mqref_keep(4096);
	assert_int_equal(pthread_create(&thread, NULL, take_over, &r), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_memory_equal(r->data, "yours", 5);
	mqref_unref(r);
	mqref_keep(0);
}

/* Whether what is freed is handed out again at once. */
static bool __attribute__((unused)) is_kept(size_t len)
{
	struct mqref *first = mqref_new(len), *second;
	uintptr_t at = (uintptr_t)first;

	memset(first->data, 0x5a, len);
	mqref_unref(first);
	/* so that malloc(3) does not do the same */
	first = malloc((sizeof(*first) + len + 255) / 256 * 256);
	/* or the compiler leaves both calls out */
	__asm__ volatile("" ::"r"(first) : "memory");
	second = mqref_new(len);
	free(first);
	assert_int_equal(second->len, len);
	memset(second->data, 0xa5, len);
	mqref_unref(second);
	return (uintptr_t)second == at;
}

static void
test_ref_keep_hands_out_again_up_to_its_limit(void **state)
{
	const uint8_t bytes[708] = {1};
	struct mqref *r[8];

	(void)state;
	mqref_keep(4096);
	/* their malloc(3) is another one */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(is_kept(0));
	assert_true(is_kept(1000));
	assert_true(is_kept(1100));
	assert_false(is_kept(5000));
#endif
	/* more than the limit, then all of them again */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 8; i++)
			r[i] = mqref_copy(bytes, 8 + 100 * i);
		for (unsigned i = 0; i < 8; i++)
			mqref_unref(r[i]);
	}
	mqref_keep(0);
#ifndef __SANITIZE_THREAD__
	assert_false(is_kept(1000));
#endif
}

static void
test_pool_hands_out_zeros_and_keeps_its_limit(void **state)
{
	struct mqpool p;
	uint8_t *a[3], zeros[40] = {0};

	(void)state;
	mqpool_init(&p, sizeof(zeros), 2);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++) {
			a[i] = mqpool_get(&p);
			assert_memory_equal(a[i], zeros, sizeof(zeros));
			memset(a[i], 0x5a, sizeof(zeros));
		}
		for (unsigned i = 0; i < 3; i++)
			mqpool_put(&p, a[i]);
		assert_int_equal(p.n, p.max);
	}
	mqpool_fini(&p);
	assert_int_equal(p.n, 0);
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
	    cmocka_unit_test(test_ref_goes_from_thread_to_thread),
	    cmocka_unit_test(test_ref_keep_hands_out_again_up_to_its_limit),
	    cmocka_unit_test(test_pool_hands_out_zeros_and_keeps_its_limit),
	    cmocka_unit_test(test_rand_bytes_differ),
	    cmocka_unit_test(test_rand_next_repeats_from_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
