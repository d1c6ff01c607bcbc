/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.h - object names and where a queue manager's files are.
 *
 * Names hold A-Z a-z 0-9 . / _ % and are at most 48 bytes (channels 20).
 * A directory's name is the escaped name: letters, digits and _ stand for
 * themselves, everything else is %XX; so it is never empty, "." or "..".
 * Thread-safe.
 */
#ifndef MQ_BASE_NAME_H
#define MQ_BASE_NAME_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* Buffer for an escaped name, with its NUL. */
#define MQNAME_ESCAPED_LEN (3 * MQI_NAME_LEN + 1)

bool mqname_is_valid(const char *name, size_t max_len); /* not empty */
void mqname_escape(const char *name, char ret[MQNAME_ESCAPED_LEN]);

/*
 * mqname_find_root - the directory that holds queue managers.
 * root: what the user gave, or NULL: then MQ_ROOT, else for root
 * /var/lib/sluice, else $XDG_STATE_HOME/sluice or $HOME/.local/state/sluice.
 * qmgr: NULL, or a name: then the first of those (MQ_ROOT or the user's own,
 * then the system's) that has a directory for it is taken, and ret_tried, if
 * not NULL, gets the list of those tried as a sentence for a message.
 * *ret_root is malloc'd.  Errors: INVAL (no HOME), NO_MEMORY, Q_MGR_NAME (none
 * of them has it).
 */
MQ_MUST_CHECK enum mqi_err mqname_find_root(
    const char *root, const char *qmgr, char **ret_root, char **ret_tried);

#endif
