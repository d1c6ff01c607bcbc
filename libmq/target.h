/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.h - whom a connect means: a queue manager of this host, or one
 * behind a channel, by arguments, by a URI or by the environment.
 * Pure but for getenv(3).
 */
#ifndef MQ_LIBMQ_TARGET_H
#define MQ_LIBMQ_TARGET_H

#include <mq/mqi.h>

#include "base/check.h"

/* Strings are malloc'd or NULL; mqtarget_fini() it. */
struct mqtarget {
	char qmgr[MQI_NAME_LEN + 1];
	char channel[MQI_CHANNEL_NAME_LEN + 1];
	char *conname; /* NULL: of this host */
	char *key_dir;
	char *ssl_peer;     /* NULL: the queue manager's name as CN */
	int64_t timeout_ms; /* 0: not said */
	bool reconnect;
};

void mqtarget_fini(struct mqtarget *t); /* also a zeroed one */
/* Reads "mqs://host:port,host:port/QM?channel=C&keys=DIR&peer=PATTERN&
 * timeout=MS&reconnect=yes".  t must be zeroed.  Errors: INVAL with the
 * sentence in ret_why (256 bytes), NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err mqtarget_uri(
    struct mqtarget *t, const char *uri, char *ret_why);
/* Reads "CHANNEL/TCP/host(port),host(port)".  As mqtarget_uri(). */
MQ_MUST_CHECK enum mqi_err mqtarget_server(
    struct mqtarget *t, const char *text, char *ret_why);
/* What mqi_connect()'s arguments and the environment mean together.  As
 * mqtarget_uri(), and Q_MGR_NAME. */
MQ_MUST_CHECK enum mqi_err mqtarget_find(struct mqtarget *t, const char *qmgr,
    const struct mqi_connect_opts *opts, char *ret_why);

#endif
