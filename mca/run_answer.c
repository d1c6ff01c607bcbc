/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_answer.c - `mca answer`: the end of a channel that a listener accepted.
 *
 * The dialler's HELLO says who has the messages, and so which role is ours:
 * a receiver (RCVR or RQSTR here) for one that has them, a sender (SVR, or SDR,
 * which dials itself) for one that asks for them.  So the first frame is
 * looked at before there is a machine; the machine then gets it like any other.
 *
 * Until the partner's HELLO has named a channel and the queue manager has said
 * as which user it may use that (admit.h), this process has no connection to
 * the queue manager's queues, and CHANNEL_HELLO_MS to get there; afterwards
 * what it opens is judged by that user's rights.  Then the listener hears (one
 * byte on ready_fd) that this connection counts as authenticated.
 *
 * Failure modes: as run_channel.c; what is no HELLO at all gets a receiver,
 * which says so.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/name.h"
#include "mca/run_channel.h"
#include "mca/sandbox.h"

static struct {
	struct run_channel rc;
	struct mqbuf first; /* bytes before there is a role */
} me;

/* ---- who the partner is ---- */

static void
authenticated(void)
{
	int fd = me.rc.run.args->ready_fd;

	if (fd >= 0 && write(fd, "1", 1) == 1)
		(void)close(fd);
}

static bool
type_is(const struct mqctl_list *row, const char *a, const char *b)
{
	const char *type = run_get(row, "CHLTYPE");

	return strcmp(type, a) == 0 || strcmp(type, b) == 0;
}

/* Whether the partner of a HELLO may use the channel of this definition, which
 * is to be defined first if it is new. */
static enum mqi_err
judge_by(const struct mqchan_hello *h, const struct mqctl_list *row,
    bool is_new, char *text)
{
	const struct admit_caller who = run_channel_caller(&me.rc, h->qmgr);
	bool asks = h->role == MQCHAN_ROLE_RECEIVER;
	enum mqi_err err;

	if (!(asks ? type_is(row, "SVR", "SDR")
		   : type_is(row, "RCVR", "RQSTR"))) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s is not a %s here, but %s", h->channel,
		    asks ? "server or sender" : "receiver or requester",
		    run_get(row, "CHLTYPE"));
		return MQI_E_CHANNEL_CONFIG;
	}
	err = certs_check_cipher(
	    link_tls(me.rc.link), run_get(row, "SSLCIPH"), text);
	if (err == MQI_OK)
		err = run_check_sslcauth(
		    row, mqtls_has_peer(link_tls(me.rc.link)), text);
	if (err == MQI_OK && is_new)
		err = admit_new(&me.rc.run, &who, "RCVR", text);
	return err == MQI_OK ? run_channel_admit(&me.rc, h->qmgr, text) : err;
}

/* What a HELLO asks for, on a connection for questions. */
static enum mqi_err
judge(const struct mqchan_hello *h, struct mqctl_list *ret, char *text)
{
	const char *may_define = h->role == MQCHAN_ROLE_RECEIVER ? "" : "RCVR";
	bool is_new;
	enum mqi_err err;

	do {
		err = admit_find(
		    &me.rc.run, h->channel, may_define, ret, &is_new, text);
		if (err != MQI_OK)
			return err;
		err = judge_by(h, ret, is_new, text);
		if (err != MQI_OK)
			mqctl_list_fini(ret);
	} while (is_new && err == MQI_E_EXISTS); /* somebody was faster */
	return err;
}

/* The definition of the channel that a HELLO names, if its partner may use
 * it; on success mqctl_list_fini() it. */
static enum mqi_err
look_up(const struct mqchan_hello *h, struct mqctl_list *ret, char *text)
{
	enum mqi_err err;

	(void)snprintf(me.rc.name, sizeof(me.rc.name), "%s", h->channel);
	if (!mqname_is_valid(h->channel, MQI_CHANNEL_NAME_LEN) ||
	    !mqname_is_valid(h->qmgr, MQI_NAME_LEN)) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the name of the channel or queue manager is not valid");
		return MQI_E_OBJECT_NAME;
	}
	err = run_ask(&me.rc.run, text);
	if (err == MQI_OK)
		err = judge(h, ret, text);
	run_ask_end(&me.rc.run);
	if (err != MQI_OK)
		return err;
	err = run_connect_as(
	    &me.rc.run, h->channel, me.rc.run.args->address, me.rc.user, text);
	if (err == MQI_OK)
		authenticated();
	else
		mqctl_list_fini(ret);
	return err;
}

static enum mqi_err
receiver_hello(
    const struct mqchan_hello *h, struct receiver_def *ret, char *text)
{
	struct mqctl_list row;
	enum mqi_err err = look_up(h, &row, text);

	if (err != MQI_OK)
		return err;
	run_receiver_def(&me.rc, &row, ret);
	run_channel_identity(&me.rc, ret->identity);
	mqctl_list_fini(&row);
	return MQI_OK;
}

static enum mqi_err
sender_hello(const struct mqchan_hello *h, struct sender_def *ret, char *xmitq,
    char *text)
{
	struct mqctl_list row;
	enum mqi_err err = look_up(h, &row, text);

	if (err != MQI_OK)
		return err;
	run_sender_def(&me.rc, &row, ret);
	run_channel_identity(&me.rc, ret->identity);
	(void)snprintf(xmitq, MQI_NAME_LEN + 1, "%s", run_get(&row, "XMITQ"));
	ret->calls_back = type_is(&row, "SDR", "SDR");
	mqctl_list_fini(&row);
	return MQI_OK;
}

/* ---- the first frame ---- */

static void
choose_role(bool asks)
{
	size_t at = 0;

	if (asks)
		run_sender_accepted(&me.rc, sender_hello);
	else
		run_receiver_accepted(&me.rc, receiver_hello);
	while (at < me.first.len) {
		size_t left = me.first.len - at;
		size_t n = left < CHANNEL_INPUT_MAX ? left : CHANNEL_INPUT_MAX;

		me.rc.role->input(me.first.data + at, n);
		at += n;
	}
	mqbuf_fini(&me.first);
}

static void
on_input(const void *data, size_t len)
{
	struct mqchan_hello h = {.role = MQCHAN_ROLE_SENDER};
	struct mqframe f;
	size_t used;

	mqbuf_put(&me.first, data, len);
	if (me.first.err != MQI_OK) {
		run_channel_finish(&me.rc, me.first.err,
		    "no memory for the partner's first bytes");
		return;
	}
	switch (mqframe_parse(me.first.data, me.first.len, &f, &used)) {
	case MQFRAME_MORE:
		return;
	case MQFRAME_OK:
		/* what it is not, the machine says */
		if (mqchan_decode_hello(&f, &h) != MQI_OK)
			h.role = MQCHAN_ROLE_SENDER;
		break;
	case MQFRAME_BAD:
		break;
	}
	choose_role(h.role == MQCHAN_ROLE_RECEIVER);
}

static void
on_up(void)
{
	char text[CHANNEL_TEXT_LEN];
	enum mqi_err err = run_channel_peer(&me.rc, text);

	if (err != MQI_OK)
		run_channel_finish(&me.rc, err, text);
}

int
run_answer(const struct run_args *args)
{
	char why[CHANNEL_TEXT_LEN] = "the socket cannot be used";
	enum mqi_err err;

	mqbuf_init(&me.first,
	    MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD + CHANNEL_INPUT_MAX);
	(void)snprintf(
	    me.rc.conname, sizeof(me.rc.conname), "%s", args->address);
	err = run_channel_init(&me.rc, args, on_up, on_input);
	if (err != MQI_OK)
		return RUN_FAILED;
	certs_init(&me.rc.certs, args->address, args->keys, args->label,
	    args->lets.old_tls ? MQCIPHER_ANY_TLS12_OR_HIGHER : "");
	me.rc.certs.partner_optional = args->lets.no_cert;
	err = certs_load(&me.rc.certs, why);
	if (err == MQI_OK)
		err = sandbox_enter(SANDBOX_SERVING, why);
	if (err == MQI_OK)
		err = run_channel_link(&me.rc, args->fd, true);
	if (err != MQI_OK)
		run_channel_finish(&me.rc, err, why);
	return run_loop(&me.rc.run);
}
