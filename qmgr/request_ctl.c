/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_ctl.c - PING, COMMAND, AGENT_STATUS.
 *
 * Neighbours: dispatch.c calls these; ctl.c carries out commands, agents.c
 * keeps what agents tell, and apart.c hears what runs them.
 * Happy path: PING is answered at once.
 * Failure: wrong bytes of an agent are PROTOCOL; those of a command are
 * answered by it.
 */
#include "proto/local.h"
#include "qmgr/ctl.h"
#include "qmgr/dispatch.h"
#include "qmgr/qmgr_impl.h"

enum mqi_err
request_ping(struct session *s, const struct mqframe *f)
{
	if (f->payload_len != 0)
		return MQI_E_PROTOCOL;
	session_send_result(s, f->id, MQI_OK, NULL);
	return MQI_OK;
}

enum mqi_err
request_command(struct session *s, const struct mqframe *f)
{
	ctl_command(s->qm, s->engine, f->id, f->payload, f->payload_len);
	return MQI_OK;
}

enum mqi_err
request_agent_status(struct session *s, const struct mqframe *f)
{
	struct mqctl_list list;
	struct mqreader r;
	enum mqi_err err;

	mqreader_init(&r, f->payload, f->payload_len);
	err = mqctl_decode_list(&r, &list);
	if (err != MQI_OK)
		return err;
	err = mqreader_done(&r);
	if (err == MQI_OK && !apart_status(s->qm->apart, s, &list))
		agents_status(s->qm->agents, s, &list);
	mqctl_list_fini(&list);
	return err;
}
