/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - the loop that the kinds of agent share: a connection to the
 * queue manager, orders from it, status to it, time, signals, and the end.
 * One per process; main thread only.
 *
 * Exit status: RUN_DONE, nothing more to do; RUN_FAILED, try again later;
 * RUN_USAGE, wrong arguments; RUN_CALLED_BACK, the partner dials.
 */
#ifndef MQ_MCA_RUN_H
#define MQ_MCA_RUN_H

#include <uv.h>

#include "libmq/agent.h"
#include "mca/certs.h"
#include "mca/channel.h"
#include "mca/link.h"

#define RUN_DONE 0
#define RUN_FAILED 1
#define RUN_USAGE 2
#define RUN_CALLED_BACK 3

/* What some channel lets in, and so TLS must. */
struct run_lets {
	bool old_tls; /* TLS 1.2 */
	bool no_cert; /* who calls without a certificate */
};

struct run_args {
	const char *qmgr;
	const char *root;
	const char *channel;  /* dial */
	const char *listener; /* listener */
	const char *address;  /* answer: the partner's */
	/* The directory of the PEM files.  dial, ping, ask, listener: NULL: as
	 * the queue manager says */
	const char *keys;
	const char *label;   /* answer, clients: CERTLABL */
	const char *program; /* listener, serve: to start others */
	bool ping;           /* dial: no messages */
	bool ask;            /* dial: the partner's position alone */
	int go_fd;           /* not before a byte comes here; -1: at once */
	/* answer: the accepted socket; clients: the pair that brings them */
	int fd;
	int ready_fd;         /* answer: told when it is authenticated */
	struct run_lets lets; /* answer */
	bool json;
};

struct run;

/* What a kind of agent does in the loop. */
struct run_kind {
	/* Before the loop sleeps: moves bytes; true: look again. */
	bool (*turn)(struct run *r);
	void (*tick)(struct run *r, uint64_t now_ms);
	/* When the next tick is due, in run_now_ms(); UINT64_MAX: nothing is.
	 * Asked each time before the loop sleeps.  NULL: every 100 ms. */
	uint64_t (*due)(struct run *r);
	/* Whether the status is another than when it was filled in last; NULL:
	 * it is told every second. */
	bool (*changed)(struct run *r);
	void (*stop)(struct run *r); /* told to stop, by order or signal */
	/* REFRESH SECURITY, or what a listener keeps has changed. */
	void (*refresh)(struct run *r);
	/* Whether the queue manager's bytes are wanted now. */
	bool (*wants_local)(struct run *r);
	/* Another order: true if it is one.  In a callback of the connection:
	 * nothing can be said on it.  NULL: there are no others. */
	bool (*order)(struct run *r, const struct mqctl_list *order);
	/* Fills in the status; NULL: none. */
	void (*status)(struct run *r, struct mqctl_list *l);
};

struct run {
	const struct run_args *args;
	const struct run_kind *kind;
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_timer_t timer;
	uv_signal_t term;
	uv_poll_t local;
	mqi_conn *conn; /* NULL: not connected yet, or gone */
	bool local_gone;
	int local_events;
	bool stop_asked;
	bool stop_told;
	bool refresh_asked;
	bool ended;
	int status;
	uint64_t status_ms; /* when it was told last */
	uint64_t
	    timer_ms; /* when the timer ends; UINT64_MAX: it does not run */
};

/* Sets the loop up.  Errors: RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err run_init(
    struct run *r, const struct run_args *args, const struct run_kind *kind);
/* Connects to the queue manager; text (CHANNEL_TEXT_LEN) on a failure. */
MQ_MUST_CHECK enum mqi_err run_connect(
    struct run *r, const char *channel, const char *address, char *text);
/* The same, on behalf of a partner who is this user here. */
MQ_MUST_CHECK enum mqi_err run_connect_as(struct run *r, const char *channel,
    const char *address, const char *user, char *text);
/* A connection for questions alone, outside the loop and on behalf of nobody;
 * then run_connect(). */
MQ_MUST_CHECK enum mqi_err run_ask(struct run *r, char *text);
void run_ask_end(struct run *r);
/* Runs until run_end(); returns the exit status. */
int run_loop(struct run *r);
void run_end(struct run *r, int status);
/* Tells the queue manager how we are, now. */
void run_tell(struct run *r);
/* One pair of a status. */
void run_status_str(
    struct mqctl_list *l, const char *keyword, const char *value);
void run_status_uint(struct mqctl_list *l, const char *keyword, uint64_t v);
/* The status of a channel's machine. */
void run_status_channel(struct mqctl_list *l, const struct channel *c);
/* Writes what is queued for the queue manager; waits for it a little. */
void run_flush_local(struct run *r);

uint64_t run_now_ms(void);
/* Ends the channel if a certificate has expired: TLS looks at them only when a
 * connection begins.  True: a newer one of ours is there, so the channel should
 * end and begin again. */
bool run_check_certs(struct channel *c, struct certs *certs);
/* When that is to be looked at, in run_now_ms(). */
uint64_t run_certs_due(const struct certs *certs);

/* ---- commands ---- */

/* What is done with the rows of an answer; fn NULL: nothing. */
struct run_rows {
	mqagent_row_fn fn;
	void *arg;
};

/* Has a command carried out.  params: keywords and values in turn, then NULL;
 * or NULL.  Errors: the command's. */
MQ_MUST_CHECK enum mqi_err run_command(struct run *r, enum mqctl_verb verb,
    enum mqctl_noun noun, const char *name, const char *const *params,
    const struct run_rows *rows, char *text);

/* ---- definitions, by DISPLAY ---- */

/* The first row of DISPLAY noun(name); mqctl_list_fini() it.
 * Errors: the command's; UNKNOWN_OBJECT if there is no row. */
MQ_MUST_CHECK enum mqi_err run_display(struct run *r, enum mqctl_noun noun,
    const char *name, struct mqctl_list *ret, char *text);
/* Calls fn for each row of DISPLAY noun(name), with params as above. */
MQ_MUST_CHECK enum mqi_err run_display_each(struct run *r, enum mqctl_noun noun,
    const char *name, const char *const *params, mqagent_row_fn fn, void *arg,
    char *text);
/* "" and 0 if the row does not have it. */
const char *run_get(const struct mqctl_list *l, const char *keyword);
uint64_t run_get_uint(const struct mqctl_list *l, const char *keyword);
/* KAINT: seconds, or below 0 for AUTO. */
int64_t run_get_keep_alive(const struct mqctl_list *row);
/* Sets it for a socket. */
void run_keep_alive(int fd, int64_t keep_alive_s, uint32_t heartbeat_ms);
/* The directory with the PEM files: the one we were given, else SSLKEYR, or
 * ROOT/<escaped name>/ssl. ret has PATH_MAX bytes.  ret_label (MQNAME_LABEL_LEN
 * + 1) gets the queue manager's CERTLABL. */
MQ_MUST_CHECK enum mqi_err run_key_dir(
    struct run *r, char *ret, char *ret_label, char *text);
/* What the channels let in that are answered: those of applications (SVRCONN)
 * or of queue managers.  ret is untouched on a failure. */
MQ_MUST_CHECK enum mqi_err run_find_lets(
    struct run *r, bool of_applications, struct run_lets *ret, char *text);
/* Whether the channel of this row lets in whoever has, or has not, shown a
 * certificate.  Errors: CERTIFICATE. */
MQ_MUST_CHECK enum mqi_err run_check_sslcauth(
    const struct mqctl_list *row, bool has_cert, char *text);
/* Fills def from a row of DISPLAY CHANNEL and the connection. */
void run_channel_def(struct run *r, const struct mqctl_list *row,
    const char *channel, struct channel_def *ret);

/* ---- the agents ---- */

int run_dial(const struct run_args *args);
int run_answer(const struct run_args *args);
int run_listener(const struct run_args *args);
int run_clients(const struct run_args *args);
int run_serve(const struct run_args *args);

#endif
