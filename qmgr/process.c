/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - a child process by uv_spawn(3).
 *
 * Neighbours: agents_channel.c, agents_listener.c, pings.c and scrub.c own
 * them. Invariants: while it is alive its handle is open; `ended` is called
 * exactly once for each start, after the handle is closed, so it may start the
 * next one at once.  Descriptors of the store and of sessions are
 * close-on-exec. Happy path: start, exit, ended. Failure: a process that does
 * not end when it is asked gets SIGTERM after 5 s and SIGKILL after 10 s.
 * One that runs elsewhere is the same to its owner; apart.c brings its signals
 * there, and its end here.
 */
#include "qmgr/process.h"

#include <signal.h>
#include <string.h>

static void on_timer(uv_timer_t *t);

void
process_init(
    struct process *p, uv_loop_t *loop, process_ended_fn ended, void *arg)
{
	memset(p, 0, sizeof(*p));
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	p->ended = ended;
	p->arg = arg;
}

void
process_close(struct process *p, uv_close_cb closed)
{
	MQ_PRE(!p->alive);
	uv_close((uv_handle_t *)&p->timer, closed);
}

static void
on_closed(uv_handle_t *h)
{
	struct process *p = h->data;

	p->alive = false;
	p->ended(p->arg, p->status, p->signal);
}

static void
on_exit(uv_process_t *handle, int64_t status, int sig)
{
	struct process *p = handle->data;

	p->status = status;
	p->signal = sig;
	uv_timer_stop(&p->timer);
	uv_close((uv_handle_t *)handle, on_closed);
}

enum mqi_err
process_start(struct process *p, char *const argv[], const char **ret_why)
{
	uv_stdio_container_t stdio[3] = {
	    {.flags = UV_IGNORE},
	    {.flags = UV_INHERIT_FD, .data.fd = 1},
	    {.flags = UV_INHERIT_FD, .data.fd = 2},
	};
	uv_process_options_t opts = {
	    .exit_cb = on_exit,
	    .file = argv[0],
	    .args = (char **)(uintptr_t)argv,
	    .stdio_count = 3,
	    .stdio = stdio,
	};
	int rc;

	if (p->out != NULL)
		stdio[1] = (uv_stdio_container_t){
		    .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		    .data.stream = (uv_stream_t *)p->out};
	if (p->detached) {
		opts.flags = UV_PROCESS_DETACHED;
		for (int i = 0; i < 2; i++)
			stdio[i + 1] = (uv_stdio_container_t){
			    .flags = p->fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD,
			    .data.fd = p->fds[i]};
	}
	MQ_PRE(!p->alive);
	p->step = PROCESS_RUN;
	p->alive = true;
	p->kill = NULL;
	p->handle.data = p;
	rc = uv_spawn(p->timer.loop, &p->handle, &opts);
	if (rc == 0)
		return MQI_OK;
	/* even so, the handle must be closed, and `ended` reports the end */
	p->status = 127;
	p->signal = 0;
	uv_close((uv_handle_t *)&p->handle, on_closed);
	*ret_why = uv_strerror(rc);
	return MQI_E_RESOURCE_PROBLEM;
}

/* ---- elsewhere ---- */

void
process_start_elsewhere(struct process *p, process_signal_fn kill)
{
	MQ_PRE(!p->alive);
	p->step = PROCESS_RUN;
	p->alive = true;
	p->kill = kill;
	p->over = false;
	p->pid = 0;
	p->uid = 0;
	uv_timer_start(&p->timer, on_timer, PROCESS_START_MS, 0);
}

void
process_is(struct process *p, int pid, unsigned uid)
{
	MQ_PRE(p->alive && p->kill != NULL);
	p->pid = pid;
	p->uid = uid;
	if (p->step == PROCESS_RUN)
		uv_timer_stop(&p->timer);
}

static void
on_over(uv_timer_t *t)
{
	struct process *p = t->data;

	p->alive = false;
	p->ended(p->arg, p->status, p->signal);
}

void
process_end_elsewhere(struct process *p, int64_t status, int signal)
{
	MQ_PRE(p->alive && p->kill != NULL && !p->over);
	p->over = true;
	p->status = status;
	p->signal = signal;
	uv_timer_start(&p->timer, on_over, 0, 0);
}

bool
process_may_be_of(const struct process *p, unsigned uid)
{
	return p->kill == NULL || p->uid == uid;
}

/* ---- both ---- */

void
process_leave(struct process *p)
{
	if (!p->alive || uv_is_closing((uv_handle_t *)&p->handle))
		return;
	p->status = 0;
	p->signal = 0;
	uv_timer_stop(&p->timer);
	uv_close((uv_handle_t *)&p->handle, on_closed);
}

int
process_pid(const struct process *p)
{
	if (!p->alive)
		return 0;
	return p->kill != NULL ? p->pid : uv_process_get_pid(&p->handle);
}

static void
give_signal(struct process *p, int signum)
{
	if (p->kill != NULL)
		p->kill(p, signum);
	else
		/* it may have ended and not been reaped: that is no error */
		(void)uv_process_kill(&p->handle, signum);
}

static bool
is_over(const struct process *p)
{
	if (!p->alive)
		return true;
	return p->kill != NULL
		   ? p->over
		   : uv_is_closing((const uv_handle_t *)&p->handle) != 0;
}

void
process_end(struct process *p, enum process_step step)
{
	if (is_over(p) || step <= p->step)
		return;
	p->step = step;
	if (step == PROCESS_TERM)
		give_signal(p, SIGTERM);
	if (step == PROCESS_KILL)
		give_signal(p, SIGKILL);
	if (step != PROCESS_KILL || p->kill != NULL)
		uv_timer_start(&p->timer, on_timer, PROCESS_STEP_MS, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct process *p = t->data;

	/* nothing was heard of it, though it was ordered, or killed */
	if (p->kill != NULL &&
	    (p->step == PROCESS_RUN || p->step == PROCESS_KILL))
		p->kill(p, 0);
	else
		process_end(p,
		    p->step == PROCESS_ORDERED ? PROCESS_TERM : PROCESS_KILL);
}
