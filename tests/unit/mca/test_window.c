/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_window.c - mca/window.c on links that are simulated: so long a way, so
 * many bytes per second, and a queue in front of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mca/window.h"

#define MSG 1024u
#define RING 131072u

struct sim {
	struct window w;
	uint64_t rtt_us;
	uint64_t bytes_per_s;
	uint64_t now_us;
	uint64_t sent;     /* messages */
	uint64_t acked;    /* messages */
	uint64_t empty_us; /* when the link has sent what it has */
	uint64_t *arrives; /* when the acknowledgement of each is there */
};

static void
sim_init(struct sim *s, uint64_t rtt_us, uint64_t bytes_per_s)
{
	memset(s, 0, sizeof(*s));
	s->rtt_us = rtt_us;
	s->bytes_per_s = bytes_per_s;
	s->now_us = 1000;
	s->arrives = calloc(RING, sizeof(*s->arrives));
	assert_non_null(s->arrives);
	window_init(&s->w, 0, 0);
}

static bool
may_send(const struct sim *s, uint64_t limit)
{
	uint64_t n = s->sent - s->acked;

	return s->sent < limit && n < window_msgs(&s->w) &&
	       (n + 1) * MSG <= s->w.bytes;
}

/* Runs for so long, with at most `limit` messages sent in all; returns how many
 * were acknowledged. */
static uint64_t
sim_run(struct sim *s, uint64_t us, uint64_t limit)
{
	uint64_t end = s->now_us + us, before = s->acked;

	while (s->now_us < end) {
		while (may_send(s, limit)) {
			window_sent(&s->w, s->sent + 1, MSG, s->now_us);
			if (s->empty_us < s->now_us)
				s->empty_us = s->now_us;
			s->empty_us += MSG * 1000000ull / s->bytes_per_s;
			s->arrives[s->sent % RING] = s->empty_us + s->rtt_us;
			s->sent++;
		}
		s->now_us += 200; /* acknowledgements come in groups */
		while (s->acked < s->sent &&
		       s->arrives[s->acked % RING] <= s->now_us)
			s->acked++;
		(void)window_acked(&s->w, s->acked, s->now_us);
	}
	return s->acked - before;
}

static void
test_a_long_fast_link_is_filled(void **state)
{
	struct sim s;
	uint64_t n;

	(void)state;
	sim_init(&s, 100000, 125000000);
	(void)sim_run(&s, 600000, UINT64_MAX); /* six round trips */
	n = sim_run(&s, 1000000, UINT64_MAX);
	assert_true(n * MSG >= 120000000);
	assert_true(s.w.bytes >= 12500000);
	/* for a minute too, with its looks at the true round trip */
	n = sim_run(&s, 60000000, UINT64_MAX);
	assert_true(n * MSG >= 60 * UINT64_C(125000000) / 100 * 92);
	assert_true(s.w.bytes <= 4 * 12500000);
	free(s.arrives);
}

static void
test_a_short_link_has_a_small_window_for_ever(void **state)
{
	struct sim s;
	uint64_t n;

	(void)state;
	sim_init(&s, 500, 100000000);
	for (unsigned i = 0; i < 120; i++) {
		n = sim_run(&s, 1000000, UINT64_MAX);
		assert_true(n * MSG >= 97000000);
		/* the queue that it makes itself does not count */
		assert_true(s.w.bytes <= 3 * WINDOW_MIN_BYTES);
	}
	free(s.arrives);
}

static void
test_a_way_that_becomes_longer_is_noticed(void **state)
{
	struct sim s;
	uint64_t n;

	(void)state;
	sim_init(&s, 2000, 125000000);
	(void)sim_run(&s, 5000000, UINT64_MAX);
	s.rtt_us = 100000;
	(void)sim_run(&s, 2000000, UINT64_MAX);
	n = sim_run(&s, 5000000, UINT64_MAX);
	assert_true(n * MSG >= 5 * UINT64_C(125000000) / 100 * 90);
	free(s.arrives);
}

static void
test_a_little_traffic_needs_no_large_window(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, 100000, 125000000);
	(void)sim_run(&s, 2000000, UINT64_MAX);
	for (unsigned i = 0; i < 100; i++)
		(void)sim_run(&s, 200000, s.sent + 10);
	assert_int_equal(s.w.bytes, WINDOW_MIN_BYTES);
	free(s.arrives);
}

static void
test_the_partners_bound_counts(void **state)
{
	struct window w;

	(void)state;
	window_init(&w, 1000, 3);
	assert_int_equal(w.bytes, 1000);
	assert_int_equal(window_msgs(&w), 3);
	window_init(&w, 100, 0);
	assert_int_equal(window_msgs(&w), 1);
	window_init(&w, UINT64_MAX, UINT32_MAX);
	assert_int_equal(w.max_bytes, WINDOW_MAX_BYTES);
	assert_int_equal(w.max_msgs, WINDOW_MAX_MSGS);
}

static void
test_extreme_values_stay_within_bounds(void **state)
{
	struct window w;
	uint64_t now = 1;

	(void)state;
	window_init(&w, 0, 0);
	assert_false(window_acked(&w, UINT64_MAX, now)); /* nothing was sent */
	for (unsigned i = 0; i < 1000; i++) {
		window_sent(&w, i + 1, 104857600, now);
		if (i % 3 == 0)
			now += UINT64_C(1) << (i % 45);
		(void)window_acked(&w, i + 1, now);
		assert_true(w.bytes > 0);
		assert_true(w.bytes <= WINDOW_MAX_BYTES);
		assert_true(window_msgs(&w) <= WINDOW_MAX_MSGS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_long_fast_link_is_filled),
	    cmocka_unit_test(test_a_short_link_has_a_small_window_for_ever),
	    cmocka_unit_test(test_a_way_that_becomes_longer_is_noticed),
	    cmocka_unit_test(test_a_little_traffic_needs_no_large_window),
	    cmocka_unit_test(test_the_partners_bound_counts),
	    cmocka_unit_test(test_extreme_values_stay_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
