/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_desc_scan.c - proto/desc_scan.c: every byte that is not as it should be
 * is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/desc_scan.h"
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

/* Of a copy of its own, so that an over-read is seen. */
static enum mqi_err
scan_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct desc_scan s;
	enum mqi_err err;

	memcpy(copy, data, len);
	err = mqdesc_scan(copy, len, &s);
	free(copy);
	return err;
}

/* A descriptor of these fields and bytes, with its length filled in. */
static enum mqi_err
scan_made(struct fixture *f, uint64_t bits, const void *bytes, size_t n)
{
	mqbuf_reset(&f->buf);
	mqbuf_put_u16(&f->buf, DESC_VERSION);
	mqbuf_put_u16(&f->buf, (uint16_t)(DESC_HEADER + n));
	mqbuf_put_u64(&f->buf, bits);
	mqbuf_put(&f->buf, bytes, n);
	return scan_copy(f->buf.data, f->buf.len);
}

static void
test_scan_refuses_every_truncation(void **state)
{
	struct fixture *f = *state;
	size_t without_props;

	desc_sample_all(&f->md);
	f->md.n_props = 0;
	assert_int_equal(mqdesc_encode(&f->md, &f->out), MQI_OK);
	without_props = f->out.len;
	f->md.n_props = DESC_SAMPLE_N_PROPS;
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(scan_copy(f->buf.data, f->buf.len), MQI_OK);
	for (size_t len = 0; len < f->buf.len; len++) {
		assert_int_equal(scan_copy(f->buf.data, len), MQI_E_MD);
		/* nor if the length agrees, but where it is whole */
		mqbuf_set_u16(f->buf.data + 2, (uint16_t)len);
		assert_int_equal(scan_copy(f->buf.data, len),
		    len == without_props ? MQI_OK : MQI_E_MD);
		mqbuf_set_u16(f->buf.data + 2, (uint16_t)f->buf.len);
	}
}

static void
test_scan_refuses_a_bad_header(void **state)
{
	struct fixture *f = *state;
	uint8_t *p;

	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	p = f->buf.data;
	p[0] = 2; /* version */
	assert_int_equal(scan_copy(p, 12), MQI_E_MD);
	p[0] = 0;
	assert_int_equal(scan_copy(p, 12), MQI_E_MD);
	p[0] = 1;
	p[1] = 1; /* reserved */
	assert_int_equal(scan_copy(p, 12), MQI_E_MD);
	p[1] = 0;
	p[2] = 11; /* length */
	assert_int_equal(scan_copy(p, 12), MQI_E_MD);
	p[2] = 12;
	assert_int_equal(scan_copy(p, 12), MQI_OK);
}

static void
test_scan_refuses_unknown_fields(void **state)
{
	static const uint8_t bytes[64];

	for (unsigned bit = DESC_N_FIELDS; bit < 64; bit++)
		for (size_t n = 0; n < sizeof(bytes); n += 8)
			assert_int_equal(
			    scan_made(*state, MQ_BIT(bit), bytes, n), MQI_E_MD);
}

static void
test_scan_refuses_a_number_at_its_default_or_out_of_range(void **state)
{
	static const struct {
		enum desc_field field;
		const char *bytes;
		enum mqi_err expected;
	} cases[] = {
	    {DESC_REPORT, "\0\0\0\0", MQI_E_MD},
	    {DESC_REPORT, "\1\0\0\0", MQI_OK},
	    {DESC_REPORT, "\xff\xff\xff\xff", MQI_OK},
	    {DESC_MSG_TYPE, "\0\0\0\0", MQI_E_MD},
	    {DESC_MSG_TYPE, "\x8\0\0\0", MQI_E_MD},
	    {DESC_MSG_TYPE, "\xff\xc9\x9a\x3b", MQI_OK},
	    {DESC_MSG_TYPE, "\0\xca\x9a\x3b", MQI_E_MD},
	    {DESC_EXPIRY, "\0\0\0\0", MQI_E_MD},
	    {DESC_EXPIRY, "\xff\xff\xff\xff", MQI_E_MD},
	    {DESC_EXPIRY, "\xff\xff\xff\x7f", MQI_OK},
	    {DESC_EXPIRY, "\0\0\0\x80", MQI_E_MD},
	    {DESC_ENCODING, "\x22\x2\0\0", MQI_E_MD},
	    {DESC_PRIORITY, "\0", MQI_OK},
	    {DESC_PRIORITY, "\x9", MQI_OK},
	    {DESC_PRIORITY, "\xa", MQI_E_MD},
	    {DESC_PRIORITY, "\xff", MQI_E_MD},
	    {DESC_PERSISTENCE, "\0", MQI_OK},
	    {DESC_PERSISTENCE, "\1", MQI_OK},
	    {DESC_PERSISTENCE, "\2", MQI_E_MD},
	    {DESC_PERSISTENCE, "\xff", MQI_E_MD},
	    {DESC_PUT_TIME, "\0\0\0\0\0\0\0\0", MQI_E_MD},
	    {DESC_PUT_TIME, "\xff\xff\xff\xff\xff\xff\xff\xff", MQI_E_MD},
	    {DESC_PUT_TIME, "\xff\xdb\x1f\xd2\x77\xe6\0\0", MQI_OK},
	    {DESC_PUT_TIME, "\0\xdc\x1f\xd2\x77\xe6\0\0", MQI_E_MD},
	    {DESC_MSG_SEQ_NUMBER, "\1\0\0\0", MQI_E_MD},
	    {DESC_ORIGINAL_LENGTH, "\xff\xff\xff\xff", MQI_E_MD},
	    {DESC_ORIGINAL_LENGTH, "\0\0\0\0", MQI_OK},
	    {DESC_NOT_BEFORE, "\0\0\0\0\0\0\0\x80", MQI_E_MD},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++)
		assert_int_equal(
		    scan_made(*state, MQ_BIT(cases[i].field), cases[i].bytes,
			mqdesc_table[cases[i].field].size),
		    cases[i].expected);
}

static void
test_scan_refuses_ids_of_zeros(void **state)
{
	static const enum desc_field ids[] = {
	    DESC_MSG_ID, DESC_CORREL_ID, DESC_GROUP_ID, DESC_ACCOUNTING_TOKEN};

	for (size_t i = 0; i < MQ_ARRAY_LEN(ids); i++) {
		uint8_t id[32] = {0};
		size_t n = mqdesc_table[ids[i]].size;

		assert_int_equal(
		    scan_made(*state, MQ_BIT(ids[i]), id, n), MQI_E_MD);
		id[n - 1] = 1;
		assert_int_equal(
		    scan_made(*state, MQ_BIT(ids[i]), id, n), MQI_OK);
	}
}

static void
test_scan_refuses_strings_that_are_not(void **state)
{
	uint64_t bit = MQ_BIT(DESC_FORMAT);

	assert_int_equal(scan_made(*state, bit, "\1a", 2), MQI_OK);
	assert_int_equal(scan_made(*state, bit,
			     "\x8"
			     "abcdefgh",
			     9),
	    MQI_OK);
	assert_int_equal(scan_made(*state, bit, "\0", 1), MQI_E_MD);
	assert_int_equal(scan_made(*state, bit,
			     "\x9"
			     "abcdefghi",
			     10),
	    MQI_E_MD);
	assert_int_equal(scan_made(*state, bit, "\3a\0b", 4), MQI_E_MD);
	assert_int_equal(scan_made(*state, bit, "\3ab\0", 4), MQI_E_MD);
	assert_int_equal(scan_made(*state, bit, "\3ab", 3), MQI_E_MD);
	assert_int_equal(scan_made(*state, bit, "", 0), MQI_E_MD);
}

static const struct {
	const char *bytes;
	size_t n;
	enum mqi_err expected;
} ext_cases[] = {

#define CASE(bytes, expected)                      \
	{                                          \
		bytes, sizeof(bytes) - 1, expected \
	}
    CASE("\0", MQI_E_MD),         /* no header */
    CASE("\1\x80\0", MQI_E_MD),   /* half a header */
    CASE("\1\x80\1\0", MQI_E_MD), /* past the end */
    CASE("\1\x80\xff\xff"
	 "a",
	MQI_E_MD),                        /* far past it */
    CASE("\1\x80\0\0", MQI_OK),           /* unknown, skippable */
    CASE("\1\x80\0\0\1\x80\0\0", MQI_OK), /* twice */
    CASE("\0\0\0\0", MQI_E_MD),           /* unknown */
    CASE("\3\0\0\0", MQI_E_MD),           /* unknown */
    CASE("\xff\x7f\0\0", MQI_E_MD),       /* unknown */
    CASE("\2\0\6\0"
	 "\0\0\0\0\0\0",
	MQI_OK), /* a route */
    CASE("\2\0\6\0"
	 "\0\0\0\0\0\0"
	 "\2\0\6\0"
	 "\0\0\0\0\0\0",
	MQI_E_MD), /* two routes */
    CASE("\2\0\5\0"
	 "\0\0\0\0\0",
	MQI_E_MD), /* one name */
    CASE("\2\0\3\0"
	 "\0\0\0",
	MQI_E_MD),              /* no hops */
    CASE("\2\0\0\0", MQI_E_MD), /* nothing */
    CASE("\2\0\7\0"
	 "\0\0\0\0\0\0\0",
	MQI_E_MD), /* left over */
    CASE("\2\0\7\0"
	 "\0\0\0\0\1\0\0",
	MQI_E_MD), /* NUL */
    CASE("\2\0\7\0"
	 "\0\0\0\0\0\2"
	 "a",
	MQI_E_MD), /* past it */
    CASE("\2\0\x37\0"
	 "\0\0\0\0\x31"
	 "1234567890123456789012345678901234567890123456789"
	 "\0",
	MQI_E_MD), /* name of 49 */
    CASE("\1\0\6\0"
	 "\1\0\0\1\0n",
	MQI_OK), /* a null property */
    CASE("\1\0\6\0"
	 "\1\0\0\1\0n"
	 "\1\0\6\0"
	 "\1\0\0\1\0n",
	MQI_E_MD), /* two sets */
    CASE("\1\0\2\0"
	 "\0\0",
	MQI_E_MD), /* a set of none */
    CASE("\1\0\1\0"
	 "\1",
	MQI_E_MD), /* half a count */
    CASE("\1\0\6\0"
	 "\2\0\0\1\0n",
	MQI_E_MD), /* one missing */
    CASE("\1\0\7\0"
	 "\1\0\0\1\0n!",
	MQI_E_MD), /* left over */
    CASE("\1\0\6\0"
	 "\1\0\6\1\0n",
	MQI_E_MD), /* unknown type */
    CASE("\1\0\5\0"
	 "\1\0\0\0\0",
	MQI_E_MD), /* no name */
    CASE("\1\0\6\0"
	 "\1\0\0\1\0 ",
	MQI_E_MD), /* a blank */
    CASE("\1\0\6\0"
	 "\1\0\0\1\0\0",
	MQI_E_MD), /* NUL */
    CASE("\1\0\6\0"
	 "\1\0\0\2\0n",
	MQI_E_MD), /* name past it */
    CASE("\1\0\7\0"
	 "\1\0\1\1\0n\1",
	MQI_OK), /* boolean */
    CASE("\1\0\7\0"
	 "\1\0\1\1\0n\2",
	MQI_E_MD), /* not 0 or 1 */
    CASE("\1\0\6\0"
	 "\1\0\1\1\0n",
	MQI_E_MD), /* no value */
    CASE("\1\0\x0d\0"
	 "\1\0\3\1\0n1234567",
	MQI_E_MD),
    CASE("\1\0\x0e\0"
	 "\1\0\3\1\0n12345678",
	MQI_OK),
    CASE("\1\0\x0a\0"
	 "\1\0\5\1\0n\2\0hi",
	MQI_OK),
    CASE("\1\0\x0a\0"
	 "\1\0\5\1\0n\3\0hi",
	MQI_E_MD),
    CASE("\1\0\7\0"
	 "\1\0\5\1\0n\0",
	MQI_E_MD),
#undef CASE
};

static void
test_scan_refuses_bad_extensions(void **state)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(ext_cases); i++) {
		enum mqi_err err =
		    scan_made(*state, 0, ext_cases[i].bytes, ext_cases[i].n);

		if (err != ext_cases[i].expected)
			fail_msg("case %zu gives %d", i, err);
	}
}

static void
test_scan_refuses_too_long_a_descriptor_and_too_many_properties(void **state)
{
	struct fixture *f = *state;
	size_t n = MQI_MAX_PROPS_LEN - 8;

	/* a property that fills the limit, and one byte more */
	for (size_t more = 0; more <= 1; more++) {
		mqbuf_reset(&f->out);
		mqbuf_put_u16(&f->out, DESC_EXT_PROPS);
		mqbuf_put_u16(&f->out, (uint16_t)(8 + n + more));
		mqbuf_put(&f->out, "\1\0\2\1\0n", 6);
		mqbuf_put_u16(&f->out, (uint16_t)(n + more));
		mqbuf_put_zeros(&f->out, n + more);
		assert_int_equal(scan_made(f, 0, f->out.data, f->out.len),
		    more ? MQI_E_MD : MQI_OK);
	}
	n = MQDESC_MAX - DESC_HEADER - DESC_EXT_HEADER;
	for (size_t more = 0; more <= 1; more++) {
		mqbuf_reset(&f->out);
		mqbuf_put_u16(&f->out, DESC_EXT_SKIPPABLE);
		mqbuf_put_u16(&f->out, (uint16_t)(n + more));
		mqbuf_put_zeros(&f->out, n + more);
		assert_int_equal(scan_made(f, 0, f->out.data, f->out.len),
		    more ? MQI_E_MD : MQI_OK);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_scan_refuses_every_truncation),
	    TEST(test_scan_refuses_a_bad_header),
	    TEST(test_scan_refuses_unknown_fields),
	    TEST(test_scan_refuses_a_number_at_its_default_or_out_of_range),
	    TEST(test_scan_refuses_ids_of_zeros),
	    TEST(test_scan_refuses_strings_that_are_not),
	    TEST(test_scan_refuses_bad_extensions),
	    TEST(
		test_scan_refuses_too_long_a_descriptor_and_too_many_properties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
