/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqsc_parse.h - one command's text, its lines joined already, into a struct
 * mqctl_command.  For mqsc.c.  Pure; thread-safe.
 */
#ifndef MQ_ADMIN_MQSC_PARSE_H
#define MQ_ADMIN_MQSC_PARSE_H

#include "admin/mqsc.h"

/* Where a command could not be understood: offset into its text. */
struct mqsc_where {
	size_t offset;
	bool at_end;
	char text[256];
};

/* COMMAND: ret_cmd is written; ERROR: ret_where is; END; NONE: the text holds
 * no command. */
enum mqsc_event mqsc_parse(const char *text, size_t len,
    struct mqctl_command *ret_cmd, struct mqsc_where *ret_where);

#endif
