/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.c - the table of objects in memory.
 *
 * Two indexes over the same nodes: a tree by (type, name), which gives DISPLAY
 * its order and finds an object of a known type, and a hash of local queues by
 * id, which recovery and loads use.  Names of queues are unique among all
 * queue types, so a queue is found by trying each type.
 *
 * An object keeps its address and id when its attributes are replaced, so that
 * the engine's queues may point to it; the attribute set itself is swapped.
 * Nothing here can fail but by running out of memory, of which the daemon
 * dies: objects are an administrator's, not a client's.
 */
#include "qmgr/engine/object.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"
#include "base/tree.h"

struct object_node {
	struct engine_object obj; /* first: engine_object and node are one */
	RB_ENTRY(object_node) link;
	UT_hash_handle by_id; /* local queues only */
};

RB_HEAD(object_tree, object_node);

struct object_table {
	struct object_tree tree;
	struct object_node *ids;
};

static int
node_cmp(const struct object_node *a, const struct object_node *b)
{
	if (a->obj.type != b->obj.type)
		return a->obj.type < b->obj.type ? -1 : 1;
	return strcmp(a->obj.name, b->obj.name);
}

MQ_RB_GENERATE(object_tree, object_node, link, node_cmp)

static const enum mqattr_object queue_types[] = {
    MQATTR_QLOCAL, MQATTR_QALIAS, MQATTR_QREMOTE, MQATTR_QMODEL};

static bool
is_queue_type(enum mqattr_object type)
{
	return type == MQATTR_QLOCAL || type == MQATTR_QALIAS ||
	       type == MQATTR_QREMOTE || type == MQATTR_QMODEL;
}

struct object_table *
object_table_new(void)
{
	struct object_table *t = mqmem_alloc(sizeof(*t));

	RB_INIT(&t->tree);
	return t;
}

static void
node_free(struct object_table *t, struct object_node *n)
{
	RB_REMOVE(object_tree, &t->tree, n);
	if (n->obj.type == MQATTR_QLOCAL)
		HASH_DELETE(by_id, t->ids, n);
	mqattr_set_free(n->obj.attrs);
	free(n);
}

struct object_table *
object_table_free(struct object_table *t)
{
	struct object_node *n;

	if (t == NULL)
		return NULL;
	while ((n = RB_MIN(object_tree, &t->tree)) != NULL)
		node_free(t, n);
	free(t);
	return NULL;
}

/* A key for look-ups: only type and name are set. */
static void
node_key(struct object_node *key, enum mqattr_object type, const char *name)
{
	key->obj.type = type;
	key->obj.name[0] = '\0';
	strncat(key->obj.name, name, sizeof(key->obj.name) - 1);
}

static struct object_node *
node_find(
    const struct object_table *t, enum mqattr_object type, const char *name)
{
	struct object_node key;

	if (strlen(name) > MQI_NAME_LEN)
		return NULL;
	node_key(&key, type, name);
	return RB_FIND(
	    object_tree, (struct object_tree *)(uintptr_t)&t->tree, &key);
}

const struct engine_object *
object_find(
    const struct object_table *t, enum mqattr_object type, const char *name)
{
	struct object_node *n = node_find(t, type, name);

	return n == NULL ? NULL : &n->obj;
}

const struct engine_object *
object_find_queue(const struct object_table *t, const char *name)
{
	for (size_t i = 0; i < MQ_ARRAY_LEN(queue_types); i++) {
		struct object_node *n = node_find(t, queue_types[i], name);
		if (n != NULL)
			return &n->obj;
	}
	return NULL;
}

const struct engine_object *
object_find_id(const struct object_table *t, uint64_t id)
{
	struct object_node *n;

	HASH_FIND(by_id, t->ids, &id, sizeof(id), n);
	return n == NULL ? NULL : &n->obj;
}

const struct engine_object *
object_next(const struct object_table *t, enum mqattr_object type,
    const struct engine_object *prev)
{
	struct object_node *n;

	if (prev != NULL) {
		MQ_PRE(prev->type == type);
		n = MQ_CONTAINER_OF(prev, struct object_node, obj);
		n = RB_NEXT(object_tree, &t->tree, n);
	} else {
		struct object_node key;
		node_key(&key, type, "");
		n = RB_NFIND(object_tree,
		    (struct object_tree *)(uintptr_t)&t->tree, &key);
	}
	return n == NULL || n->obj.type != type ? NULL : &n->obj;
}

enum mqi_err
object_set(struct object_table *t, enum mqattr_object type, const char *name,
    uint64_t id, struct mqattr_set *attrs, const struct engine_object **ret)
{
	struct object_node *n;

	MQ_PRE(strlen(name) <= MQI_NAME_LEN);
	MQ_PRE(mqattr_set_type(attrs) == type);
	n = node_find(t, type, name);
	if (n != NULL) {
		mqattr_set_free(n->obj.attrs);
		n->obj.attrs = attrs;
		*ret = &n->obj;
		return MQI_OK;
	}
	if (is_queue_type(type) && object_find_queue(t, name) != NULL)
		return MQI_E_OBJECT_TYPE;
	n = mqmem_alloc(sizeof(*n));
	node_key(n, type, name);
	n->obj.attrs = attrs;
	n->obj.id = id;
	RB_INSERT(object_tree, &t->tree, n);
	if (type == MQATTR_QLOCAL)
		HASH_ADD(by_id, t->ids, obj.id, sizeof(n->obj.id), n);
	*ret = &n->obj;
	return MQI_OK;
}

void
object_delete(struct object_table *t, enum mqattr_object type, const char *name)
{
	struct object_node *n = node_find(t, type, name);

	MQ_PRE(n != NULL);
	node_free(t, n);
}
