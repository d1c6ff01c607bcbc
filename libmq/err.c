/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.c - the sentence for a person that belongs to a thread's last failure.
 *
 * Reasons are numbers; what they leave out (which name, which limit) is one
 * sentence, kept per thread so that threads that share a connection do not
 * overwrite each other's.  A thread keeps one sentence, of its last failure
 * on any connection; asked for another connection it answers "".  NULL stands
 * for a connect that failed.  Nothing is allocated, so this cannot fail.
 */
#include "libmq/conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct {
	const mqi_conn *conn;
	char text[MQLIB_TEXT_LEN];
} last;

enum mqi_err
mqlib_fail(const mqi_conn *c, enum mqi_err err, const char *text)
{
	if (err == MQI_OK)
		return err;
	if (text == NULL || text[0] == '\0')
		text = mqi_strerror(err);
	last.conn = c;
	if (text != last.text)
		(void)snprintf(last.text, sizeof(last.text), "%s", text);
	return err;
}

enum mqi_err
mqlib_failf(const mqi_conn *c, enum mqi_err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(last.text, sizeof(last.text), fmt, ap);
	va_end(ap);
	last.conn = c;
	return err;
}

void
mqlib_take_text(char *ret_text)
{
	(void)snprintf(
	    ret_text, MQLIB_TEXT_LEN, "%s", last.conn == NULL ? last.text : "");
}

void
mqlib_forget(const mqi_conn *c)
{
	if (last.conn == c)
		last.text[0] = '\0';
}

const char *
mqi_last_error(const mqi_conn *conn)
{
	return last.conn == conn ? last.text : "";
}
