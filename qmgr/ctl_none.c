/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_none.c - a queue manager that carries out no commands: each is answered
 * FUNCTION_NOT_SUPPORTED.  To be listed in CMakeLists.txt in place of ctl.c.
 */
#include "proto/local.h"
#include "qmgr/ctl.h"
#include "qmgr/engine/engine.h"
#include "qmgr/qmgr.h"

void
ctl_command(struct qmgr *qm, struct engine_session *s, uint32_t id,
    const void *payload, size_t len)
{
	struct mqlocal_result v = {.reason = MQI_E_FUNCTION_NOT_SUPPORTED};
	struct mqref *ref;
	struct mqbuf b;

	(void)payload;
	(void)len;
	mqbuf_init(&b, 4096);
	mqlocal_encode_result(&b, id, &v);
	ref = b.err == MQI_OK ? mqref_copy(b.data, b.len) : NULL;
	if (ref != NULL)
		engine_reply_external(qmgr_engine(qm), s, id, 0, ref);
	mqref_unref(ref);
	mqbuf_fini(&b);
}
