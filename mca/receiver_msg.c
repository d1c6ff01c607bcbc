/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver_msg.c - memory of a message that an agent puts (receiver_msg.h).
 *
 * Neighbours: receiver.c and sender_aside.c fill it; undelivered.c makes it a
 * dead letter, or a report of it.
 * Invariants: a message owns its report, and, once replaced, its bytes.
 * Happy path: one block for all; put back as a whole.
 * Failure: NULL, no memory.
 */
#include "mca/receiver_msg.h"

#include <stdlib.h>
#include <string.h>

/* One block: the message, its descriptor, its body. */
struct receiver_msg *
receiver_msg_new(
    struct msgmem *mem, const void *desc, uint32_t desc_len, uint32_t body_len)
{
	struct receiver_msg *m =
	    msgmem_get(mem, sizeof(*m) + (size_t)desc_len + body_len);

	if (m == NULL)
		return NULL;
	memset(m, 0, sizeof(*m));
	m->mem = mem;
	m->desc = (uint8_t *)(m + 1);
	m->body = m->desc + desc_len;
	memcpy(m->desc, desc, desc_len);
	m->desc_len = desc_len;
	m->body_len = body_len;
	return m;
}

struct receiver_msg *
receiver_msg_free(struct receiver_msg *m)
{
	if (m != NULL) {
		(void)receiver_msg_free(m->report);
		receiver_msg_replace(m, NULL, 0, NULL, 0);
		msgmem_put(m->mem, m);
	}
	return NULL;
}

void
receiver_msg_replace(struct receiver_msg *m, uint8_t *desc, uint32_t desc_len,
    uint8_t *body, uint32_t body_len)
{
	if (m->apart) {
		free(m->desc);
		free(m->body);
	}
	m->apart = true;
	m->desc = desc;
	m->desc_len = desc_len;
	m->body = body;
	m->body_len = body_len;
}
