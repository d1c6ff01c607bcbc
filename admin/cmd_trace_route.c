/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_trace_route.c - mqadmin trace-route: the way of a message to a queue, hop
 * by hop.
 *
 * A trace-route message (proto/trace.h) is put on the queue as any program
 * would put one, with the rights of who runs this.  Each queue manager that
 * puts it reports the hops so far; one that cannot sends an exception report,
 * with the reason and the hops.  What has come when it has arrived or failed,
 * or when the time is over, is shown.
 *
 * Reports come to a local queue that is defined when it is not there, told
 * apart by correlation id, and non-persistent; the message expires soon after
 * the time limit, so that nothing is left behind on the way.
 *
 * Failure: without any answer, what is known here: whether the message still
 * waits on the first transmission queue.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/cmd.h"
#include "base/clock.h"
#include "base/name.h"
#include "libmq/agent.h"
#include "proto/trace.h"

#define REPLY_QUEUE "TRACE.ROUTE.REPLY"
#define CONNECT_MS 10000
#define WAIT_S 10
#define MAX_WAIT_S 3600
#define LIFE_MS 10000 /* of the message, behind the time limit */

static const char help[] =
    "Usage: mqadmin trace-route QM QUEUE [--qmgr NAME] [--wait SECONDS] "
    "[--json]\n"
    "                           [--reply-queue NAME] [--root DIR]\n\n"
    "Sends a trace-route message from the queue manager QM to QUEUE and shows "
    "where\neach queue manager on the way has put it, and when.\n\n"
    "  --qmgr NAME         the queue manager that has QUEUE\n"
    "  --wait SECONDS      how long to wait for answers; default 10\n"
    "  --json              a JSON object per hop, and one for the result\n"
    "  --reply-queue NAME  where answers come; default " REPLY_QUEUE "\n"
    "  --root DIR          where queue managers are kept\n\n"
    "Exit status: 0 it arrived, 10 it did not, 20 nothing was tried.\n";

struct trace {
	mqi_conn *conn;
	const char *qmgr;
	const char *queue;
	const char *to_qmgr; /* or NULL */
	const char *reply_queue;
	int64_t wait_ms;
	bool json;
	mqi_queue *reply;
	uint8_t msg_id[MQI_ID_LEN];
	/* what has come */
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	uint32_t n;
	bool arrived;
	bool failed;
	uint32_t feedback;
	char failed_at[MQI_NAME_LEN + 1];
};

/* ---- asking ---- */

static void
no_row(void *arg, const struct mqctl_list *row)
{
	(void)arg;
	(void)row;
}

/* Defines the queue for answers. */
static enum mqi_err
define_reply(struct trace *t, char *text, size_t text_len)
{
	struct mqctl_command cmd = {.verb = MQCTL_DEFINE, .noun = MQCTL_QLOCAL};
	enum mqi_err err;

	mqctl_list_init(&cmd.attrs);
	(void)snprintf(cmd.name, sizeof(cmd.name), "%s", t->reply_queue);
	err = mqctl_list_add(
	    &cmd.attrs, "DESCR", "Answers to mqadmin trace-route");
	if (err == MQI_OK)
		err = mqagent_command(
		    t->conn, &cmd, no_row, NULL, text, text_len);
	mqctl_command_fini(&cmd);
	return err;
}

static enum mqi_err
open_reply(struct trace *t)
{
	char text[512] = "";
	enum mqi_err err = mqi_open(
	    t->conn, t->reply_queue, NULL, MQI_OO_INPUT_SHARED, &t->reply);

	if (err == MQI_E_UNKNOWN_OBJECT) {
		err = define_reply(t, text, sizeof(text));
		if (err == MQI_OK)
			err = mqi_open(t->conn, t->reply_queue, NULL,
			    MQI_OO_INPUT_SHARED, &t->reply);
	}
	if (err != MQI_OK)
		cmd_error("%s, the queue for answers: %s", t->reply_queue,
		    text[0] != '\0' ? text : mqi_strerror(err));
	return err;
}

/* Puts the message; a failure is a result: it cannot even leave. */
static enum mqi_err
ask(struct trace *t)
{
	mqi_queue *handle = NULL;
	struct mqbuf body;
	struct mqi_md md;
	enum mqi_err err =
	    mqi_open(t->conn, t->queue, t->to_qmgr, MQI_OO_OUTPUT, &handle);

	mqi_md_init(&md);
	strcpy(md.format, MQTRACE_FORMAT);
	md.persistence = MQI_PERSISTENCE_NO;
	md.msg_type = MQI_MT_REQUEST;
	md.report = MQI_RO_ACTIVITY | MQI_RO_EXCEPTION_WITH_FULL_DATA |
		    MQI_RO_EXPIRATION_WITH_FULL_DATA | MQI_RO_DISCARD_MSG;
	md.expiry = (int32_t)((t->wait_ms + LIFE_MS) / 100);
	(void)snprintf(
	    md.reply_to_q, sizeof(md.reply_to_q), "%s", t->reply_queue);
	mqbuf_init(&body, MQTRACE_MAX_BODY);
	mqtrace_begin(&body);
	if (err == MQI_OK)
		err = mqi_put(handle, NULL, &md, body.data, body.len);
	memcpy(t->msg_id, md.msg_id, MQI_ID_LEN);
	mqbuf_fini(&body);
	(void)mqi_close(handle);
	if (err != MQI_OK) {
		t->failed = true;
		t->feedback = (uint32_t)err;
		(void)snprintf(
		    t->failed_at, sizeof(t->failed_at), "%s", t->qmgr);
	}
	return err;
}

/* ---- answers ---- */

static void
take_answer(struct trace *t, const mqi_msg *msg)
{
	struct mqtrace_hop hops[MQTRACE_MAX_HOPS];
	const struct mqi_md *md = mqi_msg_md(msg);
	uint32_t n = 0;

	if (mqtrace_decode(mqi_msg_body(msg), mqi_msg_len(msg), hops, &n) !=
	    MQI_OK)
		return;
	if (n > t->n || (n > 0 && t->n == 0)) {
		memcpy(t->hops, hops, n * sizeof(hops[0]));
		t->n = n;
	}
	if (n > 0 && hops[n - 1].what == MQTRACE_ARRIVED)
		t->arrived = true;
	if (md->feedback != MQI_FB_ACTIVITY) {
		t->failed = true;
		t->feedback = md->feedback;
		(void)snprintf(t->failed_at, sizeof(t->failed_at), "%s",
		    md->reply_to_qmgr);
	}
}

static enum mqi_err
gather(struct trace *t)
{
	uint64_t end = mqclock_mono_us() / 1000 + (uint64_t)t->wait_ms;
	enum mqi_err err = MQI_OK;

	while (err == MQI_OK && !t->arrived && !t->failed) {
		struct mqi_get_opts opts = {.options = MQI_GET_MATCH_CORREL_ID};
		uint64_t now = mqclock_mono_us() / 1000;
		mqi_msg *msg = NULL;

		opts.wait_ms = now < end ? (int64_t)(end - now) : 0;
		memcpy(opts.correl_id, t->msg_id, MQI_ID_LEN);
		err = mqi_get_msg(t->reply, NULL, &opts, &msg);
		if (err == MQI_OK)
			take_answer(t, msg);
		mqi_msg_free(msg);
	}
	return err == MQI_E_NO_MSG_AVAILABLE ? MQI_OK : err;
}

/* Whether the message is still on a local queue. */
static bool
waits_on(struct trace *t, const char *queue)
{
	struct mqi_get_opts opts = {
	    .options = MQI_GET_BROWSE_FIRST | MQI_GET_MATCH_MSG_ID};
	mqi_queue *handle = NULL;
	mqi_msg *msg = NULL;
	bool is = false;

	memcpy(opts.msg_id, t->msg_id, MQI_ID_LEN);
	if (mqi_open(t->conn, queue, NULL, MQI_OO_BROWSE, &handle) == MQI_OK)
		is = mqi_get_msg(handle, NULL, &opts, &msg) == MQI_OK;
	mqi_msg_free(msg);
	(void)mqi_close(handle);
	return is;
}

/* ---- what is shown ---- */

static void
format_time(uint64_t ms, char ret[32])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (gmtime_r(&s, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	n = strftime(ret, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret + n, 32 - n, ".%03uZ", (unsigned)(ms % 1000));
}

static void
put_json(json_t *o)
{
	MQ_INVARIANT(o != NULL);
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(o);
}

static void
show_hop(const struct trace *t, uint32_t i)
{
	const struct mqtrace_hop *h = &t->hops[i];
	bool arrived = h->what == MQTRACE_ARRIVED;
	long long ms = (long long)(h->time_ms - t->hops[0].time_ms);
	char time[32];

	format_time(h->time_ms, time);
	if (t->json) {
		put_json(json_pack(
		    "{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}",
		    "type", "hop", "hop", (json_int_t)(i + 1), "qmgr", h->qmgr,
		    "channel", h->channel, "what", arrived ? "arrived" : "sent",
		    "putOn", h->put_on, "queue", h->queue, "toQmgr", h->to_qmgr,
		    "time", time, "ms", (json_int_t)ms));
		return;
	}
	(void)printf("%2u  %s  %+6lld ms  %-12s", i + 1, time, ms, h->qmgr);
	if (h->channel[0] != '\0')
		(void)printf(" by channel %s,", h->channel);
	if (arrived)
		(void)printf(" arrived at queue %s\n", h->put_on);
	else
		(void)printf(" put on transmission queue %s for %s at %s\n",
		    h->put_on, h->queue, h->to_qmgr);
}

static void
describe_end(struct trace *t, char *ret, size_t len)
{
	const struct mqtrace_hop *last = t->n > 0 ? &t->hops[t->n - 1] : NULL;
	const char *why = t->feedback == MQI_FB_EXPIRATION
			      ? "it expired on the way"
			  : t->feedback == MQI_FB_XMIT_Q_MSG_ERROR
			      ? "it came without a route"
			      : mqi_strerror((enum mqi_err)t->feedback);

	if (t->arrived)
		(void)snprintf(ret, len, "It arrived at %s.", last->qmgr);
	else if (t->failed)
		(void)snprintf(ret, len, "%s cannot place it: %u %s",
		    t->failed_at, t->feedback, why);
	else if (last == NULL)
		(void)snprintf(ret, len,
		    "No answer in %lld s, not even from %s: no report can be "
		    "put on %s.",
		    (long long)t->wait_ms / 1000, t->qmgr, t->reply_queue);
	else if (t->n == 1 && waits_on(t, last->put_on))
		(void)snprintf(ret, len,
		    "It still waits on transmission queue %s: does a channel "
		    "run from there?",
		    last->put_on);
	else
		(void)snprintf(ret, len,
		    "No more answers in %lld s: behind %s a channel does not "
		    "run, or a queue manager there has no way back to %s.",
		    (long long)t->wait_ms / 1000, last->qmgr, t->qmgr);
}

static void
show(struct trace *t)
{
	char text[512];

	for (uint32_t i = 0; i < t->n; i++)
		show_hop(t, i);
	describe_end(t, text, sizeof(text));
	if (!t->json) {
		(void)puts(text);
		return;
	}
	put_json(json_pack("{s:s, s:b, s:I, s:s, s:s}", "type", "result",
	    "arrived", t->arrived, "reason", (json_int_t)t->feedback, "qmgr",
	    t->failed_at, "text", text));
}

/* ---- the command ---- */

static int
trace_route(struct trace *t, const char *root)
{
	struct mqi_connect_opts opts = {.root = root,
	    .app_name = "mqadmin trace-route",
	    .timeout_ms = CONNECT_MS};
	enum mqi_err err = mqi_connect(t->qmgr, &opts, &t->conn);

	if (err != MQI_OK) {
		cmd_error("%s: %s", t->qmgr, mqi_strerror(err));
		return CMD_NOT_RUN;
	}
	if (open_reply(t) != MQI_OK)
		return CMD_NOT_RUN;
	if (ask(t) == MQI_OK)
		err = gather(t);
	if (err != MQI_OK)
		cmd_error("%s: %s", t->reply_queue, mqi_strerror(err));
	show(t);
	return t->arrived ? CMD_OK : CMD_FAILED;
}

static bool
parse_wait(const char *text, int64_t *ret_ms)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end != '\0' || v < 1 || v > MAX_WAIT_S)
		return false;
	*ret_ms = v * 1000;
	return true;
}

int
cmd_trace_route(int argc, char **argv)
{
	static const struct option options[] = {
	    {"qmgr", required_argument, NULL, 'q'},
	    {"wait", required_argument, NULL, 'w'},
	    {"json", no_argument, NULL, 'j'},
	    {"reply-queue", required_argument, NULL, 'a'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct trace t = {.reply_queue = REPLY_QUEUE, .wait_ms = WAIT_S * 1000};
	const char *root = NULL;
	int c, status;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'q')
			t.to_qmgr = optarg;
		else if (c == 'w' && parse_wait(optarg, &t.wait_ms))
			continue;
		else if (c == 'j')
			t.json = true;
		else if (c == 'a')
			t.reply_queue = optarg;
		else if (c == 'r')
			root = optarg;
		else
			return cmd_usage("trace-route",
			    c == 'w' ? "--wait takes 1 to 3600 seconds"
				     : "nothing was sent");
	}
	if (argc - optind != 2)
		return cmd_usage("trace-route", "QM and QUEUE are needed");
	t.qmgr = cmd_qmgr_name("trace-route", 1, argv + optind);
	t.queue = argv[optind + 1];
	if (t.qmgr == NULL || !mqname_is_valid(t.queue, MQI_NAME_LEN) ||
	    !mqname_is_valid(t.reply_queue, MQI_NAME_LEN))
		return cmd_usage("trace-route", "a name is not valid");
	status = trace_route(&t, root);
	(void)mqi_disconnect(t.conn);
	if (fflush(stdout) != 0)
		status = CMD_FAILED;
	return status;
}
