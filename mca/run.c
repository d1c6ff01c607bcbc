/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the agents' common loop (run.h).
 *
 * Everything that happens in a turn of the loop is worked off right before it
 * sleeps again (uv_prepare): what the machine wants to send is sent, what the
 * queue manager has said is read, until nothing moves any more.  So no call
 * from libuv runs another's work, and one turn's messages share their writes.
 *
 * Happy path: run_init, run_connect, the kind's own start, run_loop.
 *
 * Failure modes: the queue manager's socket ends: the agent ends at once and
 * sends nothing more (local_gone); everything else ends by run_end() after a
 * last status with the reason.
 */
#include "mca/run.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "base/sock.h"

#define TICK_MS 100u
#define STATUS_MS 1000u
#define FLUSH_MS 1000u
#define AUTO_KEEP_ALIVE_S 60u /* and HBINT */

uint64_t
run_now_ms(void)
{
	return mqclock_mono_us() / 1000;
}

bool
run_check_certs(struct channel *c, struct certs *certs)
{
	switch (certs_tick(certs, (int64_t)(mqclock_wall_us() / 1000000))) {
	case CERTS_EXPIRED:
		channel_fail(c, MQI_E_CERTIFICATE, 0, 0,
		    "the certificate of one of the ends has expired");
		return false;
	case CERTS_REPLACED:
		mqlog(MQLOG_INFO, "certificate.replaced",
		    "channel %s begins again with its new certificate",
		    certs->name);
		return true;
	case CERTS_GOOD:
		break;
	}
	return false;
}

uint64_t
run_certs_due(const struct certs *certs)
{
	int64_t s = certs_due(certs, (int64_t)(mqclock_wall_us() / 1000000));

	return run_now_ms() / 1000 * 1000 + (uint64_t)s * 1000;
}

void
run_end(struct run *r, int status)
{
	if (r->ended)
		return;
	r->ended = true;
	r->status = status;
	uv_stop(&r->loop);
}

/* The queue manager is gone, and so are we. */
static void
local_gone(struct run *r, enum mqi_err err)
{
	if (r->local_gone)
		return;
	r->local_gone = true;
	if (!r->ended)
		mqlog(MQLOG_WARN, "agent.end", "the queue manager is gone: %s",
		    mqi_strerror(err));
	run_end(r, RUN_FAILED);
}

static void on_local(uv_poll_t *handle, int status, int events);
static void set_timer(struct run *r);

/* Reads and writes the local socket; polls for what is needed next. */
static void
serve_local(struct run *r)
{
	bool want_write = false, reading;
	int events = UV_DISCONNECT;
	enum mqi_err err;

	if (r->conn == NULL || r->local_gone)
		return;
	reading = r->kind->wants_local(r);
	err = reading ? mqagent_dispatch(r->conn, &want_write)
		      : mqagent_write(r->conn, &want_write);
	if (err != MQI_OK) {
		local_gone(r, err);
		return;
	}
	events |= (reading ? UV_READABLE : 0) | (want_write ? UV_WRITABLE : 0);
	if (events == r->local_events)
		return;
	r->local_events = events;
	if (uv_poll_start(&r->local, events, on_local) != 0)
		local_gone(r, MQI_E_RESOURCE_PROBLEM);
}

static void
on_local(uv_poll_t *handle, int status, int events)
{
	struct run *r = handle->data;

	/* the turn does the work, unless it does not want to read */
	if (status != 0 ||
	    ((events & UV_DISCONNECT) != 0 && !r->kind->wants_local(r)))
		local_gone(r, MQI_E_CONNECTION_BROKEN);
}

static size_t
local_pending(const struct run *r)
{
	return r->conn != NULL && !r->local_gone ? mqagent_pending(r->conn) : 0;
}

static void
on_prepare(uv_prepare_t *handle)
{
	struct run *r = handle->data;
	bool more = true;

	/* ends: what the queue manager gives is bounded by credit, and the
	 * partner's bytes are read only by the loop */
	while (more && !r->ended) {
		size_t before;

		serve_local(r);
		if (r->stop_asked && !r->stop_told) {
			r->stop_told = true;
			r->kind->stop(r);
		}
		if (r->refresh_asked && !r->ended) {
			r->refresh_asked = false;
			r->kind->refresh(r);
		}
		before = local_pending(r);
		more = !r->ended && r->kind->turn(r);
		more = more || local_pending(r) > before;
	}
	if (!r->ended)
		set_timer(r);
}

void
run_status_str(struct mqctl_list *l, const char *keyword, const char *value)
{
	if (mqctl_list_add(l, keyword, value) != MQI_OK)
		mqlog(MQLOG_WARN, "agent.status", "%s does not fit", keyword);
}

void
run_status_uint(struct mqctl_list *l, const char *keyword, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	run_status_str(l, keyword, text);
}

/* How much compression has saved, in percent. */
static uint64_t
channel_rate(const struct channel_stats *s)
{
	if (s->packed_bytes >= s->raw_bytes)
		return 0;
	return 100 -
	       (uint64_t)((double)s->packed_bytes * 100 / (double)s->raw_bytes);
}

static uint32_t
keep_alive_s(int64_t keep_alive, uint32_t heartbeat_ms)
{
	return keep_alive < 0 ? heartbeat_ms / 1000 + AUTO_KEEP_ALIVE_S
			      : (uint32_t)keep_alive;
}

void
run_status_channel(struct mqctl_list *l, const struct channel *c)
{
	enum channel_state state = channel_state(c);

	if (state != CHANNEL_ENDED)
		run_status_str(l, "state", channel_state_name(c));
	run_status_uint(l, "msgs", c->stats.msgs);
	run_status_uint(l, "bytes", c->stats.bytes);
	run_status_uint(l, "batches", c->stats.batches);
	/* before it knows better, what was told last counts */
	if (state == CHANNEL_RUNNING || c->stats.current_number > 0) {
		run_status_uint(l, "last_number", c->stats.last_number);
		run_status_uint(l, "current_number", c->stats.current_number);
	}
	run_status_str(l, "compmsg",
	    mqcompress_name(
		c->pack != NULL ? pack_how(c->pack) : MQCOMPRESS_NONE));
	run_status_uint(l, "comprate", channel_rate(&c->stats));
	run_status_uint(l, "sent_bytes", c->wire.sent_bytes);
	run_status_uint(l, "sent_buffers", c->wire.sent_buffers);
	run_status_uint(l, "received_bytes", c->wire.received_bytes);
	run_status_uint(l, "received_buffers", c->wire.received_buffers);
	if (c->greeted) {
		run_status_uint(l, "heartbeat_s", c->def.heartbeat_ms / 1000);
		run_status_uint(l, "batch_size", c->def.batch_size);
		run_status_uint(l, "keep_alive_s",
		    keep_alive_s(c->def.keep_alive_s, c->def.heartbeat_ms));
		run_status_str(l, "npm_speed",
		    c->def.options.npm_fast && c->theirs.npm_fast ? "FAST"
								  : "NORMAL");
		run_status_str(l, "product", c->theirs.product);
	}
	if (c->partner.qmgr[0] != '\0')
		run_status_str(l, "partner_qmgr", c->partner.qmgr);
	if (state == CHANNEL_ENDED && c->reason != MQI_OK)
		run_status_str(l, "error", c->text);
	else
		run_status_str(l, "error", "");
}

void
run_tell(struct run *r)
{
	struct mqctl_list *l;

	if (r->conn == NULL || r->local_gone || r->kind->status == NULL)
		return;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	mqctl_list_init(l);
	r->kind->status(r, l);
	if (mqagent_status(r->conn, l) == MQI_OK)
		r->status_ms = run_now_ms();
	mqctl_list_fini(l);
	free(l);
}

static bool
status_is_old(const struct run *r, uint64_t now_ms)
{
	return now_ms - r->status_ms >= STATUS_MS;
}

static void
on_timer(uv_timer_t *t)
{
	struct run *r = t->data;
	uint64_t now = run_now_ms();

	r->timer_ms = UINT64_MAX;
	r->kind->tick(r, now);
	if (status_is_old(r, now) &&
	    (r->kind->changed == NULL || r->kind->changed(r)))
		run_tell(r);
}

/* An agent that has nothing to do is not woken before something is due. */
static void
set_timer(struct run *r)
{
	uint64_t now = run_now_ms();
	uint64_t due = r->timer_ms == UINT64_MAX ? now + TICK_MS : r->timer_ms;
	int rc;

	if (r->kind->due != NULL) {
		due = r->kind->due(r);
		if (r->kind->changed(r) && due > r->status_ms + STATUS_MS)
			due = r->status_ms + STATUS_MS;
	}
	if (due == r->timer_ms)
		return;
	r->timer_ms = due;
	if (due == UINT64_MAX) {
		uv_timer_stop(&r->timer);
		return;
	}
	uv_update_time(&r->loop);
	rc = uv_timer_start(&r->timer, on_timer, due > now ? due - now : 0, 0);
	MQ_INVARIANT(rc == 0);
}

static void
on_term(uv_signal_t *s, int signum)
{
	struct run *r = s->data;

	(void)signum;
	r->stop_asked = true;
}

static void
on_order(void *arg, const struct mqctl_list *order)
{
	struct run *r = arg;
	const char *what = mqctl_list_get(order, "order");

	if (what != NULL && strcmp(what, "stop") == 0)
		r->stop_asked = true; /* in the turn: no callback here */
	else if (what != NULL && strcmp(what, "refresh") == 0)
		r->refresh_asked = true;
	else if (r->kind->order == NULL || !r->kind->order(r, order))
		mqlog(MQLOG_WARN, "agent.order", "unknown order %s",
		    what != NULL ? what : "");
}

enum mqi_err
run_init(
    struct run *r, const struct run_args *args, const struct run_kind *kind)
{
	memset(r, 0, sizeof(*r));
	r->args = args;
	r->kind = kind;
	r->timer_ms = UINT64_MAX;
	MQ_PRE((kind->due == NULL) == (kind->changed == NULL));
	r->prepare.data = r->timer.data = r->term.data = r->local.data = r;
	(void)signal(SIGPIPE, SIG_IGN);
	if (uv_loop_init(&r->loop) != 0 ||
	    uv_prepare_init(&r->loop, &r->prepare) != 0 ||
	    uv_prepare_start(&r->prepare, on_prepare) != 0 ||
	    uv_timer_init(&r->loop, &r->timer) != 0 ||
	    uv_signal_init(&r->loop, &r->term) != 0 ||
	    uv_signal_start(&r->term, on_term, SIGTERM) != 0)
		return MQI_E_RESOURCE_PROBLEM;
	return MQI_OK;
}

static enum mqi_err
connect_to(struct run *r, const char *channel, const char *address,
    const char *user, char *text)
{
	struct mqagent_opts opts = {.root = r->args->root,
	    .app_name = "mca",
	    .channel = channel,
	    .address = address,
	    .user = user,
	    .timeout_ms = 10000};
	enum mqi_err err = mqagent_connect(r->args->qmgr, &opts, &r->conn);

	if (err != MQI_OK) {
		r->conn = NULL;
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "queue manager %s takes no connection: %s", r->args->qmgr,
		    mqi_strerror(err));
	}
	return err;
}

enum mqi_err
run_connect_as(struct run *r, const char *channel, const char *address,
    const char *user, char *text)
{
	enum mqi_err err = connect_to(r, channel, address, user, text);

	if (err != MQI_OK)
		return err;
	mqagent_on_order(r->conn, on_order, r);
	if (uv_poll_init(&r->loop, &r->local, mqagent_fd(r->conn)) != 0) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the local socket cannot be polled");
		return MQI_E_RESOURCE_PROBLEM;
	}
	return MQI_OK;
}

enum mqi_err
run_connect(struct run *r, const char *channel, const char *address, char *text)
{
	return run_connect_as(r, channel, address, "", text);
}

enum mqi_err
run_ask(struct run *r, char *text)
{
	MQ_PRE(r->conn == NULL);
	return connect_to(r, "", "", "", text);
}

void
run_ask_end(struct run *r)
{
	if (r->conn != NULL && mqi_disconnect(r->conn) != MQI_OK)
		mqlog(MQLOG_WARN, "agent.ask", "the connection broke");
	r->conn = NULL;
}

int
run_loop(struct run *r)
{
	while (!r->ended)
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	return r->status;
}

void
run_flush_local(struct run *r)
{
	uint64_t deadline = run_now_ms() + FLUSH_MS;

	while (r->conn != NULL && !r->local_gone &&
	       mqagent_pending(r->conn) > 0 && run_now_ms() < deadline) {
		struct pollfd p = {
		    .fd = mqagent_fd(r->conn), .events = POLLOUT};
		bool want_write;

		if (mqagent_dispatch(r->conn, &want_write) != MQI_OK)
			return;
		if (want_write)
			(void)poll(&p, 1, (int)TICK_MS);
	}
}

/* ---- definitions ---- */

struct first_row {
	struct mqctl_list *row;
	bool have;
	enum mqi_err err;
};

static void
take_row(void *arg, const struct mqctl_list *row)
{
	struct first_row *f = arg;

	if (f->have)
		return;
	f->have = true;
	for (uint32_t i = 0; i < row->n && f->err == MQI_OK; i++)
		f->err = mqctl_list_add(
		    f->row, row->pairs[i].keyword, row->pairs[i].value);
}

enum mqi_err
run_command(struct run *r, enum mqctl_verb verb, enum mqctl_noun noun,
    const char *name, const char *const *params, const struct run_rows *rows,
    char *text)
{
	struct mqctl_command *cmd = calloc(1, sizeof(*cmd));
	enum mqi_err err = MQI_OK;

	if (cmd == NULL)
		return MQI_E_NO_MEMORY;
	mqctl_list_init(&cmd->attrs);
	cmd->verb = verb;
	cmd->noun = noun;
	cmd->flags = verb == MQCTL_DISPLAY ? MQCTL_ALL : 0;
	(void)snprintf(cmd->name, sizeof(cmd->name), "%s", name);
	for (; params != NULL && *params != NULL && err == MQI_OK; params += 2)
		err = mqctl_list_add(&cmd->attrs, params[0], params[1]);
	if (err == MQI_OK)
		err = mqagent_command(
		    r->conn, cmd, rows->fn, rows->arg, text, CHANNEL_TEXT_LEN);
	mqctl_command_fini(cmd);
	free(cmd);
	return err;
}

enum mqi_err
run_display_each(struct run *r, enum mqctl_noun noun, const char *name,
    const char *const *params, mqagent_row_fn fn, void *arg, char *text)
{
	const struct run_rows rows = {.fn = fn, .arg = arg};

	return run_command(r, MQCTL_DISPLAY, noun, name, params, &rows, text);
}

enum mqi_err
run_display(struct run *r, enum mqctl_noun noun, const char *name,
    struct mqctl_list *ret, char *text)
{
	struct first_row first = {.row = ret};
	enum mqi_err err;

	mqctl_list_init(ret);
	err = run_display_each(r, noun, name, NULL, take_row, &first, text);
	if (err == MQI_OK)
		err = first.err;
	if (err == MQI_OK && !first.have) {
		(void)snprintf(
		    text, CHANNEL_TEXT_LEN, "%s is not defined", name);
		err = MQI_E_UNKNOWN_OBJECT;
	}
	if (err != MQI_OK)
		mqctl_list_fini(ret);
	return err;
}

const char *
run_get(const struct mqctl_list *l, const char *keyword)
{
	const char *v = mqctl_list_get(l, keyword);

	return v != NULL ? v : "";
}

uint64_t
run_get_uint(const struct mqctl_list *l, const char *keyword)
{
	return strtoull(run_get(l, keyword), NULL, 10);
}

int64_t
run_get_keep_alive(const struct mqctl_list *row)
{
	return strcmp(run_get(row, "KAINT"), "AUTO") == 0
		   ? -1
		   : (int64_t)run_get_uint(row, "KAINT");
}

void
run_keep_alive(int fd, int64_t keep_alive, uint32_t heartbeat_ms)
{
	mqsock_keep_alive(fd, keep_alive_s(keep_alive, heartbeat_ms));
}

enum mqi_err
run_key_dir(struct run *r, char *ret, char *ret_label, char *text)
{
	char escaped[MQNAME_ESCAPED_LEN];
	struct mqctl_list row;
	enum mqi_err err = run_display(r, MQCTL_QMGR, "", &row, text);
	const char *dir;
	char *root = NULL;

	if (err != MQI_OK)
		return err;
	(void)snprintf(
	    ret_label, MQNAME_LABEL_LEN + 1, "%s", run_get(&row, "CERTLABL"));
	dir = r->args->keys != NULL ? r->args->keys : run_get(&row, "SSLKEYR");
	if (dir[0] != '\0') {
		(void)snprintf(ret, PATH_MAX, "%s", dir);
	} else {
		err =
		    mqname_find_root(r->args->root, r->args->qmgr, &root, NULL);
		mqname_escape(r->args->qmgr, escaped);
		if (err == MQI_OK)
			(void)snprintf(
			    ret, PATH_MAX, "%s/%s/ssl", root, escaped);
		else
			(void)snprintf(text, CHANNEL_TEXT_LEN,
			    "the queue manager's directory is not found: %s",
			    mqi_strerror(err));
		free(root);
	}
	mqctl_list_fini(&row);
	return err;
}

struct lets_asked {
	bool of_applications;
	struct run_lets found;
};

static void
on_lets(void *arg, const struct mqctl_list *row)
{
	struct lets_asked *a = arg;
	const char *type = run_get(row, "CHLTYPE");
	struct mqcipher lets;

	if (strcmp(type, "SDR") == 0 ||
	    (strcmp(type, "SVRCONN") == 0) != a->of_applications)
		return;
	a->found.old_tls = a->found.old_tls ||
			   (mqcipher_find(run_get(row, "SSLCIPH"), &lets) &&
			       lets.tls12 != NULL);
	a->found.no_cert = a->found.no_cert ||
			   strcmp(run_get(row, "SSLCAUTH"), "OPTIONAL") == 0;
}

enum mqi_err
run_find_lets(
    struct run *r, bool of_applications, struct run_lets *ret, char *text)
{
	struct lets_asked a = {.of_applications = of_applications};
	enum mqi_err err =
	    run_display_each(r, MQCTL_CHANNEL, "*", NULL, on_lets, &a, text);

	if (err != MQI_OK && err != MQI_E_UNKNOWN_OBJECT)
		return err;
	*ret = a.found; /* none at all lets nothing in */
	return MQI_OK;
}

enum mqi_err
run_check_sslcauth(const struct mqctl_list *row, bool has_cert, char *text)
{
	/* an SDR, which is answered too, has no SSLCAUTH */
	if (has_cert || strcmp(run_get(row, "SSLCAUTH"), "OPTIONAL") == 0)
		return MQI_OK;
	(void)snprintf(text, CHANNEL_TEXT_LEN,
	    "the partner has shown no certificate, which the channel's "
	    "SSLCAUTH(REQUIRED) wants");
	return MQI_E_CERTIFICATE;
}

void
run_channel_def(struct run *r, const struct mqctl_list *row,
    const char *channel, struct channel_def *ret)
{
	struct mqcompress_list compmsg;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->channel, sizeof(ret->channel), "%s", channel);
	(void)snprintf(
	    ret->qmgr, sizeof(ret->qmgr), "%s", mqi_qmgr_name(r->conn));
	memcpy(ret->qmid, mqagent_qmid(r->conn), sizeof(ret->qmid));
	ret->heartbeat_ms = (uint32_t)(run_get_uint(row, "HBINT") * 1000);
	ret->keep_alive_s = run_get_keep_alive(row);
	ret->batch_size = (uint32_t)run_get_uint(row, "BATCHSZ");
	ret->max_msg_len = (uint32_t)run_get_uint(row, "MAXMSGL");
	if (mqcompress_parse(run_get(row, "COMPMSG"), &compmsg))
		ret->options.compmsg = mqcompress_encode(&compmsg);
	(void)snprintf(ret->options.product, sizeof(ret->options.product), "%s",
	    MQ_PRODUCT);
	ret->options.batch_interval_ms =
	    (uint32_t)run_get_uint(row, "BATCHINT");
	ret->options.batch_limit_kb = (uint32_t)run_get_uint(row, "BATCHLIM");
	ret->options.npm_fast = strcmp(run_get(row, "NPMSPEED"), "FAST") == 0;
	if (ret->batch_size == 0)
		ret->batch_size = 1;
	if (ret->max_msg_len == 0) /* IBM: as the queue manager's */
		ret->max_msg_len = MQI_MAX_BODY;
}
