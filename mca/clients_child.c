/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients_child.c - keeps one `mca clients` (clients_child.h).
 *
 * Neighbours: run_listener.c routes clients here; handover.c passes the
 * sockets; run_clients.c is the process.
 *
 * Invariants.  At most one process; it has the other end of `sock`.  Sockets
 * that it cannot take just now wait in order, WAITING_MAX at most and WAIT_MS
 * at most: one that hangs keeps clients out, and no channel.  One that has died
 * is started anew by the next client, not within RESTART_MS of its last start.
 *
 * Failure: it cannot be started, or takes nothing: those that wait too long,
 * and those that come when too many wait, are closed, with a line in the log.
 * Sockets that were on their way to one that dies are closed by the kernel;
 * their clients come again.
 */
#include "mca/clients_child.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loglimit.h"
#include "base/mem.h"
#include "mca/arrival.h"
#include "mca/handover.h"
#include "mca/sandbox.h"

#define WAITING_MAX 256u
#define WAIT_MS 10000u
#define RESTART_MS 1000u

struct waiting {
	STAILQ_ENTRY(waiting) link;
	int fd;
	uint64_t since_ms;
	char address[ARRIVAL_ADDRESS_LEN];
};

static struct {
	struct run *run;
	const struct certs *certs;
	uv_process_t process;
	bool alive; /* until its handle is closed */
	int sock;   /* -1: none */
	uint64_t started_ms;
	STAILQ_HEAD(, waiting) waiting;
	unsigned n_waiting;
} me = {.sock = -1};

void
clients_child_init(struct run *run, const struct certs *certs)
{
	me.run = run;
	me.certs = certs;
	STAILQ_INIT(&me.waiting);
}

static void
on_closed(uv_handle_t *handle)
{
	(void)handle;
	me.alive = false;
}

static void
close_sock(void)
{
	if (me.sock >= 0)
		(void)close(me.sock);
	me.sock = -1;
}

static void
on_child_exit(uv_process_t *process, int64_t status, int signum)
{
	if (signum != 0)
		mqlog(MQLOG_WARN, "clients.killed",
		    "the process of all clients ended by signal %d%s", signum,
		    sandbox_signal_text(signum));
	else if (status != RUN_DONE)
		mqlog(MQLOG_WARN, "clients.ended",
		    "the process of all clients ended with status %d",
		    (int)status);
	close_sock();
	uv_close((uv_handle_t *)process, on_closed);
}

static int
spawn(int fd)
{
	const struct run_args *a = me.run->args;
	const char *argv[] = {a->program, "clients", "--qmgr", a->qmgr,
	    "--keys", me.certs->dir, "--label", me.certs->label, "--fd", "3",
	    "--log", a->json ? "json" : "text", NULL, NULL, NULL};
	size_t n = 0;
	uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	    {.flags = UV_INHERIT_FD, .data.fd = fd}};
	uv_process_options_t opts = {.file = a->program,
	    .args = (char **)(uintptr_t)argv,
	    .exit_cb = on_child_exit,
	    .stdio = stdio,
	    .stdio_count = (int)MQ_ARRAY_LEN(stdio)};

	while (argv[n] != NULL)
		n++;
	if (a->root != NULL) {
		argv[n++] = "--root";
		argv[n] = a->root;
	}
	return uv_spawn(&me.run->loop, &me.process, &opts);
}

static void
start(uint64_t now_ms)
{
	int pair[2] = {-1, -1}, rc;

	if (me.alive ||
	    (me.started_ms != 0 && now_ms - me.started_ms < RESTART_MS))
		return;
	me.started_ms = now_ms;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		mqlog(MQLOG_ERROR, "clients.start", "%s", strerror(errno));
		return;
	}
	rc = spawn(pair[1]);
	(void)close(pair[1]);
	/* libuv wants the handle closed either way */
	me.alive = true;
	me.sock = pair[0];
	if (rc == 0)
		return;
	mqlog(MQLOG_ERROR, "clients.start", "%s", uv_strerror(rc));
	close_sock();
	uv_close((uv_handle_t *)&me.process, on_closed);
}

/* What it could not take is closed. */
static void
refuse(const char *address, const char *why)
{
	static struct mqloglimit limit;
	uint64_t left_out;

	if (!mqloglimit_allows(&limit, mqclock_mono_us(), &left_out))
		return;
	if (left_out > 0)
		mqlog(MQLOG_WARN, "client.refused",
		    "%" PRIu64 " more have no line here", left_out);
	mqlog(MQLOG_WARN, "client.refused", "%s: %s", address, why);
}

static void
drop_first(void)
{
	struct waiting *w = STAILQ_FIRST(&me.waiting);

	STAILQ_REMOVE_HEAD(&me.waiting, link);
	(void)close(w->fd);
	free(w);
	me.n_waiting--;
}

/* Gives what waits, as far as it is taken. */
static void
give_waiting(void)
{
	struct waiting *w;
	enum mqi_err err;

	while ((w = STAILQ_FIRST(&me.waiting)) != NULL && me.sock >= 0) {
		err = handover_give(me.sock, w->fd, w->address);
		if (err == MQI_E_BUSY)
			return;
		if (err != MQI_OK) {
			close_sock(); /* its end will be told */
			return;
		}
		drop_first();
	}
}

void
clients_child_give(int fd, const char *address)
{
	struct waiting *w;

	if (me.n_waiting >= WAITING_MAX) {
		refuse(address, "too many wait already");
		(void)close(fd);
		return;
	}
	w = mqmem_alloc(sizeof(*w));
	w->fd = fd;
	w->since_ms = run_now_ms();
	(void)snprintf(w->address, sizeof(w->address), "%s", address);
	STAILQ_INSERT_TAIL(&me.waiting, w, link);
	me.n_waiting++;
	start(run_now_ms());
	give_waiting();
}

void
clients_child_tick(uint64_t now_ms)
{
	struct waiting *w;

	if (me.n_waiting == 0)
		return;
	start(now_ms);
	give_waiting();
	while ((w = STAILQ_FIRST(&me.waiting)) != NULL &&
	       now_ms - w->since_ms >= WAIT_MS) {
		refuse(w->address, "the process of all clients takes nothing");
		drop_first();
	}
}
