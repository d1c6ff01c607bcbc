/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs.h - an agent's certificate and its partner's, over time: loaded,
 * warned about CERTS_SOON_DAYS before they end, replaced before they do,
 * looked at again when the administrator asks for it.
 * Main thread only; files are read, nothing else blocks.
 */
#ifndef MQ_MCA_CERTS_H
#define MQ_MCA_CERTS_H

#include <limits.h>
#include <sys/stat.h>

#include "base/name.h"
#include "mca/channel.h"
#include "tls/tls.h"

#define CERTS_SOON_DAYS 30
/* So long before our certificate ends, one that has come into its place is
 * looked for, and taken by a new connection. */
#define CERTS_LOOK_MAX_S 3600
#define CERTS_REPLACE_S 86400

struct certs {
	const char *name;   /* the channel's or listener's, for the log */
	char dir[PATH_MAX]; /* SSLKEYR */
	char label[MQNAME_LABEL_LEN + 1];    /* CERTLABL */
	char ciphers[MQCIPHER_NAME_LEN + 1]; /* SSLCIPH */
	/* who calls may have none; set behind certs_init() */
	bool partner_optional;
	struct mqtls_ctx *tls; /* NULL: not loaded */
	struct mqtls_cert own;
	struct mqtls_cert partner; /* once it is there; blank: it has none */
	int64_t until;    /* the first of both ends; 0: no partner yet */
	struct stat file; /* our certificate's, as it was loaded */
	struct stat bad;  /* one that could not be loaded */
	int64_t look_s;   /* when to look for a newer one */
	int64_t warn_s;   /* when to warn again */
};

enum certs_news {
	CERTS_GOOD,
	CERTS_EXPIRED,  /* one of both: the connection must end */
	CERTS_REPLACED, /* a newer one is there: end, and connect again */
};

/* Sets dir, label and ciphers ("" for defaults); name must stay. */
void certs_init(struct certs *c, const char *name, const char *dir,
    const char *label, const char *ciphers);
void certs_fini(struct certs *c);
/* Loads the files.  text has CHANNEL_TEXT_LEN bytes.  Errors: as
 * mqtls_ctx_new(); what was loaded before stays then. */
MQ_MUST_CHECK enum mqi_err certs_load(struct certs *c, char *text);
/* The handshake is over: takes the partner's certificate, and warns. */
MQ_MUST_CHECK enum mqi_err certs_partner(
    struct certs *c, const struct mqtls_conn *conn, char *text);
/* Now and then, with the wall clock in seconds. */
enum certs_news certs_tick(struct certs *c, int64_t now_s);
/* In how many seconds it has something to look at: 1..CERTS_LOOK_MAX_S. */
int64_t certs_due(const struct certs *c, int64_t now_s);
/* Loads the files again, and judges a live connection's partner by them.
 * If they cannot be loaded, the old ones count, and the log says so.
 * Errors: CERTIFICATE. */
MQ_MUST_CHECK enum mqi_err certs_refresh(
    struct certs *c, const struct mqtls_conn *conn, char *text);
/* Whether a receiver's connection fits the channel's SSLCIPH, known only now.
 * Errors: SSL_INITIALIZATION_ERROR. */
MQ_MUST_CHECK enum mqi_err certs_check_cipher(
    const struct mqtls_conn *conn, const char *sslciph, char *text);

#endif
