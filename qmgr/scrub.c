/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub.c - the walk over the store of a queue manager that runs (scrub.h).
 *
 * Neighbours: mode_verify.c is what runs in the process; ctl_status.c shows
 * what came of it.
 * Invariants: there is one walk at a time; a walk counts when its process has
 * said that it looked at everything.
 * Happy path: the timer, `qmgr NAME --scrub`, its lines, its end, the timer.
 * Failure: a process that cannot be started, or ends before it has seen all,
 * is a line in the log, and the next one comes in its time.
 */
#include "qmgr/scrub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr/process.h"
#include "qmgr/qmgr_impl.h"

#define FIRST_S 3600u  /* after the start, at most */
#define LINES_MAX 100u /* in the log, of one walk */
#define LINE_MAX_BYTES 1024u
#define FIELDS 5u

struct scrub {
	struct qmgr *qm;
	struct scrub_options options;
	uv_timer_t timer;
	struct process process;
	uv_pipe_t out;
	bool listening; /* to its output */
	bool stopped;
	char line[LINE_MAX_BYTES];
	size_t len;
	/* of the walk under way */
	unsigned lines;
	bool whole;
	uint64_t findings;
	struct scrub_status last;
};

static void on_timer(uv_timer_t *t);

static void
wait_for_next(struct scrub *s, uint32_t after_s)
{
	if (!s->stopped && s->options.interval_s != 0)
		uv_timer_start(
		    &s->timer, on_timer, after_s * UINT64_C(1000), 0);
}

/* ---- what the process says ---- */

static void
take_finding(struct scrub *s, const char *const fields[FIELDS])
{
	struct mqlog_line l;

	if (++s->lines > LINES_MAX)
		return;
	mqlog_begin(&l, MQLOG_ERROR, "store.damaged");
	mqlog_str(&l, "kind", fields[1]);
	mqlog_str(&l, "where", fields[2]);
	mqlog_str(&l, "what", fields[3]);
	mqlog_str(&l, "advice", fields[4]);
	mqlog_end(&l);
}

/* Lines as in mode.h. */
static void
take_line(struct scrub *s)
{
	const char *fields[FIELDS];
	char *at = s->line;

	for (unsigned i = 0; i < FIELDS; i++) {
		fields[i] = at != NULL ? strsep(&at, "\t") : "";
	}
	if (strcmp(fields[0], "finding") == 0) {
		take_finding(s, fields);
	} else if (strcmp(fields[0], "end") == 0) {
		s->findings = strtoull(fields[1], NULL, 10);
		s->whole = true;
	}
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct scrub *s = h->data;

	(void)suggested;
	/* a line that is too long is cut */
	if (s->len == sizeof(s->line) - 1)
		s->len--;
	*ret = uv_buf_init(
	    s->line + s->len, (unsigned)(sizeof(s->line) - 1 - s->len));
}

static void
finish(struct scrub *s)
{
	if (s->process.alive || s->listening)
		return;
	if (s->whole) {
		s->last.ended_ms = mqclock_wall_us() / 1000;
		s->last.findings = s->findings;
		mqlog(s->findings > 0 ? MQLOG_ERROR : MQLOG_INFO,
		    "store.scrubbed",
		    "the whole store has been looked at: %" PRIu64 " findings",
		    s->findings);
	} else if (!s->stopped) {
		mqlog(MQLOG_WARN, "store.scrubbed",
		    "not everything could be looked at (status %d, signal %d)",
		    (int)s->process.status, s->process.signal);
	}
	wait_for_next(s, s->options.interval_s);
}

static void
on_out_closed(uv_handle_t *h)
{
	struct scrub *s = h->data;

	turn_begin(s->qm);
	s->listening = false;
	finish(s);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct scrub *s = stream->data;
	char *end;

	(void)buf;
	if (n < 0) {
		uv_close((uv_handle_t *)stream, on_out_closed);
		return;
	}
	s->len += (size_t)n;
	while ((end = memchr(s->line, '\n', s->len)) != NULL) {
		size_t used = (size_t)(end - s->line) + 1;
		char rest[LINE_MAX_BYTES];
		size_t left = s->len - used;

		memcpy(rest, s->line + used, left);
		*end = '\0';
		take_line(s);
		memcpy(s->line, rest, left);
		s->len = left;
	}
}

/* ---- its life ---- */

static void
on_ended(void *arg, int64_t status, int sig)
{
	struct scrub *s = arg;

	(void)status;
	(void)sig;
	turn_begin(s->qm);
	finish(s);
}

static void
on_timer(uv_timer_t *t)
{
	struct scrub *s = t->data;
	char rate[16];
	const char *argv[] = {"/proc/self/exe", s->qm->name, "--root",
	    s->qm->dir.root, "--scrub", "--rate", rate, NULL};
	const char *why = NULL;

	turn_begin(s->qm);
	(void)snprintf(rate, sizeof(rate), "%u", s->options.rate_mib);
	s->len = 0;
	s->lines = 0;
	s->whole = false;
	/* libuv can fail here for want of memory alone */
	MQ_INVARIANT(uv_pipe_init(&s->qm->loop, &s->out, 0) == 0);
	s->out.data = s;
	s->process.out = &s->out;
	s->listening = true;
	if (process_start(&s->process, (char *const *)(uintptr_t)argv, &why) !=
	    MQI_OK) {
		mqlog(MQLOG_WARN, "store.scrubbed",
		    "the store cannot be looked at: %s", why);
		uv_close((uv_handle_t *)&s->out, on_out_closed);
		return;
	}
	if (uv_read_start((uv_stream_t *)&s->out, on_alloc, on_read) != 0)
		uv_close((uv_handle_t *)&s->out, on_out_closed);
}

struct scrub *
scrub_new(struct qmgr *qm, const struct scrub_options *options)
{
	struct scrub *s = mqmem_alloc(sizeof(*s));

	s->qm = qm;
	s->options = *options;
	uv_timer_init(&qm->loop, &s->timer);
	s->timer.data = s;
	process_init(&s->process, &qm->loop, on_ended, s);
	return s;
}

void
scrub_begin(struct scrub *s)
{
	uint32_t after = s->options.interval_s;

	wait_for_next(s, after < FIRST_S ? after : FIRST_S);
}

void
scrub_stop(struct scrub *s)
{
	s->stopped = true;
	uv_timer_stop(&s->timer);
	process_end(&s->process, PROCESS_KILL);
}

bool
scrub_has_ended(const struct scrub *s)
{
	return !s->process.alive && !s->listening;
}

static void
on_process_closed(uv_handle_t *h)
{
	struct process *p = h->data;

	free(MQ_CONTAINER_OF(p, struct scrub, process));
}

static void
on_timer_closed(uv_handle_t *h)
{
	struct scrub *s = h->data;

	process_close(&s->process, on_process_closed);
}

struct scrub *
scrub_free(struct scrub *s)
{
	if (s == NULL)
		return NULL;
	MQ_PRE(scrub_has_ended(s));
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
	return NULL;
}

void
scrub_status(const struct scrub *s, struct scrub_status *ret)
{
	*ret = s->last;
}
