/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - what the files of libmq share: connections, handles, units,
 * messages and requests, and the calls between the files.
 *
 * Locking.  One mutex per connection guards everything in it.  Functions here
 * are called with it held unless their comment says "unlocked".  Two roles
 * are taken in turns by the threads in calls: the reader (owns the receive
 * buffer, reads the socket with the lock released) and the writer (owns the
 * bytes on their way, writes with the lock released).  Nobody waits for an
 * answer without making sure that somebody reads.
 *
 * Lifetimes.  A request lives from mqreq_add() until its answer() has been
 * called for its last frame, or once with no frame when the connection is
 * lost.  Synchronous requests live on their caller's stack.
 */
#ifndef MQ_LIBMQ_CONN_H
#define MQ_LIBMQ_CONN_H

#include <mq/mqi.h>
#include <mq/mqi_request.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/buf.h"
#include "libmq/run.h"
#include "libmq/target.h"
#include "proto/local.h"

#define MQLIB_TEXT_LEN 512
/* of a connect: a longer one would make a deadline in the past */
#define MQLIB_MAX_TIMEOUT_MS INT64_C(999999999)
#define MQLIB_ASYNC_PUTS 1024u /* unanswered, per connection */
#define MQLIB_ASYNC_BYTES ((size_t)4 << 20)
#define MQLIB_BUCKETS_MIN 64u
#define MQLIB_BUCKETS_MAX 65536u
#define MQLIB_MAX_REQUESTS 65536u /* unanswered, per connection */

/* What the loss of the connection means for a request. */
enum mqreq_effect {
	MQREQ_READS,   /* changes nothing: CONNECTION_BROKEN */
	MQREQ_CHANGES, /* NOT_DONE or UNKNOWN_OUTCOME */
	MQREQ_IN_UNIT, /* its unit is backed out: NOT_DONE */
};

struct mqreq;

/* Called under the lock by the thread that reads: with a frame that carries
 * the request's id (PUTS_OK may carry many), or with f NULL when the connection
 * is lost; `lost` is then the result.  Returns PROTOCOL if the frame is not one
 * that may come, which ends the connection.  Must not wait or write; may append
 * frames. */
typedef enum mqi_err (*mqreq_answer_fn)(
    mqi_conn *c, struct mqreq *r, const struct mqframe *f, enum mqi_err lost);

/* Where the pieces of a body go. */
struct mqrx {
	uint8_t *dst; /* NULL: nowhere */
	uint32_t want;
	uint32_t have;
};

struct mqreq {
	uint32_t id; /* 0: not in the table */
	enum mqreq_effect effect;
	bool done;
	bool keep_id; /* its pieces are still being sent: the id stays taken */
	enum mqi_err err;
	uint64_t end_off; /* of its last byte in the stream sent */
	mqreq_answer_fn answer;
	struct mqrx *rx; /* NULL: no piece is expected */
	pthread_cond_t *waiter;
};

/* A synchronous request with one frame as its answer. */
struct mqcall {
	struct mqreq req;
	uint16_t want; /* type of the answer that means success */
	/* decodes it; NULL: nothing to decode */
	enum mqi_err (*take)(struct mqcall *call, const struct mqframe *f);
	void *out;
	char text[MQLIB_TEXT_LEN];
};

struct mqwaiter {
	pthread_cond_t cond;
	bool any; /* wakes after everything that was read */
	TAILQ_ENTRY(mqwaiter) link;
};

/* A read-ahead message whose pieces are coming in. */
struct mqbig {
	uint32_t id;
	mqi_queue *queue; /* NULL: closed meanwhile */
	mqi_msg *msg;     /* NULL: no memory, dropped */
	struct mqrx rx;
	LIST_ENTRY(mqbig) link;
};

struct mqin {
	uint8_t *buf;
	size_t cap;
	size_t pos;
	size_t end;
	/* a piece that is received straight into its place */
	struct mqrx *direct;
	uint32_t direct_id;
	size_t direct_left;
	size_t direct_len;
};

struct mqout {
	struct mqbuf next;  /* where frames are appended */
	struct mqbuf now;   /* what the writer is writing */
	size_t now_off;     /* written of it */
	uint64_t next_base; /* offset in the stream of next's first byte */
	uint64_t written;   /* bytes of the stream that the kernel has */
	uint64_t last_us;   /* mono; when the writer last began */
};

LIST_HEAD(mqi_queue_list, mqi_queue);
LIST_HEAD(mqi_unit_list, mqi_unit);
LIST_HEAD(mqbig_list, mqbig);
TAILQ_HEAD(mqmsg_list, mqi_msg);
TAILQ_HEAD(mqwaiter_list, mqwaiter);
TAILQ_HEAD(mqend_list, mqend);

/* The end of a unit of work, until it is answered and told. */
struct mqend {
	struct mqreq req;
	TAILQ_ENTRY(mqend) link;
	mqi_unit *unit; /* until it is sent */
	bool backout;
	bool sent;
	bool nothing; /* it ends a unit of which nothing succeeded */
	bool waited;  /* its caller waits for it, and frees it */
	bool finished;
	enum mqi_err result;
	mqi_done_fn done;
	void *arg;
	const mqi_future *future; /* whose completion it is, or NULL */
	char text[MQLIB_TEXT_LEN];
};

struct mqi_conn {
	pthread_mutex_t lock;
	uint64_t process; /* that made it: fork.h */
	int fd;
	bool broken;       /* nothing more is sent or read */
	bool settled;      /* and all requests have been told */
	bool reading;      /* somebody is the reader */
	bool writing;      /* somebody is the writer */
	bool closing;      /* mqi_disconnect() */
	bool reconnecting; /* calls wait */
	enum mqi_err why;  /* it broke */
	char why_text[MQLIB_TEXT_LEN];
	uint32_t generation; /* raised by each reconnect */

	char *root; /* as given, or NULL */
	struct mqtarget target;
	struct mqremote *remote; /* NULL: a Unix socket */
	/* MQI_MAX_BODY, or less by the channel; read without the lock */
	_Atomic uint32_t max_body;
	struct mqlocal_hello hello;
	int64_t timeout_ms;
	uint32_t flags;
	struct mqlocal_hello_ok info;

	struct mqin in;
	struct mqout out;
	uint32_t rcv_ms;     /* the socket's SO_RCVTIMEO; 0: none */
	pthread_cond_t idle; /* the writer or the reader role is free */
	struct mqwaiter_list waiters;

	struct mqreq **slots;
	uint32_t *next_free;
	uint32_t n_slots;
	uint32_t free_slot; /* index + 1; 0: none */

	struct mqi_queue_list queues;
	struct mqi_queue_list *by_handle; /* n_buckets of them */
	uint32_t n_buckets;               /* a power of two */
	uint32_t n_linked;                /* handles in them */
	struct mqi_unit_list units;
	uint32_t last_unit;
	struct mqbig_list big;
	struct mqruns *runs; /* NULL: nothing has been read ahead */

	struct mqi_queue_list acks; /* handles with one that is not sent yet */
	uint32_t max_async_puts;    /* MQLIB_ASYNC_PUTS; mqbench lowers it */
	uint32_t async_puts;
	struct mqasync *async_free; /* requests of answered ones, by `next` */
	uint32_t n_async_free;
	size_t async_bytes;
	struct mqend_list ends;     /* asynchronous commits, in order */
	struct mqend_list finished; /* with `done` to be called */
	enum mqi_err end_err;       /* of one without `done`; for mqi_flush() */
	struct mqbuf desc;          /* scratch */

	bool has_thread;
	bool serving; /* it is reading, or waiting to */
	int wake_fd;  /* ends that; -1: no thread yet */
	pthread_t thread;

	uint64_t request_number; /* requests sent */
	uint8_t request_seed[12];

	struct mqagent_state *agent;
};

struct mqi_queue {
	mqi_conn *conn;
	LIST_ENTRY(mqi_queue) link;
	LIST_ENTRY(mqi_queue) bucket;
	uint32_t handle;
	/* user "": opened as the connection's own */
	struct mqlocal_open_as open;
	char *selector;        /* or NULL */
	struct mqtopic *topic; /* of a topic or subscription, or NULL */
	struct mqlocal_open_ok info;
	enum mqi_err dead; /* not OK: could not be opened again */
	bool in_get;

	/* asynchronous puts and acknowledgements */
	uint32_t pending;      /* unanswered, of both */
	uint32_t puts_pending; /* puts alone */
	bool reset;            /* the next put says PUT_RESET */
	enum mqi_err async_err;
	char *async_text; /* or NULL */

	mqi_msg *last; /* holds what mqi_get()'s descriptor points to */

	/* read-ahead */
	bool ahead;
	struct mqlocal_consume window;
	struct mqmsg_list arrived;
	enum mqi_err ahead_err;
	uint64_t acked;                 /* by the application, up to here */
	uint64_t ack_token;             /* not sent yet; 0: none */
	LIST_ENTRY(mqi_queue) ack_link; /* if there is one */
	uint32_t ack_count;             /* messages that it acknowledges */
	size_t ack_bytes;               /* and theirs */

	/* notify */
	bool watching;
	bool ready;     /* says the queue manager */
	bool was_ready; /* as last told to handler and descriptor */
	mqi_notify_fn handler;
	void *handler_arg;
	bool handler_due;
	bool handler_runs;
	pthread_t handler_thread;
	struct mqagent_put_state *agent_put; /* whose body is coming */
	int event_fd;                        /* -1: none */
	bool event_set;
};

struct mqi_unit {
	mqi_conn *conn;
	LIST_ENTRY(mqi_unit) link;
	uint32_t number;
	uint32_t generation;
	bool used;        /* a request has named it */
	bool succeeded;   /* and one succeeded */
	uint32_t pending; /* unanswered asynchronous requests */
	bool orphan; /* the caller's no more: freed when nothing is pending */
	enum mqi_err failed; /* an asynchronous one has: it cannot commit */
};

/* A descriptor is checked when its message is handed out, but decoded when
 * somebody asks for it. */
enum mqmsg_md {
	MQMSG_MD_BYTES,
	MQMSG_MD_BUSY, /* a thread is decoding it */
	MQMSG_MD_THERE,
};

struct mqi_msg {
	TAILQ_ENTRY(mqi_msg) link;
	struct mqrun *run; /* that it lies in, or NULL: malloc'd */
	mqi_queue *queue;  /* compared only */
	uint32_t generation;
	uint64_t token; /* 0: not from read-ahead */
	uint32_t backout_count;
	uint32_t body_crc;
	uint32_t body_len; /* whole */
	uint32_t sent_len; /* bytes that there are */
	uint32_t desc_len;
	enum mqi_err reason;
	uint8_t *body;
	_Atomic uint8_t md_state; /* enum mqmsg_md */
	struct mqi_md md;         /* THERE; not touched before */
	uint8_t data[];           /* descriptor, body */
};

/* ---- err.c: the last failure of this thread (unlocked) ---- */

/* Notes the sentence; returns err.  c may be NULL (connecting). */
enum mqi_err mqlib_fail(const mqi_conn *c, enum mqi_err err, const char *text);
enum mqi_err mqlib_failf(
    const mqi_conn *c, enum mqi_err err, const char *fmt, ...) MQ_PRINTF(3, 4);
/* Copies the sentence of this thread's failed connect; MQLIB_TEXT_LEN. */
void mqlib_take_text(char *ret_text);
void mqlib_forget(const mqi_conn *c); /* its address may be used again */

/* ---- conn.c ---- */

/* Unlocked.  Begins a call: fork check, lock, connection check (and, where
 * the application asked for it, reconnection).  MQI_OK: the lock is held. */
MQ_MUST_CHECK enum mqi_err mqconn_enter(mqi_conn *c);
/* As enter, also on a broken connection. */
MQ_MUST_CHECK enum mqi_err mqconn_enter_any(mqi_conn *c);
/* Unlocks, calls completions that are due, notes the sentence of a failure
 * (text may be NULL or ""), returns err. */
enum mqi_err mqconn_leave(mqi_conn *c, enum mqi_err err, const char *text);
void mqconn_unlock(mqi_conn *c);
/* Connects and says hello; unlocked, or nobody else uses c. */
MQ_MUST_CHECK enum mqi_err mqconn_dial(mqi_conn *c, int64_t timeout_ms);
MQ_MUST_CHECK enum mqi_err mqconn_new(const char *qmgr, const char *root,
    const char *app_name, int64_t timeout_ms, mqi_conn **ret_conn);
/* Closes the socket, without a word. */
void mqconn_hang_up(mqi_conn *c);
/* Only if nobody is in a call. */
void mqconn_free(mqi_conn *c);

/* ---- wire.c ---- */

MQ_MUST_CHECK enum mqi_err mqwire_init(mqi_conn *c);
void mqwire_fini(mqi_conn *c);
void mqwire_reset(mqi_conn *c); /* after a loss, before dialling again */
/* Puts r into the table and gives it an id. */
MQ_MUST_CHECK enum mqi_err mqreq_add(mqi_conn *c, struct mqreq *r);
void mqreq_remove(mqi_conn *c, struct mqreq *r);
/* It is answered: out of the table, done, and its thread wakes. */
void mqreq_finish(mqi_conn *c, struct mqreq *r, enum mqi_err err);
/* Checks what has been appended to out.next since `mark` (its length then)
 * and gives r, if not NULL, its place in the stream.  On failure the bytes are
 * taken back and r is removed. */
MQ_MUST_CHECK enum mqi_err mqwire_queued(
    mqi_conn *c, size_t mark, struct mqreq *r);
/* Writes everything appended; another thread that is writing does it for us.
 * Losing the connection is not reported here but to the requests. */
void mqwire_flush(mqi_conn *c);
/* As flush, but never waits; *ret_left: bytes not written yet. */
void mqwire_try_flush(mqi_conn *c, size_t *ret_left);
/* The writer's role, once it is free.  False: the connection is lost, and the
 * role is not held. */
MQ_MUST_CHECK bool mqwire_take_writer(mqi_conn *c);
/* Writes everything appended and then body, straight from the caller's memory.
 * The writer's role must be held. */
void mqwire_send_body(mqi_conn *c, const void *body, size_t len);
void mqwire_drop_writer(mqi_conn *c);
/* Sends what is appended and waits until r is done. */
void mqwire_wait(mqi_conn *c, struct mqreq *r);
/* Waits until *flag-like condition: ready(arg) true, or the connection is
 * lost and settled. */
void mqwire_wait_until(
    mqi_conn *c, bool (*ready)(const void *arg), const void *arg);
/* As that, at most until a time on the monotonic clock; UINT64_MAX: for
 * ever. */
void mqwire_wait_until_time(mqi_conn *c, bool (*ready)(const void *arg),
    const void *arg, uint64_t deadline_us);
/* As that; acknowledgements are not sent meanwhile, but with something else. */
void mqwire_wait_holding_acks(mqi_conn *c, bool (*ready)(const void *arg),
    const void *arg, uint64_t deadline_us);
/* Reads what has arrived without waiting, if nobody else is reading. */
void mqwire_poll(mqi_conn *c);
/* The library's thread: reads once, or sleeps while threads in calls read, or
 * while the connection is lost. */
void mqwire_serve(mqi_conn *c);
/* Something is to be done by the library's thread. */
void mqwire_wake_thread(mqi_conn *c);
/* The connection is lost, or must end. */
void mqwire_fail(mqi_conn *c, enum mqi_err why, const char *text);
/* Wakes everybody who waits: something that they may wait for has changed. */
void mqwire_wake_all(mqi_conn *c);
/* Bytes appended and not yet written. */
size_t mqwire_unwritten(const mqi_conn *c);

/* ---- call.c: synchronous requests ---- */

/* Fills call, and adds it to the table. */
MQ_MUST_CHECK enum mqi_err mqcall_begin(
    mqi_conn *c, struct mqcall *call, enum mqreq_effect effect, uint16_t want);
/* After the frame was appended from `mark` on: sends, waits, result. */
MQ_MUST_CHECK enum mqi_err mqcall_end(
    mqi_conn *c, struct mqcall *call, size_t mark);
/* Reads a RESULT frame: its reason, its text into text (MQLIB_TEXT_LEN, may be
 * NULL), its token.  PROTOCOL if it is not one. */
MQ_MUST_CHECK enum mqi_err mqcall_result(const struct mqframe *f, char *text,
    uint64_t *ret_token, enum mqi_err *ret_reason);

/* ---- event.c: frames that answer no request ---- */

/* A frame with id 0 or one of the queue manager's.  PROTOCOL ends the
 * connection. */
MQ_MUST_CHECK enum mqi_err mqevent_frame(mqi_conn *c, const struct mqframe *f);
/* The place of the pieces with this id, or NULL. */
struct mqrx *mqevent_rx(mqi_conn *c, uint32_t id);
/* All requests have been told of the loss; now handles, units, streams. */
void mqevent_lost(mqi_conn *c);

/* ---- handle.c ---- */

mqi_queue *mqqueue_find(mqi_conn *c, uint32_t handle);
MQ_MUST_CHECK enum mqi_err mqqueue_init(mqi_conn *c);
void mqqueue_link(mqi_queue *q); /* by its handle number */
/* Sends OPEN and waits. */
/* mqi_open_with(), with options that are not the public's (extra). */
MQ_MUST_CHECK enum mqi_err mqqueue_open(mqi_conn *conn, const char *object,
    const char *object_qmgr, const struct mqi_open_opts *opts, uint32_t extra,
    mqi_queue **ret_queue);
MQ_MUST_CHECK enum mqi_err mqqueue_open_again(mqi_queue *q, char *ret_text);
void mqqueue_unlink(mqi_queue *q);
void mqqueue_free(mqi_queue *q);
/* In its connection's list, not open; NULL: no memory. */
mqi_queue *mqqueue_new(mqi_conn *c);
/* Closes and frees it; its subscription ends, too. */
enum mqi_err mqqueue_end(mqi_queue *q, bool unsubscribe);

/* ---- put.c, async.c ---- */

/* Appends (small) or sends (large) a PUT. `r` must be filled but for its id.
 * crc: of the body. */
struct mqput {
	mqi_unit *unit;
	const struct mqi_md *md; /* NULL: defaults */
	const void *body;
	uint32_t body_len;
	uint32_t crc;
};

/* Checks arguments and computes the checksum.  Unlocked. */
MQ_MUST_CHECK enum mqi_err mqput_prepare(const mqi_queue *q, mqi_unit *unit,
    const struct mqi_md *md, const void *body, size_t body_len,
    struct mqput *ret);
/* Gives r an id and appends the PUT or, if it is large, writes it whole.  In
 * that case r may be done, and is out of the table, when this returns.
 * Failure: r is not in the table. */
MQ_MUST_CHECK enum mqi_err mqput_send(
    mqi_queue *q, const struct mqput *p, uint16_t flags, struct mqreq *r);
/* Reads PUT_OK or RESULT; text may be NULL.  PROTOCOL if it is neither. */
MQ_MUST_CHECK enum mqi_err mqput_answer(const struct mqframe *f,
    struct mqlocal_put_ok *ret_ok, char *text, enum mqi_err *ret_reason);
void mqput_fill(struct mqi_md *md, const struct mqlocal_put_ok *ok);

/* Notes the first failure that mqi_flush() has to report. */
void mqasync_failed(mqi_queue *q, enum mqi_err err, const char *text);
uint16_t mqasync_put_flags(mqi_queue *q); /* for the next put */
void mqasync_fini(mqi_conn *c);

/* ---- get.c ---- */

/* runs: NULL, or where a small one may lie. */
mqi_msg *mqmsg_new(
    const struct mqlocal_message *m, uint32_t body_room, struct mqruns *runs);
/* Unlocked: decodes the descriptor and checks the body. */
MQ_MUST_CHECK enum mqi_err mqmsg_finish(mqi_msg *msg);

/* ---- uow.c ---- */

/* Is the unit one that requests may name now? */
MQ_MUST_CHECK enum mqi_err mqunit_check(
    const mqi_conn *c, const mqi_unit *unit);
void mqunit_free(mqi_unit *unit);
/* An asynchronous request of the unit is answered. */
void mqunit_answered(mqi_unit *unit);
typedef void (*mqunit_encode_fn)(struct mqbuf *b, uint32_t id, const void *v);
/* A request without a result of its own: if it fails the unit cannot commit. */
MQ_MUST_CHECK enum mqi_err mqunit_ask(
    mqi_unit *unit, mqunit_encode_fn encode, const void *v);
/* Sends the ends of asynchronous commits that may go. */
void mqunit_pump(mqi_conn *c);
/* Takes the completions that are due, and calls them unlocked. */
void mqunit_completions(mqi_conn *c);
void mqunit_fini(mqi_conn *c);
void mqunit_lost(mqi_conn *c);

/* ---- readahead.c ---- */

void mqahead_arrived(mqi_queue *q, mqi_msg *msg);
void mqahead_clear(mqi_queue *q);
/* Sends the acknowledgement that is held back. */
MQ_MUST_CHECK enum mqi_err mqahead_send_ack(mqi_queue *q);
void mqahead_send_acks(mqi_conn *c);
void mqahead_forget_ack(mqi_queue *q); /* that is held back, if any is */
MQ_MUST_CHECK enum mqi_err mqahead_get(
    mqi_queue *q, int64_t wait_ms, mqi_msg **ret_msg);
/* Sends the window and waits. */
MQ_MUST_CHECK enum mqi_err mqahead_start(mqi_queue *q, char *ret_text);

/* ---- notify.c ---- */

/* The answer to "would a get that does not wait return?" may have changed. */
void mqnotify_update(mqi_queue *q);
MQ_MUST_CHECK enum mqi_err mqnotify_start(mqi_queue *q, char *ret_text);
void mqnotify_close(mqi_queue *q);
void mqnotify_stop_thread(mqi_conn *c); /* unlocked */

/* ---- position.c ---- */

/* Unlocked. */
MQ_MUST_CHECK enum mqi_err mqposition_open(mqi_conn *c,
    const struct mqlocal_position_open *v, struct mqlocal_position *ret);

/* ---- reconnect.c ---- */

MQ_MUST_CHECK enum mqi_err mqreconnect_locked(
    mqi_conn *c, int64_t timeout_ms, char *ret_text);

/* ---- agent.c ---- */

/* Hooks: set while the connection is an agent's. */
struct mqagent_state {
	/* CANCELLED: the frame is not for it */
	enum mqi_err (*frame)(mqi_conn *c, const struct mqframe *f);
	void (*lost)(mqi_conn *c);
	void (*free)(mqi_conn *c);
	void (*queue_free)(mqi_queue *q);
	bool in_callback; /* calls that would wait are refused */
};

#endif
