/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pubsub.c - publications come to those who have subscribed, all at once,
 * as the topics' objects say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine/rig.h"

#define NEW MQI_SO_CREATE
#define OURS (MQI_SO_CREATE | MQI_SO_MANAGED)
#define DURABLE (OURS | MQI_SO_DURABLE)

static struct rig rig;

static int
setup(void **state)
{
	(void)state;
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "Q", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "DLQ", NULL);
	rig_define(&rig, MQATTR_QMGR, "QM", "DEADQ=DLQ", NULL);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_settle(&rig);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static enum mqi_err
opened(unsigned n, uint32_t id, uint32_t *ret)
{
	struct rig_reply *k;

	rig_settle(&rig);
	k = rig_reply(&rig, n, id);
	assert_non_null(k);
	*ret = k->r.handle;
	return k->r.kind == ENGINE_OPENED ? MQI_OK : k->r.reason;
}

static enum mqi_err
try_topic(unsigned n, const char *object, const char *topic, uint32_t *ret)
{
	struct mqlocal_open_topic v = {.options = MQI_OO_OUTPUT};
	uint32_t id = ++rig.last_id;

	strcpy(v.object, object);
	strcpy(v.topic, topic);
	engine_open_topic(rig.e, rig.sessions[n].s, id, &v);
	return opened(n, id, ret);
}

static uint32_t
topic(const char *text)
{
	uint32_t h = 0;

	assert_int_equal(try_topic(0, "", text, &h), MQI_OK);
	return h;
}

static struct mqlocal_subscribe
want(uint32_t options, const char *pattern)
{
	struct mqlocal_subscribe v = {.options = options};

	strcpy(v.topic, pattern);
	return v;
}

static enum mqi_err
try_sub(unsigned n, const struct mqlocal_subscribe *v, uint32_t *ret)
{
	uint32_t id = ++rig.last_id;

	engine_subscribe(rig.e, rig.sessions[n].s, id, v);
	return opened(n, id, ret);
}

static uint32_t
subscribe(unsigned n, uint32_t options, const char *pattern)
{
	struct mqlocal_subscribe v = want(options, pattern);
	uint32_t h = 0;

	if ((options & MQI_SO_DURABLE) != 0)
		strcpy(v.name, "NEWS");
	if ((options & MQI_SO_MANAGED) == 0)
		strcpy(v.dest, "Q");
	assert_int_equal(try_sub(n, &v, &h), MQI_OK);
	return h;
}

static void
expect(unsigned n, uint32_t h, const char *want_body)
{
	char body[64] = "";
	enum mqi_err err = rig_get(&rig, n, h, 0, body, sizeof(body));

	if (want_body == NULL) {
		assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	assert_int_equal(err, MQI_OK);
	assert_string_equal(body, want_body);
}

static uint32_t
open_q(const char *name)
{
	uint32_t h = 0;

	assert_int_equal(
	    rig_open(&rig, 0, name, MQI_OO_INPUT_SHARED, &h), MQI_OK);
	return h;
}

static void
request(unsigned n, uint32_t h,
    void (*ask)(struct engine *, struct engine_session *, uint32_t, uint32_t))
{
	uint32_t id = ++rig.last_id;

	ask(rig.e, rig.sessions[n].s, id, h);
	assert_int_equal(rig_result(&rig, n, id), MQI_OK);
}

static void
test_each_pattern_that_fits_gets_it_once(void **state)
{
	uint32_t t = topic("a/b"), one = subscribe(1, OURS, "a/+");
	uint32_t two = subscribe(1, OURS, "#"), none = subscribe(1, OURS, "b");

	(void)state;
	assert_int_equal(rig_put(&rig, 0, t, 0, "news"), MQI_OK);
	expect(1, one, "news");
	expect(1, one, NULL);
	expect(1, two, "news");
	expect(1, none, NULL);
	assert_int_equal(rig.e->pubsub->n_publications, 1);
}

static void
test_a_publication_carries_its_topic(void **state)
{
	struct mqlocal_subscribe v = want(OURS | MQI_SO_SET_CORREL_ID, "a");
	uint32_t t = topic("a"), h = 0, id;
	struct mqlocal_get get;
	struct rig_reply *k;
	struct mqi_md md;

	(void)state;
	strcpy(v.user_data, "mine");
	memset(v.correl_id, 7, MQI_ID_LEN);
	strcpy(v.selector, "MQTopicString = 'a'");
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, t, 0, "x"), MQI_OK);
	get = RIG_GET(h);
	rig.sessions[1].hold_sent = true;
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_int_equal(mqdesc_decode(k->r.u.message.data->data,
			     k->r.u.message.desc_len, &md),
	    MQI_OK);
	assert_int_equal(md.n_props, 2);
	assert_string_equal(md.props[0].name, "MQTopicString");
	assert_memory_equal(md.props[0].value.bytes.data, "a", 1);
	assert_string_equal(md.props[1].name, "MQSubUserData");
	assert_memory_equal(md.props[1].value.bytes.data, "mine", 4);
	assert_memory_equal(md.correl_id, v.correl_id, MQI_ID_LEN);
	free((void *)(uintptr_t)md.props);
}

static void
test_a_selector_sifts(void **state)
{
	struct mqlocal_subscribe v = want(OURS, "a");
	uint32_t t = topic("a"), h = 0;

	(void)state;
	strcpy(v.selector, "JMSPriority > 4");
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	for (int priority = 4; priority < 6; priority++) {
		struct rig_put p = RIG_PUT(t, priority == 4 ? "low" : "high");

		p.priority = priority;
		(void)rig_ask_put(&rig, 0, &p);
	}
	rig_settle(&rig);
	expect(1, h, "high");
	expect(1, h, NULL);
	strcpy(v.selector, "not a condition");
	assert_int_equal(try_sub(1, &v, &h), MQI_E_SELECTOR_SYNTAX_ERROR);
}

static void
test_in_a_unit_it_comes_with_the_commit(void **state)
{
	uint32_t t = topic("a"), h = subscribe(1, OURS, "a");
	uint32_t q = 0;

	(void)state;
	assert_int_equal(rig_open(&rig, 0, "Q", MQI_OO_OUTPUT, &q), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, t, 3, "gone"), MQI_OK);
	assert_int_equal(rig_backout(&rig, 0, 3), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, t, 4, "pub"), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, q, 4, "put"), MQI_OK);
	expect(1, h, NULL);
	expect(0, open_q("Q"), NULL);
	assert_int_equal(rig_commit(&rig, 0, 4), MQI_OK);
	expect(1, h, "pub");
	expect(0, open_q("Q"), "put");
}

static void
test_a_durable_one_collects_while_nobody_listens(void **state)
{
	struct mqlocal_subscribe v = want(DURABLE, "a/#");
	uint32_t h = subscribe(1, DURABLE, "a/#"), t = topic("a/b"), other = 0;

	(void)state;
	strcpy(v.name, "NEWS");
	assert_int_equal(try_sub(0, &v, &other), MQI_E_SUB_ALREADY_EXISTS);
	v.options = MQI_SO_RESUME | MQI_SO_DURABLE | MQI_SO_MANAGED;
	assert_int_equal(try_sub(0, &v, &other), MQI_E_SUBSCRIPTION_IN_USE);
	request(1, h, engine_close);
	assert_int_equal(rig_put(&rig, 0, t, 0, "one"), MQI_OK);
	rig_crash(&rig, 0);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	t = topic("a");
	assert_int_equal(rig_put(&rig, 0, t, 0, "two"), MQI_OK);
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	expect(1, h, "one");
	expect(1, h, "two");
	request(1, h, engine_unsubscribe);
	assert_int_equal(try_sub(1, &v, &h), MQI_E_NO_SUBSCRIPTION);
	assert_int_equal(rig.e->n_dynamic, 0);
	rig_restart(&rig);
	rig_connect(&rig, 1);
	assert_int_equal(try_sub(1, &v, &h), MQI_E_NO_SUBSCRIPTION);
}

static void
test_others_end_with_their_handle(void **state)
{
	uint32_t h = subscribe(1, OURS, "a"), t = topic("a");

	(void)state;
	assert_int_equal(rig.e->n_dynamic, 1);
	request(1, h, engine_close);
	(void)subscribe(1, OURS, "a");
	(void)subscribe(1, NEW, "a");
	assert_int_equal(rig.e->pubsub->n_subs, 2);
	rig_disconnect(&rig, 1);
	rig_settle(&rig);
	assert_int_equal(rig.e->pubsub->n_subs, 0);
	assert_int_equal(topic_trie_count(rig.e->pubsub->subs), 0);
	assert_int_equal(rig.e->n_dynamic, 0);
	assert_int_equal(rig_put(&rig, 0, t, 0, "x"), MQI_OK);
	expect(0, open_q("Q"), NULL);
}

static void
test_objects_above_a_topic_have_their_way(void **state)
{
	uint32_t h = 0, t = topic("a/b/c");
	struct mqlocal_subscribe v = want(OURS, "a/b/c");

	(void)state;
	rig_define(&rig, MQATTR_TOPIC, "A", "TOPICSTR=a", "PUB=DISABLED",
	    "SUB=DISABLED", NULL);
	rig_define(&rig, MQATTR_TOPIC, "B", "TOPICSTR=a/b", "PUB=ENABLED",
	    "DURSUB=NO", NULL);
	assert_int_equal(rig_put(&rig, 0, t, 0, "x"), MQI_OK);
	assert_int_equal(try_sub(1, &v, &h), MQI_E_SUB_INHIBITED);
	assert_int_equal(try_topic(0, "A", "x", &h), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "x"), MQI_E_PUT_INHIBITED);
	rig_define(&rig, MQATTR_TOPIC, "A", "SUB=ENABLED", NULL);
	v.options = DURABLE;
	strcpy(v.name, "S");
	assert_int_equal(try_sub(1, &v, &h), MQI_E_DURABILITY_NOT_ALLOWED);
	assert_int_equal(try_topic(0, "NONE", "", &h), MQI_E_UNKNOWN_OBJECT);
	assert_int_equal(
	    try_topic(0, "A", "+/x", &h), MQI_E_TOPIC_STRING_ERROR);
}

static void
test_wildcards_above_do_not_pass_a_block(void **state)
{
	uint32_t t, all = subscribe(1, OURS, "#"),
		    in = subscribe(1, OURS, "a/b/#");

	(void)state;
	rig_define(
	    &rig, MQATTR_TOPIC, "B", "TOPICSTR=a/b", "WILDCARD=BLOCK", NULL);
	t = topic("a/b/c");
	assert_int_equal(rig_put(&rig, 0, t, 0, "x"), MQI_OK);
	expect(1, all, NULL);
	expect(1, in, "x");
}

static void
test_rights_are_those_on_the_object_above(void **state)
{
	static const struct engine_identity joe = {.user = "joe"};
	struct mqlocal_subscribe v = want(OURS, "a/b");
	uint32_t h = 0;

	(void)state;
	rig_define(&rig, MQATTR_TOPIC, "A", "TOPICSTR=a", NULL);
	rig_disconnect(&rig, 1);
	(void)rig_connect_as(&rig, 1, &joe);
	assert_int_equal(try_topic(1, "", "a/b", &h), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_sub(1, &v, &h), MQI_E_NOT_AUTHORIZED);
	rig_define(&rig, MQATTR_AUTHREC, "R", "PROFILE=A", "OBJTYPE=TOPIC",
	    "ENTITY=joe", "ENTTYPE=PRINCIPAL", "AUTHLIST=PUB,SUB", NULL);
	assert_int_equal(try_topic(1, "", "a/b", &h), MQI_OK);
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	assert_int_equal(try_topic(1, "", "b", &h), MQI_E_NOT_AUTHORIZED);
	v.options = NEW;
	strcpy(v.dest, "Q");
	assert_int_equal(try_sub(1, &v, &h), MQI_E_NOT_AUTHORIZED);
}

static void
test_what_cannot_be_taken_is_a_dead_letter_or_fails(void **state)
{
	uint32_t t = topic("a"), good = subscribe(1, OURS, "a");
	uint32_t dead = open_q("DLQ");
	char body[1024];

	(void)state;
	(void)subscribe(1, NEW, "a");
	rig_define(&rig, MQATTR_QLOCAL, "Q", "PUT=DISABLED", NULL);
	assert_int_equal(rig_put(&rig, 0, t, 0, "one"), MQI_OK);
	expect(1, good, "one");
	assert_int_equal(rig_get(&rig, 0, dead, 0, body, sizeof(body)), MQI_OK);
	assert_memory_equal(body, "DLH ", 4);
	/* no dead letter: a subscriber that is not durable has bad luck */
	rig_define(&rig, MQATTR_TOPIC, "A", "TOPICSTR=a", "USEDLQ=NO", NULL);
	assert_int_equal(rig_put(&rig, 0, t, 0, "two"), MQI_OK);
	expect(1, good, "two");
	expect(0, dead, NULL);
	/* unless all must get it */
	rig_define(&rig, MQATTR_TOPIC, "A", "PMSGDLV=ALL", NULL);
	assert_int_equal(
	    rig_put(&rig, 0, t, 0, "three"), MQI_E_PUBLICATION_FAILURE);
	expect(1, good, NULL);
}

static void
test_its_queue_may_be_cleared_meanwhile(void **state)
{
	uint32_t t = topic("a");
	uint64_t pos = 0;

	(void)state;
	(void)subscribe(1, NEW, "a");
	assert_int_equal(rig_put(&rig, 0, t, 0, "one"), MQI_OK);
	assert_int_equal(engine_queue_clear(rig.e, "Q", &pos), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, t, 0, "two"), MQI_OK);
	expect(0, open_q("Q"), "two");
}

static void
test_an_alias_of_a_topic_publishes(void **state)
{
	uint32_t h = subscribe(1, OURS, "a"), alias = 0;

	(void)state;
	rig_define(&rig, MQATTR_TOPIC, "A", "TOPICSTR=a", NULL);
	rig_define(
	    &rig, MQATTR_QALIAS, "ALIAS", "TARGET=A", "TARGTYPE=TOPIC", NULL);
	assert_int_equal(
	    rig_open(&rig, 0, "ALIAS", MQI_OO_OUTPUT, &alias), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, alias, 0, "x"), MQI_OK);
	expect(1, h, "x");
	assert_int_equal(
	    rig_open(&rig, 0, "ALIAS", MQI_OO_INPUT_SHARED, &alias),
	    MQI_E_OPTION_NOT_VALID_FOR_TYPE);
}

static void
test_long_ones_are_put_when_they_are_whole(void **state)
{
	static char body[200000];
	uint32_t t = topic("a"), h = subscribe(1, OURS, "a"), id;
	struct mqlocal_get get = RIG_GET(h);
	struct rig_put p = RIG_PUT(t, "");
	struct rig_reply *k;

	(void)state;
	memset(body, 'l', sizeof(body));
	p.body = body;
	p.len = sizeof(body);
	id = rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	assert_int_equal(rig_reply(&rig, 0, id)->r.kind, ENGINE_PUT_DONE);
	assert_int_equal(rig.e->collecting, 0);
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_int_equal(k->len, sizeof(body));
	assert_memory_equal(k->data, body, sizeof(body));
}

static void
test_one_that_has_expired_gets_nothing_and_goes(void **state)
{
	struct mqlocal_subscribe v = want(DURABLE, "a");
	uint32_t t = topic("a"), h = 0;

	(void)state;
	rig_advance_ms(&rig, 86400000);
	strcpy(v.name, "BRIEF");
	v.expiry = 20;
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	assert_int_equal(rig_put(&rig, 0, t, 0, "one"), MQI_OK);
	expect(1, h, "one");
	rig_advance_ms(&rig, 3000);
	assert_int_equal(rig_put(&rig, 0, t, 0, "two"), MQI_OK);
	assert_int_equal(rig.e->pubsub->n_subs, 0);
}

static uint64_t
depth_of(const char *sub)
{
	const struct engine_object *o =
	    engine_object_find(rig.e, MQATTR_SUB, sub);
	struct engine_queue_status st;

	assert_int_equal(engine_queue_status(
			     rig.e, mqattr_text(o->attrs, MQATTR_ID_DEST), &st),
	    MQI_OK);
	return st.depth;
}

/* Two that look different: two bodies, and still one publication. */
static void
test_a_crash_leaves_it_with_all_or_with_none(void **state)
{
	struct mqlocal_subscribe v = want(DURABLE | MQI_SO_SET_CORREL_ID, "a");
	uint64_t depth = 0;
	uint32_t h = 0;

	(void)state;
	for (uint8_t i = 1; i < 3; i++) {
		v.name[0] = (char)('A' + i);
		v.correl_id[0] = i;
		assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	}
	for (unsigned round = 0; round < 6; round++) {
		uint32_t t = topic("a");
		struct rig_put p = RIG_PUT(t, "x");

		store_mem_set_automatic(rig.store, false);
		(void)rig_ask_put(&rig, 0, &p);
		rig_turn(&rig);
		if (round % 3 == 0)
			(void)store_mem_make_durable(rig.store);
		/* with or without the batch on its way */
		rig_crash(&rig, round % 3 == 1 ? 1 : 0);
		assert_int_equal(depth_of("B"), depth_of("C"));
		depth += round % 3 != 2;
		assert_int_equal(depth_of("B"), depth);
		rig_connect(&rig, 0);
	}
}

static void
test_a_long_one_goes_with_its_session(void **state)
{
	static char body[200000];
	uint32_t t = topic("a"), h = subscribe(1, OURS, "a");
	struct engine_put req = {
	    .handle = t, .body_len = sizeof(body), .unit = 5};
	struct mqi_md md;
	struct mqbuf b;

	(void)state;
	mqi_md_init(&md);
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = b.data;
	req.desc_len = (uint32_t)b.len;
	assert_int_equal(
	    engine_put(rig.e, rig.sessions[0].s, 900, &req), MQI_OK);
	assert_int_equal(engine_put_piece(rig.e, rig.sessions[0].s, 900, body,
			     MQFRAME_PIECE),
	    MQI_OK);
	assert_true(rig.e->collecting > sizeof(body));
	rig_disconnect(&rig, 0);
	assert_int_equal(rig.e->collecting, 0);
	expect(1, h, NULL);
	mqbuf_fini(&b);
}

/* ---- other queue managers ---- */

static void
put_as_a_channel(uint32_t h, const char *text, const char *path, uint16_t more)
{
	struct mqi_prop props[2] = {{.name = PUBSUB_TOPIC,
					.type = MQI_PROP_STRING,
					.value.bytes = {text, strlen(text)}},
	    {.name = PUBSUB_PATH,
		.type = MQI_PROP_STRING,
		.value.bytes = {path, strlen(path)}}};
	struct rig_put p = RIG_PUT(h, "far");
	struct mqi_md md;
	struct mqbuf b;
	uint32_t id;

	mqi_md_init(&md);
	md.props = props;
	md.n_props = 2;
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	p.desc = b.data;
	p.desc_len = (uint32_t)b.len;
	p.flags = MQLOCAL_PUT_PASS_CONTEXT | more;
	id = rig_ask_put(&rig, 2, &p);
	rig_settle(&rig);
	assert_int_equal(rig_reply(&rig, 2, id)->r.kind, ENGINE_PUT_DONE);
	mqbuf_fini(&b);
}

static void
test_what_comes_by_a_channel_keeps_its_topic_and_does_not_go_round(void **state)
{
	static const struct engine_identity agent = {.user = "mca",
	    .channel = "FROM",
	    .is_owner = true,
	    .is_agent = true};
	struct mqlocal_subscribe v = want(NEW, "a/#");
	uint32_t sub = subscribe(1, OURS, "a/b"), alias = 0, h = 0, x;

	(void)state;
	rig_define(&rig, MQATTR_TOPIC, "A", "TOPICSTR=a", NULL);
	rig_define(
	    &rig, MQATTR_QALIAS, "PUBS", "TARGET=A", "TARGTYPE=TOPIC", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "QM2", "USAGE=XMITQ", NULL);
	strcpy(v.dest, "PUBS");
	strcpy(v.dest_qmgr, "QM2");
	assert_int_equal(try_sub(1, &v, &h), MQI_OK);
	(void)rig_connect_as(&rig, 2, &agent);
	assert_int_equal(
	    rig_open(&rig, 2, "PUBS", MQI_OO_OUTPUT, &alias), MQI_OK);
	x = open_q("QM2");
	put_as_a_channel(alias, "a/b", "QM3", 0); /* on its way to QM2 */
	expect(1, sub, "far");
	expect(0, x, "far");
	put_as_a_channel(alias, "a/b", "QM3,QM2", 0); /* it has been there */
	expect(1, sub, "far");
	expect(0, x, NULL);
	put_as_a_channel(alias, "a/b", "QM,QM3", 0); /* and here */
	put_as_a_channel(alias, "a/b", "QM,QM3", MQLOCAL_PUT_RETAIN);
	expect(1, sub, NULL);
	put_as_a_channel(alias, "b", "QM3", 0); /* not below the alias: "a" */
	expect(1, sub, NULL);
	expect(0, x, "far");
}

/* ---- retained ---- */

static enum mqi_err
retain_in(uint32_t unit, uint32_t h, const char *body, int32_t persistence)
{
	struct rig_put p = RIG_PUT(h, body);
	uint32_t id;
	struct rig_reply *k;

	p.unit = unit;
	p.flags = MQLOCAL_PUT_RETAIN;
	p.persistence = persistence;
	id = rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	return k->r.kind == ENGINE_PUT_DONE ? MQI_OK : k->r.reason;
}

static void
retain(const char *text, const char *body)
{
	uint32_t h = topic(text);

	assert_int_equal(retain_in(0, h, body, MQI_PERSISTENCE_YES), MQI_OK);
	request(0, h, engine_close);
}

static uint64_t
n_kept(void)
{
	struct engine_queue_status st;

	assert_int_equal(engine_queue_status(rig.e, PUBSUB_QUEUE, &st), MQI_OK);
	return st.depth;
}

static void
start_again(bool crash)
{
	if (crash)
		rig_crash(&rig, 0);
	else
		rig_restart(&rig);
	rig_connect(&rig, 0);
	rig_connect(&rig, 1);
	rig_settle(&rig);
}

static void
test_who_comes_later_gets_what_was_retained_last(void **state)
{
	uint32_t h;

	(void)state;
	retain("a/b", "old");
	retain("a/b", "new");
	retain("c", "other");
	assert_int_equal(n_kept(), 2);
	for (int round = 0; round < 3; round++) {
		h = subscribe(1, OURS, "a/+");
		expect(1, h, "new");
		expect(1, h, NULL);
		h = subscribe(1, OURS | MQI_SO_NEW_PUBLICATIONS_ONLY, "#");
		expect(1, h, NULL);
		if (round < 2)
			start_again(round == 0);
	}
	retain("a/b", "newest");
	expect(1, h, "newest");
	assert_int_equal(n_kept(), 2);
	start_again(true);
	h = subscribe(1, OURS, "a/b");
	expect(1, h, "newest");
	expect(1, h, NULL);
}

static void
test_what_is_retained_is_so_with_its_unit(void **state)
{
	uint32_t t = topic("a"), h;

	(void)state;
	retain("a", "before");
	assert_int_equal(
	    retain_in(9, t, "within", MQI_PERSISTENCE_YES), MQI_OK);
	h = subscribe(1, OURS, "a");
	expect(1, h, "before");
	assert_int_equal(rig_backout(&rig, 0, 9), MQI_OK);
	h = subscribe(1, OURS, "a");
	expect(1, h, "before");
	assert_int_equal(
	    retain_in(8, t, "within", MQI_PERSISTENCE_YES), MQI_OK);
	assert_int_equal(rig_commit(&rig, 0, 8), MQI_OK);
	h = subscribe(1, OURS, "a");
	expect(1, h, "within");
	assert_int_equal(n_kept(), 1);
}

static void
test_many_are_kept_on_the_disk(void **state)
{
	const unsigned n = 1500;
	char text[32];
	uint32_t h;

	(void)state;
	rig_define(
	    &rig, MQATTR_QMODEL, PUBSUB_NDURABLE_MODEL, "MAXDEPTH=9999", NULL);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "t/%u", i);
		retain(text, text);
	}
	start_again(false);
	/* those that memory does not hold are replaced, too */
	for (unsigned i = 0; i < n; i += 500) {
		(void)snprintf(text, sizeof(text), "t/%u", n - 1 - i);
		retain(text, "again");
	}
	assert_int_equal(n_kept(), n);
	h = subscribe(1, OURS, "t/#");
	for (unsigned i = 0; i < n; i++) {
		char body[32];

		assert_int_equal(
		    rig_get(&rig, 1, h, 0, body, sizeof(body)), MQI_OK);
	}
	expect(1, h, NULL);
	start_again(true);
	assert_int_equal(n_kept(), n);
	assert_int_equal(rig.e->pubsub->n_retained, n);
}

static void
test_long_ones_are_retained_and_others_end_with_the_start(void **state)
{
	static char body[150001];
	uint32_t t = topic("long"), h, id;
	struct mqlocal_get get;
	struct rig_reply *k;

	(void)state;
	memset(body, 'r', sizeof(body) - 1);
	assert_int_equal(retain_in(0, t, body, MQI_PERSISTENCE_YES), MQI_OK);
	assert_int_equal(
	    retain_in(0, topic("np"), "np", MQI_PERSISTENCE_NO), MQI_OK);
	expect(1, subscribe(1, OURS, "np"), "np");
	start_again(false);
	expect(1, subscribe(1, OURS, "np"), NULL);
	h = subscribe(1, OURS, "#");
	get = RIG_GET(h);
	id = rig_ask_get(&rig, 1, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 1, id);
	assert_int_equal(k->len, sizeof(body) - 1);
	assert_memory_equal(k->data, body, sizeof(body) - 1);
}

static void
test_a_command_or_time_ends_it(void **state)
{
	uint64_t pos = 0;
	struct mqi_md md;
	struct mqbuf b;
	struct rig_put p = RIG_PUT(topic("brief"), "brief");

	(void)state;
	retain("a", "x");
	assert_int_equal(
	    engine_topic_clear(rig.e, "b", &pos), MQI_E_NO_RETAINED_MSG);
	assert_int_equal(engine_topic_clear(rig.e, "a", &pos), MQI_OK);
	assert_true(pos > 0);
	assert_int_equal(n_kept(), 0);
	expect(1, subscribe(1, OURS, "a"), NULL);
	mqi_md_init(&md);
	md.expiry = 100;
	md.persistence = MQI_PERSISTENCE_YES;
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	p.desc = b.data;
	p.desc_len = (uint32_t)b.len;
	p.flags = MQLOCAL_PUT_RETAIN;
	(void)rig_ask_put(&rig, 0, &p);
	rig_settle(&rig);
	mqbuf_fini(&b);
	start_again(true);
	expect(1, subscribe(1, OURS, "brief"), "brief");
	rig_advance_ms(&rig, 11000);
	expect(1, subscribe(1, OURS, "brief"), NULL);
}

static void
test_there_is_an_end_of_what_is_retained(void **state)
{
	struct mqlocal_subscribe v = want(OURS, "#");
	uint32_t t = topic("b"), h = 0;

	(void)state;
	retain("a", "x");
	rig.e->pubsub->max_retained = 1;
	assert_int_equal(
	    retain_in(0, t, "y", MQI_PERSISTENCE_YES), MQI_E_RESOURCE_PROBLEM);
	retain("a", "z");
	rig.e->pubsub->max_readings = 0;
	assert_int_equal(try_sub(1, &v, &h), MQI_E_RESOURCE_PROBLEM);
}

static void
test_nobody_else_takes_from_their_queue(void **state)
{
	uint32_t h = 0;

	(void)state;
	retain("a", "x");
	assert_int_equal(
	    rig_open(&rig, 0, PUBSUB_QUEUE, MQI_OO_INPUT_SHARED, &h),
	    MQI_E_OBJECT_IN_USE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_pattern_that_fits_gets_it_once),
	    TEST(test_a_publication_carries_its_topic),
	    TEST(test_a_selector_sifts),
	    TEST(test_in_a_unit_it_comes_with_the_commit),
	    TEST(test_a_durable_one_collects_while_nobody_listens),
	    TEST(test_others_end_with_their_handle),
	    TEST(test_objects_above_a_topic_have_their_way),
	    TEST(test_wildcards_above_do_not_pass_a_block),
	    TEST(test_rights_are_those_on_the_object_above),
	    TEST(test_what_cannot_be_taken_is_a_dead_letter_or_fails),
	    TEST(test_its_queue_may_be_cleared_meanwhile),
	    TEST(test_an_alias_of_a_topic_publishes),
	    TEST(test_long_ones_are_put_when_they_are_whole),
	    TEST(test_one_that_has_expired_gets_nothing_and_goes),
	    TEST(test_a_crash_leaves_it_with_all_or_with_none),
	    TEST(test_a_long_one_goes_with_its_session),
	    TEST(
		test_what_comes_by_a_channel_keeps_its_topic_and_does_not_go_round),
	    TEST(test_who_comes_later_gets_what_was_retained_last),
	    TEST(test_what_is_retained_is_so_with_its_unit),
	    TEST(test_many_are_kept_on_the_disk),
	    TEST(test_long_ones_are_retained_and_others_end_with_the_start),
	    TEST(test_a_command_or_time_ends_it),
	    TEST(test_there_is_an_end_of_what_is_retained),
	    TEST(test_nobody_else_takes_from_their_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
