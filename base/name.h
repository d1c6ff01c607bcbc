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
#define MQNAME_LABEL_LEN 64u /* bytes of a CERTLABL */
#define MQNAME_ESCAPED_LEN (3 * MQI_NAME_LEN + 1)

bool mqname_is_valid(const char *name, size_t max_len); /* not empty */
/* CERTLABL, a part of a file's name: letters, digits, '-', '_' and '.', which
 * is not the first. */
bool mqname_is_label(const char *label);
void mqname_escape(const char *name, char ret[MQNAME_ESCAPED_LEN]);

/*
 * mqname_find_root - the directory that holds queue managers.
 * root: what the user gave, or NULL: then there are up to three candidates,
 * in this order: MQ_ROOT; the user's own, $XDG_STATE_HOME/sluice or
 * $HOME/.local/state/sluice (not for root); the system's, /var/lib/sluice.
 * qmgr: NULL, or a name: then the first candidate that has a directory for it
 * is taken.  Without a name the first candidate is taken as it is.
 * *ret_root is malloc'd.  Errors: INVAL (no HOME, or a name that is not
 * valid), NO_MEMORY, Q_MGR_NAME (none of them has it: then *ret_tried, if
 * ret_tried is not NULL, is a malloc'd "looked in A, B and C").
 */
MQ_MUST_CHECK enum mqi_err mqname_find_root(
    const char *root, const char *qmgr, char **ret_root, char **ret_tried);

#endif
