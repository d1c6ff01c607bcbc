/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_authorize.c - verdicts over records, users and groups; and what sessions
 * may open, under which name, as whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/trace.h"
#include "qmgr/engine/engine_int.h"
#include "tests/unit/engine/rig.h"

static struct rig rig;
static unsigned n_records;

/* entity: "fred" or "@sales"; type: an OBJTYPE. */
static void
grant(const char *entity, const char *type, const char *profile,
    const char *rights)
{
	char name[MQI_NAME_LEN + 1], attrs[5][300];
	bool is_group = entity[0] == '@';

	(void)snprintf(name, sizeof(name), "R%u", ++n_records);
	(void)snprintf(attrs[0], 300, "ENTITY=%s", entity + is_group);
	(void)snprintf(
	    attrs[1], 300, "ENTTYPE=%s", is_group ? "GROUP" : "PRINCIPAL");
	(void)snprintf(attrs[2], 300, "OBJTYPE=%s", type);
	(void)snprintf(attrs[3], 300, "PROFILE=%s", profile);
	(void)snprintf(attrs[4], 300, "AUTHLIST=%s", rights);
	rig_define(&rig, MQATTR_AUTHREC, name, attrs[0], attrs[1], attrs[2],
	    attrs[3], attrs[4], NULL);
}

static int
setup(void **state)
{
	n_records = 0;
	rig_start(&rig, NULL);
	rig_define(&rig, MQATTR_QLOCAL, "A.B", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "A.C", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "X", "USAGE=XMITQ", NULL);
	rig_define(&rig, MQATTR_QLOCAL, "SYSTEM.Q", NULL);
	rig_define(&rig, MQATTR_QALIAS, "ALIAS", "TARGET=A.B", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "REMOTE", "RNAME=R", "RQMNAME=QM2",
	    "XMITQ=X", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "QM3", "RQMNAME=QM2", "XMITQ=X", NULL);
	rig_define(&rig, MQATTR_QREMOTE, "SELF", "RQMNAME=QM", NULL);
	*state = &rig;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static struct engine_identity
user(const char *name)
{
	struct engine_identity who = {.app_name = "test"};

	(void)snprintf(who.user, sizeof(who.user), "%s", name);
	return who;
}

static void
connect_as(unsigned n, const char *name)
{
	struct engine_identity who = user(name);

	rig_connect_as(&rig, n, &who);
}

static enum mqi_err
try_open(unsigned n, const char *name, const char *qmgr, uint32_t options)
{
	uint32_t id = ++rig.last_id;

	engine_open(rig.e, rig.sessions[n].s, id, name, qmgr, options);
	rig_settle(&rig);
	return rig_reply(&rig, n, id)->r.reason;
}

static enum mqi_err
try_open_as(
    unsigned n, const char *name, uint32_t options, const char *alternate)
{
	uint32_t id = ++rig.last_id;

	engine_open_as(
	    rig.e, rig.sessions[n].s, id, name, "", options, alternate);
	rig_settle(&rig);
	return rig_reply(&rig, n, id)->r.reason;
}

/* ---- verdicts ---- */

static void
check(const char *who, const char *name, const char *rights, const char *reason)
{
	struct authority_question q = {.user = who,
	    .group = "",
	    .type = AUTHORITY_QUEUE,
	    .name = name,
	    .rights = AUTHORITY_PUT};
	struct authority_verdict v;
	char got[AUTHORITY_TEXT_LEN], by[200];

	authority_judge(rig.e->authority, &q, &v);
	authority_text(v.rights, got);
	(void)snprintf(by, sizeof(by), "%s%s%s%s", v.profile,
	    v.profile[0] != '\0' ? " of " : "", v.is_group ? "@" : "",
	    v.entity);
	if (strcmp(got, rights) != 0 || strcmp(by, reason) != 0)
		fail_msg("%s on %s: %s by '%s'", who, name, got, by);
	assert_int_equal(v.allowed, (v.rights & AUTHORITY_PUT) != 0);
}

static void
test_verdict_unites_the_closest_record_of_each_entity(void **state)
{
	(void)state;
	check("fred", "A.B", "NONE", "");
	grant("fred", "QUEUE", "A.**", "GET,PUT");
	check("fred", "A.B", "GET,PUT", "A.** of fred");
	check("joe", "A.B", "NONE", "");
	/* a closer one of the same entity hides it */
	grant("fred", "QUEUE", "A.B", "BROWSE");
	check("fred", "A.B", "BROWSE", "A.B of fred");
	check("fred", "A.C", "GET,PUT", "A.** of fred");
	/* those of other entities do not */
	grant("@staff", "QUEUE", "A.**", "INQ");
	check("fred", "A.B", "BROWSE,INQ", "A.B of fred");
	grant("@sales", "QUEUE", "**", "PUT");
	check("fred", "A.B", "BROWSE,INQ,PUT", "** of @sales");
	check("joe", "A.B", "INQ", "A.** of @staff");
	check("joe", "Z", "NONE", "");
	/* a record without rights takes them away, of its entity */
	grant("@sales", "QUEUE", "A.B", "NONE");
	check("fred", "A.B", "BROWSE,INQ", "A.B of fred");
	/* types of objects and of entities are kept apart */
	grant("joe", "CHANNEL", "**", "ALL");
	grant("@joe", "QUEUE", "**", "ALL");
	grant("staff", "QUEUE", "**", "ALL");
	check("joe", "A.B", "INQ", "A.** of @staff");
	check("", "A.B", "NONE", "");
}

static void
test_verdict_knows_what_has_changed(void **state)
{
	uint64_t pos;

	(void)state;
	grant("fred", "QUEUE", "A.B", "PUT");
	check("fred", "A.B", "PUT", "A.B of fred");
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_AUTHREC, "R1", false, &pos),
	    MQI_OK);
	check("fred", "A.B", "NONE", "");
	grant("fred", "QUEUE", "A.B", "GET");
	check("fred", "A.B", "GET", "A.B of fred");
	/* an answer that waits until that is durable */
	rig_connect(&rig, 0);
	assert_int_equal(try_open(0, "A.B", "", MQI_OO_OUTPUT), MQI_OK);
	rig_restart(&rig);
	check("fred", "A.B", "GET", "A.B of fred");
}

static void
test_verdict_counts_the_group_of_the_process_once(void **state)
{
	struct engine_identity who = user("someone");

	(void)state;
	grant("@wheel", "QUEUE", "A.B", "PUT");
	assert_false(
	    engine_may(rig.e, &who, AUTHORITY_QUEUE, "A.B", AUTHORITY_PUT));
	strcpy(who.group, "wheel");
	assert_true(
	    engine_may(rig.e, &who, AUTHORITY_QUEUE, "A.B", AUTHORITY_PUT));
}

static void
test_users_that_are_remembered_are_bounded(void **state)
{
	char name[16];

	(void)state;
	grant("fred", "QUEUE", "A.B", "PUT");
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		check(name, "A.B", "NONE", "");
	}
	check("fred", "A.B", "PUT", "A.B of fred");
}

/* ---- opens ---- */

static void
test_open_needs_the_right_of_each_option(void **state)
{
	static const struct {
		uint32_t option;
		const char *right;
	} rows[] = {
	    {MQI_OO_INPUT_AS_Q_DEF, "GET"},
	    {MQI_OO_INPUT_SHARED, "GET"},
	    {MQI_OO_INPUT_EXCLUSIVE, "GET"},
	    {MQI_OO_BROWSE, "BROWSE"},
	    {MQI_OO_OUTPUT, "PUT"},
	    {MQI_OO_INQUIRE, "INQ"},
	};

	static const char *const rights[] = {"GET", "BROWSE", "PUT", "INQ"};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rights); i++)
		grant(rights[i], "QUEUE", "A.B", rights[i]);
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows) * MQ_ARRAY_LEN(rights); i++) {
		const char *right = rights[i % MQ_ARRAY_LEN(rights)];
		uint32_t option = rows[i / MQ_ARRAY_LEN(rights)].option;
		const char *needs = rows[i / MQ_ARRAY_LEN(rights)].right;
		enum mqi_err err;

		connect_as(0, right);
		err = try_open(0, "A.B", "", option);
		if (err !=
		    (strcmp(right, needs) == 0 ? MQI_OK : MQI_E_NOT_AUTHORIZED))
			fail_msg(
			    "option %x with %s: %d", option, right, (int)err);
		assert_int_equal(
		    try_open(0, "A.C", "", option), MQI_E_NOT_AUTHORIZED);
		rig_disconnect(&rig, 0);
	}
}

static void
test_open_is_judged_by_the_name_that_was_opened(void **state)
{
	(void)state;
	connect_as(0, "fred");
	grant("fred", "QUEUE", "ALIAS", "PUT");
	grant("fred", "QUEUE", "REMOTE", "PUT");
	assert_int_equal(try_open(0, "ALIAS", "", MQI_OO_OUTPUT), MQI_OK);
	assert_int_equal(try_open(0, "REMOTE", "", MQI_OO_OUTPUT), MQI_OK);
	assert_int_equal(
	    try_open(0, "A.B", "", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	/* elsewhere: the transmission queue, also behind an alias */
	assert_int_equal(
	    try_open(0, "R", "QM3", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    try_open(0, "REMOTE", "X", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	grant("fred", "QUEUE", "QM3", "PUT");
	assert_int_equal(
	    try_open(0, "R", "QM3", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	grant("fred", "QUEUE", "X", "PUT");
	assert_int_equal(try_open(0, "R", "QM3", MQI_OO_OUTPUT), MQI_OK);
	assert_int_equal(try_open(0, "R", "X", MQI_OO_OUTPUT), MQI_OK);
	/* an alias of our own name */
	assert_int_equal(
	    try_open(0, "A.B", "SELF", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_open(0, "ALIAS", "SELF", MQI_OO_OUTPUT), MQI_OK);
	/* the system's are named */
	grant("fred", "QUEUE", "**", "ALL");
	assert_int_equal(
	    try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	grant("fred", "QUEUE", "SYSTEM.*", "PUT");
	assert_int_equal(try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT), MQI_OK);
}

static void
test_a_right_taken_away_counts_at_the_next_open(void **state)
{
	uint32_t h;
	uint64_t pos;

	(void)state;
	connect_as(0, "fred");
	grant("fred", "QUEUE", "A.B", "PUT");
	assert_int_equal(rig_open(&rig, 0, "A.B", MQI_OO_OUTPUT, &h), MQI_OK);
	assert_int_equal(
	    engine_object_delete(rig.e, MQATTR_AUTHREC, "R1", false, &pos),
	    MQI_OK);
	assert_int_equal(rig_put(&rig, 0, h, 0, "still"), MQI_OK);
	assert_int_equal(
	    try_open(0, "A.B", "", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
}

static void
test_refusal_says_who_what_and_why(void **state)
{
	uint32_t id = ++rig.last_id;
	struct engine_identity who = user("fred");
	char why[500];

	(void)state;
	connect_as(0, "fred");
	engine_open(rig.e, rig.sessions[0].s, id, "A.B", "",
	    MQI_OO_OUTPUT | MQI_OO_BROWSE);
	rig_settle(&rig);
	assert_int_equal(
	    rig_reply(&rig, 0, id)->r.reason, MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    engine_authorize(rig.e, &who, AUTHORITY_QUEUE, "A.B",
		AUTHORITY_PUT | AUTHORITY_BROWSE, why, sizeof(why)),
	    MQI_E_NOT_AUTHORIZED);
	assert_string_equal(why,
	    "user fred has no authority BROWSE,PUT on QUEUE(A.B): no "
	    "authority record matches");
	grant("@staff", "QUEUE", "A.*", "PUT");
	assert_int_equal(
	    engine_authorize(rig.e, &who, AUTHORITY_QUEUE, "A.B",
		AUTHORITY_PUT | AUTHORITY_BROWSE, why, sizeof(why)),
	    MQI_E_NOT_AUTHORIZED);
	assert_string_equal(why,
	    "user fred has no authority BROWSE on QUEUE(A.B): PROFILE(A.*) "
	    "GROUP(staff) gives PUT");
}

static void
refuse_many(void)
{
	struct engine_identity who = user("fred");
	char why[500];

	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(engine_authorize(rig.e, &who, AUTHORITY_QUEUE,
				     "A.B", AUTHORITY_PUT, why, sizeof(why)),
		    MQI_E_NOT_AUTHORIZED);
}

static void
refuse_later(void)
{
	rig_advance_ms(&rig, 10000);
	refuse_many();
}

static void
test_lines_about_refusals_are_bounded_and_the_others_counted(void **state)
{
	(void)state;
	assert_int_equal(
	    rig_log_lines(refuse_many, "missing=PUT rule=\"no authority"), 100);
	assert_int_equal(rig_log_lines(refuse_many, "authority.refused"), 0);
	assert_int_equal(
	    rig_log_lines(refuse_later, "900 more refusals have no line"), 1);
}

/* ---- as another user ---- */

#define AS_OTHER (MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY)

static void
test_alternate_user_needs_its_right_and_the_others_count(void **state)
{
	(void)state;
	connect_as(0, "fred");
	grant("joe", "QUEUE", "A.B", "PUT");
	grant("fred", "QUEUE", "A.C", "PUT");
	assert_int_equal(
	    try_open_as(0, "A.B", AS_OTHER, "joe"), MQI_E_NOT_AUTHORIZED);
	grant("fred", "QMGR", "QM", "ALTUSR");
	assert_int_equal(try_open_as(0, "A.B", AS_OTHER, "joe"), MQI_OK);
	/* one's own rights are none then */
	assert_int_equal(
	    try_open_as(0, "A.C", AS_OTHER, "joe"), MQI_E_NOT_AUTHORIZED);
	/* nobody becomes the owner so */
	assert_int_equal(
	    try_open_as(0, "A.B", AS_OTHER, "boss"), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    try_open_as(0, "A.B", AS_OTHER, ""), MQI_E_NOT_AUTHORIZED);
	/* option and name go together */
	assert_int_equal(
	    try_open_as(0, "A.B", MQI_OO_OUTPUT, "joe"), MQI_E_OPTIONS);
	assert_int_equal(try_open(0, "A.B", "", AS_OTHER), MQI_E_OPTIONS);
	assert_int_equal(
	    try_open_as(0, "A.B", MQI_OO_ALTERNATE_USER_AUTHORITY, "joe"),
	    MQI_E_OPTIONS);
}

static void
test_owner_as_another_user_has_that_users_rights(void **state)
{
	(void)state;
	rig_connect(&rig, 0);
	grant("joe", "QUEUE", "A.B", "PUT");
	assert_int_equal(try_open_as(0, "A.B", AS_OTHER, "joe"), MQI_OK);
	assert_int_equal(
	    try_open_as(0, "A.C", AS_OTHER, "joe"), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_open_as(0, "A.C", AS_OTHER, "boss"), MQI_OK);
}

static void
test_messages_carry_the_alternate_users_name(void **state)
{
	struct mqlocal_get get;
	struct rig_reply *k;
	uint32_t id = ++rig.last_id, h, in;

	(void)state;
	rig_connect(&rig, 0);
	grant("joe", "QUEUE", "A.B", "PUT");
	engine_open_as(
	    rig.e, rig.sessions[0].s, id, "A.B", "", AS_OTHER, "joe");
	rig_settle(&rig);
	h = rig_reply(&rig, 0, id)->r.handle;
	assert_int_equal(rig_put(&rig, 0, h, 0, "hello"), MQI_OK);
	assert_int_equal(
	    rig_open(&rig, 0, "A.B", MQI_OO_INPUT_SHARED, &in), MQI_OK);
	get = RIG_GET(in);
	id = rig_ask_get(&rig, 0, &get);
	rig_settle(&rig);
	k = rig_reply(&rig, 0, id);
	assert_int_equal(k->r.kind, ENGINE_MESSAGE);
	assert_string_equal(k->user, "joe");
}

/* ---- reports ---- */

/* Session 1 puts on A.B what is to be reported on the queue reply. */
static enum mqi_err
put_reported(uint16_t flags, uint32_t report, const char *reply)
{
	struct rig_put p = {.flags = flags};
	struct mqbuf desc, body;
	enum mqi_err err;
	struct mqi_md md;

	assert_int_equal(
	    rig_open(&rig, 1, "A.B", MQI_OO_OUTPUT, &p.handle), MQI_OK);
	mqi_md_init(&md);
	mqbuf_init(&body, MQTRACE_MAX_BODY);
	mqtrace_begin(&body);
	md.persistence = MQI_PERSISTENCE_YES;
	md.report = report;
	if (report == MQI_RO_ACTIVITY)
		strcpy(md.format, MQTRACE_FORMAT);
	else
		md.expiry = 10;
	strcpy(md.reply_to_q, reply);
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	p.body = body.data;
	p.len = (uint32_t)body.len;
	err = rig_result(&rig, 1, rig_ask_put(&rig, 1, &p));
	mqbuf_fini(&desc);
	mqbuf_fini(&body);
	return err;
}

/* The owner's get. */
static enum mqi_err
owner_gets(const char *queue)
{
	char body[MQTRACE_MAX_BODY];
	uint32_t h;

	assert_int_equal(
	    rig_open(&rig, 0, queue, MQI_OO_INPUT_SHARED, &h), MQI_OK);
	return rig_get(&rig, 0, h, 0, body, sizeof(body));
}

static void
connect_agent_for(const char *name)
{
	struct engine_identity who = user(name);

	who.is_agent = true;
	strcpy(who.channel, "C");
	rig_connect_as(&rig, 1, &who);
}

/* What a channel's user passes on, over a restart. */
static void
pass_and_expire(void)
{
	assert_int_equal(put_reported(MQLOCAL_PUT_PASS_CONTEXT,
			     MQI_RO_EXPIRATION_WITH_FULL_DATA, "A.C"),
	    MQI_OK);
	rig_crash(&rig, 0);
	(void)rig_connect(&rig, 0);
	connect_agent_for("fred");
	rig_advance_ms(&rig, 3000);
	assert_int_equal(owner_gets("A.B"), MQI_E_NO_MSG_AVAILABLE);
}

static void
test_what_is_passed_on_comes_and_is_not_reported(void **state)
{
	(void)state;
	(void)rig_connect(&rig, 0);
	connect_agent_for("fred");
	grant("fred", "QUEUE", "A.B", "PUT");
	pass_and_expire();
	assert_int_equal(owner_gets("A.C"), MQI_E_NO_MSG_AVAILABLE);
	grant("fred", "QUEUE", "A.C", "PUT");
	pass_and_expire();
	assert_int_equal(owner_gets("A.C"), MQI_OK);
}

static void
test_a_trace_that_is_passed_on_reports_only_where_its_user_may_put(void **state)
{
	(void)state;
	(void)rig_connect(&rig, 0);
	connect_agent_for("fred");
	grant("fred", "QUEUE", "A.B", "PUT");
	assert_int_equal(
	    put_reported(MQLOCAL_PUT_PASS_CONTEXT, MQI_RO_ACTIVITY, "A.C"),
	    MQI_OK);
	assert_int_equal(owner_gets("A.C"), MQI_E_NO_MSG_AVAILABLE);
	grant("fred", "QUEUE", "A.C", "PUT");
	assert_int_equal(
	    put_reported(MQLOCAL_PUT_PASS_CONTEXT, MQI_RO_ACTIVITY, "A.C"),
	    MQI_OK);
	assert_int_equal(owner_gets("A.C"), MQI_OK);
}

/* A right that is missing is not made good for by a queue that comes later. */
static void
test_reports_to_a_queue_that_is_not_there_yet_need_the_right_too(void **state)
{
	(void)state;
	(void)rig_connect(&rig, 0);
	connect_as(1, "fred");
	grant("fred", "QUEUE", "A.B", "PUT");
	assert_int_equal(
	    put_reported(0, MQI_RO_EXPIRATION, "LATER"), MQI_E_NOT_AUTHORIZED);
	grant("fred", "QUEUE", "LATER", "PUT");
	assert_int_equal(put_reported(0, MQI_RO_EXPIRATION, "LATER"), MQI_OK);
}

static void
test_reports_are_judged_by_the_alternate_user(void **state)
{
	struct rig_put p = {.body = "x", .len = 1};
	uint32_t id = ++rig.last_id;
	struct mqbuf desc;
	struct mqi_md md;

	(void)state;
	connect_as(0, "fred");
	grant("fred", "QMGR", "QM", "ALTUSR");
	grant("joe", "QUEUE", "A.B", "PUT");
	engine_open_as(
	    rig.e, rig.sessions[0].s, id, "A.B", "", AS_OTHER, "joe");
	rig_settle(&rig);
	p.handle = rig_reply(&rig, 0, id)->r.handle;
	mqi_md_init(&md);
	md.expiry = 10;
	md.report = MQI_RO_EXPIRATION;
	strcpy(md.reply_to_q, "A.B");
	mqbuf_init(&desc, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &desc), MQI_OK);
	p.desc = desc.data;
	p.desc_len = (uint32_t)desc.len;
	assert_int_equal(rig_result(&rig, 0, rig_ask_put(&rig, 0, &p)), MQI_OK);
	mqbuf_fini(&desc);
}

/* ---- agents ---- */

static void
test_agent_for_a_user_has_that_users_rights_and_the_dead_letter_queue(
    void **state)
{
	struct engine_identity who = user("joe");

	(void)state;
	rig_define(&rig, MQATTR_QMGR, "QM", "DEADQ=SYSTEM.Q", NULL);
	grant("joe", "QUEUE", "A.B", "PUT");
	who.is_agent = true;
	strcpy(who.channel, "QM2.QM");
	rig_connect_as(&rig, 0, &who);
	assert_int_equal(try_open(0, "A.B", "", MQI_OO_OUTPUT), MQI_OK);
	assert_int_equal(
	    try_open(0, "A.C", "", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	/* what a partner addresses to it is another thing */
	assert_int_equal(
	    try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT | MQLOCAL_OO_DEAD_LETTER),
	    MQI_OK);
	assert_int_equal(
	    try_open(0, "A.C", "", MQI_OO_OUTPUT | MQLOCAL_OO_DEAD_LETTER),
	    MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    try_open(0, "SYSTEM.Q", "",
		MQI_OO_OUTPUT | MQI_OO_BROWSE | MQLOCAL_OO_DEAD_LETTER),
	    MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_open(0, "SYSTEM.Q", "", MQI_OO_INPUT_SHARED),
	    MQI_E_NOT_AUTHORIZED);
	grant("joe", "QUEUE", "SYSTEM.Q", "PUT");
	assert_int_equal(try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT), MQI_OK);
}

static void
test_an_application_is_no_agent_to_the_dead_letter_queue(void **state)
{
	struct engine_identity who = user("joe");

	(void)state;
	rig_define(&rig, MQATTR_QMGR, "QM", "DEADQ=SYSTEM.Q", NULL);
	strcpy(who.channel, "CLIENTS");
	rig_connect_as(&rig, 0, &who);
	assert_int_equal(
	    try_open(0, "SYSTEM.Q", "", MQI_OO_OUTPUT | MQLOCAL_OO_DEAD_LETTER),
	    MQI_E_NOT_AUTHORIZED);
}

/* ---- positions ---- */

static const char partner_id[] = "0123456789abcdef0123456789abcdef";

static enum mqi_err
position_open(unsigned n, const char *partner, const char *identity)
{
	struct mqlocal_position_open req = {.stream = {9}};
	uint32_t id = ++rig.last_id;
	struct rig_reply *k;

	(void)snprintf(req.partner, sizeof(req.partner), "%s", partner);
	(void)snprintf(req.identity, sizeof(req.identity), "%s", identity);
	engine_position_open(rig.e, rig.sessions[n].s, id, &req);
	rig_settle(&rig);
	k = rig_reply(&rig, n, id);
	return k->r.kind == ENGINE_POSITION ? MQI_OK : k->r.reason;
}

static enum mqi_err
try_move(unsigned n, const char *partner, uint64_t fence)
{
	struct mqlocal_unit_position req = {
	    .unit = 4, .stream = {9}, .fence = fence, .to = 10};
	uint32_t id = ++rig.last_id;
	enum mqi_err err;

	(void)snprintf(req.partner, sizeof(req.partner), "%s", partner);
	engine_unit_position(rig.e, rig.sessions[n].s, id, &req);
	err = rig_result(&rig, n, id);
	return err != MQI_OK ? err : rig_commit(&rig, n, 4);
}

static void
test_application_touches_no_position_of_a_partner(void **state)
{
	struct engine_identity agent = user("mca");

	(void)state;
	agent.is_agent = true;
	rig_connect_as(&rig, 0, &agent);
	connect_as(1, "fred");
	assert_int_equal(position_open(0, partner_id, "CN=QM2"), MQI_OK);
	assert_int_equal(
	    position_open(1, partner_id, "CN=QM2"), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    position_open(1, partner_id, ""), MQI_E_NOT_AUTHORIZED);
	/* the fence is easily guessed */
	assert_int_equal(try_move(1, partner_id, 1), MQI_E_FENCED);
	assert_int_equal(try_move(0, partner_id, 1), MQI_OK);
	/* nor stands in the way of one that is to come */
	assert_int_equal(
	    position_open(1, "fedcba98765432100123456789abcdef", ""),
	    MQI_E_NOT_AUTHORIZED);
}

static void
test_positions_are_their_users_own(void **state)
{
	struct engine_identity agent = user("fred");

	(void)state;
	connect_as(0, "fred");
	connect_as(1, "joe");
	assert_int_equal(position_open(0, "BILLING", ""), MQI_OK);
	assert_int_equal(position_open(0, "BILLING", ""), MQI_OK);
	assert_int_equal(position_open(1, "BILLING", ""), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(
	    position_open(1, "BILLING", "user:fred"), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_move(1, "BILLING", 2), MQI_E_FENCED);
	/* an agent for the user is the user */
	agent.is_agent = true;
	rig_connect_as(&rig, 2, &agent);
	assert_int_equal(position_open(2, "BILLING", ""), MQI_OK);
	strcpy(agent.user, "joe");
	rig_connect_as(&rig, 3, &agent);
	assert_int_equal(
	    position_open(3, "BILLING", "user:fred"), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(try_move(2, "BILLING", 0), MQI_OK);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_verdict_unites_the_closest_record_of_each_entity),
	    T(test_verdict_knows_what_has_changed),
	    T(test_verdict_counts_the_group_of_the_process_once),
	    T(test_users_that_are_remembered_are_bounded),
	    T(test_open_needs_the_right_of_each_option),
	    T(test_open_is_judged_by_the_name_that_was_opened),
	    T(test_a_right_taken_away_counts_at_the_next_open),
	    T(test_refusal_says_who_what_and_why),
	    T(test_lines_about_refusals_are_bounded_and_the_others_counted),
	    T(test_alternate_user_needs_its_right_and_the_others_count),
	    T(test_owner_as_another_user_has_that_users_rights),
	    T(test_messages_carry_the_alternate_users_name),
	    T(test_what_is_passed_on_comes_and_is_not_reported),
	    T(test_a_trace_that_is_passed_on_reports_only_where_its_user_may_put),
	    T(test_reports_to_a_queue_that_is_not_there_yet_need_the_right_too),
	    T(test_reports_are_judged_by_the_alternate_user),
	    T(test_agent_for_a_user_has_that_users_rights_and_the_dead_letter_queue),
	    T(test_an_application_is_no_agent_to_the_dead_letter_queue),
	    T(test_application_touches_no_position_of_a_partner),
	    T(test_positions_are_their_users_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
