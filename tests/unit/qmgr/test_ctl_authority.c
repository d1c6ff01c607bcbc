/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_authority.c - authority records as commands, and the authority that
 * commands need: scripts in MQSC and what is answered (ctl_script.h).
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

static void
run_with(uint32_t may, const char *script, const char *answer)
{
	char *out = malloc(OUT_LEN);

	assert_non_null(out);
	ctl_fakes.may = may;
	ctl_script_run(script, out);
	if (strcmp(out, answer) != 0)
		fail_msg("%s answers:\n%s", script, out);
	free(out);
}

#define SET_FRED                                                      \
	"set authrec profile(A.**) objtype(queue) principal('fred') " \
	"authadd(put,get)"

static void
test_authority_records_are_set_shown_and_deleted_by_their_key(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {SET_FRED "; dis authrec",
		"-> OK\nPROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL "
		"OBJTYPE=QUEUE AUTHLIST=GET,PUT\n-> OK\n"},
	    {SET_FRED "; set authrec profile(A.**) objtype(queue) "
		      "principal('fred') authrmv(all) authadd(browse); "
		      "dis authrec",
		"-> OK\n-> OK\nPROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL "
		"OBJTYPE=QUEUE AUTHLIST=BROWSE\n-> OK\n"},
	    {SET_FRED "; set authrec profile(A.**) objtype(queue) "
		      "principal('fred') authrmv(get,put); dis authrec",
		"-> OK\n-> OK\nPROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL "
		"OBJTYPE=QUEUE AUTHLIST=NONE\n-> OK\n"},
	    {"set authrec objtype(qmgr) group('g','h') principal('g') "
	     "authadd(connect); dis authrec objtype(qmgr)",
		"-> OK\n"
		"PROFILE=QM1 ENTITY=g ENTTYPE=GROUP OBJTYPE=QMGR "
		"AUTHLIST=CONNECT\n"
		"PROFILE=QM1 ENTITY=h ENTTYPE=GROUP OBJTYPE=QMGR "
		"AUTHLIST=CONNECT\n"
		"PROFILE=QM1 ENTITY=g ENTTYPE=PRINCIPAL OBJTYPE=QMGR "
		"AUTHLIST=CONNECT\n-> OK\n"},
	    {SET_FRED "; delete authrec profile(A.**) objtype(queue) "
		      "principal('fred'); dis authrec",
		"-> OK\n-> OK\n"
		"-> UNKNOWN_OBJECT no authority record matches\n"},
	    {SET_FRED "; delete authrec profile(A.**) objtype(queue) "
		      "principal('fred','joe'); dis authrec principal('fred')",
		"-> OK\n-> UNKNOWN_OBJECT there is no AUTHREC with "
		"PROFILE(A.**) OBJTYPE(QUEUE) PRINCIPAL(joe)\n"
		"PROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL "
		"OBJTYPE=QUEUE AUTHLIST=GET,PUT\n-> OK\n"},
	    {SET_FRED "; delete authrec profile(A.**) objtype(queue) "
		      "principal('joe','fred','fred') ignstate(yes); "
		      "dis authrec",
		"-> OK\n-> OK\n"
		"-> UNKNOWN_OBJECT no authority record matches\n"},
	};
	CHECK(rows);
}

static void
test_authority_records_are_chosen_by_profile_type_and_entity(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {SET_FRED "; set authrec profile(A.B) objtype(queue) group('g') "
		      "authadd(inq); set authrec profile(A.B) "
		      "objtype(channel) group('g') authadd(dsp); "
		      "dis authrec profile(A.B) objtype(queue); "
		      "dis authrec profile(A.B) match(exact); "
		      "dis authrec profile(A.**); dis authrec group('fred'); "
		      "dis authrec group('g') objtype(channel)",
		"-> OK\n-> OK\n-> OK\n"
		"PROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL OBJTYPE=QUEUE "
		"AUTHLIST=GET,PUT\n"
		"PROFILE=A.B ENTITY=g ENTTYPE=GROUP OBJTYPE=QUEUE "
		"AUTHLIST=INQ\n-> OK\n"
		"PROFILE=A.B ENTITY=g ENTTYPE=GROUP OBJTYPE=CHANNEL "
		"AUTHLIST=DSP\n"
		"PROFILE=A.B ENTITY=g ENTTYPE=GROUP OBJTYPE=QUEUE "
		"AUTHLIST=INQ\n-> OK\n"
		"PROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL OBJTYPE=QUEUE "
		"AUTHLIST=GET,PUT\n-> OK\n"
		"-> UNKNOWN_OBJECT no authority record matches\n"
		"PROFILE=A.B ENTITY=g ENTTYPE=GROUP OBJTYPE=CHANNEL "
		"AUTHLIST=DSP\n-> OK\n"},
	};
	CHECK(rows);
}

static void
test_membership_shows_the_records_of_a_user_and_its_groups(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {SET_FRED "; set authrec profile(A.B) objtype(queue) "
		      "group('staff','other') principal('joe') authadd(inq); "
		      "dis authrec profile(A.B) objtype(queue) "
		      "principal('fred') match(membership)",
		"-> OK\n-> OK\n"
		"PROFILE=A.** ENTITY=fred ENTTYPE=PRINCIPAL OBJTYPE=QUEUE "
		"AUTHLIST=GET,PUT\n"
		"PROFILE=A.B ENTITY=staff ENTTYPE=GROUP OBJTYPE=QUEUE "
		"AUTHLIST=INQ\n-> OK\n"},
	};
	CHECK(rows);
}

static void
test_refresh_security_asks_for_groups_anew(void **state)
{
	(void)state;
	ctl_fakes_init();
	run_with(0,
	    "refresh security; refresh security type(authserv); "
	    "refresh security type(ssl)",
	    "-> OK\n-> OK\n-> OK\n");
	assert_string_equal(ctl_fakes.asked,
	    "authority changed;refresh agents;authority changed;"
	    "refresh agents;refresh agents;");
	ctl_fakes_fini();
}

static void
test_authority_records_refuse_what_is_not_right_and_name_it(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"set authrec profile(A) principal('fred') authadd(put)",
		"-> ATTRIBUTE OBJTYPE is required: QMGR, QUEUE, CHANNEL, "
		"LISTENER, NAMELIST, PROCESS, SERVICE or TOPIC\n"},
	    {"set authrec objtype(planet) profile(A) principal('fred') "
	     "authadd(put)",
		"-> ATTRIBUTE OBJTYPE(PLANET) is not valid: it must be one of "
		"QMGR, QUEUE, CHANNEL, LISTENER, NAMELIST, PROCESS, SERVICE, "
		"TOPIC\n"},
	    {"set authrec objtype(queue) principal('fred') authadd(put)",
		"-> ATTRIBUTE PROFILE is required\n"},
	    {"set authrec objtype(queue) profile(A**) principal('fred') "
	     "authadd(put)",
		"-> OBJECT_NAME PROFILE(A**) is not valid: it must be a name "
		"of at most 48 letters, digits and . / _ %, in which ? and * "
		"stand for characters and ** once for qualifiers\n"},
	    {"set authrec objtype(qmgr) profile(QM2) principal('fred') "
	     "authadd(connect)",
		"-> OBJECT_NAME PROFILE(QM2) with OBJTYPE(QMGR) must be QM1\n"},
	    {"set authrec objtype(queue) profile(A) authadd(put)",
		"-> ATTRIBUTE PRINCIPAL or GROUP is required\n"},
	    {"set authrec objtype(queue) profile(A) principal('a b') "
	     "authadd(put)",
		"-> ATTRIBUTE PRINCIPAL(a b) is not valid: it must be a name "
		"of at most 64 bytes without blanks, quotes and "
		"parentheses\n"},
	    {"set authrec objtype(queue) profile(A) principal('') "
	     "authadd(put)",
		"-> ATTRIBUTE PRINCIPAL needs a name\n"},
	    {"set authrec objtype(queue) profile(A) principal('fred')",
		"-> ATTRIBUTE AUTHADD or AUTHRMV is required\n"},
	    {"set authrec objtype(queue) profile(A) principal('fred') "
	     "authadd(put,connect)",
		"-> ATTRIBUTE AUTHADD(CONNECT) is not valid: there is no such "
		"authority for OBJTYPE(QUEUE)\n"},
	    {"set authrec objtype(queue) profile(A) principal('fred') "
	     "authrmv(put)",
		"-> UNKNOWN_OBJECT there is no AUTHREC with PROFILE(A) "
		"OBJTYPE(QUEUE) PRINCIPAL(fred)\n"},
	    {"set authrec objtype(queue) profile(A) principal('fred') "
	     "authadd(put) replace('x')",
		"-> ATTRIBUTE REPLACE is not a parameter of SET AUTHREC\n"},
	    {"dis authrec principal('a','b')",
		"-> ATTRIBUTE DISPLAY takes one PRINCIPAL or GROUP\n"},
	    {"dis authrec match(odd)",
		"-> ATTRIBUTE MATCH(ODD) is not valid: it must be PROFILE, "
		"EXACT or MEMBERSHIP\n"},
	    {"dis authrec match(membership) group('g')",
		"-> ATTRIBUTE MATCH(MEMBERSHIP) needs PRINCIPAL\n"},
	    {"refresh security type(odd)",
		"-> ATTRIBUTE TYPE(ODD) is not valid: it must be AUTHSERV, "
		"SSL\n"},
	};
	CHECK(rows);
}

/* Every verb on every noun, as who has no right: each is refused for that, or
 * is no command; a row of the table without its check would show here. */
static void
test_no_command_is_carried_out_without_its_right(void **state)
{
	char *out = calloc(1, OUT_LEN);
	unsigned n_refused = 0;

	(void)state;
	assert_non_null(out);
	ctl_fakes_init();
	ctl_fakes.who.is_owner = false;
	for (int v = 1; v <= MQCTL_VERB_MAX; v++) {
		for (int n = 1; n <= MQCTL_NOUN_MAX; n++) {
			struct mqctl_command c = {.verb = (enum mqctl_verb)v,
			    .noun = (enum mqctl_noun)n,
			    .name = "A"};

			out[0] = '\0';
			ctl_script_send(&c, out);
			if (strncmp(out, "-> NOT_AUTHORIZED ", 18) == 0)
				n_refused++;
			else if (strncmp(out, "-> FUNCTION_NOT", 15) != 0)
				fail_msg("%s %s: %s",
				    mqctl_verb_name((enum mqctl_verb)v),
				    mqctl_noun_name((enum mqctl_noun)n), out);
			assert_string_equal(ctl_fakes.asked, "");
		}
	}
	assert_in_range(n_refused, 39, 1000);
	ctl_fakes_fini();
	free(out);
}

static void
test_each_command_needs_its_right_on_its_object(void **state)
{
	(void)state;
	ctl_fakes_init();
	ctl_fakes.who.is_owner = false;
	run_with(
	    AUTHORITY_CRT, "def ql(A); def qa(B) target(A)", "-> OK\n-> OK\n");
	run_with(AUTHORITY_CRT, "def ql(A) replace",
	    "-> NOT_AUTHORIZED CHG: QUEUE(A)\n");
	run_with(AUTHORITY_CRT, "def ql(C) like(A)",
	    "-> NOT_AUTHORIZED DSP: QUEUE(A)\n");
	run_with(AUTHORITY_CHG, "alter ql(A) put(disabled)", "-> OK\n");
	run_with(
	    AUTHORITY_CHG, "clear ql(A)", "-> NOT_AUTHORIZED CLR: QUEUE(A)\n");
	run_with(AUTHORITY_CLR, "clear ql(A)", "-> OK\n");
	run_with(AUTHORITY_CHG, "alter qmgr descr('x')", "-> OK\n");
	run_with(
	    AUTHORITY_CHG, "delete ql(A)", "-> NOT_AUTHORIZED DLT: QUEUE(A)\n");
	run_with(AUTHORITY_CHG | AUTHORITY_DLT, "stop qmgr",
	    "-> NOT_AUTHORIZED CTRL: QMGR(QM1)\n");
	run_with(AUTHORITY_CRT, "def nl(N); def pro(P)", "-> OK\n-> OK\n");
	run_with(AUTHORITY_CRT, "alter pro(P) descr('x'); delete nl(N)",
	    "-> NOT_AUTHORIZED CHG: PROCESS(P)\n"
	    "-> NOT_AUTHORIZED DLT: NAMELIST(N)\n");
	/* programs that run as the owner are the owner's affair */
	run_with(AUTHORITY_CRT | AUTHORITY_CTRL | AUTHORITY_DLT,
	    "def service(S)", "-> NOT_AUTHORIZED CHG: QMGR(QM1)\n");
	run_with(AUTHORITY_CHG, "def service(S) startcmd('/bin/x')", "-> OK\n");
	run_with(AUTHORITY_CRT | AUTHORITY_CTRL | AUTHORITY_DLT,
	    "alter service(S) startcmd('/bin/y'); delete service(S)",
	    "-> NOT_AUTHORIZED CHG: QMGR(QM1)\n"
	    "-> NOT_AUTHORIZED CHG: QMGR(QM1)\n");
	run_with(AUTHORITY_CHG | AUTHORITY_DSP, "start service(S)",
	    "-> NOT_AUTHORIZED CTRL: SERVICE(S)\n");
	run_with(AUTHORITY_CTRL, "start service(S); dis service(S)",
	    "-> OK\n-> NOT_AUTHORIZED DSP: SERVICE(S)\n");
	run_with(AUTHORITY_DSP,
	    "set authrec objtype(qmgr) principal('x') authadd(connect)",
	    "-> NOT_AUTHORIZED CHG: QMGR(QM1)\n");
	run_with(AUTHORITY_CHG,
	    "set authrec objtype(qmgr) principal('x') authadd(connect)",
	    "-> OK\n");
	run_with(AUTHORITY_CTRL, "resolve channel(C) action(commit)",
	    "-> NOT_AUTHORIZED CTRLX: CHANNEL(C)\n");
	ctl_fakes_fini();
}

static void
test_display_of_many_shows_those_that_one_may_see(void **state)
{
	(void)state;
	ctl_fakes_init();
	run_with(0,
	    "def ql(A.1); def ql(A.2); def ql(B.1); def chl(A.C) "
	    "chltype(rcvr) sslpeer('CN=X')",
	    "-> OK\n-> OK\n-> OK\n-> OK\n");
	ctl_fakes.who.is_owner = false;
	ctl_fakes.may_name = "A";
	run_with(AUTHORITY_DSP, "dis q(*) maxdepth",
	    "QUEUE=A.1 TYPE=QLOCAL MAXDEPTH=5000\n"
	    "QUEUE=A.2 TYPE=QLOCAL MAXDEPTH=5000\n-> OK\n");
	run_with(AUTHORITY_DSP, "dis qs(*) curdepth",
	    "QUEUE=A.1 TYPE=QUEUE CURDEPTH=0\n"
	    "QUEUE=A.2 TYPE=QUEUE CURDEPTH=0\n-> OK\n");
	run_with(AUTHORITY_DSP, "dis chs(*) status",
	    "CHANNEL=A.B CHLTYPE=SDR STATUS=RETRYING\n-> OK\n");
	run_with(AUTHORITY_DSP, "dis ls(*) status",
	    "-> UNKNOWN_OBJECT LSSTATUS(*) not found\n");
	run_with(
	    AUTHORITY_DSP, "dis q(B.1)", "-> NOT_AUTHORIZED DSP: QUEUE(B.1)\n");
	run_with(AUTHORITY_DSP, "dis q(B*)",
	    "-> UNKNOWN_OBJECT QUEUE(B*) not found\n");
	run_with(AUTHORITY_DSP, "dis chs(*) saved",
	    "-> UNKNOWN_OBJECT CHSTATUS(*) not found: nothing is saved\n");
	ctl_fakes_fini();
}

static void
test_agents_see_what_they_need_and_change_nothing(void **state)
{
	(void)state;
	for (int owner = 0; owner < 2; owner++) {
		ctl_fakes_init();
		run_with(
		    0, "def chl(A) chltype(rcvr) sslpeer('CN=X')", "-> OK\n");
		ctl_fakes.who.is_owner = owner != 0;
		ctl_fakes.who.is_agent = true;
		(void)snprintf(ctl_fakes.who.channel,
		    sizeof(ctl_fakes.who.channel), "QM2.QM1");
		run_with(0, "dis chl(A) sslpeer",
		    "CHANNEL=A CHLTYPE=RCVR SSLPEER=CN=X\n-> OK\n");
		run_with(0, "dis qmgr deadq", "QMNAME=QM1 DEADQ=\n-> OK\n");
		run_with(0, "dis lstr(L)",
		    "-> UNKNOWN_OBJECT LISTENER(L) not found\n");
		run_with(0, "def ql(A)",
		    owner ? "-> NOT_AUTHORIZED an agent of a channel may not "
			    "administer the queue manager\n"
			  : "-> NOT_AUTHORIZED CRT: QUEUE(A)\n");
		run_with(0, "dis authrec",
		    owner ? "-> NOT_AUTHORIZED an agent of a channel may not "
			    "administer the queue manager\n"
			  : "-> NOT_AUTHORIZED DSP: QMGR(QM1)\n");
		ctl_fakes_fini();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_authority_records_are_set_shown_and_deleted_by_their_key),
	    cmocka_unit_test(
		test_authority_records_are_chosen_by_profile_type_and_entity),
	    cmocka_unit_test(
		test_authority_records_refuse_what_is_not_right_and_name_it),
	    cmocka_unit_test(
		test_membership_shows_the_records_of_a_user_and_its_groups),
	    cmocka_unit_test(test_refresh_security_asks_for_groups_anew),
	    cmocka_unit_test(test_no_command_is_carried_out_without_its_right),
	    cmocka_unit_test(test_each_command_needs_its_right_on_its_object),
	    cmocka_unit_test(test_display_of_many_shows_those_that_one_may_see),
	    cmocka_unit_test(test_agents_see_what_they_need_and_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
