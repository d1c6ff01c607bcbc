/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - a connected socket and its partner's address from one process
 * to another, over a pair of Unix sockets (SOCK_SEQPACKET).  Never blocks.
 */
#ifndef MQ_MCA_HANDOVER_H
#define MQ_MCA_HANDOVER_H

#include <mq/mqi_err.h>
#include <stddef.h>

#include "base/check.h"

/* Gives fd away; the caller still closes its own.
 * Errors: BUSY (later), CONNECTION_BROKEN (the other process has ended). */
MQ_MUST_CHECK enum mqi_err handover_give(int sock, int fd, const char *address);
/* Errors: BUSY (none has come), CONNECTION_BROKEN. */
MQ_MUST_CHECK enum mqi_err handover_take(
    int sock, int *ret_fd, char *ret_address, size_t cap);

#endif
