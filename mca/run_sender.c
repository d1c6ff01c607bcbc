/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_sender.c - `mca sender`: drains one transmission queue over one channel.
 *
 * Neighbours: run.c has the loop, link.c the socket, sender.c decides.
 *
 * Happy path: connect to the queue manager, read the definitions, open the
 * stream, dial, TLS, compare the partner's certificate with SSLPEER, then the
 * machine runs: messages from mqagent_stream events, frames to the link, its
 * requests to mqagent_stream_*.
 *
 * The stream is opened before anything is dialled, so a queue that another
 * sender still holds costs no connection.  The machine is told of nothing but
 * what has happened, and everything ends in finish(): the last status, the
 * partner told, RUN_FAILED unless the channel ended cleanly.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/dial.h"
#include "base/dn.h"
#include "base/log.h"
#include "mca/netlimit.h"
#include "mca/run.h"
#include "mca/sender.h"
#include "mca/window.h"

#define DIAL_MS 10000u
#define FINISH_MS 2000u
/* More than a window and the longest message: the partner asks for answers and
 * does not read them. */
#define STALLED_BYTES 268435456u

static struct {
	struct run run;
	struct sender sender;
	struct sender_io io;
	struct sender_stream stream;
	struct window window;
	struct channel_def def;
	struct certs certs;
	struct link *link;
	mqagent_stream *handle;
	char peer[CHANNEL_IDENTITY_LEN]; /* SSLPEER */
	char conname[264 + 1];
	char xmitq[MQI_NAME_LEN + 1];
	char label[MQNAME_LABEL_LEN + 1];    /* CERTLABL */
	char ciphers[MQCIPHER_NAME_LEN + 1]; /* SSLCIPH */
	char partner[CHANNEL_IDENTITY_LEN];
	char error[CHANNEL_TEXT_LEN];
	uint64_t disc_ms;
	enum mqi_err stream_gone;
	bool started;  /* the machine lives */
	bool stopping; /* told to, before it lived */
	enum channel_state told;
} me;

/* ---- the end ---- */

static void
finish(enum mqi_err reason, const char *text)
{
	struct mqlog_line l;

	if (me.run.ended)
		return;
	(void)snprintf(me.error, sizeof(me.error), "%s", text);
	mqlog_begin(&l, reason == MQI_OK ? MQLOG_INFO : MQLOG_WARN,
	    reason == MQI_OK ? "channel.end" : "channel.failed");
	mqlog_str(&l, "channel", me.run.args->channel);
	mqlog_str(&l, "conname", me.conname);
	mqlog_str(&l, "partner", me.partner);
	if (me.started)
		mqlog_uint(&l, "msgs", me.sender.c.stats.msgs);
	if (reason != MQI_OK)
		mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
	run_tell(&me.run);
	if (me.link != NULL && !me.run.local_gone) {
		if (me.started)
			link_write(
			    me.link, me.sender.c.out.data, me.sender.c.out.len);
		link_finish(me.link, FINISH_MS);
	}
	run_flush_local(&me.run);
	run_end(&me.run, reason == MQI_OK ? RUN_DONE : RUN_FAILED);
}

/* ---- requests of the machine ---- */

static enum mqi_err
io_bind(void *arg, const uint8_t qmid[16], const char *identity)
{
	(void)arg;
	return mqagent_stream_bind(me.handle, qmid, identity);
}

static enum mqi_err
io_credit(void *arg, uint64_t after)
{
	(void)arg;
	window_init(&me.window, 0, 0);
	return mqagent_stream_credit(
	    me.handle, window_msgs(&me.window), me.window.bytes, after);
}

static enum mqi_err
io_ack(void *arg, uint64_t number)
{
	enum mqi_err err = mqagent_stream_ack(me.handle, number);

	(void)arg;
	if (err == MQI_OK &&
	    window_acked(&me.window, number, mqclock_mono_us()))
		err = mqagent_stream_credit(me.handle, window_msgs(&me.window),
		    me.window.bytes, number);
	return err;
}

/* ---- events of the stream ---- */

static void
on_message(void *arg, const struct mqagent_stream_msg *m)
{
	const struct sender_msg v = {.number = m->number,
	    .previous = m->previous,
	    .desc = m->desc,
	    .desc_len = m->desc_len,
	    .body_crc = m->body_crc,
	    .body_len = m->body_len};

	(void)arg;
	window_sent(&me.window, m->number, m->body_len,
	    window_wants_mark(&me.window) ? mqclock_mono_us() : 0);
	sender_message(&me.sender, &v);
}

static void
on_piece(void *arg, const void *data, uint32_t len)
{
	(void)arg;
	sender_piece(&me.sender, data, len);
}

static void
on_stream_ended(void *arg, enum mqi_err reason)
{
	(void)arg;
	me.stream_gone = reason; /* the turn deals with it */
}

/* ---- events of the link ---- */

static enum mqi_err
check_peer(char *why)
{
	bool match = false;
	enum mqi_err err =
	    mqtls_peer_match(link_tls(me.link), me.peer, &match, why);

	if (err != MQI_OK || match)
		return err;
	(void)snprintf(why, CHANNEL_TEXT_LEN,
	    "its certificate %.200s does not fit SSLPEER(%.200s)", me.partner,
	    me.peer);
	return MQI_E_CERTIFICATE;
}

static void
on_up(void *arg)
{
	const struct mqtls_conn *tls = link_tls(me.link);
	char why[CHANNEL_TEXT_LEN], text[CHANNEL_TEXT_LEN];
	enum mqi_err err = certs_partner(&me.certs, tls, why);

	(void)arg;
	if (err == MQI_OK) {
		(void)snprintf(me.partner, sizeof(me.partner), "%s",
		    me.certs.partner.subject);
		err = check_peer(why);
	}
	if (err != MQI_OK) {
		(void)snprintf(
		    text, sizeof(text), "the partner is refused: %.480s", why);
		finish(err, text);
		return;
	}
	sender_init(&me.sender, &me.def, &me.stream, &me.io, me.partner,
	    me.disc_ms, run_now_ms());
	me.started = true;
	if (me.stopping)
		sender_stop(&me.sender);
}

static void
on_input(void *arg, const void *data, size_t len)
{
	(void)arg;
	if (me.started)
		sender_input(&me.sender, data, len);
}

static void
on_down(void *arg, enum mqi_err reason, const char *text)
{
	(void)arg;
	if (!me.started) {
		finish(reason, text);
		return;
	}
	/* the partner's own words, if they came, say more */
	channel_cut(&me.sender.c, reason, "%s", text);
}

static bool
link_wants_input(void *arg)
{
	(void)arg;
	return me.link == NULL || link_pending(me.link) < STALLED_BYTES;
}

/* ---- the loop's events ---- */

static void
stream_gone(void)
{
	char text[CHANNEL_TEXT_LEN];

	(void)snprintf(text, sizeof(text),
	    "the transmission queue %s is gone: %s", me.xmitq,
	    mqi_strerror(me.stream_gone));
	if (me.started)
		channel_fail(&me.sender.c, me.stream_gone, me.sender.sent,
		    me.sender.acked, "%s", text);
	else
		finish(me.stream_gone, text);
}

static bool
turn(struct run *r)
{
	struct channel *c = &me.sender.c;
	bool moved = me.started && c->out.len > 0;

	if (me.stream_gone != MQI_OK)
		stream_gone();
	if (!me.started || r->ended)
		return false;
	if (channel_state(c) == CHANNEL_ENDED) {
		finish(c->reason, c->text);
		return false;
	}
	link_write(me.link, c->out.data, c->out.len);
	channel_drained(c);
	link_update(me.link);
	if (channel_state(c) != me.told) {
		me.told = channel_state(c);
		if (me.told == CHANNEL_RUNNING) {
			mqlog(MQLOG_INFO, "channel.running",
			    "channel %s to %s at %s (%s), %s", me.def.channel,
			    c->partner.qmgr, me.conname, me.partner,
			    mqtls_cipher(link_tls(me.link)));
			netlimit_check(link_fd(me.link), true, me.def.channel);
		}
		run_tell(r);
	}
	return moved || c->out.len > 0;
}

static void
stop(struct run *r)
{
	(void)r;
	me.stopping = true;
	if (me.started)
		sender_stop(&me.sender);
	else
		finish(MQI_OK, "stopped");
}

/* REFRESH SECURITY: the partner is judged anew, by the files and the SSLPEER of
 * now.  The connection stays if it may. */
static void
refresh(struct run *r)
{
	char text[CHANNEL_TEXT_LEN];
	struct mqctl_list row;
	enum mqi_err err;

	if (!me.started || channel_state(&me.sender.c) == CHANNEL_ENDED)
		return; /* it has begun just now, and reads what is there */
	err = run_display(r, MQCTL_CHANNEL, me.def.channel, &row, text);
	if (err == MQI_OK) {
		(void)snprintf(
		    me.peer, sizeof(me.peer), "%s", run_get(&row, "SSLPEER"));
		mqctl_list_fini(&row);
		err = certs_refresh(&me.certs, link_tls(me.link), text);
	}
	if (err == MQI_OK)
		err = check_peer(text);
	if (err != MQI_OK)
		channel_fail(&me.sender.c, err, me.sender.sent, me.sender.acked,
		    "the partner is refused: %s", text);
}

static void
tick(struct run *r, uint64_t now_ms)
{
	if (!me.started)
		return;
	if (run_check_certs(&me.sender.c, &me.certs))
		stop(r);
	sender_tick(&me.sender, now_ms);
}

static bool
wants_local(struct run *r)
{
	(void)r;
	return me.link == NULL || link_pending(me.link) < LINK_HIGH_WATER;
}

static void
status(struct run *r, struct mqctl_list *l)
{
	(void)r;
	if (me.started) {
		run_status_channel(l, &me.sender.c);
	} else {
		run_status_str(l, "state", "BINDING");
		run_status_str(l, "error", me.error);
	}
	run_status_str(l, "conname", me.conname);
	if (me.partner[0] != '\0')
		run_status_str(l, "partner_name", me.partner);
}

static const struct run_kind kind = {.turn = turn,
    .tick = tick,
    .stop = stop,
    .refresh = refresh,
    .wants_local = wants_local,
    .status = status};

/* ---- the start ---- */

static enum mqi_err
read_definition(char *text)
{
	char why[MQDN_WHY_LEN];
	struct mqctl_list row;
	enum mqi_err err = run_display(
	    &me.run, MQCTL_CHANNEL, me.run.args->channel, &row, text);

	if (err != MQI_OK)
		return err;
	run_channel_def(&me.run, &row, me.run.args->channel, &me.def);
	(void)snprintf(
	    me.conname, sizeof(me.conname), "%s", run_get(&row, "CONNAME"));
	(void)snprintf(
	    me.xmitq, sizeof(me.xmitq), "%s", run_get(&row, "XMITQ"));
	(void)snprintf(
	    me.peer, sizeof(me.peer), "%s", run_get(&row, "SSLPEER"));
	(void)snprintf(
	    me.label, sizeof(me.label), "%s", run_get(&row, "CERTLABL"));
	(void)snprintf(
	    me.ciphers, sizeof(me.ciphers), "%s", run_get(&row, "SSLCIPH"));
	me.disc_ms = run_get_uint(&row, "DISCINT") * 1000;
	if (strcmp(run_get(&row, "CHLTYPE"), "SDR") != 0) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s is not a sender", me.def.channel);
		err = MQI_E_CHANNEL_CONFIG;
	} else if (mqdn_check(me.peer, why) != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s needs an SSLPEER that can be read: %.400s",
		    me.def.channel, me.peer[0] != '\0' ? why : "it is blank");
		err = MQI_E_CHANNEL_CONFIG;
	}
	mqctl_list_fini(&row);
	return err;
}

static void
copy_stream(const struct mqlocal_stream_ok *ok)
{
	_Static_assert(
	    MQLOCAL_MAX_INCARNATIONS == MQCHAN_MAX_INCARNATIONS, "history");
	memcpy(me.stream.history.stream, ok->stream, 16);
	me.stream.history.n_incarnations = ok->n_incarnations;
	for (uint32_t i = 0; i < ok->n_incarnations; i++) {
		memcpy(me.stream.history.incarnations[i].id,
		    ok->incarnations[i].id, 16);
		me.stream.history.incarnations[i].first =
		    ok->incarnations[i].first;
	}
	me.stream.acked = ok->acked;
	me.stream.handed = ok->handed;
	memcpy(me.stream.bound_qmid, ok->bound_qmid, 16);
	(void)snprintf(me.stream.bound_identity,
	    sizeof(me.stream.bound_identity), "%s", ok->bound_identity);
}

static enum mqi_err
open_stream(char *text)
{
	static const struct mqagent_stream_events events = {
	    .message = on_message, .piece = on_piece, .ended = on_stream_ended};
	struct mqlocal_stream_ok *ok = calloc(1, sizeof(*ok));
	enum mqi_err err = MQI_E_NO_MEMORY;

	if (ok != NULL)
		err = mqagent_stream_open(
		    me.run.conn, me.xmitq, &events, ok, &me.handle);
	if (err == MQI_OK)
		copy_stream(ok);
	else
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the transmission queue %s cannot be opened: %s", me.xmitq,
		    mqi_strerror(err));
	free(ok);
	return err;
}

static enum mqi_err
start(char *text)
{
	static const struct link_events events = {.up = on_up,
	    .input = on_input,
	    .down = on_down,
	    .wants_input = link_wants_input};
	char keys[PATH_MAX], qmgr_label[MQNAME_LABEL_LEN + 1];
	int fd = -1;
	enum mqi_err err = run_connect(&me.run, me.run.args->channel, "", text);

	if (err == MQI_OK)
		err = read_definition(text);
	if (err != MQI_OK)
		return err;
	run_tell(&me.run);
	run_flush_local(&me.run);
	err = run_key_dir(&me.run, keys, qmgr_label, text);
	if (err == MQI_OK) {
		certs_init(&me.certs, me.def.channel, keys,
		    me.label[0] != '\0' ? me.label : qmgr_label, me.ciphers);
		err = certs_load(&me.certs, text);
	}
	if (err == MQI_OK)
		err = open_stream(text);
	if (err == MQI_OK)
		err = mqdial(me.conname, DIAL_MS, text, &fd);
	if (err != MQI_OK)
		return err;
	err =
	    link_new(&me.run.loop, fd, me.certs.tls, false, &events, &me.link);
	if (err != MQI_OK)
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the connection cannot be used: %s", mqi_strerror(err));
	return err;
}

int
run_sender(const struct run_args *args)
{
	char text[CHANNEL_TEXT_LEN] = "";
	enum mqi_err err;

	_Static_assert(CHANNEL_TEXT_LEN >= MQTLS_WHY_LEN, "text");
	_Static_assert(CHANNEL_TEXT_LEN >= MQDIAL_TEXT_LEN, "text");
	me.io = (struct sender_io){
	    .bind = io_bind, .credit = io_credit, .ack = io_ack};
	me.told = CHANNEL_ENDED; /* nothing told yet */
	err = run_init(&me.run, args, &kind);
	if (err != MQI_OK)
		return RUN_FAILED;
	err = start(text);
	if (err != MQI_OK)
		finish(err, text);
	return run_loop(&me.run);
}
