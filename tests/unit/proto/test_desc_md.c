/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_desc_md.c - proto/desc_md.c: descriptors of applications to bytes and
 * back, against golden files, and values that cannot be held.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/desc.h"
#include "tests/lib/golden.h"
#include "tests/unit/proto/desc_samples.h"

struct fixture {
	struct mqbuf buf;
	struct mqbuf out;
	struct mqi_md md;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	mqbuf_init(&f->buf, 1 << 17);
	mqbuf_init(&f->out, 1 << 17);
	mqi_md_init(&f->md);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	mqbuf_fini(&f->buf);
	mqbuf_fini(&f->out);
	free(f);
	return 0;
}

static void
free_props(const struct mqi_md *md)
{
	free((void *)(uintptr_t)md->props);
}

/* Golden bytes are what encode makes, and decode reads them. */
static void
check_golden(struct fixture *f, const char *name)
{
	struct mqi_md md;
	uint8_t *golden;
	size_t len;

	mqbuf_reset(&f->buf);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	golden_check("desc", name, f->buf.data, f->buf.len);
	len = golden_read("desc", name, &golden);
	assert_int_equal(mqdesc_decode(golden, len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	mqbuf_reset(&f->out);
	assert_int_equal(mqdesc_encode(&md, &f->out), MQI_OK);
	assert_int_equal(f->out.len, len);
	assert_memory_equal(f->out.data, golden, len);
	free_props(&md);
	free(golden);
}

static void
test_encode_defaults_costs_the_header_only(void **state)
{
	struct fixture *f = *state;

	check_golden(f, "defaults");
	assert_int_equal(f->buf.len, 12);
}

static void
test_encode_all_fields_gives_golden_bytes(void **state)
{
	struct fixture *f = *state;

	desc_sample_all(&f->md);
	f->md.props = NULL;
	f->md.n_props = 0;
	check_golden(f, "all");
}

static void
test_encode_properties_gives_golden_bytes(void **state)
{
	struct fixture *f = *state;

	f->md.props = desc_sample_props;
	f->md.n_props = DESC_SAMPLE_N_PROPS;
	check_golden(f, "props");
	desc_sample_all(&f->md);
	check_golden(f, "all_and_props");
}

static void
test_encode_appends(void **state)
{
	struct fixture *f = *state;
	struct mqi_md md;

	mqbuf_put(&f->buf, "before", 6);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_memory_equal(f->buf.data, "before", 6);
	assert_int_equal(mqdesc_decode(f->buf.data + 6, 12, &md), MQI_OK);
}

static void
test_strings_of_full_length_come_back(void **state)
{
	struct fixture *f = *state;
	struct mqi_md md;

	memset(f->md.reply_to_q, 'q', MQI_NAME_LEN);
	memset(f->md.format, 'f', 8);
	memset(f->md.appl_origin_data, 'o', 4);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_decode(f->buf.data, f->buf.len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
}

static void
assert_encode_fails(struct fixture *f, enum mqi_err expected)
{
	mqbuf_put(&f->buf, "before", 6);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), expected);
	assert_int_equal(f->buf.len, 6);
	mqbuf_reset(&f->buf);
	mqi_md_init(&f->md);
}

static void
test_encode_refuses_numbers_out_of_range(void **state)
{
	struct fixture *f = *state;

	f->md.msg_type = 0;
	assert_encode_fails(f, MQI_E_MSG_TYPE);
	f->md.msg_type = 1000000000;
	assert_encode_fails(f, MQI_E_MSG_TYPE);
	f->md.expiry = 0;
	assert_encode_fails(f, MQI_E_EXPIRY);
	f->md.expiry = -2;
	assert_encode_fails(f, MQI_E_EXPIRY);
	f->md.priority = 10;
	assert_encode_fails(f, MQI_E_PRIORITY);
	f->md.priority = -2;
	assert_encode_fails(f, MQI_E_PRIORITY);
	f->md.priority = 256 + 4;
	assert_encode_fails(f, MQI_E_PRIORITY);
	f->md.persistence = 3;
	assert_encode_fails(f, MQI_E_PERSISTENCE);
	f->md.persistence = -1;
	assert_encode_fails(f, MQI_E_PERSISTENCE);
	f->md.not_before_ms = UINT64_MAX;
	assert_encode_fails(f, MQI_E_MD);
}

static void
test_encode_refuses_a_string_without_its_nul(void **state)
{
	struct fixture *f = *state;

	memset(f->md.format, 'x', sizeof(f->md.format));
	assert_encode_fails(f, MQI_E_MD);
	memset(f->md.reply_to_qmgr, 'x', sizeof(f->md.reply_to_qmgr));
	assert_encode_fails(f, MQI_E_MD);
	memset(f->md.put_date, '1', sizeof(f->md.put_date));
	assert_encode_fails(f, MQI_E_MD);
}

static void
test_encode_refuses_a_date_that_does_not_exist(void **state)
{
	struct fixture *f = *state;

	strcpy(f->md.put_date, "20260230");
	strcpy(f->md.put_time, "00000000");
	assert_encode_fails(f, MQI_E_MD);
	strcpy(f->md.put_date, "20260228");
	assert_encode_fails(f, MQI_E_MD); /* without its time */
}

static void
encode_one_prop(
    struct fixture *f, const struct mqi_prop *prop, enum mqi_err expected)
{
	f->md.props = prop;
	f->md.n_props = 1;
	assert_encode_fails(f, expected);
}

static void
test_encode_refuses_bad_properties(void **state)
{
	static char long_name[MQI_MAX_PROPS_LEN + 2];
	static const uint8_t value[MQI_MAX_PROPS_LEN + 1];
	struct fixture *f = *state;
	struct mqi_prop p = {.name = "", .type = MQI_PROP_NULL};

	encode_one_prop(f, &p, MQI_E_PROPERTY_NAME);
	p.name = NULL;
	encode_one_prop(f, &p, MQI_E_PROPERTY_NAME);
	p.name = "a b";
	encode_one_prop(f, &p, MQI_E_PROPERTY_NAME);
	p.name = "a\tb";
	encode_one_prop(f, &p, MQI_E_PROPERTY_NAME);
	memset(long_name, 'n', sizeof(long_name) - 1);
	p.name = long_name;
	encode_one_prop(f, &p, MQI_E_TOO_BIG);
	p.name = "n";
	p.type = (enum mqi_prop_type)6;
	encode_one_prop(f, &p, MQI_E_PROPERTY_TYPE);
	p.type = MQI_PROP_BYTES;
	p.value.bytes.data = value;
	p.value.bytes.len = sizeof(value);
	encode_one_prop(f, &p, MQI_E_TOO_BIG);
	f->md.n_props = 1; /* of none */
	assert_encode_fails(f, MQI_E_MD);
}

/* u16 count, then type, name and value with their lengths */
#define ONE_PROP_OVERHEAD (2 + 1 + 2 + 1 + 2)

static void
test_encode_takes_properties_up_to_the_limit(void **state)
{
	static const uint8_t value[MQI_MAX_PROPS_LEN];
	struct fixture *f = *state;
	struct mqi_prop p = {.name = "n", .type = MQI_PROP_BYTES};
	struct mqi_md md;

	p.value.bytes.data = value;
	p.value.bytes.len = MQI_MAX_PROPS_LEN - ONE_PROP_OVERHEAD;
	f->md.props = &p;
	f->md.n_props = 1;
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_decode(f->buf.data, f->buf.len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	free_props(&md);
	p.value.bytes.len++;
	mqbuf_reset(&f->buf);
	assert_encode_fails(f, MQI_E_TOO_BIG);
}

static void
test_encode_refuses_too_many_properties(void **state)
{
	struct fixture *f = *state;
	struct mqi_prop *props = calloc(20000, sizeof(*props));

	for (unsigned i = 0; i < 20000; i++)
		props[i] = (struct mqi_prop){.name = "n"};
	f->md.props = props;
	f->md.n_props = 20000;
	assert_encode_fails(f, MQI_E_TOO_BIG);
	f->md.props = props;
	f->md.n_props = 5000;
	assert_encode_fails(f, MQI_E_TOO_BIG);
	free(props);
}

static void
test_encode_into_a_full_buffer_says_so(void **state)
{
	struct fixture *f = *state;
	size_t whole;

	desc_sample_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	whole = f->buf.len;
	for (size_t max = 1; max < whole; max++) {
		struct mqbuf b;

		mqbuf_init(&b, max);
		assert_int_equal(mqdesc_encode(&f->md, &b), MQI_E_TOO_BIG);
		assert_int_equal(b.len, 0);
		mqbuf_fini(&b);
	}
}

static void
test_decode_leaves_its_output_on_failure(void **state)
{
	struct fixture *f = *state;
	struct mqi_md md, before;

	memset(&md, 0x5a, sizeof(md));
	before = md;
	desc_sample_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_decode(f->buf.data, f->buf.len - 1, &md), MQI_E_MD);
	assert_memory_equal(&md, &before, sizeof(md));
}

/* The check says what decode would, and when it would want memory. */
static void
test_check_tells_what_decode_will_do(void **state)
{
	struct fixture *f = *state;
	bool allocates = true;

	mqi_md_init(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_check(f->buf.data, f->buf.len, &allocates), MQI_OK);
	assert_false(allocates);
	mqbuf_reset(&f->buf);
	desc_sample_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_check(f->buf.data, f->buf.len, &allocates), MQI_OK);
	assert_true(allocates);
	for (size_t len = 0; len < f->buf.len; len++)
		assert_int_equal(
		    mqdesc_check(f->buf.data, len, &allocates), MQI_E_MD);
}

static void
test_decode_finds_no_place_for_route_and_unknown_extensions(void **state)
{
	static const uint8_t data[] = {1, 0, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	    0, 6, 0, 1, 0, 0, 0, 0, 0, /* route */
	    1, 0x80, 4, 0, 'w', 'h', 'a', 't'};
	struct fixture *f = *state;
	struct mqi_md md;

	assert_int_equal(mqdesc_decode(data, sizeof(data), &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	assert_null(md.props);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_encode_defaults_costs_the_header_only),
	    TEST(test_encode_all_fields_gives_golden_bytes),
	    TEST(test_encode_properties_gives_golden_bytes),
	    TEST(test_encode_appends),
	    TEST(test_strings_of_full_length_come_back),
	    TEST(test_encode_refuses_numbers_out_of_range),
	    TEST(test_encode_refuses_a_string_without_its_nul),
	    TEST(test_encode_refuses_a_date_that_does_not_exist),
	    TEST(test_encode_refuses_bad_properties),
	    TEST(test_encode_takes_properties_up_to_the_limit),
	    TEST(test_encode_refuses_too_many_properties),
	    TEST(test_encode_into_a_full_buffer_says_so),
	    TEST(test_decode_leaves_its_output_on_failure),
	    TEST(test_check_tells_what_decode_will_do),
	    TEST(test_decode_finds_no_place_for_route_and_unknown_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
