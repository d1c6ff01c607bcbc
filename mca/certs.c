/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs.c - an agent's certificate and its partner's, over time (certs.h).
 *
 * Neighbours: tls/ loads and verifies; run_sender.c, run_receiver.c and
 * run_listener.c ask here; REFRESH SECURITY comes as an agent's order.
 *
 * Invariants: a set of files counts only as a whole and when all of it is
 * good, so a half-copied renewal changes nothing; TLS looks at certificates
 * only when a connection begins, so everything later is judged here.
 *
 * Happy path: certs_init, certs_load, the handshake, certs_partner, ticks.
 * Failure: a sentence; the caller ends the channel.
 */
#include "mca/certs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define DAY_S 86400
#define LOOK_S 2

static int64_t
wall_s(void)
{
	return (int64_t)(mqclock_wall_us() / 1000000);
}

void
certs_init(struct certs *c, const char *name, const char *dir,
    const char *label, const char *ciphers)
{
	memset(c, 0, sizeof(*c));
	c->name = name;
	(void)snprintf(c->dir, sizeof(c->dir), "%s", dir);
	(void)snprintf(c->label, sizeof(c->label), "%s", label);
	(void)snprintf(c->ciphers, sizeof(c->ciphers), "%s", ciphers);
}

void
certs_fini(struct certs *c)
{
	c->tls = mqtls_ctx_free(c->tls);
}

/* Our certificate's file, as it is now. */
static void
look(const struct certs *c, struct stat *ret)
{
	char path[PATH_MAX + MQNAME_LABEL_LEN + 16];

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(path, sizeof(path), "%s/%s%scert.pem", c->dir, c->label,
	    c->label[0] != '\0' ? "." : "");
	if (stat(path, ret) != 0)
		memset(ret, 0, sizeof(*ret));
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum mqi_err
load(struct certs *c, char *why, struct mqtls_ctx **ret)
{
	const struct mqtls_opts opts = {.label = c->label,
	    .ciphers = c->ciphers,
	    .partner_optional = c->partner_optional};
	struct stat file;
	enum mqi_err err;

	/* looked at first, so that a change from here on is seen; a set that
	 * is half in place is looked at again */
	look(c, &file);
	err = mqtls_ctx_new(c->dir, &opts, why, ret);
	if (err == MQI_OK)
		c->file = file;
	return err;
}

static void
take(struct certs *c, struct mqtls_ctx *fresh)
{
	mqtls_ctx_free(c->tls); /* a live connection keeps it */
	c->tls = fresh;
	mqtls_ctx_cert(fresh, &c->own);
	c->warn_s = 0;
}

enum mqi_err
certs_load(struct certs *c, char *text)
{
	struct mqtls_ctx *fresh = NULL;
	enum mqi_err err;

	_Static_assert(CHANNEL_TEXT_LEN >= MQTLS_WHY_LEN, "text");
	err = load(c, text, &fresh);
	if (err == MQI_OK)
		take(c, fresh);
	return err;
}

/* ---- warnings ---- */

static void
warn_of(const struct certs *c, const char *what, const char *subject,
    int64_t until, int64_t now_s)
{
	char day[32] = "?";
	time_t t = (time_t)until;
	struct mqlog_line l;
	struct tm tm;

	if (until == 0 || until - now_s >= (int64_t)CERTS_SOON_DAYS * DAY_S)
		return;
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
	mqlog_begin(&l, MQLOG_WARN, "certificate.ends");
	mqlog_str(&l, "name", c->name);
	mqlog_str(&l, "what", what);
	mqlog_str(&l, "subject", subject);
	mqlog_str(&l, "until", day);
	mqlog_int(&l, "days", (until - now_s) / DAY_S);
	mqlog_end(&l);
}

static void
warn(struct certs *c, int64_t now_s)
{
	c->warn_s = now_s + DAY_S;
	warn_of(c, "own", c->own.subject, c->own.not_after, now_s);
	warn_of(c, "revocations", c->dir, mqtls_ctx_crl_until(c->tls), now_s);
	if (c->until != 0)
		warn_of(c, "partner", c->partner.subject, c->partner.not_after,
		    now_s);
}

enum mqi_err
certs_partner(struct certs *c, const struct mqtls_conn *conn, char *text)
{
	bool has_one = mqtls_has_peer(conn);
	enum mqi_err err = MQI_OK;

	memset(&c->partner, 0, sizeof(c->partner));
	if (has_one || !c->partner_optional)
		err = mqtls_peer(conn, &c->partner);
	if (err != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the partner's certificate cannot be read");
		return err;
	}
	c->until = mqtls_ctx_until(c->tls, has_one ? &c->partner : NULL);
	warn(c, wall_s());
	return MQI_OK;
}

/* ---- time ---- */

/* Whether a later certificate than ours has come into its place. */
static bool
is_replaced(struct certs *c)
{
	struct mqtls_ctx *fresh = NULL;
	struct mqtls_cert cert;
	char why[MQTLS_WHY_LEN];
	struct stat now;

	look(c, &now);
	if (now.st_ino == 0 || is_same_file(&now, &c->file))
		return false;
	if (load(c, why, &fresh) != MQI_OK) {
		if (is_same_file(&now, &c->bad))
			return false; /* it has been told */
		c->bad = now;
		mqlog(MQLOG_WARN, "certificate.new",
		    "%s: the new certificate is not used: %s", c->name, why);
		return false;
	}
	mqtls_ctx_cert(fresh, &cert);
	mqtls_ctx_free(fresh);
	return cert.not_after > c->own.not_after;
}

enum certs_news
certs_tick(struct certs *c, int64_t now_s)
{
	if (c->tls == NULL)
		return CERTS_GOOD;
	if (now_s >= c->warn_s)
		warn(c, now_s);
	if (c->until != 0 && now_s > c->until)
		return CERTS_EXPIRED;
	if (c->own.not_after - now_s > CERTS_REPLACE_S || now_s < c->look_s)
		return CERTS_GOOD;
	c->look_s = now_s + LOOK_S;
	return is_replaced(c) ? CERTS_REPLACED : CERTS_GOOD;
}

int64_t
certs_due(const struct certs *c, int64_t now_s)
{
	int64_t next = now_s + CERTS_LOOK_MAX_S;
	int64_t look = c->own.not_after - CERTS_REPLACE_S;

	if (look <= now_s)
		look = c->look_s;
	if (c->tls != NULL && look < next)
		next = look;
	if (c->until != 0 && c->until + 1 < next)
		next = c->until + 1;
	return next > now_s ? next - now_s : 1;
}

enum mqi_err
certs_refresh(struct certs *c, const struct mqtls_conn *conn, char *text)
{
	struct mqtls_ctx *fresh = NULL;
	enum mqi_err err = MQI_OK;

	if (load(c, text, &fresh) != MQI_OK) {
		mqlog(MQLOG_ERROR, "certificate.refresh",
		    "%s: what was loaded before stays: %s", c->name, text);
		return MQI_OK;
	}
	if (conn != NULL)
		err = mqtls_peer_again(conn, fresh, text);
	take(c, fresh);
	if (c->until != 0) /* our certificate may be another */
		c->until = mqtls_ctx_until(fresh,
		    conn != NULL && mqtls_has_peer(conn) ? &c->partner : NULL);
	return err;
}

enum mqi_err
certs_check_cipher(
    const struct mqtls_conn *conn, const char *sslciph, char *text)
{
	struct mqcipher lets;

	if (mqcipher_find(sslciph, &lets) &&
	    mqcipher_fits(&lets, mqtls_cipher(conn)))
		return MQI_OK;
	(void)snprintf(text, CHANNEL_TEXT_LEN,
	    "the connection uses %s with %s, which the channel's SSLCIPH(%s) "
	    "does not let in",
	    mqtls_version(conn), mqtls_cipher(conn), sslciph);
	return MQI_E_SSL_INITIALIZATION_ERROR;
}
