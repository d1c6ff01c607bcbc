/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients_child.h - a listener's `mca clients` process: started with the first
 * remote client, started again when it has died, and given their sockets.
 * Loop thread only; nothing blocks.
 */
#ifndef MQ_MCA_CLIENTS_CHILD_H
#define MQ_MCA_CLIENTS_CHILD_H

#include "mca/certs.h"
#include "mca/run.h"

/* certs say which files its process is started with, as they do then; they stay
 * the caller's, for ever. */
void clients_child_init(struct run *run, const struct certs *certs);
/* Takes fd, and closes it if the process takes none. */
void clients_child_give(int fd, const char *address);
void clients_child_tick(uint64_t now_ms);

#endif
