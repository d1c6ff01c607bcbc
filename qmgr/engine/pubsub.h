/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.h - the part of engine_int.h for publish and subscribe: topics by
 * their objects (topic.c), subscriptions (subscribe.c), and publications
 * (publish.c).  Nothing of it is there until somebody uses it
 * (engine.pubsub).  Loop thread only.
 */
#ifndef MQ_ENGINE_PUBSUB_H
#define MQ_ENGINE_PUBSUB_H

#include "qmgr/engine/engine_int.h"
#include "qmgr/engine/topic_trie.h"

#define PUBSUB_QUEUE "SYSTEM.RETAINED.PUB.QUEUE"
#define PUBSUB_BASE "SYSTEM.BASE.TOPIC"
#define PUBSUB_DEFAULT "SYSTEM.DEFAULT.TOPIC"
#define PUBSUB_DURABLE_MODEL "SYSTEM.DURABLE.MODEL.QUEUE"
#define PUBSUB_NDURABLE_MODEL "SYSTEM.NDURABLE.MODEL.QUEUE"
/* Levels of topics that are kept, and subscriptions, whose places fit in one
 * record. */
#define PUBSUB_MAX_NODES 2000000u
#define PUBSUB_MAX_SUBS FANOUT_MAX
/* Topics with a retained publication; and with so many waiting to be read for
 * new subscriptions, no more of these are taken. */
#define PUBSUB_MAX_RETAINED 500000u
#define PUBSUB_MAX_READINGS 500000u
/* A publication is in memory as a whole while it is put. */
#define PUBSUB_MAX_BODY 4194304u
/* Of a retained publication: the time that it ends, in ms since 1970. */
#define PUBSUB_UNTIL "MQRetainedUntil"
/* Properties of publications. */
#define PUBSUB_TOPIC "MQTopicString"
#define PUBSUB_USER_DATA "MQSubUserData"
#define PUBSUB_IS_RETAINED "MQIsRetained"
/* The queue managers that it has left, with commas, on its way to another. */
#define PUBSUB_PATH "MQPubPath"
#define PUBSUB_PATH_MAX 1024u /* bytes */

/* To whom a publication must be delivered so that it succeeds. */
enum topic_guarantee { TOPIC_ALL, TOPIC_ALLDUR, TOPIC_ALLAVAIL };

/* What the objects at and above a topic say of it. */
struct topic_rules {
	char object[MQI_NAME_LEN + 1]; /* the closest: its rights count */
	bool pub;
	bool sub;
	bool durable;
	bool persistent;
	bool use_dlq;
	int8_t priority;
	enum topic_guarantee pmsg;
	enum topic_guarantee npmsg;
	int blocked; /* wildcards before this level do not reach it */
	char durable_model[MQI_NAME_LEN + 1];
	char ndurable_model[MQI_NAME_LEN + 1];
};

LIST_HEAD(sub_list, sub);

/* Subscriptions of one pattern. */
struct sub_node {
	struct topic_node *at;
	struct sub_list subs;
};

#define SUB_PRIORITY_AS_PUB (-1)
#define SUB_PRIORITY_AS_Q (-2)

struct sub {
	UT_hash_handle hh; /* pubsub.durables, by the object; durable only */
	LIST_ENTRY(sub) link;
	struct engine *e;
	struct sub_node *node;
	const struct engine_object *object; /* SUB; NULL: not durable */
	struct handle *h;                   /* who has it, or NULL */
	char *pattern;
	char *user_data; /* or NULL */
	struct mqselector *selector;
	bool broken; /* its selector is none any more: nothing fits */
	bool managed;
	bool has_correl;
	int8_t priority;
	int first_wild;
	uint8_t correl_id[MQI_ID_LEN];
	uint64_t deadline_ms; /* wall; 0: lives on */
	char dest[MQI_NAME_LEN + 1];
	char dest_qmgr[MQI_NAME_LEN + 1];
	/* where dest led to when there were so many changes of objects */
	struct route route;
	enum mqi_err unroutable;
	uint64_t routed_at;
	bool is_routed;
	uint64_t n_msgs;
	uint64_t last_msg_ms;
	uint64_t resumed_ms;
	/* retained publications that it is still to get, and before it is
	 * known which ones: on pubsub.early */
	uint32_t n_readings;
	bool wants_retained;
	TAILQ_ENTRY(sub) early;
	uint32_t answer_id; /* then its handle is answered; 0: it was */
};

/* The last publication of a topic that was to be retained. */
struct retained {
	char *text; /* until it stands in the tree */
	struct topic_node *at;
	struct place place;
	uint64_t body_id;
	uint32_t desc_len;
	uint32_t body_len;
	uint32_t body_crc;
	bool persistent;
	uint8_t msg_id[MQI_ID_LEN];
	uint64_t until_ms; /* wall; 0: does not expire */
};

enum retain_scan {
	RETAIN_KNOWN,
	RETAIN_UNKNOWN,
	RETAIN_SCANNING,
	RETAIN_SCANNED,
};

#define RETAIN_SCAN_ID 1u

TAILQ_HEAD(reading_list, reading);
TAILQ_HEAD(early_list, sub);

struct pubsub {
	struct topic_trie *topics; /* of the objects: struct engine_object */
	struct topic_trie *subs;   /* patterns: struct sub_node */
	struct sub *durables;
	size_t n_subs;
	uint64_t n_publications;
	struct topic_trie *retained; /* struct retained */
	size_t n_retained;
	size_t max_retained; /* PUBSUB_MAX_RETAINED, or a test's */
	/* The queue manager's own session, and its handle on their queue. */
	struct engine_session *self;
	struct handle *h;
	uint32_t unsent; /* replies that it got */
	uint32_t last_id;
	struct reading_list readings;
	size_t n_readings;
	size_t max_readings;
	struct early_list early;
	enum retain_scan scan;
	bool scan_asked;
	struct retained scanned;
	uint8_t *scan_desc; /* of the message that was found, or NULL */
};

/* Of a handle that publishes. */
struct topic_handle {
	char *text;
	struct topic_rules rules;
	uint64_t ruled_at; /* engine.object_changes */
};

#define TOPIC_WHY_LEN 500u /* bytes of a sentence */
/* how the queue of a managed subscription is open */
#define SUB_QUEUE_OPTIONS (MQI_OO_INPUT_SHARED | MQI_OO_BROWSE | MQI_OO_INQUIRE)

struct topic_request {
	const char *object; /* TOPIC, or "" */
	const char *topic;  /* below it, or "" */
	uint32_t options;
};

/* ---- topic.c ---- */

/* The objects of before are read. */
void pubsub_begin(struct engine *e);

/* What publish and subscribe needs is there; made if need be. */
struct pubsub *pubsub_get(struct engine *e);
struct pubsub *pubsub_free(struct pubsub *p); /* NULL */
/* The queue that handles of topics are on. */
struct queue *pubsub_queue(struct engine *e);
void topic_resolve(
    struct engine *e, const char *topic, struct topic_rules *ret);
/* The string of a topic object and a string below it.  Errors:
 * UNKNOWN_OBJECT, TOPIC_STRING_ERROR. */
MQ_MUST_CHECK enum mqi_err topic_compose(struct engine *e, const char *object,
    const char *text, char ret[TOPIC_MAX_LEN + 1]);
/* A topic object may be so.  Errors: TOPIC_STRING_ERROR, EXISTS (another has
 * this string). */
MQ_MUST_CHECK enum mqi_err topic_check(
    struct engine *e, const char *name, const struct mqattr_set *attrs);
void topic_added(struct engine *e, const struct engine_object *o);
void topic_removed(struct engine *e, const struct engine_object *o);
/* A handle that publishes.  Errors: UNKNOWN_OBJECT, TOPIC_STRING_ERROR,
 * NOT_AUTHORIZED, RESOURCE_PROBLEM, OPTION_NOT_VALID_FOR_TYPE. */
MQ_MUST_CHECK enum mqi_err topic_open(struct engine_session *s,
    const struct engine_identity *who, const struct topic_request *req,
    struct handle **ret_handle, char *ret_why, size_t why_len);
void topic_close(struct handle *h);
/* A queue alias with TARGTYPE(TOPIC), or NULL. */
const struct engine_object *topic_alias(
    const struct engine *e, const char *object, const char *qmgr);

/* ---- subscribe.c ---- */

/* A SUB object may be so.  Errors: TOPIC_STRING_ERROR, SELECTOR_SYNTAX_ERROR,
 * SELECTION_STRING_ERROR, SELECTOR_LIMIT, RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err sub_check(
    struct engine *e, const struct mqattr_set *attrs);
/* A SUB object is new or changed. */
void sub_added(struct engine *e, const struct engine_object *o);
struct sub *sub_find(const struct engine *e, const struct engine_object *o);
/* Its object is going: no more is delivered. */
void sub_removed(struct engine *e, const struct engine_object *o);
/* Whether its time is over; ends it. */
bool sub_is_due(const struct sub *s);
void sub_expire(struct sub *s);
/* Its handle is closed. */
void sub_close(struct handle *h);
void sub_free_all(struct pubsub *p);
/* Where its publications go.  Errors: route_resolve()'s. */
MQ_MUST_CHECK enum mqi_err sub_route(struct sub *s, const struct route **ret);

/* It has got what was retained. */
void sub_answer(struct sub *s);

/* ---- retain.c ---- */

struct retained *retain_new(const char *topic);
void retain_free(struct retained *r);
void retain_free_all(struct pubsub *p);
/* Whether one of this length can be.  Errors: as fanout_check();
 * RESOURCE_PROBLEM, OBJECT_IN_USE. */
MQ_MUST_CHECK enum mqi_err retain_check(
    struct engine *e, const char *topic, uint64_t len);
/* It is there, as x, by the unit with this number: the one before goes.  Takes
 * r. */
void retain_committed(struct engine *e, struct retained *r,
    const struct entry *x, uint32_t number);
/* A new subscription is to get what fits.  True: sub_answer() follows. */
bool retain_give(struct sub *s);
void retain_forget_sub(struct sub *s);
/* A reply to the session of the queue manager's own. */
void retain_told(struct engine_session *s, const struct engine_reply *k);
bool retain_has_work(const struct engine *e);
void retain_turn(struct engine *e);

/* ---- publish.c ---- */

/* A retained publication comes to a new subscription, by the queue manager's
 * own handle. */
MQ_MUST_CHECK enum mqi_err publish_again(
    struct handle *h, struct sub *s, const struct engine_put *req);

/* A put on a handle of a topic.  *ret_pos: what it reveals; done is filled in.
 * Errors: as of a put; PUBLICATION_FAILURE. */
MQ_MUST_CHECK enum mqi_err publish(struct handle *h,
    const struct engine_put *req, struct engine_reply *done, uint64_t *ret_pos);

#endif
