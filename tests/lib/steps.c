/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - a thread of a program, step by step.
 *
 * Happy path: seize the thread, stop it, fork the child that works, let the
 * thread go from stop to stop and count them until the child has ended, let it
 * go for good.  Failure modes: a child that fails aborts the test here; if the
 * test dies, the kernel lets the program run on, which then dies with it.
 */
#include "tests/lib/steps.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns what the stop is, as ptrace(2) tells it. */
static int
wait_for_stop(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		proc_die(NULL, "steps: the program has ended");
	return status;
}

/* Lets it go for good.  The trap of the last step may be on its way, and
 * would kill it. */
static void
let_go(const struct proc *p)
{
	struct __ptrace_peeksiginfo_args first = {.nr = 1};
	siginfo_t info;
	int status;

	if (ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL) < 0)
		proc_die(p, "steps: ptrace");
	status = wait_for_stop(p->pid);
	if (status >> 16 == PTRACE_EVENT_STOP &&
	    ptrace(PTRACE_PEEKSIGINFO, p->pid, &first, &info) > 0) {
		if (ptrace(PTRACE_CONT, p->pid, NULL, NULL) < 0)
			proc_die(p, "steps: ptrace");
		(void)wait_for_stop(p->pid);
	}
	if (ptrace(PTRACE_DETACH, p->pid, NULL, NULL) < 0)
		proc_die(p, "steps: ptrace");
}

/* True: a stop of the program.  False: the child has ended. */
static bool
next_stop(pid_t pid, pid_t child, int *ret_signal)
{
	int status;
	pid_t who = waitpid(-1, &status, __WALL);

	*ret_signal = 0;
	if (who == child) {
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			proc_die(NULL, "steps: the work failed");
		return false;
	}
	if (who != pid || !WIFSTOPPED(status))
		proc_die(NULL, "steps: the program has ended");
	if (WSTOPSIG(status) != SIGTRAP && (WSTOPSIG(status) & 0x80) == 0)
		*ret_signal = WSTOPSIG(status);
	return true;
}

uint64_t
steps_count(const struct proc *p, enum steps_kind kind, void (*work)(void *arg),
    void *arg)
{
	enum __ptrace_request go =
	    kind == STEPS_CALLS ? PTRACE_SYSCALL : PTRACE_SINGLESTEP;
	uint64_t n = 0;
	int sig = 0;
	pid_t child;

	if (ptrace(PTRACE_SEIZE, p->pid, NULL, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL) < 0)
		proc_die(p, "steps: ptrace");
	(void)wait_for_stop(p->pid);
	child = fork();
	if (child < 0)
		proc_die(NULL, "fork");
	if (child == 0) {
		work(arg);
		_exit(0);
	}
	do {
		if (ptrace(go, p->pid, NULL, (void *)(intptr_t)sig) < 0)
			proc_die(p, "steps: ptrace");
		n++;
	} while (next_stop(p->pid, child, &sig));
	let_go(p);
	/* the call that is entered, and left again */
	return kind == STEPS_CALLS ? n / 2 : n;
}
