/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trigger.h - triggers of queues: what may set one off, and the trigger
 * messages.  Functions that take a queue or an entry need one with a trigger,
 * but for trigger_refresh().  Loop thread only.
 */
#ifndef MQ_ENGINE_TRIGGER_H
#define MQ_ENGINE_TRIGGER_H

#include <stddef.h>

struct engine;
struct entry;
struct queue;
struct trigger;

/* What TRIGMPRI says of a message, if that is known. */
enum msg_rated { MSG_UNRATED, MSG_LOW, MSG_HIGH };

#define TRIGGER_ROOM 2048u /* bytes of a trigger message's record */
/* ... of one and what it changes */
#define TRIGGER_MOST 16384u

/* A message has become visible. */
void trigger_arrived(struct entry *x);
/* One is removed, or leaves memory. */
void trigger_forget(struct entry *x);
void trigger_forget_all(struct queue *q);
/* Something else has changed: messages that are there may trigger. */
void trigger_check(struct queue *q);
void trigger_check_initq(struct engine *e, const char *name);
void trigger_check_process(struct engine *e, const char *name);
/* Of any queue: its attributes are new. */
void trigger_refresh(struct queue *q);
struct trigger *trigger_free(struct trigger *t); /* NULL */
/* Puts the trigger messages that are due. */
void trigger_flush(struct engine *e);
/* What a put in a unit makes its records longer by. */
size_t trigger_room(const struct queue *q);

#endif
