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

#include "tls/tls.h"
#include "tls/tls_ca.h"
#include <cmocka.h>

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
pair_init_opts(struct pair *p, const char *client,
    const struct mqtls_opts *client_opts, const char *server,
    const struct mqtls_opts *server_opts, const char *client_alpn)
{
	memset(p, 0, sizeof(*p));
	if (mqtls_ctx_new(path(client), client_opts, why, &p->client_ctx) !=
	    MQI_OK)
		fail_msg("%s", why);
	if (mqtls_ctx_new(path(server), server_opts, why, &p->server_ctx) !=
	    MQI_OK)
		fail_msg("%s", why);
	assert_int_equal(
	    mqtls_conn_new(p->client_ctx, false, client_alpn, &p->client),
	    MQI_OK);
	assert_int_equal(
	    mqtls_conn_new(p->server_ctx, true, "sluice-chan/1", &p->server),
	    MQI_OK);
}

static void
pair_init(struct pair *p, const char *client, const char *server,
    const char *client_alpn)
{
	pair_init_opts(p, client, NULL, server, NULL, client_alpn);
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
	    mqtls_ctx_new(path("old"), NULL, why, &ctx), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "expired"));
}

static void
test_a_key_that_others_can_read_does_not_load(void **state)
{
	struct mqtls_ctx *ctx;

	(void)state;
	assert_int_equal(chmod(path("qm1/key.pem"), 0644), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("qm1"), NULL, why, &ctx), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "0644"));
	assert_int_equal(chmod(path("qm1/key.pem"), 0600), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("nothing"), NULL, why, &ctx), MQI_E_CERTIFICATE);
}

static void
test_who_shows_no_certificate(void **state)
{
	const struct mqtls_opts lets = {.partner_optional = true},
				lacks = {.own_optional = true};
	struct mqtls_cert cert, own;
	enum mqi_err server;
	struct pair p;
	char cmd[1024];
	uint8_t buf[16];
	bool closed;
	size_t n;

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "mkdir %s && cp %s %s",
	    path("nameless"), path("ca/ca.pem"), path("nameless"));
	assert_int_equal(system(cmd), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("nameless"), NULL, why, &p.client_ctx),
	    MQI_E_CERTIFICATE);
	pair_init_opts(&p, "nameless", &lacks, "qm2", &lets, "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_OK);
	assert_true(mqtls_has_peer(p.client));
	assert_false(mqtls_has_peer(p.server));
	assert_int_equal(mqtls_peer(p.server, &cert), MQI_E_CERTIFICATE);
	mqtls_ctx_cert(p.server_ctx, &own);
	assert_int_equal(mqtls_ctx_until(p.server_ctx, NULL), own.not_after);
	assert_int_equal(mqtls_peer_again(p.server, p.server_ctx, why), MQI_OK);
	pair_fini(&p);

	/* one that is shown must be good ("mixed" is of a test before) */
	pair_init_opts(&p, "mixed", NULL, "qm2", &lets, "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_E_CERTIFICATE);
	pair_fini(&p);

	/* others let nobody in without */
	pair_init_opts(&p, "nameless", &lacks, "qm2", NULL, "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_E_CERTIFICATE);
	assert_int_equal(mqtls_read(p.client, buf, sizeof(buf), &n, &closed),
	    MQI_E_CERTIFICATE);
	pair_fini(&p);

	/* half of a pair is a mistake, not none */
	(void)snprintf(cmd, sizeof(cmd), "cp %s %s", path("qm1/cert.pem"),
	    path("nameless"));
	assert_int_equal(system(cmd), 0);
	assert_int_equal(
	    mqtls_ctx_new(path("nameless"), &lacks, why, &p.client_ctx),
	    MQI_E_CERTIFICATE);
}

static void
copy_crl(const char *ca, const char *dir)
{
	char cmd[1024];

	(void)snprintf(
	    cmd, sizeof(cmd), "cp %s/crl.pem %s/crl.pem", path(ca), path(dir));
	assert_int_equal(system(cmd), 0);
}

static void
test_a_revoked_certificate_is_refused(void **state)
{
	struct mqtls_ctx *fresh = NULL;
	enum mqi_err server;
	unsigned n = 9;
	struct pair p;

	(void)state;
	issue("ca", "strict", "QM2", 5);
	issue("ca", "stolen", "QM1", 5);
	assert_int_equal(mqtls_ca_revoke(path("ca"), NULL, 1, why, &n), MQI_OK);
	assert_int_equal(n, 0);
	copy_crl("ca", "strict");
	pair_init(&p, "stolen", "strict", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_OK);
	assert_in_range(mqtls_ctx_crl_until(p.server_ctx),
	    time(NULL) + 86400 - 60, time(NULL) + 86400);
	assert_int_equal(mqtls_ctx_crl_until(p.client_ctx), 0);
	assert_int_equal(mqtls_peer_again(p.server, p.server_ctx, why), MQI_OK);

	assert_int_equal(
	    mqtls_ca_revoke(path("ca"), path("stolen/cert.pem"), 365, why, &n),
	    MQI_OK);
	assert_int_equal(n, 1);
	assert_int_equal(
	    mqtls_ca_revoke(path("ca"), path("stolen/cert.pem"), 365, why, &n),
	    MQI_E_EXISTS);
	assert_int_equal(
	    mqtls_ca_revoke(path("ca"), path("foreign/cert.pem"), 365, why, &n),
	    MQI_E_CERTIFICATE);
	copy_crl("ca", "strict");
	/* the one that is up is found by a fresh context */
	assert_int_equal(
	    mqtls_ctx_new(path("strict"), NULL, why, &fresh), MQI_OK);
	assert_int_equal(
	    mqtls_peer_again(p.server, fresh, why), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "revoked"));
	assert_int_equal(mqtls_peer_again(p.client, fresh, why), MQI_OK);
	mqtls_ctx_free(fresh);
	pair_fini(&p);

	pair_init(&p, "qm1", "strict", "sluice-chan/1");
	assert_int_equal(shake(&p, &server), MQI_OK);
	assert_int_equal(server, MQI_OK);
	pair_fini(&p);
	pair_init(&p, "stolen", "strict", "sluice-chan/1");
	(void)shake(&p, &server);
	assert_int_equal(server, MQI_E_CERTIFICATE);
	assert_non_null(strstr(mqtls_error(p.server), "revoked"));
	pair_fini(&p);
	/* its owner is told, too, when it has the list */
	copy_crl("ca", "stolen");
	assert_int_equal(mqtls_ctx_new(path("stolen"), NULL, why, &fresh),
	    MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "revoked"));
}

/* One end's SSLCIPH against the other's. */
static void
test_tls12_needs_both_ends_to_ask_for_it(void **state)
{
	static const struct {
		const char *client, *server, *version; /* NULL: refused */
		const char *suite;
	} cases[] = {
	    {"", "", "TLSv1.3", "TLS_AES_256_GCM_SHA384"},
	    {"ANY_TLS12", "", NULL, NULL},
	    {"ANY_TLS12", "ANY_TLS12_OR_HIGHER", "TLSv1.2", NULL},
	    {"ANY_TLS12_OR_HIGHER", "ANY_TLS12_OR_HIGHER", "TLSv1.3", NULL},
	    {"", "ANY_TLS12", NULL, NULL},
	    {"TLS_CHACHA20_POLY1305_SHA256", "ANY_TLS12_OR_HIGHER", "TLSv1.3",
		"TLS_CHACHA20_POLY1305_SHA256"},
	    {"ECDHE_ECDSA_AES_128_GCM_SHA256", "ANY_TLS12_OR_HIGHER", "TLSv1.2",
		"ECDHE-ECDSA-AES128-GCM-SHA256"},
	    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
		const struct mqtls_opts c = {.ciphers = cases[i].client};
		const struct mqtls_opts s = {.ciphers = cases[i].server};
		enum mqi_err client, server;
		struct pair p;

		pair_init_opts(&p, "qm1", &c, "qm2", &s, "sluice-chan/1");
		client = shake(&p, &server);
		if ((client == MQI_OK && server == MQI_OK) !=
		    (cases[i].version != NULL))
			fail_msg("%zu: %d %d", i, client, server);
		if (cases[i].version != NULL) {
			assert_string_equal(
			    mqtls_version(p.server), cases[i].version);
			if (cases[i].suite != NULL)
				assert_string_equal(
				    mqtls_cipher(p.client), cases[i].suite);
		}
		pair_fini(&p);
	}
}

static void
test_a_label_chooses_the_certificate(void **state)
{
	struct mqtls_issue i = {.ca_dir = path("ca"),
	    .out_dir = path("qm1"),
	    .label = "second",
	    .name = "QM1-B",
	    .days = 5};
	struct mqtls_opts opts = {.label = "second"};
	struct mqtls_ctx *ctx = NULL;
	struct mqtls_cert cert;

	(void)state;
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_OK);
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_E_EXISTS);
	assert_int_equal(mqtls_ctx_new(path("qm1"), &opts, why, &ctx), MQI_OK);
	mqtls_ctx_cert(ctx, &cert);
	assert_string_equal(cert.subject, "CN=QM1-B");
	mqtls_ctx_free(ctx);
	opts.label = "third";
	assert_int_equal(
	    mqtls_ctx_new(path("qm1"), &opts, why, &ctx), MQI_E_CERTIFICATE);
	assert_non_null(strstr(why, "third.key.pem"));
	opts.label = "../qm2/second";
	assert_int_equal(
	    mqtls_ctx_new(path("qm1"), &opts, why, &ctx), MQI_E_CERTIFICATE);
	i.label = ".hidden";
	assert_int_equal(mqtls_ca_issue(&i, why), MQI_E_INVAL);
	opts = (struct mqtls_opts){.ciphers = "RC4_MD5"};
	assert_int_equal(mqtls_ctx_new(path("qm1"), &opts, why, &ctx),
	    MQI_E_SSL_INITIALIZATION_ERROR);
}

static void
test_a_list_of_revocations_that_leads_nowhere_is_refused(void **state)
{
	struct mqtls_ctx *ctx = NULL;

	(void)state;
	issue("ca", "dangling", "QM3", 5);
	assert_int_equal(symlink("gone.pem", path("dangling/crl.pem")), 0);
	assert_int_equal(mqtls_ctx_new(path("dangling"), NULL, why, &ctx),
	    MQI_E_CERTIFICATE);
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
	    cmocka_unit_test(test_who_shows_no_certificate),
	    cmocka_unit_test(test_a_revoked_certificate_is_refused),
	    cmocka_unit_test(test_tls12_needs_both_ends_to_ask_for_it),
	    cmocka_unit_test(test_a_label_chooses_the_certificate),
	    cmocka_unit_test(
		test_a_list_of_revocations_that_leads_nowhere_is_refused),
	    cmocka_unit_test(test_another_protocol_is_refused),
	    cmocka_unit_test(test_plain_bytes_are_refused),
	    cmocka_unit_test(test_nothing_is_overwritten),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
