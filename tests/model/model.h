/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - the reference queue manager that random histories are held
 * against: what each message's state must be, from the answers alone.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define MODEL_QUEUES 3u
#define MODEL_MSGS 8192u
#define MODEL_UNITS 512u

enum model_state {
	MODEL_ASKED,   /* put, not answered */
	MODEL_IN_UNIT, /* put in an open unit */
	MODEL_ON_QUEUE,
	MODEL_LOCKED, /* got in an open unit */
	MODEL_AHEAD,  /* delivered ahead */
	MODEL_ACKED,  /* acknowledged, not answered */
	MODEL_TAKEN,  /* delivered; not reported as sent */
	MODEL_GONE,
};

struct model_msg {
	enum model_state state;
	unsigned queue;
	int priority;
	bool persistent;
	uint64_t order; /* in which it became visible */
	unsigned session;
	unsigned unit;     /* index, of IN_UNIT and LOCKED; 0 none */
	uint64_t token;    /* AHEAD; TAKEN: index of its last reply */
	uint32_t backouts; /* at least */
	bool risky;        /* its return may be undone by a crash */
	bool seen;         /* in this look */
};

enum model_unit_state { UNIT_FREE, UNIT_OPEN, UNIT_COMMITTING, UNIT_ENDED };

struct model_unit {
	enum model_unit_state state;
	unsigned session;
	unsigned gets; /* outstanding */
};

struct model {
	struct model_msg msgs[MODEL_MSGS]; /* 0 unused */
	unsigned n_msgs;
	struct model_unit units[MODEL_UNITS]; /* 0 unused */
	unsigned n_units;
	uint64_t order;
	/* gets outside units that were under way when their session ended, and
	 * since then no flush: a crash may lose what they took */
	unsigned unknown_gets;
};

/* Each of these fails the test if the model does not allow it. */
unsigned model_put(struct model *m, unsigned queue, unsigned session,
    unsigned unit, int priority, bool persistent);
void model_put_done(struct model *m, unsigned n, bool ok);
void model_got(struct model *m, unsigned n, unsigned queue, unsigned session,
    unsigned unit, uint64_t index);
void model_got_ahead(struct model *m, unsigned n, unsigned queue,
    unsigned session, uint64_t token);
void model_acked(
    struct model *m, unsigned session, unsigned queue, uint64_t token);
void model_ack_done(
    struct model *m, unsigned session, unsigned queue, uint64_t token);
void model_ahead_ended(struct model *m, unsigned session, unsigned queue);
/* Replies up to this index are in the socket. */
void model_sent(struct model *m, unsigned session, uint64_t index);
unsigned model_unit_new(struct model *m, unsigned session);
void model_commit(struct model *m, unsigned unit); /* asked */
void model_commit_done(struct model *m, unsigned unit);
void model_backout(struct model *m, unsigned unit);
void model_session_end(struct model *m, unsigned session, unsigned gets);
void model_all_durable(struct model *m);

/* A look at all queues when nothing moves: call look_begin, then look for each
 * message in the order shown, then look_end. */
struct model_look {
	unsigned last[MODEL_QUEUES]; /* message shown last */
};

void model_look_begin(struct model *m, struct model_look *l);
void model_look(struct model *m, struct model_look *l, unsigned n,
    unsigned queue, uint32_t backouts);
void model_look_end(struct model *m);

/* A crash, then a look: what was not answered is decided by what is there.
 * gets: outstanding gets outside units. */
void model_crash(struct model *m, unsigned gets);
void model_crash_look_end(struct model *m);

#endif
