/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ctl.c (qmgr) - commands carried out against the real table of objects:
 * scripts in MQSC, and what is answered, line by line.
 *
 * A row of an answer is written "KEYWORD=value ...", a result "-> NAME
 * sentence" ("-> OK" alone when all was well).
 */
#include "qmgr/ctl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/mqsc.h"
#include "base/log.h"
#include "proto/local.h"
#include "tests/unit/qmgr/ctl_fakes.h"
#include "tests/unit/qmgr/ctl_script.h"

#define SDR                                                    \
	"def chl(S) chltype(sdr) xmitq(X) conname('h(1414)') " \
	"sslpeer('CN=QM2')"
#define SVR "def chl(V) chltype(svr) xmitq(X) sslpeer('CN=QM2')"
/* of 16 bytes */
#define HEX30 "5a0000000000000000000000000000"
#define RCVR "def chl(R) chltype(rcvr) sslpeer('CN=QM2')"

static void
test_define_then_display_shows_what_was_given_and_defaults(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(A) maxdepth(10) descr('it''s'); "
	     "dis ql(A) maxdepth descr put share",
		"-> OK\n"
		"QUEUE=A TYPE=QLOCAL DESCR=it's MAXDEPTH=10 PUT=ENABLED "
		"SHARE=YES\n-> OK\n"},
	    {"def ql(A) noshare; dis ql(A) share",
		"-> OK\nQUEUE=A TYPE=QLOCAL SHARE=NO\n-> OK\n"},
	    {"def qa(A) target(B); dis q(A) capexpry defprty defpsist descr "
	     "get put target targtype",
		"-> OK\nQUEUE=A TYPE=QALIAS CAPEXPRY=NOLIMIT DEFPRTY=0 "
		"DEFPSIST=NO DESCR= GET=ENABLED PUT=ENABLED TARGET=B "
		"TARGTYPE=QUEUE\n"
		"-> OK\n"},
	    {"def qm(M) deftype(permdyn); dis q(M) deftype share defsopt",
		"-> OK\nQUEUE=M TYPE=QMODEL DEFSOPT=EXCL DEFTYPE=PERMDYN "
		"SHARE=NO\n-> OK\n"},
	    {"def qa(A) targq(B); dis qa(A) target",
		"-> OK\nQUEUE=A TYPE=QALIAS TARGET=B\n-> OK\n"},
	    {"def qr(A) rname(B) rqmname(QM2) xmitq(X); "
	     "dis qr(A) rname rqmname xmitq",
		"-> OK\nQUEUE=A TYPE=QREMOTE RNAME=B RQMNAME=QM2 XMITQ=X\n"
		"-> OK\n"},
	    {"def lstr(L) port(2000); dis lstr(L)",
		"-> OK\nLISTENER=L BACKLOG=0 CONTROL=MANUAL DESCR= IPADDR= "
		"PORT=2000 TRPTYPE=TCP\n-> OK\n"},
	    {SDR "; dis chl(S) xmitq conname hbint",
		"-> OK\nCHANNEL=S CHLTYPE=SDR CONNAME=h(1414) HBINT=5 "
		"XMITQ=X\n-> OK\n"},
	};
	CHECK(rows);
}

static void
test_commands_that_nothing_carries_out_are_refused_by_name(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"set ql(A) put(enabled)",
		"-> FUNCTION_NOT_SUPPORTED SET QLOCAL is not a command\n"},
	    {"define authrec",
		"-> FUNCTION_NOT_SUPPORTED DEFINE AUTHREC is not a command\n"},
	    {"delete chlauth(A)",
		"-> FUNCTION_NOT_SUPPORTED DELETE CHLAUTH is not a command\n"},
	    {"refresh qmgr",
		"-> FUNCTION_NOT_SUPPORTED REFRESH QMGR is not a command\n"},
	};
	CHECK(rows);
}

static void
test_define_refuses_what_is_not_right_and_names_it(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(A) bogus(1)",
		"-> ATTRIBUTE BOGUS is not an attribute of QLOCAL\n"},
	    {"def ql(A) maxdepth(-1)",
		"-> ATTRIBUTE MAXDEPTH(-1) is not valid: it must be a number "
		"from 0 to 999999999\n"},
	    {"def ql(A) usage(odd)",
		"-> ATTRIBUTE USAGE(ODD) is not valid: it must be one of "
		"NORMAL, XMITQ\n"},
	    {"def ql(A) put(enabled) put(disabled)",
		"-> ATTRIBUTE PUT is given twice\n"},
	    {"def ql(A) share noshare", "-> ATTRIBUTE SHARE is given twice\n"},
	    {"def ql(A) noshare(yes)", "-> ATTRIBUTE NOSHARE takes no value\n"},
	    {"def ql(A) nomaxdepth",
		"-> ATTRIBUTE NOMAXDEPTH is not an attribute of QLOCAL\n"},
	    {"def ql(A) curdepth(3)", "-> ATTRIBUTE CURDEPTH cannot be set\n"},
	    {"def ql('a b')",
		"-> OBJECT_NAME 'a b' is not a name of at most 48 letters, "
		"digits and . / _ %\n"},
	    {"def ql(A); def ql(A)",
		"-> OK\n-> EXISTS QLOCAL(A) exists already\n"},
	    {"def ql(A); def qa(A) replace",
		"-> OK\n-> OBJECT_TYPE 'A' is a queue of another type\n"},
	    {"def ql(A) like(B)", "-> UNKNOWN_OBJECT QLOCAL(B) not found\n"},
	    {"def ql(A) descr('x') bogus; dis ql(A)",
		"-> ATTRIBUTE BOGUS is not an attribute of QLOCAL\n"
		"-> UNKNOWN_OBJECT QLOCAL(A) not found\n"},
	};
	CHECK(rows);
}

static void
test_channels_need_a_type_and_what_it_requires(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def chl(S)",
		"-> ATTRIBUTE CHLTYPE is required: SDR, RCVR, SVR, RQSTR or "
		"SVRCONN\n"},
	    {"def chl(S) chltype(clntconn)",
		"-> ATTRIBUTE CHLTYPE(CLNTCONN) is not valid: it must be one "
		"of SDR, RCVR, SVR, RQSTR, SVRCONN\n"},
	    {"def chl(S) chltype(sdr) conname('h') sslpeer('CN=x')",
		"-> ATTRIBUTE CHANNEL(S) with CHLTYPE(SDR) needs XMITQ\n"},
	    {"def chl(S) chltype(sdr) xmitq(X) sslpeer('CN=x')",
		"-> ATTRIBUTE CHANNEL(S) with CHLTYPE(SDR) needs CONNAME\n"},
	    {"def chl(S) chltype(sdr) xmitq(X) conname('h')",
		"-> ATTRIBUTE CHANNEL(S) with CHLTYPE(SDR) needs SSLPEER\n"},
	    {"def chl(R) chltype(rcvr)", "-> OK\n"},
	    {"def chl(R) chltype(rcvr) sslpeer('x')",
		"-> ATTRIBUTE SSLPEER: a distinguished name: an attribute and "
		"'=' are expected at 'x'\n"},
	    {"def chl(R) chltype(rcvr) sslpeer('CN=x') sslciph(RC4_MD5_US)",
		"-> ATTRIBUTE SSLCIPH(RC4_MD5_US) is not a CipherSpec that "
		"there is\n"},
	    {"def chl(R) chltype(rcvr) certlabl(A)",
		"-> ATTRIBUTE CERTLABL is not an attribute of CHANNEL with "
		"CHLTYPE(RCVR)\n"},
	    {"alt qmgr certlabl('../a')",
		"-> ATTRIBUTE CERTLABL(../a) must be letters, digits, - _ and "
		".\n"},
	    {"def chl(R) xmitq(X) chltype(rcvr)",
		"-> ATTRIBUTE XMITQ is not an attribute of CHANNEL with "
		"CHLTYPE(RCVR)\n"},
	    {"def chl(R) mrrty(3) sslpeer('CN=x') chltype(rcvr); dis chl(R) "
	     "mrrty",
		"-> OK\nCHANNEL=R CHLTYPE=RCVR MRRTY=3\n-> OK\n"},
	    {RCVR "; alt chl(R) chltype(sdr)",
		"-> OK\n-> OBJECT_TYPE the CHLTYPE of CHANNEL(R) is RCVR and "
		"cannot be changed\n"},
	    {RCVR "; alt chl(R) chltype(rcvr) hbint(9); dis chl(R) hbint",
		"-> OK\n-> OK\nCHANNEL=R CHLTYPE=RCVR HBINT=9\n-> OK\n"},
	    {RCVR "; alt chl(R) sslpeer(' ')", "-> OK\n-> OK\n"},
	    {RCVR "; def chl(R) replace chltype(sdr) xmitq(X) conname('h') "
		  "sslpeer('CN=x')",
		"-> OK\n-> OBJECT_TYPE the CHLTYPE of CHANNEL(R) is RCVR and "
		"cannot be changed\n"},
	    {"def chl(ABCDEFGHIJABCDEFGHIJX) chltype(rcvr)",
		"-> OBJECT_NAME 'ABCDEFGHIJABCDEFGHIJX' is not a name of at "
		"most 20 letters, digits and . / _ %\n"},
	    {SDR "; def chl(S2) like(S) hbint(7); dis chl(S2) xmitq hbint",
		"-> OK\n-> OK\nCHANNEL=S2 CHLTYPE=SDR HBINT=7 XMITQ=X\n"
		"-> OK\n"},
	};
	CHECK(rows);
}

static void
test_like_and_replace_decide_what_is_not_given(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(A) maxdepth(1) descr('d'); def ql(B) like(A) descr('e');"
	     "dis ql(B) maxdepth descr",
		"-> OK\n-> OK\nQUEUE=B TYPE=QLOCAL DESCR=e MAXDEPTH=1\n"
		"-> OK\n"},
	    {"def ql(A) maxdepth(1); def ql(A) replace descr('e');"
	     "dis ql(A) maxdepth descr",
		"-> OK\n-> OK\nQUEUE=A TYPE=QLOCAL DESCR=e MAXDEPTH=5000\n"
		"-> OK\n"},
	    {"def ql(A) maxdepth(1); alt ql(A) descr('e');"
	     "dis ql(A) maxdepth descr",
		"-> OK\n-> OK\nQUEUE=A TYPE=QLOCAL DESCR=e MAXDEPTH=1\n"
		"-> OK\n"},
	    {"alt ql(A) descr('e')", "-> UNKNOWN_OBJECT QLOCAL(A) not found\n"},
	};
	CHECK(rows);
}

static void
test_the_queue_manager_has_attributes_without_being_defined(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"dis qmgr maxumsgs qmid", "QMNAME=QM1 MAXUMSGS=10000 "
				       "QMID=ab0100000000000000000000000000"
				       "00\n-> OK\n"},
	    {"alt qmgr deadq(DLQ); dis qmgr deadq defxmitq",
		"-> OK\nQMNAME=QM1 DEADQ=DLQ DEFXMITQ=\n-> OK\n"},
	    {"alt qmgr maxdepth(3)",
		"-> ATTRIBUTE MAXDEPTH is not an attribute of QMGR\n"},
	};
	CHECK(rows);
}

static void
test_display_walks_all_types_in_order_and_filters(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(B) maxdepth(1); def qa(A); def qr(C); def ql(AB);"
	     "dis q(*) maxdepth",
		"-> OK\n-> OK\n-> OK\n-> OK\nQUEUE=A TYPE=QALIAS\n"
		"QUEUE=AB TYPE=QLOCAL MAXDEPTH=5000\n"
		"QUEUE=B TYPE=QLOCAL MAXDEPTH=1\nQUEUE=C TYPE=QREMOTE\n"
		"-> OK\n"},
	    {"def ql(B); def qa(A); def ql(AB); dis q(A*) type(qlocal) put",
		"-> OK\n-> OK\n-> OK\nQUEUE=AB TYPE=QLOCAL PUT=ENABLED\n"
		"-> OK\n"},
	    {"def ql(A); dis ql(A) bogus",
		"-> OK\n-> ATTRIBUTE BOGUS is not an attribute of QLOCAL\n"},
	    {"def ql(A); dis q(A) maxdepth(5)",
		"-> OK\n-> ATTRIBUTE MAXDEPTH takes no value in DISPLAY: use "
		"WHERE\n"},
	    {"def ql(A); dis q(A) where(maxdepth is 5)",
		"-> OK\n-> ATTRIBUTE IS is not an operator of WHERE\n"},
	    {"dis chl(*)", "-> UNKNOWN_OBJECT CHANNEL(*) not found\n"},
	    {"def ql(a); dis ql(b)",
		"-> OK\n-> UNKNOWN_OBJECT QLOCAL(B) not found\n"},
	    {"def ql(A) maxdepth(1); def ql(B) maxdepth(2);"
	     "def ql(C) maxdepth(10); dis ql(*) where(maxdepth ge 2) put",
		"-> OK\n-> OK\n-> OK\nQUEUE=B TYPE=QLOCAL PUT=ENABLED\n"
		"QUEUE=C TYPE=QLOCAL PUT=ENABLED\n-> OK\n"},
	    {"def ql(A) descr('one two'); def ql(B);"
	     "dis ql(*) where(descr lk 'one t*') put",
		"-> OK\n-> OK\nQUEUE=A TYPE=QLOCAL PUT=ENABLED\n-> OK\n"},
	    {"def ql(A) descr('one two'); def ql(B);"
	     "dis ql(*) where(descr nl 'one*') put",
		"-> OK\n-> OK\nQUEUE=B TYPE=QLOCAL PUT=ENABLED\n-> OK\n"},
	    {"def ql(A); def ql(B) put(disabled);"
	     "dis ql(*) where(put eq disabled) put",
		"-> OK\n-> OK\nQUEUE=B TYPE=QLOCAL PUT=DISABLED\n-> OK\n"},
	};
	CHECK(rows);
}

static void
test_namelists_hold_names_and_processes_programs(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def nl(N) names(A, b, 'c') descr('d'); dis nl(N); "
	     "alt nl(N) names(Z); dis namelist(N) names namcount; "
	     "alt nl(N) names( ); dis nl(*) names namcount",
		"-> OK\nNAMELIST=N DESCR=d NAMCOUNT=3 NAMES=A,B,c\n-> OK\n"
		"-> OK\nNAMELIST=N NAMCOUNT=1 NAMES=Z\n-> OK\n"
		"-> OK\nNAMELIST=N NAMCOUNT=0 NAMES=\n-> OK\n"},
	    {"def nl(N) names('a b')",
		"-> ATTRIBUTE NAMES(a b) is not valid: it must be names of at "
		"most 48 letters, digits and . / _ %\n"},
	    {"def nl(N) names(A,'',B)",
		"-> ATTRIBUTE NAMES(,B) is not valid: it must be names of at "
		"most 48 letters, digits and . / _ %\n"},
	    {"def nl(N) namcount(2)", "-> ATTRIBUTE NAMCOUNT cannot be set\n"},
	    {"def nl(N); delete nl(N); dis nl(N)",
		"-> OK\n-> OK\n-> UNKNOWN_OBJECT NAMELIST(N) not found\n"},
	    {"def pro(P); dis pro(P)",
		"-> OK\nPROCESS=P APPLICID= APPLTYPE=UNIX DESCR= ENVRDATA= "
		"USERDATA=\n-> OK\n"},
	    {"def pro(P) applicid('/bin/x') userdata('u') envrdata('e') "
	     "appltype(cics); alt process(P) appltype(70000); dis pro(P)",
		"-> OK\n-> OK\nPROCESS=P APPLICID=/bin/x APPLTYPE=70000 DESCR= "
		"ENVRDATA=e USERDATA=u\n-> OK\n"},
	    {"def pro(P) appltype(odd)",
		"-> ATTRIBUTE APPLTYPE(ODD) is not valid: it must be UNIX, "
		"CICS, DOS, IMS, MVS, NOTESAGENT, NSK, OS400, WINDOWS, "
		"WINDOWSNT or a number from 0 to 999999999\n"},
	    {"def pro(SYSTEM.DEFAULT.PROCESS) userdata('u'); def pro(P); "
	     "def pro(Q) like(P) envrdata('e'); dis pro(Q) userdata envrdata; "
	     "delete pro(Q)",
		"-> OK\n-> OK\n-> OK\nPROCESS=Q ENVRDATA=e USERDATA=u\n"
		"-> OK\n-> OK\n"},
	    /* a queue, a process and a namelist may have one name */
	    {"def ql(A); def pro(A); def nl(A); delete pro(A); dis ql(A) put",
		"-> OK\n-> OK\n-> OK\n-> OK\nQUEUE=A TYPE=QLOCAL "
		"PUT=ENABLED\n-> OK\n"},
	};
	CHECK(rows);
}

static void
test_services_are_defined_started_and_shown(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def service(S) startcmd('/bin/x') startarg('-m +QMNAME+') "
	     "stdout('+MQ_DATA_PATH+/out') servtype(server) control(qmgr); "
	     "dis service(S)",
		"-> OK\nSERVICE=S CONTROL=QMGR DESCR= SERVTYPE=SERVER "
		"STARTARG=-m +QMNAME+ STARTCMD=/bin/x STDERR= "
		"STDOUT=+MQ_DATA_PATH+/out STOPARG= STOPCMD=\n-> OK\n"},
	    {"def service(S) startcmd(bin)",
		"-> ATTRIBUTE STARTCMD(BIN) must be a whole path, or begin "
		"with an insert\n"},
	    {"start service(S)", "-> UNKNOWN_OBJECT SERVICE(S) not found\n"},
	    {"def service(RUNS); start service(RUNS); stop service(RUNS)",
		"-> OK\n-> STATE SERVICE(RUNS) runs already\n-> OK\n"},
	    {"def service(S); stop service(S); stop service(S) ignstate(yes)",
		"-> OK\n-> STATE SERVICE(S) does not run\n-> OK\n"},
	    {"def service(BUSY); delete service(BUSY)",
		"-> OK\n-> OBJECT_IN_USE SERVICE(BUSY) is in use: stop it "
		"first\n"},
	    {"dis svstatus(*) pid status",
		"SERVICE=S PID=7 STATUS=RUNNING\n-> OK\n"},
	    {"dis svstatus(T)", "-> UNKNOWN_OBJECT SVSTATUS(T) not found: only "
				"a SERVER has one\n"},
	};
	CHECK(rows);
}

static void
test_topics_and_subscriptions(void **state)
{
	(void)state;

	static const struct row rows[] = {
	    {"def topic(T) topicstr('a/b') defprty(3); dis topic(T) defprty "
	     "pub",
		"-> OK\nTOPIC=T DEFPRTY=3 PUB=ASPARENT\n-> OK\n"},
	    {"def topic(T)", "-> ATTRIBUTE TOPICSTR is required\n"},
	    {"def sub(S) topicstr('a')", "-> ATTRIBUTE DEST is required\n"},
	    {"def sub(S) topicstr('a') destclas(managed) dest(Q)",
		"-> ATTRIBUTE DEST cannot be given with DESTCLAS(MANAGED)\n"},
	    {"def sub(S) topicstr('a') dest(Q); alter sub(S) topicstr('b')",
		"-> OK\n-> ATTRIBUTE TOPICSTR of a subscription cannot be "
		"altered\n"},
	    {"def sub(S) topicstr('a') dest(Q); dis sbs(*) nummsgs active",
		"-> OK\nSUB=S ACTIVE=YES NUMMSGS=7\n-> OK\n"},
	    {"dis tps('a/b') admin pub pmsgdlv",
		"TOPICSTR=a/b ADMIN=T PMSGDLV=ALLDUR PUB=ENABLED\n-> OK\n"},
	    {"dis tps('a')",
		"TOPICSTR=a ADMIN=T DEFPRTY=0 DEFPSIST=NO DURSUB=NO MDURMDL=D "
		"MNDURMDL=N NPMSGDLV=ALLAVAIL PMSGDLV=ALLDUR PUB=ENABLED "
		"PUBCOUNT=0 RETAINED=NO SUB=DISABLED SUBCOUNT=0 USEDLQ=NO\n"
		"-> OK\n"},
	    {"def sub(S) topicstr('a') dest(Q); dis sub(S) subuser varuser",
		"-> OK\nSUB=S SUBUSER=alice VARUSER=ANY\n-> OK\n"},
	    {"dis pubsub subcount", "QMNAME=QM1 SUBCOUNT=3\n-> OK\n"},
	    {"clear topicstr('a')",
		"-> ATTRIBUTE CLRTYPE(RETAINED) is required\n"},
	    {"clear topicstr('a') clrtype(retained)", "-> OK\n"},
	};
	CHECK(rows);
}

static void
test_a_namelist_has_at_most_256_names(void **state)
{
	char *script = calloc(1, 2 * MQATTR_NAMES_LEN);
	char *out = calloc(1, OUT_LEN);
	size_t n;

	(void)state;
	assert_non_null(script);
	assert_non_null(out);
	for (unsigned names = 256; names <= 257; names++) {
		struct mqctl_command c = {
		    .verb = MQCTL_DEFINE, .noun = MQCTL_NAMELIST, .name = "N"};

		script[0] = '\0';
		n = 0;
		for (unsigned i = 0; i < names; i++)
			n += (size_t)snprintf(
			    script + n, 32, "%sN%u", i > 0 ? "," : "", i);
		ctl_fakes_init();
		mqctl_list_init(&c.attrs);
		assert_int_equal(
		    mqctl_list_add(&c.attrs, "NAMES", script), MQI_OK);
		out[0] = '\0';
		ctl_script_send(&c, out);
		assert_string_equal(
		    out, names == 256 ? "-> OK\n"
				      : "-> ATTRIBUTE NAMES is not valid: "
					"it must be at most 256 names\n");
		mqctl_command_fini(&c);
		ctl_fakes_fini();
	}
	free(script);
	free(out);
}

static void
test_delete_takes_the_type_named_and_nothing_in_use(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"def ql(A); delete qa(A); delete ql(A); dis q(A)",
		"-> OK\n-> UNKNOWN_OBJECT QALIAS(A) not found\n-> OK\n"
		"-> UNKNOWN_OBJECT QUEUE(A) not found\n"},
	    {"delete ql(A) ignstate(yes)", "-> OK\n"},
	    {"def lstr(BUSY); delete lstr(BUSY)",
		"-> OK\n-> OBJECT_IN_USE LISTENER(BUSY) is in use: stop it "
		"first\n"},
	    {"def ql(A); delete ql(A) descr('x')",
		"-> OK\n-> ATTRIBUTE DESCR is not a parameter of DELETE "
		"QLOCAL\n"},
	};
	CHECK(rows);
	char *out = malloc(OUT_LEN);
	ctl_fakes_init();
	ctl_script_run("def ql(A)", out);
	ctl_fakes.depth = 3;
	ctl_script_run(
	    "delete ql(A); clear ql(A); clear ql(B); dis ql(A) curdepth", out);
	assert_string_equal(out,
	    "-> Q_NOT_EMPTY QLOCAL(A) is not empty: PURGE deletes its "
	    "messages too\n-> OK\n"
	    "-> UNKNOWN_OBJECT QLOCAL(B) not found\n"
	    "QUEUE=A TYPE=QLOCAL CURDEPTH=3\n-> OK\n");
	ctl_fakes.queue_open = true;
	ctl_script_run("clear ql(A); delete ql(A) purge", out);
	assert_string_equal(out,
	    "-> OBJECT_IN_USE QLOCAL(A) is open, or messages of it may have "
	    "been sent\n-> OBJECT_IN_USE QLOCAL(A) is open\n");
	ctl_fakes.queue_open = false;
	ctl_script_run("delete ql(A) purge", out);
	assert_string_equal(out, "-> OK\n");
	ctl_fakes_fini();
	free(out);
}

static void
test_start_and_stop_are_handed_to_the_agents(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"start chl(A)", "-> UNKNOWN_CHANNEL CHANNEL(A) not found\n"},
	    {"def lstr(RUNS); start lstr(RUNS); start lstr(RUNS) "
	     "ignstate(yes)",
		"-> OK\n-> STATE LISTENER(RUNS) runs already\n-> OK\n"},
	    {RCVR "; stop chl(R)", "-> OK\n-> STATE CHANNEL(R) does not run\n"},
	    {RCVR "; stop chl(R) conname('h') status(stopped)",
		"-> OK\n-> ATTRIBUTE STATUS(STOPPED) is of the whole channel: "
		"give no CONNAME or QMNAME with it\n"},
	    {RCVR "; stop chl(R) qmname(QM9)",
		"-> OK\n-> STATE CHANNEL(R) has no such instance: DISPLAY "
		"CHSTATUS shows those that run\n"},
	    {RCVR "; stop chl(R) mode(slow)",
		"-> OK\n-> ATTRIBUTE MODE(SLOW) is not valid: it must be "
		"QUIESCE, FORCE, TERMINATE\n"},
	    {RCVR "; resolve chl(R) action(commit)",
		"-> OK\n-> OBJECT_TYPE CHANNEL(R) is not a sender or server\n"},
	    {SDR "; resolve chl(S)",
		"-> OK\n-> ATTRIBUTE ACTION(COMMIT) or ACTION(BACKOUT) is "
		"required\n"},
	    {RCVR "; reset chl(R) seqnum(1)",
		"-> OK\n-> ATTRIBUTE CHANNEL(R) takes messages: STREAM says of "
		"which stream the position is forgotten; DISPLAY CHSTATUS(*) "
		"SAVED shows them\n"},
	    {RCVR "; reset chl(R) stream('" HEX30 "00')",
		"-> OK\n-> UNKNOWN_OBJECT no position is kept of STREAM(" HEX30
		"00)\n"},
	    {SDR "; reset chl(S) stream(00)",
		"-> OK\n-> ATTRIBUTE STREAM is not a parameter of RESET "
		"CHANNEL\n"},
	    {"reset chl(NO)", "-> UNKNOWN_CHANNEL CHANNEL(NO) not found\n"},
	    {SDR "; reset chl(S) seqnum(7)",
		"-> OK\n-> ATTRIBUTE SEQNUM(7) is not valid: a stream begins "
		"with 1\n"},
	    {"def ql(X) usage(xmitq);" SDR "; reset chl(S) seqnum(1); "
	     "reset chl(S) seqnum(1) force",
		"-> OK\n-> OK\n-> CHANNEL_INDOUBT messages after number 5, up "
		"to 9, may have arrived: RESOLVE CHANNEL says which, or FORCE "
		"sends them again\n-> OK a new stream begins; the old one was "
		"acknowledged up to 5 and handed out up to 9\n"},
	    {"ping qmgr", "-> OK\n"},
	    {"ping chl(NO)", "-> UNKNOWN_CHANNEL CHANNEL(NO) not found\n"},
	    {RCVR "; ping chl(R)",
		"-> OK\n-> OBJECT_TYPE CHANNEL(R) has no CONNAME: its partner "
		"calls, and pings\n"},
	    {SDR "; ping chl(S)",
		"-> OK\n-> RESOURCE_PROBLEM 8 pings are under way: try "
		"again\n"},
	    {"ping qmgr x(y)",
		"-> ATTRIBUTE X is not a parameter of PING QMGR\n"},
	    {"reset qmgr", "-> ATTRIBUTE TYPE(ADVANCELOG) is required\n"},
	    {"reset qmgr type(x)",
		"-> ATTRIBUTE TYPE(X) is not valid: it must be ADVANCELOG\n"},
	    {"clear chl(A)",
		"-> FUNCTION_NOT_SUPPORTED CLEAR CHANNEL is not a command\n"},
	};
	CHECK(rows);
	char *out = malloc(OUT_LEN);
	ctl_fakes_init();
	ctl_script_run(SDR "; start chl(S)", out);
	ctl_script_run("def chl(RUNS) like(S); stop chl(RUNS) mode(force) "
		       "status(inactive); resolve chl(S) action(backout); "
		       "reset qmgr type(advancelog); stop qmgr mode(immediate)",
	    out);
	assert_string_equal(ctl_fakes.asked,
	    "start channel S;inactive yes;force channel RUNS;backout X;"
	    "checkpoint 12;stop qmgr immediate;");
	ctl_fakes_fini();
	free(out);
}

static void
test_status_rows_have_what_was_asked_for(void **state)
{
	(void)state;
	static const struct row rows[] = {
	    {"dis chs(A*) status msgs retryin error",
		"CHANNEL=A.B CHLTYPE=SDR ERROR=refused MSGS=7 RETRYIN=2 "
		"STATUS=RETRYING\n-> OK\n"},
	    {"dis chs(*) status",
		"CHANNEL=A.B CHLTYPE=SDR STATUS=RETRYING\n"
		"CHANNEL=C.D CHLTYPE=SDR STATUS=RUNNING\n-> OK\n"},
	    {"def ql(X) usage(xmitq); dis chs(*) substate mcastat secprot "
	     "curmsgs indoubt xqmsgsa",
		"-> OK\nCHANNEL=A.B CHLTYPE=SDR CURMSGS=0 INDOUBT=YES "
		"MCASTAT=NOT RUNNING SECPROT= SUBSTATE= XQMSGSA=30\n"
		"CHANNEL=C.D CHLTYPE=SDR CURMSGS=4 INDOUBT=YES "
		"MCASTAT=RUNNING SECPROT=TLSV12 SUBSTATE=MQGET "
		"XQMSGSA=30\n-> OK\n"},
	    /* blank, of a channel that does not have the queue just now */
	    {"def ql(X) usage(xmitq); dis chs(*) monchl nettime xbatchsz "
	     "xqtime",
		"-> OK\nCHANNEL=A.B CHLTYPE=SDR MONCHL= NETTIME= XBATCHSZ= "
		"XQTIME=\nCHANNEL=C.D CHLTYPE=SDR MONCHL=HIGH NETTIME=77,77 "
		"XBATCHSZ=16,16 XQTIME=1500,1500\n-> OK\n"},
	    {"dis chs(*) msgs where(status eq running)",
		"CHANNEL=C.D CHLTYPE=SDR MSGS=7\n-> OK\n"},
	    {"dis chs(*) status where(status ne running)",
		"CHANNEL=A.B CHLTYPE=SDR STATUS=RETRYING\n-> OK\n"},
	    {"dis chs(*) status xmitq(NONE)",
		"-> UNKNOWN_OBJECT CHSTATUS(*) not found: an inactive channel "
		"has none\n"},
	    {"dis chs(*) status(running)",
		"-> ATTRIBUTE STATUS takes no value in DISPLAY: use WHERE\n"},
	    {"dis chs(*) where(bogus eq 1)",
		"-> ATTRIBUTE BOGUS is not a parameter of DISPLAY "
		"CHSTATUS\n"},
	    {"dis chs(*) where(status is good)",
		"-> ATTRIBUTE IS is not an operator of WHERE\n"},
	    {"def ql(A); dis qs(*) curdepth where(ipprocs lt 2)",
		"-> OK\n-> UNKNOWN_OBJECT QSTATUS(*) not found: only local "
		"queues have one\n"},
	    {"dis chs(Z)", "-> UNKNOWN_OBJECT CHSTATUS(Z) not found: an "
			   "inactive channel has none\n"},
	    {"dis chs(*) bogus",
		"-> ATTRIBUTE BOGUS is not a parameter of DISPLAY "
		"CHSTATUS\n"},
	    {"def ql(X) usage(xmitq);" SDR "; dis chs(S) saved;"
	     "dis chs(*) saved lstseqno",
		"-> OK\n-> OK\n"
		"CHANNEL=S CHLTYPE=SDR CURSEQNO=9 INDOUBT=YES LSTSEQNO=5 "
		"RQMID=00000000000000000000000000000002 SSLPEER=CN=QM2 "
		"STREAM=1a000000000000000000000000000000 XMITQ=X\n-> OK\n"
		"CHANNEL=S CHLTYPE=SDR LSTSEQNO=5\n"
		"CHANNEL= CHLTYPE=RCVR LSTSEQNO=77\n-> OK\n"},
	    {SDR "; dis chs(S) saved",
		"-> OK\n-> UNKNOWN_OBJECT CHSTATUS(S) not found: nothing is "
		"saved\n"},
	    {"def ql(X) usage(xmitq);" SDR "; resolve chl(S) action(commit)",
		"-> OK\n-> OK\n-> RESOURCE_PROBLEM 8 partners are being "
		"asked: try again\n"},
	    {"def ql(X) usage(xmitq);" SVR
	     "; resolve chl(V) action(commit); resolve chl(V) "
	     "action(backout)",
		"-> OK\n-> OK\n-> OK the partner could not be asked (it "
		"calls, the channel has no CONNAME); messages up to number 9 "
		"count as delivered\n-> OK the partner could not be asked (it "
		"calls, the channel has no CONNAME); messages after number 5 "
		"are sent again, to whomever the queue is bound next\n"},
	    {SDR "; resolve chl(S) action(maybe)",
		"-> OK\n-> ATTRIBUTE ACTION(MAYBE) is not valid: it must be "
		"COMMIT, BACKOUT\n"},
	    {"dis ls(*) port status",
		"LISTENER=L PORT=1414 STATUS=RUNNING\n-> OK\n"},
	    {"def ql(A); def qa(B); dis qs(*) ipprocs lputdate lputtime "
	     "lgetdate",
		"-> OK\n-> OK\nQUEUE=A TYPE=QUEUE IPPROCS=2 LGETDATE= "
		"LPUTDATE=1970-01-02 LPUTTIME=00.00.00\n-> OK\n"},
	    {"dis qmstatus status conns datpath",
		"QMNAME=QM1 CONNS=3 DATPATH=/dir STATUS=RUNNING\n-> OK\n"},
	    {"dis qmstatus currlog reclog",
		"QMNAME=QM1 CURRLOG=12 RECLOG=9\n-> OK\n"},
	};
	CHECK(rows);
}

/* By the number that is kept, and by nothing else. */
static void
test_a_position_is_forgotten_by_its_number(void **state)
{
#define RESET "reset chl(R) seqnum(1) stream('" HEX30 "00')"

	static const struct {
		unsigned partners;
		bool open;
		const char *script, *want;
	} rows[] = {
	    {1, false, RESET,
		"-> POSITION_MOVED messages up to 71 of this stream of "
		"00000000000000000000000000000001 (CN=QM1) have arrived: say "
		"LSTSEQNO(71) to forget it\n"},
	    {1, false, RESET " lstseqno(7)",
		"-> POSITION_MOVED messages up to 71 of this stream of "
		"00000000000000000000000000000001 (CN=QM1) have arrived: say "
		"LSTSEQNO(71) to forget it\n"},
	    {1, true, RESET " lstseqno(71)",
		"-> OBJECT_IN_USE a receiver takes messages of this stream: "
		"stop it first\n"},
	    {2, false, RESET " lstseqno(71)",
		"-> ATTRIBUTE 2 partners have STREAM(" HEX30
		"00): RQMID says which\n"},
	    {2, false,
		RESET " lstseqno(71) rqmid(00000000000000000000000000000001)",
		"-> OK the position 71 is forgotten: what the partner still "
		"has of that stream would come anew; RESOLVE CHANNEL there "
		"says what has arrived\n"},
	};

	char *out = malloc(OUT_LEN);

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		ctl_fakes_init();
		ctl_script_run(RCVR, out);
		ctl_fakes.partners = rows[i].partners;
		ctl_fakes.queue_open = rows[i].open;
		ctl_script_run(rows[i].script, out);
		assert_string_equal(out, rows[i].want);
		assert_string_equal(ctl_fakes.asked,
		    i < 4 ? "" : "forget 00000000000000000000000000000001;");
		ctl_fakes_fini();
	}
	free(out);
#undef RESET
}

/* What the partner says counts before what the person says. */
static void
test_resolve_judges_what_the_partner_has_said(void **state)
{
	static const struct {
		const char *action;
		bool no_doubt;
		enum mqi_err said;
		const char *text;
		enum mqi_err want;
		const char *want_text, *done;
	} rows[] = {
	    {"action(commit)", false, MQI_OK, "it has 5", MQI_E_CHANNEL_INDOUBT,
		"it has 5: those after it, up to 9, would be lost; START "
		"CHANNEL sends them, FORCE counts them as delivered all the "
		"same",
		""},
	    {"action(commit) force", false, MQI_OK, "it has 5", MQI_OK,
		"it has 5; messages up to number 9 count as delivered",
		"commit X;"},
	    {"action(commit)", true, MQI_OK, "it has 9", MQI_OK,
		"it has 9; messages up to number 9 count as delivered",
		"commit X;"},
	    {"action(commit)", false, MQI_E_NOT_CURRENT, "no", MQI_OK,
		"the partner could not be asked (no); messages up to number 9 "
		"count as delivered",
		"commit X;"},
	    {"action(backout)", false, MQI_OK, "it has 5", MQI_OK,
		"it has 5; messages after number 5 are sent again, to "
		"whomever the queue is bound next",
		"backout X;"},
	};

	char *out = malloc(OUT_LEN), text[PINGS_TEXT_LEN], script[64];
	uint64_t pos;

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
		ctl_fakes_init();
		ctl_script_run("def ql(X) usage(xmitq);" SDR, out);
		(void)snprintf(script, sizeof(script), "resolve chl(S) %s",
		    rows[i].action);
		ctl_script_run(script, out);
		assert_string_equal(ctl_fakes.asked, "ask S;");
		ctl_fakes.asked[0] = '\0';
		ctl_fakes.no_doubt = rows[i].no_doubt;
		strcpy(text, rows[i].text);
		assert_int_equal(ctl_fakes.then.fn(NULL, &ctl_fakes.then,
				     rows[i].said, text, &pos),
		    rows[i].want);
		assert_string_equal(text, rows[i].want_text);
		assert_string_equal(ctl_fakes.asked, rows[i].done);
		/* it is about another queue now */
		ctl_script_run("alter chl(S) chltype(sdr) xmitq(Y)", out);
		assert_int_equal(ctl_fakes.then.fn(
				     NULL, &ctl_fakes.then, MQI_OK, text, &pos),
		    MQI_E_STATE);
		ctl_fakes_fini();
	}
	free(out);
}

static void
test_answers_leave_when_the_change_is_durable(void **state)
{
	(void)state;
	char *out = malloc(OUT_LEN);
	ctl_fakes_init();
	ctl_script_run("def ql(A)", out);
	assert_int_equal(ctl_fakes.reply_pos, 42);
	ctl_script_run("dis ql(A)", out);
	assert_int_equal(ctl_fakes.reply_pos, 0);
	ctl_script_run("delete ql(A)", out);
	assert_int_equal(ctl_fakes.reply_pos, 43);
	ctl_fakes_fini();
	free(out);
}

static void
test_an_answer_that_is_too_long_is_refused_whole(void **state)
{
	(void)state;
	char *out = malloc(OUT_LEN);
	char line[128];
	ctl_fakes_init();
	/* a row of all attributes is more than 200 bytes */
	for (int i = 0; i < 84000; i++) {
		struct mqattr_set *set = mqattr_set_new(MQATTR_QLOCAL);
		uint64_t pos;
		(void)snprintf(line, sizeof(line), "Q.%d", i);
		assert_int_equal(
		    engine_object_set(NULL, MQATTR_QLOCAL, line, set, &pos),
		    MQI_OK);
		mqattr_set_free(set);
	}
	ctl_script_run("dis ql(*)", out);
	assert_string_equal(
	    out, "-> TOO_BIG the answer is too long: name fewer objects\n");
	ctl_script_run("dis ql(Q.83999) maxdepth", out);
	assert_string_equal(
	    out, "QUEUE=Q.83999 TYPE=QLOCAL MAXDEPTH=5000\n-> OK\n");
	ctl_fakes_fini();
	free(out);
}

static void
test_bytes_that_are_no_command_are_answered(void **state)
{
	(void)state;
	char *out = calloc(1, OUT_LEN);
	ctl_fakes_init();
	ctl_command(ctl_fakes_qmgr(), ctl_fakes_session(), 7, "\xff", 1);
	ctl_script_show(out);
	assert_string_equal(
	    out, "-> PROTOCOL the command's bytes are not valid\n");
	ctl_fakes_fini();
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_define_then_display_shows_what_was_given_and_defaults),
	    cmocka_unit_test(
		test_commands_that_nothing_carries_out_are_refused_by_name),
	    cmocka_unit_test(
		test_define_refuses_what_is_not_right_and_names_it),
	    cmocka_unit_test(test_channels_need_a_type_and_what_it_requires),
	    cmocka_unit_test(test_like_and_replace_decide_what_is_not_given),
	    cmocka_unit_test(
		test_the_queue_manager_has_attributes_without_being_defined),
	    cmocka_unit_test(test_display_walks_all_types_in_order_and_filters),
	    cmocka_unit_test(test_namelists_hold_names_and_processes_programs),
	    cmocka_unit_test(test_services_are_defined_started_and_shown),
	    cmocka_unit_test(test_a_namelist_has_at_most_256_names),
	    cmocka_unit_test(
		test_delete_takes_the_type_named_and_nothing_in_use),
	    cmocka_unit_test(test_start_and_stop_are_handed_to_the_agents),
	    cmocka_unit_test(test_status_rows_have_what_was_asked_for),
	    cmocka_unit_test(test_a_position_is_forgotten_by_its_number),
	    cmocka_unit_test(test_topics_and_subscriptions),
	    cmocka_unit_test(test_resolve_judges_what_the_partner_has_said),
	    cmocka_unit_test(test_answers_leave_when_the_change_is_durable),
	    cmocka_unit_test(test_an_answer_that_is_too_long_is_refused_whole),
	    cmocka_unit_test(test_bytes_that_are_no_command_are_answered),
	};
	mqlog_init("QM1", false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
