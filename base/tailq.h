/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tailq.h - what glibc's <sys/queue.h> lacks.
 */
#ifndef MQ_BASE_TAILQ_H
#define MQ_BASE_TAILQ_H

#include <sys/queue.h>

/* The loop's body may remove var. */
#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)                  \
	for ((var) = TAILQ_FIRST(head);                             \
	     (var) != NULL && ((next) = TAILQ_NEXT(var, field), 1); \
	     (var) = (next))
#endif

#endif
