/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd.h - the subcommands of mqadmin and what they share: exit statuses,
 * where a queue manager is, and how it is told what to do.  Single-threaded.
 */
#ifndef MQ_ADMIN_CMD_H
#define MQ_ADMIN_CMD_H

#include <mq/mqi.h>
#include <stdbool.h>

#include "base/check.h"

/* exit statuses, IBM's for runmqsc */
#define CMD_OK 0
#define CMD_FAILED 10  /* something that was asked for was not done */
#define CMD_NOT_RUN 20 /* nothing was tried */

/* A subcommand: argv[0] is its name. Returns the exit status. */
typedef int (*cmd_fn)(int argc, char **argv);

int cmd_attributes(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_compact(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_dlq(int argc, char **argv);
int cmd_mqsc(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_tls(int argc, char **argv);
int cmd_trace_route(int argc, char **argv);
int cmd_trigger_monitor(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* Writes "mqadmin: ..." on standard error. */
void cmd_error(const char *fmt, ...) MQ_PRINTF(1, 2);
/* The same, and where to read more; returns CMD_NOT_RUN. */
int cmd_usage(const char *subcommand, const char *fmt, ...) MQ_PRINTF(2, 3);
/* Prints a help text if argv asks for it by --help or -h. */
bool cmd_help(int argc, char **argv, const char *text);
/* The name if it is valid and the only argument left, else NULL after a
 * message. */
const char *cmd_qmgr_name(const char *subcommand, int argc, char **argv);

/* Where a queue manager's files are. */
struct cmd_place {
	char *root; /* malloc'd */
	char *dir;  /* ROOT/<escaped name>, malloc'd */
};

/* Finds an existing queue manager; false after a message.  root may be NULL.
 * cmd_place_fini() it. */
bool cmd_find(const char *qmgr, const char *root, struct cmd_place *ret);
void cmd_place_fini(struct cmd_place *p);

/* The process id of the queue manager that listens in dir; 0: none does. */
int cmd_running_pid(const char *dir);

/* The program `name` beside our own, malloc'd; NULL after a message. */
char *cmd_sibling(const char *name);

#endif
