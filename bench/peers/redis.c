/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis.c - peerload's drivers for Redis: a stream with a consumer group, and
 * a list whose elements wait in a second list until they are acknowledged.
 *
 * Puts are pipelined.  Acknowledgements go out together with the next read.
 */
#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peers/peer.h"

#define MAX_CONSUMERS 256
#define READ_COUNT 64 /* entries per XREADGROUP */

struct conn {
	redisContext *redis;
	char queue[64];
	unsigned n;          /* the consumer's number */
	unsigned unanswered; /* replies that are still to come */
	redisReply *entries; /* of the stream, read together */
	size_t next;
	char entry_id[64];
};

static atomic_uint n_consumers;

static void *
open_conn(unsigned port)
{
	struct conn *c = peer_alloc(sizeof(*c));

	c->redis = redisConnect("127.0.0.1", (int)port);
	if (c->redis == NULL || c->redis->err != 0)
		peer_die("redis: port %u", port);
	return c;
}

/* The next reply, waited for. */
static redisReply *
reply(struct conn *c)
{
	void *r = NULL;

	if (redisGetReply(c->redis, &r) != REDIS_OK || r == NULL)
		peer_die("redis: %s", c->redis->errstr);
	if (((redisReply *)r)->type == REDIS_REPLY_ERROR)
		peer_die("redis: %s", ((redisReply *)r)->str);
	return r;
}

static void
append(struct conn *c, int argc, const char **argv, const size_t *lens)
{
	if (redisAppendCommandArgv(c->redis, argc, argv, lens) != REDIS_OK)
		peer_die("redis: %s", c->redis->errstr);
	c->unanswered++;
}

/* A command of words without blanks. */
static void
append_words(struct conn *c, const char *words)
{
	const char *argv[16];
	size_t lens[16];
	int n = 0;

	for (const char *at = words; *at != '\0' && n < 16; n++) {
		argv[n] = at;
		lens[n] = strcspn(at, " ");
		at += lens[n];
		at += *at == ' ';
	}
	append(c, n, argv, lens);
}

static void
command(struct conn *c, const char *words)
{
	append_words(c, words);
	freeReplyObject(reply(c));
	c->unanswered = 0;
}

static unsigned
acked(void *conn, bool wait)
{
	struct conn *c = conn;
	unsigned n = 0;
	void *r;
	int done = 0;

	while (!done)
		if (redisBufferWrite(c->redis, &done) != REDIS_OK)
			peer_die("redis: %s", c->redis->errstr);
	for (;;) {
		if (redisGetReplyFromReader(c->redis, &r) != REDIS_OK)
			peer_die("redis: %s", c->redis->errstr);
		if (r != NULL) {
			if (((redisReply *)r)->type == REDIS_REPLY_ERROR)
				peer_die("redis: %s", ((redisReply *)r)->str);
			freeReplyObject(r);
			c->unanswered--;
			n++;
			continue;
		}
		if (n > 0 || !wait || c->unanswered == 0)
			return n;
		if (redisBufferRead(c->redis) != REDIS_OK)
			peer_die("redis: %s", c->redis->errstr);
	}
}

static void *
consumer(unsigned port, const char *queue, unsigned prefetch)
{
	struct conn *c = open_conn(port);

	(void)prefetch;
	(void)snprintf(c->queue, sizeof(c->queue), "%s", queue);
	c->n = atomic_fetch_add(&n_consumers, 1) % MAX_CONSUMERS;
	return c;
}

/* Skips the answers of acknowledgements; the one behind them. */
static redisReply *
last_reply(struct conn *c)
{
	for (; c->unanswered > 1; c->unanswered--)
		freeReplyObject(reply(c));
	c->unanswered = 0;
	return reply(c);
}

static void
copy(const redisReply *r, void *ret_body, size_t *ret_len)
{
	if (r->type != REDIS_REPLY_STRING || (size_t)r->len > PEER_MAX_BODY)
		peer_die("redis: that is no message");
	*ret_len = (size_t)r->len;
	memcpy(ret_body, r->str, *ret_len);
}

/* ---- a stream ---- */

static void
stream_prepare(unsigned port, const char *queue)
{
	struct conn *c = open_conn(port);
	char words[160];

	(void)snprintf(words, sizeof(words), "DEL %s", queue);
	command(c, words);
	(void)snprintf(
	    words, sizeof(words), "XGROUP CREATE %s group 0 MKSTREAM", queue);
	command(c, words);
	redisFree(c->redis);
	free(c);
}

static void
stream_put(void *conn, const char *queue, const void *body, size_t len)
{
	const char *argv[] = {"XADD", queue, "*", "b", body};
	const size_t lens[] = {4, strlen(queue), 1, 1, len};

	append(conn, 5, argv, lens);
}

/* The next of the entries that were read; false: there is none. */
static bool
next_entry(struct conn *c, void *ret_body, size_t *ret_len)
{
	const redisReply *list, *entry;

	if (c->entries == NULL)
		return false;
	/* [[queue, [[id, [field, value]], ...]]] */
	list = c->entries->element[0]->element[1];
	if (c->next == list->elements) {
		freeReplyObject(c->entries);
		c->entries = NULL;
		return false;
	}
	entry = list->element[c->next++];
	(void)snprintf(
	    c->entry_id, sizeof(c->entry_id), "%s", entry->element[0]->str);
	copy(entry->element[1]->element[1], ret_body, ret_len);
	return true;
}

static bool
stream_get(void *conn, void *ret_body, size_t *ret_len)
{
	struct conn *c = conn;
	char words[200];

	if (next_entry(c, ret_body, ret_len))
		return true;
	(void)snprintf(words, sizeof(words),
	    "XREADGROUP GROUP group c%u COUNT %d BLOCK %d STREAMS %s >", c->n,
	    READ_COUNT, PEER_WAIT_MS, c->queue);
	append_words(c, words);
	c->entries = last_reply(c);
	c->next = 0;
	if (c->entries->type != REDIS_REPLY_NIL)
		return next_entry(c, ret_body, ret_len);
	freeReplyObject(c->entries);
	c->entries = NULL;
	return false;
}

static void
stream_ack(void *conn)
{
	struct conn *c = conn;
	char words[200];

	(void)snprintf(
	    words, sizeof(words), "XACK %s group %s", c->queue, c->entry_id);
	append_words(c, words);
	(void)snprintf(
	    words, sizeof(words), "XDEL %s %s", c->queue, c->entry_id);
	append_words(c, words);
}

/* ---- a list ---- */

static void
list_prepare(unsigned port, const char *queue)
{
	struct conn *c = open_conn(port);
	char words[160];

	(void)snprintf(words, sizeof(words), "DEL %s", queue);
	command(c, words);
	for (unsigned i = 0; i < MAX_CONSUMERS; i++) {
		(void)snprintf(
		    words, sizeof(words), "DEL %s.taken.%u", queue, i);
		command(c, words);
	}
	redisFree(c->redis);
	free(c);
}

static void
list_put(void *conn, const char *queue, const void *body, size_t len)
{
	const char *argv[] = {"RPUSH", queue, body};
	const size_t lens[] = {5, strlen(queue), len};

	append(conn, 3, argv, lens);
}

static bool
list_get(void *conn, void *ret_body, size_t *ret_len)
{
	struct conn *c = conn;
	char words[200];
	redisReply *r;
	bool found;

	(void)snprintf(words, sizeof(words),
	    "BLMOVE %s %s.taken.%u LEFT RIGHT 0.5", c->queue, c->queue, c->n);
	append_words(c, words);
	r = last_reply(c);
	found = r->type != REDIS_REPLY_NIL;
	if (found)
		copy(r, ret_body, ret_len);
	freeReplyObject(r);
	return found;
}

static void
list_ack(void *conn)
{
	struct conn *c = conn;
	char words[160];

	(void)snprintf(
	    words, sizeof(words), "LPOP %s.taken.%u", c->queue, c->n);
	append_words(c, words);
}

const struct peer_driver peer_redis_stream = {"redis-stream", stream_prepare,
    open_conn, stream_put, acked, consumer, stream_get, stream_ack};
const struct peer_driver peer_redis_list = {"redis-list", list_prepare,
    open_conn, list_put, acked, consumer, list_get, list_ack};
