/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_channel.h - what a channel's two link ends (run_dial.c, run_answer.c)
 * and two roles (run_sender.c, run_receiver.c) share: one link, one machine,
 * the turn of the loop, the status, and the end.  One per process; main
 * thread only.
 */
#ifndef MQ_MCA_RUN_CHANNEL_H
#define MQ_MCA_RUN_CHANNEL_H

#include "mca/admit.h"
#include "mca/certs.h"
#include "mca/receiver.h"
#include "mca/run.h"
#include "mca/sender.h"

/* What a role does in the loop, once its machine lives. */
struct run_role {
	void (*input)(const void *data, size_t len);
	/* Before what the machine wants to send leaves; true: look again. */
	bool (*turn)(void);
	void (*tick)(uint64_t now_ms);
	uint64_t (*due)(void); /* as run_kind's */
	void (*stop)(void);
	enum channel_substate (*substate)(void);
	/* Its own part of the status; NULL: none. */
	void (*status)(struct mqctl_list *l);
	/* Whether the queue manager's bytes, or the partner's, are wanted. */
	bool (*wants_local)(void);
	bool (*wants_input)(void);
};

struct run_channel {
	struct run run;
	struct certs certs; /* tls is NULL until the end has loaded them */
	struct link *link;
	/* the link is encrypted; input: before there is a role */
	void (*up)(void);
	void (*input)(const void *data, size_t len);
	const struct run_role *role; /* NULL: not known yet */
	struct channel *c;           /* its machine */
	char name[MQI_CHANNEL_NAME_LEN + 1];
	char conname[264 + 1];
	char partner[CHANNEL_IDENTITY_LEN]; /* its certificate's subject */
	char user[MQATTR_USER_LEN + 1]; /* that an admitted partner is here */
	char own_user[MQATTR_USER_LEN + 1]; /* of this process; "" not known */
	char error[CHANNEL_TEXT_LEN];
	char ended[CHANNEL_TEXT_LEN]; /* how, once it has */
	enum mqi_err reason;
	/* told before the machine lives */
	const char *state;
	enum channel_substate at;
	int64_t not_after;  /* the first of both certificates' ends; 0: none */
	uint64_t linked_ms; /* when the link was made */
	bool stopping;      /* told to, before the machine lived */
	bool call_back;     /* the queue manager shall start the channel */
	enum channel_state told;
	enum channel_substate told_substate;
	struct channel_stats told_stats;
	/* what it is, and since when */
	enum channel_substate substate;
	uint64_t substate_ms;
};

/* Errors: RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err run_channel_init(struct run_channel *rc,
    const struct run_args *args, void (*up)(void),
    void (*input)(const void *data, size_t len));
/* TLS on a connected socket.  Errors: as link_new(). */
MQ_MUST_CHECK enum mqi_err run_channel_link(
    struct run_channel *rc, int fd, bool server);
/* Takes the partner's certificate into rc.  text (CHANNEL_TEXT_LEN) on a
 * failure.  Errors: CERTIFICATE and others of tls.h. */
MQ_MUST_CHECK enum mqi_err run_channel_peer(struct run_channel *rc, char *text);
/* As whom the partner keeps positions and is bound to streams: its
 * certificate's subject or, if it has none, the user that it is here, so that
 * partners without certificates have nothing in common but by being the same
 * user. */
void run_channel_identity(
    const struct run_channel *rc, char ret[CHANNEL_IDENTITY_LEN]);
/* Whether that certificate fits SSLPEER.
 * Errors: CHANNEL_CONFIG, CERTIFICATE, NOT_AUTHORIZED. */
MQ_MUST_CHECK enum mqi_err run_channel_match(
    struct run_channel *rc, const char *pattern, char *text);
/* One that has called, for admit.h; qmgr: what it says it is. */
struct admit_caller run_channel_caller(
    const struct run_channel *rc, const char *qmgr);
/* Whether a partner that has called may use the channel, and as which user
 * (rc->user); the queue manager's name is what it says of itself.
 * Errors: as admit(). */
MQ_MUST_CHECK enum mqi_err run_channel_admit(
    struct run_channel *rc, const char *qmgr, char *text);
/* From now on there is a machine. */
void run_channel_begin(
    struct run_channel *rc, const struct run_role *role, struct channel *c);
/* The end of this process; the first call counts. */
void run_channel_finish(
    struct run_channel *rc, enum mqi_err reason, const char *text);

/* ---- the roles ---- */

/* Reads a definition (a row of DISPLAY CHANNEL) for a sender. */
void run_sender_def(struct run_channel *rc, const struct mqctl_list *row,
    struct sender_def *ret);
/* Opens the transmission queue's stream.  Errors: as mqagent_stream_open(). */
MQ_MUST_CHECK enum mqi_err run_sender_open(
    struct run_channel *rc, const char *xmitq, char *text);
/* It is another's now; waits for the queue manager to say so. */
void run_sender_close(void);
/* Dialled, with the stream open. */
void run_sender_dialled(const struct sender_def *def);
/* Judges a HELLO for an accepted machine; xmitq gets the name of the
 * transmission queue (MQI_NAME_LEN + 1 bytes). */
typedef enum mqi_err (*run_sender_hello_fn)(const struct mqchan_hello *h,
    struct sender_def *ret, char *xmitq, char *text);
void run_sender_accepted(struct run_channel *rc, run_sender_hello_fn hello);

void run_receiver_def(struct run_channel *rc, const struct mqctl_list *row,
    struct receiver_def *ret);
void run_receiver_dialled(
    struct run_channel *rc, const struct receiver_def *def);
typedef enum mqi_err (*run_receiver_hello_fn)(
    const struct mqchan_hello *h, struct receiver_def *ret, char *text);
void run_receiver_accepted(struct run_channel *rc, run_receiver_hello_fn hello);

/* A channel that is only tried; as: which end of it we are. */
void run_ping_dialled(
    struct run_channel *rc, const struct channel_def *def, enum mqchan_role as);
/* Writes what came of it to the output: reason, tab, sentence. */
void run_ping_say(const struct run_channel *rc);

#endif
