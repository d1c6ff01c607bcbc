/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub.h - looks at everything that the store holds now and then, by a process
 * of its own, so that damage is found before somebody needs what it has hit.
 * Loop thread only; never blocks, and never ends anything.
 */
#ifndef MQ_QMGR_SCRUB_H
#define MQ_QMGR_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

struct qmgr;
struct scrub;

struct scrub_options {
	uint32_t interval_s; /* from one walk to the next; 0: none */
	uint32_t rate_mib;   /* read in a second */
};

/* What the last whole walk has found. */
struct scrub_status {
	uint64_t ended_ms; /* wall; 0: there was none since the start */
	uint64_t findings;
};

struct scrub *scrub_new(struct qmgr *qm, const struct scrub_options *options);
void scrub_begin(struct scrub *s);
/* A walk is given up, none begins any more. */
void scrub_stop(struct scrub *s);
bool scrub_has_ended(const struct scrub *s);
/* It must have ended.  Its memory goes with its handles.  NULL. */
struct scrub *scrub_free(struct scrub *s);

void scrub_status(const struct scrub *s, struct scrub_status *ret);

#endif
