/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - the socket: who reads, who writes, who waits, and what happens
 * when it is gone.
 *
 * Neighbours: every call of libmq appends frames to out.next and waits here;
 * read.c receives and hands frames to the requests that wait.
 *
 * Invariants.  One reader and one writer at a time; both release the lock
 * around their system call and own their buffers meanwhile.  Whoever waits is
 * the reader, or knows one, or is woken when the role becomes free.  A writer
 * that cannot write reads instead, so that two full directions do not block
 * each other.  A request whose last byte the kernel has not taken was not
 * done.
 *
 * Happy path: append, wait: the thread writes what has been appended (by
 * others too), then reads until its answer has come, and passes the role on.
 *
 * Failure: mqwire_fail() marks the connection and shuts the socket down; the
 * last of reader and writer to return reads what had arrived before and then
 * tells every request left (settle).
 */
#include "libmq/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "libmq/io.h"
#include "proto/desc.h"

#define OUT_MAX (1u << 20)
#define OUT_HIGH ((size_t)256 << 10) /* appenders wait for the writer */
#define OUT_KEEP ((size_t)128 << 10) /* memory kept when idle */
#define RCV_MS_MIN 8u /* shorter waits need a finer clock than the socket's */
#define RCV_MS_MAX 65536u

enum mqi_err
mqwire_init(mqi_conn *c)
{
	mqbuf_init(&c->out.next, OUT_MAX);
	mqbuf_init(&c->out.now, OUT_MAX);
	mqbuf_init(&c->desc, MQDESC_MAX);
	TAILQ_INIT(&c->waiters);
	if (pthread_cond_init(&c->idle, NULL) != 0)
		return MQI_E_RESOURCE_PROBLEM;
	return MQI_OK;
}

void
mqwire_fini(mqi_conn *c)
{
	mqbuf_fini(&c->out.next);
	mqbuf_fini(&c->out.now);
	mqbuf_fini(&c->desc);
	free(c->in.buf);
	free(c->slots);
	free(c->next_free);
	(void)pthread_cond_destroy(&c->idle);
}

void
mqwire_reset(mqi_conn *c)
{
	MQ_PRE(!c->reading && !c->writing);
	mqbuf_reset(&c->out.next);
	mqbuf_reset(&c->out.now);
	c->out.now_off = 0;
	c->out.next_base = 0;
	c->out.written = 0;
	c->in.pos = c->in.end = 0;
	c->in.direct = NULL;
	c->rcv_ms = 0;
}

/* ---- waking ---- */

/* Somebody who waits may now read. */
static void
pass_role_on(mqi_conn *c)
{
	struct mqwaiter *w = TAILQ_FIRST(&c->waiters);

	if (w != NULL && !c->reading)
		(void)pthread_cond_signal(&w->cond);
}

void
mqwire_wake_all(mqi_conn *c)
{
	struct mqwaiter *w;

	TAILQ_FOREACH (w, &c->waiters, link)
		(void)pthread_cond_signal(&w->cond);
	(void)pthread_cond_broadcast(&c->idle);
}

static void
wake_any(mqi_conn *c)
{
	struct mqwaiter *w;

	TAILQ_FOREACH (w, &c->waiters, link)
		if (w->any)
			(void)pthread_cond_signal(&w->cond);
}

/* ---- loss ---- */

static enum mqi_err
lost_result(const mqi_conn *c, const struct mqreq *r)
{
	if (r->effect == MQREQ_READS)
		return c->why;
	if (r->effect == MQREQ_IN_UNIT || r->end_off > c->out.written)
		return MQI_E_NOT_DONE;
	return MQI_E_UNKNOWN_OUTCOME;
}

/* Nobody reads or writes any more: what had arrived before the loss still
 * counts, then every request left is told. */
static void
settle(mqi_conn *c)
{
	struct mqreq *r;
	uint32_t i;

	MQ_PRE(c->broken && !c->settled && !c->reading && !c->writing);
	if (c->why != MQI_E_PROTOCOL) {
		c->reading = true;
		while (mqread_once(c, false))
			;
		c->reading = false;
	}
	c->settled = true;
	for (i = 0; i < c->n_slots; i++) {
		r = c->slots[i];
		if (r != NULL && !r->done)
			(void)r->answer(c, r, NULL, lost_result(c, r));
	}
	mqevent_lost(c);
	mqwire_wake_all(c);
}

static void
settle_if_last(mqi_conn *c)
{
	if (c->broken && !c->settled && !c->reading && !c->writing)
		settle(c);
}

void
mqwire_fail(mqi_conn *c, enum mqi_err why, const char *text)
{
	if (c->broken)
		return;
	c->broken = true;
	c->why = why;
	(void)snprintf(c->why_text, sizeof(c->why_text), "%s",
	    text != NULL && text[0] != '\0' ? text : mqi_strerror(why));
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	settle_if_last(c);
	mqwire_wake_all(c);
}

/* ---- the reader ---- */

static void
drop_reader(mqi_conn *c)
{
	c->reading = false;
	settle_if_last(c);
	wake_any(c);
	(void)pthread_cond_broadcast(&c->idle);
}

void
mqwire_poll(mqi_conn *c)
{
	if (c->reading || c->broken)
		return;
	c->reading = true;
	while (!c->broken && mqread_once(c, false))
		;
	drop_reader(c);
	pass_role_on(c);
}

/* How long the reader may sleep, in ms for poll(2): no longer than max (-1:
 * for ever), not at all if TLS holds something, and not longer than a remote
 * queue manager may be silent. */
static int
patience(mqi_conn *c, int max)
{
	int ms;

	if (c->remote == NULL)
		return max;
	if (mqremote_holds(c->remote))
		return 0;
	ms = mqremote_patience(c->remote);
	return max < 0 || (ms >= 0 && ms < max) ? ms : max;
}

/* After that sleep: reads what is there. */
static void
read_after_sleep(mqi_conn *c)
{
	if (c->broken)
		return;
	if (!mqread_once(c, false) && !c->broken && c->remote != NULL &&
	    mqremote_is_silent(c->remote))
		mqwire_fail(c, MQI_E_CONNECTION_BROKEN, mqio_why(c));
}

/* ---- the writer ---- */

bool
mqwire_take_writer(mqi_conn *c)
{
	while (c->writing && !c->broken)
		(void)pthread_cond_wait(&c->idle, &c->lock);
	if (c->broken)
		return false;
	c->writing = true;
	return true;
}

void
mqwire_drop_writer(mqi_conn *c)
{
	MQ_PRE(c->writing);
	c->writing = false;
	settle_if_last(c);
	(void)pthread_cond_broadcast(&c->idle);
}

/* The socket takes nothing now. */
static void
wait_writable(mqi_conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	bool reader = !c->reading;
	int ms = 20; /* the other reader may stop reading: look again soon */

	if (reader) {
		c->reading = true;
		p.events = POLLOUT | POLLIN;
		ms = patience(c, -1);
	}
	(void)pthread_mutex_unlock(&c->lock);
	(void)poll(&p, 1, ms);
	(void)pthread_mutex_lock(&c->lock);
	if (reader) {
		if (p.revents != POLLOUT)
			read_after_sleep(c);
		drop_reader(c);
		pass_role_on(c);
	}
}

/* Writes from iov once; false: the socket is full, or the loss was noticed. */
static bool
write_once(mqi_conn *c, struct iovec *iov, size_t n_iov, size_t *ret_n)
{
	ssize_t n;
	int errnum;

	(void)pthread_mutex_unlock(&c->lock);
	n = mqio_send(c, iov, n_iov);
	errnum = errno;
	(void)pthread_mutex_lock(&c->lock);
	if (n >= 0) {
		c->out.written += (uint64_t)n;
		*ret_n = (size_t)n;
		return true;
	}
	if (errnum != EAGAIN)
		mqwire_fail(c, MQI_E_CONNECTION_BROKEN, mqio_why(c));
	return false;
}

/* Moves what is appended to the writer's own buffer; `extra` bytes will
 * follow it in the stream. */
static void
take_next(mqi_conn *c, size_t extra)
{
	struct mqout *o = &c->out;
	struct mqbuf tmp = o->now;

	MQ_PRE(o->now_off == o->now.len);
	o->now = o->next;
	o->next = tmp;
	mqbuf_reset(&o->next);
	o->now_off = 0;
	o->next_base += o->now.len + extra;
	o->last_us = mqclock_mono_us();
}

static void
now_is_written(mqi_conn *c)
{
	struct mqout *o = &c->out;

	o->now_off = 0;
	mqbuf_reset(&o->now);
	if (o->now.cap > OUT_KEEP)
		mqbuf_fini(&o->now);
}

/* Writes the writer's buffer and body, waiting as long as it takes. */
static void
write_all(mqi_conn *c, const void *data, size_t len)
{
	struct mqout *o = &c->out;
	const uint8_t *body = data;
	struct iovec iov[2];
	size_t n, head;

	while (!c->broken && (o->now_off < o->now.len || len > 0)) {
		head = o->now.len - o->now_off;
		iov[0].iov_base = o->now.data + o->now_off;
		iov[0].iov_len = head;
		iov[1].iov_base = (void *)(uintptr_t)body;
		iov[1].iov_len = len;
		if (!write_once(c, head > 0 ? iov : iov + 1,
			(head > 0) + (size_t)(len > 0), &n)) {
			if (!c->broken)
				wait_writable(c);
			continue;
		}
		if (n < head) {
			o->now_off += n;
			continue;
		}
		o->now_off = o->now.len;
		body = len > 0 ? body + (n - head) : body;
		len -= n - head;
	}
	now_is_written(c);
}

void
mqwire_send_body(mqi_conn *c, const void *body, size_t len)
{
	if (c->broken)
		return;
	MQ_PRE(c->writing);
	if (c->out.now_off < c->out.now.len) /* of mqwire_try_flush() */
		write_all(c, NULL, 0);
	take_next(c, len);
	write_all(c, body, len);
}

void
mqwire_flush(mqi_conn *c)
{
	while (c->writing && c->out.next.len > OUT_HIGH && !c->broken)
		(void)pthread_cond_wait(&c->idle, &c->lock);
	if (c->writing || c->broken || mqwire_unwritten(c) == 0)
		return;
	c->writing = true;
	while (!c->broken && mqwire_unwritten(c) > 0) {
		if (c->out.now_off == c->out.now.len)
			take_next(c, 0);
		write_all(c, NULL, 0);
	}
	mqwire_drop_writer(c);
}

void
mqwire_try_flush(mqi_conn *c, size_t *ret_left)
{
	struct mqout *o = &c->out;
	struct iovec iov;
	size_t n;

	while (!c->writing && !c->broken) {
		if (o->now_off == o->now.len) {
			now_is_written(c);
			if (o->next.len == 0)
				break;
			take_next(c, 0);
		}
		iov.iov_base = o->now.data + o->now_off;
		iov.iov_len = o->now.len - o->now_off;
		c->writing = true;
		if (!write_once(c, &iov, 1, &n)) {
			mqwire_drop_writer(c);
			break;
		}
		o->now_off += n;
		mqwire_drop_writer(c);
	}
	*ret_left = mqwire_unwritten(c);
}

size_t
mqwire_unwritten(const mqi_conn *c)
{
	return c->out.now.len - c->out.now_off + c->out.next.len;
}

/* ---- waiting ---- */

static void
sleep_on(mqi_conn *c, struct mqwaiter *w, uint64_t deadline_us)
{
	struct timespec ts;

	if (deadline_us == UINT64_MAX) {
		(void)pthread_cond_wait(&w->cond, &c->lock);
		return;
	}
	ts.tv_sec = (time_t)(deadline_us / 1000000);
	ts.tv_nsec = (long)(deadline_us % 1000000) * 1000;
	(void)pthread_cond_timedwait(&w->cond, &c->lock, &ts);
}

/* any: also after whatever another thread has read. */
static void
sleep_until_woken(mqi_conn *c, struct mqreq *r, bool any, uint64_t deadline_us)
{
	struct mqwaiter w = {.any = any};
	pthread_condattr_t attr;

	/* none of these allocates: they cannot fail with glibc */
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w.cond, &attr);
	TAILQ_INSERT_TAIL(&c->waiters, &w, link);
	if (r != NULL)
		r->waiter = &w.cond;
	sleep_on(c, &w, deadline_us);
	if (r != NULL)
		r->waiter = NULL;
	TAILQ_REMOVE(&c->waiters, &w, link);
	(void)pthread_cond_destroy(&w.cond);
	(void)pthread_condattr_destroy(&attr);
}

/* Makes reads that wait return after so long; 0: never.  True if they will. */
static bool
set_timeout(mqi_conn *c, uint32_t ms)
{
	struct timeval tv = {
	    .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	if (c->rcv_ms == ms)
		return true;
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0)
		return false;
	c->rcv_ms = ms;
	return true;
}

/* A read may return before its deadline, so one timeout, of a power of two,
 * will do for many waits that are about as long: no system call to set it. */
static bool
set_timeout_within(mqi_conn *c, uint64_t ms)
{
	uint32_t t = RCV_MS_MIN;

	if (ms < RCV_MS_MIN)
		return false;
	if (c->rcv_ms != 0 && c->rcv_ms <= ms && c->rcv_ms > ms / 4)
		return true;
	while (t <= ms / 2 && t < RCV_MS_MAX)
		t *= 2;
	return set_timeout(c, t);
}

/* Reads, at most until the deadline. */
static void
read_until(mqi_conn *c, uint64_t deadline_us)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	uint64_t now, ms;
	int max = -1;

	if (deadline_us == UINT64_MAX && c->remote == NULL) {
		/* a timeout left over: only a wait that it cuts short is worth
		 * taking it away */
		if (!mqread_once(c, true) && !c->broken)
			(void)set_timeout(c, 0);
		return;
	}
	if (deadline_us != UINT64_MAX) {
		now = mqclock_mono_us();
		ms = deadline_us > now ? (deadline_us - now + 999) / 1000 : 0;
		if (c->remote == NULL && set_timeout_within(c, ms)) {
			(void)mqread_once(c, true);
			return;
		}
		max = ms > INT_MAX ? INT_MAX : (int)ms;
	}
	max = patience(c, max);
	(void)pthread_mutex_unlock(&c->lock);
	(void)poll(&p, 1, max);
	(void)pthread_mutex_lock(&c->lock);
	read_after_sleep(c);
}

/* One step of waiting: write, read, or sleep while another thread reads.
 * hold: acknowledgements go only with something else. */
static void
wait_step(mqi_conn *c, struct mqreq *r, uint64_t deadline_us, bool hold)
{
	if (!LIST_EMPTY(&c->acks) && !c->broken &&
	    (!hold || mqwire_unwritten(c) > 0))
		mqahead_send_acks(c);
	if (mqwire_unwritten(c) > 0 && !c->writing && !c->broken) {
		mqwire_flush(c);
	} else if (!c->reading && !c->broken) {
		c->reading = true;
		read_until(c, deadline_us);
		drop_reader(c);
	} else {
		sleep_until_woken(c, r, r == NULL, deadline_us);
	}
}

void
mqwire_wait(mqi_conn *c, struct mqreq *r)
{
	while (!r->done)
		wait_step(c, r, UINT64_MAX, false);
	pass_role_on(c);
}

void
mqwire_wait_until_time(mqi_conn *c, bool (*ready)(const void *arg),
    const void *arg, uint64_t deadline_us)
{
	while (!c->settled && !ready(arg) &&
	       (deadline_us == UINT64_MAX || mqclock_mono_us() < deadline_us))
		wait_step(c, NULL, deadline_us, false);
	pass_role_on(c);
}

void
mqwire_wait_holding_acks(mqi_conn *c, bool (*ready)(const void *arg),
    const void *arg, uint64_t deadline_us)
{
	while (!c->settled && !ready(arg) && mqclock_mono_us() < deadline_us)
		wait_step(c, NULL, deadline_us, true);
	pass_role_on(c);
}

void
mqwire_wait_until(mqi_conn *c, bool (*ready)(const void *arg), const void *arg)
{
	mqwire_wait_until_time(c, ready, arg, UINT64_MAX);
}

/* Reads, until there is something or mqwire_wake_thread(). */
static void
read_or_wake(mqi_conn *c)
{
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
	    {.fd = c->wake_fd, .events = POLLIN}};
	uint64_t n;
	int ms;

	c->reading = true;
	c->serving = true;
	ms = patience(c, -1);
	(void)pthread_mutex_unlock(&c->lock);
	(void)poll(p, 2, ms);
	(void)pthread_mutex_lock(&c->lock);
	c->serving = false;
	/* an eventfd that poll(2) calls readable can be read */
	if (p[1].revents != 0 && read(c->wake_fd, &n, sizeof(n)) < 0)
		n = 0;
	if (p[0].revents != 0 || p[1].revents == 0)
		read_after_sleep(c);
	drop_reader(c);
}

void
mqwire_wake_thread(mqi_conn *c)
{
	const uint64_t one = 1;

	mqwire_wake_all(c);
	/* it cannot be full: the thread empties it each time */
	if (c->serving && write(c->wake_fd, &one, sizeof(one)) < 0)
		mqwire_fail(c, MQI_E_RESOURCE_PROBLEM, NULL);
}

void
mqwire_serve(mqi_conn *c)
{
	if (c->broken || c->reading) {
		sleep_until_woken(c, NULL, false, UINT64_MAX);
	} else if (!TAILQ_EMPTY(&c->waiters)) {
		/* threads in calls read for themselves */
		pass_role_on(c);
		sleep_until_woken(c, NULL, false, UINT64_MAX);
	} else {
		mqahead_send_acks(c);
		mqwire_flush(c);
		if (!c->reading && !c->broken)
			read_or_wake(c);
	}
	pass_role_on(c);
}
