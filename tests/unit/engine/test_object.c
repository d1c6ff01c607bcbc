/* SPDX-License-Identifier: Apache-2.0 */
/* The object table: order, unique queue names, stable addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/engine/object.h"

static int
setup(void **state)
{
	*state = object_table_new();
	return 0;
}

static int
teardown(void **state)
{
	object_table_free(*state);
	return 0;
}

static const struct engine_object *
add(struct object_table *t, enum mqattr_object type, const char *name,
    uint64_t id)
{
	const struct engine_object *o;

	assert_int_equal(
	    object_set(t, type, name, id, mqattr_set_new(type), &o), MQI_OK);
	return o;
}

static void
test_objects_are_walked_by_type_in_order_of_name(void **state)
{
	struct object_table *t = *state;
	const struct engine_object *o;

	add(t, MQATTR_QLOCAL, "B", 2);
	add(t, MQATTR_QALIAS, "AA", 0);
	add(t, MQATTR_QLOCAL, "C", 3);
	add(t, MQATTR_QLOCAL, "A", 1);
	add(t, MQATTR_CHANNEL, "A", 0);
	o = object_next(t, MQATTR_QLOCAL, NULL);
	assert_string_equal(o->name, "A");
	o = object_next(t, MQATTR_QLOCAL, o);
	assert_string_equal(o->name, "B");
	o = object_next(t, MQATTR_QLOCAL, o);
	assert_string_equal(o->name, "C");
	assert_null(object_next(t, MQATTR_QLOCAL, o));
	assert_null(object_next(t, MQATTR_LISTENER, NULL));
}

static void
test_queue_names_are_unique_among_queue_types(void **state)
{
	struct object_table *t = *state;
	struct mqattr_set *s = mqattr_set_new(MQATTR_QALIAS);
	const struct engine_object *o;

	add(t, MQATTR_QLOCAL, "Q", 7);
	assert_int_equal(
	    object_set(t, MQATTR_QALIAS, "Q", 0, s, &o), MQI_E_OBJECT_TYPE);
	mqattr_set_free(s);
	assert_ptr_equal(
	    object_find_queue(t, "Q"), object_find(t, MQATTR_QLOCAL, "Q"));
	assert_ptr_equal(
	    object_find_id(t, 7), object_find(t, MQATTR_QLOCAL, "Q"));
	assert_null(object_find_id(t, 8));
}

static void
test_replacing_attributes_keeps_address_and_id(void **state)
{
	struct object_table *t = *state;
	const struct engine_object *o = add(t, MQATTR_QLOCAL, "Q", 7);
	struct mqattr_set *s = mqattr_set_new(MQATTR_QLOCAL);
	const struct engine_object *again;

	mqattr_set_own(s, MQATTR_ID_MAXDEPTH, "3");
	assert_int_equal(
	    object_set(t, MQATTR_QLOCAL, "Q", 99, s, &again), MQI_OK);
	assert_ptr_equal(o, again);
	assert_int_equal(again->id, 7);
	assert_int_equal(mqattr_int(again->attrs, MQATTR_ID_MAXDEPTH), 3);
	object_delete(t, MQATTR_QLOCAL, "Q");
	assert_null(object_find_queue(t, "Q"));
	assert_null(object_find_id(t, 7));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_objects_are_walked_by_type_in_order_of_name, setup,
		teardown),
	    cmocka_unit_test_setup_teardown(
		test_queue_names_are_unique_among_queue_types, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_replacing_attributes_keeps_address_and_id, setup,
		teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
