/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_record.c - qmgr/store/record.c: each record to bytes and back, against
 * golden files, and the refusal of everything else.
 *
 * With MQ_GOLDEN_WRITE set, missing golden files are written; one that exists
 * is never touched, since stores in the field hold its bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "tests/unit/store/samples.h"

#define GOLDEN_MAX 4096u

static int
setup(void **state)
{
	struct mqbuf *b = calloc(1, sizeof(*b));

	mqbuf_init(b, 1 << 20);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	mqbuf_fini(*state);
	free(*state);
	return 0;
}

static struct mqbuf *
encoded(struct mqbuf *b, const struct sample *s)
{
	mqbuf_reset(b);
	s->encode(b);
	assert_int_equal(b->err, MQI_OK);
	return b;
}

static size_t
read_golden(const char *name, const struct mqbuf *b, uint8_t *ret)
{
	const char *src = getenv("MQ_SRC");
	char path[4096];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path),
	    "%s/tests/data/golden/records/%s.bin", src == NULL ? "." : src,
	    name);
	if (getenv("MQ_GOLDEN_WRITE") != NULL) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0) {
			assert_int_equal(
			    write(fd, b->data, b->len), (ssize_t)b->len);
			(void)close(fd);
		}
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	n = read(fd, ret, GOLDEN_MAX);
	(void)close(fd);
	assert_true(n > 0);
	return (size_t)n;
}

static void
test_encode_gives_golden_bytes_and_decode_reads_them(void **state)
{
	uint8_t golden[GOLDEN_MAX];
	struct record r;

	for (size_t i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];
		const struct mqbuf *b = encoded(*state, s);
		size_t len = read_golden(s->name, b, golden);

		print_message("%s\n", s->name);
		assert_int_equal(b->len, len);
		assert_memory_equal(b->data, golden, len);
		assert_int_equal(record_decode(golden, len, &r), MQI_OK);
		assert_int_equal(r.type, s->type);
		assert_int_equal(r.unit, s->unit);
		assert_int_equal(r.size, len);
		s->check(&r);
	}
}

static void
test_decode_refuses_each_truncation(void **state)
{
	struct record r;

	for (size_t i = 0; i < n_samples; i++) {
		const struct mqbuf *b = encoded(*state, &samples[i]);

		for (size_t len = 0; len < b->len; len++) {
			/* a copy of its own, so that ASan sees each read */
			uint8_t *cut = malloc(len + 1);

			memcpy(cut, b->data, len);
			memset(&r, 0x5a, sizeof(r));
			assert_int_equal(
			    record_decode(cut, len, &r), MQI_E_STORE_FORMAT);
			assert_int_equal(r.type, 0x5a);
			free(cut);
		}
	}
}

static void
test_decode_refuses_each_flipped_bit(void **state)
{
	struct record r;

	for (size_t i = 0; i < n_samples; i++) {
		struct mqbuf *b = encoded(*state, &samples[i]);

		for (size_t bit = 0; bit < b->len * 8; bit++) {
			uint8_t mask = (uint8_t)(1u << (bit % 8));

			b->data[bit / 8] ^= mask;
			assert_int_not_equal(
			    record_decode(b->data, b->len, &r), MQI_OK);
			b->data[bit / 8] ^= mask;
		}
	}
}

/* Makes the checksum right again, as a newer or a hostile writer would. */
static void
seal(struct mqbuf *b)
{
	uint32_t crc = mqcrc32c(0, b->data, 12);

	crc = mqcrc32c(crc, b->data + RECORD_HEADER, b->len - RECORD_HEADER);
	mqbuf_set_u32(b->data + 12, crc);
}

static void
test_decode_refuses_what_it_does_not_know(void **state)
{
	struct mqbuf *b = *state;
	struct record r;

	/* offset, value: type, flags, zeros, unit of an object */
	static const struct {
		size_t sample;
		size_t offset;
		uint8_t value;
	} cases[] = {
	    {0, 4, 0},
	    {0, 4, 16},
	    {0, 4, 255},
	    {0, 5, 4},
	    {4, 5, 1},
	    {0, 6, 1},
	    {0, 7, 1},
	    {4, 8, 0},
	    {9, 8, 1},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		(void)encoded(b, &samples[cases[i].sample]);
		b->data[cases[i].offset] = cases[i].value;
		seal(b);
		assert_int_equal(
		    record_decode(b->data, b->len, &r), MQI_E_STORE_FORMAT);
	}
}

static void
test_decode_refuses_inner_lengths_that_do_not_fit(void **state)
{
	struct mqbuf *b = *state;
	struct record r;

	for (size_t i = 0; i < n_samples; i++) {
		(void)encoded(b, &samples[i]);
		mqbuf_put_u8(b, 0);
		mqbuf_set_u32(b->data, (uint32_t)b->len);
		seal(b);
		/* the data of a STAGE record is the rest, however long */
		assert_int_equal(record_decode(b->data, b->len, &r),
		    samples[i].type == RECORD_STAGE ? MQI_OK
						    : MQI_E_STORE_FORMAT);
	}
	(void)encoded(b, &samples[0]);
	mqbuf_set_u32(b->data + RECORD_HEADER + 68, UINT32_MAX); /* places */
	seal(b);
	assert_int_equal(
	    record_decode(b->data, b->len, &r), MQI_E_STORE_FORMAT);
	mqbuf_set_u32(b->data + RECORD_HEADER + 68, 0);
	seal(b);
	assert_int_equal(
	    record_decode(b->data, b->len, &r), MQI_E_STORE_FORMAT);
}

static void
test_encode_reports_no_room(void **state)
{
	struct mqbuf small;

	(void)state;
	for (size_t i = 0; i < n_samples; i++) {
		mqbuf_init(&small, 15);
		samples[i].encode(&small);
		assert_int_equal(small.err, MQI_E_TOO_BIG);
		mqbuf_fini(&small);
	}
}

static void
test_key_cmp_orders_by_rank_then_number(void **state)
{
	struct record_key a = {.rank = 1, .seq = 5};
	struct record_key b = {.rank = 1, .seq = 6};
	struct record_key c = {.rank = 2, .seq = 1};

	(void)state;
	assert_true(record_key_cmp(&a, &b) < 0);
	assert_true(record_key_cmp(&b, &c) < 0);
	assert_true(record_key_cmp(&c, &a) > 0);
	assert_int_equal(record_key_cmp(&a, &a), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_encode_gives_golden_bytes_and_decode_reads_them),
	    T(test_decode_refuses_each_truncation),
	    T(test_decode_refuses_each_flipped_bit),
	    T(test_decode_refuses_what_it_does_not_know),
	    T(test_decode_refuses_inner_lengths_that_do_not_fit),
	    T(test_encode_reports_no_room),
	    T(test_key_cmp_orders_by_rank_then_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
