/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqtool.h - what mqput and mqget share: messages on standard error, options,
 * exit statuses.  One thread.
 */
#ifndef MQ_ADMIN_MQTOOL_H
#define MQ_ADMIN_MQTOOL_H

#include <mq/mqi.h>

#include "base/check.h"

enum mqtool_status {
	MQTOOL_DONE = 0,
	MQTOOL_FAILED = 1,
	MQTOOL_USAGE = 2,
	MQTOOL_NO_MESSAGE = 3,
};

/* "mqput: what" on standard error. */
void mqtool_say(const char *fmt, ...) MQ_PRINTF(1, 2);
/* The reason's number, name and sentence behind what failed; FAILED. */
enum mqtool_status mqtool_failed(
    const mqi_conn *conn, enum mqi_err err, const char *what);
/* A wrong command line; USAGE. */
enum mqtool_status mqtool_usage(const char *fmt, ...) MQ_PRINTF(1, 2);

/* A number within limits, the whole of text; false: it is not. */
bool mqtool_number(const char *text, int64_t min, int64_t max, int64_t *ret);
/* Behind an option whose value may be left out: the next argument if it is a
 * number and follows, else NULL. */
const char *mqtool_optional_number(
    int argc, char *const argv[], const char *optarg_value, int *optind_value);

/* 48 hexadecimal digits, or text of at most 24 bytes; false: neither. */
bool mqtool_parse_id(const char *text, uint8_t ret_id[MQI_ID_LEN]);
void mqtool_hex(const void *data, size_t len, char *ret); /* 2 * len + 1 */

#endif
