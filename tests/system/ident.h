/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ident.h - queue managers whose disks are copied, restored and exchanged,
 * for tests of how the two ends of a channel know each other.
 *
 * QM1 sends to queue IN of QM2 over channel A; QM3 could take QM2's place.
 * What goes wrong fails the test.
 */
#ifndef MQ_TESTS_SYSTEM_IDENT_H
#define MQ_TESTS_SYSTEM_IDENT_H

#include "base/check.h"
#include "tests/lib/qm.h"

#define IDENT_QMS 3
#define IDENT_COPY 3 /* a copied one */

struct ident {
	struct tmpdir dir;
	struct tmpdir elsewhere; /* for copies: another root */
	struct qm qm[IDENT_QMS + 1];
	int port[IDENT_QMS + 1];
};

int ident_setup(void **state);
int ident_teardown(void **state);

/* Commands of queue manager i, which succeed. */
void ident_mqsc(struct ident *f, int i, const char *fmt, ...) MQ_PRINTF(3, 4);
void ident_define_receiver(struct ident *f, int i);
void ident_define_sender(struct ident *f, const char *channel, int to);

/* ---- messages ---- */

void ident_put_at(const struct qm *q, const char *text);
uint64_t ident_depth_of(const struct qm *q, const char *name);
void ident_wait_for_depth(struct ident *f, int i, const char *name, uint64_t n);
/* Gets these texts from IN, in this order, and finds no other. */
void ident_expect(struct ident *f, int i, const char *texts);
/* One that arrives, and is known to have done so. */
void ident_deliver(struct ident *f, const char *text);

/* ---- what is told ---- */

/* The whole row of a channel's status; malloc'd. */
char *ident_chstatus(const struct qm *q, const char *channel);
/* Waits until CHSTATUS says all of this. */
void ident_wait_status(
    const struct qm *q, const char *channel, const char *a, const char *b);
/* The sender refuses to run, with both positions. */
void ident_wait_refused(struct ident *f, const struct qm *q, const char *why);
/* Stops channel A, and waits. */
void ident_stop_channel(struct ident *f, const struct qm *q);
/* Stops channel A, resolves and starts it. */
void ident_resolve(struct ident *f, const char *action);

/* ---- disks ---- */

void ident_backup(struct ident *f, int i);
void ident_restore(struct ident *f, int i);
/* IDENT_COPY has the same store, certificates and name, as of now. */
void ident_copy_disk(struct ident *f, int i);

/* ---- doubt ---- */

/* "one" is delivered; "two" has reached a receiver that did not move, and is
 * gone. */
void ident_leave_in_doubt(struct ident *f);
/* QM3 answers for QM2. */
void ident_take_over(struct ident *f);

#endif
