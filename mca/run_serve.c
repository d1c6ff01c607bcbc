/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_serve.c - `mca serve`: starts the agents of a queue manager that runs
 * them apart, as the user and with the keys that it has itself.
 *
 * Neighbours: qmgr/apart.c gives the orders (qmgr/apart.h has them all); run.c
 * has the loop; main.c lets a child wait for the word to go.
 *
 * Invariants.  A child does nothing before the queue manager knows its process
 * id: it waits for a byte on a pipe, the end of which lets it end.  No child
 * outlives this process (PR_SET_PDEATHSIG in main.c), and so none goes on
 * that the queue manager counts as ended.  This process reads nothing but what
 * the queue manager says, and changes no user.
 *
 * Happy path: connect, say that we serve, then start, signal and reap as
 * told.  Orders are carried out in the turn: they come in a callback of the
 * connection, on which nothing can be said meanwhile.
 *
 * Failure modes: the queue manager is not there yet: wait.  It is gone, or
 * takes us not: end; the supervisor starts us again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "mca/run.h"

#define CHILDREN_MAX 10000u
#define WAIT_MS 1000u /* between looks for the queue manager */
#define LINE_LEN 600u
#define STATUS_NOT_RUN 127

struct child {
	TAILQ_ENTRY(child) link;
	uint32_t id; /* the queue manager's */
	uv_process_t process;
	uv_pipe_t out; /* a ping's */
	int go_fd;     /* -1: it has been let go */
	unsigned open_handles;
	int64_t status;
	int signum;
	char line[LINE_LEN];
	size_t len;
};

struct order {
	STAILQ_ENTRY(order) link;
	char what[16];
	uint32_t id;
	int signum;
	char mode[16];
	char name[MQI_NAME_LEN + 1];
};

static struct {
	struct run run;
	TAILQ_HEAD(, child) children;
	unsigned n_children;
	STAILQ_HEAD(, order) orders;
} me;

/* ---- what is told ---- */

static void
tell(struct mqctl_list *l)
{
	if (!me.run.local_gone && mqagent_status(me.run.conn, l) != MQI_OK)
		mqlog(MQLOG_WARN, "serve.tell", "the connection broke");
	mqctl_list_fini(l);
}

static void
tell_started(const struct child *c)
{
	struct mqctl_list l;

	mqctl_list_init(&l);
	run_status_uint(&l, "started", c->id);
	run_status_uint(&l, "pid", (uint64_t)uv_process_get_pid(&c->process));
	tell(&l);
}

static void
tell_ended(uint32_t id, int64_t status, int signum, const char *line)
{
	struct mqctl_list l;

	mqctl_list_init(&l);
	run_status_uint(&l, "ended", id);
	run_status_uint(&l, "status", (uint64_t)status);
	run_status_uint(&l, "signal", (uint64_t)signum);
	if (line[0] != '\0')
		run_status_str(&l, "line", line);
	tell(&l);
}

/* ---- children ---- */

static void
let_go(struct child *c, bool go)
{
	if (c->go_fd < 0)
		return;
	if (go && write(c->go_fd, "1", 1) != 1)
		mqlog(MQLOG_WARN, "serve.go", "%s", strerror(errno));
	(void)close(c->go_fd);
	c->go_fd = -1;
}

/* All that is to be known of it is. */
static void
on_closed(uv_handle_t *handle)
{
	struct child *c = handle->data;

	MQ_PRE(c->open_handles > 0);
	if (--c->open_handles > 0)
		return;
	c->line[c->len] = '\0';
	c->line[strcspn(c->line, "\n")] = '\0';
	tell_ended(c->id, c->status, c->signum, c->line);
	TAILQ_REMOVE(&me.children, c, link);
	me.n_children--;
	free(c);
}

static void
on_child_exit(uv_process_t *process, int64_t status, int signum)
{
	struct child *c = process->data;

	c->status = status;
	c->signum = signum;
	let_go(c, false);
	uv_close((uv_handle_t *)process, on_closed);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct child *c = handle->data;

	(void)suggested;
	if (c->len == LINE_LEN - 1)
		c->len--; /* what is too long is cut */
	*ret = uv_buf_init(c->line + c->len, (unsigned)(LINE_LEN - 1 - c->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct child *c = stream->data;

	(void)buf;
	if (n >= 0)
		c->len += (size_t)n;
	else
		uv_close((uv_handle_t *)stream, on_closed);
}

static int
spawn(struct child *c, const struct order *o, int go_fd)
{
	const struct run_args *a = me.run.args;
	bool says_line =
	    strcmp(o->mode, "ping") == 0 || strcmp(o->mode, "ask") == 0;
	const char *argv[] = {a->program, o->mode, "--qmgr", a->qmgr, "--keys",
	    a->keys,
	    strcmp(o->mode, "listener") == 0 ? "--listener" : "--channel",
	    o->name, "--log", a->json ? "json" : "text", "--go-fd", "3",
	    a->root != NULL ? "--root" : NULL, a->root, NULL};
	uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	    {.flags = UV_INHERIT_FD, .data.fd = go_fd}};
	uv_process_options_t opts = {.file = a->program,
	    .args = (char **)(uintptr_t)argv,
	    .exit_cb = on_child_exit,
	    .stdio = stdio,
	    .stdio_count = (int)MQ_ARRAY_LEN(stdio)};
	int rc;

	if (says_line) {
		/* libuv can fail here for want of memory alone */
		MQ_INVARIANT(uv_pipe_init(&me.run.loop, &c->out, 0) == 0);
		c->out.data = c;
		c->open_handles++;
		stdio[1] = (uv_stdio_container_t){
		    .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		    .data.stream = (uv_stream_t *)&c->out};
	}
	rc = uv_spawn(&me.run.loop, &c->process, &opts);
	if (says_line && (rc != 0 || uv_read_start((uv_stream_t *)&c->out,
					 on_alloc, on_read) != 0))
		uv_close((uv_handle_t *)&c->out, on_closed);
	return rc;
}

static struct child *
child_new(uint32_t id)
{
	struct child *c = mqmem_alloc(sizeof(*c));

	c->id = id;
	c->go_fd = -1;
	c->process.data = c;
	c->open_handles = 1; /* the process's, whether or not it starts */
	TAILQ_INSERT_TAIL(&me.children, c, link);
	me.n_children++;
	return c;
}

static void
start(const struct order *o)
{
	int fds[2] = {-1, -1}, rc;
	struct child *c;

	if (me.n_children >= CHILDREN_MAX) {
		mqlog(MQLOG_ERROR, "serve.start", "there are %u agents already",
		    CHILDREN_MAX);
		tell_ended(o->id, STATUS_NOT_RUN, 0, "");
		return;
	}
	if (pipe2(fds, O_CLOEXEC) != 0) {
		mqlog(MQLOG_ERROR, "serve.start", "%s", strerror(errno));
		tell_ended(o->id, STATUS_NOT_RUN, 0, "");
		return;
	}
	c = child_new(o->id);
	c->go_fd = fds[1];
	rc = spawn(c, o, fds[0]);
	(void)close(fds[0]);
	if (rc == 0) {
		tell_started(c);
		return;
	}
	mqlog(MQLOG_ERROR, "serve.start", "%s: %s", me.run.args->program,
	    uv_strerror(rc));
	on_child_exit(&c->process, STATUS_NOT_RUN, 0);
}

/* ---- orders ---- */

static bool
is_mode(const char *mode)
{
	return strcmp(mode, "dial") == 0 || strcmp(mode, "listener") == 0 ||
	       strcmp(mode, "ping") == 0 || strcmp(mode, "ask") == 0;
}

static void
carry_out(const struct order *o)
{
	struct child *c;

	if (strcmp(o->what, "start") == 0) {
		if (is_mode(o->mode) && mqname_is_valid(o->name, MQI_NAME_LEN))
			start(o);
		else
			tell_ended(o->id, STATUS_NOT_RUN, 0, "");
		return;
	}
	TAILQ_FOREACH (c, &me.children, link)
		if (c->id == o->id)
			break;
	if (c == NULL || uv_is_closing((uv_handle_t *)&c->process))
		return; /* it has ended meanwhile */
	if (strcmp(o->what, "go") == 0)
		let_go(c, true);
	else
		(void)uv_process_kill(&c->process, o->signum);
}

static bool
on_order(struct run *r, const struct mqctl_list *l)
{
	const char *what = run_get(l, "order");
	struct order *o;

	(void)r;
	if (strcmp(what, "start") != 0 && strcmp(what, "go") != 0 &&
	    strcmp(what, "signal") != 0)
		return false;
	o = mqmem_alloc(sizeof(*o));
	(void)snprintf(o->what, sizeof(o->what), "%s", what);
	(void)snprintf(o->mode, sizeof(o->mode), "%s", run_get(l, "mode"));
	(void)snprintf(o->name, sizeof(o->name), "%s", run_get(l, "name"));
	o->id = (uint32_t)run_get_uint(l, "id");
	o->signum = (int)run_get_uint(l, "signal");
	STAILQ_INSERT_TAIL(&me.orders, o, link);
	return true;
}

/* ---- the loop's events ---- */

static bool
turn(struct run *r)
{
	struct order *o;
	bool any = false;

	(void)r;
	while ((o = STAILQ_FIRST(&me.orders)) != NULL) {
		STAILQ_REMOVE_HEAD(&me.orders, link);
		carry_out(o);
		free(o);
		any = true;
	}
	return any;
}

static void
tick(struct run *r, uint64_t now_ms)
{
	(void)r;
	(void)now_ms;
}

static uint64_t
due(struct run *r)
{
	(void)r;
	return UINT64_MAX;
}

static bool
changed(struct run *r)
{
	(void)r;
	return false;
}

static void
stop(struct run *r)
{
	mqlog(MQLOG_INFO, "serve.end", "stopped, and all agents with us");
	run_end(r, RUN_DONE);
}

static void
refresh(struct run *r)
{
	(void)r;
}

static bool
wants_local(struct run *r)
{
	(void)r;
	return true;
}

static const struct run_kind kind = {.turn = turn,
    .tick = tick,
    .due = due,
    .changed = changed,
    .stop = stop,
    .refresh = refresh,
    .wants_local = wants_local,
    .order = on_order};

/* ---- the start ---- */

static bool
is_not_there_yet(enum mqi_err err)
{
	return err == MQI_E_Q_MGR_NOT_AVAILABLE ||
	       err == MQI_E_Q_MGR_QUIESCING || err == MQI_E_Q_MGR_STOPPING;
}

static enum mqi_err
connect_when_it_is_there(char *text)
{
	bool told = false;
	enum mqi_err err;

	for (;;) {
		err = run_connect(&me.run, "", "", text);
		if (!is_not_there_yet(err) || me.run.ended)
			return err;
		if (!told)
			mqlog(MQLOG_INFO, "serve.wait", "%s", text);
		told = true;
		(void)poll(NULL, 0, (int)WAIT_MS);
		/* SIGTERM ends the wait, too */
		(void)uv_run(&me.run.loop, UV_RUN_NOWAIT);
	}
}

int
run_serve(const struct run_args *args)
{
	char text[CHANNEL_TEXT_LEN] = "";
	struct mqctl_list l;
	enum mqi_err err;

	TAILQ_INIT(&me.children);
	STAILQ_INIT(&me.orders);
	err = run_init(&me.run, args, &kind);
	if (err != MQI_OK)
		return RUN_FAILED;
	err = connect_when_it_is_there(text);
	if (me.run.ended)
		return me.run.status;
	if (err != MQI_OK) {
		mqlog(MQLOG_ERROR, "serve.failed", "%s", text);
		return RUN_FAILED;
	}
	mqctl_list_init(&l);
	run_status_str(&l, "serve", "1");
	tell(&l);
	mqlog(MQLOG_INFO, "serve.begin",
	    "user %u starts the agents of %s with the keys in %s",
	    (unsigned)geteuid(), args->qmgr, args->keys);
	return run_loop(&me.run);
}
