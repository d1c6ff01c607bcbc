/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_agent.h - what sim_agent.c and sim_recv.c share: an agent, which is one
 * end of a channel with its connection to its queue manager.  One thread.
 */
#ifndef TESTS_SIM_SIM_AGENT_H
#define TESTS_SIM_SIM_AGENT_H

#include "tests/sim/sim.h"

#define SIM_CHANNEL "SIM.CHANNEL"
#define SIM_TARGETS 4u

/* A link carries bytes both ways; end 0 is the sender's, whoever dialled. */
struct sim_link {
	TAILQ_ENTRY(sim_link) link;
	unsigned qms[2];
	struct mqbuf to[2]; /* on their way to the end */
	bool closed[2];     /* by the end; the other hears of it */
	bool lost;          /* nothing is carried any more, nobody told */
	struct sim_agent *end[2];
};

/* A unit of work of a receiver. */
struct sim_unit {
	TAILQ_ENTRY(sim_unit) link;
	uint32_t number;
	uint32_t position_id; /* request that has no answer yet */
	struct mqlocal_unit_position position; /* SIM_NO_CONDITION */
	enum mqi_err failed;
	struct receiver_unit *committing;
	bool asked; /* COMMIT is on its way */
	uint32_t commit_id;
};

struct sim_put {
	TAILQ_ENTRY(sim_put) link;
	uint32_t id;
	struct receiver_msg *m;
};

struct sim_target {
	char queue[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
	uint32_t handle; /* 0: none */
};

struct sim_agent {
	TAILQ_ENTRY(sim_agent) link;
	struct sim *sim;
	struct sim_qm *qm;
	unsigned peer; /* index */
	bool sends;
	bool dialled;
	bool begun; /* the machine lives */
	bool busy;  /* on the stack: waits for an answer */
	bool doomed;
	struct sim_conn *conn; /* NULL: gone */
	struct sim_link *wire;
	/* the call that waits */
	uint32_t waits_for;
	bool answered;
	struct sim_reply answer; /* without its data */
	struct mqlocal_stream_ok stream;
	/* sending */
	struct sender s;
	uint32_t handle;
	/* receiving */
	struct receiver r;
	struct mqlocal_position_open position;
	uint64_t fence;
	uint32_t last_unit;
	bool stale;
	struct sim_target targets[SIM_TARGETS];
	unsigned next_target;
	TAILQ_HEAD(, sim_unit) units;
	TAILQ_HEAD(, sim_put) puts;
};

/* Asks and waits; the world goes on meanwhile.  CONNECTION_BROKEN: the queue
 * manager or we are gone. */
enum mqi_err sim_agent_call(struct sim_agent *a, const struct sim_request *q);

void sim_agent_def(const struct sim_agent *a, struct channel_def *ret);

void sim_recv_init(struct sim_agent *a);
void sim_recv_reply(struct sim_agent *a, const struct sim_reply *r);
void sim_recv_fini(struct sim_agent *a);
/* The certificate identity of a queue manager. */
void sim_identity(unsigned index, char ret[CHANNEL_IDENTITY_LEN]);

#endif
