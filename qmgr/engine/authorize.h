/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authorize.h - whether a session may open what it asks for (engine_int.h).
 * Loop thread only.
 */
#ifndef MQ_ENGINE_AUTHORIZE_H
#define MQ_ENGINE_AUTHORIZE_H

#include "qmgr/engine/engine.h"
#include "qmgr/engine/route.h"

struct handle;

void authorize_begin(struct engine *e);
/* who: the session's identity, or that of authorize_alternate(). */
enum mqi_err authorize_open(struct engine_session *s,
    const struct engine_identity *who, const struct route *r, uint32_t options,
    char *ret_why, size_t why_len);
/* Whether the session may act as user, and who that is. */
enum mqi_err authorize_alternate(struct engine_session *s, const char *user,
    struct engine_identity *ret_who, char *ret_why, size_t why_len);
/* Whether who puts by the handle may put there: reports, which the queue
 * manager puts, give nobody more rights than he has. */
bool authorize_report(const struct handle *h, const struct mqdesc_route *to);

#endif
