/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_queue.c - a script for fake.c: a queue manager with one queue in
 * memory, handle 1.  Puts are kept, gets without a wait are answered, and
 * everything else succeeds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "tests/unit/libmq/fake.h"

struct stored {
	STAILQ_ENTRY(stored) link;
	struct mqlocal_put put;
	uint32_t id;
	uint32_t have;
	uint8_t *body;
};

STAILQ_HEAD(stored_list, stored);

static struct stored *
store(const struct mqframe *f)
{
	struct stored *s = calloc(1, sizeof(*s));

	if (s == NULL || mqlocal_decode_put(f, &s->put) != MQI_OK)
		abort();
	s->id = f->id;
	s->body = malloc(s->put.body_len + 1);
	if (s->body == NULL)
		abort();
	if (s->put.body != NULL) {
		memcpy(s->body, s->put.body, s->put.body_len);
		s->have = s->put.body_len;
	}
	return s;
}

static void
answer_get(struct fake *f, uint32_t id, struct stored_list *q)
{
	struct stored *s = STAILQ_FIRST(q);
	struct mqlocal_message m = {.handle = 1};

	if (s == NULL) {
		fake_result(f, id, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	STAILQ_REMOVE_HEAD(q, link);
	m.body_crc = s->put.body_crc;
	m.body_len = m.sent_len = s->put.body_len;
	m.desc = fake_desc(&m.desc_len);
	fake_message(f, id, &m, s->body);
	free(s->body);
	free(s);
}

static struct stored *
add_piece(struct fake *f, const struct mqframe *fr, struct stored_list *partial)
{
	struct stored *s;

	(void)f;
	STAILQ_FOREACH (s, partial, link)
		if (s->id == fr->id)
			break;
	if (s == NULL || s->have + fr->payload_len > s->put.body_len)
		abort();
	memcpy(s->body + s->have, fr->payload, fr->payload_len);
	s->have += fr->payload_len;
	if (s->have < s->put.body_len)
		return NULL;
	STAILQ_REMOVE(partial, s, stored, link);
	return s;
}

static void
drop_all(struct stored_list *list)
{
	struct stored *s;

	while ((s = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		free(s->body);
		free(s);
	}
}

void
fake_queue(struct fake *f)
{
	struct stored_list q = STAILQ_HEAD_INITIALIZER(q);
	struct stored_list partial = STAILQ_HEAD_INITIALIZER(partial);
	struct stored *s;
	struct mqframe fr;

	while (fake_read(f, &fr)) {
		s = NULL;
		switch (fr.type) {
		case MQLOCAL_HELLO:
			fake_hello_ok(f, fr.id);
			break;
		case MQLOCAL_OPEN:
			fake_open_ok(f, fr.id, 1);
			break;
		case MQLOCAL_PUT:
			s = store(&fr);
			if (s->have < s->put.body_len) {
				STAILQ_INSERT_TAIL(&partial, s, link);
				s = NULL;
			}
			break;
		case MQLOCAL_PIECE:
			s = add_piece(f, &fr, &partial);
			break;
		case MQLOCAL_GET:
			answer_get(f, fr.id, &q);
			break;
		default:
			fake_result(f, fr.id, MQI_OK);
			break;
		}
		if (s != NULL) {
			STAILQ_INSERT_TAIL(&q, s, link);
			fake_put_ok(f, s->id);
		}
		/* answers gather, so that readers meet several */
		if (f->in.len == f->in_used || f->out.len > 100000)
			fake_send(f);
	}
	drop_all(&q);
	drop_all(&partial);
}
