/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_dial.c - `mca dial`: the end of a channel that connects to the other:
 * a sender (SDR, SVR with a CONNAME), or a requester (RQSTR).  `mca ping` does
 * the same, but for the messages; `mca ask` is a sender that has asked for the
 * partner's position, and sends nothing.
 *
 * Neighbours: run_channel.c has the process; run_sender.c and run_receiver.c
 * the roles.
 *
 * Happy path: connect to the queue manager, read the definition, open the
 * stream (a sender), dial, TLS, compare the partner's certificate with
 * SSLPEER, then the role's machine runs.
 *
 * The stream is opened before anything is dialled, so a queue that another
 * sender still holds costs no connection.  A requester whose partner calls
 * back ends with RUN_CALLED_BACK: its channel is REQUESTING until then.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/dial.h"
#include "base/dn.h"
#include "mca/run_channel.h"
#include "mca/sandbox.h"

#define DIAL_MS 10000u

static struct {
	struct run_channel rc;
	bool requests; /* RQSTR: the partner has the messages */
	struct sender_def sender;
	struct receiver_def receiver;
	char user[MQATTR_USER_LEN + 1];  /* RQSTR: in whose name it puts */
	char peer[CHANNEL_IDENTITY_LEN]; /* SSLPEER */
	char xmitq[MQI_NAME_LEN + 1];
	char label[MQNAME_LABEL_LEN + 1];    /* CERTLABL */
	char ciphers[MQCIPHER_NAME_LEN + 1]; /* SSLCIPH */
} me;

static void
on_up(void)
{
	char text[CHANNEL_TEXT_LEN];
	enum mqi_err err = run_channel_peer(&me.rc, text);

	if (err == MQI_OK)
		err = run_channel_match(&me.rc, me.peer, text);
	if (err != MQI_OK) {
		run_channel_finish(&me.rc, err, text);
		return;
	}
	if (me.rc.run.args->ping) {
		run_ping_dialled(&me.rc,
		    me.requests ? &me.receiver.def : &me.sender.def,
		    me.requests ? MQCHAN_ROLE_RECEIVER : MQCHAN_ROLE_SENDER);
	} else if (me.requests) {
		(void)snprintf(me.receiver.identity,
		    sizeof(me.receiver.identity), "%s", me.rc.partner);
		run_receiver_dialled(&me.rc, &me.receiver);
	} else {
		(void)snprintf(me.sender.identity, sizeof(me.sender.identity),
		    "%s", me.rc.partner);
		run_sender_dialled(&me.sender);
	}
}

static void
on_input(const void *data, size_t len)
{
	(void)data;
	(void)len;
	MQ_UNREACHABLE(); /* the machine lives since on_up */
}

/* ---- the start ---- */

static enum mqi_err
take_definition(const struct mqctl_list *row, char *text)
{
	const char *type = run_get(row, "CHLTYPE");
	char why[MQDN_WHY_LEN];

	me.requests = strcmp(type, "RQSTR") == 0;
	(void)snprintf(me.rc.conname, sizeof(me.rc.conname), "%s",
	    run_get(row, "CONNAME"));
	(void)snprintf(me.xmitq, sizeof(me.xmitq), "%s", run_get(row, "XMITQ"));
	(void)snprintf(me.peer, sizeof(me.peer), "%s", run_get(row, "SSLPEER"));
	(void)snprintf(
	    me.label, sizeof(me.label), "%s", run_get(row, "CERTLABL"));
	(void)snprintf(
	    me.ciphers, sizeof(me.ciphers), "%s", run_get(row, "SSLCIPH"));
	if (me.requests)
		run_receiver_def(&me.rc, row, &me.receiver);
	else
		run_sender_def(&me.rc, row, &me.sender);
	if (strcmp(type, "RCVR") == 0 || me.rc.conname[0] == '\0') {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s of type %s without a CONNAME does not dial",
		    me.rc.name, type);
		return MQI_E_CHANNEL_CONFIG;
	}
	if (me.requests && !me.rc.run.args->ping && me.user[0] == '\0') {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s of type RQSTR needs an MCAUSER, in whose name "
		    "it puts messages",
		    me.rc.name);
		return MQI_E_CHANNEL_CONFIG;
	}
	if (me.requests && me.rc.run.args->ask) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s takes messages", me.rc.name);
		return MQI_E_CHANNEL_CONFIG;
	}
	if (mqdn_check(me.peer, why) != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s needs an SSLPEER that can be read: %.400s",
		    me.rc.name, me.peer[0] != '\0' ? why : "it is blank");
		return MQI_E_CHANNEL_CONFIG;
	}
	return MQI_OK;
}

static enum mqi_err
read_definition(char *text)
{
	struct mqctl_list row;
	enum mqi_err err =
	    run_display(&me.rc.run, MQCTL_CHANNEL, me.rc.name, &row, text);

	if (err != MQI_OK)
		return err;
	err = take_definition(&row, text);
	mqctl_list_fini(&row);
	return err;
}

/* As its MCAUSER, if it takes messages: the partner's rights are that user's.
 * What is wrong with the definition is told when there is a connection. */
static enum mqi_err
connect_as_user(char *text)
{
	struct mqctl_list row;
	enum mqi_err err = run_ask(&me.rc.run, text);

	if (err != MQI_OK)
		return err;
	if (run_display(&me.rc.run, MQCTL_CHANNEL, me.rc.name, &row, text) ==
	    MQI_OK) {
		if (strcmp(run_get(&row, "CHLTYPE"), "RQSTR") == 0)
			(void)snprintf(me.user, sizeof(me.user), "%s",
			    run_get(&row, "MCAUSER"));
		mqctl_list_fini(&row);
	}
	run_ask_end(&me.rc.run);
	return run_connect_as(&me.rc.run, me.rc.name, "", me.user, text);
}

static void
tell_state(const char *state, enum channel_substate at)
{
	me.rc.state = state;
	me.rc.at = at;
	run_tell(&me.rc.run);
	run_flush_local(&me.rc.run);
}

static enum mqi_err
start(char *text)
{
	char keys[PATH_MAX], qmgr_label[MQNAME_LABEL_LEN + 1];
	bool ping = me.rc.run.args->ping, ask = me.rc.run.args->ask;
	int fd = -1;
	enum mqi_err err = ping || ask ? run_connect(&me.rc.run, "", "", text)
				       : connect_as_user(text);

	if (err != MQI_OK)
		return err;
	tell_state("INITIALIZING", CHANNEL_AT_NOTHING);
	err = read_definition(text);
	if (err == MQI_OK)
		err = run_key_dir(&me.rc.run, keys, qmgr_label, text);
	if (err == MQI_OK) {
		certs_init(&me.rc.certs, me.rc.name, keys,
		    me.label[0] != '\0' ? me.label : qmgr_label, me.ciphers);
		err = certs_load(&me.rc.certs, text);
	}
	if (err == MQI_OK && !me.requests && !ping)
		err = run_sender_open(&me.rc, me.xmitq, text);
	if (err != MQI_OK)
		return err;
	tell_state("BINDING", CHANNEL_AT_NETCONNECT);
	err = sandbox_enter(SANDBOX_DIALLING, text);
	if (err == MQI_OK)
		err = mqdial(me.rc.conname, DIAL_MS, text, &fd);
	if (err != MQI_OK)
		return err;
	tell_state("BINDING", CHANNEL_AT_SSLHANDSHK);
	err = sandbox_enter(SANDBOX_LINKED, text);
	if (err != MQI_OK)
		return err;
	err = run_channel_link(&me.rc, fd, false);
	if (err != MQI_OK)
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the connection cannot be used: %s", mqi_strerror(err));
	return err;
}

int
run_dial(const struct run_args *args)
{
	char text[CHANNEL_TEXT_LEN] = "";
	enum mqi_err err;
	int status;

	_Static_assert(CHANNEL_TEXT_LEN >= MQDIAL_TEXT_LEN, "text");
	(void)snprintf(me.rc.name, sizeof(me.rc.name), "%s", args->channel);
	err = run_channel_init(&me.rc, args, on_up, on_input);
	if (err != MQI_OK)
		return RUN_FAILED;
	err = start(text);
	if (err != MQI_OK)
		run_channel_finish(&me.rc, err, text);
	status = run_loop(&me.rc.run);
	if (args->ask)
		run_sender_close();
	if (args->ping || args->ask)
		run_ping_say(&me.rc);
	return status;
}
