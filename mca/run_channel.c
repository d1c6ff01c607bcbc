/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_channel.c - a channel's process, whichever end and role it has
 * (run_channel.h).
 *
 * Neighbours: run.c has the loop, link.c the socket; run_dial.c and
 * run_answer.c bring the link up and choose the role; run_sender.c and
 * run_receiver.c have the machines and their requests.
 *
 * Happy path: link, role, machine; then each turn lets the role work, writes
 * what its machine has to say, and tells the queue manager of a new state.
 *
 * Failure modes: everything ends in run_channel_finish(): a line that says
 * what and from whom, the last status, the partner told, RUN_FAILED unless the
 * channel ended cleanly.
 */
#include "mca/run_channel.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "mca/netlimit.h"

#define FINISH_MS 2000u
/* Substates change all the time; one that lasts so long is told for itself,
 * others with what else is told.  A heartbeat's answer takes less. */
#define SUBSTATE_MS 1000u

static struct run_channel *
of(struct run *r)
{
	return MQ_CONTAINER_OF(r, struct run_channel, run);
}

/* ---- the end ---- */

static int
exit_status(enum mqi_err reason)
{
	if (reason == MQI_OK)
		return RUN_DONE;
	return reason == MQI_E_CALLS_BACK ? RUN_CALLED_BACK : RUN_FAILED;
}

static void
log_end(const struct run_channel *rc, enum mqi_err reason, const char *text)
{
	bool clean = exit_status(reason) != RUN_FAILED;
	struct mqlog_line l;

	mqlog_begin(&l, clean ? MQLOG_INFO : MQLOG_WARN,
	    clean ? "channel.end" : "channel.failed");
	mqlog_str(&l, "channel", rc->name);
	mqlog_str(&l, "conname", rc->conname);
	mqlog_str(&l, "partner", rc->partner);
	if (rc->c != NULL && rc->c->partner.qmgr[0] != '\0')
		mqlog_str(&l, "qmgr", rc->c->partner.qmgr);
	if (rc->c != NULL)
		mqlog_uint(&l, "msgs", rc->c->stats.msgs);
	if (!clean)
		mqlog_uint(&l, "reason", (uint64_t)reason);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
}

void
run_channel_finish(
    struct run_channel *rc, enum mqi_err reason, const char *text)
{
	struct run *r = &rc->run;

	if (r->ended)
		return;
	rc->reason = reason;
	(void)snprintf(rc->ended, sizeof(rc->ended), "%s", text);
	if (reason != MQI_OK)
		(void)snprintf(rc->error, sizeof(rc->error), "%s", text);
	log_end(rc, reason, text);
	run_tell(r);
	if (rc->link != NULL && !r->local_gone) {
		if (rc->c != NULL)
			link_write(rc->link, rc->c->out.data, rc->c->out.len);
		link_finish(rc->link, FINISH_MS);
	}
	run_flush_local(r);
	run_end(r, exit_status(reason));
}

/* ---- events of the link ---- */

static void
on_up(void *arg)
{
	struct run_channel *rc = arg;

	rc->up();
}

static void
on_input(void *arg, const void *data, size_t len)
{
	struct run_channel *rc = arg;

	if (rc->c != NULL)
		channel_clock(rc->c, run_now_ms());
	if (rc->role != NULL)
		rc->role->input(data, len);
	else
		rc->input(data, len);
}

static void
on_down(void *arg, enum mqi_err reason, const char *text)
{
	struct run_channel *rc = arg;

	/* the partner's own words, if they came, say more */
	if (rc->c != NULL)
		channel_cut(rc->c, reason, "%s", text);
	else
		run_channel_finish(rc, reason, text);
}

static bool
link_wants_input(void *arg)
{
	struct run_channel *rc = arg;

	return rc->role == NULL || rc->role->wants_input();
}

enum mqi_err
run_channel_link(struct run_channel *rc, int fd, bool server)
{
	const struct link_events events = {.up = on_up,
	    .input = on_input,
	    .down = on_down,
	    .wants_input = link_wants_input,
	    .arg = rc};

	rc->linked_ms = run_now_ms();
	return link_new(
	    &rc->run.loop, fd, rc->certs.tls, server, &events, &rc->link);
}

/* ---- who the partner is ---- */

enum mqi_err
run_channel_peer(struct run_channel *rc, char *text)
{
	enum mqi_err err = certs_partner(&rc->certs, link_tls(rc->link), text);

	if (err == MQI_OK)
		(void)snprintf(rc->partner, sizeof(rc->partner), "%s",
		    rc->certs.partner.subject);
	return err;
}

void
run_channel_identity(
    const struct run_channel *rc, char ret[CHANNEL_IDENTITY_LEN])
{
	/* no subject is without a '=' */
	if (rc->partner[0] != '\0')
		(void)snprintf(ret, CHANNEL_IDENTITY_LEN, "%s", rc->partner);
	else
		(void)snprintf(
		    ret, CHANNEL_IDENTITY_LEN, "(user %s)", rc->user);
}

enum mqi_err
run_channel_match(struct run_channel *rc, const char *pattern, char *text)
{
	char why[MQTLS_WHY_LEN];
	bool match = false;
	enum mqi_err err;

	if (pattern[0] == '\0') {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "channel %s has no SSLPEER, so nobody may use it",
		    rc->name);
		return MQI_E_CHANNEL_CONFIG;
	}
	err = mqtls_peer_match(link_tls(rc->link), pattern, &match, why);
	if (err != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN, "channel %s: %.400s",
		    rc->name, why);
		return err;
	}
	if (!match) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the partner is refused: its certificate %.180s does not "
		    "fit SSLPEER(%.180s) of channel %s",
		    rc->partner, pattern, rc->name);
		return MQI_E_NOT_AUTHORIZED;
	}
	return MQI_OK;
}

struct admit_caller
run_channel_caller(const struct run_channel *rc, const char *qmgr)
{
	return (struct admit_caller){.channel = rc->name,
	    .address = rc->conname,
	    .subject = rc->certs.partner.subject,
	    .issuer = rc->certs.partner.issuer,
	    .qmgr = qmgr,
	    .user = ""};
}

static enum mqi_err
ask(struct run_channel *rc, const char *qmgr, char *ret_user, char *text)
{
	const struct admit_caller who = run_channel_caller(rc, qmgr);

	return admit(&rc->run, &who, ret_user, text);
}

enum mqi_err
run_channel_admit(struct run_channel *rc, const char *qmgr, char *text)
{
	return ask(rc, qmgr, rc->user, text);
}

/* One that has called, by the definition of now. */
static enum mqi_err
sslcauth_again(struct run_channel *rc, char *text)
{
	struct mqctl_list row;
	enum mqi_err err =
	    run_display(&rc->run, MQCTL_CHANNEL, rc->name, &row, text);

	if (err != MQI_OK)
		return err;
	err =
	    run_check_sslcauth(&row, mqtls_has_peer(link_tls(rc->link)), text);
	mqctl_list_fini(&row);
	return err;
}

/* One that was admitted, by the records of now. */
static enum mqi_err
admit_again(struct run_channel *rc, char *text)
{
	char user[MQATTR_USER_LEN + 1];
	enum mqi_err err = sslcauth_again(rc, text);

	if (err == MQI_OK)
		err = ask(rc, rc->c->partner.qmgr, user, text);
	if (err != MQI_OK || strcmp(user, rc->user) == 0)
		return err;
	(void)snprintf(text, CHANNEL_TEXT_LEN,
	    "the partner is another user now: begin again");
	return MQI_E_NOT_AUTHORIZED;
}

/* One that we have called, by the definition of now. */
static enum mqi_err
match_again(struct run_channel *rc, char *text)
{
	struct mqctl_list row;
	enum mqi_err err =
	    run_display(&rc->run, MQCTL_CHANNEL, rc->name, &row, text);

	if (err != MQI_OK)
		return err;
	err = run_channel_match(rc, run_get(&row, "SSLPEER"), text);
	mqctl_list_fini(&row);
	return err;
}

/* ---- the loop's events ---- */

static void
told(struct run_channel *rc)
{
	const struct channel *c = rc->c;

	bool sends = c->role == MQCHAN_ROLE_SENDER;

	if (channel_state(c) == CHANNEL_RUNNING &&
	    (rc->told == CHANNEL_BINDING || rc->told == CHANNEL_REQUESTING)) {
		mqlog(MQLOG_INFO, "channel.running",
		    "channel %s %s %s at %s (%s), %s", rc->name,
		    sends ? "to" : "from", c->partner.qmgr, rc->conname,
		    rc->partner, mqtls_cipher(link_tls(rc->link)));
		run_keep_alive(link_fd(rc->link), c->def.keep_alive_s,
		    c->def.heartbeat_ms);
		netlimit_check(link_fd(rc->link), sends, rc->name);
	}
	rc->told = channel_state(c);
	run_tell(&rc->run);
}

static bool
turn(struct run *r)
{
	struct run_channel *rc = of(r);
	struct channel *c = rc->c;
	bool moved;

	if (rc->role == NULL || r->ended)
		return false;
	channel_clock(c, run_now_ms());
	moved = rc->role->turn();
	link_update(rc->link);
	if (channel_state(c) == CHANNEL_ENDED) {
		run_channel_finish(rc, c->reason, c->text);
		return false;
	}
	moved = moved || c->out.len > 0;
	channel_pack(c);
	link_write(rc->link, c->out.data, c->out.len);
	channel_drained(c);
	if (channel_state(c) != rc->told)
		told(rc);
	return moved;
}

static void
tick(struct run *r, uint64_t now_ms)
{
	struct run_channel *rc = of(r);

	if (rc->role == NULL) {
		if (rc->link != NULL &&
		    now_ms - rc->linked_ms >= CHANNEL_HELLO_MS)
			run_channel_finish(rc, MQI_E_CHANNEL_NOT_AVAILABLE,
			    "the partner did not say who it is within 10 s");
		return;
	}
	if (run_check_certs(rc->c, &rc->certs))
		rc->role->stop();
	rc->role->tick(now_ms);
}

static enum channel_substate
substate(const struct run_channel *rc)
{
	if (rc->ended[0] != '\0')
		return CHANNEL_AT_NOTHING;
	if (rc->role == NULL)
		return rc->at;
	if (!channel_is_binding(rc->c) && link_pending(rc->link) > 0)
		return CHANNEL_AT_SEND;
	return rc->role->substate();
}

/* When the substate of now is to be told. */
static uint64_t
substate_due(struct run_channel *rc)
{
	uint64_t since;

	if (substate(rc) != rc->substate) {
		rc->substate = substate(rc);
		rc->substate_ms = rc->c->now_ms;
	}
	if (rc->substate == rc->told_substate || rc->run.conn == NULL)
		return UINT64_MAX;
	since = rc->substate_ms > rc->run.status_ms ? rc->substate_ms
						    : rc->run.status_ms;
	return since + SUBSTATE_MS;
}

static uint64_t
due(struct run *r)
{
	struct run_channel *rc = of(r);
	uint64_t first, other;

	if (rc->role == NULL)
		return rc->link != NULL ? rc->linked_ms + CHANNEL_HELLO_MS
					: UINT64_MAX;
	first = rc->role->due();
	other = run_certs_due(&rc->certs);
	if (other < first)
		first = other;
	other = substate_due(rc);
	return other < first ? other : first;
}

static bool
changed(struct run *r)
{
	struct run_channel *rc = of(r);

	if (rc->c == NULL)
		return false;
	return memcmp(&rc->c->stats, &rc->told_stats, sizeof(rc->told_stats)) !=
		   0 ||
	       (rc->substate != rc->told_substate &&
		   run_now_ms() >= rc->substate_ms + SUBSTATE_MS);
}

static void
stop(struct run *r)
{
	struct run_channel *rc = of(r);

	rc->stopping = true;
	if (rc->role != NULL)
		rc->role->stop();
	else
		run_channel_finish(rc, MQI_OK, "stopped");
}

/* REFRESH SECURITY: the partner is judged anew, by the files, the records and
 * the definition of now; the connection stays if it may. */
static void
refresh(struct run *r)
{
	struct run_channel *rc = of(r);
	char text[CHANNEL_TEXT_LEN];
	enum mqi_err err;

	/* one that has begun just now reads what is there */
	if (rc->c == NULL || channel_state(rc->c) == CHANNEL_ENDED)
		return;
	err = certs_refresh(&rc->certs, link_tls(rc->link), text);
	if (err == MQI_OK)
		err = rc->user[0] != '\0' ? admit_again(rc, text)
					  : match_again(rc, text);
	if (err != MQI_OK)
		channel_fail(rc->c, err, 0, 0, "%s", text);
}

static bool
wants_local(struct run *r)
{
	struct run_channel *rc = of(r);

	return rc->role == NULL || rc->role->wants_local();
}

static void
status_link(const struct run_channel *rc, struct mqctl_list *l)
{
	char address[128];

	run_status_str(l, "cipher", mqtls_cipher(link_tls(rc->link)));
	run_status_str(l, "protocol", mqtls_version(link_tls(rc->link)));
	link_local_address(link_fd(rc->link), address, sizeof(address));
	run_status_str(l, "local_address", address);
	run_status_uint(l, "rtt_us", netlimit_rtt_us(link_fd(rc->link)));
}

static void
status(struct run *r, struct mqctl_list *l)
{
	struct run_channel *rc = of(r);

	if (rc->c != NULL) {
		run_status_channel(l, rc->c);
		rc->told_stats = rc->c->stats;
	} else {
		run_status_str(l, "state", rc->state);
		run_status_str(l, "error", rc->error);
	}
	rc->told_substate = substate(rc);
	run_status_str(l, "substate", channel_substate_name(rc->told_substate));
	run_status_str(l, "conname", rc->conname);
	if (rc->partner[0] != '\0') {
		run_status_str(l, "partner_name", rc->partner);
		run_status_str(l, "issuer", rc->certs.partner.issuer);
	}
	if (rc->role != NULL) /* there is a handshake behind it */
		status_link(rc, l);
	if (rc->role != NULL && rc->role->status != NULL)
		rc->role->status(l);
	if (rc->call_back)
		run_status_str(l, "call_back", "yes");
}

static const struct run_kind kind = {.turn = turn,
    .tick = tick,
    .due = due,
    .changed = changed,
    .stop = stop,
    .refresh = refresh,
    .wants_local = wants_local,
    .status = status};

enum mqi_err
run_channel_init(struct run_channel *rc, const struct run_args *args,
    void (*up)(void), void (*input)(const void *data, size_t len))
{
	const struct passwd *pw = getpwuid(geteuid());

	rc->up = up;
	rc->input = input;
	if (pw != NULL)
		(void)snprintf(
		    rc->own_user, sizeof(rc->own_user), "%s", pw->pw_name);
	rc->state = "INITIALIZING";
	rc->told = CHANNEL_ENDED; /* nothing told yet */
	return run_init(&rc->run, args, &kind);
}

void
run_channel_begin(
    struct run_channel *rc, const struct run_role *role, struct channel *c)
{
	MQ_PRE(rc->role == NULL);
	rc->role = role;
	rc->c = c;
	rc->told = channel_state(c);
	if (rc->stopping)
		role->stop();
}
