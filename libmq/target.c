/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.c - whom a connect means (target.h).
 *
 * Precedence: a URI in place of the name; else opts.conname; else, if the
 * caller named a root or said MQI_CONNECT_LOCAL, this host; else MQ_URI; else
 * MQSERVER; else this host.  What one of these leaves out, opts give, then
 * MQSSLKEYR for the directory.  So an application need not know where its
 * queue manager is, and one that says so is not diverted by its environment.
 *
 * Failure: a sentence that shows what cannot be read.
 */
#include "libmq/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/name.h"
#include "libmq/conn.h"

#define SCHEME "mqs://"
#define URI_MAX 4096u
#define WHY_LEN 256u

void
mqtarget_fini(struct mqtarget *t)
{
	free(t->conname);
	free(t->key_dir);
	free(t->ssl_peer);
	t->conname = t->key_dir = t->ssl_peer = NULL;
}

static enum mqi_err refuse(char *why, const char *fmt, ...) MQ_PRINTF(2, 3);

static enum mqi_err
refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, WHY_LEN, fmt, ap);
	va_end(ap);
	return MQI_E_INVAL;
}

/* Replaces *field by a copy. */
static enum mqi_err
set(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return MQI_E_NO_MEMORY;
	free(*field);
	*field = copy;
	return MQI_OK;
}

static int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c | 0x20);

	return p == NULL ? -1 : (int)(p - digits);
}

/* Turns %XX into bytes, in place.  False: not valid. */
static bool
decode_percent(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++, to++) {
		*to = *s;
		if (*s != '%')
			continue;
		if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
			return false;
		*to = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
		if (*to == '\0')
			return false;
		s += 2;
	}
	*to = '\0';
	return true;
}

/* "host:port,[::1]:port" to "host(port),[::1](port)". */
static enum mqi_err
take_hosts(struct mqtarget *t, char *hosts, char *why)
{
	size_t cap = 2 * strlen(hosts) + 3, len = 0;
	char *conname = calloc(1, cap), *host, *port, *rest = hosts;

	if (conname == NULL)
		return MQI_E_NO_MEMORY;
	free(t->conname);
	t->conname = conname;
	while ((host = strsep(&rest, ",")) != NULL) {
		port = host[0] == '[' ? strchr(host, ']') : host;
		port = port != NULL ? strchr(port, ':') : NULL;
		if (port != NULL)
			*port++ = '\0';
		if (host[0] == '\0' ||
		    (port != NULL &&
			(port[0] == '\0' ||
			    port[strspn(port, "0123456789")] != '\0')))
			return refuse(why, "host:port is expected in the URI");
		len += (size_t)snprintf(conname + len, cap - len,
		    port != NULL ? "%s%s(%s)" : "%s%s", len > 0 ? "," : "",
		    host, port);
	}
	return MQI_OK;
}

static enum mqi_err
take_name(char *ret, size_t max, const char *value, const char *what, char *why)
{
	if (!mqname_is_valid(value, max))
		return refuse(
		    why, "'%.64s' is not a valid name of a %s", value, what);
	(void)snprintf(ret, max + 1, "%s", value);
	return MQI_OK;
}

static enum mqi_err
take_parameter(struct mqtarget *t, char *text, char *why)
{
	char *value = strchr(text, '='), *end;

	if (value == NULL)
		return refuse(why, "'%.64s' in the URI has no value", text);
	*value++ = '\0';
	if (!decode_percent(value))
		return refuse(
		    why, "'%.64s' in the URI is not well formed", text);
	if (strcmp(text, "channel") == 0)
		return take_name(
		    t->channel, MQI_CHANNEL_NAME_LEN, value, "channel", why);
	if (strcmp(text, "keys") == 0)
		return set(&t->key_dir, value);
	if (strcmp(text, "peer") == 0)
		return set(&t->ssl_peer, value);
	if (strcmp(text, "reconnect") == 0 &&
	    (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0)) {
		t->reconnect = value[0] == 'y';
		return MQI_OK;
	}
	if (strcmp(text, "timeout") == 0) {
		t->timeout_ms = strtol(value, &end, 10);
		if (*end == '\0' && t->timeout_ms > 0 &&
		    t->timeout_ms <= MQLIB_MAX_TIMEOUT_MS)
			return MQI_OK;
	}
	return refuse(why,
	    "'%.64s=%.64s' in the URI: channel=, keys=, peer=, timeout=MS and "
	    "reconnect=yes are known",
	    text, value);
}

/* uri is a copy that may be cut. */
static enum mqi_err
cut_uri(struct mqtarget *t, char *uri, char *why)
{
	char *query, *qmgr, *text;
	enum mqi_err err;

	query = strchr(uri, '?');
	if (query != NULL)
		*query++ = '\0';
	qmgr = strchr(uri, '/');
	if (qmgr != NULL)
		*qmgr++ = '\0';
	err = take_hosts(t, uri, why);
	if (err == MQI_OK && qmgr != NULL && qmgr[0] != '\0')
		err = decode_percent(qmgr)
			  ? take_name(t->qmgr, MQI_NAME_LEN, qmgr,
				"queue manager", why)
			  : refuse(why, "the URI is not well formed");
	while (err == MQI_OK && query != NULL) {
		text = strsep(&query, "&");
		if (text[0] != '\0')
			err = take_parameter(t, text, why);
	}
	return err;
}

enum mqi_err
mqtarget_uri(struct mqtarget *t, const char *uri, char *ret_why)
{
	enum mqi_err err;
	char *copy;

	if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
		return refuse(ret_why, "a URI begins with " SCHEME);
	if (strlen(uri) > URI_MAX)
		return refuse(
		    ret_why, "the URI is longer than %u bytes", URI_MAX);
	copy = strdup(uri + strlen(SCHEME));
	if (copy == NULL)
		return MQI_E_NO_MEMORY;
	err = cut_uri(t, copy, ret_why);
	free(copy);
	return err;
}

enum mqi_err
mqtarget_server(struct mqtarget *t, const char *text, char *ret_why)
{
	const char *tcp = strchr(text, '/');
	const char *conname = tcp != NULL ? strchr(tcp + 1, '/') : NULL;

	if (conname == NULL || strncasecmp(tcp + 1, "TCP/", 4) != 0 ||
	    conname[1] == '\0' || tcp - text > MQI_CHANNEL_NAME_LEN)
		return refuse(ret_why,
		    "MQSERVER is '%.100s', but CHANNEL/TCP/host(port) is "
		    "expected",
		    text);
	(void)snprintf(
	    t->channel, sizeof(t->channel), "%.*s", (int)(tcp - text), text);
	if (!mqname_is_valid(t->channel, MQI_CHANNEL_NAME_LEN))
		return refuse(ret_why, "the channel of MQSERVER is not valid");
	return set(&t->conname, conname + 1);
}

/* Where, by the first of them that says so. */
static enum mqi_err
find_place(struct mqtarget *t, const char **pqmgr,
    const struct mqi_connect_opts *opts, char *why)
{
	const char *uri = getenv("MQ_URI"), *server = getenv("MQSERVER");

	if (strncmp(*pqmgr, SCHEME, strlen(SCHEME)) == 0) {
		uri = *pqmgr;
		*pqmgr = "";
		return mqtarget_uri(t, uri, why);
	}
	if (opts->conname != NULL)
		return set(&t->conname, opts->conname);
	if (opts->root != NULL || (opts->flags & MQI_CONNECT_LOCAL) != 0)
		return MQI_OK;
	if (uri != NULL && uri[0] != '\0')
		return mqtarget_uri(t, uri, why);
	if (server != NULL && server[0] != '\0')
		return mqtarget_server(t, server, why);
	return MQI_OK;
}

/* What the place leaves open. */
static enum mqi_err
find_rest(struct mqtarget *t, const struct mqi_connect_opts *opts, char *why)
{
	const char *keys = getenv("MQSSLKEYR");
	enum mqi_err err = MQI_OK;

	if (t->channel[0] == '\0' && opts->channel != NULL)
		err = take_name(t->channel, MQI_CHANNEL_NAME_LEN, opts->channel,
		    "channel", why);
	if (err == MQI_OK && t->key_dir == NULL && opts->key_dir != NULL)
		err = set(&t->key_dir, opts->key_dir);
	if (err == MQI_OK && t->key_dir == NULL && keys != NULL)
		err = set(&t->key_dir, keys);
	if (err == MQI_OK && t->ssl_peer == NULL && opts->ssl_peer != NULL)
		err = set(&t->ssl_peer, opts->ssl_peer);
	if (err != MQI_OK)
		return err;
	if (t->channel[0] == '\0')
		return refuse(why, "no channel is named to connect by");
	if (t->key_dir == NULL)
		return refuse(why,
		    "no directory of certificates is named (key_dir, keys= or "
		    "MQSSLKEYR)");
	return MQI_OK;
}

enum mqi_err
mqtarget_find(struct mqtarget *t, const char *qmgr,
    const struct mqi_connect_opts *opts, char *ret_why)
{
	enum mqi_err err = find_place(t, &qmgr, opts, ret_why);

	if (err == MQI_OK && t->conname != NULL)
		err = find_rest(t, opts, ret_why);
	if (err != MQI_OK)
		return err;
	if (qmgr[0] == '\0' && t->qmgr[0] != '\0')
		return MQI_OK;
	if (!mqname_is_valid(qmgr, MQI_NAME_LEN)) {
		(void)refuse(
		    ret_why, "the queue manager's name is not a valid name");
		return MQI_E_Q_MGR_NAME;
	}
	(void)snprintf(t->qmgr, sizeof(t->qmgr), "%s", qmgr);
	return MQI_OK;
}
