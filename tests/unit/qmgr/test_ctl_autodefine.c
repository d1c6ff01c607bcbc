/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_autodefine.c - AUTODEFINE CHANNEL, which agents give: who may, for
 * whom, what is defined, and how much of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/qmgr/ctl_fakes.h"
#include "tests/unit/qmgr/ctl_script.h"

#define ENABLE "alt qmgr chad(enabled); "
#define LET_IN \
	"set chlauth('*') type(sslpeermap) sslpeer('CN=*') mcauser('m'); "
#define NO_CERT \
	"alt chl(SYSTEM.AUTO.RECEIVER) chltype(rcvr) sslcauth(optional); "

/* Whom an agent asks for; NULL: it does not say. */
struct caller {
	const char *name;
	const char *type;
	const char *dn;
	const char *qmgr;
};

static const struct caller qm1 = {
    .name = "NEW", .type = "RCVR", .dn = "CN=QM1", .qmgr = "QM1"};

static char out[OUT_LEN];

static void
as_agent(bool is_agent)
{
	ctl_fakes.who.is_agent = is_agent;
}

static int
setup(void **state)
{
	(void)state;
	ctl_fakes_init();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ctl_fakes_fini();
	return 0;
}

static void
add(struct mqctl_command *c, const char *keyword, const char *value)
{
	if (value != NULL)
		assert_int_equal(
		    mqctl_list_add(&c->attrs, keyword, value), MQI_OK);
}

static void
send_as(const struct caller *v, uint32_t flags, const char *like)
{
	struct mqctl_command c = {
	    .verb = MQCTL_AUTODEFINE, .noun = MQCTL_CHANNEL, .flags = flags};

	(void)snprintf(c.name, sizeof(c.name), "%s", v->name);
	(void)snprintf(c.like, sizeof(c.like), "%s", like);
	add(&c, "CHLTYPE", v->type);
	add(&c, "ADDRESS", "192.0.2.1(99)");
	add(&c, "SSLPEER", v->dn);
	add(&c, "QMNAME", v->qmgr);
	out[0] = '\0';
	ctl_script_send(&c, out);
	mqctl_list_fini(&c.attrs);
}

/* What an agent is answered that asks for this caller. */
static void
check(const struct caller *v, const char *answer)
{
	as_agent(true);
	send_as(v, 0, "");
	as_agent(false);
	assert_string_equal(out, answer);
}

static void
run(const char *script)
{
	ctl_script_run(script, out);
}

static void
test_a_channel_is_defined_like_its_model(void **state)
{
	(void)state;
	run(ENABLE LET_IN
	    "alt chl(SYSTEM.AUTO.RECEIVER) chltype(rcvr) mrrty(7)");
	check(&qm1, "-> OK\n");
	run("dis chl(NEW) descr autodef mrrty stopreq");
	assert_string_equal(out,
	    "CHANNEL=NEW CHLTYPE=RCVR AUTODEF=CN=QM1 "
	    "DESCR=Auto-defined by QM1 MRRTY=7 STOPREQ=NO\n-> OK\n");
	check(&qm1, "-> EXISTS CHANNEL(NEW) exists already\n");
	check(&(struct caller){.name = "APP", .type = "SVRCONN", .dn = "CN=a"},
	    "-> OK\n");
	run("dis chl(APP) descr autodef discint");
	assert_string_equal(out,
	    "CHANNEL=APP CHLTYPE=SVRCONN AUTODEF=CN=a "
	    "DESCR=Auto-defined by 192.0.2.1 DISCINT=0\n-> OK\n");
	/* what a person defines is a person's */
	run("def chl(MINE) chltype(rcvr) like(NEW); "
	    "def chl(NEW) chltype(rcvr) replace; dis chl(MINE) autodef; "
	    "dis chl(NEW) autodef; alt chl(APP) chltype(svrconn) descr(x); "
	    "dis chl(APP) autodef; alt chl(APP) chltype(svrconn) autodef(x)");
	assert_string_equal(out,
	    "-> OK\n-> OK\nCHANNEL=MINE CHLTYPE=RCVR AUTODEF=\n-> OK\n"
	    "CHANNEL=NEW CHLTYPE=RCVR AUTODEF=\n-> OK\n-> OK\n"
	    "CHANNEL=APP CHLTYPE=SVRCONN AUTODEF=CN=a\n-> OK\n"
	    "-> ATTRIBUTE AUTODEF cannot be set\n");
}

static void
test_without_chad_or_a_model_nothing_is_defined(void **state)
{
#define UNKNOWN                                                          \
	"-> UNKNOWN_CHANNEL CHANNEL(NEW) is not there, and not defined " \
	"by itself\n"
	(void)state;
	run("alt qmgr descr(own); " LET_IN);
	check(&qm1, UNKNOWN);
	run(ENABLE "delete chl(SYSTEM.AUTO.RECEIVER)");
	check(&qm1, UNKNOWN);
	run("def chl(SYSTEM.AUTO.RECEIVER) chltype(svrconn)");
	check(&qm1, UNKNOWN);
	run(ENABLE);
	assert_string_equal(out,
	    "-> OBJECT_TYPE CHANNEL(SYSTEM.AUTO.RECEIVER) must have "
	    "CHLTYPE(RCVR)\n");
	run("delete chl(SYSTEM.AUTO.RECEIVER); " ENABLE);
	check(
	    &(struct caller){
		.name = "NEW", .type = "SDR", .dn = "CN=QM1", .qmgr = "QM1"},
	    UNKNOWN);
	check(&qm1, "-> OK\n");
	run("alt qmgr chad(disabled); delete chl(NEW)");
	check(&qm1, UNKNOWN);
}

static void
test_only_an_agent_may_and_nothing_else(void **state)
{
	static const char refused[] =
	    "-> NOT_AUTHORIZED only an agent may, before it works for a "
	    "partner\n";

	(void)state;
	run(ENABLE LET_IN);
	/* the owner itself */
	send_as(&qm1, 0, "");
	assert_string_equal(out, refused);
	/* an agent that works for somebody, and one without the right */
	as_agent(true);
	(void)snprintf(
	    ctl_fakes.who.channel, sizeof(ctl_fakes.who.channel), "C");
	send_as(&qm1, 0, "");
	assert_memory_equal(out, "-> NOT_AUTHORIZED", 17);
	ctl_fakes.who.is_owner = false;
	ctl_fakes.may = AUTHORITY_SYSTEM;
	send_as(&qm1, 0, "");
	assert_string_equal(out, refused);
	ctl_fakes.who.channel[0] = '\0';
	ctl_fakes.may = (uint32_t)~AUTHORITY_SYSTEM;
	send_as(&qm1, 0, "");
	assert_string_equal(out, "-> NOT_AUTHORIZED SYSTEM: QMGR(QM1)\n");
	/* and nothing but that */
	ctl_fakes.may = AUTHORITY_SYSTEM | AUTHORITY_DSP;
	send_as(&qm1, 0, "SYSTEM.AUTO.SVRCONN");
	assert_string_equal(
	    out, "-> ATTRIBUTE AUTODEFINE takes neither LIKE nor options\n");
	send_as(&qm1, MQCTL_REPLACE, "");
	assert_string_equal(
	    out, "-> ATTRIBUTE AUTODEFINE takes neither LIKE nor options\n");
	send_as(&qm1, 0, "");
	assert_string_equal(out, "-> OK\n");
}

static void
test_nothing_is_defined_for_whom_no_rule_lets_in(void **state)
{
	struct caller v = qm1;

	(void)state;
	run(ENABLE "set chlauth(NEW) type(sslpeermap) sslpeer('CN=QM2') "
		   "mcauser('m')");
	check(&qm1,
	    "-> NOT_AUTHORIZED no CHLAUTH record lets it in; one would be SET "
	    "CHLAUTH('NEW') TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "MCAUSER('...')\n");
	run("alt chl(SYSTEM.AUTO.RECEIVER) chltype(rcvr) sslpeer('CN=QM9'); "
	    "set chlauth('*') type(addressmap) address('*') mcauser('m')");
	check(&qm1,
	    "-> NOT_AUTHORIZED its certificate does not fit the channel's "
	    "SSLPEER: CN=QM1\n");
	run("alt chl(SYSTEM.AUTO.RECEIVER) chltype(rcvr) sslpeer('')");
	v.dn = NULL;
	check(&v, "-> NOT_AUTHORIZED it has shown no certificate\n");
	run(NO_CERT);
	check(&v, "-> OK\n");
	run("dis chl(NEW) autodef");
	assert_string_equal(
	    out, "CHANNEL=NEW CHLTYPE=RCVR AUTODEF=(user m)\n-> OK\n");
	/* without CHLAUTH the model decides, as RUNCHECK says */
	run("alt qmgr chlauth(disabled); alt chl(SYSTEM.AUTO.RECEIVER) "
	    "chltype(rcvr) sslpeer('CN=QM1') mcauser('r'); dis chlauth(N2) "
	    "match(runcheck) address('192.0.2.1') sslpeer('CN=QM1')");
	assert_string_equal(out,
	    "-> OK\n-> OK\nCHLAUTH=N2 TYPE= USERSRC=CHANNEL MCAUSER=r\n"
	    "-> OK\n");
	v = qm1;
	v.name = "N2";
	check(&v, "-> OK\n");
}

static void
test_what_is_asked_must_be_right(void **state)
{
	static const struct {
		struct caller v;
		const char *answer;
	} rows[] = {
	    {{"A B", "RCVR", "CN=QM1", "QM1"},
		"-> OBJECT_NAME the channel's name is not valid\n"},
	    {{"A23456789012345678901", "RCVR", "CN=QM1", "QM1"},
		"-> OBJECT_NAME the channel's name is not valid\n"},
	    {{"", "RCVR", "CN=QM1", "QM1"},
		"-> OBJECT_NAME the channel's name is not valid\n"},
	    {{"SYSTEM.X", "RCVR", "CN=QM1", "QM1"},
		"-> UNKNOWN_CHANNEL CHANNEL(SYSTEM.X) is not there, and not "
		"defined by itself\n"},
	    {{"NEW", "RCVR", "CN=QM1", "Q M"},
		"-> OBJECT_NAME the partner's queue manager needs a name\n"},
	    {{"NEW", "RCVR", "CN=QM1", NULL},
		"-> OBJECT_NAME the partner's queue manager needs a name\n"},
	    {{"NEW", "RCVR", "CN=QM1\n", "QM1"},
		"-> ATTRIBUTE AUTODEF is not valid: it must be text in UTF-8 "
		"of at most 256 bytes without control characters\n"},
	};

	(void)state;
	run(ENABLE "set chlauth('*') type(addressmap) address('*') "
		   "mcauser('m'); def chl(Q) chltype(svrconn)");
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++)
		check(&rows[i].v, rows[i].answer);
	check(&(struct caller){"Q", "RCVR", "CN=QM1", "QM1"},
	    "-> EXISTS CHANNEL(Q) exists already\n");
	run("dis chl(*) autodef");
	assert_string_equal(out,
	    "CHANNEL=Q CHLTYPE=SVRCONN AUTODEF=\n"
	    "CHANNEL=SYSTEM.AUTO.RECEIVER CHLTYPE=RCVR AUTODEF=\n"
	    "CHANNEL=SYSTEM.AUTO.SVRCONN CHLTYPE=SVRCONN AUTODEF=\n-> OK\n");
}

/* n channels for partner number `partner`. */
static void
define_many(unsigned partner, unsigned n)
{
	char name[MQI_CHANNEL_NAME_LEN + 1], dn[32];
	const struct caller v = {
	    .name = name, .type = "RCVR", .dn = dn, .qmgr = "QM1"};

	/* the blank at its end is part of a name, but is not kept */
	(void)snprintf(dn, sizeof(dn), "CN=%u\\ ", partner);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "N%u.%u", partner, i);
		check(&v, "-> OK\n");
	}
	(void)snprintf(name, sizeof(name), "MORE");
	as_agent(true);
	send_as(&v, 0, "");
	as_agent(false);
	assert_memory_equal(out, "-> RESOURCE_PROBLEM", 19);
}

static void
test_a_partner_can_not_fill_the_store(void **state)
{
	(void)state;
	run(ENABLE LET_IN);
	for (unsigned partner = 0; partner < 50; partner++)
		define_many(partner, 20);
	check(&qm1,
	    "-> RESOURCE_PROBLEM 1000 channels have been defined by "
	    "themselves, 0 of them for this partner: no more than 1000 and "
	    "20 may be\n");
	run("delete chl(N3.7); def chl(N4.7) chltype(rcvr) replace");
	check(&qm1, "-> OK\n");
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_channel_is_defined_like_its_model),
	    TEST(test_without_chad_or_a_model_nothing_is_defined),
	    TEST(test_only_an_agent_may_and_nothing_else),
	    TEST(test_nothing_is_defined_for_whom_no_rule_lets_in),
	    TEST(test_what_is_asked_must_be_right),
	    TEST(test_a_partner_can_not_fill_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
