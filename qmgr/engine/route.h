/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - name resolution in IBM MQ's order: which local queue a name leads
 * to, and, if that is a transmission queue, where the message is going.
 * Pure functions over the object table.
 */
#ifndef MQ_ENGINE_ROUTE_H
#define MQ_ENGINE_ROUTE_H

#include "proto/desc.h"
#include "qmgr/engine/object.h"

struct route {
	const struct engine_object *queue;  /* QLOCAL that takes or gives */
	const struct engine_object *opened; /* the object named (alias, remote
					       definition), or queue */
	const struct engine_object *judged; /* whose rights count: the name as
					       opened, if it is ours; else
					       queue */
	bool is_remote; /* queue is a transmission queue, to is filled */
	struct mqdesc_route to; /* hops 0 */
	char resolved_name[MQI_NAME_LEN + 1];
	char resolved_qmgr[MQI_NAME_LEN + 1];
};

/*
 * own: this queue manager's name.  options: MQI_OO_; input, browse and inquire
 * need a local result.
 * Errors: OBJECT_NAME, UNKNOWN_OBJECT, UNKNOWN_REMOTE_Q_MGR,
 * UNKNOWN_ALIAS_TARGET, ALIAS_TARGET, UNKNOWN_XMIT_Q, UNKNOWN_DEF_XMIT_Q,
 * XMIT_Q_TYPE, XMIT_Q_USAGE, DEF_XMIT_Q_TYPE, DEF_XMIT_Q_USAGE,
 * REMOTE_Q_NAME, OBJECT_Q_MGR_NAME, OPTION_NOT_VALID_FOR_TYPE.
 */
MQ_MUST_CHECK enum mqi_err route_resolve(const struct object_table *t,
    const char *own, const char *object, const char *qmgr, uint32_t options,
    struct route *ret);

#endif
