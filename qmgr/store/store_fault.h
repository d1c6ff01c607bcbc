/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_fault.h - a store over another one that fails or delays where a test
 * says.  Everything else goes through.  Loop thread only.
 */
#ifndef MQ_STORE_FAULT_H
#define MQ_STORE_FAULT_H

#include "qmgr/store/store.h"

struct store_fault_plan {
	uint64_t fail_submit; /* the Nth from now, 1...: failed() is told */
	uint64_t lose_submit; /* the same, but the batch is done */
	uint64_t fail_load;   /* the Nth from now: STORE_FAILED */
	unsigned delay_polls; /* what is told comes so many polls later */
};

/* Takes inner; close() closes both. */
struct store *store_fault_new(
    struct store *inner, const struct store_fault_plan *plan);
/* Starts counting anew. */
void store_fault_set(struct store *s, const struct store_fault_plan *plan);
struct store *store_fault_inner(struct store *s);

#endif
