/* SPDX-License-Identifier: Apache-2.0 */
/*
 * amqp.c - peerload's driver for RabbitMQ: durable classic queues, persistent
 * messages, publisher confirms, every message acknowledged by itself.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "bench/peers/peer.h"

#define CHANNEL 1
#define FRAME_MAX 131072
#define CONFIRM_S 20
#define WINDOW 65536u /* more than is ever unconfirmed */

struct conn {
	amqp_connection_state_t amqp;
	uint64_t lowest; /* confirmation that is missing, of a publisher */
	bool confirmed[WINDOW];
	uint64_t tag; /* of the message that was got last */
};

static void
check(amqp_rpc_reply_t r, const char *what)
{
	if (r.reply_type != AMQP_RESPONSE_NORMAL)
		peer_die("rabbitmq: %s failed (%d, %s)", what, r.reply_type,
		    amqp_error_string2(r.library_error));
}

static void *
open_conn(unsigned port)
{
	struct conn *c = peer_alloc(sizeof(*c));
	amqp_socket_t *socket;

	c->amqp = amqp_new_connection();
	socket = amqp_tcp_socket_new(c->amqp);
	if (socket == NULL ||
	    amqp_socket_open(socket, "127.0.0.1", (int)port) != 0)
		peer_die("rabbitmq: port %u", port);
	check(amqp_login(c->amqp, "/", 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN,
		  "guest", "guest"),
	    "login");
	(void)amqp_channel_open(c->amqp, CHANNEL);
	check(amqp_get_rpc_reply(c->amqp), "channel");
	return c;
}

static void *
producer(unsigned port)
{
	struct conn *c = open_conn(port);

	(void)amqp_confirm_select(c->amqp, CHANNEL);
	check(amqp_get_rpc_reply(c->amqp), "confirm");
	c->lowest = 1;
	return c;
}

static void
prepare(unsigned port, const char *queue)
{
	struct conn *c = open_conn(port);

	(void)amqp_queue_delete(
	    c->amqp, CHANNEL, amqp_cstring_bytes(queue), 0, 0);
	(void)amqp_queue_declare(c->amqp, CHANNEL, amqp_cstring_bytes(queue), 0,
	    1, 0, 0, amqp_empty_table);
	check(amqp_get_rpc_reply(c->amqp), queue);
	(void)amqp_connection_close(c->amqp, AMQP_REPLY_SUCCESS);
	(void)amqp_destroy_connection(c->amqp);
	free(c);
}

static void
put(void *conn, const char *queue, const void *body, size_t len)
{
	const amqp_basic_properties_t durable = {
	    ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
	const amqp_bytes_t bytes = {len, (void *)(uintptr_t)body};
	struct conn *c = conn;

	if (amqp_basic_publish(c->amqp, CHANNEL, amqp_empty_bytes,
		amqp_cstring_bytes(queue), 0, 0, &durable,
		bytes) != AMQP_STATUS_OK)
		peer_die("rabbitmq: publish");
}

/* Marks what a confirmation says; how many are new. */
static unsigned
confirm(struct conn *c, const amqp_basic_ack_t *a)
{
	unsigned n = 0;

	for (uint64_t t = a->multiple ? c->lowest : a->delivery_tag;
	     t <= a->delivery_tag; t++) {
		n += !c->confirmed[t % WINDOW];
		c->confirmed[t % WINDOW] = true;
	}
	while (c->confirmed[c->lowest % WINDOW])
		c->confirmed[c->lowest++ % WINDOW] = false;
	return n;
}

static unsigned
acked(void *conn, bool wait)
{
	struct conn *c = conn;
	struct timeval limit;
	amqp_frame_t f;
	unsigned n = 0;
	int rc;

	for (;;) {
		if (n > 0 && !amqp_data_in_buffer(c->amqp) &&
		    !amqp_frames_enqueued(c->amqp))
			return n;
		amqp_maybe_release_buffers(c->amqp);
		limit = (struct timeval){.tv_sec = wait ? CONFIRM_S : 0};
		rc = amqp_simple_wait_frame_noblock(c->amqp, &f, &limit);
		if (rc == AMQP_STATUS_TIMEOUT && (n > 0 || !wait))
			return n;
		if (rc != AMQP_STATUS_OK)
			peer_die("rabbitmq: %s", amqp_error_string2(rc));
		if (f.frame_type != AMQP_FRAME_METHOD)
			continue;
		if (f.payload.method.id == AMQP_BASIC_NACK_METHOD)
			peer_die("rabbitmq: a message was refused");
		if (f.payload.method.id == AMQP_BASIC_ACK_METHOD)
			n += confirm(c, f.payload.method.decoded);
	}
}

static void *
consumer(unsigned port, const char *queue, unsigned prefetch)
{
	struct conn *c = open_conn(port);

	(void)amqp_basic_qos(c->amqp, CHANNEL, 0, (uint16_t)prefetch, 0);
	(void)amqp_basic_consume(c->amqp, CHANNEL, amqp_cstring_bytes(queue),
	    amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	check(amqp_get_rpc_reply(c->amqp), "consume");
	return c;
}

static bool
get(void *conn, void *ret_body, size_t *ret_len)
{
	struct timeval limit = {.tv_usec = PEER_WAIT_MS * 1000};
	struct conn *c = conn;
	amqp_envelope_t e;
	amqp_rpc_reply_t r;

	amqp_maybe_release_buffers(c->amqp);
	r = amqp_consume_message(c->amqp, &e, &limit, 0);
	if (r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
	    r.library_error == AMQP_STATUS_TIMEOUT)
		return false;
	check(r, "get");
	c->tag = e.delivery_tag;
	*ret_len = e.message.body.len;
	if (*ret_len > PEER_MAX_BODY)
		peer_die("rabbitmq: a body of %zu bytes", *ret_len);
	memcpy(ret_body, e.message.body.bytes, *ret_len);
	amqp_destroy_envelope(&e);
	return true;
}

static void
ack(void *conn)
{
	struct conn *c = conn;

	if (amqp_basic_ack(c->amqp, CHANNEL, c->tag, 0) != AMQP_STATUS_OK)
		peer_die("rabbitmq: ack");
}

const struct peer_driver peer_amqp = {
    "amqp", prepare, producer, put, acked, consumer, get, ack};
