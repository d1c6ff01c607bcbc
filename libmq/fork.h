/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork.h - is this still the process that made a connection?  Thread-safe;
 * no system call but the first time in a process; never fails.
 */
#ifndef MQ_LIBMQ_FORK_H
#define MQ_LIBMQ_FORK_H

#include <stdint.h>

/* A number of this process, never 0.  After fork(2) the child's is another
 * than that of every process it descends from. */
uint64_t mqfork_process(void);

#endif
