/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pings.c - the processes of PING CHANNEL and RESOLVE CHANNEL (pings.h).
 *
 * Neighbours: ctl_control.c and ctl_resolve.c have the commands; mca/run_dial.c
 * is what runs in the process: it writes one line, a reason's number, a tab and
 * a sentence.
 * Invariants: each ping is answered once, when its process has ended and its
 * output is read, unless who asked is gone.
 * Failure: a process that cannot be run, or says nothing, is an answer that
 * says so.
 */
#include "qmgr/pings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "proto/local.h"
#include "qmgr/agents.h"
#include "qmgr/process.h"
#include "qmgr/qmgr_impl.h"

#define LINE_LEN 600u

struct ping {
	TAILQ_ENTRY(ping) link;
	struct pings *owner;
	struct engine_session *s; /* NULL: nobody waits any more */
	uint32_t id;
	struct pings_then then; /* fn NULL: the answer is the process's */
	struct process process;
	uv_pipe_t out;
	bool listening; /* to its output */
	bool closing;
	bool holds_work; /* for the queue of then */
	char line[LINE_LEN];
	size_t len;
};

TAILQ_HEAD(ping_list, ping);

struct pings {
	struct qmgr *qm;
	char *mca;
	struct ping_list all;
	unsigned n;
	bool stopped;
};

struct pings *
pings_new(struct qmgr *qm, const char *mca_path)
{
	struct pings *ps = mqmem_alloc(sizeof(*ps));

	ps->qm = qm;
	ps->mca = mqmem_strdup(mca_path);
	TAILQ_INIT(&ps->all);
	return ps;
}

struct pings *
pings_free(struct pings *ps)
{
	if (ps == NULL)
		return NULL;
	MQ_PRE(pings_have_ended(ps));
	free(ps->mca);
	free(ps);
	return NULL;
}

/* ---- the answer ---- */

static void
send_answer(const struct ping *p, unsigned reason, const char *said)
{
	struct engine *e = p->owner->qm->engine;
	struct mqlocal_result r = {.reason = reason};
	char text[PINGS_TEXT_LEN];
	uint64_t pos = 0;
	struct mqbuf b;
	struct mqref *bytes;

	(void)snprintf(text, sizeof(text), "%s", said);
	if (p->then.fn != NULL)
		r.reason =
		    p->then.fn(e, &p->then, (enum mqi_err)reason, text, &pos);
	(void)snprintf(r.text, sizeof(r.text), "%s", text);
	mqbuf_init(&b, 2 * sizeof(r.text));
	mqlocal_encode_result(&b, p->id, &r);
	bytes = mqref_copy(b.data, b.len);
	MQ_INVARIANT(bytes != NULL); /* a few hundred bytes */
	engine_reply_external(e, p->s, p->id, pos, bytes);
	mqref_unref(bytes);
	mqbuf_fini(&b);
}

static void
answer(struct ping *p)
{
	unsigned long reason;
	char text[128], *tab;

	p->line[p->len] = '\0';
	p->line[strcspn(p->line, "\n")] = '\0';
	reason = strtoul(p->line, &tab, 10);
	if (tab != p->line && *tab == '\t' && reason <= UINT16_MAX) {
		send_answer(p, (unsigned)reason, tab + 1);
		return;
	}
	if (p->process.status == PROCESS_LOST) {
		send_answer(p, MQI_E_CHANNEL_NOT_AVAILABLE, APART_GONE);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "the agent that was to call the partner ended with status %d, "
	    "signal %d",
	    (int)p->process.status, p->process.signal);
	send_answer(p, MQI_E_CHANNEL_NOT_AVAILABLE, text);
}

/* ---- its life ---- */

static void
on_process_closed(uv_handle_t *h)
{
	struct process *process = h->data;
	struct ping *p = MQ_CONTAINER_OF(process, struct ping, process);

	turn_begin(p->owner->qm);
	TAILQ_REMOVE(&p->owner->all, p, link);
	p->owner->n--;
	free(p);
}

static void
finish(struct ping *p)
{
	if (p->process.alive || p->listening || p->closing)
		return;
	p->closing = true;
	if (p->s != NULL)
		answer(p);
	if (p->holds_work)
		agents_work(p->owner->qm->agents, p->then.queue);
	process_close(&p->process, on_process_closed);
}

static void
on_out_closed(uv_handle_t *h)
{
	struct ping *p = h->data;

	turn_begin(p->owner->qm);
	p->listening = false;
	finish(p);
}

static void
on_ended(void *arg, int64_t status, int sig)
{
	struct ping *p = arg;

	(void)status;
	(void)sig;
	turn_begin(p->owner->qm);
	if (p->process.line != NULL)
		p->len = strlen(p->line);
	finish(p);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct ping *p = h->data;

	(void)suggested;
	/* what is too long is cut */
	if (p->len == LINE_LEN - 1)
		p->len--;
	*ret = uv_buf_init(p->line + p->len, (unsigned)(LINE_LEN - 1 - p->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ping *p = stream->data;

	(void)buf;
	if (n < 0)
		uv_close((uv_handle_t *)stream, on_out_closed);
	else
		p->len += (size_t)n;
}

/* Its line comes through a pipe. */
static void
ping_here(struct ping *p)
{
	/* libuv can fail here for want of memory alone */
	MQ_INVARIANT(uv_pipe_init(&p->owner->qm->loop, &p->out, 0) == 0);
	p->out.data = p;
	p->process.out = &p->out;
	p->listening = true;
}

/* Its line comes with the word that it has ended. */
static void
ping_elsewhere(struct ping *p)
{
	p->process.line = p->line;
	p->process.line_len = sizeof(p->line);
}

enum mqi_err
pings_start(struct pings *ps, struct engine_session *s, uint32_t id,
    const char *mode, const char *channel, const struct pings_then *then)
{
	bool apart = apart_is_on(ps->qm->apart);
	enum mqi_err err;
	const char *why;
	struct ping *p;

	if (ps->stopped)
		return MQI_E_Q_MGR_STOPPING;
	if (ps->n >= PINGS_MAX)
		return MQI_E_RESOURCE_PROBLEM;
	p = mqmem_alloc(sizeof(*p));
	p->owner = ps;
	p->s = s;
	p->id = id;
	if (then != NULL)
		p->then = *then;
	TAILQ_INSERT_TAIL(&ps->all, p, link);
	ps->n++;
	process_init(&p->process, &ps->qm->loop, on_ended, p);
	if (apart)
		ping_elsewhere(p);
	else
		ping_here(p);
	err = apart_start(
	    ps->qm->apart, ps->mca, &p->process, mode, channel, &why);
	if (err != MQI_OK)
		(void)snprintf(p->line, sizeof(p->line), "%d\t%s",
		    (int)MQI_E_CHANNEL_NOT_AVAILABLE, why);
	p->len = err != MQI_OK ? strlen(p->line) : 0;
	if (!apart && (err != MQI_OK || uv_read_start((uv_stream_t *)&p->out,
					    on_alloc, on_read) != 0))
		uv_close((uv_handle_t *)&p->out, on_out_closed);
	return MQI_OK;
}

bool
pings_hold_work(struct pings *ps, const char *queue)
{
	struct ping *p;

	TAILQ_FOREACH (p, &ps->all, link) {
		if (p->then.fn != NULL && !p->closing &&
		    strcmp(p->then.queue, queue) == 0) {
			p->holds_work = true;
			return true;
		}
	}
	return false;
}

void
pings_forget(struct pings *ps, const struct engine_session *s)
{
	struct ping *p;

	TAILQ_FOREACH (p, &ps->all, link) {
		if (p->s != s)
			continue;
		p->s = NULL;
		process_end(&p->process, PROCESS_TERM);
	}
}

void
pings_stop(struct pings *ps)
{
	struct ping *p;

	ps->stopped = true;
	TAILQ_FOREACH (p, &ps->all, link)
		process_end(&p->process, PROCESS_KILL);
}

bool
pings_have_ended(const struct pings *ps)
{
	return TAILQ_EMPTY(&ps->all);
}
