/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - what a disk may hold after a power cut: rebuilt from a trace of
 * recorder.c, up to one record of it.
 *
 * Writes that a flush (or their own O_DSYNC) has covered are there.  Of the
 * others, each may be there, be absent, or be there in some of its 512-byte
 * sectors, whatever came later: so unflushed writes are dropped, torn and
 * reordered.
 */
#ifndef MQ_TESTS_IMAGE_H
#define MQ_TESTS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct trace;

/* Reads a trace; dies if it is damaged (a last record cut off is dropped). */
struct trace *trace_read(const char *path);
struct trace *trace_free(struct trace *t);  /* NULL */
uint64_t trace_last(const struct trace *t); /* number of the last record */

struct image_stats {
	unsigned durable, kept, dropped, torn; /* writes */
};

/* Writes the files as they may be after record `at` under dir, which exists
 * and holds the directories.  *seed moves on. */
void image_build(const struct trace *t, uint64_t at, uint64_t *seed,
    const char *dir, struct image_stats *ret_stats);

#endif
