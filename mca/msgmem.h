/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgmem.h - memory for messages that come and go in much the same order: runs
 * of many messages each, which are used again.
 *
 * One thread.  What was got is put back before msgmem_free().
 */
#ifndef MQ_MCA_MSGMEM_H
#define MQ_MCA_MSGMEM_H

#include <stddef.h>

#define MSGMEM_RUN 65536u    /* bytes; what does not fit has a run alone */
#define MSGMEM_SPARE_MAX 64u /* runs that are kept for use */

struct msgmem;

struct msgmem *msgmem_new(void);
struct msgmem *msgmem_free(struct msgmem *m); /* NULL */
/* Aligned for anything, not cleared; NULL: no memory. */
void *msgmem_get(struct msgmem *m, size_t n);
void msgmem_put(struct msgmem *m, void *p);
/* Gives back what is kept for use. */
void msgmem_trim(struct msgmem *m);

#endif
