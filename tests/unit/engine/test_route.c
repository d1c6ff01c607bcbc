/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name resolution, as one table: what is opened on QM1, with which options,
 * and where it leads or why it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/engine/route.h"

struct attr {
	enum mqattr id;
	const char *value;
};

static void
define(struct object_table *t, enum mqattr_object type, const char *name,
    uint64_t id, struct attr a, struct attr b, struct attr c)
{
	struct mqattr_set *s = mqattr_set_new(type);
	const struct attr all[] = {a, b, c};
	const struct engine_object *o;

	for (size_t i = 0; i < 3; i++)
		if (all[i].value != NULL)
			mqattr_set_own(s, all[i].id, all[i].value);
	assert_int_equal(object_set(t, type, name, id, s, &o), MQI_OK);
}

#define NONE            \
	(struct attr)   \
	{               \
		0, NULL \
	}
#define A(id, value)                  \
	(struct attr)                 \
	{                             \
		MQATTR_ID_##id, value \
	}

static int
setup(void **state)
{
	struct object_table *t = object_table_new();

	define(t, MQATTR_QMGR, "QM1", 0, NONE, NONE, NONE);
	define(t, MQATTR_QLOCAL, "LOCAL", 1, NONE, NONE, NONE);
	define(t, MQATTR_QLOCAL, "QM2", 2, A(USAGE, "XMITQ"), NONE, NONE);
	define(t, MQATTR_QLOCAL, "FAST", 3, A(USAGE, "XMITQ"), NONE, NONE);
	define(t, MQATTR_QLOCAL, "QM9", 4, NONE, NONE, NONE);
	define(t, MQATTR_QALIAS, "A.LOCAL", 0, A(TARGET, "LOCAL"), NONE, NONE);
	define(t, MQATTR_QALIAS, "A.REMOTE", 0, A(TARGET, "R.QM2"), NONE, NONE);
	define(
	    t, MQATTR_QALIAS, "A.ALIAS", 0, A(TARGET, "A.LOCAL"), NONE, NONE);
	define(t, MQATTR_QALIAS, "A.GONE", 0, A(TARGET, "GONE"), NONE, NONE);
	define(t, MQATTR_QREMOTE, "R.QM2", 0, A(RNAME, "THERE"),
	    A(RQMNAME, "QM2"), NONE);
	define(t, MQATTR_QREMOTE, "R.FAST", 0, A(RNAME, "THERE"),
	    A(RQMNAME, "QM2"), A(XMITQ, "FAST"));
	define(t, MQATTR_QREMOTE, "R.GONE", 0, A(RNAME, "THERE"),
	    A(RQMNAME, "QM2"), A(XMITQ, "GONE"));
	define(t, MQATTR_QREMOTE, "R.TYPE", 0, A(RNAME, "THERE"),
	    A(RQMNAME, "QM2"), A(XMITQ, "A.LOCAL"));
	define(t, MQATTR_QREMOTE, "R.USAGE", 0, A(RNAME, "THERE"),
	    A(RQMNAME, "QM2"), A(XMITQ, "LOCAL"));
	define(t, MQATTR_QREMOTE, "R.SELF", 0, A(RNAME, "LOCAL"),
	    A(RQMNAME, "QM1"), NONE);
	define(t, MQATTR_QREMOTE, "R.LOOP", 0, A(RNAME, "R.LOOP"),
	    A(RQMNAME, "QM1"), NONE);
	define(t, MQATTR_QREMOTE, "CLASS.A", 0, A(RQMNAME, "QM2"),
	    A(XMITQ, "FAST"), NONE);
	define(t, MQATTR_QREMOTE, "PRETEND", 0, A(RQMNAME, "QM1"), NONE, NONE);
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	object_table_free(*state);
	return 0;
}

struct row {
	const char *object, *qmgr;
	uint32_t options;
	enum mqi_err err;
	const char *queue;   /* the local queue that takes it */
	const char *to, *at; /* the route, if remote */
};

#define OUT MQI_OO_OUTPUT
#define IN MQI_OO_INPUT_SHARED

static const struct row rows[] = {
    {"LOCAL", "", OUT, MQI_OK, "LOCAL", NULL, NULL},
    {"LOCAL", "QM1", IN, MQI_OK, "LOCAL", NULL, NULL},
    {"A.LOCAL", "", OUT | IN, MQI_OK, "LOCAL", NULL, NULL},
    {"A.REMOTE", "", OUT, MQI_OK, "QM2", "THERE", "QM2"},
    {"A.ALIAS", "", OUT, MQI_E_ALIAS_TARGET, NULL, NULL, NULL},
    {"A.GONE", "", OUT, MQI_E_UNKNOWN_ALIAS_TARGET, NULL, NULL, NULL},
    {"NOWHERE", "", OUT, MQI_E_UNKNOWN_OBJECT, NULL, NULL, NULL},
    {"", "", OUT, MQI_E_OBJECT_NAME, NULL, NULL, NULL},
    {"A B", "", OUT, MQI_E_OBJECT_NAME, NULL, NULL, NULL},
    {"LOCAL", "A B", OUT, MQI_E_OBJECT_Q_MGR_NAME, NULL, NULL, NULL},
    {"R.QM2", "", OUT, MQI_OK, "QM2", "THERE", "QM2"},
    {"R.QM2", "", IN, MQI_E_OPTION_NOT_VALID_FOR_TYPE, NULL, NULL, NULL},
    {"R.FAST", "", OUT, MQI_OK, "FAST", "THERE", "QM2"},
    {"R.GONE", "", OUT, MQI_E_UNKNOWN_XMIT_Q, NULL, NULL, NULL},
    {"R.TYPE", "", OUT, MQI_E_XMIT_Q_TYPE, NULL, NULL, NULL},
    {"R.USAGE", "", OUT, MQI_E_XMIT_Q_USAGE, NULL, NULL, NULL},
    {"R.SELF", "", OUT, MQI_OK, "LOCAL", NULL, NULL},
    {"R.LOOP", "", OUT, MQI_E_UNKNOWN_OBJECT, NULL, NULL, NULL},
    {"ANY", "QM2", OUT, MQI_OK, "QM2", "ANY", "QM2"},
    {"ANY", "QM3", OUT, MQI_E_UNKNOWN_REMOTE_Q_MGR, NULL, NULL, NULL},
    /* a normal queue with the remote queue manager's name is no route */
    {"ANY", "QM9", OUT, MQI_E_UNKNOWN_REMOTE_Q_MGR, NULL, NULL, NULL},
    /* queue-manager aliases */
    {"ANY", "CLASS.A", OUT, MQI_OK, "FAST", "ANY", "QM2"},
    {"LOCAL", "PRETEND", OUT, MQI_OK, "LOCAL", NULL, NULL},
    {"ANY", "R.QM2", OUT, MQI_E_REMOTE_Q_NAME, NULL, NULL, NULL},
    /* a queue-manager alias is not a queue */
    {"CLASS.A", "", OUT, MQI_E_UNKNOWN_OBJECT, NULL, NULL, NULL},
};

static void
check(struct object_table *t, const struct row *w)
{
	struct route r;
	enum mqi_err err;

	err = route_resolve(t, "QM1", w->object, w->qmgr, w->options, &r);
	if (err != w->err)
		fail_msg(
		    "%s at '%s': %d, not %d", w->object, w->qmgr, err, w->err);
	if (err != MQI_OK)
		return;
	assert_string_equal(r.queue->name, w->queue);
	assert_int_equal(r.is_remote, w->to != NULL);
	if (w->to == NULL)
		return;
	assert_string_equal(r.to.queue, w->to);
	assert_string_equal(r.to.qmgr, w->at);
	assert_int_equal(r.to.hops, 0);
	assert_string_equal(r.resolved_qmgr, w->at);
}

static void
test_names_resolve_in_ibms_order(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(*state, &rows[i]);
}

static void
test_default_transmission_queue_is_the_last_resort(void **state)
{
	struct object_table *t = *state;
	const struct row good = {
	    "ANY", "QM3", OUT, MQI_OK, "FAST", "ANY", "QM3"};
	struct row bad = {"ANY", "QM3", OUT, MQI_OK, NULL, NULL, NULL};

	define(t, MQATTR_QMGR, "QM1", 0, A(DEFXMITQ, "FAST"), NONE, NONE);
	check(t, &good);
	define(t, MQATTR_QMGR, "QM1", 0, A(DEFXMITQ, "GONE"), NONE, NONE);
	bad.err = MQI_E_UNKNOWN_DEF_XMIT_Q;
	check(t, &bad);
	define(t, MQATTR_QMGR, "QM1", 0, A(DEFXMITQ, "A.LOCAL"), NONE, NONE);
	bad.err = MQI_E_DEF_XMIT_Q_TYPE;
	check(t, &bad);
	define(t, MQATTR_QMGR, "QM1", 0, A(DEFXMITQ, "LOCAL"), NONE, NONE);
	bad.err = MQI_E_DEF_XMIT_Q_USAGE;
	check(t, &bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_names_resolve_in_ibms_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_default_transmission_queue_is_the_last_resort, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
