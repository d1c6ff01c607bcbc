/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqtool.c - what mqput and mqget share.
 *
 * Neighbours: mqput.c, mqget.c.  Data goes to standard output and is theirs;
 * everything said here goes to standard error, one line at a time.
 */
#include "admin/mqtool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
say(const char *fmt, va_list ap)
{
	(void)fprintf(stderr, "%s: ", program_invocation_short_name);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

void
mqtool_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

enum mqtool_status
mqtool_failed(const mqi_conn *conn, enum mqi_err err, const char *what)
{
	const char *text = mqi_last_error(conn);

	mqtool_say("%s: %d %s: %s", what, (int)err, mqi_err_name(err),
	    text[0] != '\0' ? text : mqi_strerror(err));
	return MQTOOL_FAILED;
}

enum mqtool_status
mqtool_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	mqtool_say("try '%s --help'", program_invocation_short_name);
	return MQTOOL_USAGE;
}

bool
mqtool_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	intmax_t v;
	char *end;

	errno = 0;
	v = strtoimax(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

const char *
mqtool_optional_number(
    int argc, char *const argv[], const char *optarg_value, int *optind_value)
{
	const char *next;

	if (optarg_value != NULL || *optind_value >= argc)
		return optarg_value;
	next = argv[*optind_value];
	if (next[0] == '\0' || next[strspn(next, "0123456789")] != '\0')
		return NULL;
	(*optind_value)++;
	return next;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
mqtool_parse_id(const char *text, uint8_t ret_id[MQI_ID_LEN])
{
	size_t len = strlen(text), i;

	memset(ret_id, 0, MQI_ID_LEN);
	if (len == 2 * MQI_ID_LEN &&
	    strspn(text, "0123456789abcdefABCDEF") == len) {
		for (i = 0; i < MQI_ID_LEN; i++)
			ret_id[i] = (uint8_t)(hex_digit(text[2 * i]) * 16 +
					      hex_digit(text[2 * i + 1]));
		return true;
	}
	if (len > MQI_ID_LEN)
		return false;
	memcpy(ret_id, text, len);
	return true;
}

void
mqtool_hex(const void *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		ret[2 * i] = digits[p[i] >> 4];
		ret[2 * i + 1] = digits[p[i] & 15];
	}
	ret[2 * len] = '\0';
}
