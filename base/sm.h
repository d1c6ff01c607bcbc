/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sm.h - a checked state machine: states are a table, and a move that the
 * table does not allow aborts, since it is our own mistake.
 */
#ifndef MQ_BASE_SM_H
#define MQ_BASE_SM_H

#include <stdint.h>

struct mqsm_state {
	const char *name;
	uint64_t allowed; /* MQ_BIT() of each state that may follow */
};

struct mqsm {
	const struct mqsm_state *states;
	unsigned n_states;
	unsigned current;
};

void mqsm_init(struct mqsm *sm, const struct mqsm_state *states,
    unsigned n_states, unsigned first);
void mqsm_move(struct mqsm *sm, unsigned next);
const char *mqsm_name(const struct mqsm *sm);

#endif
