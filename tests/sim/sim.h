/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h - a network of queue managers in one process, under a clock, disks and
 * links that a seed decides: the real engine and the real state machines of
 * both ends of a channel; everything around them is the simulator's.
 *
 *	sim.c	     the world: time, which part moves next, faults
 *	sim_qm.c     a queue manager: engine, store, what is durable
 *	sim_store.c  its store: the real journal and checkpoint on
 *	sim_disk.c   a disk
 *	sim_compare.c what recovery must lead to
 *	sim_conn.c   a local socket: requests one way, replies the other
 *	sim_app.c    applications that put and get, and tell the checker
 *	sim_agent.c  the two ends of a channel, and the link between them
 *	sim_recv.c   what a receiver asks of its queue manager
 *	sim_audit.c  the invariants
 *
 * One step moves one part a little.  Every decision comes from sim_roll(), so
 * a seed replays exactly.  A call of an agent that blocks in the real program
 * takes further steps of the world until its answer is here.  One thread.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "mca/receiver.h"
#include "mca/sender.h"
#include "proto/local.h"
#include "qmgr/engine/engine.h"
#include "qmgr/store/store_mem.h"
#include "tests/lib/checker.h"

#define SIM_QMS 3u
#define SIM_QUEUES 6u /* queue q lives on queue manager q % n_qms */
#define SIM_APPS 8u
#define SIM_MSGS 4096u
#define SIM_BODY 200000u

struct sim;
struct sim_app;
struct sim_agent;
struct sim_conn;
struct sim_link;
struct sim_qm;

/* Rules that a test breaks on purpose, to see that it is noticed. */
enum sim_sabotage {
	SIM_HONEST,
	SIM_REPLY_EARLY,    /* "durable" is said before it is */
	SIM_POSITION_APART, /* the position moves in a unit of its own */
	SIM_ACK_EARLY,      /* the receiver acknowledges what only arrived */
	SIM_NO_FLUSH,       /* a flush does nothing */
	SIM_TRUST_CACHE,    /* what the cache shows is not written again */
	SIM_NO_CONDITION,   /* a position moves from wherever it stands */
};

/* ---- local sockets ---- */

enum sim_request_kind {
	SIM_OPEN,
	SIM_PUT,
	SIM_PIECE,
	SIM_GET,
	SIM_COMMIT,
	SIM_BACKOUT,
	SIM_CONSUME,
	SIM_ACK,
	SIM_POSITION_OPEN,
	SIM_UNIT_POSITION,
	SIM_STREAM_OPEN,
	SIM_STREAM_BIND,
	SIM_STREAM_CREDIT,
	SIM_STREAM_ACK,
};

struct sim_request {
	enum sim_request_kind kind;
	uint32_t id;
	uint32_t handle;
	uint32_t unit;
	uint32_t options;
	bool late; /* SIM_NO_CONDITION: unit_position goes with the commit */
	uint32_t max_msgs;
	uint32_t max_bytes;
	uint64_t number;
	char object[MQI_NAME_LEN + 1];
	char qmgr[256 + 1];
	uint8_t qmid[16];
	struct engine_put put;
	struct mqlocal_get get;
	struct mqlocal_position_open position_open;
	struct mqlocal_unit_position unit_position;
	struct mqref *desc; /* of a put; dropped when it is executed */
	struct mqref *data; /* body of a put, or a piece */
};

struct sim_reply {
	STAILQ_ENTRY(sim_reply) link;
	struct engine_reply r; /* its data is a reference; no text */
	struct mqlocal_stream_ok *stream;
	struct mqref *data;
};

struct sim_conn_events {
	void (*reply)(void *arg, const struct sim_reply *r);
	void (*closed)(void *arg); /* the connection is gone */
};

/* NULL: the queue manager is not up. */
struct sim_conn *sim_conn_new(struct sim_qm *qm,
    const struct engine_identity *who, const struct sim_conn_events *ev,
    void *arg);
/* The client is gone; a part of what it has asked may still be executed. */
void sim_conn_drop(struct sim_conn *c);
/* Asks; returns the request's id.  Takes its references. */
uint32_t sim_conn_ask(struct sim_conn *c, const struct sim_request *q);
uint32_t sim_conn_ask_put(
    struct sim_conn *c, struct sim_request *q, const void *body, uint32_t len);
/* The client reads up to n replies.  False: the connection is gone. */
bool sim_conn_read(struct sim_conn *c, unsigned n);
/* The queue manager reads up to n requests; writes up to n replies.  False:
 * there was none. */
bool sim_conn_serve(struct sim_conn *c, unsigned n);
bool sim_conn_write(struct sim_conn *c, unsigned n);
/* Whether a session that arg's client has left is still there. */
bool sim_conn_lingers(const struct sim_qm *qm, const void *arg);
/* Of the engine. */
void sim_conn_reply(void *ctx, void *cookie, const struct engine_reply *r);
/* The queue manager is gone: what it had written can still be read, or not. */
void sim_conn_cut_all(struct sim_qm *qm, bool readable);
struct sim_conn *sim_conn_any(struct sim_qm *qm); /* a random one, or NULL */
struct sim_conn *sim_conn_next(const struct sim_conn *c);

/* ---- queue managers ---- */

struct sim_batch {
	STAILQ_ENTRY(sim_batch) link;
	uint64_t number;
	struct mqref *records;
};

struct sim_qm {
	struct sim *sim;
	unsigned index;
	char name[8];
	uint8_t qmid[16];
	struct engine_config config;
	struct engine *e; /* NULL: it is down */
	struct store *store;
	struct store *twin; /* shows exactly what is durable */
	STAILQ_HEAD(, sim_batch) undurable;
	TAILQ_HEAD(sim_conns, sim_conn) conns;
	unsigned n_conns;
	uint64_t submitted;
	uint64_t durable;
	uint64_t told; /* SIM_REPLY_EARLY */
	uint64_t queue_ids[SIM_QUEUES];
	uint64_t xmitq_ids[SIM_QMS];
	/* by the partner's index */
	bool work[SIM_QMS];          /* a sender is wanted */
	uint64_t positions[SIM_QMS]; /* durable */
	uint64_t fences[SIM_QMS];
	uint64_t forgotten[SIM_QMS]; /* the highest position that was */
	unsigned crashes;
	bool bad_flush; /* the next flush will fail */
	bool widen;     /* the queues, when it is up */
	bool dying;     /* the store has failed */
};

void sim_qm_init(struct sim_qm *qm, struct sim *sim, unsigned index);
/* The objects, when all queue managers have names and ids. */
void sim_qm_define(struct sim_qm *qm);
void sim_qm_fini(struct sim_qm *qm);
/* Its process dies, or with power its host. */
void sim_qm_crash(struct sim_qm *qm, bool power);
/* The disk will fail at the next flush, and the queue manager end by itself. */
void sim_qm_fail_flush(struct sim_qm *qm);
/* The disk is nearly full, or not any more. */
void sim_qm_turn_room(struct sim_qm *qm);
/* Its disk has room and does not fail; its queues become deep. */
void sim_qm_mend(struct sim_qm *qm);
/* Whether the store that was opened has what the twin has. */
void sim_compare(struct sim_qm *qm);
void sim_qm_start(struct sim_qm *qm);
bool sim_qm_is_up(const struct sim_qm *qm);
void sim_qm_step(struct sim_qm *qm);
/* A person backs out what is in doubt towards partner `to`, if nobody sends;
 * and, if that has told all that it has, has its position forgotten there: it
 * is as new as another one. */
void sim_qm_resolve(struct sim_qm *qm, unsigned to);
/* Steps until nothing moves. */
void sim_qm_settle(struct sim_qm *qm);
uint64_t sim_qm_depth(const struct sim_qm *qm, const char *queue);

/* ---- agents ---- */

/* The sender to partner `to` is started when it is wanted. */
void sim_agent_start_sender(struct sim_qm *qm, unsigned to);
/* One that asks partner `from` for messages, and whether one is there. */
void sim_agent_start_requester(struct sim_qm *qm, unsigned from);
bool sim_agent_requests(const struct sim_qm *qm, unsigned from);
void sim_agent_step(struct sim_agent *a);
void sim_agent_kill(struct sim_agent *a);
struct sim_agent *sim_agent_any(struct sim *s);
/* If it runs on this host, which has lost power. */
void sim_agent_crash(struct sim_agent *a, const struct sim_qm *host);
struct sim_agent *sim_agent_next(const struct sim_agent *a);
bool sim_agent_sends(const struct sim *s, unsigned from, unsigned to);
/* A link between the two is cut: each end may know at once, or never. */
void sim_link_cut_any(struct sim *s);
void sim_agents_fini(struct sim *s);

/* ---- applications ---- */

void sim_apps_init(struct sim *s);
/* Tells a new checker what the old one was told. */
void sim_apps_retell(struct sim *s);
void sim_app_step(struct sim_app *a);
void sim_app_kill(struct sim_app *a);
void sim_app_crash(struct sim_app *a, const struct sim_qm *host);
struct sim_app *sim_app_at(struct sim *s, unsigned i);
bool sim_app_is_idle(const struct sim_app *a);
void sim_apps_fini(struct sim *s);
/* The descriptor of message id. */
struct mqref *sim_describe(uint32_t id, bool persistent);
/* The message in a whole reply: its id, after a check of every byte. */
uint32_t sim_identify(struct sim *s, const void *desc, uint32_t desc_len,
    const void *body, uint32_t len);

/* ---- the world ---- */

struct sim_rates { /* of 10,000 steps */
	unsigned crash, power, flush, room, kill_app, kill_agent, partition,
	    cut, resolve;
};

struct sim {
	uint64_t seed;
	uint64_t random;
	uint64_t now_us;
	enum sim_sabotage sabotage;
	bool big;      /* messages of several pieces */
	bool shallow;  /* queues that are soon full */
	bool triangle; /* else a line */
	unsigned n_qms;
	/* where a message on i for j goes next; j if i has a channel to it */
	unsigned next[SIM_QMS][SIM_QMS];
	/* the channel from i to j is called by j: RQSTR and SVR */
	bool turned[SIM_QMS][SIM_QMS];
	unsigned n_apps;
	uint64_t steps;
	uint64_t slowest_us; /* from the last fault until everything flowed */
	struct sim_rates rates;
	struct sim_qm qms[SIM_QMS];
	struct sim_app *apps;
	TAILQ_HEAD(sim_agents, sim_agent) agents;
	TAILQ_HEAD(sim_links, sim_link) links;
	unsigned n_agents;
	bool parted[SIM_QMS][SIM_QMS];
	bool healing; /* no more faults, no more puts */
	struct checker *checker;
	bool free_order[SIM_QUEUES];
	uint32_t lens[SIM_MSGS]; /* of bodies, by id */
	uint8_t queues[SIM_MSGS];
	uint32_t n_msgs;
	uint64_t n_judged; /* of all rounds that have ended */
	bool failed;
	char why[512];
	/* what the seed has led to */
	unsigned crashes, kills, cuts, audits, channels, resolved, forgotten;
};

unsigned sim_roll(struct sim *s, unsigned n); /* 0..n-1 */
void sim_step(struct sim *s);
/* Notes the first failure; the run ends soon. */
void sim_fail(struct sim *s, const char *fmt, ...) MQ_PRINTF(2, 3);

/* What a seed does not choose. */
struct sim_plan {
	enum sim_sabotage sabotage;
	bool triangle;   /* three queue managers, each with both others */
	unsigned rounds; /* of faults, healing and verdict; 0: one */
};

/* Runs a whole seed.  False: an invariant was broken; s->why has it. */
bool sim_run(struct sim *s, uint64_t seed, const struct sim_plan *plan);

#define SIM_TRACE(s, ...)                                                      \
	do {                                                                   \
		if (sim_tracing) {                                             \
			(void)fprintf(                                         \
			    stderr, "%7llu ", (unsigned long long)(s)->steps); \
			(void)fprintf(stderr, __VA_ARGS__);                    \
			(void)fputc('\n', stderr);                             \
		}                                                              \
	} while (0)
extern bool sim_tracing; /* MQ_TRACE=1 */

/* ---- invariants ---- */

/* After every step. */
void sim_check(struct sim *s);
/* What would be found if all power failed now. */
void sim_audit(struct sim *s, const char *when);
/* Gets what is left, and judges all that happened. */
void sim_verdict(struct sim *s);

#endif
