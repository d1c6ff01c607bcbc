/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_tls.c - mqadmin tls: a private authority, certificates of it, and a look
 * at a set of files as a channel will see them.
 *
 * Neighbours: tls/tls_ca.c makes the files; tls/tls_ctx.c judges them, so what
 * `check` accepts a channel accepts.  Nothing that exists is overwritten.
 *
 * Failure: the file and what is wrong with it, exit status 10.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/cmd.h"
#include "base/name.h"
#include "tls/tls_ca.h"

#define CA_DAYS 3650u
#define CERT_DAYS 365
#define MAX_DAYS 36500
#define SOON_DAYS 30

static const char help[] =
    "Usage: mqadmin tls init DIR [--name TEXT] [--days N]\n"
    "       mqadmin tls issue DIR NAME [--out DIR2] [--org TEXT] [--days N]\n"
    "                  [--label LABEL] [--dns HOST]... [--ip ADDRESS]...\n"
    "       mqadmin tls check DIR2 [--label LABEL]\n"
    "       mqadmin tls revoke DIR [CERT.pem] [--days N]\n\n"
    "init    makes a private authority: DIR/ca.pem and DIR/ca.key\n"
    "issue   makes a certificate of it for NAME: DIR2/ca.pem, cert.pem and\n"
    "        key.pem; DIR2 is DIR/NAME if not given.  A queue manager looks\n"
    "        in SSLKEYR, or in ssl/ of its own directory\n"
    "check   says whether DIR2 is good for a channel, and until when\n"
    "revoke  adds a certificate to the authority's list of revocations,\n"
    "        DIR/crl.pem, or only renews the list.  Copy it to the SSLKEYR of\n"
    "        each queue manager and give it REFRESH SECURITY TYPE(SSL)\n\n"
    "  --name TEXT  common name of the authority (Sluice private authority)\n"
    "  --org TEXT   organisation in the certificate's name\n"
    "  --days N     valid for so long (authority 3650, others 365)\n"
    "  --label LABEL  the certificate that CERTLABL(LABEL) names:\n"
    "               LABEL.cert.pem and LABEL.key.pem\n"
    "  --dns, --ip  further names, for programs that look at them\n\n"
    "ca.key is what all trust rests on: keep it away from queue managers.\n";

struct tls_args {
	const char *name;
	const char *out;
	int days; /* 0: not given */
	unsigned n_dns;
	unsigned n_ip;
	struct mqtls_issue issue;
};

static int
fail(const char *why)
{
	cmd_error("%s", why);
	return CMD_FAILED;
}

static void
show_day(const char *label, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[32] = "?";
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	(void)printf("%s%s GMT", label, text);
}

static int
tls_init(const struct tls_args *a, const char *dir)
{
	char why[MQTLS_WHY_LEN];
	enum mqi_err err = mqtls_ca_init(dir,
	    a->name != NULL ? a->name : "Sluice private authority",
	    a->days > 0 ? (unsigned)a->days : CA_DAYS, why);

	if (err != MQI_OK)
		return fail(why);
	(void)printf("%s holds a new authority; keep its ca.key safe.\n", dir);
	return CMD_OK;
}

static void
show_until(const char *label, int64_t until)
{
	int64_t left = (until - (int64_t)time(NULL)) / 86400;

	show_day(label, until);
	(void)printf(" (%lld days%s)\n", (long long)left,
	    left < SOON_DAYS ? ": replace it soon" : "");
}

static int
tls_check(const char *dir, const char *label)
{
	const struct mqtls_opts opts = {.label = label};
	char why[MQTLS_WHY_LEN];
	struct mqtls_ctx *ctx;
	struct mqtls_cert cert;
	int64_t crl_until;

	if (mqtls_ctx_new(dir, &opts, why, &ctx) != MQI_OK)
		return fail(why);
	mqtls_ctx_cert(ctx, &cert);
	crl_until = mqtls_ctx_crl_until(ctx);
	mqtls_ctx_free(ctx);
	(void)printf("subject  %s\nissuer   %s\nserial   %s\n", cert.subject,
	    cert.issuer, cert.serial);
	show_day("from     ", cert.not_before);
	(void)printf("\n");
	show_until("until    ", cert.not_after);
	if (crl_until != 0)
		show_until("list     ", crl_until);
	return CMD_OK;
}

static int
tls_revoke(const struct tls_args *a, const char *dir, const char *cert)
{
	char why[MQTLS_WHY_LEN];
	unsigned n = 0;

	if (mqtls_ca_revoke(dir, cert,
		a->days > 0 ? (unsigned)a->days : CERT_DAYS, why, &n) != MQI_OK)
		return fail(why);
	(void)printf("%s/crl.pem holds %u certificate%s; copy it to each queue "
		     "manager's SSLKEYR,\nthen REFRESH SECURITY TYPE(SSL).\n",
	    dir, n, n == 1 ? "" : "s");
	return CMD_OK;
}

static int
tls_issue(struct tls_args *a, const char *dir, const char *name)
{
	char why[MQTLS_WHY_LEN], escaped[MQNAME_ESCAPED_LEN];
	char *out = NULL;
	int rc = CMD_OK;

	if (strlen(name) == 0 || strlen(name) > MQI_NAME_LEN)
		return cmd_usage("tls", "NAME has 1 to 48 bytes");
	mqname_escape(name, escaped);
	if (a->out == NULL && asprintf(&out, "%s/%s", dir, escaped) < 0)
		return fail("no memory");
	a->issue.ca_dir = dir;
	a->issue.out_dir = a->out != NULL ? a->out : out;
	a->issue.name = name;
	a->issue.days = a->days > 0 ? a->days : CERT_DAYS;
	if (mqtls_ca_issue(&a->issue, why) != MQI_OK)
		rc = fail(why);
	else
		rc = tls_check(a->issue.out_dir, a->issue.label);
	free(out);
	return rc;
}

static bool
add_name(const char **names, unsigned *n, const char *value)
{
	if (*n == MQTLS_CA_MAX_NAMES)
		return false;
	names[(*n)++] = value;
	return true;
}

static bool
take_option(struct tls_args *a, int id, const char *value)
{
	switch (id) {
	case 'n':
		a->name = value;
		return value[0] != '\0';
	case 'g':
		a->issue.org = value;
		return value[0] != '\0';
	case 'o':
		a->out = value;
		return value[0] != '\0';
	case 'd':
		a->days = atoi(value);
		return a->days > 0 && a->days <= MAX_DAYS;
	case 'l':
		a->issue.label = value;
		return mqname_is_label(value);
	case 's':
		return add_name(a->issue.dns, &a->n_dns, value);
	case 'i':
		return add_name(a->issue.ip, &a->n_ip, value);
	default:
		return false;
	}
}

static int
run_verb(struct tls_args *a, int n, char **args)
{
	const char *what = n > 0 ? args[0] : "";

	if (strcmp(what, "init") == 0 && n == 2)
		return tls_init(a, args[1]);
	if (strcmp(what, "issue") == 0 && n == 3)
		return tls_issue(a, args[1], args[2]);
	if (strcmp(what, "check") == 0 && n == 2)
		return tls_check(args[1], a->issue.label);
	if (strcmp(what, "revoke") == 0 && (n == 2 || n == 3))
		return tls_revoke(a, args[1], n == 3 ? args[2] : NULL);
	return cmd_usage("tls", "init DIR, issue DIR NAME, check DIR or "
				"revoke DIR CERT.pem is expected");
}

int
cmd_tls(int argc, char **argv)
{
	static const struct option options[] = {
	    {"name", required_argument, NULL, 'n'},
	    {"org", required_argument, NULL, 'g'},
	    {"out", required_argument, NULL, 'o'},
	    {"days", required_argument, NULL, 'd'},
	    {"label", required_argument, NULL, 'l'},
	    {"dns", required_argument, NULL, 's'},
	    {"ip", required_argument, NULL, 'i'},
	    {NULL, 0, NULL, 0},
	};
	struct tls_args a = {0};
	int id;

	if (cmd_help(argc, argv, help))
		return CMD_OK;
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == 'd' && !take_option(&a, id, optarg))
			return cmd_usage("tls", "--days is 1 to %d", MAX_DAYS);
		if (id != 'd' && !take_option(&a, id, optarg))
			return cmd_usage("tls", "an option is not valid");
	}
	return run_verb(&a, argc - optind, argv + optind);
}
