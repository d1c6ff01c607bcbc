/* SPDX-License-Identifier: Apache-2.0 */
/*
 * position.h - conditional positions in memory (engine_int.h).  Loop thread
 * only.
 */
#ifndef MQ_ENGINE_POSITION_H
#define MQ_ENGINE_POSITION_H

#include <uthash.h>

#include "proto/local.h"
#include "qmgr/engine/engine.h"

struct position_id {
	char partner[MQI_NAME_LEN + 1];
	uint8_t stream[16];
};

struct position {
	UT_hash_handle hh; /* engine.positions, by id */
	struct position_id key;
	struct record_position state;
	struct engine_session *holder;
	uint64_t pos;
};

void position_catalog(struct engine *e, const struct record_position *v);
enum mqi_err position_check(
    struct engine_session *s, const struct mqlocal_unit_position *p);
void position_move(struct engine_session *s, uint32_t unit,
    const struct mqlocal_unit_position *p);
void position_free_all(struct engine *e);
void position_forget_holder(struct engine_session *s);

#endif
