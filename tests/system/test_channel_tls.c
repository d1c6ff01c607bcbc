/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_channel_tls.c - mqadmin tls: an authority, a certificate, a look at it,
 * and what is refused; its exit statuses are those of mqadmin.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/proc.h"
#include "tests/lib/tmpdir.h"

struct fixture {
	struct tmpdir dir;
	char ca[PATH_MAX];
	char own[PATH_MAX];
	char log[PATH_MAX];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	(void)snprintf(f->ca, sizeof(f->ca), "%.1000s/ca", f->dir.path);
	(void)snprintf(f->own, sizeof(f->own), "%.1000s/own", f->dir.path);
	(void)snprintf(f->log, sizeof(f->log), "%.1000s/log", f->dir.path);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* Runs `mqadmin tls ...`; the output contains text (NULL: any). */
static int
tls(struct fixture *f, const char *const args[], const char *text)
{
	const char *argv[16] = {NULL, "tls"};
	char bin[PATH_MAX], *out = NULL;
	int rc, n = 2;

	proc_bin("mqadmin", bin, sizeof(bin));
	argv[0] = bin;
	for (; args[n - 2] != NULL; n++)
		argv[n] = args[n - 2];
	rc = proc_run(argv, NULL, f->log, &out);
	if (text != NULL && strstr(out, text) == NULL)
		fail_msg("'%s' is not in: %s", text, out);
	free(out);
	return rc;
}

#define TLS(f, text, ...) tls(f, (const char *const[]){__VA_ARGS__, NULL}, text)

static void
test_an_authority_issues_what_check_accepts(void **state)
{
	struct fixture *f = *state;
	char key[PATH_MAX + 16];
	struct stat st;

	assert_int_equal(TLS(f, "new authority", "init", f->ca), 0);
	assert_int_equal(TLS(f, "CN=QM1,O=Example", "issue", f->ca, "QM1",
			     "--out", f->own, "--org", "Example", "--days",
			     "20", "--dns", "host", "--ip", "127.0.0.1"),
	    0);
	assert_int_equal(TLS(f, "replace it soon", "check", f->own), 0);
	(void)snprintf(key, sizeof(key), "%s/key.pem", f->own);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(key, 0640), 0);
	assert_int_equal(TLS(f, NULL, "check", f->own), 10);
}

static void
test_what_exists_is_kept(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(TLS(f, NULL, "init", f->ca), 0);
	assert_int_equal(TLS(f, NULL, "init", f->ca), 10);
	assert_int_equal(
	    TLS(f, NULL, "issue", f->ca, "QM1", "--out", f->own), 0);
	assert_int_equal(
	    TLS(f, NULL, "issue", f->ca, "QM1", "--out", f->own), 10);
	assert_int_equal(TLS(f, "CN=QM1", "check", f->own), 0);
}

static void
test_wrong_arguments_are_told(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(TLS(f, NULL, "check", f->own), 10);
	assert_int_equal(TLS(f, NULL, "issue", f->own, "QM1"), 10);
	assert_int_equal(TLS(f, NULL, "init"), 20);
	assert_int_equal(TLS(f, NULL, "issue", f->ca), 20);
	assert_int_equal(
	    TLS(f, NULL, "issue", f->ca, "QM1", "--days", "0"), 20);
	assert_int_equal(TLS(f, NULL, "frobnicate", f->ca), 20);
	assert_int_equal(TLS(f, "Usage: mqadmin tls", "--help"), 0);
}

static void
test_what_is_revoked_is_found(void **state)
{
	struct fixture *f = *state;
	char cert[PATH_MAX + 16], from[PATH_MAX + 16], to[PATH_MAX + 16];

	(void)snprintf(cert, sizeof(cert), "%s/cert.pem", f->own);
	(void)snprintf(from, sizeof(from), "%s/crl.pem", f->ca);
	(void)snprintf(to, sizeof(to), "%s/crl.pem", f->own);
	assert_int_equal(TLS(f, NULL, "init", f->ca), 0);
	assert_int_equal(
	    TLS(f, NULL, "issue", f->ca, "QM1", "--out", f->own), 0);
	assert_int_equal(
	    TLS(f, "holds 0 certificates", "revoke", f->ca, "--days", "9"), 0);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(TLS(f, "days: replace it soon)", "check", f->own), 0);
	assert_int_equal(
	    TLS(f, "holds 1 certificate;", "revoke", f->ca, cert), 0);
	assert_int_equal(TLS(f, "revoked already", "revoke", f->ca, cert), 10);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(link(from, to), 0);
	assert_int_equal(TLS(f, "certificate revoked", "check", f->own), 10);
}

static void
test_a_label_is_a_certificate_of_its_own(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(TLS(f, NULL, "init", f->ca), 0);
	assert_int_equal(
	    TLS(f, NULL, "issue", f->ca, "QM1", "--out", f->own), 0);
	assert_int_equal(TLS(f, "CN=QM1", "issue", f->ca, "QM1", "--out",
			     f->own, "--label", "b", "--org", "B"),
	    0);
	assert_int_equal(TLS(f, "O=B", "check", f->own, "--label", "b"), 0);
	assert_int_equal(
	    TLS(f, "c.key.pem", "check", f->own, "--label", "c"), 10);
	assert_int_equal(TLS(f, NULL, "check", f->own, "--label", "../b"), 20);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_authority_issues_what_check_accepts),
	    TEST(test_what_exists_is_kept),
	    TEST(test_what_is_revoked_is_found),
	    TEST(test_a_label_is_a_certificate_of_its_own),
	    TEST(test_wrong_arguments_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
