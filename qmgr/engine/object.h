/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.h - the table of objects (queue manager, queues, channels,
 * listeners, ...) in memory.  Queue names are unique among all types of queue.
 * Loop thread only.
 */
#ifndef MQ_ENGINE_OBJECT_H
#define MQ_ENGINE_OBJECT_H

#include "qmgr/engine/engine.h"

struct object_table;

struct object_table *object_table_new(void);
struct object_table *object_table_free(struct object_table *t); /* NULL */

/* NULL if there is none. */
const struct engine_object *object_find(
    const struct object_table *t, enum mqattr_object type, const char *name);
/* A queue of any type. */
const struct engine_object *object_find_queue(
    const struct object_table *t, const char *name);
/* By a local queue's id. */
const struct engine_object *object_find_id(
    const struct object_table *t, uint64_t id);
/* The next one of the type in order of name; prev NULL: the first. */
const struct engine_object *object_next(const struct object_table *t,
    enum mqattr_object type, const struct engine_object *prev);
/* Adds, or replaces the attributes (the object keeps its address and id).
 * Takes attrs.  OBJECT_TYPE: a queue of another type has the name; attrs is
 * then still the caller's. */
MQ_MUST_CHECK enum mqi_err object_set(struct object_table *t,
    enum mqattr_object type, const char *name, uint64_t id,
    struct mqattr_set *attrs, const struct engine_object **ret);
/* The object must be there. */
void object_delete(
    struct object_table *t, enum mqattr_object type, const char *name);

#endif
