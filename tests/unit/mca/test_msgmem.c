/* SPDX-License-Identifier: Apache-2.0 */
/* test_msgmem.c - mca/msgmem.c: blocks keep their bytes, runs are used again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "mca/msgmem.h"

#define N 200u

static void
test_blocks_keep_their_bytes(void **state)
{
	uint64_t seed = 1;
	struct msgmem *m = msgmem_new();
	unsigned char *p[N] = {NULL};
	size_t len[N] = {0};

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i = (unsigned)(mqrand_next(&seed) % N);

		if (p[i] != NULL) {
			for (size_t k = 0; k < len[i]; k++)
				assert_int_equal(p[i][k], (unsigned char)i);
			msgmem_put(m, p[i]);
		}
		len[i] = (size_t)(mqrand_next(&seed) %
				  (round % 50 == 0 ? 200000 : 3000));
		p[i] = msgmem_get(m, len[i]);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)i, len[i]);
		if (round % 1000 == 0)
			msgmem_trim(m);
	}
	for (unsigned i = 0; i < N; i++)
		if (p[i] != NULL)
			msgmem_put(m, p[i]);
	msgmem_free(m);
}

static void
test_memory_in_order_is_used_again(void **state)
{
	struct msgmem *m = msgmem_new();
	void *first = msgmem_get(m, 40000), *second = msgmem_get(m, 40000);
	void *third;

	(void)state;
	msgmem_put(m, first);
	third = msgmem_get(m, 40000); /* the first one's run */
	assert_ptr_equal(third, first);
	msgmem_put(m, second);
	msgmem_put(m, third);
	msgmem_free(m);
}

static void
test_what_cannot_be_had_is_told(void **state)
{
	struct msgmem *m = msgmem_new();

	(void)state;
	assert_null(msgmem_get(m, SIZE_MAX));
	assert_null(msgmem_get(m, SIZE_MAX - 64));
	msgmem_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_blocks_keep_their_bytes),
	    cmocka_unit_test(test_memory_in_order_is_used_again),
	    cmocka_unit_test(test_what_cannot_be_had_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
