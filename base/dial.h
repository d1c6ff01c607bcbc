/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h - CONNAME: "host(port)", "host" (port 1414), "[address](port)", or
 * several of them with commas, tried in order.
 */
#ifndef MQ_BASE_DIAL_H
#define MQ_BASE_DIAL_H

#include <mq/mqi_err.h>
#include <stddef.h>

#include "base/check.h"

#define MQDIAL_DEFAULT_PORT "1414"
#define MQDIAL_TEXT_LEN 512u
#define MQDIAL_HOST_LEN 256u

/* Reads one name and moves *pp behind it and its comma.
 * Errors: ATTRIBUTE. */
MQ_MUST_CHECK enum mqi_err mqdial_parse(
    const char **pp, char ret_host[MQDIAL_HOST_LEN], char ret_port[8]);

/* Connects to one host, by the first of its addresses that answers within
 * max_ms.  Otherwise as mqdial(). */
MQ_MUST_CHECK enum mqi_err mqdial_one(const char *host, const char *port,
    unsigned max_ms, char *ret_text, int *ret_fd);

/* Connects to the first that answers; waits max_ms for each.  ret_text
 * (MQDIAL_TEXT_LEN) says why none did.  Blocks.
 * Errors: ATTRIBUTE, HOST_NOT_AVAILABLE. */
MQ_MUST_CHECK enum mqi_err mqdial(
    const char *conname, unsigned max_ms, char *ret_text, int *ret_fd);

#endif
