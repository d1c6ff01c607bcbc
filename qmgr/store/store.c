/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - what all stores share (store_impl.h): batches, answers, and which
 * records of a batch take effect.
 *
 * A batch is walked twice.  The first pass reads only lengths, types and units
 * and notes which units the batch commits; the second decodes each record,
 * checks it and gives it on.  So a unit cut off in its middle has no effect,
 * whatever stands behind it.
 */
#include "qmgr/store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qmgr/store/store_impl.h"

struct store_batch *
store_batch_new(uint64_t number)
{
	struct store_batch *b = mqmem_alloc(sizeof(*b));

	b->number = number;
	mqbuf_init(&b->records, STORE_BATCH_MAX);
	return b;
}

struct store_batch *
store_batch_free(struct store_batch *b)
{
	if (b != NULL) {
		mqbuf_fini(&b->records);
		free(b);
	}
	return NULL;
}

struct store_load *
store_load_new(void)
{
	return mqmem_alloc(sizeof(struct store_load));
}

struct store_load *
store_load_free(struct store_load *l)
{
	if (l == NULL)
		return NULL;
	for (uint32_t i = 0; i < l->n_rows; i++) {
		(void)mqref_unref(l->rows[i].data);
		(void)mqref_unref(l->rows[i].head);
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(l->pieces); i++)
		(void)mqref_unref(l->pieces[i]);
	free(l->rows);
	free(l);
	return NULL;
}

struct store_row *
store_load_add_row(struct store_load *l)
{
	uint32_t n = l->n_rows;

	/* grown at 16, 32, 64, ... */
	if (n == 0 || (n >= 16 && (n & (n - 1)) == 0))
		l->rows = mqmem_grow(
		    l->rows, n == 0 ? 16 : (size_t)n * 2, sizeof(*l->rows));
	memset(&l->rows[n], 0, sizeof(l->rows[n]));
	l->n_rows++;
	return &l->rows[n];
}

enum mqi_err
store_fail(struct store_why *why, enum mqi_err err, const char *fmt, ...)
{
	va_list ap;

	MQ_PRE(err != MQI_OK);
	if (why->err != MQI_OK)
		return err;
	why->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return err;
}

bool
store_meta_epoch(const struct record_meta *v, uint64_t *ret_epoch)
{
	if (strcmp(v->name, "epoch") != 0 || v->len != sizeof(uint64_t))
		return false;
	*ret_epoch = mqbuf_get_u64(v->value);
	return true;
}

/* ---- which records take effect ---- */

struct units {
	uint32_t *committed; /* ascending */
	size_t n;
	size_t cap;
};

static void
units_add(struct units *u, uint32_t unit)
{
	if (u->n == u->cap) {
		u->cap = u->cap == 0 ? 64 : 2 * u->cap;
		u->committed =
		    mqmem_grow(u->committed, u->cap, sizeof(*u->committed));
	}
	u->committed[u->n++] = unit;
}

static int
unit_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool
units_has(const struct units *u, uint32_t unit)
{
	return u->n > 0 && bsearch(&unit, u->committed, u->n, sizeof(unit),
			       unit_cmp) != NULL;
}

/* First pass; the headers are not yet proved by their checksums, the second
 * pass stops at one that lies. */
static void
find_committed(const struct mqbuf *records, struct units *ret)
{
	size_t at = 0;

	while (records->len - at >= RECORD_HEADER) {
		const uint8_t *p = records->data + at;
		uint32_t size = mqbuf_get_u32(p);

		if (size < RECORD_HEADER || size > records->len - at)
			break;
		if (p[4] == RECORD_COMMIT)
			units_add(ret, mqbuf_get_u32(p + 8));
		at += size;
	}
	if (ret->n > 1)
		qsort(
		    ret->committed, ret->n, sizeof(*ret->committed), unit_cmp);
}

static bool
takes_effect(const struct units *units, const struct record *r)
{
	switch (r->type) {
	case RECORD_STAGE:
	case RECORD_COMMIT:
	case RECORD_ROLLBACK:
		return true;
	default:
		return r->unit == 0 || units_has(units, r->unit);
	}
}

typedef enum mqi_err decode_fn(
    const void *data, size_t len, struct record *ret);

static enum mqi_err
walk(const struct store_batch *b, decode_fn *decode, store_apply_fn *apply,
    void *ctx, struct store_why *why)
{
	struct units units = {0};
	enum mqi_err err = MQI_OK;
	struct record r;
	size_t at = 0;

	find_committed(&b->records, &units);
	while (err == MQI_OK && at < b->records.len) {
		const uint8_t *p = b->records.data + at;

		err = decode(p, b->records.len - at, &r);
		if (err != MQI_OK)
			(void)store_fail(why, err,
			    "batch %llu holds a record that is not one, at "
			    "byte %zu",
			    (unsigned long long)b->number, at);
		else if (r.type == RECORD_PREPARE)
			err = store_fail(why, MQI_E_STORE_FORMAT,
			    "batch %llu prepares a unit of work, which this "
			    "version does not know",
			    (unsigned long long)b->number);
		else if (takes_effect(&units, &r))
			err = apply(ctx, &r, p);
		at += r.size;
	}
	free(units.committed);
	return err;
}

enum mqi_err
store_walk(const struct store_batch *b, store_apply_fn *apply, void *ctx,
    struct store_why *why)
{
	return walk(b, record_decode, apply, ctx, why);
}

enum mqi_err
store_walk_unchecked(const struct store_batch *b, store_apply_fn *apply,
    void *ctx, struct store_why *why)
{
	return walk(b, record_parse, apply, ctx, why);
}
