/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - connections: connect, disconnect, and how every call begins and
 * ends.
 *
 * Neighbours: target.c says whom is meant; name.h finds the queue manager's
 * directory and sock.h connects to the socket in it, or remote.c connects to
 * another host; wire.c carries frames from then on.
 *
 * Invariants.  A connection belongs to the process that made it: a call from
 * a child that inherited it changes nothing but the child's memory (FORKED).
 * A call begun on a lost connection fails at once, unless the application has
 * asked for reconnection.
 *
 * Happy path: find the root, connect, HELLO, HELLO_OK.  Failure: a sentence
 * that says where was looked, for mqi_last_error(NULL).
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/name.h"
#include "base/sock.h"
#include "libmq/conn.h"
#include "libmq/fork.h"
#include "libmq/io.h"

#define DEFAULT_TIMEOUT_MS 10000
#define CONNECT_FLAGS (MQI_CONNECT_RECONNECT | MQI_CONNECT_LOCAL)

/* ---- the handshake ---- */

/* Waits until the socket is ready or time is up. */
static enum mqi_err
wait_for(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now;
	int rc;

	for (;;) {
		now = mqclock_mono_us();
		if (now >= deadline_us)
			return MQI_E_Q_MGR_NOT_AVAILABLE;
		rc = poll(&p, 1, (int)((deadline_us - now) / 1000 + 1));
		if (rc > 0)
			return MQI_OK;
		if (rc < 0 && errno != EINTR)
			return mqsock_err(errno);
	}
}

/* Sends all of b, or fails; only a few hundred bytes. */
static enum mqi_err
send_hello(mqi_conn *c, const struct mqbuf *b, uint64_t deadline_us)
{
	enum mqi_err err = MQI_OK;
	struct iovec iov;
	size_t off = 0;
	ssize_t n;

	while (off < b->len && err == MQI_OK) {
		iov.iov_base = b->data + off;
		iov.iov_len = b->len - off;
		n = mqio_send(c, &iov, 1);
		if (n >= 0)
			off += (size_t)n;
		else if (errno == EAGAIN)
			err = wait_for(c->fd, POLLOUT, deadline_us);
		else
			err = MQI_E_Q_MGR_NOT_AVAILABLE;
	}
	return err;
}

static enum mqi_err
take_hello_ok(const mqi_conn *c)
{
	if (c->info.version < MQLOCAL_VERSION_MIN ||
	    c->info.version > MQLOCAL_VERSION)
		return mqlib_failf(NULL, MQI_E_VERSION,
		    "queue manager %s speaks protocol version %u", c->info.qmgr,
		    c->info.version);
	return MQI_OK;
}

/* *ret_done: it was the last one. */
static enum mqi_err
take_hello_answer(mqi_conn *c, const struct mqframe *f, bool *ret_done)
{
	struct mqlocal_client_ok ok;
	struct mqlocal_error e;

	*ret_done = true;
	if (f->type == MQLOCAL_HELLO_OK &&
	    mqlocal_decode_hello_ok(f, &c->info) == MQI_OK)
		return take_hello_ok(c);
	if (f->type == MQLOCAL_CLIENT_OK && c->remote != NULL &&
	    mqlocal_decode_client_ok(f, &ok) == MQI_OK) {
		mqremote_set_heartbeat(c->remote, ok.heartbeat_ms);
		c->max_body = ok.max_msg_len;
		*ret_done = false;
		return MQI_OK;
	}
	if (f->type == MQLOCAL_ERROR && mqlocal_decode_error(f, &e) == MQI_OK &&
	    e.reason != MQI_OK)
		return mqlib_fail(NULL, (enum mqi_err)e.reason, e.text);
	return mqlib_failf(NULL, MQI_E_PROTOCOL,
	    "what answers on the socket is not a queue manager");
}

/* The partner has ended it, maybe by TLS's words. */
static enum mqi_err
hello_is_lost(mqi_conn *c)
{
	const char *why = mqio_why(c);

	if (why != NULL && why[0] != '\0')
		return mqlib_fail(NULL, mqremote_err(c->remote), why);
	return mqlib_failf(NULL, MQI_E_Q_MGR_NOT_AVAILABLE,
	    "queue manager %s closed the connection", c->hello.qmgr);
}

static enum mqi_err
read_hello_answer(mqi_conn *c, uint64_t deadline_us)
{
	struct mqin *in = &c->in;
	enum mqframe_result res;
	enum mqi_err err = MQI_OK;
	bool done = false;
	struct mqframe f;
	struct iovec iov;
	size_t used;
	ssize_t n;

	while (err == MQI_OK && !done) {
		res = mqframe_parse(
		    in->buf + in->pos, in->end - in->pos, &f, &used);
		if (res == MQFRAME_OK) {
			in->pos += used;
			err = take_hello_answer(c, &f, &done);
			continue;
		}
		if (res == MQFRAME_BAD || in->end == in->cap)
			return MQI_E_PROTOCOL;
		iov.iov_base = in->buf + in->end;
		iov.iov_len = in->cap - in->end;
		n = mqio_recv(c, &iov, 1, false);
		if (n > 0) {
			in->end += (size_t)n;
		} else if (n == 0 || errno != EAGAIN) {
			err = hello_is_lost(c);
		} else {
			err = wait_for(c->fd, POLLIN, deadline_us);
			if (err != MQI_OK)
				err = mqlib_failf(NULL, err,
				    "queue manager %s did not answer in time",
				    c->hello.qmgr);
		}
	}
	return err;
}

/* Who we are over there is said, not proved; the certificate proves. */
static void
encode_client_hello(const mqi_conn *c, struct mqbuf *b)
{
	struct mqlocal_client_hello h = {
	    .version_min = MQLOCAL_VERSION_MIN, .version_max = MQLOCAL_VERSION};
	char text[1024];
	struct passwd pw, *found = NULL;

	(void)snprintf(h.channel, sizeof(h.channel), "%s", c->target.channel);
	if (getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) == 0 &&
	    found != NULL)
		(void)snprintf(h.user, sizeof(h.user), "%s", pw.pw_name);
	mqlocal_encode_client_hello(b, 1, &h);
}

static enum mqi_err
say_hello(mqi_conn *c, uint64_t deadline_us)
{
	struct mqbuf b;
	enum mqi_err err;

	if (c->in.buf == NULL) {
		c->in.buf = malloc(16384);
		if (c->in.buf == NULL)
			return MQI_E_NO_MEMORY;
		c->in.cap = 16384;
	}
	c->in.pos = c->in.end = 0;
	mqbuf_init(&b, MQFRAME_HEADER + MQFRAME_MAX_PAYLOAD);
	if (c->remote != NULL)
		encode_client_hello(c, &b);
	mqlocal_encode_hello(&b, 1, &c->hello);
	err = b.err;
	if (err == MQI_OK)
		err = send_hello(c, &b, deadline_us);
	if (err == MQI_OK)
		err = read_hello_answer(c, deadline_us);
	mqbuf_fini(&b);
	return err;
}

/* ROOT/<escaped name>/run, malloc'd. */
static enum mqi_err
socket_dir(const mqi_conn *c, char **ret_dir)
{
	char escaped[MQNAME_ESCAPED_LEN];
	char *root = NULL, *tried = NULL;
	enum mqi_err err;

	err = mqname_find_root(c->root, c->hello.qmgr, &root, &tried);
	if (err == MQI_E_Q_MGR_NAME)
		err = mqlib_failf(NULL, err, "no queue manager %s: %s",
		    c->hello.qmgr, tried != NULL ? tried : "");
	if (err == MQI_OK) {
		mqname_escape(c->hello.qmgr, escaped);
		if (asprintf(ret_dir, "%s/%s/run", root, escaped) < 0)
			err = MQI_E_NO_MEMORY;
	}
	free(root);
	free(tried);
	return err;
}

void
mqconn_hang_up(mqi_conn *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	mqremote_free(c->remote);
	c->remote = NULL;
}

static enum mqi_err
dial_local(mqi_conn *c, uint64_t deadline)
{
	char *dir = NULL;
	enum mqi_err err = socket_dir(c, &dir);

	if (err != MQI_OK)
		return err;
	err = mqsock_connect_unix(dir, MQLOCAL_SOCKET, &c->fd);
	if (err != MQI_OK) {
		if (err != MQI_E_NOT_AUTHORIZED && err != MQI_E_NO_MEMORY &&
		    err != MQI_E_RESOURCE_PROBLEM)
			err = MQI_E_Q_MGR_NOT_AVAILABLE;
		err = mqlib_failf(NULL, err, "cannot connect to %s/%s: %s", dir,
		    MQLOCAL_SOCKET, mqi_strerror(err));
	} else {
		err = say_hello(c, deadline);
	}
	free(dir);
	return err;
}

/* One host after the other.  If none will do, the first that did answer is
 * the one to tell of. */
static enum mqi_err
dial_hosts(mqi_conn *c, uint64_t deadline)
{
	const char *p = c->target.conname;
	char text[MQLIB_TEXT_LEN] = "";
	enum mqi_err err, first = MQI_OK;

	do {
		err = mqremote_open(c, &p, deadline);
		if (err == MQI_OK)
			err = say_hello(c, deadline);
		if (err == MQI_OK)
			return MQI_OK;
		mqconn_hang_up(c);
		if (first == MQI_OK || first == MQI_E_HOST_NOT_AVAILABLE) {
			first = err;
			mqlib_take_text(text);
		}
	} while (*p != '\0');
	return mqlib_fail(NULL, first, text);
}

enum mqi_err
mqconn_dial(mqi_conn *c, int64_t timeout_ms)
{
	uint64_t deadline =
	    mqclock_mono_us() +
	    (uint64_t)(timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS) * 1000;
	enum mqi_err err;

	MQ_PRE(c->fd == -1 && c->remote == NULL);
	c->max_body = MQI_MAX_BODY;
	err = c->target.conname == NULL ? dial_local(c, deadline)
					: dial_hosts(c, deadline);
	if (err != MQI_OK)
		mqconn_hang_up(c);
	return err;
}

/* ---- making and freeing ---- */

static enum mqi_err
fill_hello(mqi_conn *c, const char *qmgr, const char *app_name)
{
	struct mqlocal_hello *h = &c->hello;

	if (!mqname_is_valid(qmgr, MQI_NAME_LEN))
		return mqlib_failf(NULL, MQI_E_Q_MGR_NAME,
		    "the queue manager's name is not a valid name");
	if (app_name == NULL)
		app_name = program_invocation_short_name;
	h->version_min = MQLOCAL_VERSION_MIN;
	h->version_max = MQLOCAL_VERSION;
	h->features = MQLOCAL_FEATURE_PUTS_OK | MQLOCAL_FEATURE_OPEN_AS |
		      MQLOCAL_FEATURE_BOUND_ACKED | MQLOCAL_FEATURE_SELECT |
		      MQLOCAL_FEATURE_PUBSUB | MQLOCAL_FEATURE_UNLOCK;
	(void)snprintf(h->qmgr, sizeof(h->qmgr), "%s", qmgr);
	(void)snprintf(h->app_name, sizeof(h->app_name), "%.28s", app_name);
	return MQI_OK;
}

enum mqi_err
mqconn_new(const char *qmgr, const char *root, const char *app_name,
    int64_t timeout_ms, mqi_conn **ret_conn)
{
	mqi_conn *c;
	enum mqi_err err;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return MQI_E_NO_MEMORY;
	c->fd = -1;
	c->wake_fd = -1;
	c->process = mqfork_process();
	c->max_async_puts = MQLIB_ASYNC_PUTS;
	c->timeout_ms = timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS;
	LIST_INIT(&c->queues);
	LIST_INIT(&c->acks);
	LIST_INIT(&c->units);
	LIST_INIT(&c->big);
	TAILQ_INIT(&c->ends);
	TAILQ_INIT(&c->finished);
	if (pthread_mutex_init(&c->lock, NULL) != 0) {
		free(c);
		return MQI_E_RESOURCE_PROBLEM;
	}
	err = mqwire_init(c);
	if (err == MQI_OK)
		err = mqqueue_init(c);
	if (err == MQI_OK)
		err = fill_hello(c, qmgr, app_name);
	if (err == MQI_OK && root != NULL) {
		c->root = strdup(root);
		if (c->root == NULL)
			err = MQI_E_NO_MEMORY;
	}
	if (err != MQI_OK) {
		mqconn_free(c);
		return err;
	}
	*ret_conn = c;
	return MQI_OK;
}

void
mqconn_free(mqi_conn *c)
{
	mqi_queue *q;
	mqi_unit *u;

	while ((u = LIST_FIRST(&c->units)) != NULL)
		mqunit_free(u);
	mqunit_fini(c);
	while ((q = LIST_FIRST(&c->queues)) != NULL)
		mqqueue_free(q);
	if (c->agent != NULL)
		c->agent->free(c);
	mqasync_fini(c);
	mqruns_free(c->runs);
	mqconn_hang_up(c);
	if (c->wake_fd >= 0)
		(void)close(c->wake_fd);
	mqwire_fini(c);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->by_handle);
	free(c->root);
	mqtarget_fini(&c->target);
	mqlib_forget(c);
	free(c);
}

enum mqi_err
mqi_connect(
    const char *qmgr, const struct mqi_connect_opts *opts, mqi_conn **ret_conn)
{
	static const struct mqi_connect_opts defaults;
	struct mqtarget target = {.conname = NULL};
	char why[MQLIB_TEXT_LEN] = "";
	int64_t timeout_ms;
	mqi_conn *c = NULL;
	enum mqi_err err;

	if (qmgr == NULL || ret_conn == NULL)
		return MQI_E_INVAL;
	if (opts == NULL)
		opts = &defaults;
	if ((opts->flags & ~CONNECT_FLAGS) != 0 || opts->timeout_ms < 0 ||
	    opts->timeout_ms > MQLIB_MAX_TIMEOUT_MS)
		return MQI_E_INVAL;
	err = mqtarget_find(&target, qmgr, opts, why);
	if (err != MQI_OK) {
		mqtarget_fini(&target);
		return mqlib_fail(NULL, err, why);
	}
	timeout_ms =
	    opts->timeout_ms > 0 ? opts->timeout_ms : target.timeout_ms;
	err =
	    mqconn_new(target.qmgr, opts->root, opts->app_name, timeout_ms, &c);
	if (err != MQI_OK) {
		mqtarget_fini(&target);
		return err;
	}
	c->target = target;
	c->flags = opts->flags;
	if (target.reconnect)
		c->flags |= MQI_CONNECT_RECONNECT;
	err = mqconn_dial(c, c->timeout_ms);
	if (err != MQI_OK) {
		mqconn_free(c);
		return err;
	}
	*ret_conn = c;
	return MQI_OK;
}

/* ---- how a call begins and ends ---- */

enum mqi_err
mqconn_enter_any(mqi_conn *c)
{
	if (c == NULL)
		return MQI_E_INVAL;
	if (c->process != mqfork_process())
		return mqlib_fail(c, MQI_E_FORKED, NULL);
	(void)pthread_mutex_lock(&c->lock);
	while (c->reconnecting)
		(void)pthread_cond_wait(&c->idle, &c->lock);
	return MQI_OK;
}

enum mqi_err
mqconn_enter(mqi_conn *c)
{
	char text[MQLIB_TEXT_LEN];
	enum mqi_err err;

	err = mqconn_enter_any(c);
	if (err != MQI_OK || !c->broken)
		return err;
	text[0] = '\0';
	err = MQI_E_CONNECTION_BROKEN;
	if ((c->flags & MQI_CONNECT_RECONNECT) != 0 && !c->closing)
		err = mqreconnect_locked(c, c->timeout_ms, text);
	if (err == MQI_OK)
		return MQI_OK;
	return mqconn_leave(c, err, text[0] != '\0' ? text : c->why_text);
}

void
mqconn_unlock(mqi_conn *c)
{
	mqunit_completions(c);
	(void)pthread_mutex_unlock(&c->lock);
}

/* What to say of a failure that comes of the loss; NULL: it is another. */
static const char *
loss_text(const mqi_conn *c, enum mqi_err err, char *buf, size_t size)
{
	if (err == MQI_E_CONNECTION_BROKEN)
		return c->why_text;
	if (err != MQI_E_UNKNOWN_OUTCOME && err != MQI_E_NOT_DONE)
		return NULL;
	(void)snprintf(buf, size, "%s: %s", mqi_strerror(err), c->why_text);
	return buf;
}

enum mqi_err
mqconn_leave(mqi_conn *c, enum mqi_err err, const char *text)
{
	char lost[MQLIB_TEXT_LEN + 128];

	if (err != MQI_OK && c->broken && (text == NULL || text[0] == '\0'))
		text = loss_text(c, err, lost, sizeof(lost));
	if (err != MQI_OK)
		(void)mqlib_fail(c, err, text);
	mqconn_unlock(c);
	return err;
}

/* ---- the end ---- */

static bool
nothing_pending(const void *arg)
{
	const mqi_conn *c = arg;
	const mqi_queue *q;

	LIST_FOREACH (q, &c->queues, link)
		if (q->pending > 0)
			return false;
	return TAILQ_EMPTY(&c->ends);
}

/* The first failure that nobody has been told yet. */
static enum mqi_err
unreported(const mqi_conn *c)
{
	const mqi_queue *q;

	LIST_FOREACH (q, &c->queues, link)
		if (q->async_err != MQI_OK)
			return q->async_err;
	return MQI_OK;
}

enum mqi_err
mqi_disconnect(mqi_conn *conn)
{
	enum mqi_err err = MQI_OK;

	if (conn == NULL)
		return MQI_OK;
	if (conn->process != mqfork_process()) {
		/* the parent's locks may be held: free without looking */
		mqconn_free(conn);
		return MQI_E_FORKED;
	}
	(void)pthread_mutex_lock(&conn->lock);
	if (!conn->broken) {
		mqahead_send_acks(conn);
		mqwire_wait_until(conn, nothing_pending, conn);
	}
	err = unreported(conn);
	conn->closing = true;
	if (!conn->broken && conn->remote != NULL)
		mqremote_goodbye(conn);
	mqwire_fail(conn, MQI_E_CONNECTION_BROKEN, "disconnected");
	mqwire_wake_all(conn); /* also if it was lost before */
	mqconn_unlock(conn);
	mqnotify_stop_thread(conn);
	mqconn_free(conn);
	return err;
}

const char *
mqi_qmgr_name(const mqi_conn *conn)
{
	return conn == NULL ? "" : conn->info.qmgr;
}
