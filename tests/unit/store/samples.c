/* SPDX-License-Identifier: Apache-2.0 */
/* samples.c - the records behind tests/data/golden/records. */
#include "tests/unit/store/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct record_key keys[] = {
    {.queue_id = 0x0102030405060708, .rank = 5, .seq = 0x1112131415161718},
    {.queue_id = 2, .rank = 0, .seq = 3},
};

static const struct record_put put = {
    .body_id = 0x2122232425262728,
    .msg_id = "message-id-of-24-bytes-",
    .correl_id = "correlation-id-24-bytes",
    .backout_count = 2,
    .body_crc = 0xc1c2c3c4,
    .body_len = 4,
    .n_places = 2,
    .places = keys,
    .desc = "descriptor",
    .desc_len = 10,
    .body = "body",
};

static const struct record_position position = {
    .partner = "QM2",
    .stream = "stream-of-16-by",
    .position = 77,
    .fence = 5,
    .incarnation = "incarnation-16b",
    .identity = "CN=QM2,O=Sluice",
};

static void
encode_put(struct mqbuf *b)
{
	record_encode_put(b, 0, &put);
}

static void
encode_put_staged(struct mqbuf *b)
{
	struct record_put v = put;

	v.flags = RECORD_PUT_STAGED | RECORD_PUT_NON_PERSISTENT;
	v.body_len = 100000;
	v.desc = NULL;
	v.body = NULL;
	record_encode_put(b, SAMPLE_UNIT, &v);
}

static void
check_key(const struct record_key *a, const struct record_key *b)
{
	assert_int_equal(a->queue_id, b->queue_id);
	assert_int_equal(a->rank, b->rank);
	assert_int_equal(a->seq, b->seq);
}

static void
check_put_header(const struct record_put *v)
{
	assert_int_equal(v->body_id, put.body_id);
	assert_memory_equal(v->msg_id, put.msg_id, MQI_ID_LEN);
	assert_memory_equal(v->correl_id, put.correl_id, MQI_ID_LEN);
	assert_int_equal(v->backout_count, 2);
	assert_int_equal(v->body_crc, 0xc1c2c3c4);
	assert_int_equal(v->n_places, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct record_key key = record_place(v, i);

		check_key(&key, &keys[i]);
	}
	assert_int_equal(v->desc_len, 10);
}

static void
check_put(const struct record *r)
{
	const struct record_put *v = &r->u.put;

	check_put_header(v);
	assert_int_equal(v->flags, 0);
	assert_memory_equal(v->desc, "descriptor", 10);
	assert_int_equal(v->body_len, 4);
	assert_memory_equal(v->body, "body", 4);
}

static void
check_put_staged(const struct record *r)
{
	const struct record_put *v = &r->u.put;

	check_put_header(v);
	assert_int_equal(
	    v->flags, RECORD_PUT_STAGED | RECORD_PUT_NON_PERSISTENT);
	assert_int_equal(v->body_len, 100000);
	assert_null(v->desc);
	assert_null(v->body);
}

static void
encode_remove(struct mqbuf *b)
{
	struct record_remove v = {
	    .flags = RECORD_REMOVE_RELEASE, .key = keys[0], .body_id = 99};

	record_encode_remove(b, SAMPLE_UNIT, &v);
}

static void
check_remove(const struct record *r)
{
	assert_int_equal(r->u.remove.flags, RECORD_REMOVE_RELEASE);
	check_key(&r->u.remove.key, &keys[0]);
	assert_int_equal(r->u.remove.body_id, 99);
}

static void
encode_stage(struct mqbuf *b)
{
	struct record_stage v = {
	    .body_id = 99, .piece = 3, .data = "piece", .len = 5};

	record_encode_stage(b, SAMPLE_UNIT, &v);
}

static void
check_stage(const struct record *r)
{
	assert_int_equal(r->u.stage.body_id, 99);
	assert_int_equal(r->u.stage.piece, 3);
	assert_int_equal(r->u.stage.len, 5);
	assert_memory_equal(r->u.stage.data, "piece", 5);
}

static void
encode_commit(struct mqbuf *b)
{
	record_encode_end(b, RECORD_COMMIT, SAMPLE_UNIT);
}

static void
encode_prepare(struct mqbuf *b)
{
	record_encode_end(b, RECORD_PREPARE, SAMPLE_UNIT);
}

static void
encode_rollback(struct mqbuf *b)
{
	record_encode_end(b, RECORD_ROLLBACK, SAMPLE_UNIT);
}

static void
check_end(const struct record *r)
{
	assert_int_equal(r->size, RECORD_HEADER);
}

static void
encode_backout(struct mqbuf *b)
{
	struct record_backout v = {.key = keys[0], .count = 6};

	record_encode_backout(b, 0, &v);
}

static void
check_backout(const struct record *r)
{
	check_key(&r->u.backout.key, &keys[0]);
	assert_int_equal(r->u.backout.count, 6);
}

static void
encode_position(struct mqbuf *b)
{
	record_encode_position(b, SAMPLE_UNIT, &position);
}

static void
check_position(const struct record *r)
{
	const struct record_position *v = &r->u.position;

	assert_string_equal(v->partner, "QM2");
	assert_memory_equal(v->stream, position.stream, 16);
	assert_int_equal(v->position, 77);
	assert_int_equal(v->fence, 5);
	assert_memory_equal(v->incarnation, position.incarnation, 16);
	assert_string_equal(v->identity, "CN=QM2,O=Sluice");
}

static void
encode_object(struct mqbuf *b)
{
	struct record_object v = {.type = 2,
	    .name = "APP.REQUEST",
	    .id = 12,
	    .attrs = "attributes",
	    .attrs_len = 10};

	record_encode_object(b, &v);
}

static void
check_object(const struct record *r)
{
	const struct record_object *v = &r->u.object;

	assert_int_equal(v->type, 2);
	assert_string_equal(v->name, "APP.REQUEST");
	assert_int_equal(v->id, 12);
	assert_int_equal(v->attrs_len, 10);
	assert_memory_equal(v->attrs, "attributes", 10);
}

static void
encode_object_delete(struct mqbuf *b)
{
	struct record_object_delete v = {
	    .type = 2, .name = "APP.REQUEST", .id = 12};

	record_encode_object_delete(b, &v);
}

static void
check_object_delete(const struct record *r)
{
	assert_int_equal(r->u.object_delete.type, 2);
	assert_string_equal(r->u.object_delete.name, "APP.REQUEST");
	assert_int_equal(r->u.object_delete.id, 12);
}

static void
encode_release(struct mqbuf *b)
{
	struct record_release v = {.body_id = 99};

	record_encode_release(b, 0, &v);
}

static void
check_release(const struct record *r)
{
	assert_int_equal(r->u.release.body_id, 99);
}

static void
encode_meta(struct mqbuf *b)
{
	struct record_meta v = {
	    .name = "epoch", .value = "\x2a\0\0\0\0\0\0\0", .len = 8};

	record_encode_meta(b, &v);
}

static void
check_meta(const struct record *r)
{
	assert_string_equal(r->u.meta.name, "epoch");
	assert_int_equal(r->u.meta.len, 8);
	assert_memory_equal(r->u.meta.value, "\x2a\0\0\0\0\0\0\0", 8);
}

static void
encode_stream(struct mqbuf *b)
{
	struct record_stream v = {.queue_id = 12,
	    .stream = "stream-of-16-by",
	    .acked = 1000,
	    .bound_qmid = "qmid-of-16-byte",
	    .bound_identity = "CN=QM2",
	    .n_incarnations = 2,
	    .incarnations = {{.id = "incarnation-one", .first = 1},
		{.id = "incarnation-two", .first = 900}}};

	record_encode_stream(b, 0, &v);
}

static void
check_stream(const struct record *r)
{
	const struct record_stream *v = &r->u.stream;

	assert_int_equal(v->queue_id, 12);
	assert_memory_equal(v->stream, "stream-of-16-by", 16);
	assert_int_equal(v->acked, 1000);
	assert_int_equal(v->bound_acked, 0);
	assert_memory_equal(v->bound_qmid, "qmid-of-16-byte", 16);
	assert_string_equal(v->bound_identity, "CN=QM2");
	assert_int_equal(v->n_incarnations, 2);
	assert_memory_equal(v->incarnations[0].id, "incarnation-one", 16);
	assert_int_equal(v->incarnations[1].first, 900);
}

static void
encode_stream_bound_acked(struct mqbuf *b)
{
	struct record_stream v = {.queue_id = 12,
	    .acked = 1000,
	    .bound_qmid = "qmid-of-16-byte",
	    .bound_identity = "CN=QM2",
	    .bound_acked = 950,
	    .n_incarnations = 1,
	    .incarnations = {{.id = "incarnation-one", .first = 1}}};

	record_encode_stream(b, 0, &v);
}

static void
check_stream_bound_acked(const struct record *r)
{
	assert_int_equal(r->u.stream.acked, 1000);
	assert_int_equal(r->u.stream.bound_acked, 950);
	assert_int_equal(r->u.stream.n_incarnations, 1);
}

static void
encode_restore(struct mqbuf *b)
{
	struct record_restore v = {
	    .key = keys[0], .body_id = 99, .backout_count = 1};

	record_encode_restore(b, 0, &v);
}

static void
check_restore(const struct record *r)
{
	check_key(&r->u.restore.key, &keys[0]);
	assert_int_equal(r->u.restore.body_id, 99);
	assert_int_equal(r->u.restore.backout_count, 1);
}

static void
encode_purge(struct mqbuf *b)
{
	struct record_purge v = {.queue_id = 12};

	record_encode_purge(b, &v);
}

static void
check_purge(const struct record *r)
{
	assert_int_equal(r->u.purge.queue_id, 12);
}

#define SAMPLE(name, type, unit)                                        \
	{                                                               \
#name, RECORD_##type, unit, encode_##name, check_##name \
	}
#define SAMPLE_END(name, type)                                              \
	{                                                                   \
#name, RECORD_##type, SAMPLE_UNIT, encode_##name, check_end \
	}

const struct sample samples[] = {
    SAMPLE(put, PUT, 0),
    SAMPLE(put_staged, PUT, SAMPLE_UNIT),
    SAMPLE(remove, REMOVE, SAMPLE_UNIT),
    SAMPLE(stage, STAGE, SAMPLE_UNIT),
    SAMPLE_END(commit, COMMIT),
    SAMPLE_END(prepare, PREPARE),
    SAMPLE_END(rollback, ROLLBACK),
    SAMPLE(backout, BACKOUT, 0),
    SAMPLE(position, POSITION, SAMPLE_UNIT),
    SAMPLE(object, OBJECT, 0),
    SAMPLE(object_delete, OBJECT_DELETE, 0),
    SAMPLE(release, RELEASE, 0),
    SAMPLE(meta, META, 0),
    SAMPLE(stream, STREAM, 0),
    SAMPLE(stream_bound_acked, STREAM, 0),
    SAMPLE(restore, RESTORE, 0),
    SAMPLE(purge, PURGE, 0),
};

const size_t n_samples = MQ_ARRAY_LEN(samples);
