/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the daemons' log: one line per event on standard error, as text or
 * as JSON.  Libraries never log.  Thread-safe; one write(2) per line.
 *
 *   text: 2026-11-21T00:27:40.123Z QM1 warn session.refused uid=12 reason=...
 *   JSON: {"time":"...","qmgr":"QM1","level":"warn","event":"session.refused",
 *          "uid":"12","reason":"..."}
 *
 * Values are escaped (control characters, quotes), so that nothing that a
 * partner sends can forge a line.
 */
#ifndef MQ_BASE_LOG_H
#define MQ_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum mqlog_level { MQLOG_INFO, MQLOG_WARN, MQLOG_ERROR, MQLOG_FATAL };

/* Once, before threads start.  name is copied (31 bytes are kept). */
void mqlog_init(const char *name, bool json);

/* mqlog(LEVEL, "channel.start", "channel", "%s", name, "pid", "%d", pid, NULL)
 * Pairs of key and printf format with its arguments are awkward in C, so a
 * line is built field by field: */
struct mqlog_line {
	char text[2048];
	unsigned len;
	bool truncated;
};

void mqlog_begin(
    struct mqlog_line *l, enum mqlog_level level, const char *event);
void mqlog_str(struct mqlog_line *l, const char *key, const char *value);
void mqlog_int(struct mqlog_line *l, const char *key, int64_t value);
void mqlog_uint(struct mqlog_line *l, const char *key, uint64_t value);
void mqlog_end(struct mqlog_line *l); /* writes it */

/* The common case: an event and one formatted sentence under "text". */
void mqlog(enum mqlog_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
