/* SPDX-License-Identifier: Apache-2.0 */
/* test_pubsub.c - publish and subscribe from an application's and from an
 * administrator's side, against a real queue manager that is killed. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

static struct tmpdir dir;
static struct qm qm;

static int
setup(void **state)
{
	(void)state;
	tmpdir_make(&dir);
	qm_create(&qm, &dir, "QM1");
	qm_start(&qm);
	/* those of another host */
	qm_mqsc(&qm, "SET AUTHREC PROFILE('SYSTEM.**') OBJTYPE(TOPIC) "
		     "PRINCIPAL('partner') AUTHADD(PUB, SUB)\n"
		     "SET AUTHREC PROFILE('**') OBJTYPE(TOPIC) "
		     "PRINCIPAL('partner') AUTHADD(PUB, SUB)\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	proc_stop(&qm.proc);
	qm_fini(&qm);
	tmpdir_free(&dir);
	return 0;
}

static void
publish(mqi_conn *c, const char *topic, const char *body)
{
	mqi_queue *t = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open_topic(c, NULL, topic, &t));
	OK(mqi_put(t, NULL, &md, body, strlen(body)));
	OK(mqi_close(t));
}

static mqi_queue *
subscribe(mqi_conn *c, uint32_t options, const char *name, const char *topic)
{
	const struct mqi_sub_opts opts = {
	    .options = options, .name = name, .topic = topic};
	mqi_queue *q = NULL;

	OK(mqi_subscribe(c, &opts, &q));
	return q;
}

static void
expect(mqi_queue *q, const char *body)
{
	mqi_msg *m = NULL;
	enum mqi_err err = mqi_poll(q, NULL, &m);

	if (body == NULL) {
		assert_int_equal(err, MQI_E_NO_MSG_AVAILABLE);
		return;
	}
	OK(err);
	assert_int_equal(mqi_msg_len(m), strlen(body));
	assert_memory_equal(mqi_msg_body(m), body, strlen(body));
	(void)mqi_msg_free(m);
}

static void
test_a_program_publishes_and_others_get_it(void **state)
{
	mqi_conn *c = qm_connect(&qm), *other = qm_connect(&qm);
	mqi_queue *a = subscribe(
	    other, MQI_SO_CREATE | MQI_SO_MANAGED, NULL, "price/+/fruit");
	mqi_queue *b =
	    subscribe(other, MQI_SO_CREATE | MQI_SO_MANAGED, NULL, "price/#");
	mqi_queue *t = NULL;

	(void)state;
	publish(c, "price/today/fruit", "apples");
	expect(a, "apples");
	expect(b, "apples");
	expect(a, NULL);
	OK(mqi_unsubscribe(a));
	publish(c, "price/today/fruit", "pears");
	expect(b, "pears");
	assert_int_equal(
	    mqi_open_topic(c, NULL, "price/#", &t), MQI_E_TOPIC_STRING_ERROR);
	assert_int_equal(
	    mqi_open_topic(c, "NONE", NULL, &t), MQI_E_UNKNOWN_OBJECT);
	OK(mqi_disconnect(other));
	OK(mqi_disconnect(c));
}

static void
test_durable_ones_survive_a_kill(void **state)
{
	const uint32_t durable =
	    MQI_SO_CREATE | MQI_SO_DURABLE | MQI_SO_MANAGED;
	const uint32_t again = MQI_SO_RESUME | MQI_SO_DURABLE | MQI_SO_MANAGED;
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *mine = subscribe(c, durable, "NEWS", "news/#");

	(void)state;
	OK(mqi_close(mine));
	qm_mqsc(&qm,
	    "DEFINE QLOCAL(DESK)\n"
	    "DEFINE TOPIC(NEWS) TOPICSTR('news')\n"
	    "DEFINE SUB(DESK) TOPICOBJ(NEWS) TOPICSTR('sport') DEST(DESK)\n");
	publish(c, "news/sport", "one");
	proc_kill9(&qm.proc);
	qm_start(&qm);
	(void)mqi_disconnect(c);
	c = qm_connect(&qm);
	publish(c, "news/sport", "two");
	mine = subscribe(c, again, "NEWS", NULL);
	expect(mine, "one");
	expect(mine, "two");
	expect(mine, NULL);
	assert_int_equal(qm_depth(&qm, "DESK"), 2);
	OK(mqi_unsubscribe(mine));
	qm_mqsc(&qm, "DELETE SUB(DESK)\n");
	publish(c, "news/sport", "three");
	assert_int_equal(qm_depth(&qm, "DESK"), 2);
	OK(mqi_disconnect(c));
}

static void
test_a_command_shows_subscriptions_and_topics(void **state)
{
	char value[QM_VALUE_MAX], queue[QM_VALUE_MAX], other[QM_VALUE_MAX];

	(void)state;
	qm_mqsc(&qm,
	    "DEFINE TOPIC(T) TOPICSTR('a/b') DEFPRTY(3) PUB(DISABLED)\n"
	    "DEFINE SUB(S) TOPICSTR('a/#') DESTCLAS(MANAGED) "
	    "USERDATA('mine')\n");
	qm_shown(&qm, MQCTL_TOPIC, "T", "DEFPRTY", value);
	assert_string_equal(value, "3");
	qm_shown(&qm, MQCTL_TOPIC, "T", "SUB", value);
	assert_string_equal(value, "ASPARENT");
	qm_shown(&qm, MQCTL_SUB, "S", "TOPICSTR", value);
	assert_string_equal(value, "a/#");
	qm_shown(&qm, MQCTL_SUB, "S", "DEST", value);
	assert_memory_equal(value, "AMQ.", 4);
	strcpy(queue, value);
	qm_shown(&qm, MQCTL_TOPIC, "SYSTEM.BASE.TOPIC", "PMSGDLV", value);
	assert_string_equal(value, "ALLDUR");
	qm_shown(&qm, MQCTL_SBSTATUS, "S", "NUMMSGS", value);
	assert_string_equal(value, "0");
	qm_shown(&qm, MQCTL_SBSTATUS, "S", "ACTIVE", value);
	assert_string_equal(value, "NO");
	qm_mqsc(&qm,
	    "DISPLAY TPSTATUS('a/b/c') PUB ADMIN\nDISPLAY TPSTATUS('a/#')\n"
	    "DISPLAY PUBSUB\n");
	qm_mqsc(&qm, "ALTER SUB(S) USERDATA('yours')\n"
		     "DEFINE SUB(S2) LIKE(S) TOPICSTR('b')\n");
	qm_shown(&qm, MQCTL_SUB, "S2", "DEST", other);
	assert_string_not_equal(other, queue);
	qm_mqsc(
	    &qm, "DEFINE SUB(S) TOPICSTR('a/#') DESTCLAS(MANAGED) REPLACE\n");
	qm_shown(&qm, MQCTL_SUB, "S", "DEST", value);
	assert_string_equal(value, queue);
	qm_mqsc(&qm, "DELETE SUB(S)\nDELETE SUB(S2)\n");
}

static void
test_what_is_retained_outlives_a_kill(void **state)
{
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *t = NULL, *q;
	struct mqi_md md;

	(void)state;
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open_topic(c, NULL, "weather/here", &t));
	OK(mqi_put_retained(t, NULL, &md, "rain", 4));
	OK(mqi_put_retained(t, NULL, &md, "sun", 3));
	proc_kill9(&qm.proc);
	qm_start(&qm);
	(void)mqi_disconnect(c);
	c = qm_connect(&qm);
	q = subscribe(c, MQI_SO_CREATE | MQI_SO_MANAGED, NULL, "weather/+");
	expect(q, "sun");
	expect(q, NULL);
	qm_mqsc(&qm, "CLEAR TOPICSTR('weather/here') CLRTYPE(RETAINED)\n");
	q = subscribe(c, MQI_SO_CREATE | MQI_SO_MANAGED, NULL, "weather/+");
	expect(q, NULL);
	OK(mqi_disconnect(c));
}

/* Takes all numbers, which rise; how many, and their sum. */
static unsigned
take_numbers(mqi_conn *c, const char *name, unsigned long *ret_sum)
{
	mqi_queue *q = subscribe(
	    c, MQI_SO_RESUME | MQI_SO_DURABLE | MQI_SO_MANAGED, name, NULL);
	unsigned n = 0, last = 0, number = 0;
	mqi_msg *m = NULL;

	*ret_sum = 0;
	while (mqi_poll(q, NULL, &m) == MQI_OK) {
		assert_int_equal(mqi_msg_len(m), sizeof(number));
		memcpy(&number, mqi_msg_body(m), sizeof(number));
		assert_true(number > last);
		last = number;
		*ret_sum += number;
		n++;
		(void)mqi_msg_free(m);
	}
	OK(mqi_unsubscribe(q));
	return n;
}

/* Killed while publications are on their way: each subscriber has each of them
 * or none has it, once, and all that were acknowledged. */
static void
test_a_kill_leaves_each_with_all_or_none(void **state)
{
	const char *const names[] = {"FIRST", "SECOND"};
	struct mqi_sub_opts opts = {.options = MQI_SO_CREATE | MQI_SO_DURABLE |
					       MQI_SO_MANAGED |
					       MQI_SO_SET_CORREL_ID,
	    .topic = "number"};
	mqi_conn *c = qm_connect(&qm);
	mqi_queue *t = NULL, *q = NULL;
	unsigned number = 0, acked = 0, n[2];
	unsigned long sum[2];
	struct mqi_md md;

	(void)state;
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	for (int i = 0; i < 2; i++) {
		opts.name = names[i];
		opts.correl_id[0] = (uint8_t)(i + 1);
		OK(mqi_subscribe(c, &opts, &q));
		OK(mqi_close(q));
	}
	for (int round = 0; round < 3; round++) {
		OK(mqi_open_topic(c, NULL, "number", &t));
		for (int i = 0; i < 300; i++) {
			number++;
			OK(mqi_put_async(
			    t, NULL, &md, &number, sizeof(number)));
			if (i == 100) {
				OK(mqi_flush(t));
				acked += 101;
			}
		}
		proc_kill9(&qm.proc);
		qm_start(&qm);
		(void)mqi_disconnect(c);
		c = qm_connect(&qm);
	}
	for (int i = 0; i < 2; i++)
		n[i] = take_numbers(c, names[i], &sum[i]);
	assert_true(n[0] >= acked);
	assert_int_equal(n[0], n[1]);
	assert_int_equal(sum[0], sum[1]);
	OK(mqi_disconnect(c));
}

static void
test_publications_cross_a_channel(void **state)
{
	struct pair p;
	mqi_conn *c;

	(void)state;
	if (getenv("MQ_TEST_REMOTE") != NULL)
		return; /* both are here */
	pair_init(&p);
	pair_channel(&p, "C");
	qm_mqsc(&p.qm[1],
	    "DEFINE QLOCAL(SINK)\n"
	    "DEFINE TOPIC(PRICES) TOPICSTR('price')\n"
	    "DEFINE QALIAS(PRICES) TARGTYPE(TOPIC) TARGET(PRICES)\n"
	    "DEFINE SUB(S) TOPICSTR('price/+/fruit') DEST(SINK)\n"
	    "SET AUTHREC PROFILE(PRICES) OBJTYPE(TOPIC) PRINCIPAL('partner') "
	    "AUTHADD(PUB)\n");
	qm_mqsc(&p.qm[0], "DEFINE SUB(TO.QM2) TOPICSTR('price/#') DEST(PRICES) "
			  "DESTQMGR(QM2)\n");
	c = qm_connect(&p.qm[0]);
	publish(c, "price/today/fruit", "apples");
	publish(c, "price/today/meat", "ham");
	publish(c, "price/tomorrow/fruit", "pears");
	OK(mqi_disconnect(c));
	pair_wait_depth(&p, 1, "SINK", 2);
	pair_wait_depth(&p, 0, "QM2", 0);
	pair_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_program_publishes_and_others_get_it),
	    cmocka_unit_test(test_durable_ones_survive_a_kill),
	    cmocka_unit_test(test_what_is_retained_outlives_a_kill),
	    cmocka_unit_test(test_a_kill_leaves_each_with_all_or_none),
	    cmocka_unit_test(test_publications_cross_a_channel),
	    cmocka_unit_test(test_a_command_shows_subscriptions_and_topics),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
