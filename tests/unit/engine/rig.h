/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - an engine on a store in memory, driven by hand: what tests and the
 * model build on.  Replies are kept in the order given, per session.  Its host
 * knows the users "fred", in the groups "sales" and "staff", and "joe", in
 * "staff"; "boss" is a name of the owner's.
 */
#ifndef TESTS_UNIT_ENGINE_RIG_H
#define TESTS_UNIT_ENGINE_RIG_H

#include "proto/local.h"
#include "qmgr/engine/engine.h"
#include "qmgr/engine/engine_int.h"
#include "qmgr/store/store_mem.h"

#define RIG_SESSIONS 8u
#define RIG_REPLIES 65536u

/* A reply, copied. */
struct rig_reply {
	struct engine_reply r;
	uint8_t *data; /* MESSAGE: the body, or its pieces so far; or NULL */
	uint32_t len;
	bool whole;
	uint64_t index; /* of what was given last of it, from 1 */
	struct mqi_queue_info info;
	struct mqlocal_stream_ok stream;
	uint8_t msg_id[MQI_ID_LEN];
	/* MESSAGE: of its descriptor */
	char user[12 + 1];
	uint32_t report;
	uint32_t feedback;
	int32_t expiry;
	int32_t priority;
	bool taken;
};

struct rig_session {
	struct engine_session *s; /* NULL: none */
	struct rig_reply **replies;
	uint32_t n_replies;
	uint32_t n_unsent; /* given and not reported by engine_sent() */
	uint64_t given;
	bool hold_sent; /* engine_sent() is the test's */
};

struct rig {
	struct store *store;
	struct engine *e;
	struct engine_config config;
	struct rig_session sessions[RIG_SESSIONS];
	uint64_t mono_us;
	uint32_t last_id;
	uint32_t stream_work;
	uint8_t incarnation;
	enum mqi_err failed;
	bool alone; /* what is said of batches */
};

/* With QMGR "QM" and no queue; ready. */
void rig_start(struct rig *r, const struct engine_config *config);
void rig_stop(struct rig *r);
/* The engine and undurable batches (but the first extra) are gone; starts
 * again, ready. */
void rig_crash(struct rig *r, unsigned extra);
/* Ends cleanly and starts again. */
void rig_restart(struct rig *r);

struct engine_session *rig_connect(struct rig *r, unsigned n);
struct engine_session *rig_connect_as(
    struct rig *r, unsigned n, const struct engine_identity *who);
void rig_disconnect(struct rig *r, unsigned n);

/* attrs: "MAXDEPTH=5", "PUT=DISABLED", ..., NULL */
void rig_define(struct rig *r, enum mqattr_object type, const char *name, ...);

/* One turn: tick, turn_end, engine_sent, all that the store has to say. */
void rig_turn(struct rig *r);
/* Turns until nothing moves, all steps of the store taken. */
void rig_settle(struct rig *r);
void rig_poll(struct rig *r);
void rig_advance_ms(struct rig *r, uint64_t ms);

/* The reply to a request, marked taken, or NULL. */
struct rig_reply *rig_reply(struct rig *r, unsigned n, uint32_t id);
/* The next untaken event (id 0 or with the top bit), or NULL. */
struct rig_reply *rig_event(
    struct rig *r, unsigned n, enum engine_reply_kind kind);
void rig_forget_replies(struct rig *r, unsigned n);

/* These settle and return the reply's reason. */
enum mqi_err rig_open(struct rig *r, unsigned n, const char *name,
    uint32_t options, uint32_t *ret_handle);
enum mqi_err rig_put(struct rig *r, unsigned n, uint32_t handle, uint32_t unit,
    const char *body);
enum mqi_err rig_get(struct rig *r, unsigned n, uint32_t handle, uint32_t unit,
    char *ret_body, size_t cap);
enum mqi_err rig_commit(struct rig *r, unsigned n, uint32_t unit);
enum mqi_err rig_backout(struct rig *r, unsigned n, uint32_t unit);
enum mqi_err rig_result(struct rig *r, unsigned n, uint32_t id);

struct rig_put {
	uint32_t handle;
	uint32_t unit;
	uint16_t flags;
	int32_t priority;
	int32_t persistence;
	const void *body;
	uint32_t len;
	const uint8_t *msg_id; /* or NULL */
	const uint8_t *correl_id;
	const void *desc; /* an encoded one instead */
	uint32_t desc_len;
};

#define RIG_PUT(h, text)                        \
	((struct rig_put){.handle = (h),        \
	    .priority = -1,                     \
	    .persistence = MQI_PERSISTENCE_YES, \
	    .body = (text),                     \
	    .len = (uint32_t)strlen(text)})

/* These only ask, and return the request's id. */
uint32_t rig_ask_put(struct rig *r, unsigned n, const struct rig_put *p);
uint32_t rig_ask_get(struct rig *r, unsigned n, const struct mqlocal_get *req);

#define RIG_GET(h) ((struct mqlocal_get){.handle = (h), .max_len = UINT32_MAX})

/* How many lines with the text fn writes to the log. */
unsigned rig_log_lines(void (*fn)(void), const char *text);

#endif
