/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_plugin.c - the one symbol of libmqtls.so (tls_plugin.h).
 *
 * Neighbours: libmq/remote.c loads and uses it.  A connection keeps its
 * context alive, so the context is let go as soon as there is one.
 */
#include "tls/tls_plugin.h"

#include <stdio.h>

static enum mqi_err
open_client(const char *dir, const char *alpn, char *ret_why,
    struct mqtls_conn **ret_conn)
{
	struct mqtls_ctx *ctx = NULL;
	const struct mqtls_opts opts = {.own_optional = true};
	enum mqi_err err = mqtls_ctx_new(dir, &opts, ret_why, &ctx);

	if (err != MQI_OK)
		return err;
	err = mqtls_conn_new(ctx, false, alpn, ret_conn);
	if (err != MQI_OK)
		(void)snprintf(ret_why, MQTLS_WHY_LEN, "TLS: no memory");
	mqtls_ctx_free(ctx);
	return err;
}

__attribute__((visibility("default")))
const struct mqtls_plugin mqtls_plugin = {
    .version = MQTLS_PLUGIN_VERSION,
    .open = open_client,
    .free = mqtls_conn_free,
    .feed = mqtls_feed,
    .pending = mqtls_pending,
    .take = mqtls_take,
    .handshake = mqtls_handshake,
    .read = mqtls_read,
    .write = mqtls_write,
    .close = mqtls_close,
    .peer = mqtls_peer,
    .peer_match = mqtls_peer_match,
    .error = mqtls_error,
};
