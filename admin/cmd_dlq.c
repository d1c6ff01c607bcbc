/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_dlq.c - mqadmin dlq: retries, forwards and discards dead letters by a
 * table of rules (dlq_rules.h), once or as long as it is left running.
 *
 * Each dead letter is browsed; the first rule that fits it decides.  What is to
 * be done is one unit of work: the dead letter is got under the cursor, put
 * where it goes, and committed.  So it is in one place at every moment, also
 * if this program is killed; and if another program took it meanwhile, nothing
 * happens.  A put that fails is backed out, and tried again RETRYINT later, as
 * often as the rule says; then the next rule that fits it is tried.  What no
 * rule fits, and what has no dead-letter header, is left.
 *
 * It connects as an agent, so that messages keep their context.  How often a
 * dead letter was tried is known in memory only, of at most MAX_TRIED.
 *
 * Failure: a sentence on standard error; what could not be done stays.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "admin/cmd.h"
#include "admin/dlq_rules.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "libmq/agent.h"
#include "proto/desc.h"

#define MAX_RULES_FILE 4194304u
#define MAX_TRIED 65536u
#define SLICE_MS 500 /* how long one browse waits */
#define CONNECT_MS 10000

static const char help[] =
    "Usage: mqadmin dlq QM [--rules FILE] [--queue NAME] [--once] [--root "
    "DIR]\n\n"
    "Retries, forwards or discards the messages on the dead-letter queue of "
    "the\nqueue manager QM by a table of rules (mqadmin-dlq(1)).\n\n"
    "  --rules FILE  the table; without it standard input\n"
    "  --queue NAME  the queue; else the table's INPUTQ, else QM's DEADQ\n"
    "  --once        look at every message once and end, whatever WAIT says\n"
    "  --root DIR    where queue managers are kept\n\n"
    "Exit status: 0 done, 10 the queue manager failed it, 20 nothing was "
    "tried.\n";

/* A dead letter that could not be dealt with yet. */
struct tried {
	UT_hash_handle hh;
	uint8_t msg_id[MQI_ID_LEN];
	uint32_t rule;   /* that is being tried */
	uint32_t n;      /* how often it was */
	uint64_t due_ms; /* not before */
	uint64_t pass;   /* when it was seen last */
};

struct dlq {
	mqi_conn *conn;
	mqi_queue *queue;
	struct dlq_rules rules;
	struct tried *tried;
	uint64_t pass;
	uint64_t depth;   /* after the last pass */
	bool pending;     /* something is to be tried again */
	uint64_t next_ms; /* when */
	uint64_t n_done;
	uint64_t n_left; /* of the last pass */
};

/* A dead letter as it is browsed: its header, and how it lies there. */
struct letter {
	struct mqi_md md;
	struct mqdlh dlh;
};

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static uint64_t
now_ms(void)
{
	return mqclock_mono_us() / 1000;
}

/* ---- the put ---- */

struct put_wait {
	bool done;
	enum mqi_err result;
};

static void
put_done(void *arg, enum mqi_err result)
{
	struct put_wait *w = arg;

	w->done = true;
	w->result = result;
}

/* Puts with the message's own context, and waits for the result. */
static enum mqi_err
put(struct dlq *d, mqi_unit *unit, const char *queue, const char *qmgr,
    const struct mqi_md *md, const void *body, uint32_t len)
{
	struct put_wait w = {.done = false};
	mqi_queue *handle = NULL;
	bool want_write = false;
	struct mqbuf desc;
	enum mqi_err err;

	mqbuf_init(&desc, MQDESC_MAX);
	err = mqdesc_encode(md, &desc);
	if (err == MQI_OK)
		err = mqi_open(d->conn, queue, qmgr, MQI_OO_OUTPUT, &handle);
	if (err == MQI_OK)
		err = mqagent_put(handle, unit, desc.data, (uint32_t)desc.len,
		    mqcrc32c(0, body, len), len, body, put_done, &w);
	while (err == MQI_OK && !w.done) {
		struct pollfd p = {.fd = mqagent_fd(d->conn)};

		err = mqagent_dispatch(d->conn, &want_write);
		if (err != MQI_OK || w.done)
			break;
		p.events = (short)(POLLIN | (want_write ? POLLOUT : 0));
		(void)poll(&p, 1, SLICE_MS);
	}
	if (err == MQI_OK)
		err = w.result;
	(void)mqi_close(handle);
	mqbuf_fini(&desc);
	return err;
}

static const char *
target(const char *said, const char *dest, const char *reply)
{
	if (strcmp(said, "&DESTQ") == 0 || strcmp(said, "&DESTQM") == 0)
		return dest;
	if (strcmp(said, "&REPLYQ") == 0 || strcmp(said, "&REPLYQM") == 0)
		return reply;
	return said;
}

/* Puts a whole dead letter where the rule says. */
static enum mqi_err
move(struct dlq *d, mqi_unit *unit, const struct dlq_rule *rule,
    const struct letter *l, const mqi_msg *msg)
{
	const uint8_t *body = mqi_msg_body(msg);
	uint32_t len = (uint32_t)mqi_msg_len(msg);
	struct mqi_md md = *mqi_msg_md(msg);
	const char *queue = l->dlh.queue, *qmgr = l->dlh.qmgr;

	if (rule->action == DLQ_FWD) {
		queue = target(rule->fwd_q, l->dlh.queue, l->md.reply_to_q);
		qmgr = target(rule->fwd_qmgr, l->dlh.qmgr, l->md.reply_to_qmgr);
	}
	if (rule->action == DLQ_RETRY || !rule->header) {
		memcpy(md.format, l->dlh.format, sizeof(md.format));
		md.encoding = l->dlh.encoding;
		md.ccsid = l->dlh.ccsid;
		body += MQDLH_LEN;
		len -= MQDLH_LEN;
	}
	return put(d, unit, queue, qmgr, &md, body, len);
}

/* Does what the rule says with what is under the cursor.
 * NO_MSG_UNDER_CURSOR: it is gone. */
static enum mqi_err
act(struct dlq *d, const struct dlq_rule *rule, const struct letter *l)
{
	struct mqi_get_opts opts = {.options = MQI_GET_UNDER_CURSOR};
	mqi_unit *unit = NULL;
	mqi_msg *msg = NULL;
	enum mqi_err err, back;

	err = mqi_begin(d->conn, &unit);
	if (err != MQI_OK)
		return err;
	err = mqi_get_msg(d->queue, unit, &opts, &msg);
	if (err == MQI_OK && rule->action != DLQ_DISCARD)
		err = move(d, unit, rule, l, msg);
	msg = mqi_msg_free(msg);
	if (err == MQI_OK)
		return mqi_commit(unit);
	back = mqi_backout(unit);
	return back == MQI_OK ? err : back;
}

/* ---- rules ---- */

static struct tried *
tried_find(struct dlq *d, const uint8_t id[MQI_ID_LEN])
{
	struct tried *t;

	HASH_FIND(hh, d->tried, id, MQI_ID_LEN, t);
	return t;
}

/* NULL: there is no room for more. */
static struct tried *
tried_add(struct dlq *d, const uint8_t id[MQI_ID_LEN])
{
	struct tried *t;

	if (HASH_COUNT(d->tried) >= MAX_TRIED)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	memcpy(t->msg_id, id, MQI_ID_LEN);
	HASH_ADD(hh, d->tried, msg_id, MQI_ID_LEN, t);
	return t;
}

static void
tried_drop(struct dlq *d, struct tried *t)
{
	if (t == NULL)
		return;
	HASH_DEL(d->tried, t);
	free(t);
}

/* The first rule from `from` on that fits; d->rules.n: none. */
static uint32_t
find_rule(const struct dlq *d, uint32_t from, const struct letter *l)
{
	while (from < d->rules.n &&
	       !dlq_rule_matches(&d->rules.rules[from], &l->md, &l->dlh))
		from++;
	return from;
}

static void
say(const struct dlq_rule *rule, const struct letter *l, enum mqi_err err)
{
	static const char *const done[] = {
	    "left", "discarded", "retried", "forwarded"};
	const char *name = mqi_err_name((enum mqi_err)l->dlh.reason);

	(void)printf("line %u: message for %s at %s (%u %s) %s%s", rule->line,
	    l->dlh.queue, l->dlh.qmgr, l->dlh.reason, name,
	    err != MQI_OK ? "not " : "", done[rule->action]);
	if (rule->action == DLQ_FWD)
		(void)printf(" to %s",
		    target(rule->fwd_q, l->dlh.queue, l->md.reply_to_q));
	if (err != MQI_OK)
		(void)printf(": %d %s", (int)err, mqi_strerror(err));
	(void)putchar('\n');
	(void)fflush(stdout);
}

/* The connection, not the message, is the trouble. */
static bool
is_fatal(enum mqi_err err)
{
	return err == MQI_E_CONNECTION_BROKEN || err == MQI_E_NOT_DONE ||
	       err == MQI_E_UNKNOWN_OUTCOME || err == MQI_E_Q_MGR_STOPPING ||
	       err == MQI_E_Q_MGR_QUIESCING || err == MQI_E_PROTOCOL ||
	       err == MQI_E_Q_DELETED;
}

static void
try_later(struct dlq *d, struct tried *t)
{
	d->pending = true;
	if (t->due_ms < d->next_ms)
		d->next_ms = t->due_ms;
}

/* Tries the rules that fit, from where it stood.  OK: go on. */
static enum mqi_err
deal_with(struct dlq *d, const struct letter *l)
{
	struct tried *t = tried_find(d, l->md.msg_id);
	uint32_t i = find_rule(d, t != NULL ? t->rule : 0, l);

	if (t != NULL)
		t->pass = d->pass;
	if (t != NULL && i < d->rules.n && now_ms() < t->due_ms) {
		try_later(d, t);
		return MQI_OK;
	}
	for (; i < d->rules.n; i = find_rule(d, i + 1, l)) {
		const struct dlq_rule *rule = &d->rules.rules[i];
		enum mqi_err err;

		if (rule->action == DLQ_IGNORE)
			break;
		err = act(d, rule, l);
		if (is_fatal(err))
			return err;
		if (err == MQI_E_NO_MSG_UNDER_CURSOR)
			return MQI_OK;
		say(rule, l, err);
		if (err == MQI_OK) {
			d->n_done++;
			tried_drop(d, t);
			return MQI_OK;
		}
		if (t == NULL && (t = tried_add(d, l->md.msg_id)) == NULL)
			break;
		t->n = t->rule == i ? t->n + 1 : 1;
		t->rule = i;
		t->pass = d->pass;
		if (t->n < rule->retry) {
			t->due_ms = now_ms() + d->rules.retry_s * 1000ull;
			try_later(d, t);
			return MQI_OK;
		}
	}
	if (t != NULL) /* every rule has had its tries */
		t->rule = d->rules.n;
	d->n_left++;
	return MQI_OK;
}

/* ---- browsing ---- */

/* The next dead letter's beginning; false in *ret_any: none came. */
static enum mqi_err
browse(struct dlq *d, uint32_t option, int64_t wait_ms, struct letter *l,
    bool *ret_any, bool *ret_is_dead)
{
	struct mqi_get_opts opts = {
	    .options = option | MQI_GET_ACCEPT_TRUNCATED, .wait_ms = wait_ms};
	uint8_t head[MQDLH_LEN];
	size_t len = 0;
	enum mqi_err err =
	    mqi_get(d->queue, NULL, &opts, head, sizeof(head), &l->md, &len);

	*ret_any = false;
	if (err == MQI_E_NO_MSG_AVAILABLE)
		return MQI_OK;
	if (mqi_completion(err) == MQI_COMP_FAIL)
		return err;
	*ret_any = true;
	*ret_is_dead = strcmp(l->md.format, MQDLH_FORMAT) == 0 &&
		       len >= MQDLH_LEN &&
		       mqdlh_decode(head, sizeof(head), &l->dlh) == MQI_OK;
	return MQI_OK;
}

static enum mqi_err
look(struct dlq *d, uint32_t option, int64_t wait_ms, bool *ret_any)
{
	struct letter l;
	bool is_dead = false;
	enum mqi_err err = browse(d, option, wait_ms, &l, ret_any, &is_dead);

	if (err != MQI_OK || !*ret_any)
		return err;
	if (is_dead)
		return deal_with(d, &l);
	d->n_left++;
	return MQI_OK;
}

static enum mqi_err
depth(struct dlq *d, uint64_t *ret)
{
	struct mqi_queue_info info;
	enum mqi_err err = mqi_inquire(d->queue, &info);

	if (err == MQI_OK)
		*ret = info.depth;
	return err;
}

/* Looks at every message of the queue. */
static enum mqi_err
pass(struct dlq *d)
{
	uint32_t option = MQI_GET_BROWSE_FIRST;
	struct tried *t, *next;
	bool any = true;
	enum mqi_err err = MQI_OK;

	d->pass++;
	d->pending = false;
	d->next_ms = UINT64_MAX;
	d->n_left = 0;
	while (err == MQI_OK && any && !stopped) {
		err = look(d, option, 0, &any);
		option = MQI_GET_BROWSE_NEXT;
	}
	HASH_ITER (hh, d->tried, t, next) {
		if (!stopped && err == MQI_OK && t->pass != d->pass)
			tried_drop(d, t);
	}
	return err == MQI_OK ? depth(d, &d->depth) : err;
}

/* Until something is to be looked at again; *ret_end: nothing is, ever. */
static enum mqi_err
wait(struct dlq *d, bool *ret_end)
{
	uint64_t since = now_ms();
	uint64_t at = 0;
	bool any = false;
	enum mqi_err err;

	while (!stopped) {
		uint64_t idle_ms = now_ms() - since;

		if (d->pending && now_ms() >= d->next_ms)
			return MQI_OK;
		*ret_end = !d->pending && d->rules.wait_s != DLQ_WAIT_FOREVER &&
			   idle_ms >= d->rules.wait_s * 1000ull;
		if (*ret_end)
			return MQI_OK;
		err = look(d, MQI_GET_BROWSE_NEXT, SLICE_MS, &any);
		if (err == MQI_OK)
			err = depth(d, &at);
		if (err != MQI_OK)
			return err;
		if (any)
			since = now_ms();
		else if (at != d->depth) /* it may stand before the cursor */
			return MQI_OK;
		d->depth = at;
	}
	return MQI_OK;
}

static enum mqi_err
run(struct dlq *d, bool once)
{
	bool end = once;
	enum mqi_err err;

	do {
		err = pass(d);
		if (err == MQI_OK && !once)
			err = wait(d, &end);
	} while (err == MQI_OK && !end && !stopped);
	return err;
}

/* ---- beginning and end ---- */

static bool
read_rules(const char *file, struct dlq_rules *ret)
{
	FILE *f = file != NULL ? fopen(file, "re") : stdin;
	const char *name = file != NULL ? file : "standard input";
	struct dlq_error error = {0};
	char part[4096];
	struct mqbuf b;
	bool ok = false;
	size_t n;

	if (f == NULL) {
		cmd_error("%s: %s", name, strerror(errno));
		return false;
	}
	mqbuf_init(&b, MAX_RULES_FILE);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		mqbuf_put(&b, part, n);
	if (ferror(f))
		cmd_error("%s: %s", name, strerror(errno));
	else if (b.err != MQI_OK)
		cmd_error("%s: %s", name, mqi_strerror(b.err));
	else if (dlq_rules_parse((const char *)b.data, b.len, ret, &error) !=
		 MQI_OK)
		cmd_error("%s, line %u: %s", name, error.line, error.text);
	else
		ok = true;
	mqbuf_fini(&b);
	if (file != NULL)
		(void)fclose(f);
	return ok;
}

static void
take_deadq(void *arg, const struct mqctl_list *row)
{
	const char *v = mqctl_list_get(row, "DEADQ");

	if (v != NULL)
		(void)snprintf(arg, MQI_NAME_LEN + 1, "%s", v);
}

/* Which queue: the option, the table's, the queue manager's. */
static enum mqi_err
find_queue(struct dlq *d, const char *option, char ret[MQI_NAME_LEN + 1])
{
	struct mqctl_command cmd = {
	    .verb = MQCTL_DISPLAY, .noun = MQCTL_QMGR, .flags = MQCTL_ALL};
	char text[512];
	enum mqi_err err = MQI_OK;

	if (option == NULL && d->rules.input_q[0] != '\0')
		option = d->rules.input_q;
	(void)snprintf(
	    ret, MQI_NAME_LEN + 1, "%s", option != NULL ? option : "");
	if (option == NULL) {
		mqctl_list_init(&cmd.attrs);
		err = mqagent_command(
		    d->conn, &cmd, take_deadq, ret, text, sizeof(text));
	}
	if (err != MQI_OK)
		cmd_error("the queue manager's DEADQ is not known: %s", text);
	else if (ret[0] == '\0')
		cmd_error("DEADQ is blank, and no queue is named");
	return err == MQI_OK && ret[0] == '\0' ? MQI_E_UNKNOWN_OBJECT : err;
}

static int
serve(struct dlq *d, const char *qmgr, const char *root, const char *queue,
    bool once)
{
	struct mqagent_opts opts = {
	    .root = root, .app_name = "mqadmin dlq", .timeout_ms = CONNECT_MS};
	struct sigaction act = {.sa_handler = on_signal};
	char name[MQI_NAME_LEN + 1];
	enum mqi_err err = mqagent_connect(qmgr, &opts, &d->conn);

	if (err != MQI_OK) {
		cmd_error("%s: %s", qmgr, mqi_strerror(err));
		return CMD_NOT_RUN;
	}
	if (find_queue(d, queue, name) != MQI_OK)
		return CMD_NOT_RUN;
	err = mqi_open(d->conn, name, NULL,
	    MQI_OO_BROWSE | MQI_OO_INPUT_SHARED | MQI_OO_INQUIRE, &d->queue);
	if (err != MQI_OK) {
		cmd_error("%s: %s", name, mqi_strerror(err));
		return CMD_NOT_RUN;
	}
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	err = run(d, once);
	if (err != MQI_OK)
		cmd_error("%s: %s", name, mqi_strerror(err));
	(void)printf("%llu done, %llu left\n", (unsigned long long)d->n_done,
	    (unsigned long long)d->n_left);
	return err == MQI_OK ? CMD_OK : CMD_FAILED;
}

int
cmd_dlq(int argc, char **argv)
{
	static const struct option options[] = {
	    {"rules", required_argument, NULL, 'f'},
	    {"queue", required_argument, NULL, 'q'},
	    {"once", no_argument, NULL, 'o'},
	    {"root", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	const char *root = NULL, *rules = NULL, *queue = NULL, *qmgr;
	struct dlq d = {.conn = NULL};
	struct tried *t, *next;
	bool once = false;
	int c, status;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			rules = optarg;
		else if (c == 'q')
			queue = optarg;
		else if (c == 'o')
			once = true;
		else if (c == 'r')
			root = optarg;
		else
			return cmd_usage("dlq", "nothing was done");
	}
	qmgr = cmd_qmgr_name("dlq", argc - optind, argv + optind);
	if (qmgr == NULL || !read_rules(rules, &d.rules))
		return CMD_NOT_RUN;
	if (d.rules.input_qmgr[0] != '\0' &&
	    strcmp(d.rules.input_qmgr, qmgr) != 0) {
		cmd_error(
		    "the rules are for queue manager %s", d.rules.input_qmgr);
		status = CMD_NOT_RUN;
	} else {
		status = serve(&d, qmgr, root, queue, once);
	}
	(void)mqi_disconnect(d.conn);
	HASH_ITER (hh, d.tried, t, next)
		tried_drop(&d, t);
	dlq_rules_fini(&d.rules);
	return status;
}
