/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h - programs under test: start, wait, stop, kill -9.
 *
 * A program dies with the thread that started it (PR_SET_PDEATHSIG), so
 * nothing survives a test that fails or crashes: start programs from the main
 * thread.  Standard output and error go to a file, which failures print.
 * Everything dies (abort, with the log) rather than return an error: a test
 * that cannot run its programs has failed.
 */
#ifndef MQ_TESTS_PROC_H
#define MQ_TESTS_PROC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_DEADLINE_MS 60000 /* nothing that works takes so long */

struct proc {
	pid_t pid; /* 0: not running */
	char log[PATH_MAX];
};

/* A program of the build by its name ("qmgr"). */
void proc_bin(const char *name, char *ret_path, size_t len);

/* Starts argv[0] with NULL-terminated argv and additions to the environment
 * ("NAME=value", NULL-terminated, may be NULL).  Appends to p->log. */
void proc_start(
    struct proc *p, const char *const argv[], const char *const env[]);
/* Waits for the end; returns its wait status. */
int proc_wait(struct proc *p);
/* Whether it has not ended; if it has, *ret_status is its wait status. */
bool proc_runs(struct proc *p, int *ret_status);
void proc_kill9(struct proc *p);
/* SIGTERM, and asserts that it ends with status 0. */
void proc_stop(struct proc *p);
void proc_print_log(const struct proc *p);
/* Prints what, errno and the program's log (p may be NULL), and aborts. */
_Noreturn void proc_die(const struct proc *p, const char *what);

/* Runs to the end with `input` (may be NULL) on standard input; returns the
 * exit status, and the output in *ret_out (malloc'd, may be NULL). */
int proc_run(const char *const argv[], const char *input, const char *log,
    char **ret_out);

/* A TCP port of 127.0.0.1 that nobody listens on now, given by the kernel. */
int proc_free_port(void);

/* ---- seeds and sizes ---- */

/* MQ_SEED, else a random one; printed either way, with the test's name. */
uint64_t test_seed(const char *test);
/* `--long` was asked for. */
bool test_is_long(void);
/* This build runs several times slower (sanitizers). */
bool test_is_slow(void);
uint64_t test_now_ms(void); /* monotonic */

#endif
