/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls.c - tls/: two ends over memory, with certificates made here, and
 * everything that must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "tls/tls.h"
#include "tls/tls_ca.h"

static char base[] = "/tmp/sluice-tls-XXXXXX";
static char why[MQTLS_WHY_LEN];

static const char *
path(const char *name)
{
	static char buf[8][256];
	static unsigned at;
	char *p = buf[at++ % 8];

	(void)snprintf(p, sizeof(buf[0]), "%s/%s", base, name);
	return p;
}

static void
issue(const char *ca, const char *dir, const char *cn, int days)
{
	struct mqtls_issue i = {.ca_dir = path(ca),
	    .out_dir = path(dir),
	    .name = cn,
	    .org = "Example",
	    .days = days,
	    .dns = {"localhost"},
	    .ip = {"127.0.0.1"}};

	if (mqtls_ca_issue(&i, why) != MQI_OK)
		fail_msg("%s", why);
}

static int
setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(base));
	assert_int_equal(mqtls_ca_init(path("ca"), "Test CA", 10, why), MQI_OK);
	assert_int_equal(
	    mqtls_ca_init(path("other"), "Other CA", 10, why), MQI_OK);
	issue("ca", "qm1", "QM1", 5);
	issue("ca", "qm2", "QM2", 5);
	issue("ca", "old", "QM3", -1);
	issue("other", "foreign", "QM2", 5);
	return 0;
}

static int
teardown(void **state)
{
	char cmd[300];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	return system(cmd) == 0 ? 0 : -1;
}

struct pair {
	struct mqtls_ctx *client_ctx, *server_ctx;
	struct mqtls_conn *client, *server;
};

static void
pair_init(struct pair *p, const char *client, const char *server,
    const char *client_alpn)
{
	memset(p, 0, sizeof(*p));
	if (mqtls_ctx_new(path(client), why, &p->client_ctx) != MQI_OK)
		fail_msg("%s", why);
	if (mqtls_ctx_new(path(server), why, &p->server_ctx) != MQI_OK)
		fail_msg("%s", why);
	assert_int_equal(
	    mqtls_conn_new(p->client_ctx, false, client_alpn, &p->client),
	    MQI_OK);
	assert_int_equal(
	    mqtls_conn_new(p->server_ctx, true, "sluice-chan/1", &p->server),
	    MQI_OK);
}

static void
pair_fini(struct pair *p)
{
	mqtls_conn_free(p->client);
	mqtls_conn_free(p->server);
	mqtls_ctx_free(p->client_ctx);
	mqtls_ctx_free(p->server_ctx);
}

/* Carries bytes one way, at most `step` at a time. */
static void
carry(struct mqtls_conn *from, struct mqtls_conn *to, size_t step)
{
	uint8_t buf[4096];
	size_t n;

	while ((n = mqtls_take(
		    from, buf, step < sizeof(buf) ? step : sizeof(buf))) > 0)
		assert_int_equal(mqtls_feed(to, buf, n), MQI_OK);
}

static enum mqi_err
shake(struct pair *p, enum mqi_err *ret_server)
{
	bool c = false, s = false;
	enum mqi_err client = MQI_OK;

	*ret_server = MQI_OK;
	for (unsigned i = 0; i < 6; i++) {
		if (client == MQI_OK)
			client = mqtls_handshake(p->client, &c);
		carry(p->client, p->server, 4096);
		if (*ret_server == MQI_OK)
			*ret_server = mqtls_handshake(p->server, &s);
		carry(p->server, p->client, 4096);
	}
	if (client == MQI_OK && *ret_server == MQI_OK)
		assert_true(c && s);
	return client;
}

static void
test_both_ends_know_each_other(void **state)
{
	struct mqtls_cert cert;
	enum mqi_err server;
	struct pair p;
	bool match;

	(void)state;
	pair_init(&p, "qm1", "qm2", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_OK);
	assert_int_equal(mqtls_peer(p.client, &cert), MQI_OK);
	assert_string_equal(cert.subject, "CN=QM2,O=Example");
	assert_string_equal(cert.issuer, "CN=Test CA");
	assert_true(cert.not_after > time(NULL) + 4 * 86400);
	/* the earlier of both ends' certificates, which were made one after
	 * the other */
	assert_in_range(mqtls_ctx_until(p.client_ctx, &cert),
	    cert.not_after - 60, cert.not_after);
	cert.not_after -= 86400;
	assert_int_equal(mqtls_ctx_until(p.client_ctx, &cert), cert.not_after);
	cert.not_after += 2 * 86400;
	assert_in_range(mqtls_ctx_until(p.client_ctx, &cert),
	    cert.not_after - 86400 - 60, cert.not_after - 86400);
	assert_int_equal(mqtls_peer(p.server, &cert), MQI_OK);
	assert_string_equal(cert.subject, "CN=QM1,O=Example");
	assert_int_equal(
	    mqtls_peer_match(p.server, "CN=QM1", &match, why), MQI_OK);
	assert_true(match);
	assert_int_equal(
	    mqtls_peer_match(p.server, "CN=QM2", &match, why), MQI_OK);
	assert_false(match);
	pair_fini(&p);
}

static void
test_bytes_arrive_in_any_slices(void **state)
{
	static uint8_t sent[100000], got[100000];
	size_t at = 0, n;
	enum mqi_err server;
	struct pair p;
	bool closed = false;

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	pair_init(&p, "qm1", "qm2", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(mqtls_write(p.client, sent, sizeof(sent)), MQI_OK);
	while (mqtls_pending(p.client) > 0) {
		uint8_t buf[997];

		n = mqtls_take(p.client, buf, sizeof(buf));
		assert_int_equal(mqtls_feed(p.server, buf, n), MQI_OK);
		do {
			assert_int_equal(mqtls_read(p.server, got + at,
					     sizeof(got) - at + 1, &n, &closed),
			    MQI_OK);
			at += n;
		} while (n > 0 && at < sizeof(got));
	}
	assert_int_equal(at, sizeof(sent));
	assert_memory_equal(sent, got, sizeof(sent));
	mqtls_close(p.client);
	carry(p.client, p.server, 4096);
	assert_int_equal(
	    mqtls_read(p.server, got, sizeof(got), &n, &closed), MQI_OK);
	assert_true(closed);
	pair_fini(&p);
}

/* "mixed" has a certificate of the other authority and trusts both. */
static void
cross_trust(void)
{
	char cmd[1024];

	issue("other", "mixed", "QM1", 5);
	(void)snprintf(cmd, sizeof(cmd), "cat %s >> %s", path("ca/ca.pem"),
	    path("mixed/ca.pem"));
	assert_int_equal(system(cmd), 0);
}

static void
test_a_foreign_certificate_is_refused(void **state)
{
	enum mqi_err server;
	struct pair p;
	uint8_t buf[16];
	bool closed;
	size_t n;

	(void)state;
	pair_init(&p, "qm1", "foreign", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_E_CERTIFICATE);
	assert_non_null(strstr(mqtls_error(p.client), "CN=QM2"));
	pair_fini(&p);
	/* A client that trusts the server, but whose own certificate is
	 * foreign: it learns of the refusal only from its first read. */
	cross_trust();
	pair_init(&p, "mixed", "qm2", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_E_CERTIFICATE);
	assert_int_equal(mqtls_read(p.client, buf, sizeof(buf), &n, &closed),
	    MQI_E_CERTIFICATE);
	pair_fini(&p);
}

static void
test_an_expired_certificate_does_not_load(void **state)
{
	struct mqtls_ctx *ctx;

	(void)state;
	assert_int_equal(
	    mqtls_ctx_new(path("old"), why, &ctx), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "expired"));
}

static void
test_a_key_that_others_can_read_does_not_load(void **state)
{
	struct mqtls_ctx *ctx;

	(void)state;
	assert_int_equal(chmod(path("qm1/key.pem"), 0644), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("qm1"), why, &ctx), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "0644"));
	assert_int_equal(chmod(path("qm1/key.pem"), 0600), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("nothing"), why, &ctx), MQI_E_CERTIFICATE);
}

static X509 *
load_cert(const char *name)
{
	FILE *f = fopen(path(name), "re");
	X509 *cert;

	assert_non_null(f);
	cert = PEM_read_X509(f, NULL, NULL, NULL);
	assert_int_equal(fclose(f), 0);
	assert_non_null(cert);
	return cert;
}

/* Writes DIR/crl.pem of the authority, with this certificate in it. */
static void
write_crl(const char *dir, const char *revoked)
{
	X509 *ca = load_cert("ca/ca.pem"), *cert = load_cert(revoked);
	FILE *f = fopen(path("ca/ca.key"), "re");
	EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	X509_REVOKED *entry = X509_REVOKED_new();
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = ASN1_TIME_adj(NULL, time(NULL), 0, -60);
	ASN1_TIME *next = ASN1_TIME_adj(NULL, time(NULL), 1, 0);
	char name[64];

	assert_int_equal(fclose(f), 0);
	assert_true(
	    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
	    X509_CRL_set1_lastUpdate(crl, now) == 1 &&
	    X509_CRL_set1_nextUpdate(crl, next) == 1 &&
	    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert)) ==
		1 &&
	    X509_REVOKED_set_revocationDate(entry, now) == 1 &&
	    X509_CRL_add0_revoked(crl, entry) == 1 &&
	    X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	(void)snprintf(name, sizeof(name), "%s/crl.pem", dir);
	f = fopen(path(name), "we");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509_CRL(f, crl), 1);
	assert_int_equal(fclose(f), 0);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
	X509_CRL_free(crl);
	EVP_PKEY_free(key);
	X509_free(ca);
	X509_free(cert);
}

static void
test_a_revoked_certificate_is_refused(void **state)
{
	enum mqi_err server;
	struct pair p;

	(void)state;
	issue("ca", "strict", "QM2", 5);
	issue("ca", "stolen", "QM1", 5);
	write_crl("strict", "stolen/cert.pem");
	pair_init(&p, "qm1", "strict", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_OK);
	pair_fini(&p);
	pair_init(&p, "stolen", "strict", "sluice-chan/1");
	(void)shake(&p, &server);
	assert_int_equal(server, MQI_E_CERTIFICATE);
	assert_non_null(strstr(mqtls_error(p.server), "revoked"));
	pair_fini(&p);
}

static void
test_a_list_of_revocations_that_leads_nowhere_is_refused(void **state)
{
	struct mqtls_ctx *ctx = NULL;

	(void)state;
	issue("ca", "dangling", "QM3", 5);
	assert_int_equal(symlink("gone.pem", path("dangling/crl.pem")), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("dangling"), why, &ctx), MQI_E_CERTIFICATE);
}

static void
test_another_protocol_is_refused(void **state)
{
	enum mqi_err server;
	struct pair p;

	(void)state;
	pair_init(&p, "qm1", "qm2", "http/1.1");
	assert_int_equal(shake(&p, &server), MQI_E_CLIENT_EXIT_ERROR);
	assert_int_equal(server, MQI_E_CLIENT_EXIT_ERROR);
	pair_fini(&p);
}

static void
test_plain_bytes_are_refused(void **state)
{
	struct pair p;
	bool done;

	(void)state;
	pair_init(&p, "qm1", "qm2", "sluice-chan/1");
	assert_int_equal(
	    mqtls_feed(p.server, "GET / HTTP/1.1\r\n\r\n", 18), MQI_OK);
	assert_int_equal(
	    mqtls_handshake(p.server, &done), MQI_E_CLIENT_EXIT_ERROR);
	assert_true(mqtls_error(p.server)[0] != '\0');
	assert_false(mqtls_looks_like_tls("GET", 3));
	assert_true(mqtls_looks_like_tls("\x16\x03\x01", 3));
	pair_fini(&p);
}

static void
test_nothing_is_overwritten(void **state)
{
	struct mqtls_issue i = {.ca_dir = path("ca"),
	    .out_dir = path("qm1"),
	    .name = "QM1",
	    .days = 1};
	struct stat st;

	(void)state;
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_E_EXISTS);
	assert_int_equal(rename(path("qm1/key.pem"), path("key.away")), 0);
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_E_EXISTS);
	assert_int_equal(access(path("qm1/key.pem"), F_OK), -1);
	assert_int_equal(rename(path("key.away"), path("qm1/key.pem")), 0);
	assert_int_equal(
	    mqtls_ca_init(path("ca"), "Test CA", 10, why), MQI_E_EXISTS);
	assert_int_equal(stat(path("ca/ca.key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	i.ca_dir = path("qm1");
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_E_CERTIFICATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_both_ends_know_each_other),
	    cmocka_unit_test(test_bytes_arrive_in_any_slices),
	    cmocka_unit_test(test_a_foreign_certificate_is_refused),
	    cmocka_unit_test(test_an_expired_certificate_does_not_load),
	    cmocka_unit_test(test_a_key_that_others_can_read_does_not_load),
	    cmocka_unit_test(test_a_revoked_certificate_is_refused),
	    cmocka_unit_test(
		test_a_list_of_revocations_that_leads_nowhere_is_refused),
	    cmocka_unit_test(test_another_protocol_is_refused),
	    cmocka_unit_test(test_plain_bytes_are_refused),
	    cmocka_unit_test(test_nothing_is_overwritten),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
