/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - one child process: started, asked to end in steps, and reaped.
 * It may also be one that runs elsewhere, started and watched by another
 * process for us (apart.c).  Loop thread only; never blocks.
 */
#ifndef MQ_QMGR_PROCESS_H
#define MQ_QMGR_PROCESS_H

#include <mq/mqi_err.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/check.h"

/* How it is asked; each step follows the one before it after 5 s. */
enum process_step {
	PROCESS_RUN,
	PROCESS_ORDERED, /* by the caller, on the process's session */
	PROCESS_TERM,    /* SIGTERM */
	PROCESS_KILL,    /* SIGKILL */
};

#define PROCESS_STEP_MS 5000u
#define PROCESS_START_MS 10000u /* until one elsewhere must have begun */

/* It has ended and been reaped; status is its exit status, or signal is not
 * 0.  It may be started again from within. */
typedef void (*process_ended_fn)(void *arg, int64_t status, int signal);

/* The status of one elsewhere whose end nobody has seen. */
#define PROCESS_LOST (-1)

struct process;
/* Gives a signal to one that runs elsewhere; 0: nothing was heard of it for too
 * long after it was ordered or killed, and `kill` sees to it that it counts as
 * lost. */
typedef void (*process_signal_fn)(struct process *p, int signum);

struct process {
	uv_process_t handle;
	uv_timer_t timer;
	bool alive; /* from the start until `ended` is called */
	enum process_step step;
	int64_t status;
	int signal;
	uv_pipe_t *out; /* takes its output; NULL: ours does */
	bool detached;  /* in a session of its own; fds then count */
	int fds[2];     /* its output and errors; -1: nowhere */
	process_ended_fn ended;
	void *arg;

	/* one that runs elsewhere */
	TAILQ_ENTRY(process) link;
	process_signal_fn kill; /* NULL: it is our child */
	void *where;
	uint32_t id;
	int pid; /* 0: not known yet */
	unsigned uid;
	bool over;  /* `ended` is about to be called */
	char *line; /* takes the first line of its output; NULL: nobody */
	size_t line_len;
};

void process_init(
    struct process *p, uv_loop_t *loop, process_ended_fn ended, void *arg);
/* Not alive any more; closed is called when its memory may go, with the
 * timer's handle, whose data is p. */
void process_close(struct process *p, uv_close_cb closed);

/* argv[0] is the path; NULL-terminated.  Its output is ours, its input is
 * empty.  Errors: RESOURCE_PROBLEM; *ret_why, constant, says what. */
MQ_MUST_CHECK enum mqi_err process_start(
    struct process *p, char *const argv[], const char **ret_why);
/* It is started elsewhere, and ended there by `kill`. */
void process_start_elsewhere(struct process *p, process_signal_fn kill);
/* It has this id and user there. */
void process_is(struct process *p, int pid, unsigned uid);
/* It has ended there: `ended` is called in a turn of its own. */
void process_end_elsewhere(struct process *p, int64_t status, int signal);
/* Whether a process of that user can be this one. */
bool process_may_be_of(const struct process *p, unsigned uid);
/* It runs on without us: `ended` is called as if it had ended. */
void process_leave(struct process *p);
int process_pid(const struct process *p); /* 0: not alive */
/* Goes to this step, if it is not there or beyond yet. */
void process_end(struct process *p, enum process_step step);

#endif
