/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.h - applications that put and get in every way that libmq has, by
 * chance, on the queues A to D of a queue manager, and tell a checker of it.
 *
 * Each client is a thread with a connection of its own.  A client ends after
 * its number of rounds, or when the queue manager goes away; what was cut off
 * is told as unknown, and, if it was put by position, resolved at the next run.
 * A result that no call should have is a fault.
 */
#ifndef MQ_TESTS_WORKLOAD_H
#define MQ_TESTS_WORKLOAD_H

#include "tests/lib/checker.h"
#include "tests/lib/qm.h"

#define WORKLOAD_QUEUES 4
#define WORKLOAD_CLIENTS 4
/* MQSC that makes the queues */
#define WORKLOAD_MQSC                                        \
	"DEFINE QLOCAL(A) DEFPSIST(YES) MAXDEPTH(1000000)\n" \
	"DEFINE QLOCAL(B) DEFPSIST(YES) MAXDEPTH(1000000)\n" \
	"DEFINE QLOCAL(C) DEFPSIST(YES) MAXDEPTH(1000000)\n" \
	"DEFINE QLOCAL(D) DEFPSIST(YES) MAXDEPTH(1000000)\n"

/* Where a client's puts by position stand; from run to run. */
struct workload_position {
	uint64_t at; /* committed */
	uint64_t
	    pending;   /* a commit of unknown outcome moves it here; 0 none */
	uint32_t unit; /* the unit of that commit */
};

struct workload {
	const struct qm *qm;
	struct checker *checker;
	uint64_t seed;
	unsigned rounds; /* of each client */
	struct workload_position positions[WORKLOAD_CLIENTS];
	/* result */
	_Atomic unsigned faults; /* printed when they happen */
	_Atomic unsigned broken; /* clients that lost the queue manager */
};

/* Runs all clients to their end. */
void workload_run(struct workload *w);

/* Gets everything that is left under one unit of work, in order; *ret_drained
 * is malloc'd.  commit: it is gone; else the unit is backed out.  False, with
 * a line on standard error, if a call failed. */
bool workload_drain(const struct qm *qm, bool commit,
    struct checker_drained **ret_drained, size_t *ret_n);
/* Tells the checker that what was drained, and judged, is gone. */
void workload_tell_drained(
    struct checker *c, const struct checker_drained *drained, size_t n);

#endif
