/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service_command.h - what is run for a SERVICE object: its program and
 * arguments with inserts filled in, and the files of its output.
 * Loop thread only.
 */
#ifndef MQ_QMGR_SERVICE_COMMAND_H
#define MQ_QMGR_SERVICE_COMMAND_H

#include "base/args.h"
#include "proto/attr.h"

/* What the inserts stand for. */
struct service_inserts {
	const char *qmgr;
	const char *service;
	const char *install;
	const char *root;
	const char *dir;
	int server_pid; /* 0: none */
};

struct service_command {
	struct mqargs args;
	int out_fd; /* -1: nowhere */
	int err_fd;
	char why[256]; /* an output that could not be opened; "" */
};

/* Fills in +QMNAME+ and others; what is no insert stays.  malloc'd. */
char *service_insert(const struct service_inserts *in, const char *text);

/* service_command_fini() it on success.  Errors: ATTRIBUTE (there is no
 * command, a quote in its arguments has no end, too many words). */
MQ_MUST_CHECK enum mqi_err service_command_make(const struct mqattr_set *attrs,
    bool is_stop, const struct service_inserts *in,
    struct service_command *ret);
void service_command_fini(struct service_command *c);

#endif
