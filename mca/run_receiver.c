/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_receiver.c - `mca receiver`: one connection that a listener accepted.
 *
 * Neighbours: run.c has the loop, link.c the socket, receiver.c decides,
 * target.c keeps the queues open.
 *
 * Until the partner's HELLO has named a channel and its certificate fits that
 * channel's SSLPEER, this process has no connection to the queue manager's
 * queues, and CHANNEL_HELLO_MS to get there; then the listener hears (one byte
 * on ready_fd) that this connection counts as authenticated.
 *
 * A body that is larger than BIG is given to the queue manager in parts, as
 * its socket takes them; meanwhile no other put begins (a report about that
 * message waits), and its result is kept back until the last part is out, since
 * the message's bytes are in use.
 *
 * Failure modes: everything ends in finish(): a line that says what and from
 * whom, the partner told, RUN_FAILED unless the channel ended cleanly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "mca/netlimit.h"
#include "mca/receiver.h"
#include "mca/run.h"
#include "mca/target.h"

#define FINISH_MS 2000u
#define BIG 1048576u              /* bytes of a body */
#define LOCAL_HIGH_WATER 8388608u /* bytes waiting for the queue manager */
#define PART MQFRAME_PIECE

static struct {
	struct run run;
	struct receiver receiver;
	struct receiver_io io;
	struct certs certs;
	struct link *link;
	struct targets targets;
	struct mqagent_position position;
	uint64_t fence;
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char partner[CHANNEL_IDENTITY_LEN];
	/* the large body on its way */
	struct receiver_msg *big;
	mqi_queue *big_handle;
	uint32_t big_at;
	bool big_answered;
	enum mqi_err big_result;
	struct receiver_msg *behind_big; /* its report */
	void *behind_unit;
	bool stale; /* a put failed: open the queues anew */
	enum channel_state told;
} me;

/* ---- the end ---- */

static void
finish(enum mqi_err reason, const char *text)
{
	const struct channel *c = &me.receiver.c;
	struct mqlog_line l;

	if (me.run.ended)
		return;
	mqlog_begin(&l, reason == MQI_OK ? MQLOG_INFO : MQLOG_WARN,
	    reason == MQI_OK ? "channel.end" : "channel.failed");
	mqlog_str(&l, "channel", me.channel);
	mqlog_str(&l, "address", me.run.args->address);
	mqlog_str(&l, "partner", me.partner);
	if (c->partner.qmgr[0] != '\0')
		mqlog_str(&l, "qmgr", c->partner.qmgr);
	mqlog_uint(&l, "msgs", c->stats.msgs);
	if (reason != MQI_OK)
		mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
	run_tell(&me.run);
	if (me.link != NULL && !me.run.local_gone) {
		link_write(me.link, c->out.data, c->out.len);
		link_finish(me.link, FINISH_MS);
	}
	run_flush_local(&me.run);
	run_end(&me.run, reason == MQI_OK ? RUN_DONE : RUN_FAILED);
}

/* ---- who the partner is ---- */

static enum mqi_err
check_peer(const char *pattern, char *text)
{
	const struct mqtls_conn *tls = link_tls(me.link);
	char why[MQTLS_WHY_LEN];
	bool match = false;
	enum mqi_err err;

	if (pattern[0] == '\0') {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s has no SSLPEER, so nobody may use it",
		    me.channel);
		return MQI_E_CHANNEL_CONFIG;
	}
	err = mqtls_peer_match(tls, pattern, &match, why);
	if (err != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN, "channel %s: %.400s",
		    me.channel, why);
		return err;
	}
	if (!match) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "certificate %.256s does not fit the SSLPEER of channel "
		    "%s",
		    me.partner, me.channel);
		return MQI_E_NOT_AUTHORIZED;
	}
	return MQI_OK;
}

static void
fill_def(const struct mqctl_list *row, struct receiver_def *ret)
{
	memset(ret, 0, sizeof(*ret));
	run_channel_def(&me.run, row, me.channel, &ret->def);
	(void)snprintf(ret->identity, sizeof(ret->identity), "%s", me.partner);
	ret->retries = (uint32_t)run_get_uint(row, "MRRTY");
	ret->retry_ms = (uint32_t)run_get_uint(row, "MRTMR");
	ret->use_dead_queue = strcmp(run_get(row, "USEDLQ"), "NO") != 0;
}

static void
authenticated(void)
{
	int fd = me.run.args->ready_fd;

	if (fd >= 0 && write(fd, "1", 1) == 1)
		(void)close(fd);
}

static enum mqi_err
io_hello(void *arg, const struct mqchan_hello *h, struct receiver_def *ret,
    char *text)
{
	struct mqctl_list row;
	enum mqi_err err;

	(void)arg;
	(void)snprintf(me.channel, sizeof(me.channel), "%s", h->channel);
	if (!mqname_is_valid(h->channel, MQI_CHANNEL_NAME_LEN) ||
	    !mqname_is_valid(h->qmgr, MQI_NAME_LEN)) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the name of the channel or queue manager is not valid");
		return MQI_E_OBJECT_NAME;
	}
	err = run_connect(&me.run, h->channel, me.run.args->address, text);
	if (err != MQI_OK)
		return err;
	err = run_display(&me.run, MQCTL_CHANNEL, h->channel, &row, text);
	if (err != MQI_OK)
		return MQI_E_UNKNOWN_CHANNEL;
	if (strcmp(run_get(&row, "CHLTYPE"), "RCVR") != 0) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s is not a receiver here", h->channel);
		err = MQI_E_CHANNEL_CONFIG;
	}
	if (err == MQI_OK)
		err = certs_check_cipher(
		    link_tls(me.link), run_get(&row, "SSLCIPH"), text);
	if (err == MQI_OK)
		err = check_peer(run_get(&row, "SSLPEER"), text);
	if (err == MQI_OK) {
		fill_def(&row, ret);
		authenticated();
	}
	mqctl_list_fini(&row);
	return err;
}

/* ---- requests of the machine ---- */

static enum mqi_err
io_position_open(void *arg, const uint8_t partner[16], const uint8_t stream[16],
    struct receiver_position *ret)
{
	struct mqlocal_position pos;
	enum mqi_err err;
	char hex[33];

	(void)arg;
	channel_hex(partner, hex);
	(void)snprintf(
	    me.position.partner, sizeof(me.position.partner), "%s", hex);
	(void)snprintf(me.position.identity, sizeof(me.position.identity), "%s",
	    me.partner);
	memcpy(me.position.stream, stream, 16);
	memset(me.position.incarnation, 0, 16); /* judged by the machine */
	err = mqagent_position_open(me.run.conn, &me.position, &pos);
	if (err != MQI_OK)
		return err;
	me.fence = pos.fence;
	ret->position = pos.position;
	memcpy(ret->incarnation, pos.incarnation, 16);
	return MQI_OK;
}

static bool
io_ready(void *arg)
{
	(void)arg;
	return me.big == NULL &&
	       mqagent_pending(me.run.conn) < LOCAL_HIGH_WATER;
}

static enum mqi_err
io_begin(void *arg, void **ret_unit)
{
	mqi_unit *unit = NULL;
	enum mqi_err err = mqi_begin(me.run.conn, &unit);

	(void)arg;
	if (err == MQI_OK)
		*ret_unit = unit;
	return err;
}

static void
put_done(void *arg, enum mqi_err result)
{
	struct receiver_msg *m = arg;

	if (result != MQI_OK)
		me.stale = true;
	if (m != me.big) {
		receiver_put_done(m, result);
		return;
	}
	me.big_answered = true;
	me.big_result = result;
}

static enum mqi_err
begin_put(void *unit, struct receiver_msg *m)
{
	bool big = m->body_len > BIG;
	mqi_queue *handle = NULL;
	enum mqi_err err;

	if (me.stale) {
		me.stale = false;
		targets_forget(&me.targets);
	}
	err = targets_get(
	    &me.targets, me.run.conn, m->route.queue, m->route.qmgr, &handle);
	if (err != MQI_OK)
		return err;
	if (big) {
		me.big = m;
		me.big_handle = handle;
		me.big_at = 0;
		me.big_answered = false;
	}
	err = mqagent_put(handle, unit, m->desc, m->desc_len, m->crc,
	    m->body_len, big ? NULL : m->body, put_done, m);
	if (err != MQI_OK)
		me.big = NULL;
	return err;
}

static void
put_behind(void)
{
	struct receiver_msg *m = me.behind_big;
	enum mqi_err err;

	me.behind_big = NULL;
	err = begin_put(me.behind_unit, m);
	if (err != MQI_OK)
		receiver_put_done(m, err);
}

/* Gives parts of the large body while the socket takes them; true: it is out
 * now. */
static bool
feed_big(void)
{
	struct receiver_msg *m = me.big;

	while (me.big_at < m->body_len &&
	       mqagent_pending(me.run.conn) < LOCAL_HIGH_WATER) {
		uint32_t left = m->body_len - me.big_at;
		uint32_t n = left < PART ? left : PART;
		enum mqi_err err =
		    mqagent_put_piece(me.big_handle, m->body + me.big_at, n);

		if (err != MQI_OK) {
			channel_cut(&me.receiver.c, err,
			    "a large message cannot be put: %s",
			    mqi_strerror(err));
			return false;
		}
		me.big_at += n;
	}
	if (me.big_at < m->body_len)
		return false;
	me.big = NULL;
	if (me.big_answered)
		receiver_put_done(m, me.big_result);
	if (me.behind_big != NULL)
		put_behind();
	return true;
}

static enum mqi_err
io_put(void *arg, void *unit, struct receiver_msg *m)
{
	(void)arg;
	if (me.big == NULL)
		return begin_put(unit, m);
	MQ_PRE(me.behind_big == NULL);
	me.behind_big = m;
	me.behind_unit = unit;
	return MQI_OK;
}

static enum mqi_err
io_position(void *arg, void *unit, uint64_t from, uint64_t to,
    const uint8_t incarnation[16])
{
	(void)arg;
	if (incarnation == NULL)
		return MQI_E_NOT_CURRENT;
	memcpy(me.position.incarnation, incarnation, 16);
	return mqagent_unit_position(unit, &me.position, me.fence, from, to);
}

static void
commit_done(void *arg, enum mqi_err result)
{
	receiver_commit_done(arg, result);
}

static enum mqi_err
io_commit(void *arg, void *unit, struct receiver_unit *u)
{
	(void)arg;
	return mqi_commit_async(unit, commit_done, u);
}

static void
io_backout(void *arg, void *unit)
{
	enum mqi_err err = mqi_backout_async(unit, NULL, NULL);

	(void)arg;
	if (err != MQI_OK)
		mqlog(MQLOG_WARN, "channel.backout", "%s", mqi_strerror(err));
}

static enum mqi_err
io_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list row;
	enum mqi_err err = run_display(&me.run, MQCTL_QMGR, "", &row, text);

	(void)arg;
	if (err != MQI_OK)
		return err;
	(void)snprintf(
	    ret_name, MQI_NAME_LEN + 1, "%s", run_get(&row, "DEADQ"));
	mqctl_list_fini(&row);
	return MQI_OK;
}

static void
io_report(void *arg, const struct receiver_msg *m, enum mqi_err reason,
    const char *what)
{
	struct mqlog_line l;

	(void)arg;
	mqlog_begin(&l, MQLOG_WARN, "channel.undelivered");
	mqlog_str(&l, "channel", me.channel);
	mqlog_str(&l, "what", what);
	mqlog_uint(&l, "number", m->number);
	mqlog_str(&l, "queue", m->route.queue);
	mqlog_str(&l, "qmgr", m->route.qmgr);
	mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", mqi_strerror(reason));
	mqlog_end(&l);
}

static uint64_t
io_wall_us(void *arg)
{
	(void)arg;
	return mqclock_wall_us();
}

/* ---- events of the link ---- */

static void
on_up(void *arg)
{
	char text[CHANNEL_TEXT_LEN];
	enum mqi_err err = certs_partner(&me.certs, link_tls(me.link), text);

	(void)arg;
	if (err != MQI_OK) {
		finish(err, text);
		return;
	}
	(void)snprintf(
	    me.partner, sizeof(me.partner), "%s", me.certs.partner.subject);
}

static void
on_input(void *arg, const void *data, size_t len)
{
	(void)arg;
	receiver_input(&me.receiver, data, len);
}

static void
on_down(void *arg, enum mqi_err reason, const char *text)
{
	(void)arg;
	channel_cut(&me.receiver.c, reason, "%s", text);
}

static bool
link_wants_input(void *arg)
{
	(void)arg;
	/* a partner that does not take our answers is not asked for more */
	return receiver_wants_input(&me.receiver) &&
	       link_pending(me.link) < LINK_HIGH_WATER &&
	       channel_state(&me.receiver.c) != CHANNEL_ENDED;
}

/* ---- the loop's events ---- */

static bool
turn(struct run *r)
{
	struct channel *c = &me.receiver.c;
	bool moved = me.big != NULL && feed_big();

	receiver_pump(&me.receiver);
	link_update(me.link);
	if (channel_state(c) == CHANNEL_ENDED) {
		finish(c->reason, c->text);
		return false;
	}
	moved = moved || c->out.len > 0;
	link_write(me.link, c->out.data, c->out.len);
	channel_drained(c);
	if (channel_state(c) != me.told) {
		if (channel_state(c) == CHANNEL_RUNNING &&
		    me.told == CHANNEL_BINDING) {
			mqlog(MQLOG_INFO, "channel.running",
			    "channel %s from %s at %s (%s), %s", me.channel,
			    c->partner.qmgr, me.run.args->address, me.partner,
			    mqtls_cipher(link_tls(me.link)));
			netlimit_check(link_fd(me.link), false, me.channel);
		}
		me.told = channel_state(c);
		run_tell(r);
	}
	return moved;
}

static void
tick(struct run *r, uint64_t now_ms)
{
	(void)r;
	if (run_check_certs(&me.receiver.c, &me.certs))
		receiver_stop(&me.receiver);
	receiver_tick(&me.receiver, now_ms);
}

static void
stop(struct run *r)
{
	(void)r;
	receiver_stop(&me.receiver);
}

/* REFRESH SECURITY: the partner is judged anew; the connection stays if it
 * may. */
static void
refresh(struct run *r)
{
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list row;
	enum mqi_err err;

	if (channel_state(&me.receiver.c) == CHANNEL_ENDED)
		return;
	err = run_display(r, MQCTL_CHANNEL, me.channel, &row, text);
	if (err == MQI_OK) {
		err = certs_refresh(&me.certs, link_tls(me.link), text);
		if (err == MQI_OK)
			err = check_peer(run_get(&row, "SSLPEER"), text);
		mqctl_list_fini(&row);
	}
	if (err != MQI_OK)
		channel_fail(
		    &me.receiver.c, err, 0, me.receiver.position, "%s", text);
}

static bool
wants_local(struct run *r)
{
	(void)r;
	return true;
}

static void
status(struct run *r, struct mqctl_list *l)
{
	run_status_channel(l, &me.receiver.c);
	run_status_str(l, "conname", r->args->address);
	if (me.partner[0] != '\0')
		run_status_str(l, "partner_name", me.partner);
}

static const struct run_kind kind = {.turn = turn,
    .tick = tick,
    .stop = stop,
    .refresh = refresh,
    .wants_local = wants_local,
    .status = status};

int
run_receiver(const struct run_args *args)
{
	static const struct link_events events = {.up = on_up,
	    .input = on_input,
	    .down = on_down,
	    .wants_input = link_wants_input};
	char why[CHANNEL_TEXT_LEN] = "the socket cannot be used";
	enum mqi_err err;

	me.io = (struct receiver_io){.hello = io_hello,
	    .position_open = io_position_open,
	    .ready = io_ready,
	    .begin = io_begin,
	    .put = io_put,
	    .position = io_position,
	    .commit = io_commit,
	    .backout = io_backout,
	    .dead_queue = io_dead_queue,
	    .report = io_report,
	    .wall_us = io_wall_us};
	err = run_init(&me.run, args, &kind);
	if (err != MQI_OK)
		return RUN_FAILED;
	receiver_init(&me.receiver, &me.io, run_now_ms());
	me.told = channel_state(&me.receiver.c);
	certs_init(&me.certs, args->address, args->keys, args->label,
	    args->old_tls ? MQCIPHER_ANY_TLS12_OR_HIGHER : "");
	err = certs_load(&me.certs, why);
	if (err == MQI_OK)
		err = link_new(&me.run.loop, args->fd, me.certs.tls, true,
		    &events, &me.link);
	if (err != MQI_OK)
		finish(err, why);
	return run_loop(&me.run);
}
