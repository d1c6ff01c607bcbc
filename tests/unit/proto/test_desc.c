/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_desc.c - proto/desc.c: what a queue manager reads of a descriptor, and
 * what its stamp changes and keeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
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

#define PUT_TIME_MS UINT64_C(1795222923450)

static struct mqdesc_stamp
plain_stamp(void)
{
	return (struct mqdesc_stamp){.priority = 4, .put_time_ms = PUT_TIME_MS};
}

/* Encodes f->md and stamps the bytes into f->out. */
static void
stamp(struct fixture *f, const struct mqdesc_stamp *s)
{
	mqbuf_reset(&f->buf);
	mqbuf_reset(&f->out);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len, s, &f->out), MQI_OK);
}

/* The stamped bytes hold what f->md says now. */
static void
assert_stamped_is_md(struct fixture *f)
{
	struct mqi_md md;

	assert_int_equal(mqdesc_decode(f->out.data, f->out.len, &md), MQI_OK);
	assert_md_equal(&f->md, &md);
	free((void *)(uintptr_t)md.props);
}

static void
set_put_time(struct mqi_md *md)
{
	mqclock_mq_date(PUT_TIME_MS * 1000, md->put_date, md->put_time);
}

static void
test_read_gives_what_was_encoded(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_info info;

	desc_sample_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_read(f->buf.data, f->buf.len, &info), MQI_OK);
	assert_true(info.persistent);
	assert_false(info.persistence_as_q_def);
	assert_int_equal(info.priority, 7);
	assert_int_equal(info.expiry, 600);
	assert_int_equal(info.not_before_ms, 1790000000000);
	assert_int_equal(info.msg_type, MQI_MT_REQUEST);
	assert_int_equal(info.report, 0x01020304);
	assert_int_equal(info.backout_count, 3);
	assert_true(info.has_msg_id);
	assert_true(info.has_correl_id);
	assert_false(info.has_route);
	assert_memory_equal(info.msg_id, f->md.msg_id, MQI_ID_LEN);
	assert_memory_equal(info.correl_id, f->md.correl_id, MQI_ID_LEN);
	assert_memory_equal(info.group_id, f->md.group_id, MQI_ID_LEN);
}

static void
test_read_of_defaults(void **state)
{
	static const uint8_t zeros[MQI_ID_LEN];
	struct fixture *f = *state;
	struct mqdesc_info info;

	memset(&info, 0x5a, sizeof(info));
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_read(f->buf.data, f->buf.len, &info), MQI_OK);
	assert_false(info.persistent);
	assert_true(info.persistence_as_q_def);
	assert_int_equal(info.priority, -1);
	assert_int_equal(info.expiry, MQI_EXPIRY_UNLIMITED);
	assert_int_equal(info.not_before_ms, 0);
	assert_int_equal(info.msg_type, MQI_MT_DATAGRAM);
	assert_int_equal(info.report, 0);
	assert_int_equal(info.backout_count, 0);
	assert_false(info.has_msg_id);
	assert_false(info.has_correl_id);
	assert_false(info.has_route);
	assert_memory_equal(info.msg_id, zeros, MQI_ID_LEN);
	assert_memory_equal(info.correl_id, zeros, MQI_ID_LEN);
	assert_memory_equal(info.group_id, zeros, MQI_ID_LEN);
	assert_string_equal(info.route.queue, "");
	assert_string_equal(info.route.qmgr, "");
	assert_int_equal(info.route.hops, 0);
}

static void
test_stamp_sets_its_fields_and_keeps_the_rest(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	s.set_msg_id = true;
	memset(s.msg_id, 0x55, MQI_ID_LEN);
	s.persistent = false;
	s.user = "a-user-with-a-long-name";
	s.appl_name = "app";
	s.backout_count = 9;
	s.expiry = 55;
	desc_sample_all(&f->md);
	f->md.put_appl_type = 77;
	stamp(f, &s);
	memcpy(f->md.msg_id, s.msg_id, MQI_ID_LEN);
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_NO;
	f->md.backout_count = 9;
	f->md.expiry = 55;
	memcpy(f->md.user_identifier, "a-user-with-", 13);
	memcpy(f->md.put_appl_name, "app", 4);
	f->md.put_appl_type = MQDESC_APPL_UNIX;
	set_put_time(&f->md);
	assert_stamped_is_md(f);
}

static void
test_stamp_fills_in_a_descriptor_of_defaults(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	s.set_msg_id = true;
	memset(s.msg_id, 0x66, MQI_ID_LEN);
	s.persistent = true;
	s.user = "u";
	s.appl_name = "";
	stamp(f, &s);
	memcpy(f->md.msg_id, s.msg_id, MQI_ID_LEN);
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_YES;
	strcpy(f->md.user_identifier, "u");
	f->md.put_appl_type = MQDESC_APPL_UNIX;
	set_put_time(&f->md);
	assert_stamped_is_md(f);
}

static void
test_stamp_to_defaults_leaves_the_fields_out(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	s.put_time_ms = 0;
	s.user = "";
	s.appl_name = "";
	s.expiry = MQI_EXPIRY_UNLIMITED;
	s.set_msg_id = true; /* to zeros */
	desc_sample_all(&f->md);
	stamp(f, &s);
	memset(f->md.msg_id, 0, MQI_ID_LEN);
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_NO;
	f->md.backout_count = 0;
	f->md.expiry = MQI_EXPIRY_UNLIMITED;
	f->md.user_identifier[0] = '\0';
	f->md.put_appl_name[0] = '\0';
	f->md.put_date[0] = '\0';
	f->md.put_time[0] = '\0';
	assert_stamped_is_md(f);
}

static void
test_stamp_without_user_and_name_leaves_them(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	s.persistent = true;
	s.backout_count = 3;
	s.priority = 7;
	desc_sample_all(&f->md);
	f->md.put_appl_type = 77;
	stamp(f, &s);
	set_put_time(&f->md);
	assert_stamped_is_md(f);
}

static void
test_stamp_resolves_a_reply_to_queue(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_info info;

	strcpy(f->md.reply_to_q, "ANSWERS");
	stamp(f, &s);
	assert_int_equal(mqdesc_read(f->out.data, f->out.len, &info), MQI_OK);
	assert_true(info.reply_unresolved);
	assert_string_equal(info.reply_to_q, "ANSWERS");
	s.reply_to_q = "REPLIES";
	s.reply_to_qmgr = "QM1";
	stamp(f, &s);
	assert_int_equal(mqdesc_read(f->out.data, f->out.len, &info), MQI_OK);
	assert_false(info.reply_unresolved);
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_NO;
	set_put_time(&f->md);
	strcpy(f->md.reply_to_q, "REPLIES");
	strcpy(f->md.reply_to_qmgr, "QM1");
	assert_stamped_is_md(f);
}

static void
test_stamp_keep_context_fills_in_only_what_is_missing(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	s.keep_context = true;
	s.persistent = true;
	s.user = "stamped";
	s.appl_name = "stamped";
	strcpy(f->md.user_identifier, "original");
	stamp(f, &s);
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_YES;
	strcpy(f->md.put_appl_name, "stamped");
	f->md.put_appl_type = MQDESC_APPL_UNIX;
	set_put_time(&f->md);
	assert_stamped_is_md(f);
	/* and now all of it is there */
	s.put_time_ms++;
	s.user = "again";
	s.appl_name = "again";
	stamp(f, &s);
	assert_stamped_is_md(f);
}

static void
assert_route(const struct mqbuf *b, const struct mqdesc_route *expected)
{
	struct mqdesc_info info;

	assert_int_equal(mqdesc_read(b->data, b->len, &info), MQI_OK);
	assert_int_equal(info.has_route, expected != NULL);
	if (!expected)
		return;
	assert_string_equal(info.route.queue, expected->queue);
	assert_string_equal(info.route.qmgr, expected->qmgr);
	assert_int_equal(info.route.hops, expected->hops);
}

static void
test_stamp_adds_replaces_keeps_and_removes_the_route(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_route first = {
	    .queue = "TARGET", .qmgr = "QM2", .hops = 1};
	struct mqdesc_route second = {.qmgr = "QM3", .hops = 0x01020304};
	struct mqdesc_stamp s = plain_stamp();
	struct mqbuf *b = &f->out;

	memset(second.queue, 'q', MQI_NAME_LEN);
	f->md.props = desc_sample_props;
	f->md.n_props = DESC_SAMPLE_N_PROPS;
	s.route = &first;
	stamp(f, &s);
	golden_check("desc", "route", b->data, b->len);
	assert_route(b, &first);
	mqbuf_reset(&f->buf);
	s.route = &second;
	assert_int_equal(mqdesc_stamp(b->data, b->len, &s, &f->buf), MQI_OK);
	assert_route(&f->buf, &second);
	mqbuf_reset(b);
	s.keep_route = true;
	s.route = &first;
	assert_int_equal(mqdesc_stamp(f->buf.data, f->buf.len, &s, b), MQI_OK);
	assert_route(b, &second);
	assert_int_equal(b->len, f->buf.len);
	mqbuf_reset(&f->buf);
	s.keep_route = false;
	s.route = NULL;
	assert_int_equal(mqdesc_stamp(b->data, b->len, &s, &f->buf), MQI_OK);
	assert_route(&f->buf, NULL);
	/* the properties were carried along all the way */
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_NO;
	set_put_time(&f->md);
	mqbuf_reset(b);
	mqbuf_put(b, f->buf.data, f->buf.len);
	assert_stamped_is_md(f);
}

static void
test_stamp_drops_reports(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_info info;
	struct mqbuf *b = &f->out;

	f->md.report = MQI_RO_COD | MQI_RO_EXPIRATION;
	s.drop_reports = MQI_RO_COA | MQI_RO_COD;
	stamp(f, &s);
	assert_int_equal(mqdesc_read(b->data, b->len, &info), MQI_OK);
	assert_int_equal(info.report, MQI_RO_EXPIRATION);
	mqbuf_reset(&f->buf);
	s.drop_reports = MQI_RO_EXPIRATION;
	assert_int_equal(mqdesc_stamp(b->data, b->len, &s, &f->buf), MQI_OK);
	assert_false(mqdesc_asks(f->buf.data, f->buf.len));
}

static void
test_stamp_adds_replaces_and_removes_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_route route = {.queue = "TARGET", .qmgr = "QM2"};
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_info info;
	struct mqbuf *b = &f->out;

	f->md.expiry = 600;
	s.deadline_ms = UINT64_C(0x0102030405060708);
	s.route = &route;
	stamp(f, &s);
	golden_check("desc", "deadline", b->data, b->len);
	assert_int_equal(mqdesc_read(b->data, b->len, &info), MQI_OK);
	assert_int_equal(info.deadline_ms, s.deadline_ms);
	assert_true(mqdesc_asks(b->data, b->len));
	assert_int_equal(mqdesc_set_life(b->data, b->len, 5, 77), MQI_OK);
	assert_int_equal(mqdesc_read(b->data, b->len, &info), MQI_OK);
	assert_int_equal(info.deadline_ms, 77);
	assert_int_equal(info.expiry, 5);
	s.deadline_ms = 0;
	mqbuf_reset(&f->buf);
	assert_int_equal(mqdesc_stamp(b->data, b->len, &s, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_read(f->buf.data, f->buf.len, &info), MQI_OK);
	assert_int_equal(info.deadline_ms, 0);
	assert_route(&f->buf, &route);
	/* programs see nothing of it */
	f->md.expiry = 5;
	f->md.priority = 4;
	f->md.persistence = MQI_PERSISTENCE_NO;
	set_put_time(&f->md);
	assert_stamped_is_md(f);
}

static void
test_a_bad_deadline_is_refused(void **state)
{
	/* too short; twice */
	static const uint8_t is_short[] = {
	    1, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x80, 1, 0, 9};
	static const uint8_t twice[] = {1, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0x20, 0x80, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20, 0x80, 8, 0, 1, 2, 3,
	    4, 5, 6, 7, 8};
	struct mqdesc_info info;

	(void)state;
	assert_int_equal(
	    mqdesc_read(is_short, sizeof(is_short), &info), MQI_E_MD);
	assert_int_equal(mqdesc_read(twice, sizeof(twice), &info), MQI_E_MD);
}

/* An unknown extension before and one behind the route. */
static const uint8_t with_unknown[] = {1, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    0x80, 3, 0, 'o', 'n', 'e', 2, 0, 8, 0, 5, 0, 0, 0, 0, 2, 'Q', 'M', 2, 0x80,
    0, 0, 1, 0x80, 2, 0, 'b', 'e'};

static void
test_stamp_carries_unknown_extensions_along(void **state)
{
	static const uint8_t expected_exts[] = {1, 0x80, 3, 0, 'o', 'n', 'e', 2,
	    0x80, 0, 0, 1, 0x80, 2, 0, 'b', 'e', 2, 0, 8, 0, 6, 0, 0, 0, 0, 2,
	    'X', 'Y'};
	struct fixture *f = *state;
	struct mqdesc_route route = {.qmgr = "XY", .hops = 6};
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_info info;
	size_t n = sizeof(expected_exts);

	assert_int_equal(
	    mqdesc_read(with_unknown, sizeof(with_unknown), &info), MQI_OK);
	assert_string_equal(info.route.qmgr, "QM");
	assert_int_equal(info.route.hops, 5);
	s.route = &route;
	assert_int_equal(
	    mqdesc_stamp(with_unknown, sizeof(with_unknown), &s, &f->out),
	    MQI_OK);
	assert_true(f->out.len > n);
	assert_memory_equal(f->out.data + f->out.len - n, expected_exts, n);
	golden_check("desc", "unknown_extensions", f->out.data, f->out.len);
}

static void
test_restamp_is_a_stamp_with_another_id_and_time(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_places places;
	size_t len;

	s.set_msg_id = true;
	s.user = "user";
	s.appl_name = "program";
	memset(s.msg_id, 1, sizeof(s.msg_id));
	stamp(f, &s);
	len = f->out.len;
	assert_int_equal(mqdesc_find(f->out.data, len, &places), MQI_OK);
	memset(s.msg_id, 2, sizeof(s.msg_id));
	s.put_time_ms += 12345;
	mqdesc_restamp(f->out.data, &places, s.msg_id, s.put_time_ms);
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len, &s, &f->out), MQI_OK);
	assert_int_equal(f->out.len, 2 * len);
	assert_memory_equal(f->out.data, f->out.data + len, len);
}

static void
test_find_tells_what_a_descriptor_has_not(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_places places;
	struct mqi_md md;

	mqi_md_init(&md);
	assert_int_equal(mqdesc_encode(&md, &f->buf), MQI_OK);
	assert_int_equal(mqdesc_find(f->buf.data, f->buf.len, &places), MQI_OK);
	assert_int_equal(places.msg_id, 0);
	assert_int_equal(places.put_time, 0);
	assert_int_equal(
	    mqdesc_find(f->buf.data, f->buf.len - 1, &places), MQI_E_MD);
}

/* header, priority, persistence and put time are all that it adds */
#define STAMPED_LEN (12 + 1 + 1 + 8)

static void
test_stamp_reaches_the_limit_but_does_not_pass_it(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();

	for (size_t more = 0; more <= 1; more++) {
		/* an unknown extension, so that it just fits */
		size_t len = MQDESC_MAX - STAMPED_LEN + 12 + more;

		mqbuf_reset(&f->buf);
		mqbuf_reset(&f->out);
		mqbuf_put_zeros(&f->buf, len);
		f->buf.data[0] = 1;
		mqbuf_set_u16(f->buf.data + 2, (uint16_t)len);
		mqbuf_set_u16(f->buf.data + 12, 0x8001);
		mqbuf_set_u16(f->buf.data + 14, (uint16_t)(len - 16));
		mqbuf_put(&f->out, "before", 6);
		assert_int_equal(mqdesc_stamp(f->buf.data, len, &s, &f->out),
		    more ? MQI_E_TOO_BIG : MQI_OK);
		assert_int_equal(f->out.len, more ? 6 : 6 + MQDESC_MAX);
		assert_int_equal(f->out.err, MQI_OK);
	}
}

static void
test_stamp_appends_and_fails_without_room(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();
	struct mqbuf small;

	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	mqbuf_put(&f->out, "before", 6);
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len, &s, &f->out), MQI_OK);
	assert_memory_equal(f->out.data, "before\1", 7);
	mqbuf_init(&small, 100);
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len, &s, &small), MQI_E_TOO_BIG);
	assert_int_equal(small.len, 0);
	mqbuf_fini(&small);
}

static void
test_read_and_stamp_refuse_bad_bytes(void **state)
{
	struct fixture *f = *state;
	struct mqdesc_stamp s = plain_stamp();
	struct mqdesc_info info, before;

	memset(&info, 0x5a, sizeof(info));
	before = info;
	desc_sample_all(&f->md);
	assert_int_equal(mqdesc_encode(&f->md, &f->buf), MQI_OK);
	assert_int_equal(
	    mqdesc_read(f->buf.data, f->buf.len - 1, &info), MQI_E_MD);
	assert_memory_equal(&info, &before, sizeof(info));
	assert_int_equal(
	    mqdesc_stamp(f->buf.data, f->buf.len - 1, &s, &f->out), MQI_E_MD);
	assert_int_equal(f->out.len, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_read_gives_what_was_encoded),
	    TEST(test_read_of_defaults),
	    TEST(test_stamp_sets_its_fields_and_keeps_the_rest),
	    TEST(test_stamp_fills_in_a_descriptor_of_defaults),
	    TEST(test_stamp_to_defaults_leaves_the_fields_out),
	    TEST(test_stamp_without_user_and_name_leaves_them),
	    TEST(test_stamp_resolves_a_reply_to_queue),
	    TEST(test_stamp_keep_context_fills_in_only_what_is_missing),
	    TEST(test_stamp_adds_replaces_keeps_and_removes_the_route),
	    TEST(test_stamp_drops_reports),
	    TEST(test_stamp_adds_replaces_and_removes_the_deadline),
	    TEST(test_a_bad_deadline_is_refused),
	    TEST(test_stamp_carries_unknown_extensions_along),
	    TEST(test_restamp_is_a_stamp_with_another_id_and_time),
	    TEST(test_find_tells_what_a_descriptor_has_not),
	    TEST(test_stamp_reaches_the_limit_but_does_not_pass_it),
	    TEST(test_stamp_appends_and_fails_without_room),
	    TEST(test_read_and_stamp_refuse_bad_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
