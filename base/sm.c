/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sm.c - the checked state machine.
 *
 * Neighbours: sessions, channels and agents keep their states in tables.
 * Invariant: the current state is always one of the table's, and each move is
 * one that the table allows; anything else is our own mistake and aborts.
 */
#include "base/sm.h"

#include "base/check.h"

void
mqsm_init(struct mqsm *sm, const struct mqsm_state *states, unsigned n_states,
    unsigned first)
{
	MQ_PRE(n_states > 0 && n_states <= 64 && first < n_states);
	sm->states = states;
	sm->n_states = n_states;
	sm->current = first;
}

void
mqsm_move(struct mqsm *sm, unsigned next)
{
	MQ_INVARIANT(sm->current < sm->n_states);
	MQ_PRE(next < sm->n_states);
	MQ_PRE(sm->states[sm->current].allowed & MQ_BIT(next));
	sm->current = next;
}

const char *
mqsm_name(const struct mqsm *sm)
{
	MQ_INVARIANT(sm->current < sm->n_states);
	return sm->states[sm->current].name;
}
