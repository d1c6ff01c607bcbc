/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agents.h - supervision of the mca processes: those that dial (one per
 * channel), listeners, and those that answer, which listeners start.  It knows
 * them by their local sessions and, for those that it started, by their process
 * ids.  How a process begins, here or elsewhere, is the business of apart.h.
 *
 * What an agent tells in AGENT_STATUS frames (proto/ctl.h list; a key that is
 * absent leaves its value as it is):
 *   state        INITIALIZING, BINDING, REQUESTING, RUNNING or PAUSED
 *                (channels); RUNNING (listeners)
 *   msgs, bytes, batches, last_number,          numbers, since the start
 *   sent_bytes, sent_buffers, received_bytes, received_buffers
 *   heartbeat_s, batch_size                     numbers, as negotiated
 *   issuer, cipher, product                     text, of the partner
 *   comprate     number: percent that compression has saved
 *   compmsg      text: how messages are compressed, NONE
 *   partner_qmgr, partner_name, conname, error  text (a blank error is
 *                taken only with RUNNING: the last one stays shown)
 *   port         listeners: the one really used
 *   call_back    yes: a requester has called a sender, which dials now
 *
 * What it is told in AGENT_ORDER frames: order=stop, it ends what it is doing
 * and exits (SIGTERM follows after 5 s, SIGKILL after 10 s); order=refresh, it
 * reads its certificates and rules again, and ends if its partner may no
 * longer be there.
 *
 * Exit status of an agent: 0, it has nothing more to do (idle for DISCINT, or
 * told to stop): the channel is INACTIVE; 3, a requester's partner dials: it is
 * REQUESTING; anything else, or a signal, is a failure: it is RETRYING.
 *
 * Loop thread only; nothing here blocks.
 */
#ifndef MQ_QMGR_AGENTS_H
#define MQ_QMGR_AGENTS_H

#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/average.h"
#include "proto/attr.h"
#include "proto/ctl.h"

struct agents;
struct qmgr;
struct session;

struct agents *agents_new(struct qmgr *qm, const char *mca_path);
struct agents *agents_free(struct agents *a); /* NULL */

/* ---- commands ---- */

enum agents_stop_mode {
	AGENTS_QUIESCE,   /* order, SIGTERM after 5 s, SIGKILL after 10 s */
	AGENTS_FORCE,     /* SIGTERM, SIGKILL after 5 s */
	AGENTS_TERMINATE, /* SIGKILL */
};

/* One that dials is started; another that was stopped may be used again.
 * Errors: UNKNOWN_CHANNEL, STATE (it runs already), Q_MGR_STOPPING. */
MQ_MUST_CHECK enum mqi_err agents_start_channel(
    struct agents *a, const char *name);
/* inactive: it ends INACTIVE instead of STOPPED, so work starts it again.
 * Errors: UNKNOWN_CHANNEL, STATE (it does not run and inactive is asked). */
MQ_MUST_CHECK enum mqi_err agents_stop_channel(struct agents *a,
    const char *name, enum agents_stop_mode mode, bool inactive);
/* Ends those instances alone whose partner is at conname, "host" or
 * "host(port)", and whose queue manager is qmgr; "" is any.  The channel may be
 * used again at once.  Errors: UNKNOWN_CHANNEL, STATE (there is none). */
MQ_MUST_CHECK enum mqi_err agents_stop_instances(struct agents *a,
    const char *name, const char *conname, const char *qmgr,
    enum agents_stop_mode mode);
/* Errors: UNKNOWN_OBJECT, STATE, Q_MGR_STOPPING. */
MQ_MUST_CHECK enum mqi_err agents_start_listener(
    struct agents *a, const char *name);
/* Errors: UNKNOWN_OBJECT, STATE. */
MQ_MUST_CHECK enum mqi_err agents_stop_listener(
    struct agents *a, const char *name);
/* True if the channel or listener has a process, or is about to have one: its
 * definition must not be deleted. */
bool agents_channel_in_use(const struct agents *a, const char *name);
bool agents_listener_in_use(const struct agents *a, const char *name);

/* Its definition was deleted: one of the same name begins anew. */
void agents_channel_deleted(struct agents *a, const char *name);
void agents_listener_deleted(struct agents *a, const char *name);

/* Tells agents to read again what they keep: certificates and rules. */
void agents_refresh(struct agents *a);
/* Listeners alone: of the definitions of channels and of the queue manager. */
void agents_refresh_listeners(struct agents *a);

/* ---- status ---- */

struct agents_info {
	char name[MQI_NAME_LEN + 1];
	const char *state;   /* "RUNNING", ... */
	const char *chltype; /* "SDR", ...; listeners: "" */
	int pid;             /* 0: no process, or none that is seen here */
	bool is_alive;       /* there is a process */
	uint64_t msgs;
	uint64_t bytes;
	uint64_t batches;
	uint64_t last_number;
	uint64_t current_number;
	uint64_t current_msgs; /* of a receiver: not durable yet */
	uint64_t comprate;
	char compmsg[16];
	char partner_qmgr[MQI_NAME_LEN + 1];
	char partner_name[256 + 1]; /* the certificate's subject */
	char issuer[256 + 1];       /* and who has signed it */
	char cipher[64];
	char protocol[16];              /* "TLSv1.3" */
	char local_address[64];         /* "192.0.2.1(4711)" */
	char user[MQATTR_USER_LEN + 1]; /* whose rights it has; "" its own */
	char substate[16];              /* "MQGET" */
	char npm_speed[8];              /* "FAST"; "" not agreed on yet */
	uint64_t keep_alive_s;
	char monitor[8]; /* MONCHL of this run: "OFF" */
	/* unless it is off */
	struct mqaverage rtt_us;
	struct mqaverage unit; /* of a receiver: messages that a unit had */
	uint64_t durable_msgs; /* when the last batch was told */
	char product[64 + 1];  /* of the partner */
	uint64_t sent_bytes;   /* on the wire, inside TLS */
	uint64_t sent_buffers;
	uint64_t received_bytes;
	uint64_t received_buffers;
	uint64_t heartbeat_s; /* negotiated; 0: not yet */
	uint64_t batch_size;
	uint64_t last_msg_ms; /* wall; when more messages were told of */
	char conname[264 + 1];
	char error[512];     /* the last one; "" none */
	unsigned port;       /* listeners */
	bool stop_asked;     /* a person has stopped it, or does */
	const char *xmitq;   /* of one that sends; "" */
	uint64_t started_ms; /* wall; 0 not running */
	uint64_t short_retries_left;
	uint64_t long_retries_left;
	uint64_t retry_in_ms; /* RETRYING: until the next try */
};

typedef void (*agents_info_fn)(void *arg, const struct agents_info *info);

/* Calls fn for each channel that is not INACTIVE and for each instance of a
 * receiver, in order of name. */
void agents_each_channel(const struct agents *a, agents_info_fn fn, void *arg);
/* Each listener that is defined, or runs. */
void agents_each_listener(const struct agents *a, agents_info_fn fn, void *arg);

/* ---- the queue manager's life ---- */

/* Starts listeners with CONTROL(QMGR) or CONTROL(STARTONLY); channels whose
 * STOPREQ is YES are STOPPED. */
void agents_begin(struct agents *a);
/* A transmission queue has a message and nobody sends from it.  The channel
 * is started at the next agents_turn(). */
void agents_work(struct agents *a, const char *queue);
/* At the end of each loop turn. */
void agents_turn(struct agents *a);
/* Ends all of them. immediate: by signals at once. */
void agents_stop_all(struct agents *a, bool immediate);
bool agents_all_ended(const struct agents *a);

/* Those that are RETRYING are tried now. */
void agents_try_again(struct agents *a);

/* ---- sessions of agents ---- */

struct mqlocal_hello;

/* An agent's session is open.  pid: of its process; hello: what it says of
 * itself.  Errors: CHANNEL_NOT_AVAILABLE (the channel is stopped, or the
 * queue manager is stopping). */
MQ_MUST_CHECK enum mqi_err agents_attach(struct agents *a, struct session *s,
    int pid, const struct mqlocal_hello *hello);
void agents_status(
    struct agents *a, struct session *s, const struct mqctl_list *status);
void agents_detach(struct agents *a, struct session *s); /* it has ended */

#endif
