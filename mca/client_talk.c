/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_talk.c - what a client is told and asked: hellos, orders, heartbeats,
 * and what the queue manager is told of it (client_talk.h).
 *
 * Neighbours: client.c moves bytes and calls here; the queue manager's
 * agents_status.c shows each client as an instance of its channel, because its
 * session says HELLO as an agent of that channel.
 *
 * Invariants.  The session's HELLO says who the client is by the rules of this
 * side alone: of its own HELLO only the queue manager's name, the
 * application's, the versions and known features are kept.
 *
 * A dead client.  What it does not acknowledge tells its kernel from its
 * absence: a client that does not read, because its application is busy, still
 * acknowledges; so only unacknowledged bytes count, and a BEAT makes some.
 */
#include "mca/client_talk.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "mca/link.h"
#include "proto/ctl.h"

/* What the frames that pass may be extended by: others would let in types
 * that the table does not know. */
#define FEATURES                                              \
	(MQLOCAL_FEATURE_PUTS_OK | MQLOCAL_FEATURE_OPEN_AS |  \
	    MQLOCAL_FEATURE_SELECT | MQLOCAL_FEATURE_PUBSUB | \
	    MQLOCAL_FEATURE_UNLOCK)
#define STATUS_MS 5000u
#define MARGIN_MS 1000u

void
client_log(struct client *c, enum mqi_err reason, const char *text)
{
	struct mqlog_line l;

	if (client_state(c) >= CLIENT_CLOSING)
		return;
	mqlog_begin(&l, reason == MQI_OK ? MQLOG_INFO : MQLOG_WARN,
	    reason == MQI_OK ? "client.end" : "client.failed");
	mqlog_str(&l, "channel", c->hello.channel);
	mqlog_str(&l, "address", c->address);
	mqlog_str(&l, "partner", c->cert.subject);
	mqlog_str(&l, "application", c->local_hello.app_name);
	if (reason != MQI_OK)
		mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

/* ---- hellos ---- */

/* What CLIENT_HELLO and HELLO may not say. */
static const char *
fault_in(const struct client *c)
{
	if (c->hello.version_min > MQLOCAL_VERSION ||
	    c->local_hello.version_min > MQLOCAL_VERSION)
		return "the client speaks only later versions";
	if (!mqname_is_valid(c->hello.channel, MQI_CHANNEL_NAME_LEN))
		return "the channel's name is not valid";
	if (c->local_hello.is_agent != 0 || c->local_hello.user[0] != '\0' ||
	    c->local_hello.channel[0] != '\0' ||
	    c->local_hello.address[0] != '\0')
		return "a client may not speak for another";
	return NULL;
}

bool
client_greet(struct client *c)
{
	char text[CLIENT_TEXT_LEN] = "";
	struct mqframe hello, local;
	size_t n = 0, m = 0;
	enum mqframe_result res;
	enum mqi_err err;

	res = mqframe_parse(c->up.data, c->up.len, &hello, &n);
	if (res == MQFRAME_OK &&
	    mqlocal_decode_client_hello(&hello, &c->hello) != MQI_OK)
		res = MQFRAME_BAD;
	if (res == MQFRAME_OK)
		res = mqframe_parse(c->up.data + n, c->up.len - n, &local, &m);
	if (res == MQFRAME_OK &&
	    mqlocal_decode_hello(&local, &c->local_hello) != MQI_OK)
		res = MQFRAME_BAD;
	if (res == MQFRAME_MORE && c->up.len < CLIENT_UP_MAX)
		return false;
	if (res != MQFRAME_OK) {
		client_end(c, MQI_E_PROTOCOL,
		    "it does not begin with CLIENT_HELLO and HELLO");
		return false;
	}
	if (fault_in(c) != NULL) {
		client_end(c, MQI_E_PROTOCOL, fault_in(c));
		return false;
	}
	mqbuf_consume(&c->up, n + m);
	err = c->host->admit(c, text);
	if (err != MQI_OK)
		client_end(c, err, text);
	return err == MQI_OK;
}

void
client_introduce(struct client *c)
{
	struct mqlocal_hello h = c->local_hello;
	struct mqbuf b;

	if (h.version_max > MQLOCAL_VERSION)
		h.version_max = MQLOCAL_VERSION;
	h.features &= FEATURES;
	h.is_agent = 1;
	(void)snprintf(h.user, sizeof(h.user), "%s", c->def.user);
	(void)snprintf(h.channel, sizeof(h.channel), "%s", c->hello.channel);
	(void)snprintf(h.address, sizeof(h.address), "%.64s", c->address);
	mqbuf_init(&b, CLIENT_FRAMES_HEAD);
	mqlocal_encode_hello(&b, 1, &h);
	/* a new Unix socket takes so few bytes at once */
	if (b.err != MQI_OK ||
	    send(c->local_fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		(ssize_t)b.len)
		client_end(c, MQI_E_Q_MGR_NOT_AVAILABLE,
		    "the queue manager takes no hello");
	mqbuf_fini(&b);
}

static void
status_pair(struct mqctl_list *l, const char *keyword, const char *value)
{
	if (mqctl_list_add(l, keyword, value) != MQI_OK)
		mqlog(MQLOG_WARN, "client.status", "%s does not fit", keyword);
}

static void
status_number(struct mqctl_list *l, const char *keyword, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	status_pair(l, keyword, text);
}

/* Tells the queue manager, if no frame is half sent. */
static void
tell(struct client *c, uint64_t now_ms)
{
	static struct mqctl_list l; /* large; one thread */
	char local[CLIENT_ADDRESS_LEN];
	struct mqbuf b;
	size_t start;

	if (c->up_flow.left > 0 || c->up.len > 0)
		return;
	mqctl_list_init(&l);
	status_pair(&l, "state", "RUNNING");
	status_pair(&l, "conname", c->address);
	status_pair(&l, "partner_name", c->cert.subject);
	status_pair(&l, "issuer", c->cert.issuer);
	status_pair(&l, "cipher", mqtls_cipher(c->tls));
	status_pair(&l, "protocol", mqtls_version(c->tls));
	link_local_address(c->fd, local, sizeof(local));
	status_pair(&l, "local_address", local);
	status_number(&l, "heartbeat_s", c->def.heartbeat_ms / 1000);
	status_number(&l, "msgs", c->up_flow.msgs + c->down_flow.msgs);
	status_number(&l, "bytes", c->up_flow.bytes + c->down_flow.bytes);
	mqbuf_init(&b, 16384);
	start = mqframe_begin(&b, MQLOCAL_AGENT_STATUS, 0, 0);
	mqctl_encode_list(&b, &l);
	mqframe_end(&b, start, 0);
	mqctl_list_fini(&l);
	c->told_ms = now_ms;
	c->told_msgs = c->up_flow.msgs + c->down_flow.msgs;
	mqbuf_put(&c->up, b.data, b.len);
	if (b.err == MQI_OK && c->up.err == MQI_OK)
		c->up_good = b.len;
	else
		client_end(c, MQI_E_NO_MEMORY, "no memory");
	mqbuf_fini(&b);
}

static void
welcome_with(struct client *c, struct mqlocal_hello_ok *ok)
{
	const struct mqlocal_client_ok client_ok = {.version = MQLOCAL_VERSION,
	    .heartbeat_ms = c->def.heartbeat_ms,
	    .max_msg_len = c->def.max_msg_len};
	struct mqbuf b;

	if (ok->max_msg_len > c->def.max_msg_len)
		ok->max_msg_len = c->def.max_msg_len;
	mqbuf_init(&b, CLIENT_FRAMES_HEAD);
	mqlocal_encode_client_ok(&b, 1, &client_ok);
	mqlocal_encode_hello_ok(&b, 1, ok);
	if (b.err == MQI_OK)
		client_say(c, b.data, b.len);
	else
		client_end(c, MQI_E_NO_MEMORY, "no memory");
	mqbuf_fini(&b);
}

void
client_welcome(struct client *c)
{
	struct mqlocal_hello_ok ok;
	struct mqlocal_error e = {.reason = MQI_E_PROTOCOL};
	struct mqlog_line l;
	struct mqframe f;
	size_t n;

	if (mqframe_parse(c->down.data, c->down.len, &f, &n) == MQFRAME_MORE)
		return;
	if (mqlocal_decode_hello_ok(&f, &ok) != MQI_OK) {
		if (mqlocal_decode_error(&f, &e) != MQI_OK)
			e.reason = MQI_E_PROTOCOL;
		client_end(c, (enum mqi_err)e.reason,
		    e.text[0] != '\0' ? e.text
				      : mqi_strerror((enum mqi_err)e.reason));
		return;
	}
	mqbuf_consume(&c->down, n);
	mqsm_move(&c->sm, CLIENT_RUNNING);
	c->host->settled(c);
	welcome_with(c, &ok);
	tell(c, mqclock_mono_us() / 1000);
	mqlog_begin(&l, MQLOG_INFO, "client.running");
	mqlog_str(&l, "channel", c->hello.channel);
	mqlog_str(&l, "address", c->address);
	mqlog_str(&l, "partner", c->cert.subject);
	mqlog_str(&l, "application", c->local_hello.app_name);
	mqlog_str(&l, "user", c->def.user);
	mqlog_end(&l);
}

void
client_ordered(struct client *c, const uint8_t *frame, size_t len)
{
	static struct mqctl_list order;
	char text[CLIENT_TEXT_LEN] = "";
	enum mqi_err err = MQI_OK;
	struct mqreader r;
	const char *what;

	mqreader_init(&r, frame + MQFRAME_HEADER, len - MQFRAME_HEADER);
	if (mqctl_decode_list(&r, &order) != MQI_OK)
		return;
	what = mqctl_list_get(&order, "order");
	if (what != NULL && strcmp(what, "stop") == 0)
		client_end(
		    c, MQI_E_CHANNEL_NOT_AVAILABLE, "the channel is stopped");
	else if (what != NULL && strcmp(what, "refresh") == 0)
		err = c->host->admit_again(c, text);
	if (err != MQI_OK)
		client_end(c, err, text);
	mqctl_list_fini(&order);
}

/* ---- time ---- */

static void
beat(struct client *c, uint64_t now_ms)
{
	struct mqbuf b;

	if (c->def.heartbeat_ms == 0 || c->down_flow.left > 0 ||
	    c->beats >= CLIENT_BEATS_MAX || client_unsent(c) > 0 ||
	    now_ms - c->sent_ms < c->def.heartbeat_ms)
		return;
	mqbuf_init(&b, MQFRAME_HEADER);
	mqlocal_encode_empty(&b, MQLOCAL_BEAT, 0);
	if (b.err == MQI_OK)
		client_say(c, b.data, b.len);
	mqbuf_fini(&b);
	c->beats++;
}

/* Whether its host has acknowledged nothing for too long, although it had
 * something to. */
static bool
is_dead(const struct client *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (c->def.heartbeat_ms == 0 ||
	    getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return false;
	return info.tcpi_unacked > 0 &&
	       info.tcpi_last_ack_recv > 2 * c->def.heartbeat_ms + MARGIN_MS;
}

void
client_keep(struct client *c, uint64_t now_ms)
{
	uint64_t msgs = c->up_flow.msgs + c->down_flow.msgs;

	if (c->not_after != 0 &&
	    (int64_t)(mqclock_wall_us() / 1000000) > c->not_after) {
		client_end(c, MQI_E_CERTIFICATE,
		    "the certificate of one of the ends has expired");
		return;
	}
	if (is_dead(c)) {
		client_end(c, MQI_E_CONNECTION_BROKEN,
		    "the client's host does not answer any more");
		return;
	}
	if (c->def.idle_ms != 0 && !client_frames_waiting(&c->up_flow) &&
	    now_ms - c->moved_ms >= c->def.idle_ms) {
		client_end(c, MQI_E_CONNECTION_BROKEN,
		    "nothing has been asked for DISCINT seconds");
		return;
	}
	beat(c, now_ms);
	if (msgs != c->told_msgs && now_ms - c->told_ms >= STATUS_MS)
		tell(c, now_ms);
}
