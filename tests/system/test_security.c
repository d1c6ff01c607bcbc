/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_security.c - who may connect: two real queue managers, their
 * certificates and the rules of the one that is called.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/pair.h"

#define OK(call) assert_int_equal((call), MQI_OK)

/* ---- helpers ---- */

static void
mqadmin(struct pair *p, const char *const args[])
{
	const char *argv[16] = {NULL};
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	argv[0] = bin;
	for (int i = 0; args[i] != NULL; i++)
		argv[i + 1] = args[i];
	(void)snprintf(log, sizeof(log), "%.4000s/mqadmin", p->dir.path);
	if (proc_run(argv, NULL, log, &out) != 0)
		fail_msg("mqadmin %s: %s", args[0], out);
	free(out);
}

#define MQADMIN(p, ...) mqadmin(p, (const char *const[]){__VA_ARGS__, NULL})

static int
setup(void **state)
{
	(void)pair_setup(state);
	pair_channel(*state, "QM1.QM2");
	return 0;
}

/* ---- TLS ---- */

static void
test_tls12_is_for_the_channel_that_asks_for_it(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[0], "ALTER CHANNEL(QM1.QM2) CHLTYPE(SDR) "
			   "SSLCIPH(ECDHE_ECDSA_AES_128_GCM_SHA256)");
	pair_put(p, 1, 0);
	pair_wait_log(p, 0, 1, "channel.failed", "protocol version");
	/* another channel's wish lets it as far as the HELLO */
	qm_mqsc(&p->qm[1], "DEFINE CHANNEL(OTHER) CHLTYPE(RCVR) "
			   "SSLPEER('CN=X') SSLCIPH(ANY_TLS12_OR_HIGHER)");
	pair_wait_log(p, 1, 1, "TLSv1.2", "does not let in");
	pair_wait_log(p, 0, 1, "TLSv1.2", "does not let in");
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);
	qm_mqsc(&p->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLCIPH(ANY_TLS12)");
	pair_get(p);
	pair_wait_log(
	    p, 1, 1, "channel.running", "ECDHE-ECDSA-AES128-GCM-SHA256");
}

/* QM1's certificate is about to end, and another comes into its place. */
static void
test_a_channel_takes_its_new_certificate(void **state)
{
	struct pair *p = *state;
	char ca[PATH_MAX], own[PATH_MAX], fresh[PATH_MAX], from[PATH_MAX + 16],
	    to[PATH_MAX + 16];

	(void)snprintf(ca, sizeof(ca), "%.3000s/ca", p->dir.path);
	(void)snprintf(fresh, sizeof(fresh), "%.3000s/fresh", p->dir.path);
	(void)snprintf(
	    own, sizeof(own), "%.3000s/QM1/ssl/short", p->qm[0].root);
	*strrchr(own, '/') = '\0';
	MQADMIN(p, "tls", "issue", ca, "QM1", "--out", own, "--label", "short",
	    "--days", "1");
	qm_mqsc(&p->qm[0], "ALTER QMGR CERTLABL('short')");
	pair_put(p, 1, 0);
	pair_get(p);
	pair_wait_log(p, 0, 1, "certificate.ends", "what=own");
	pair_wait_log(p, 1, 1, "certificate.ends", "what=partner");
	MQADMIN(p, "tls", "issue", ca, "QM1", "--out", fresh, "--days", "100");
	(void)snprintf(from, sizeof(from), "%s/cert.pem", fresh);
	(void)snprintf(to, sizeof(to), "%s/short.cert.pem", own);
	assert_int_equal(rename(from, to), 0);
	/* half of it is no reason to end */
	pair_wait_log(
	    p, 0, 1, "certificate.new", "the key is not the certificate's");
	(void)snprintf(from, sizeof(from), "%s/key.pem", fresh);
	(void)snprintf(to, sizeof(to), "%s/short.key.pem", own);
	assert_int_equal(rename(from, to), 0);
	pair_wait_log(p, 0, 1, "certificate.replaced", "QM1.QM2");
	pair_put(p, 1, 0);
	pair_get(p);
	assert_int_equal(
	    qm_log_count(&p->qm[0], "channel.running", "QM1.QM2"), 2);
	assert_int_equal(qm_log_count(&p->qm[0], "certificate.ends", ""), 1);
}

/* ---- REFRESH SECURITY ---- */

static void
test_a_revoked_partner_is_out_after_a_refresh(void **state)
{
	struct pair *p = *state;
	char ca[PATH_MAX], cert[PATH_MAX], own[PATH_MAX], list[PATH_MAX],
	    copy[PATH_MAX];

	(void)snprintf(ca, sizeof(ca), "%.3000s/ca", p->dir.path);
	(void)snprintf(own, sizeof(own), "%.3000s/QM1/ssl", p->qm[0].root);
	(void)snprintf(
	    cert, sizeof(cert), "%.3000s/QM1/ssl/cert.pem", p->qm[0].root);
	(void)snprintf(list, sizeof(list), "%.3000s/ca/crl.pem", p->dir.path);
	(void)snprintf(
	    copy, sizeof(copy), "%.3000s/QM2/ssl/crl.pem", p->qm[1].root);
	pair_put(p, 1, 0);
	pair_get(p);
	/* a list without it changes nothing */
	MQADMIN(p, "tls", "revoke", ca);
	assert_int_equal(link(list, copy), 0);
	qm_mqsc(&p->qm[1], "REFRESH SECURITY TYPE(SSL)");
	pair_put(p, 1, 0);
	pair_get(p);
	assert_int_equal(qm_log_count(&p->qm[1], "channel.running", ""), 1);

	MQADMIN(p, "tls", "revoke", ca, cert);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(link(list, copy), 0);
	qm_mqsc(&p->qm[1], "REFRESH SECURITY TYPE(SSL)");
	pair_wait_log(p, 1, 1, "channel.failed", "certificate revoked");
	pair_wait_log(p, 0, 1, "channel.failed", "certificate revoked");
	pair_put(p, 1, 0);
	pair_put(p, 1, 0);
	pair_wait_log(p, 1, 2, "channel.failed", "certificate revoked");
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);

	MQADMIN(p, "tls", "issue", ca, "QM1", "--out", own, "--label", "new");
	qm_mqsc(&p->qm[0], "ALTER QMGR CERTLABL('new')");
	pair_get(p);
}

/* ---- addresses ---- */

static void
test_a_blocked_address_is_closed_at_once(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[1], "SET CHLAUTH('*') TYPE(BLOCKADDR) "
			   "ADDRLIST('10.*','127.0.0.0/8')");
	pair_put(p, 1, 0);
	pair_put(p, 1, 0);
	pair_wait_log(p, 1, 1, "receiver.blocked", "BLOCKADDR");
	qm_mqsc(&p->qm[1], "SET CHLAUTH('*') TYPE(BLOCKADDR) "
			   "ADDRLIST('127.0.0.1') WARN(YES) ACTION(REPLACE)");
	pair_wait_log(p, 1, 1, "receiver.blocked", "only warns");
	pair_get(p);
}

/* ---- who may connect ---- */

/* What RUNCHECK says of QM1, in the words of the answer. */
static void
predict(struct pair *p, const char *answer)
{
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/mqadmin", p->dir.path);
	assert_int_equal(
	    proc_run((const char *const[]){bin, "mqsc", "QM2", "--root",
			 p->qm[1].root, NULL},
		"DISPLAY CHLAUTH(QM1.QM2) MATCH(RUNCHECK) ADDRESS('127.0.0.1') "
		"+\nSSLPEER('CN=QM1') SSLCERTI('CN=Sluice private authority') "
		"+\nQMNAME(QM1)\n",
		log, &out),
	    0);
	if (strstr(out, answer) == NULL)
		fail_msg("no '%s' in: %s", answer, out);
	free(out);
}

/* The rules of QM2, instead of those that there are; what becomes of QM1 is
 * what RUNCHECK says.  why: of a refusal, in the log of QM2; NULL: let in. */
static void
judge(struct pair *p, const char *rules, const char *answer, const char *why)
{
	unsigned refused = qm_log_count(&p->qm[1], "chlauth.refused", "");

	qm_mqsc(&p->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "SET CHLAUTH('QM1.*') ACTION(REMOVEALL)");
	if (*rules != '\0')
		qm_mqsc(&p->qm[1], rules);
	predict(p, answer);
	pair_put(p, 1, 0);
	if (why == NULL) {
		pair_get(p);
		return;
	}
	pair_wait_log(p, 1, refused + 1, "chlauth.refused", "");
	pair_wait_log(p, 1, 1, "chlauth.refused", why);
}

static void
test_who_may_connect_is_what_the_records_say(void **state)
{
	struct pair *p = *state;

	/* the sender tries again each second, so nothing runs in between */
	judge(p, "", "USERSRC(NOACCESS)",
	    "no CHLAUTH record lets it in; one would be SET "
	    "CHLAUTH('QM1.QM2') TYPE(SSLPEERMAP) SSLPEER('CN=QM1')");
	judge(p,
	    "SET CHLAUTH('*') TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "SSLCERTI('CN=Other') MCAUSER('partner')",
	    "USERSRC(NOACCESS)", "no CHLAUTH record lets it in");
	judge(p,
	    "SET CHLAUTH('*') TYPE(SSLPEERMAP) SSLPEER('CN=*') "
	    "MCAUSER('partner')\n"
	    "SET CHLAUTH('QM1.*') TYPE(QMGRMAP) QMNAME(QM1) "
	    "USERSRC(NOACCESS)",
	    "USERSRC(NOACCESS)", "TYPE(QMGRMAP) QMNAME('QM1')");
	judge(p,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('127.*') "
	    "MCAUSER('partner')\n"
	    "SET CHLAUTH('*') TYPE(BLOCKUSER) USERLIST('partner')",
	    "TYPE(BLOCKUSER)", "the user is blocked: partner");
	judge(p,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('127.*') "
	    "MCAUSER('root')",
	    "USERSRC(NOACCESS)", "owner of the queue manager");
	/* the partner is told that, and not why */
	pair_wait_log(
	    p, 0, 1, "channel.failed", "not authorized to use channel");
	assert_int_equal(qm_log_count(&p->qm[0], "CHLAUTH record", ""), 0);
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);
	judge(p,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('*') "
	    "USERSRC(NOACCESS)\n"
	    "SET CHLAUTH('QM1.*') TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "SSLCERTI('CN=Sluice*') ADDRESS('127.0.0.0/8') "
	    "MCAUSER('partner')",
	    "MCAUSER(partner)", NULL);
}

static void
test_a_record_that_warns_lets_in_and_says_so(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) MCAUSER('partner')");
	judge(p,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('*') "
	    "USERSRC(NOACCESS) WARN(YES)",
	    "MCAUSER(partner)", NULL);
	pair_wait_log(p, 1, 1, "chlauth.warning", "WARN(YES)");
}

/* A record goes, and comes back, while messages are on their way. */
static void
test_a_channel_ends_when_its_record_goes(void **state)
{
	struct pair *p = *state;

	pair_put(p, 1, 0);
	pair_get(p);
	qm_mqsc(&p->qm[1], "REFRESH SECURITY");
	pair_put(p, 1, 0);
	pair_get(p);
	assert_int_equal(qm_log_count(&p->qm[1], "channel.running", ""), 1);
	qm_mqsc(&p->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "REFRESH SECURITY TYPE(AUTHSERV)");
	pair_wait_log(p, 1, 1, "chlauth.refused", "no CHLAUTH record");
	pair_wait_log(p, 0, 1, "channel.failed", "not authorized");
	for (int i = 0; i < 20; i++)
		pair_put(p, 1, 0);
	assert_int_equal(qm_depth(&p->qm[1], "IN"), 0);
	qm_let_in(&p->qm[1]);
	pair_get(p);
}

/* As this user at QM1. */
static void
put_for(struct pair *p, const char *user, const char *name)
{
	const struct mqi_open_opts opts = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .alternate_user = user};
	mqi_conn *conn = qm_connect(&p->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open_with(conn, name, "QM2", &opts, &queue));
	OK(mqi_put(queue, NULL, &md, user, strlen(user)));
	OK(mqi_disconnect(conn));
}

static void
put_as(struct pair *p, const char *user)
{
	put_for(p, user, "IN");
}

static void
await_depths(struct pair *p, uint64_t in, uint64_t dead)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (qm_depth(&p->qm[1], "IN") != in ||
	       qm_depth(&p->qm[1], "DLQ") != dead) {
		if (test_now_ms() > end)
			pair_die(p, "messages are not where they belong");
		(void)poll(NULL, 0, 20);
	}
}

static void
test_putaut_ctx_asks_for_the_rights_of_the_messages_user(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[0],
	    "SET AUTHREC PROFILE(QM2) OBJTYPE(QUEUE) PRINCIPAL('alice') "
	    "AUTHADD(PUT)\n"
	    "SET AUTHREC PROFILE(QM2) OBJTYPE(QUEUE) PRINCIPAL('bob') "
	    "AUTHADD(PUT)\n");
	qm_mqsc(&p->qm[1],
	    "DEFINE QLOCAL(DLQ)\nALTER QMGR DEADQ(DLQ)\n"
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) PUTAUT(CTX)\n"
	    "SET AUTHREC PROFILE(IN) OBJTYPE(QUEUE) PRINCIPAL('alice') "
	    "AUTHADD(PUT)\n");
	/* the channel's own user may put there, but not for others */
	put_as(p, "alice");
	await_depths(p, 0, 1);
	qm_mqsc(&p->qm[1], "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('partner') "
			   "AUTHADD(ALTUSR)\n");
	put_as(p, "alice");
	await_depths(p, 1, 1);
	put_as(p, "bob");
	await_depths(p, 1, 2);
	put_as(p, "alice");
	await_depths(p, 2, 2);
	/* one of the owner's: nobody else's alternate user */
	pair_put(p, 1, 0);
	await_depths(p, 2, 3);
	qm_mqsc(&p->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) PUTAUT(DEF)\n"
	    "STOP CHANNEL(QM1.QM2) STATUS(INACTIVE) MODE(FORCE)\n");
	put_as(p, "bob");
	await_depths(p, 3, 3);
}

/* Gets the next message of QM2's queue, which has that format. */
static void
expect_format(struct pair *p, const char *name, const char *format)
{
	struct mqi_get_opts opts = {.wait_ms = PROC_DEADLINE_MS};
	mqi_conn *conn = qm_connect(&p->qm[1]);
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INPUT_SHARED, &queue));
	OK(mqi_get_msg(queue, NULL, &opts, &msg));
	assert_string_equal(mqi_msg_md(msg)->format, format);
	mqi_msg_free(msg);
	OK(mqi_disconnect(conn));
}

static void
test_system_queues_and_dead_letters_are_for_whom_they_are_granted(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[0],
	    "SET AUTHREC PROFILE(QM2) OBJTYPE(QUEUE) PRINCIPAL('alice') "
	    "AUTHADD(PUT)\n");
	qm_mqsc(&p->qm[1], "DEFINE QLOCAL(SYSTEM.DLQ)\n"
			   "ALTER QMGR DEADQ(SYSTEM.DLQ)\n"
			   "DEFINE QLOCAL(SYSTEM.X)\n");
	put_for(p, "alice", "SYSTEM.X");
	expect_format(p, "SYSTEM.DLQ", "MQDEAD");
	put_for(p, "alice", "SYSTEM.DLQ");
	expect_format(p, "SYSTEM.DLQ", "MQDEAD");
	qm_mqsc(&p->qm[1],
	    "SET AUTHREC PROFILE(SYSTEM.*) OBJTYPE(QUEUE) PRINCIPAL('partner') "
	    "AUTHADD(PUT)\n");
	put_for(p, "alice", "SYSTEM.X");
	expect_format(p, "SYSTEM.X", "");
	put_for(p, "alice", "SYSTEM.DLQ");
	expect_format(p, "SYSTEM.DLQ", "");
}

static void
test_without_chlauth_the_channel_decides(void **state)
{
	struct pair *p = *state;

	qm_mqsc(&p->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "ALTER QMGR CHLAUTH(DISABLED)");
	pair_put(p, 1, 0);
	pair_wait_log(p, 1, 1, "chlauth.refused", "MCAUSER is blank");
	qm_mqsc(&p->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) MCAUSER('partner')");
	pair_get(p);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, pair_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_tls12_is_for_the_channel_that_asks_for_it),
	    TEST(test_a_channel_takes_its_new_certificate),
	    TEST(test_a_revoked_partner_is_out_after_a_refresh),
	    TEST(test_a_blocked_address_is_closed_at_once),
	    TEST(test_who_may_connect_is_what_the_records_say),
	    TEST(test_a_record_that_warns_lets_in_and_says_so),
	    TEST(test_a_channel_ends_when_its_record_goes),
	    TEST(test_putaut_ctx_asks_for_the_rights_of_the_messages_user),
	    TEST(
		test_system_queues_and_dead_letters_are_for_whom_they_are_granted),
	    TEST(test_without_chlauth_the_channel_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
