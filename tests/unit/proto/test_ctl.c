/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl.c - lists and commands survive their bytes; limits are kept; cut-off
 * and random bytes are refused without a trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "proto/ctl.h"

static void
add(struct mqctl_list *l, const char *keyword, const char *value)
{
	assert_int_equal(mqctl_list_add(l, keyword, value), MQI_OK);
}

static void
sample(struct mqctl_command *c)
{
	memset(c, 0, sizeof(*c));
	c->verb = MQCTL_DEFINE;
	c->noun = MQCTL_QLOCAL;
	c->flags = MQCTL_REPLACE;
	(void)snprintf(c->name, sizeof(c->name), "A.Q");
	(void)snprintf(c->like, sizeof(c->like), "B");
	mqctl_list_init(&c->attrs);
	add(&c->attrs, "MAXDEPTH", "10");
	add(&c->attrs, "DESCR", "");
}

static void
test_list_get_finds_the_first_in_any_case(void **state)
{
	(void)state;
	struct mqctl_list l;
	mqctl_list_init(&l);
	assert_null(mqctl_list_get(&l, "X"));
	add(&l, "Name", "one");
	add(&l, "NAME", "two");
	assert_string_equal(mqctl_list_get(&l, "name"), "one");
	assert_null(mqctl_list_get(&l, "nam"));
	mqctl_list_fini(&l);
	assert_int_equal(l.n, 0);
}

static void
test_list_add_keeps_its_limits(void **state)
{
	(void)state;
	static char value[MQCTL_MAX_VALUE + 2];
	struct mqctl_list l;
	mqctl_list_init(&l);
	memset(value, 'v', MQCTL_MAX_VALUE + 1);
	assert_int_equal(mqctl_list_add(&l, "K", value), MQI_E_TOO_BIG);
	value[MQCTL_MAX_VALUE] = '\0';
	add(&l, "K", value);
	assert_int_equal(
	    mqctl_list_add(&l, "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK", ""),
	    MQI_E_TOO_BIG);
	while (l.n < MQCTL_MAX_PAIRS)
		add(&l, "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK", "");
	assert_int_equal(mqctl_list_add(&l, "K", ""), MQI_E_TOO_BIG);
	mqctl_list_fini(&l);
}

static void
test_command_gives_the_golden_bytes_and_comes_back(void **state)
{
	(void)state;
	static const uint8_t golden[] = {1, 2, 0, 0, 1, 0, 0, 0, 3, 0, 'A', '.',
	    'Q', 1, 0, 'B', 2, 0, 8, 0, 'M', 'A', 'X', 'D', 'E', 'P', 'T', 'H',
	    2, 0, '1', '0', 5, 0, 'D', 'E', 'S', 'C', 'R', 0, 0};
	struct mqctl_command c;
	struct mqctl_command back;
	struct mqbuf b;
	sample(&c);
	mqbuf_init(&b, 10000);
	mqctl_encode_command(&b, &c);
	assert_int_equal(b.len, sizeof(golden));
	assert_memory_equal(b.data, golden, sizeof(golden));
	assert_int_equal(mqctl_decode_command(b.data, b.len, &back), MQI_OK);
	assert_int_equal(back.verb, c.verb);
	assert_int_equal(back.noun, c.noun);
	assert_int_equal(back.flags, c.flags);
	assert_string_equal(back.name, c.name);
	assert_string_equal(back.like, c.like);
	assert_int_equal(back.attrs.n, 2);
	assert_string_equal(back.attrs.pairs[0].keyword, "MAXDEPTH");
	assert_string_equal(back.attrs.pairs[0].value, "10");
	assert_string_equal(back.attrs.pairs[1].value, "");
	mqctl_command_fini(&back);
	mqctl_command_fini(&c);
	mqbuf_fini(&b);
}

static void
test_command_refuses_every_truncation_and_any_tail(void **state)
{
	(void)state;
	struct mqctl_command c;
	struct mqctl_command back;
	struct mqbuf b;
	sample(&c);
	mqbuf_init(&b, 10000);
	mqctl_encode_command(&b, &c);
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(
		    mqctl_decode_command(b.data, len, &back), MQI_E_PROTOCOL);
	mqbuf_put_u8(&b, 0);
	assert_int_equal(
	    mqctl_decode_command(b.data, b.len, &back), MQI_E_PROTOCOL);
	mqctl_command_fini(&c);
	mqbuf_fini(&b);
}

static void
test_command_refuses_what_it_does_not_know(void **state)
{
	(void)state;

	static const struct {
		size_t offset;
		uint8_t byte;
	} rows[] = {{0, 0}, {0, MQCTL_VERB_MAX + 1}, {1, 0},
	    {1, MQCTL_NOUN_MAX + 1}, {2, 1}, {3, 1}, {4, 0x20}, {7, 1},
	    {8, 200}, {10, 0}, {16, 129}, {18, 0}, {20, ' '}, {20, '\n'},
	    {30, 0}};
	struct mqctl_command c;
	struct mqbuf b;
	sample(&c);
	mqbuf_init(&b, 10000);
	mqctl_encode_command(&b, &c);
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		struct mqctl_command back;
		uint8_t old = b.data[rows[i].offset];
		b.data[rows[i].offset] = rows[i].byte;
		assert_int_equal(
		    mqctl_decode_command(b.data, b.len, &back), MQI_E_PROTOCOL);
		b.data[rows[i].offset] = old;
	}
	mqctl_command_fini(&c);
	mqbuf_fini(&b);
}

static void
test_command_survives_random_changes(void **state)
{
	(void)state;
	const char *env = getenv("MQ_SEED");
	uint64_t seed = env != NULL ? strtoull(env, NULL, 0) : 20261121;
	print_message("MQ_SEED=%llu\n", (unsigned long long)seed);
	struct mqctl_command c;
	struct mqbuf b;
	sample(&c);
	mqbuf_init(&b, 10000);
	mqctl_encode_command(&b, &c);
	uint8_t *bytes = malloc(b.len);
	for (int round = 0; round < 20000; round++) {
		memcpy(bytes, b.data, b.len);
		for (uint64_t n = mqrand_next(&seed) % 3 + 1; n > 0; n--)
			bytes[mqrand_next(&seed) % b.len] =
			    (uint8_t)mqrand_next(&seed);
		struct mqctl_command back;
		if (mqctl_decode_command(bytes, b.len, &back) == MQI_OK)
			mqctl_command_fini(&back);
	}
	free(bytes);
	mqctl_command_fini(&c);
	mqbuf_fini(&b);
}

static void
test_names_of_verbs_and_nouns_are_all_there(void **state)
{
	(void)state;
	for (int i = 1; i <= MQCTL_VERB_MAX; i++)
		assert_string_not_equal(
		    mqctl_verb_name((enum mqctl_verb)i), "?");
	for (int i = 1; i <= MQCTL_NOUN_MAX; i++)
		assert_string_not_equal(
		    mqctl_noun_name((enum mqctl_noun)i), "?");
	assert_string_equal(mqctl_verb_name((enum mqctl_verb)99), "?");
	assert_string_equal(mqctl_noun_name((enum mqctl_noun)0), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_list_get_finds_the_first_in_any_case),
	    cmocka_unit_test(test_list_add_keeps_its_limits),
	    cmocka_unit_test(
		test_command_gives_the_golden_bytes_and_comes_back),
	    cmocka_unit_test(
		test_command_refuses_every_truncation_and_any_tail),
	    cmocka_unit_test(test_command_refuses_what_it_does_not_know),
	    cmocka_unit_test(test_command_survives_random_changes),
	    cmocka_unit_test(test_names_of_verbs_and_nouns_are_all_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
