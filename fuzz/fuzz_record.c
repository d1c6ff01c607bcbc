/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record.c - qmgr/store/record.c, and a whole batch on the store in
 * memory, on any bytes.  Lengths and checksums are corrected in a copy, so that
 * they do not stand in the way.
 *
 * Promises: what is decoded and encoded again is the same bytes; a store takes
 * any batch of well-formed records, or fails once, and never misbehaves.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "qmgr/store/store_mem.h"

/* ---- encoding what was decoded ---- */

static void
encode_put(struct mqbuf *b, const struct record *r)
{
	struct record_put put = r->u.put;
	struct record_key *places = calloc(put.n_places, sizeof(*places));

	MQ_INVARIANT(places);
	for (uint32_t i = 0; i < put.n_places; i++)
		places[i] = record_place(&put, i);
	put.places = places;
	record_encode_put(b, r->unit, &put);
	free(places);
}

static void
encode(struct mqbuf *b, const struct record *r)
{
	switch ((enum record_type)r->type) {
	case RECORD_PUT:
		encode_put(b, r);
		break;
	case RECORD_REMOVE:
		record_encode_remove(b, r->unit, &r->u.remove);
		break;
	case RECORD_STAGE:
		record_encode_stage(b, r->unit, &r->u.stage);
		break;
	case RECORD_COMMIT:
	case RECORD_PREPARE:
	case RECORD_ROLLBACK:
		record_encode_end(b, r->type, r->unit);
		break;
	case RECORD_BACKOUT:
		record_encode_backout(b, r->unit, &r->u.backout);
		break;
	case RECORD_POSITION:
		record_encode_position(b, r->unit, &r->u.position);
		break;
	case RECORD_OBJECT:
		record_encode_object(b, &r->u.object);
		break;
	case RECORD_OBJECT_DELETE:
		record_encode_object_delete(b, &r->u.object_delete);
		break;
	case RECORD_RELEASE:
		record_encode_release(b, r->unit, &r->u.release);
		break;
	case RECORD_META:
		record_encode_meta(b, &r->u.meta);
		break;
	case RECORD_STREAM:
		record_encode_stream(b, r->unit, &r->u.stream);
		break;
	case RECORD_RESTORE:
		record_encode_restore(b, r->unit, &r->u.restore);
		break;
	case RECORD_PURGE:
		record_encode_purge(b, &r->u.purge);
		break;
	}
}

/* Returns the size of the record at data, 0 if it is none. */
static size_t
check_record(const uint8_t *data, size_t size)
{
	struct record r;
	struct mqbuf b;

	if (record_decode(data, size, &r) != MQI_OK)
		return 0;
	mqbuf_init(&b, STORE_BATCH_MAX);
	encode(&b, &r);
	MQ_INVARIANT(b.err == MQI_OK && b.len == r.size);
	MQ_INVARIANT(memcmp(b.data, data, b.len) == 0);
	mqbuf_fini(&b);
	return r.size;
}

/* ---- a batch ---- */

static void
on_number(void *ctx, uint64_t number)
{
	(void)ctx;
	MQ_INVARIANT(number == 1);
}

static void
on_failed(void *ctx, enum mqi_err err, const char *why)
{
	unsigned *n = ctx;

	MQ_INVARIANT(err != MQI_OK && why[0] != '\0');
	(*n)++;
}

static void
on_loaded(void *ctx, struct store_load *l)
{
	(void)ctx;
	(void)store_load_free(l);
}

static void
check_batch(const uint8_t *data, size_t size)
{
	struct store *s = store_mem_new(true);
	struct store_batch *b = store_batch_new(1);
	struct store_load *l = store_load_new();
	unsigned failed = 0;
	const struct store_events ev = {.durable = on_number,
	    .applied = on_number,
	    .failed = on_failed,
	    .loaded = on_loaded,
	    .ctx = &failed};

	mqbuf_put(&b->records, data, size);
	(void)s->ops->submit(s, b, false);
	l->queue_id = 1;
	l->from_start = true;
	l->max_rows = 10;
	l->max_bytes = 1000;
	s->ops->load(s, l);
	s->ops->poll(s, &ev);
	s->ops->poll(s, &ev);
	MQ_INVARIANT(failed <= 1);
	s = store_mem_crash(s, 0);
	s->ops->close(s);
}

/* Makes lengths fit and checksums right, record after record. */
static void
correct(uint8_t *data, size_t size)
{
	size_t at = 0;

	while (size - at >= RECORD_HEADER) {
		uint8_t *p = data + at;
		uint32_t len = mqbuf_get_u32(p) % 512;
		uint32_t crc;

		if (len < RECORD_HEADER || len > size - at)
			len = (uint32_t)(size - at);
		mqbuf_set_u32(p, len);
		crc = mqcrc32c(0, p, 12);
		crc = mqcrc32c(crc, p + RECORD_HEADER, len - RECORD_HEADER);
		mqbuf_set_u32(p + 12, crc);
		at += len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	size_t at = 0;
	size_t n;

	(void)check_record(data, size);
	if (size < RECORD_HEADER || size > 65536)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	correct(copy, size);
	while ((n = check_record(copy + at, size - at)) != 0)
		at += n;
	check_batch(copy, size);
	free(copy);
	return 0;
}
