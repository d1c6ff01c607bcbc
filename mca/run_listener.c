/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_listener.c - `mca listener`: accepts TCP connections and gives each,
 * untouched, to a receiver process of its own, or, if it is an application's,
 * to the one process that serves all of those (clients_child.c).  Which it is
 * the ClientHello says (arrival.c).
 *
 * So one partner's bytes never share a process with another's, nor with this
 * one.  A receiver says by one byte on a pipe that its partner has been
 * authenticated; at most UNAUTHENTICATED_MAX have not yet (each has
 * CHANNEL_HELLO_MS) or have said nothing, and at most RECEIVERS_MAX run at all.
 * At a limit nothing is accepted: the kernel's backlog waits.  One address has
 * at most half of either; what it wants beyond that is closed at once, so that
 * a single host cannot keep all others out.
 *
 * Failure modes: the port is in use (RUN_FAILED: the queue manager tries
 * again), a receiver cannot be started (the connection is closed, a line in
 * the log).  When this process ends, receivers that run go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mca/arrival.h"
#include "mca/clients_child.h"
#include "mca/run.h"
#include "mca/sandbox.h"

#define UNAUTHENTICATED_MAX 32u
#define RECEIVERS_MAX 500u
#define BACKLOG 100
#define ACCEPTS_PER_TURN 64u
#define ADDRESS_LEN 128u
#define FD_TEXT_LEN 12u
#define BLOCKED_MAX 512u /* more than fit in a list */

struct child {
	LIST_ENTRY(child) link;
	uv_process_t process;
	uv_poll_t ready;
	int ready_fd; /* our end of the pipe */
	bool authenticated;
	unsigned open_handles;
	char address[ADDRESS_LEN];
};

static struct {
	struct run run;
	uv_poll_t poll;
	int fd;
	bool accepting;
	bool resting; /* accept failed: not again before the next tick */
	LIST_HEAD(, child) children;
	unsigned n_children;
	unsigned n_unauthenticated; /* receivers */
	struct arrivals arrivals;
	unsigned port;
	struct certs certs; /* for the warnings, and what receivers are given */
	struct run_lets lets;
	bool stale; /* the definitions may have changed */
	struct mqaddr_pattern blocked[BLOCKED_MAX]; /* CHLAUTH BLOCKADDR */
	unsigned n_blocked;
	bool block_warns; /* they are only told */
	char error[CHANNEL_TEXT_LEN];
} me = {.fd = -1};

static void on_connection(uv_poll_t *handle, int status, int events);

static void
finish(enum mqi_err reason, const char *text)
{
	struct mqlog_line l;

	if (me.run.ended)
		return;
	(void)snprintf(me.error, sizeof(me.error), "%s", text);
	mqlog_begin(&l, reason == MQI_OK ? MQLOG_INFO : MQLOG_ERROR,
	    reason == MQI_OK ? "listener.end" : "listener.failed");
	mqlog_str(&l, "listener", me.run.args->listener);
	mqlog_str(&l, "text", text);
	mqlog_end(&l);
	run_tell(&me.run);
	run_flush_local(&me.run);
	run_end(&me.run, reason == MQI_OK ? RUN_DONE : RUN_FAILED);
}

static bool
has_room(void)
{
	return me.n_children < RECEIVERS_MAX &&
	       me.n_unauthenticated + me.arrivals.n < UNAUTHENTICATED_MAX;
}

/* Accepts while there is room. */
static void
update_accepting(void)
{
	bool want = me.fd >= 0 && !me.resting && has_room();

	if (want == me.accepting)
		return;
	me.accepting = want;
	if (!want)
		(void)uv_poll_stop(&me.poll);
	else if (uv_poll_start(&me.poll, UV_READABLE, on_connection) != 0)
		finish(MQI_E_RESOURCE_PROBLEM, "the port cannot be polled");
}

/* ---- receivers ---- */

static void
on_closed(uv_handle_t *handle)
{
	struct child *c = handle->data;

	MQ_PRE(c->open_handles > 0);
	if (--c->open_handles > 0)
		return;
	(void)close(c->ready_fd);
	LIST_REMOVE(c, link);
	me.n_children--;
	free(c);
	update_accepting();
}

static void
set_authenticated(struct child *c)
{
	if (c->authenticated)
		return;
	c->authenticated = true;
	me.n_unauthenticated--;
	update_accepting();
}

/* A byte: it is authenticated.  The end of the pipe: it has ended, or is done
 * with telling us. */
static void
on_ready(uv_poll_t *handle, int status, int events)
{
	struct child *c = handle->data;
	char byte;

	(void)status;
	(void)events;
	if (read(c->ready_fd, &byte, 1) == 1)
		set_authenticated(c);
	(void)uv_poll_stop(handle);
}

static void
on_child_exit(uv_process_t *process, int64_t status, int signum)
{
	struct child *c = process->data;

	if (signum != 0)
		mqlog(MQLOG_WARN, "receiver.killed",
		    "the receiver for %s ended by signal %d%s", c->address,
		    signum, sandbox_signal_text(signum));
	else if (status == RUN_USAGE)
		mqlog(MQLOG_ERROR, "receiver.start",
		    "the receiver for %s was called wrongly", c->address);
	set_authenticated(c);
	uv_close((uv_handle_t *)&c->ready, on_closed);
	uv_close((uv_handle_t *)&c->process, on_closed);
}

static int
spawn(struct child *c, int fd, int ready_fd)
{
	const struct run_args *a = me.run.args;
	const char *argv[] = {a->program, "answer", "--qmgr", a->qmgr, "--keys",
	    me.certs.dir, "--label", me.certs.label, "--address", c->address,
	    "--fd", "3", "--ready-fd", "4", "--log", a->json ? "json" : "text",
	    NULL, NULL, NULL, NULL, NULL};
	size_t n = 0;
	uv_stdio_container_t stdio[5] = {{.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	    {.flags = UV_INHERIT_FD, .data.fd = fd},
	    {.flags = UV_INHERIT_FD, .data.fd = ready_fd}};
	uv_process_options_t opts = {.file = a->program,
	    .args = (char **)(uintptr_t)argv,
	    .exit_cb = on_child_exit,
	    .stdio = stdio,
	    .stdio_count = (int)MQ_ARRAY_LEN(stdio)};

	while (argv[n] != NULL)
		n++;
	if (me.lets.old_tls)
		argv[n++] = "--tls12";
	if (me.lets.no_cert)
		argv[n++] = "--no-cert";
	if (a->root != NULL) {
		argv[n++] = "--root";
		argv[n] = a->root;
	}
	return uv_spawn(&me.run.loop, &c->process, &opts);
}

/* Whether the host of "host(port)" has its half of all places. */
static bool
has_its_half(const char *address)
{
	size_t len = strcspn(address, "(") + 1;
	unsigned n = 0, n_unauthenticated = arrivals_of(&me.arrivals, address);
	const struct child *c;

	LIST_FOREACH (c, &me.children, link) {
		if (strncmp(c->address, address, len) != 0)
			continue;
		n++;
		n_unauthenticated += c->authenticated ? 0 : 1;
	}
	return n >= RECEIVERS_MAX / 2 ||
	       n_unauthenticated >= UNAUTHENTICATED_MAX / 2;
}

/* Whether CHLAUTH blocks the address, before it says a word. */
static bool
is_blocked(const char *address)
{
	struct mqaddr_pattern a;
	bool known = mqaddr_parse(address, &a);

	for (unsigned i = 0; i < me.n_blocked; i++) {
		if (known && !mqaddr_matches(&me.blocked[i], &a))
			continue;
		mqlog(MQLOG_WARN, "receiver.blocked",
		    "%s is in the ADDRLIST of CHLAUTH('*') TYPE(BLOCKADDR)%s",
		    address, me.block_warns ? ", which only warns" : "");
		return !me.block_warns;
	}
	return false;
}

static void
start_receiver(int fd, const char *address)
{
	struct child *c = mqmem_alloc(sizeof(*c));
	int pipe_fds[2] = {-1, -1}, rc = 0;

	c->process.data = c->ready.data = c;
	(void)snprintf(c->address, sizeof(c->address), "%s", address);
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		rc = uv_translate_sys_error(errno);
	if (rc == 0)
		rc = uv_poll_init(&me.run.loop, &c->ready, pipe_fds[0]);
	if (rc != 0) {
		mqlog(MQLOG_ERROR, "receiver.start", "for %s: %s", c->address,
		    uv_strerror(rc));
		if (pipe_fds[0] >= 0) {
			(void)close(pipe_fds[0]);
			(void)close(pipe_fds[1]);
		}
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&me.children, c, link);
	me.n_children++;
	me.n_unauthenticated++;
	c->ready_fd = pipe_fds[0];
	c->open_handles = 2;
	rc = spawn(c, fd, pipe_fds[1]);
	(void)close(pipe_fds[1]);
	if (rc == 0) {
		rc = uv_poll_start(&c->ready, UV_READABLE, on_ready);
		if (rc == 0)
			return;
		(void)uv_process_kill(&c->process, SIGKILL);
		return;
	}
	mqlog(MQLOG_ERROR, "receiver.start", "for %s: %s", c->address,
	    uv_strerror(rc));
	set_authenticated(c);
	uv_close((uv_handle_t *)&c->ready, on_closed);
	uv_close((uv_handle_t *)&c->process, on_closed);
}

static void
on_decided(
    int fd, const char *address, enum arrival_route route, const char *text)
{
	switch (route) {
	case ARRIVAL_CHANNEL:
		start_receiver(fd, address);
		break;
	case ARRIVAL_CLIENT:
		clients_child_give(fd, address); /* and its fd */
		update_accepting();
		return;
	case ARRIVAL_NEITHER:
		mqlog(MQLOG_WARN, "listener.refused", "%s: %s", address, text);
		break;
	}
	(void)close(fd);
	update_accepting();
}

static void
take_connection(int fd)
{
	char address[ADDRESS_LEN];

	link_address(fd, address, sizeof(address));
	if (is_blocked(address)) {
		(void)close(fd);
		return;
	}
	if (has_its_half(address)) {
		mqlog(MQLOG_WARN, "receiver.refused",
		    "%s has half of all connections that there may be",
		    address);
		(void)close(fd);
		return;
	}
	arrival_new(&me.arrivals, fd, address, run_now_ms());
}

static void
on_connection(uv_poll_t *handle, int status, int events)
{
	(void)handle;
	(void)events;
	if (status != 0) {
		finish(MQI_E_IO, uv_strerror(status));
		return;
	}
	for (unsigned i = 0; i < ACCEPTS_PER_TURN && has_room(); i++) {
		int fd = accept4(me.fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR &&
			    errno != ECONNABORTED) {
				mqlog(MQLOG_ERROR, "listener.accept", "%s",
				    strerror(errno));
				me.resting = true;
			}
			break;
		}
		take_connection(fd);
	}
	update_accepting();
}

/* ---- the port ---- */

static int
listen_on(const struct addrinfo *ai, int backlog)
{
	int one = 1, zero = 0;
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    listen(fd, backlog) != 0) {
		int err = errno;

		(void)close(fd);
		return -err;
	}
	return fd;
}

static unsigned
port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&ss, len, NULL, 0, port,
		sizeof(port), NI_NUMERICSERV) != 0)
		return 0;
	return (unsigned)strtoul(port, NULL, 10);
}

static enum mqi_err
open_port(const struct mqctl_list *row, char *text)
{
	const char *ip = run_get(row, "IPADDR");
	const char *port = run_get(row, "PORT");
	int backlog = (int)run_get_uint(row, "BACKLOG");
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE,
	    /* all addresses: one IPv6 socket takes IPv4 too */
	    .ai_family = ip[0] == '\0' ? AF_INET6 : AF_UNSPEC};
	struct addrinfo *list = NULL;
	int fd = -EAFNOSUPPORT, rc;

	rc = getaddrinfo(ip[0] != '\0' ? ip : NULL, port, &hints, &list);
	if (rc == 0)
		fd = listen_on(list, backlog > 0 ? backlog : BACKLOG);
	freeaddrinfo(list);
	if (fd == -EAFNOSUPPORT && ip[0] == '\0') {
		hints.ai_family = AF_INET;
		list = NULL;
		rc = getaddrinfo(NULL, port, &hints, &list);
		if (rc == 0)
			fd = listen_on(list, backlog > 0 ? backlog : BACKLOG);
		freeaddrinfo(list);
	}
	if (rc != 0 || fd < 0) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "port %s at '%.64s' cannot be listened on: %s", port, ip,
		    rc != 0 ? gai_strerror(rc) : strerror(-fd));
		return MQI_E_RESOURCE_PROBLEM;
	}
	me.fd = fd;
	me.port = port_of(fd);
	return MQI_OK;
}

/* ---- what the queue manager's definitions say ---- */

static void
on_block(void *arg, const struct mqctl_list *row)
{
	const char *list = run_get(row, "ADDRLIST");
	bool good = true;

	(void)arg;
	me.block_warns = strcmp(run_get(row, "WARN"), "YES") == 0;
	while (me.n_blocked < BLOCKED_MAX &&
	       mqaddr_next(&list, &me.blocked[me.n_blocked], &good))
		me.n_blocked += good ? 1 : 0;
}

static void
on_qmgr(void *arg, const struct mqctl_list *row)
{
	bool *enabled = arg;

	*enabled = strcmp(run_get(row, "CHLAUTH"), "ENABLED") == 0;
}

/* The addresses that CHLAUTH blocks: what was known stays if the queue manager
 * does not say. */
static enum mqi_err
read_blocked(char *text)
{
	static const char *const params[] = {"TYPE", "BLOCKADDR", NULL};
	bool enabled = true;
	enum mqi_err err = run_display_each(
	    &me.run, MQCTL_QMGR, "", NULL, on_qmgr, &enabled, text);

	if (err != MQI_OK)
		return err;
	me.n_blocked = 0;
	if (!enabled)
		return MQI_OK;
	err = run_display_each(
	    &me.run, MQCTL_CHLAUTH, "*", params, on_block, NULL, text);
	return err == MQI_E_UNKNOWN_OBJECT ? MQI_OK : err;
}

/* Reads what receivers are started with, and looks at our certificate. */
static enum mqi_err
read_security(char *text)
{
	char keys[PATH_MAX], label[MQNAME_LABEL_LEN + 1], why[CHANNEL_TEXT_LEN];
	struct run_lets lets;
	enum mqi_err err = run_key_dir(&me.run, keys, label, text);

	if (err == MQI_OK)
		err = run_find_lets(&me.run, false, &lets, text);
	if (err == MQI_OK)
		err = read_blocked(text);
	if (err != MQI_OK)
		return err;
	me.lets = lets;
	certs_fini(&me.certs);
	certs_init(&me.certs, me.run.args->listener, keys, label, "");
	/* each receiver loads them for itself: this is for the log */
	if (certs_load(&me.certs, why) != MQI_OK)
		mqlog(MQLOG_ERROR, "certificate.bad", "listener %s: %s",
		    me.run.args->listener, why);
	return MQI_OK;
}

/* ---- the loop's events ---- */

static bool
turn(struct run *r)
{
	(void)r;
	return false;
}

static void
tick(struct run *r, uint64_t now_ms)
{
	char text[CHANNEL_TEXT_LEN];

	(void)r;
	if (me.stale) {
		me.stale = false;
		if (read_security(text) != MQI_OK)
			mqlog(MQLOG_ERROR, "listener.refresh", "%s", text);
	}
	(void)certs_tick(&me.certs, (int64_t)(mqclock_wall_us() / 1000000));
	arrivals_tick(&me.arrivals, now_ms);
	clients_child_tick(now_ms);
	me.resting = false;
	update_accepting();
}

/* Many changes in a row cost one look, at the next tick. */
static void
refresh(struct run *r)
{
	(void)r;
	me.stale = true;
}

static void
stop(struct run *r)
{
	(void)r;
	finish(MQI_OK, "stopped");
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
	(void)r;
	run_status_str(l, "state", "RUNNING");
	run_status_uint(l, "port", me.port);
	run_status_str(l, "error", me.error);
}

static const struct run_kind kind = {.turn = turn,
    .tick = tick,
    .stop = stop,
    .refresh = refresh,
    .wants_local = wants_local,
    .status = status};

static enum mqi_err
start(char *text)
{
	struct mqctl_list row;
	enum mqi_err err = run_connect(&me.run, "", "", text);

	if (err != MQI_OK)
		return err;
	err = read_security(text);
	if (err == MQI_OK)
		err = run_display(
		    &me.run, MQCTL_LISTENER, me.run.args->listener, &row, text);
	if (err != MQI_OK)
		return err;
	err = open_port(&row, text);
	mqctl_list_fini(&row);
	if (err != MQI_OK)
		return err;
	if (uv_poll_init(&me.run.loop, &me.poll, me.fd) != 0) {
		(void)snprintf(
		    text, CHANNEL_TEXT_LEN, "the port cannot be polled");
		return MQI_E_RESOURCE_PROBLEM;
	}
	err = sandbox_enter(SANDBOX_LISTENER, text);
	if (err != MQI_OK)
		return err;
	mqlog(MQLOG_INFO, "listener.running", "listener %s on port %u",
	    me.run.args->listener, me.port);
	run_tell(&me.run);
	update_accepting();
	return MQI_OK;
}

int
run_listener(const struct run_args *args)
{
	char text[CHANNEL_TEXT_LEN] = "";
	enum mqi_err err;

	LIST_INIT(&me.children);
	arrivals_init(&me.arrivals, &me.run.loop, on_decided);
	clients_child_init(&me.run, &me.certs);
	err = run_init(&me.run, args, &kind);
	if (err != MQI_OK)
		return RUN_FAILED;
	err = start(text);
	if (err != MQI_OK)
		finish(err, text);
	return run_loop(&me.run);
}
