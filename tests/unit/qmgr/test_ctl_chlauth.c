/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl_chlauth.c - channel authentication records as commands: scripts in
 * MQSC and what is answered (ctl_script.h).
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

#define SET_QM1 \
	"set chlauth('A*') type(sslpeermap) sslpeer('CN=QM1') mcauser('m')"
#define QM1_ROW                                                            \
	"CHLAUTH=A* TYPE=SSLPEERMAP SSLPEER=CN=QM1 USERSRC=MAP MCAUSER=m " \
	"WARN=NO DESCR=\n"
#define OWN "alt qmgr descr(own); "
#define RUNCHECK " match(runcheck) address('192.0.2.1(99)') "

static void
test_channel_authentication_records_are_kept_by_their_key(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {SET_QM1 "; " SET_QM1 "; dis chlauth('A*'); dis chlauth(AB); dis "
		     "chlauth(AB) match(all)",
		"-> OK\n-> EXISTS there is such a record already: "
		"ACTION(REPLACE) sets it\n" QM1_ROW "-> OK\n"
		"-> UNKNOWN_OBJECT no channel authentication record "
		"matches\n" QM1_ROW "-> OK\n"},
	    {SET_QM1 "; set chlauth('A*') type(sslpeermap) sslpeer('CN=QM1') "
		     "usersrc(noaccess) warn(yes) action(replace); "
		     "dis chlauth('*') type(sslpeermap)",
		"-> OK\n-> OK\nCHLAUTH=A* TYPE=SSLPEERMAP SSLPEER=CN=QM1 "
		"USERSRC=NOACCESS MCAUSER= WARN=YES DESCR=\n-> OK\n"},
	    {SET_QM1 "; set chlauth('A*') type(sslpeermap) sslpeer('CN=QM1') "
		     "action(remove); set chlauth('A*') type(sslpeermap) "
		     "sslpeer('CN=QM1') action(remove)",
		"-> OK\n-> OK\n-> UNKNOWN_OBJECT there is no such record\n"},
	    {"set chlauth('*') type(blockaddr) addrlist('1.2.3.4','10.*'); "
	     "set chlauth('*') type(blockaddr) addrlist('10.*','::1'); "
	     "set chlauth('*') type(blockaddr) addrlist('1.2.3.4') "
	     "action(remove); dis chlauth('*') match(exact)",
		"-> OK\n-> OK\n-> OK\nCHLAUTH=* TYPE=BLOCKADDR "
		"ADDRLIST=10.*,::1 WARN=NO DESCR=\n-> OK\n"},
	    {"set chlauth(A) type(blockuser) userlist('a','b'); "
	     "set chlauth(A) type(blockuser) userlist('b','a') "
	     "action(remove); dis chlauth(A)",
		"-> OK\n-> OK\n-> UNKNOWN_OBJECT no channel authentication "
		"record matches\n"},
	    {SET_QM1 "; set chlauth('A*') type(blockuser) userlist('x'); "
		     "set chlauth('A*') type(blockuser) action(removeall); "
		     "dis chlauth('*'); set chlauth('A*') action(removeall); "
		     "dis chlauth('*')",
		"-> OK\n-> OK\n-> OK\n" QM1_ROW "-> OK\n-> OK\n"
		"-> UNKNOWN_OBJECT no channel authentication record "
		"matches\n"},
	    {"set chlauth(A) type(sslpeermap) mcauser('m')",
		"-> ATTRIBUTE TYPE(SSLPEERMAP) needs SSLPEER\n"},
	    {"set chlauth(A) type(addressmap) address('1.2.3') mcauser('m')",
		"-> ATTRIBUTE ADDRESS(1.2.3) is not an address or a pattern "
		"of one\n"},
	    {"set chlauth(A) type(addressmap) address('*')",
		"-> ATTRIBUTE USERSRC(MAP) needs MCAUSER\n"},
	    {"set chlauth(A) type(addressmap) address('*') sslpeer('CN=*')",
		"-> ATTRIBUTE SSLPEER is not for TYPE(ADDRESSMAP)\n"},
	    {"set chlauth(A) type(blockaddr) addrlist('*')",
		"-> ATTRIBUTE TYPE(BLOCKADDR) is for all channels: "
		"CHLAUTH('*')\n"},
	    {"set chlauth(A) address('*')", "-> ATTRIBUTE TYPE is required\n"},
	};
	CHECK(rows);
}

static void
test_runcheck_tells_what_would_become_of_a_partner(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {OWN SET_QM1 "; dis chlauth(AB)" RUNCHECK "sslpeer('CN=QM1,O=X')",
		"-> OK\n-> OK\nCHLAUTH=A* TYPE=SSLPEERMAP SSLPEER=CN=QM1 "
		"USERSRC=MAP "
		"MCAUSER=m\n-> OK\n"},
	    {OWN SET_QM1 "; dis chlauth(B)" RUNCHECK,
		"-> OK\n-> OK\nCHLAUTH=B TYPE= USERSRC=NOACCESS MCAUSER= "
		"REASON=no "
		"CHLAUTH record lets it in; one would be SET CHLAUTH('B') "
		"TYPE(ADDRESSMAP) ADDRESS('192.0.2.1') MCAUSER('...')\n"
		"-> OK\n"},
	    {OWN "def chl(R) chltype(rcvr) sslpeer('CN=QM1') mcauser('r'); "
		 "set chlauth('*') type(addressmap) address('*') "
		 "usersrc(noaccess) warn(yes); dis chlauth(R)" RUNCHECK
		 "sslpeer('CN=QM1')",
		"-> OK\n-> OK\n-> OK\nCHLAUTH=* TYPE=ADDRESSMAP ADDRESS=* "
		"USERSRC=CHANNEL MCAUSER=r WARNING=SET CHLAUTH('*') "
		"TYPE(ADDRESSMAP) ADDRESS('*') USERSRC(NOACCESS) WARN(YES)\n"
		"-> OK\n"},
	    {OWN "def chl(R) chltype(rcvr) sslpeer('CN=QM1') mcauser('r'); "
		 "alt qmgr chlauth(disabled); dis chlauth(R)" RUNCHECK
		 "sslpeer('CN=QM1')",
		"-> OK\n-> OK\n-> OK\nCHLAUTH=R TYPE= USERSRC=CHANNEL "
		"MCAUSER=r\n"
		"-> OK\n"},
	    {OWN "dis chlauth(R) match(runcheck)",
		"-> OK\n-> ATTRIBUTE MATCH(RUNCHECK) needs the partner's "
		"ADDRESS\n"},
	    {OWN "dis chlauth('R*')" RUNCHECK,
		"-> OK\n-> OBJECT_NAME MATCH(RUNCHECK) is about one channel\n"},
	};
	CHECK(rows);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_channel_authentication_records_are_kept_by_their_key),
	    cmocka_unit_test(
		test_runcheck_tells_what_would_become_of_a_partner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
