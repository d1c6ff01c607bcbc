/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - one remote client of `mca clients`: its TLS connection, its
 * session with the queue manager, and the frames between them.
 * Loop thread only; nothing blocks.
 */
#ifndef MQ_MCA_CLIENT_H
#define MQ_MCA_CLIENT_H

#include <sys/queue.h>
#include <uv.h>

#include "base/sm.h"
#include "mca/client_frames.h"
#include "tls/tls.h"

#define CLIENT_ADDRESS_LEN 128u
#define CLIENT_TEXT_LEN 512u
#define CLIENT_HELLO_MS 10000u   /* from the accept to the queue manager */
#define CLIENT_UP_MAX 49152u     /* bytes for the queue manager, plain */
#define CLIENT_UNREAD_MAX 32768u /* not decrypted: more than one record */
#define CLIENT_OUT_MAX 65536u    /* bytes for the client, encrypted */
#define CLIENT_BEATS_MAX 1000u   /* unanswered; then we are quiet */

enum client_state {
	CLIENT_SHAKING,   /* TLS */
	CLIENT_GREETING,  /* its CLIENT_HELLO and HELLO */
	CLIENT_ATTACHING, /* the queue manager's HELLO_OK */
	CLIENT_RUNNING,
	CLIENT_CLOSING, /* last words to the client */
	CLIENT_GONE,    /* its handles close */
};

struct client;
struct clients;

/* What its channel says. */
struct client_def {
	uint32_t heartbeat_ms;
	uint32_t max_msg_len;
	uint32_t idle_ms; /* DISCINT; 0: never */
	char user[64 + 1];
};

struct client {
	TAILQ_ENTRY(client) link;
	const struct client_host *host;
	struct mqsm sm;
	uv_poll_t net;
	uv_poll_t local;
	int fd;
	int local_fd; /* -1: no session yet */
	int net_events;
	int local_events;
	unsigned open_handles;
	struct mqtls_conn *tls;
	struct mqbuf up;   /* from the client */
	size_t up_good;    /* of which so much may go to the queue manager */
	struct mqbuf down; /* from the queue manager, not looked at yet */
	struct mqbuf out;  /* encrypted, for the client */
	size_t out_at;
	struct client_flow up_flow;
	struct client_flow down_flow;
	uint64_t started_ms;
	uint64_t sent_ms;
	uint64_t moved_ms; /* when a frame of one of the two went by last */
	uint64_t told_ms;
	uint64_t told_msgs;
	uint64_t ending_ms;
	unsigned beats; /* since we heard from it */
	struct client_def def;
	struct mqlocal_client_hello hello;
	struct mqlocal_hello local_hello;
	char address[CLIENT_ADDRESS_LEN]; /* "192.0.2.1(4711)" */
	struct mqtls_cert cert;           /* subject "": it has none */
	int64_t not_after;                /* seconds since 1970; 0: no limit */
	bool attach_again; /* the queue manager's backlog was full */
};

TAILQ_HEAD(client_list, client);

/* What a client needs of its process. */
struct client_host {
	uv_loop_t *loop;
	struct mqtls_ctx *tls;
	const char *socket_dir;
	/* Its hellos are there: may it, and how?  Fills c->def; text
	 * (CLIENT_TEXT_LEN) on a refusal. */
	enum mqi_err (*admit)(struct client *c, char *text);
	/* By the files, the records and the definition of now: may it stay?
	 * text (CLIENT_TEXT_LEN) if not. */
	enum mqi_err (*admit_again)(struct client *c, char *text);
	/* A session with the queue manager is open, or never will be. */
	void (*settled)(struct client *c);
	void (*gone)(struct client *c); /* may be freed: client_free() */
};

/* Takes fd, which must not block, on success.
 * Errors: NO_MEMORY, SSL_INITIALIZATION_ERROR, RESOURCE_PROBLEM. */
MQ_MUST_CHECK enum mqi_err client_new(const struct client_host *host, int fd,
    const char *address, uint64_t now_ms, struct client **ret_client);
enum client_state client_state(const struct client *c);
/* Tells the client why, as far as that is possible, and ends it. */
void client_end(struct client *c, enum mqi_err reason, const char *text);
/* Moves what can be moved. */
void client_pump(struct client *c);
/* About once a second. */
void client_tick(struct client *c, uint64_t now_ms);
struct client *client_free(struct client *c); /* NULL; after `gone` */

#endif
