/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - two queue managers with certificates of one authority, QM1 and QM2,
 * and numbered messages from QM1 to the queue IN of QM2: put, waited for, and
 * got in order.  A test adds the channel that they take.
 *
 * As proc.h: main thread only, and everything that fails aborts the test with
 * the logs of both.
 */
#ifndef MQ_TESTS_PAIR_H
#define MQ_TESTS_PAIR_H

#include "proto/ctl.h"
#include "tests/lib/qm.h"

struct pair {
	struct tmpdir dir;
	struct qm qm[2];
	uint32_t put; /* numbers 1..put are on their way, or have arrived */
	uint32_t got; /* those up to here have been taken from IN */
};

/* Both run; QM2 has a listener, TCP, at qm[1].port and the queue IN, QM1 the
 * transmission queue QM2. */
void pair_init(struct pair *p);
/* As a cmocka fixture: state is a struct pair, malloc'd; the second also takes
 * a fixture that begins with one. */
int pair_setup(void **state);
int pair_teardown(void **state);
void pair_fini(struct pair *p);

/* The end of a channel at QM1, which calls, or at QM2, which is called, with
 * more attributes. */
void pair_sender(struct pair *p, const char *channel, const char *attrs);
void pair_receiver(struct pair *p, const char *channel, const char *attrs);
/* Both, without more. */
void pair_channel(struct pair *p, const char *channel);

/* The next n numbers, persistent, with `more` bytes behind each. */
void pair_put(struct pair *p, uint32_t n, size_t more);
/* Waits for all numbers that are not yet taken, and takes them: each once and
 * in order, and none is left at QM1. */
void pair_get(struct pair *p);

/* Waits until a queue of qm[at] has this depth. */
void pair_wait_depth(struct pair *p, int at, const char *queue, uint64_t depth);
/* Waits until n lines of the log of qm[at] have both texts. */
void pair_wait_log(
    struct pair *p, int at, unsigned n, const char *a, const char *b);
/* Waits until DISPLAY of the noun shows this value. */
void pair_wait_shown(struct pair *p, int at, enum mqctl_noun noun,
    const char *name, const char *keyword, const char *value);
_Noreturn void pair_die(struct pair *p, const char *what);

#endif
