/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_plugin.h - the client's side of tls.h as a table, which libmq takes from
 * libmqtls.so at its first remote connect: an application that stays on its
 * host never loads OpenSSL.
 *
 * The calls are those of tls.h and keep its promises.  Each connection is used
 * by one thread at a time.
 */
#ifndef MQ_TLS_TLS_PLUGIN_H
#define MQ_TLS_TLS_PLUGIN_H

#include "tls/tls.h"

/* Raised by each change of the table: library and plugin must be of one
 * build. */
#define MQTLS_PLUGIN_VERSION 1u
#define MQTLS_PLUGIN_SYMBOL "mqtls_plugin"

struct mqtls_plugin {
	uint32_t version;
	/* A client's connection with the PEM files of dir, read anew. why
	 * (MQTLS_WHY_LEN) as mqtls_ctx_new(). */
	enum mqi_err (*open)(const char *dir, const char *alpn, char *ret_why,
	    struct mqtls_conn **ret_conn);
	struct mqtls_conn *(*free)(struct mqtls_conn *c);
	enum mqi_err (*feed)(
	    struct mqtls_conn *c, const void *data, size_t len);
	size_t (*pending)(const struct mqtls_conn *c);
	size_t (*take)(struct mqtls_conn *c, void *buf, size_t cap);
	enum mqi_err (*handshake)(struct mqtls_conn *c, bool *ret_done);
	enum mqi_err (*read)(struct mqtls_conn *c, void *buf, size_t cap,
	    size_t *ret_len, bool *ret_closed);
	enum mqi_err (*write)(
	    struct mqtls_conn *c, const void *data, size_t len);
	void (*close)(struct mqtls_conn *c);
	enum mqi_err (*peer)(
	    const struct mqtls_conn *c, struct mqtls_cert *ret);
	enum mqi_err (*peer_match)(const struct mqtls_conn *c,
	    const char *pattern, bool *ret_match, char *ret_why);
	const char *(*error)(const struct mqtls_conn *c);
};

extern const struct mqtls_plugin mqtls_plugin;

#endif
