/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outq.h - what waits to be written to one socket: encoded frames, copied
 * into chunks, and message bodies, held by reference and never copied.  It
 * counts the replies whose last byte is in the socket.
 * Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_OUTQ_H
#define MQ_QMGR_OUTQ_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/ref.h"

struct outq_chunk;

STAILQ_HEAD(outq_chunks, outq_chunk);

struct outq {
	struct outq_chunks chunks;
	struct outq_chunk *last; /* of chunks, or NULL */
	size_t bytes;            /* waiting */
	uint64_t queued;         /* ever */
	uint64_t written;        /* ever */
	/* ends of replies not wholly written, as values of `queued`: a ring */
	uint64_t *ends;
	uint32_t ends_cap; /* a power of two, or 0 */
	uint32_t ends_head;
	uint32_t n_ends;
};

void outq_init(struct outq *q);
void outq_fini(struct outq *q);

/* Appends a copy.  Errors: NO_MEMORY (nothing is appended). */
MQ_MUST_CHECK enum mqi_err outq_put(
    struct outq *q, const void *data, size_t len);
/* Appends len bytes of ref's from offset; takes a reference of its own (small
 * pieces are copied instead).  Errors: NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err outq_put_ref(
    struct outq *q, struct mqref *ref, size_t offset, size_t len);
/* What was appended so far ends a reply that outq_write() is to count. */
MQ_MUST_CHECK enum mqi_err outq_end_reply(struct outq *q);

enum outq_result {
	OUTQ_EMPTY,  /* all is written */
	OUTQ_MORE,   /* the limit was reached */
	OUTQ_FULL,   /* the socket takes no more now */
	OUTQ_BROKEN, /* errno says why */
};

/* Writes up to about limit bytes.  *ret_replies, always written, is how many
 * replies were completed. */
enum outq_result outq_write(
    struct outq *q, int fd, size_t limit, uint32_t *ret_replies);

#endif
