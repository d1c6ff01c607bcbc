/* SPDX-License-Identifier: Apache-2.0 */
/*
 * principal.h - users and groups as this host knows them.  Loop thread only.
 * May block for as long as the host's user database does: at a session's
 * begin, and when authority is judged for a user for the first time after a
 * change of records.
 */
#ifndef MQ_QMGR_PRINCIPAL_H
#define MQ_QMGR_PRINCIPAL_H

#include <sys/types.h>

#include "qmgr/engine/authority.h"

/* "fred", or "uid:1234" and "gid:1234" for one that the host does not know or
 * whose name is too long. */
void principal_user(uid_t uid, char ret[AUTHORITY_NAME_LEN + 1]);
void principal_group(gid_t gid, char ret[AUTHORITY_NAME_LEN + 1]);

/* The groups of a user that the host knows; none of others.  As many as fit. */
void principal_groups(const char *user, struct authority_groups *ret);

/* Whether a name is one of root, or of the user who runs this process. */
bool principal_is_owner(const char *user);

#endif
