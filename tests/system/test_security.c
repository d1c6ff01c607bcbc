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

#include "tests/lib/qm.h"

#define OK(call) assert_int_equal((call), MQI_OK)

struct fixture {
	struct tmpdir dir;
	struct qm qm[2];
	int port;
	unsigned put; /* messages so far */
	unsigned got;
};

/* ---- helpers ---- */

static void
mqadmin(struct fixture *f, const char *const args[])
{
	const char *argv[16] = {NULL};
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	argv[0] = bin;
	for (int i = 0; args[i] != NULL; i++)
		argv[i + 1] = args[i];
	(void)snprintf(log, sizeof(log), "%.4000s/mqadmin", f->dir.path);
	if (proc_run(argv, NULL, log, &out) != 0)
		fail_msg("mqadmin %s: %s", args[0], out);
	free(out);
}

#define MQADMIN(f, ...) mqadmin(f, (const char *const[]){__VA_ARGS__, NULL})

static void
put_one(struct fixture *f)
{
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	f->put++;
	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open(conn, "IN", "QM2", MQI_OO_OUTPUT, &queue));
	OK(mqi_put(queue, NULL, &md, &f->put, sizeof(f->put)));
	OK(mqi_disconnect(conn));
}

static uint64_t
depth(const struct qm *q, const char *name)
{
	struct mqi_queue_info info = {0};
	mqi_conn *conn = qm_connect(q);
	mqi_queue *queue = NULL;

	OK(mqi_open(conn, name, NULL, MQI_OO_INQUIRE, &queue));
	OK(mqi_inquire(queue, &info));
	OK(mqi_disconnect(conn));
	return info.depth;
}

static _Noreturn void
die(struct fixture *f, const char *what)
{
	proc_print_log(&f->qm[0].proc);
	proc_die(&f->qm[1].proc, what);
}

/* Everything that was put is at QM2, once and in order. */
static void
all_arrived(struct fixture *f)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;
	mqi_conn *conn;
	mqi_queue *queue = NULL;
	mqi_msg *msg = NULL;

	while (depth(&f->qm[1], "IN") < f->put - f->got ||
	       depth(&f->qm[0], "QM2") > 0) {
		if (test_now_ms() > end)
			die(f, "messages do not arrive");
		(void)poll(NULL, 0, 20);
	}
	conn = qm_connect(&f->qm[1]);
	OK(mqi_open(conn, "IN", NULL, MQI_OO_INPUT_SHARED, &queue));
	for (unsigned i = f->got + 1; i <= f->put; i++) {
		OK(mqi_poll(queue, NULL, &msg));
		assert_int_equal(*(const unsigned *)mqi_msg_body(msg), i);
		mqi_msg_free(msg);
	}
	f->got = f->put;
	OK(mqi_disconnect(conn));
}

/* How many lines of the log hold both texts. */
static unsigned
log_count(const struct qm *q, const char *a, const char *b)
{
	FILE *file = fopen(q->proc.log, "re");
	char line[8192];
	unsigned n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		n += strstr(line, a) != NULL && strstr(line, b) != NULL;
	(void)fclose(file);
	return n;
}

static void
wait_log(struct fixture *f, int at, unsigned n, const char *a, const char *b)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (log_count(&f->qm[at], a, b) < n) {
		if (test_now_ms() > end) {
			(void)fprintf(stderr, "no '%s' with '%s'\n", a, b);
			die(f, "the log does not say it");
		}
		(void)poll(NULL, 0, 20);
	}
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024];

	f->port = proc_free_port();
	tmpdir_make(&f->dir);
	for (int i = 0; i < 2; i++) {
		qm_create(&f->qm[i], &f->dir, i == 0 ? "QM1" : "QM2");
		qm_tls(&f->qm[i], &f->dir);
		qm_start(&f->qm[i]);
	}
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(IN) DEFPSIST(YES)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLPEER('CN=QM1')\n"
	    "DEFINE LISTENER(TCP) TRPTYPE(TCP) IPADDR('127.0.0.1') PORT(%d) "
	    "CONTROL(QMGR)\n"
	    "START LISTENER(TCP)\n",
	    f->port);
	qm_mqsc(&f->qm[1], text);
	(void)snprintf(text, sizeof(text),
	    "DEFINE QLOCAL(QM2) USAGE(XMITQ)\n"
	    "DEFINE CHANNEL(QM1.QM2) CHLTYPE(SDR) XMITQ(QM2) "
	    "CONNAME('127.0.0.1(%d)') SSLPEER('CN=QM2') SHORTRTY(1000) "
	    "SHORTTMR(1)\n",
	    f->port);
	qm_mqsc(&f->qm[0], text);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		qm_fini(&f->qm[i]);
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* ---- TLS ---- */

static void
test_tls12_is_for_the_channel_that_asks_for_it(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm[0], "ALTER CHANNEL(QM1.QM2) CHLTYPE(SDR) "
			   "SSLCIPH(ECDHE_ECDSA_AES_128_GCM_SHA256)");
	put_one(f);
	wait_log(f, 0, 1, "channel.failed", "protocol version");
	/* another channel's wish lets it as far as the HELLO */
	qm_mqsc(&f->qm[1], "DEFINE CHANNEL(OTHER) CHLTYPE(RCVR) "
			   "SSLPEER('CN=X') SSLCIPH(ANY_TLS12_OR_HIGHER)");
	wait_log(f, 1, 1, "TLSv1.2", "does not let in");
	wait_log(f, 0, 1, "TLSv1.2", "does not let in");
	assert_int_equal(depth(&f->qm[1], "IN"), 0);
	qm_mqsc(&f->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) SSLCIPH(ANY_TLS12)");
	all_arrived(f);
	wait_log(f, 1, 1, "channel.running", "ECDHE-ECDSA-AES128-GCM-SHA256");
}

/* QM1's certificate is about to end, and another comes into its place. */
static void
test_a_channel_takes_its_new_certificate(void **state)
{
	struct fixture *f = *state;
	char ca[PATH_MAX], own[PATH_MAX], fresh[PATH_MAX], from[PATH_MAX + 16],
	    to[PATH_MAX + 16];

	(void)snprintf(ca, sizeof(ca), "%.3000s/ca", f->dir.path);
	(void)snprintf(fresh, sizeof(fresh), "%.3000s/fresh", f->dir.path);
	(void)snprintf(
	    own, sizeof(own), "%.3000s/QM1/ssl/short", f->qm[0].root);
	*strrchr(own, '/') = '\0';
	MQADMIN(f, "tls", "issue", ca, "QM1", "--out", own, "--label", "short",
	    "--days", "1");
	qm_mqsc(&f->qm[0], "ALTER QMGR CERTLABL('short')");
	put_one(f);
	all_arrived(f);
	wait_log(f, 0, 1, "certificate.ends", "what=own");
	wait_log(f, 1, 1, "certificate.ends", "what=partner");
	MQADMIN(f, "tls", "issue", ca, "QM1", "--out", fresh, "--days", "100");
	(void)snprintf(from, sizeof(from), "%s/cert.pem", fresh);
	(void)snprintf(to, sizeof(to), "%s/short.cert.pem", own);
	assert_int_equal(rename(from, to), 0);
	/* half of it is no reason to end */
	wait_log(
	    f, 0, 1, "certificate.new", "the key is not the certificate's");
	(void)snprintf(from, sizeof(from), "%s/key.pem", fresh);
	(void)snprintf(to, sizeof(to), "%s/short.key.pem", own);
	assert_int_equal(rename(from, to), 0);
	wait_log(f, 0, 1, "certificate.replaced", "QM1.QM2");
	put_one(f);
	all_arrived(f);
	assert_int_equal(log_count(&f->qm[0], "channel.running", "QM1.QM2"), 2);
	assert_int_equal(log_count(&f->qm[0], "certificate.ends", ""), 1);
}

/* ---- REFRESH SECURITY ---- */

static void
test_a_revoked_partner_is_out_after_a_refresh(void **state)
{
	struct fixture *f = *state;
	char ca[PATH_MAX], cert[PATH_MAX], own[PATH_MAX], list[PATH_MAX],
	    copy[PATH_MAX];

	(void)snprintf(ca, sizeof(ca), "%.3000s/ca", f->dir.path);
	(void)snprintf(own, sizeof(own), "%.3000s/QM1/ssl", f->qm[0].root);
	(void)snprintf(
	    cert, sizeof(cert), "%.3000s/QM1/ssl/cert.pem", f->qm[0].root);
	(void)snprintf(list, sizeof(list), "%.3000s/ca/crl.pem", f->dir.path);
	(void)snprintf(
	    copy, sizeof(copy), "%.3000s/QM2/ssl/crl.pem", f->qm[1].root);
	put_one(f);
	all_arrived(f);
	/* a list without it changes nothing */
	MQADMIN(f, "tls", "revoke", ca);
	assert_int_equal(link(list, copy), 0);
	qm_mqsc(&f->qm[1], "REFRESH SECURITY TYPE(SSL)");
	put_one(f);
	all_arrived(f);
	assert_int_equal(log_count(&f->qm[1], "channel.running", ""), 1);

	MQADMIN(f, "tls", "revoke", ca, cert);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(link(list, copy), 0);
	qm_mqsc(&f->qm[1], "REFRESH SECURITY TYPE(SSL)");
	wait_log(f, 1, 1, "channel.failed", "certificate revoked");
	wait_log(f, 0, 1, "channel.failed", "certificate revoked");
	put_one(f);
	put_one(f);
	wait_log(f, 1, 2, "channel.failed", "certificate revoked");
	assert_int_equal(depth(&f->qm[1], "IN"), 0);

	MQADMIN(f, "tls", "issue", ca, "QM1", "--out", own, "--label", "new");
	qm_mqsc(&f->qm[0], "ALTER QMGR CERTLABL('new')");
	all_arrived(f);
}

/* ---- addresses ---- */

static void
test_a_blocked_address_is_closed_at_once(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm[1], "SET CHLAUTH('*') TYPE(BLOCKADDR) "
			   "ADDRLIST('10.*','127.0.0.0/8')");
	put_one(f);
	put_one(f);
	wait_log(f, 1, 1, "receiver.blocked", "BLOCKADDR");
	qm_mqsc(&f->qm[1], "SET CHLAUTH('*') TYPE(BLOCKADDR) "
			   "ADDRLIST('127.0.0.1') WARN(YES) ACTION(REPLACE)");
	wait_log(f, 1, 1, "receiver.blocked", "only warns");
	all_arrived(f);
}

/* ---- who may connect ---- */

/* What RUNCHECK says of QM1, in the words of the answer. */
static void
predict(struct fixture *f, const char *answer)
{
	char bin[PATH_MAX], log[PATH_MAX], *out = NULL;

	proc_bin("mqadmin", bin, sizeof(bin));
	(void)snprintf(log, sizeof(log), "%.4000s/mqadmin", f->dir.path);
	assert_int_equal(
	    proc_run((const char *const[]){bin, "mqsc", "QM2", "--root",
			 f->qm[1].root, NULL},
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
judge(struct fixture *f, const char *rules, const char *answer, const char *why)
{
	unsigned refused = log_count(&f->qm[1], "chlauth.refused", "");

	qm_mqsc(&f->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "SET CHLAUTH('QM1.*') ACTION(REMOVEALL)");
	if (*rules != '\0')
		qm_mqsc(&f->qm[1], rules);
	predict(f, answer);
	put_one(f);
	if (why == NULL) {
		all_arrived(f);
		return;
	}
	wait_log(f, 1, refused + 1, "chlauth.refused", "");
	wait_log(f, 1, 1, "chlauth.refused", why);
}

static void
test_who_may_connect_is_what_the_records_say(void **state)
{
	struct fixture *f = *state;

	/* the sender tries again each second, so nothing runs in between */
	judge(f, "", "USERSRC(NOACCESS)",
	    "no CHLAUTH record lets it in; one would be SET "
	    "CHLAUTH('QM1.QM2') TYPE(SSLPEERMAP) SSLPEER('CN=QM1')");
	judge(f,
	    "SET CHLAUTH('*') TYPE(SSLPEERMAP) SSLPEER('CN=QM1') "
	    "SSLCERTI('CN=Other') MCAUSER('partner')",
	    "USERSRC(NOACCESS)", "no CHLAUTH record lets it in");
	judge(f,
	    "SET CHLAUTH('*') TYPE(SSLPEERMAP) SSLPEER('CN=*') "
	    "MCAUSER('partner')\n"
	    "SET CHLAUTH('QM1.*') TYPE(QMGRMAP) QMNAME(QM1) "
	    "USERSRC(NOACCESS)",
	    "USERSRC(NOACCESS)", "TYPE(QMGRMAP) QMNAME('QM1')");
	judge(f,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('127.*') "
	    "MCAUSER('partner')\n"
	    "SET CHLAUTH('*') TYPE(BLOCKUSER) USERLIST('partner')",
	    "TYPE(BLOCKUSER)", "the user is blocked: partner");
	judge(f,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('127.*') "
	    "MCAUSER('root')",
	    "USERSRC(NOACCESS)", "owner of the queue manager");
	/* the partner is told that, and not why */
	wait_log(f, 0, 1, "channel.failed", "not authorized to use channel");
	assert_int_equal(log_count(&f->qm[0], "CHLAUTH record", ""), 0);
	assert_int_equal(depth(&f->qm[1], "IN"), 0);
	judge(f,
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
	struct fixture *f = *state;

	qm_mqsc(&f->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) MCAUSER('partner')");
	judge(f,
	    "SET CHLAUTH('*') TYPE(ADDRESSMAP) ADDRESS('*') "
	    "USERSRC(NOACCESS) WARN(YES)",
	    "MCAUSER(partner)", NULL);
	wait_log(f, 1, 1, "chlauth.warning", "WARN(YES)");
}

/* A record goes, and comes back, while messages are on their way. */
static void
test_a_channel_ends_when_its_record_goes(void **state)
{
	struct fixture *f = *state;

	put_one(f);
	all_arrived(f);
	qm_mqsc(&f->qm[1], "REFRESH SECURITY");
	put_one(f);
	all_arrived(f);
	assert_int_equal(log_count(&f->qm[1], "channel.running", ""), 1);
	qm_mqsc(&f->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "REFRESH SECURITY TYPE(AUTHSERV)");
	wait_log(f, 1, 1, "chlauth.refused", "no CHLAUTH record");
	wait_log(f, 0, 1, "channel.failed", "not authorized");
	for (int i = 0; i < 20; i++)
		put_one(f);
	assert_int_equal(depth(&f->qm[1], "IN"), 0);
	qm_let_in(&f->qm[1]);
	all_arrived(f);
}

/* As this user at QM1. */
static void
put_as(struct fixture *f, const char *user)
{
	const struct mqi_open_opts opts = {
	    .options = MQI_OO_OUTPUT | MQI_OO_ALTERNATE_USER_AUTHORITY,
	    .alternate_user = user};
	mqi_conn *conn = qm_connect(&f->qm[0]);
	mqi_queue *queue = NULL;
	struct mqi_md md;

	mqi_md_init(&md);
	md.persistence = MQI_PERSISTENCE_YES;
	OK(mqi_open_with(conn, "IN", "QM2", &opts, &queue));
	OK(mqi_put(queue, NULL, &md, user, strlen(user)));
	OK(mqi_disconnect(conn));
}

static void
await_depths(struct fixture *f, uint64_t in, uint64_t dead)
{
	uint64_t end = test_now_ms() + PROC_DEADLINE_MS;

	while (
	    depth(&f->qm[1], "IN") != in || depth(&f->qm[1], "DLQ") != dead) {
		if (test_now_ms() > end)
			die(f, "messages are not where they belong");
		(void)poll(NULL, 0, 20);
	}
}

static void
test_putaut_ctx_asks_for_the_rights_of_the_messages_user(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm[0],
	    "SET AUTHREC PROFILE(QM2) OBJTYPE(QUEUE) PRINCIPAL('alice') "
	    "AUTHADD(PUT)\n"
	    "SET AUTHREC PROFILE(QM2) OBJTYPE(QUEUE) PRINCIPAL('bob') "
	    "AUTHADD(PUT)\n");
	qm_mqsc(&f->qm[1],
	    "DEFINE QLOCAL(DLQ)\nALTER QMGR DEADQ(DLQ)\n"
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) PUTAUT(CTX)\n"
	    "SET AUTHREC PROFILE(IN) OBJTYPE(QUEUE) PRINCIPAL('alice') "
	    "AUTHADD(PUT)\n");
	/* the channel's own user may put there, but not for others */
	put_as(f, "alice");
	await_depths(f, 0, 1);
	qm_mqsc(&f->qm[1], "SET AUTHREC OBJTYPE(QMGR) PRINCIPAL('partner') "
			   "AUTHADD(ALTUSR)\n");
	put_as(f, "alice");
	await_depths(f, 1, 1);
	put_as(f, "bob");
	await_depths(f, 1, 2);
	put_as(f, "alice");
	await_depths(f, 2, 2);
	/* one of the owner's: nobody else's alternate user */
	put_one(f);
	await_depths(f, 2, 3);
	qm_mqsc(&f->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) PUTAUT(DEF)\n"
	    "STOP CHANNEL(QM1.QM2) STATUS(INACTIVE) MODE(FORCE)\n");
	put_as(f, "bob");
	await_depths(f, 3, 3);
}

static void
test_without_chlauth_the_channel_decides(void **state)
{
	struct fixture *f = *state;

	qm_mqsc(&f->qm[1], "SET CHLAUTH('*') ACTION(REMOVEALL)\n"
			   "ALTER QMGR CHLAUTH(DISABLED)");
	put_one(f);
	wait_log(f, 1, 1, "chlauth.refused", "MCAUSER is blank");
	qm_mqsc(&f->qm[1],
	    "ALTER CHANNEL(QM1.QM2) CHLTYPE(RCVR) MCAUSER('partner')");
	all_arrived(f);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_tls12_is_for_the_channel_that_asks_for_it),
	    TEST(test_a_channel_takes_its_new_certificate),
	    TEST(test_a_revoked_partner_is_out_after_a_refresh),
	    TEST(test_a_blocked_address_is_closed_at_once),
	    TEST(test_who_may_connect_is_what_the_records_say),
	    TEST(test_a_record_that_warns_lets_in_and_says_so),
	    TEST(test_a_channel_ends_when_its_record_goes),
	    TEST(test_putaut_ctx_asks_for_the_rights_of_the_messages_user),
	    TEST(test_without_chlauth_the_channel_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
