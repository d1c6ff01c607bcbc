/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_clients.c - `mca clients`: all remote clients of a listener, in one
 * process with one loop.
 *
 * Neighbours: run_listener.c starts this and passes sockets over a socket pair
 * (handover.h); client.c is one client; run.c has the loop and the session by
 * which definitions are looked up.
 *
 * Invariants.  At most CLIENTS_MAX clients, and what waits to begin is bounded
 * too.  So few as SHAKING_MAX have TLS and hellos before them at once, of one
 * address half as many; the others wait for their turn, not longer than
 * WAIT_MS, so that a crowd that comes back after a restart is let in one after
 * the other, and nobody who does not finish keeps all others out.
 *
 * Happy path: a socket from the listener, TLS, hellos, admit_client(): the
 * channel named must be of CHLTYPE(SVRCONN) and the certificate must fit.  When
 * the listener ends, the clients stay; with the last of them this process ends.
 *
 * Failure: the queue manager ends: all clients are told what it said, and
 * this process ends too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "mca/admit.h"
#include "mca/certs.h"
#include "mca/client.h"
#include "mca/handover.h"
#include "mca/run.h"
#include "mca/sandbox.h"

#define CLIENTS_MAX 10000u
#define WAITING_MAX 4096u
#define SHAKING_MAX 64u
#define WAIT_MS 30000u
#define KEEP_MS 1000u
#define READ_MS 1000u
#define TAKES_PER_TURN 64u
#define DESCRIPTORS_KEPT 64u
#define TEXT_LEN \
	(CHANNEL_TEXT_LEN > MQTLS_WHY_LEN ? CHANNEL_TEXT_LEN : MQTLS_WHY_LEN)

struct waiting {
	TAILQ_ENTRY(waiting) link;
	int fd;
	uint64_t since_ms;
	char address[CLIENT_ADDRESS_LEN];
};

static struct {
	struct run run;
	struct client_host host;
	struct client_list clients; /* that have a session, or are closing */
	struct client_list shaking; /* that are not there yet */
	TAILQ_HEAD(, waiting) waiting;
	uv_poll_t listener;
	bool listener_gone;
	unsigned n_clients;
	unsigned max_clients; /* by the descriptors that we may have */
	unsigned n_waiting;
	unsigned n_shaking;
	struct run_lets lets; /* what they let in, as it was asked last */
	uint64_t turns;
	uint64_t loaded_turn; /* when the files were read last */
	uint64_t read_ms;     /* for one that came */
	uint64_t kept_ms;
	char socket_dir[PATH_MAX];
} me;

static void
finish(enum mqi_err reason, const char *text)
{
	if (me.run.ended)
		return;
	mqlog(reason == MQI_OK ? MQLOG_INFO : MQLOG_ERROR,
	    reason == MQI_OK ? "clients.end" : "clients.failed", "%s", text);
	run_end(&me.run, reason == MQI_OK ? RUN_DONE : RUN_FAILED);
}

/* ---- who may ---- */

static void
fill_def(struct client *c, const struct mqctl_list *row)
{
	uint64_t max = run_get_uint(row, "MAXMSGL");

	c->def.heartbeat_ms = (uint32_t)(run_get_uint(row, "HBINT") * 1000);
	run_keep_alive(c->fd, run_get_keep_alive(row), c->def.heartbeat_ms);
	c->def.max_msg_len =
	    max == 0 || max > MQI_MAX_BODY ? MQI_MAX_BODY : (uint32_t)max;
	c->def.idle_ms = (uint32_t)(run_get_uint(row, "DISCINT") * 1000);
}

/* It may stay until the first of both certificates ends. */
static void
set_end(struct client *c)
{
	c->not_after = mqtls_ctx_until(
	    me.host.tls, mqtls_has_peer(c->tls) ? &c->cert : NULL);
}

/* Whether it may use the channel of this definition, which is to be defined
 * first if it is new, and as whom. */
static enum mqi_err
judge_by(struct client *c, const struct mqctl_list *row, bool is_new,
    char *ret_user, char *text)
{
	const struct admit_caller who = {.channel = c->hello.channel,
	    .address = c->address,
	    .subject = c->cert.subject,
	    .issuer = c->cert.issuer,
	    .qmgr = "",
	    .user = c->hello.user};
	enum mqi_err err;

	if (strcmp(run_get(row, "CHLTYPE"), "SVRCONN") != 0) {
		(void)snprintf(text, CLIENT_TEXT_LEN,
		    "channel %s is not for applications", c->hello.channel);
		return MQI_E_CHANNEL_CONFIG;
	}
	err = certs_check_cipher(c->tls, run_get(row, "SSLCIPH"), text);
	if (err == MQI_OK)
		err = run_check_sslcauth(row, mqtls_has_peer(c->tls), text);
	if (err == MQI_OK && is_new)
		err = admit_new(&me.run, &who, "SVRCONN", text);
	return err == MQI_OK ? admit(&me.run, &who, ret_user, text) : err;
}

/* Whether it may use the channel, and as whom; on success mqctl_list_fini() the
 * definition.  may_define: what may be defined for it, as for admit_find(). */
static enum mqi_err
judge_client(struct client *c, const char *may_define,
    struct mqctl_list *ret_row, char *ret_user, char *text)
{
	bool is_new;
	enum mqi_err err;

	do {
		err = admit_find(&me.run, c->hello.channel, may_define, ret_row,
		    &is_new, text);
		if (err != MQI_OK)
			return err;
		err = judge_by(c, ret_row, is_new, ret_user, text);
		if (err != MQI_OK)
			mqctl_list_fini(ret_row);
	} while (is_new && err == MQI_E_EXISTS); /* somebody was faster */
	return err;
}

static enum mqi_err
admit_client(struct client *c, char *text)
{
	struct mqctl_list row;
	enum mqi_err err = judge_client(c, "SVRCONN", &row, c->def.user, text);

	if (err != MQI_OK)
		return err;
	fill_def(c, &row);
	set_end(c);
	mqctl_list_fini(&row);
	return MQI_OK;
}

/* By the files and the definitions of now. */
static enum mqi_err
new_tls(char *text, struct mqtls_ctx **ret)
{
	const struct run_args *a = me.run.args;
	struct mqtls_opts opts = {.label = a->label};
	enum mqi_err err = run_find_lets(&me.run, true, &me.lets, text);

	if (err != MQI_OK)
		return err;
	opts.ciphers = me.lets.old_tls ? MQCIPHER_ANY_TLS12_OR_HIGHER : "";
	opts.partner_optional = me.lets.no_cert;
	return mqtls_ctx_new(a->keys, &opts, text, ret);
}

/* Once in a turn, however many ask; what was loaded before stays if what is
 * there now is not good. */
static void
load_tls(void)
{
	struct mqtls_ctx *fresh = NULL;
	char text[TEXT_LEN] = "";

	if (me.loaded_turn == me.turns)
		return;
	me.loaded_turn = me.turns;
	if (new_tls(text, &fresh) != MQI_OK) {
		mqlog(MQLOG_ERROR, "certificate.refresh",
		    "clients: what was loaded before stays: %s", text);
		return;
	}
	(void)mqtls_ctx_free(me.host.tls);
	me.host.tls = fresh;
}

static enum mqi_err
admit_again(struct client *c, char *text)
{
	char user[MQATTR_USER_LEN + 1];
	struct mqctl_list row;
	enum mqi_err err;

	load_tls();
	err = mqtls_peer_again(c->tls, me.host.tls, text);
	if (err == MQI_OK)
		err = judge_client(c, "", &row, user, text);
	if (err != MQI_OK)
		return err;
	mqctl_list_fini(&row);
	if (strcmp(user, c->def.user) == 0) {
		set_end(c); /* our certificate may be another */
		return MQI_OK;
	}
	(void)snprintf(text, CLIENT_TEXT_LEN, "the client is another user now");
	return MQI_E_NOT_AUTHORIZED;
}

/* ---- clients that come and go ---- */

/* Whether as many of this host's are unauthenticated as may be. */
static bool
has_its_half(const char *address)
{
	size_t len = strcspn(address, "(") + 1;
	unsigned n = 0;
	const struct client *c;

	TAILQ_FOREACH (c, &me.shaking, link)
		n += strncmp(c->address, address, len) == 0 ? 1 : 0;
	return n >= SHAKING_MAX / 2;
}

static void
drop_waiting(struct waiting *w)
{
	TAILQ_REMOVE(&me.waiting, w, link);
	me.n_waiting--;
	free(w);
}

static void
begin(struct waiting *w)
{
	struct client *c = NULL;
	uint64_t now_ms = run_now_ms();
	enum mqi_err err;

	/* the files may be others since: no order tells a process that has no
	 * clients */
	if (now_ms - me.read_ms >= READ_MS) {
		me.read_ms = now_ms;
		load_tls();
	}
	err = client_new(&me.host, w->fd, w->address, now_ms, &c);
	if (err != MQI_OK) {
		mqlog(MQLOG_ERROR, "client.start", "for %s: %s", w->address,
		    mqi_strerror(err));
		(void)close(w->fd);
		drop_waiting(w);
		return;
	}
	drop_waiting(w);
	TAILQ_INSERT_TAIL(&me.shaking, c, link);
	me.n_clients++;
	me.n_shaking++;
	client_pump(c);
}

/* Begins with those whose turn it is. */
static void
begin_waiting(void)
{
	struct waiting *w = TAILQ_FIRST(&me.waiting), *next;

	for (; w != NULL && me.n_shaking < SHAKING_MAX &&
	       me.n_clients < me.max_clients;
	     w = next) {
		next = TAILQ_NEXT(w, link);
		if (!has_its_half(w->address))
			begin(w);
	}
}

static void
expire_waiting(uint64_t now_ms)
{
	struct waiting *w;

	while ((w = TAILQ_FIRST(&me.waiting)) != NULL &&
	       now_ms - w->since_ms > WAIT_MS) {
		mqlog(MQLOG_WARN, "client.refused",
		    "%s has waited for %u s: too many come at once, or %u "
		    "clients are there",
		    w->address, WAIT_MS / 1000, me.n_clients);
		(void)close(w->fd);
		drop_waiting(w);
	}
}

static void
on_settled(struct client *c)
{
	MQ_PRE(me.n_shaking > 0);
	me.n_shaking--;
	TAILQ_REMOVE(&me.shaking, c, link);
	TAILQ_INSERT_TAIL(&me.clients, c, link);
}

static void
on_gone(struct client *c)
{
	TAILQ_REMOVE(&me.clients, c, link);
	me.n_clients--;
	client_free(c);
}

static void
take_socket(int fd, const char *address)
{
	struct waiting *w;

	if (me.n_waiting >= WAITING_MAX) {
		mqlog(MQLOG_WARN, "client.refused", "%s: %u wait already",
		    address, me.n_waiting);
		(void)close(fd);
		return;
	}
	w = mqmem_alloc(sizeof(*w));
	w->fd = fd;
	w->since_ms = run_now_ms();
	(void)snprintf(w->address, sizeof(w->address), "%s", address);
	TAILQ_INSERT_TAIL(&me.waiting, w, link);
	me.n_waiting++;
}

static void
on_listener(uv_poll_t *handle, int status, int events)
{
	char address[CLIENT_ADDRESS_LEN];
	enum mqi_err err = MQI_OK;
	int fd = -1;

	(void)events;
	for (unsigned i = 0; i < TAKES_PER_TURN && status == 0; i++) {
		err = handover_take(
		    me.run.args->fd, &fd, address, sizeof(address));
		if (err != MQI_OK)
			break;
		take_socket(fd, address);
	}
	if (status == 0 && (err == MQI_OK || err == MQI_E_BUSY))
		return;
	(void)uv_poll_stop(handle);
	me.listener_gone = true;
	mqlog(MQLOG_INFO, "clients.listener",
	    "the listener has ended; %u clients stay", me.n_clients);
}

/* ---- the loop's events ---- */

static bool
turn(struct run *r)
{
	(void)r;
	me.turns++;
	begin_waiting();
	if (me.listener_gone && me.n_clients == 0 && me.n_waiting == 0)
		finish(MQI_OK, "the listener and all clients are gone");
	return false;
}

static void
end_client(struct client *c, uint64_t now_ms)
{
	(void)now_ms;
	client_end(c, MQI_E_CHANNEL_NOT_AVAILABLE, "the server is stopped");
}

static void
pump_client(struct client *c, uint64_t now_ms)
{
	(void)now_ms;
	client_pump(c);
}

/* fn may end clients and move them from one list to the other. */
static void
for_each(
    struct client_list *list, void (*fn)(struct client *, uint64_t), uint64_t t)
{
	struct client *c, *next;

	for (c = TAILQ_FIRST(list); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		fn(c, t);
	}
}

static void
tick(struct run *r, uint64_t now_ms)
{
	(void)r;
	if (now_ms - me.kept_ms < KEEP_MS)
		return;
	me.kept_ms = now_ms;
	expire_waiting(now_ms);
	for_each(&me.clients, client_tick, now_ms);
	for_each(&me.shaking, client_tick, now_ms);
}

static void
stop(struct run *r)
{
	(void)r;
	for_each(&me.clients, end_client, 0);
	for_each(&me.shaking, end_client, 0);
	finish(MQI_OK, "stopped");
}

static bool
wants_local(struct run *r)
{
	(void)r;
	return true;
}

static const struct run_kind kind = {
    .turn = turn, .tick = tick, .stop = stop, .wants_local = wants_local};

/* ---- start ---- */

/* Each client has two descriptors. */
static void
raise_descriptors(void)
{
	struct rlimit rl = {256, 256};

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		struct rlimit all = {rl.rlim_max, rl.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &all) == 0)
			rl = all;
	}
	me.max_clients = CLIENTS_MAX;
	if (rl.rlim_cur < 2UL * CLIENTS_MAX + DESCRIPTORS_KEPT)
		me.max_clients =
		    rl.rlim_cur > 2UL * DESCRIPTORS_KEPT
			? (unsigned)(rl.rlim_cur - DESCRIPTORS_KEPT) / 2
			: DESCRIPTORS_KEPT / 2;
	mqlog(MQLOG_INFO, "clients.running",
	    "room for %u clients (%llu descriptors)", me.max_clients,
	    (unsigned long long)rl.rlim_cur);
}

static enum mqi_err
find_socket_dir(const struct run_args *a, char *text)
{
	char escaped[MQNAME_ESCAPED_LEN];
	char *root = NULL;
	enum mqi_err err = mqname_find_root(a->root, a->qmgr, &root, NULL);

	if (err != MQI_OK) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the queue manager's directory is not found");
		return err;
	}
	mqname_escape(a->qmgr, escaped);
	(void)snprintf(
	    me.socket_dir, sizeof(me.socket_dir), "%s/%s/run", root, escaped);
	free(root);
	return MQI_OK;
}

static enum mqi_err
start(const struct run_args *args, char *text)
{
	enum mqi_err err = find_socket_dir(args, text);

	if (err == MQI_OK)
		err = run_connect(&me.run, "", "", text);
	if (err == MQI_OK)
		err = new_tls(text, &me.host.tls);
	if (err != MQI_OK)
		return err;
	me.listener.data = &me;
	if (uv_poll_init(&me.run.loop, &me.listener, args->fd) != 0 ||
	    uv_poll_start(&me.listener, UV_READABLE, on_listener) != 0) {
		(void)snprintf(text, CHANNEL_TEXT_LEN,
		    "the listener's socket cannot be polled");
		return MQI_E_RESOURCE_PROBLEM;
	}
	raise_descriptors();
	return sandbox_enter(SANDBOX_SERVING, text);
}

int
run_clients(const struct run_args *args)
{
	char text[TEXT_LEN] = "";
	enum mqi_err err;
	int status;

	TAILQ_INIT(&me.clients);
	TAILQ_INIT(&me.shaking);
	TAILQ_INIT(&me.waiting);
	err = run_init(&me.run, args, &kind);
	if (err != MQI_OK)
		return RUN_FAILED;
	me.host = (struct client_host){.loop = &me.run.loop,
	    .socket_dir = me.socket_dir,
	    .admit = admit_client,
	    .admit_again = admit_again,
	    .settled = on_settled,
	    .gone = on_gone};
	err = start(args, text);
	if (err != MQI_OK)
		finish(err, text);
	status = run_loop(&me.run);
	/* what the queue manager said last still reaches the clients */
	for_each(&me.clients, pump_client, 0);
	return status;
}
