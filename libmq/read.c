/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - received bytes become frames, and frames find their requests.
 *
 * Neighbours: wire.c decides who reads; requests' answer() and event.c take
 * the frames.
 *
 * Invariants.  Only the thread with the reader's role touches `in`.  A large
 * piece whose place is known is received straight into it: the bytes that
 * came with its header are copied, the rest is the first target of the next
 * recvmsg(2).  The buffer starts small and grows only while it fills up, so
 * an idle connection costs little.
 *
 * Failure: bytes that are not a frame, or a frame that nobody may get now,
 * end the connection (PROTOCOL); the end of the stream is its loss.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libmq/io.h"
#include "libmq/wire.h"

#define IN_FIRST ((size_t)16 << 10)
#define IN_MAX (MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD)
#define IN_ROOM 4096u    /* free bytes worth a system call */
#define DIRECT_MIN 2048u /* bytes worth receiving in place */
#define ID_OF_QMGR 0x80000000u

/* ---- the table of requests ---- */

static enum mqi_err
grow_slots(mqi_conn *c)
{
	uint32_t n = c->n_slots == 0 ? 16 : c->n_slots * 2, i;
	struct mqreq **slots;
	uint32_t *next;

	if (n > MQLIB_MAX_REQUESTS)
		return MQI_E_RESOURCE_PROBLEM;
	slots = reallocarray(c->slots, n, sizeof(*slots));
	if (slots == NULL)
		return MQI_E_NO_MEMORY;
	c->slots = slots;
	next = reallocarray(c->next_free, n, sizeof(*next));
	if (next == NULL)
		return MQI_E_NO_MEMORY;
	c->next_free = next;
	for (i = n; i-- > c->n_slots;) {
		slots[i] = NULL;
		next[i] = c->free_slot;
		c->free_slot = i + 1;
	}
	c->n_slots = n;
	return MQI_OK;
}

enum mqi_err
mqreq_add(mqi_conn *c, struct mqreq *r)
{
	enum mqi_err err;
	uint32_t i;

	if (c->free_slot == 0) {
		err = grow_slots(c);
		if (err != MQI_OK)
			return err;
	}
	i = c->free_slot - 1;
	MQ_INVARIANT(i < c->n_slots && c->slots[i] == NULL);
	c->free_slot = c->next_free[i];
	c->slots[i] = r;
	r->id = i + 1;
	r->done = false;
	r->end_off = UINT64_MAX;
	return MQI_OK;
}

void
mqreq_remove(mqi_conn *c, struct mqreq *r)
{
	uint32_t i = r->id - 1;

	if (r->id == 0)
		return;
	MQ_PRE(i < c->n_slots && c->slots[i] == r);
	c->slots[i] = NULL;
	c->next_free[i] = c->free_slot;
	c->free_slot = i + 1;
	r->id = 0;
}

void
mqreq_finish(mqi_conn *c, struct mqreq *r, enum mqi_err err)
{
	MQ_PRE(!r->done);
	if (!r->keep_id)
		mqreq_remove(c, r);
	r->rx = NULL;
	r->err = err;
	r->done = true;
	if (r->waiter != NULL)
		(void)pthread_cond_signal(r->waiter);
}

enum mqi_err
mqwire_queued(mqi_conn *c, size_t mark, struct mqreq *r)
{
	struct mqbuf *b = &c->out.next;
	enum mqi_err err = b->err;

	if (err == MQI_OK) {
		if (r != NULL)
			r->end_off = c->out.next_base + b->len;
		return MQI_OK;
	}
	b->len = mark;
	b->err = MQI_OK;
	if (r != NULL)
		mqreq_remove(c, r);
	return err;
}

/* ---- frames ---- */

static struct mqreq *
find_request(const mqi_conn *c, uint32_t id)
{
	struct mqreq *r = id - 1 < c->n_slots ? c->slots[id - 1] : NULL;

	return r != NULL && !r->done ? r : NULL;
}

static struct mqrx *
find_rx(mqi_conn *c, uint32_t id)
{
	struct mqreq *r;

	if ((id & ID_OF_QMGR) != 0)
		return mqevent_rx(c, id);
	r = id == 0 ? NULL : find_request(c, id);
	return r == NULL ? NULL : r->rx;
}

/* Tells each of the puts that it succeeded. */
static enum mqi_err
puts_are_done(mqi_conn *c, const struct mqframe *f)
{
	struct mqlocal_puts_ok v;
	struct mqreq *r;
	enum mqi_err err;
	uint32_t i;

	err = mqlocal_decode_puts_ok(f, &v);
	for (i = 0; err == MQI_OK && i < v.n; i++) {
		r = find_request(c, mqbuf_get_u32(v.ids + i * sizeof(r->id)));
		err = r == NULL ? MQI_E_PROTOCOL : r->answer(c, r, f, MQI_OK);
	}
	return err;
}

/* Hands a frame to whom it is for.  The data of a piece is in place. */
static enum mqi_err
hand_out(mqi_conn *c, const struct mqframe *f)
{
	struct mqreq *r;

	if (f->type == MQLOCAL_PUTS_OK)
		return puts_are_done(c, f);
	if (f->id == 0 || (f->id & ID_OF_QMGR) != 0 || f->type == MQLOCAL_ERROR)
		return mqevent_frame(c, f);
	r = find_request(c, f->id);
	return r == NULL ? MQI_E_PROTOCOL : r->answer(c, r, f, MQI_OK);
}

static enum mqi_err
place_piece(mqi_conn *c, const struct mqframe *f)
{
	struct mqrx *rx = find_rx(c, f->id);
	struct mqlocal_piece piece;

	if (mqlocal_decode_piece(f, &piece) != MQI_OK)
		return MQI_E_PROTOCOL;
	if (rx == NULL) /* an agent's stream takes pieces as they are */
		return hand_out(c, f);
	if (piece.len > rx->want - rx->have)
		return MQI_E_PROTOCOL;
	if (rx->dst != NULL)
		memcpy(rx->dst + rx->have, piece.data, piece.len);
	rx->have += piece.len;
	return hand_out(c, f);
}

static void
end_by_protocol(mqi_conn *c, const char *what, const struct mqframe *f)
{
	char text[MQLIB_TEXT_LEN];

	if (f == NULL)
		(void)snprintf(text, sizeof(text), "%s", what);
	else
		(void)snprintf(text, sizeof(text), "%s: frame %s, id %u", what,
		    mqlocal_type_name(f->type), f->id);
	mqwire_fail(c, MQI_E_PROTOCOL, text);
}

/* The frame at pos is not whole: if it is a large piece with a known place,
 * the rest of it shall be received there. */
static void
try_direct(mqi_conn *c)
{
	struct mqin *in = &c->in;
	const uint8_t *p = in->buf + in->pos;
	size_t have = in->end - in->pos;
	struct mqrx *rx;
	uint32_t len;

	if (have < MQFRAME_HEADER)
		return;
	len = mqbuf_get_u32(p);
	if (mqbuf_get_u16(p + 4) != MQLOCAL_PIECE || mqbuf_get_u16(p + 6) != 0)
		return;
	have -= MQFRAME_HEADER;
	rx = find_rx(c, mqbuf_get_u32(p + 8));
	if (rx == NULL || rx->dst == NULL || len > rx->want - rx->have ||
	    len > MQFRAME_PIECE || len - have < DIRECT_MIN)
		return;
	memcpy(rx->dst + rx->have, p + MQFRAME_HEADER, have);
	in->direct = rx;
	in->direct_id = mqbuf_get_u32(p + 8);
	in->direct_len = len;
	in->direct_left = len - have;
	in->pos = in->end = 0;
}

static enum mqi_err
direct_is_whole(mqi_conn *c)
{
	struct mqin *in = &c->in;
	struct mqframe f = {
	    .type = MQLOCAL_PIECE,
	    .id = in->direct_id,
	    .payload = in->direct->dst + in->direct->have,
	    .payload_len = (uint32_t)in->direct_len,
	};

	in->direct->have += f.payload_len;
	in->direct = NULL;
	return hand_out(c, &f);
}

static void
cut_frames(mqi_conn *c)
{
	struct mqin *in = &c->in;
	enum mqframe_result res;
	struct mqframe f;
	enum mqi_err err;
	size_t used;

	while (in->direct == NULL && in->pos < in->end &&
	       (!c->broken || c->why != MQI_E_PROTOCOL)) {
		res = mqframe_parse(
		    in->buf + in->pos, in->end - in->pos, &f, &used);
		if (res == MQFRAME_MORE) {
			try_direct(c);
			return;
		}
		if (res == MQFRAME_BAD) {
			end_by_protocol(c, "a frame is too long", NULL);
			return;
		}
		in->pos += used;
		err = f.type == MQLOCAL_PIECE ? place_piece(c, &f)
					      : hand_out(c, &f);
		if (err != MQI_OK)
			end_by_protocol(c, "unexpected or malformed", &f);
	}
}

/* ---- receiving ---- */

/* Makes room at the end for at least one byte. */
static enum mqi_err
make_room(struct mqin *in)
{
	size_t have = in->end - in->pos, cap;
	uint8_t *buf;

	if (in->pos > 0 && (have == 0 || in->cap - in->end < IN_ROOM)) {
		memmove(in->buf, in->buf + in->pos, have);
		in->pos = 0;
		in->end = have;
	}
	if (in->end < in->cap)
		return MQI_OK;
	cap = in->cap == 0 ? IN_FIRST : in->cap * 2;
	if (cap > IN_MAX)
		cap = IN_MAX;
	MQ_INVARIANT(cap > in->cap); /* a whole frame always fits */
	buf = realloc(in->buf, cap);
	if (buf == NULL)
		return MQI_E_NO_MEMORY;
	in->buf = buf;
	in->cap = cap;
	return MQI_OK;
}

/* A buffer that one call has filled may be too small for the traffic. */
static void
grow_if_full(struct mqin *in)
{
	uint8_t *buf;

	if (in->end < in->cap || in->cap >= IN_MAX)
		return;
	buf = realloc(in->buf, in->cap * 2 > IN_MAX ? IN_MAX : in->cap * 2);
	if (buf == NULL)
		return;
	in->buf = buf;
	in->cap = in->cap * 2 > IN_MAX ? IN_MAX : in->cap * 2;
}

static ssize_t
receive(mqi_conn *c, bool wait, int *ret_errnum)
{
	struct mqin *in = &c->in;
	struct iovec iov[2];
	size_t n_iov = 1;
	ssize_t n;

	iov[0].iov_base = in->buf + in->end;
	iov[0].iov_len = in->cap - in->end;
	if (in->direct != NULL) {
		iov[1] = iov[0];
		iov[0].iov_base = in->direct->dst + in->direct->have +
				  (in->direct_len - in->direct_left);
		iov[0].iov_len = in->direct_left;
		n_iov = 2;
	}
	(void)pthread_mutex_unlock(&c->lock);
	n = mqio_recv(c, iov, n_iov, wait);
	*ret_errnum = errno;
	(void)pthread_mutex_lock(&c->lock);
	return n;
}

bool
mqread_once(mqi_conn *c, bool wait)
{
	struct mqin *in = &c->in;
	size_t n, part;
	ssize_t got;
	int errnum = 0;
	enum mqi_err err;

	MQ_PRE(c->reading);
	err = make_room(in);
	if (err != MQI_OK) {
		mqwire_fail(c, err, NULL);
		return false;
	}
	got = receive(c, wait, &errnum);
	if (got < 0 && errnum == EAGAIN)
		return false;
	if (got <= 0) {
		mqwire_fail(c, MQI_E_CONNECTION_BROKEN, mqio_why(c));
		return false;
	}
	n = (size_t)got;
	if (in->direct != NULL) {
		part = n < in->direct_left ? n : in->direct_left;
		in->direct_left -= part;
		n -= part;
		if (in->direct_left > 0)
			return true;
		if (direct_is_whole(c) != MQI_OK)
			end_by_protocol(c, "unexpected piece", NULL);
	}
	in->end += n;
	grow_if_full(in);
	cut_frames(c);
	return true;
}
