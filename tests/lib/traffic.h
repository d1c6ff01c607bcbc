/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic.h - applications on a ring of queue managers that put to each
 * other's queues and get from their own, whatever happens, and tell a checker
 * of it.
 *
 * Each queue manager has a queue IN, which the others put to directly, and a
 * queue VIA, to which messages come by way of the third: who puts there opens
 * it at the queue-manager alias FAR.<name>.  Per queue manager one thread puts
 * (alone, in units over several destinations, bursts; persistent or not) and
 * one gets (alone, in units, backed out at times) and passes some of it on to
 * the next in the same unit of work.  A connection that is lost is made again;
 * what was cut off is told as unknown.
 */
#ifndef MQ_TESTS_TRAFFIC_H
#define MQ_TESTS_TRAFFIC_H

#include <pthread.h>

#include "tests/lib/checker.h"
#include "tests/lib/qm.h"

#define TRAFFIC_QMS 3

struct traffic_site {
	struct traffic *t;
	unsigned me;
	pthread_t putter, getter;
	_Atomic uint64_t puts; /* acknowledged */
	_Atomic uint64_t gets;
	_Atomic uint64_t lost; /* connections */
};

struct traffic {
	const struct qm *qms; /* TRAFFIC_QMS of them */
	struct checker *checker;
	uint64_t seed;
	uint64_t max_backlog; /* on one transmission queue: putters wait */
	_Atomic bool stop_putting, stop_getting;
	_Atomic unsigned faults; /* results that no call should have */
	struct traffic_site sites[TRAFFIC_QMS];
};

/* MQSC of queue manager i: its queues, transmission queues and aliases. */
void traffic_mqsc(const struct qm *qms, unsigned i, char *ret_text, size_t len);
/* The number of the queue for the checker. */
unsigned traffic_queue(unsigned qm, bool via);

void traffic_start(struct traffic *t);
/* These wait for the threads. */
void traffic_stop_putting(struct traffic *t);
void traffic_stop_getting(struct traffic *t);

/* Gets all that is left on IN and VIA of all, in order; malloc'd. */
void traffic_drain(const struct traffic *t,
    struct checker_drained **ret_drained, size_t *ret_n);

#endif
