/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.c - a bad network (proxy.h).
 *
 * Neighbours: a test's channels dial its port instead of a listener's.
 *
 * One thread polls everything.  Bytes that were read are kept as pieces with
 * the time at which they are due, in order; the end of a stream is a piece of
 * no bytes.  A way stops reading when it holds LINE_BYTES.
 *
 * Invariants: due times of a way never go back, so nothing overtakes but what
 * is told to; a connection whose way is held has no events at all.
 *
 * Happy path: accept, connect, read a piece, wait until it is due, write it.
 * Failure modes: the target refuses or resets: the other end is reset, too.
 */
#include "tests/lib/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"

#define MAX_CONNS 512u
#define PIECE_BYTES 65536u
#define LINE_BYTES (64u << 20)
#define BYTES_PER_TURN 1024u /* of those that go one by one */
#define MAX_WAIT_MS 1000
#define PIECES_PER_S 100u /* of a way with a limit */

struct piece {
	STAILQ_ENTRY(piece) link;
	uint64_t due_us;
	size_t len, at; /* len 0: the end */
	unsigned char data[];
};

/* One way of one connection. */
struct way {
	STAILQ_HEAD(, piece) pieces;
	size_t held; /* bytes in pieces */
	uint64_t last_due_us;
	uint64_t line_free_us; /* when the limited line is free again */
	bool ended;            /* nothing more is read */
};

struct conn {
	LIST_ENTRY(conn) link;
	int fd[2]; /* who dialled, who was dialled; -1: closed */
	struct way way[2];
	bool forgotten;
	bool dead;   /* goes at the end of the turn */
	int slot[2]; /* in the poll list; -1: none */
};

struct proxy {
	pthread_mutex_t lock;
	pthread_t thread;
	int listen_fd, wake_fd, port, target_port;
	uint64_t seed;
	struct proxy_line line[2];
	bool harms[2][PROXY_DROP + 1];
	bool refuse, stop;
	struct proxy_stats stats;
	LIST_HEAD(, conn) conns;
	struct pollfd polls[2 + 2 * MAX_CONNS];
	unsigned n_polls;
	unsigned char data[PIECE_BYTES];
};

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- connections ---- */

static void
way_clear(struct way *w)
{
	struct piece *piece;

	while ((piece = STAILQ_FIRST(&w->pieces)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->pieces, link);
		free(piece);
	}
	w->held = 0;
}

static void
end_close(struct conn *c, int end, bool reset)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (c->fd[end] < 0)
		return;
	if (reset)
		(void)setsockopt(
		    c->fd[end], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(c->fd[end]);
	c->fd[end] = -1;
}

static void
conn_end(struct conn *c, bool reset)
{
	end_close(c, 0, reset);
	end_close(c, 1, reset);
	c->dead = true;
}

/* With the list: dead ones go. */
static void
sweep(struct proxy *p)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&p->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (!c->dead)
			continue;
		way_clear(&c->way[0]);
		way_clear(&c->way[1]);
		LIST_REMOVE(c, link);
		p->stats.conns--;
		free(c);
	}
}

static void
prepare(int fd)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
conn_new(struct proxy *p, int fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)p->target_port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		die("calloc");
	STAILQ_INIT(&c->way[0].pieces);
	STAILQ_INIT(&c->way[1].pieces);
	c->fd[0] = fd;
	c->fd[1] =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd[1] < 0)
		die("socket");
	prepare(c->fd[0]);
	prepare(c->fd[1]);
	LIST_INSERT_HEAD(&p->conns, c, link);
	p->stats.conns++;
	p->stats.accepted++;
	/* until it is connected, reading and writing say EAGAIN */
	if (connect(c->fd[1], (struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS)
		conn_end(c, true);
}

static void
accept_all(struct proxy *p)
{
	int fd;

	while ((fd = accept4(p->listen_fd, NULL, NULL,
		    SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct linger hard = {.l_onoff = 1, .l_linger = 0};

		if (!p->refuse && p->stats.conns < MAX_CONNS) {
			conn_new(p, fd);
			continue;
		}
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		(void)close(fd);
	}
}

/* ---- bytes ---- */

/* When bytes that come now are due. */
static uint64_t
due_of(struct proxy *p, struct way *w, const struct proxy_line *line,
    size_t len, uint64_t now)
{
	uint64_t due = now;

	if (line->bytes_per_s != 0) {
		if (w->line_free_us < now)
			w->line_free_us = now;
		w->line_free_us += len * UINT64_C(1000000) / line->bytes_per_s;
		due = w->line_free_us;
	}
	due += line->delay_ms * UINT64_C(1000);
	if (line->jitter_ms != 0)
		due +=
		    mqrand_next(&p->seed) % (line->jitter_ms * UINT64_C(1000));
	if (due < w->last_due_us)
		due = w->last_due_us;
	w->last_due_us = due;
	return due;
}

static void
append(struct proxy *p, struct way *w, const struct proxy_line *line,
    const unsigned char *data, size_t len, uint64_t now)
{
	struct piece *piece = malloc(sizeof(*piece) + len);

	if (piece == NULL)
		die("malloc");
	piece->len = len;
	piece->at = 0;
	if (len > 0)
		memcpy(piece->data, data, len);
	piece->due_us = due_of(p, w, line, len, now);
	STAILQ_INSERT_TAIL(&w->pieces, piece, link);
	w->held += len;
}

/* Appends what has come, harmed if that is its turn. */
static void
take(struct proxy *p, struct way *w, unsigned k, unsigned char *data,
    size_t len, uint64_t now)
{
	const struct proxy_line *line = &p->line[k];
	bool *harm = p->harms[k];
	size_t at = (size_t)(mqrand_next(&p->seed) % len);

	if (harm[PROXY_DROP]) {
		harm[PROXY_DROP] = false;
		p->stats.harmed++;
		len = at; /* the rest is lost, and what comes next is not */
		if (len == 0)
			return;
		at = 0;
	}
	if (harm[PROXY_CORRUPT]) {
		harm[PROXY_CORRUPT] = false;
		p->stats.harmed++;
		data[at] ^= (unsigned char)(1u << mqrand_next(&p->seed) % 8);
	}
	if (harm[PROXY_DUPLICATE]) {
		harm[PROXY_DUPLICATE] = false;
		p->stats.harmed++;
		append(p, w, line, data, at + 1, now);
		append(p, w, line, data + at, len - at, now);
		return;
	}
	if (harm[PROXY_REORDER] && len > 1) {
		harm[PROXY_REORDER] = false;
		p->stats.harmed++;
		at = at == 0 ? 1 : at;
		append(p, w, line, data + at, len - at, now);
		append(p, w, line, data, at, now);
		return;
	}
	append(p, w, line, data, len, now);
}

static bool
may_read(const struct proxy *p, const struct conn *c, unsigned k)
{
	const struct way *w = &c->way[k];

	return c->fd[k] >= 0 && !w->ended &&
	       (c->forgotten || (!p->line[k].held && w->held < LINE_BYTES));
}

static void
read_way(struct proxy *p, struct conn *c, unsigned k, uint64_t now)
{
	unsigned char *data = p->data;
	struct way *w = &c->way[k];
	size_t most = sizeof(p->data);
	uint64_t rate = p->line[k].bytes_per_s;
	ssize_t n;

	if (rate != 0 && rate / PIECES_PER_S + 1 < most)
		most = (size_t)(rate / PIECES_PER_S) + 1;
	n = recv(c->fd[k], data, most, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (c->forgotten) {
		if (n <= 0)
			end_close(c, (int)k, false);
		c->dead = c->fd[0] < 0 && c->fd[1] < 0;
	} else if (n < 0) {
		conn_end(c, true);
	} else if (p->line[k].silent) {
		w->ended = n == 0;
	} else if (n == 0) {
		w->ended = true;
		append(p, w, &p->line[k], NULL, 0, now);
	} else {
		take(p, w, k, data, (size_t)n, now);
	}
}

/* Writes one piece; false: no more now. */
static bool
write_piece(struct proxy *p, struct conn *c, unsigned k, struct piece *piece)
{
	struct way *w = &c->way[k];
	size_t left = piece->len - piece->at;
	unsigned turns = 0;

	if (piece->len == 0) {
		(void)shutdown(c->fd[!k], SHUT_WR);
		STAILQ_REMOVE_HEAD(&w->pieces, link);
		free(piece);
		return true;
	}
	while (left > 0) {
		size_t most = p->line[k].byte_by_byte ? 1 : left;
		ssize_t n = send(c->fd[!k], piece->data + piece->at, most,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			conn_end(c, true);
			return false;
		}
		piece->at += (size_t)n;
		left -= (size_t)n;
		w->held -= (size_t)n;
		p->stats.bytes[k] += (uint64_t)n;
		if (most == 1 && ++turns == BYTES_PER_TURN)
			return false;
	}
	STAILQ_REMOVE_HEAD(&w->pieces, link);
	free(piece);
	return true;
}

static void
write_way(struct proxy *p, struct conn *c, unsigned k, uint64_t now)
{
	struct piece *piece;

	while (!c->dead && !c->forgotten && !p->line[k].held &&
	       (piece = STAILQ_FIRST(&c->way[k].pieces)) != NULL &&
	       piece->due_us <= now && write_piece(p, c, k, piece))
		;
	/* both ends have said all */
	if (!c->dead && !c->forgotten && c->way[0].ended && c->way[1].ended &&
	    STAILQ_EMPTY(&c->way[0].pieces) && STAILQ_EMPTY(&c->way[1].pieces))
		conn_end(c, false);
}

/* ---- the thread ---- */

/* The events that end `end` of a connection waits for. */
static short
events_of(const struct proxy *p, const struct conn *c, unsigned end,
    uint64_t now, uint64_t *next_us)
{
	unsigned in = end, out = !end; /* ways that it feeds, and drains */
	const struct piece *piece = STAILQ_FIRST(&c->way[out].pieces);
	short events = may_read(p, c, in) ? POLLIN : 0;

	if (piece == NULL || p->line[out].held || c->forgotten)
		return events;
	if (piece->due_us <= now)
		return (short)(events | POLLOUT);
	if (piece->due_us < *next_us)
		*next_us = piece->due_us;
	return events;
}

/* Fills the poll list; returns how long to sleep. */
static int
fill_polls(struct proxy *p)
{
	uint64_t now = mqclock_mono_us();
	uint64_t next = now + MAX_WAIT_MS * UINT64_C(1000);
	struct conn *c;

	p->polls[0] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
	p->polls[1] = (struct pollfd){.fd = p->listen_fd, .events = POLLIN};
	p->n_polls = 2;
	LIST_FOREACH (c, &p->conns, link) {
		for (unsigned end = 0; end < 2; end++) {
			short events = c->fd[end] < 0
					   ? 0
					   : events_of(p, c, end, now, &next);

			c->slot[end] = -1;
			if (events == 0)
				continue;
			c->slot[end] = (int)p->n_polls;
			p->polls[p->n_polls++] =
			    (struct pollfd){.fd = c->fd[end], .events = events};
		}
	}
	return (int)((next - now + 999) / 1000);
}

static void
serve(struct proxy *p)
{
	uint64_t now = mqclock_mono_us(), drain;
	struct conn *c;

	if (p->polls[0].revents != 0)
		(void)!read(p->wake_fd, &drain, sizeof(drain));
	LIST_FOREACH (c, &p->conns, link) {
		for (unsigned k = 0; k < 2 && !c->dead; k++) {
			if (c->slot[k] >= 0 &&
			    (p->polls[c->slot[k]].revents & ~POLLOUT) != 0 &&
			    may_read(p, c, k))
				read_way(p, c, k, now);
			if (!c->dead && c->fd[!k] >= 0)
				write_way(p, c, k, now);
		}
	}
	if (p->polls[1].revents != 0)
		accept_all(p);
	sweep(p);
}

static void *
run(void *arg)
{
	struct proxy *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		int wait_ms = fill_polls(p);

		pthread_mutex_unlock(&p->lock);
		(void)poll(p->polls, p->n_polls, wait_ms);
		pthread_mutex_lock(&p->lock);
		serve(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- calls ---- */

static void
lock(struct proxy *p)
{
	pthread_mutex_lock(&p->lock);
}

/* The thread looks again. */
static void
unlock(struct proxy *p)
{
	uint64_t one = 1;

	(void)!write(p->wake_fd, &one, sizeof(one));
	pthread_mutex_unlock(&p->lock);
}

static int
listen_anywhere(int *ret_port)
{
	struct sockaddr_in own = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0 ||
	    listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) != 0)
		die("listen");
	*ret_port = ntohs(own.sin_port);
	return fd;
}

struct proxy *
proxy_new(int target_port, uint64_t seed)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		die("calloc");
	p->seed = seed;
	p->target_port = target_port;
	p->listen_fd = listen_anywhere(&p->port);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	LIST_INIT(&p->conns);
	if (p->wake_fd < 0 || pthread_mutex_init(&p->lock, NULL) != 0 ||
	    pthread_create(&p->thread, NULL, run, p) != 0)
		die("start");
	return p;
}

struct proxy *
proxy_free(struct proxy *p)
{
	struct conn *c;

	if (p == NULL)
		return NULL;
	lock(p);
	p->stop = true;
	unlock(p);
	(void)pthread_join(p->thread, NULL);
	LIST_FOREACH (c, &p->conns, link)
		conn_end(c, true);
	sweep(p);
	(void)close(p->listen_fd);
	(void)close(p->wake_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

int
proxy_port(const struct proxy *p)
{
	return p->port;
}

void
proxy_set(struct proxy *p, enum proxy_way way, const struct proxy_line *line)
{
	lock(p);
	p->line[way] = *line;
	unlock(p);
}

void
proxy_refuse(struct proxy *p, bool refuse)
{
	lock(p);
	p->refuse = refuse;
	unlock(p);
}

void
proxy_heal(struct proxy *p)
{
	lock(p);
	memset(p->line, 0, sizeof(p->line));
	memset(p->harms, 0, sizeof(p->harms));
	p->refuse = false;
	unlock(p);
}

/* What is on its way is lost, and so is what still comes. */
static void
forget(struct conn *c)
{
	c->forgotten = true;
	way_clear(&c->way[0]);
	way_clear(&c->way[1]);
	c->way[0].ended = c->way[1].ended = false;
}

void
proxy_cut(struct proxy *p)
{
	struct conn *c;

	lock(p);
	LIST_FOREACH (c, &p->conns, link) {
		forget(c);
		/* a close with bytes unread would be a reset */
		(void)shutdown(c->fd[0], SHUT_WR);
		(void)shutdown(c->fd[1], SHUT_WR);
	}
	unlock(p);
}

void
proxy_reset(struct proxy *p)
{
	struct conn *c;

	lock(p);
	LIST_FOREACH (c, &p->conns, link)
		conn_end(c, true);
	unlock(p);
}

void
proxy_forget(struct proxy *p)
{
	struct conn *c;

	lock(p);
	LIST_FOREACH (c, &p->conns, link)
		forget(c);
	unlock(p);
}

void
proxy_harm(struct proxy *p, enum proxy_way way, enum proxy_harm harm)
{
	lock(p);
	p->harms[way][harm] = true;
	unlock(p);
}

const char *
proxy_random_fault(struct proxy *p, uint64_t *seed)
{
	enum proxy_way way = mqrand_next(seed) % 2;
	unsigned much = (unsigned)(mqrand_next(seed) % 200) + 1;

	switch (mqrand_next(seed) % 13) {
	case 0:
		proxy_set(p, way, &(struct proxy_line){.delay_ms = much});
		return "delay";
	case 1:
		proxy_set(p, way,
		    &(struct proxy_line){.delay_ms = 1, .jitter_ms = much});
		return "jitter";
	case 2:
		proxy_set(p, way,
		    &(struct proxy_line){.bytes_per_s = (uint64_t)much * 1000});
		return "slow line";
	case 3:
		proxy_set(p, way, &(struct proxy_line){.byte_by_byte = true});
		return "byte by byte";
	case 4:
		proxy_set(p, way, &(struct proxy_line){.held = true});
		return "held";
	case 5:
		proxy_set(p, way, &(struct proxy_line){.silent = true});
		return "silence";
	case 6:
		proxy_refuse(p, true);
		proxy_reset(p);
		return "refuse";
	case 7:
		proxy_cut(p);
		return "cut";
	case 8:
		proxy_reset(p);
		return "reset";
	case 9:
		proxy_forget(p);
		return "half-open";
	case 10:
		proxy_harm(p, way, PROXY_CORRUPT);
		return "corrupt";
	case 11:
		proxy_harm(p, way, PROXY_DUPLICATE);
		return "duplicate";
	default:
		proxy_harm(p, way, much % 2 ? PROXY_REORDER : PROXY_DROP);
		return much % 2 ? "reorder" : "drop";
	}
}

void
proxy_stats(struct proxy *p, struct proxy_stats *ret)
{
	lock(p);
	*ret = p->stats;
	unlock(p);
}
