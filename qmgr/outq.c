/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outq.c - a socket's output: chunks in order, written by sendmsg(2) with up
 * to OUTQ_IOVECS of them at once.
 *
 * Neighbours: session.c appends replies and flushes once per loop turn.
 * Invariants: bytes is the sum of what the chunks still hold and equals
 * queued - written; the ends are increasing and lie in (written, queued].
 * Happy path: small frames gather in one chunk, a body follows by reference,
 * one system call writes them all.
 * Failure: no memory for a client-sized thing is reported and the session
 * ends; a short write leaves the rest where it is.
 */
#include "qmgr/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define OUTQ_CHUNK 16384u /* bytes of a chunk of frames */
#define OUTQ_COPY 1024u   /* what is not longer is copied */
#define OUTQ_IOVECS 64u

struct outq_chunk {
	STAILQ_ENTRY(outq_chunk) link;
	struct mqref *ref; /* or NULL: data */
	size_t start;      /* of what is not written yet */
	size_t end;
	size_t cap;
	uint8_t data[];
};

void
outq_init(struct outq *q)
{
	memset(q, 0, sizeof(*q));
	STAILQ_INIT(&q->chunks);
}

static void
outq_drop_first(struct outq *q)
{
	struct outq_chunk *c = STAILQ_FIRST(&q->chunks);

	STAILQ_REMOVE_HEAD(&q->chunks, link);
	if (STAILQ_EMPTY(&q->chunks))
		q->last = NULL;
	c->ref = mqref_unref(c->ref);
	free(c);
}

void
outq_fini(struct outq *q)
{
	while (!STAILQ_EMPTY(&q->chunks))
		outq_drop_first(q);
	free(q->ends);
	outq_init(q);
}

static struct outq_chunk *
outq_add_chunk(struct outq *q, size_t cap)
{
	struct outq_chunk *c = malloc(sizeof(*c) + cap);

	if (c == NULL)
		return NULL;
	c->ref = NULL;
	c->start = 0;
	c->end = 0;
	c->cap = cap;
	STAILQ_INSERT_TAIL(&q->chunks, c, link);
	q->last = c;
	return c;
}

enum mqi_err
outq_put(struct outq *q, const void *data, size_t len)
{
	struct outq_chunk *c = q->last;

	if (len == 0)
		return MQI_OK;
	if (c == NULL || c->ref != NULL || c->cap - c->end < len) {
		c = outq_add_chunk(q, len > OUTQ_CHUNK ? len : OUTQ_CHUNK);
		if (c == NULL)
			return MQI_E_NO_MEMORY;
	}
	memcpy(c->data + c->end, data, len);
	c->end += len;
	q->bytes += len;
	q->queued += len;
	return MQI_OK;
}

enum mqi_err
outq_put_ref(struct outq *q, struct mqref *ref, size_t offset, size_t len)
{
	struct outq_chunk *c;

	MQ_PRE(offset <= ref->len && len <= ref->len - offset);
	if (len <= OUTQ_COPY)
		return outq_put(q, ref->data + offset, len);
	c = outq_add_chunk(q, 0);
	if (c == NULL)
		return MQI_E_NO_MEMORY;
	c->ref = mqref_ref(ref);
	c->start = offset;
	c->end = offset + len;
	q->bytes += len;
	q->queued += len;
	return MQI_OK;
}

static enum mqi_err
outq_grow_ends(struct outq *q)
{
	uint32_t cap = q->ends_cap == 0 ? 16 : q->ends_cap * 2;
	uint64_t *ends = malloc(cap * sizeof(*ends));

	if (ends == NULL)
		return MQI_E_NO_MEMORY;
	for (uint32_t i = 0; i < q->n_ends; i++)
		ends[i] = q->ends[(q->ends_head + i) & (q->ends_cap - 1)];
	free(q->ends);
	q->ends = ends;
	q->ends_cap = cap;
	q->ends_head = 0;
	return MQI_OK;
}

enum mqi_err
outq_end_reply(struct outq *q)
{
	MQ_PRE(q->queued > q->written);
	if (q->n_ends == q->ends_cap) {
		enum mqi_err err = outq_grow_ends(q);

		if (err != MQI_OK)
			return err;
	}
	q->ends[(q->ends_head + q->n_ends) & (q->ends_cap - 1)] = q->queued;
	q->n_ends++;
	return MQI_OK;
}

static const uint8_t *
chunk_bytes(const struct outq_chunk *c)
{
	return c->ref != NULL ? c->ref->data : c->data;
}

static int
outq_gather(const struct outq *q, size_t limit, struct iovec *iov)
{
	const struct outq_chunk *c;
	size_t total = 0;
	int n = 0;

	STAILQ_FOREACH (c, &q->chunks, link) {
		if (n == (int)OUTQ_IOVECS || total >= limit)
			break;
		iov[n].iov_base =
		    (void *)(uintptr_t)(chunk_bytes(c) + c->start);
		iov[n].iov_len = c->end - c->start;
		total += iov[n].iov_len;
		n++;
	}
	return n;
}

static void
outq_advance(struct outq *q, size_t n, uint32_t *replies)
{
	MQ_PRE(n <= q->bytes);
	q->bytes -= n;
	q->written += n;
	while (n > 0) {
		struct outq_chunk *c = STAILQ_FIRST(&q->chunks);
		size_t left = c->end - c->start;

		if (n < left) {
			c->start += n;
			break;
		}
		n -= left;
		outq_drop_first(q);
	}
	while (q->n_ends > 0 && q->ends[q->ends_head] <= q->written) {
		q->ends_head = (q->ends_head + 1) & (q->ends_cap - 1);
		q->n_ends--;
		(*replies)++;
	}
	MQ_POST(q->queued - q->written == q->bytes);
}

enum outq_result
outq_write(struct outq *q, int fd, size_t limit, uint32_t *ret_replies)
{
	size_t done = 0;

	*ret_replies = 0;
	while (q->bytes > 0) {
		struct iovec iov[OUTQ_IOVECS];
		struct msghdr msg = {.msg_iov = iov};
		ssize_t n;

		if (done >= limit)
			return OUTQ_MORE;
		msg.msg_iovlen = (size_t)outq_gather(q, limit - done, iov);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return OUTQ_FULL;
		if (n < 0)
			return OUTQ_BROKEN;
		outq_advance(q, (size_t)n, ret_replies);
		done += (size_t)n;
	}
	return OUTQ_EMPTY;
}
