/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - small internal allocations of daemons and programs, which die when
 * there is no memory.  Sizes that a client or a partner chooses, and all of
 * libmq, use malloc(3) and report MQI_E_NO_MEMORY instead.  Thread-safe.
 */
#ifndef MQ_BASE_MEM_H
#define MQ_BASE_MEM_H

#include <stddef.h>

/* All zero memory unless said otherwise; free(3) it.  Never NULL. */
void *mqmem_alloc(size_t size);
void *mqmem_array(size_t n, size_t size);
void *mqmem_grow(void *ptr, size_t n, size_t size); /* contents kept, rest not
						       zeroed */
char *mqmem_strdup(const char *s);

#endif
