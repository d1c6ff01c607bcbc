/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.c - an engine on a store in memory, for tests; see rig.h.
 *
 * The rig is the loop: it ticks, ends turns, carries batches and loads to the
 * store and answers back.  With the store automatic a turn does everything;
 * held back, the test takes the store's steps and calls rig_poll().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/unit/engine/rig.h"

/* ---- the engine's ops ---- */

static struct rig_session *
rig_session_of(struct rig *r, void *cookie)
{
	return &r->sessions[(uintptr_t)cookie];
}

static struct rig_reply *
rig_keep(struct rig_session *rs)
{
	struct rig_reply *k = mqmem_alloc(sizeof(*k));

	assert_true(rs->n_replies < RIG_REPLIES);
	rs->replies[rs->n_replies++] = k;
	return k;
}

static void
rig_keep_message(struct rig_reply *k, const struct engine_reply *e)
{
	uint32_t desc = e->u.message.desc_len;
	struct mqi_md md;
	uint32_t len = e->u.message.sent_len;

	assert_true(e->u.message.data->len >= desc);
	assert_int_equal(
	    mqdesc_decode(e->u.message.data->data, desc, &md), MQI_OK);
	strcpy(k->user, md.user_identifier);
	k->report = md.report;
	k->feedback = md.feedback;
	k->expiry = md.expiry;
	k->priority = md.priority;
	free((void *)(uintptr_t)md.props);
	k->data = mqmem_alloc(len + 1);
	k->whole = e->u.message.inlined;
	if (k->whole) {
		assert_true(e->u.message.data->len >= desc + len);
		memcpy(k->data, e->u.message.data->data + desc, len);
		k->len = len;
		if (len == e->u.message.body_len)
			assert_int_equal(
			    mqcrc32c(0, k->data, len), e->u.message.body_crc);
	}
}

static void
rig_keep_piece(struct rig_session *rs, const struct engine_reply *e)
{
	for (uint32_t i = rs->n_replies; i-- > 0;) {
		struct rig_reply *k = rs->replies[i];

		if (k->r.kind != ENGINE_MESSAGE || k->r.id != e->id)
			continue;
		memcpy(k->data + k->len, e->u.piece.data->data, e->u.piece.len);
		k->len += e->u.piece.len;
		k->whole = k->len == k->r.u.message.sent_len;
		k->index = rs->given;
		return;
	}
	fail_msg("a piece without its message");
}

/* One reply for each of the puts; engine_sent() is not told of them. */
static void
rig_keep_puts(struct rig_session *rs, const struct engine_reply *e)
{
	for (uint32_t i = 0; i < e->u.puts.n; i++) {
		struct rig_reply *k = rig_keep(rs);

		k->r.kind = e->kind;
		k->r.id = e->u.puts.ids[i];
		k->index = rs->given;
	}
}

static void
rig_on_reply(void *ctx, void *cookie, const struct engine_reply *e)
{
	struct rig_session *rs = rig_session_of(ctx, cookie);
	struct rig_reply *k;

	if (e->kind == ENGINE_PUTS_DONE) {
		rig_keep_puts(rs, e);
		return;
	}
	rs->n_unsent++;
	rs->given++;
	if (e->kind == ENGINE_PIECE) {
		rig_keep_piece(rs, e);
		return;
	}
	k = rig_keep(rs);
	k->r = *e;
	k->index = rs->given;
	switch (e->kind) {
	case ENGINE_MESSAGE:
		rig_keep_message(k, e);
		break;
	case ENGINE_INQUIRED:
		k->info = *e->u.info;
		break;
	case ENGINE_STREAM:
		k->stream = *e->u.stream;
		break;
	case ENGINE_PUT_DONE:
		memcpy(k->msg_id, e->u.put.msg_id, MQI_ID_LEN);
		break;
	default:
		break;
	}
}

static void
rig_on_submit(void *ctx, struct store_batch *b)
{
	struct rig *r = ctx;

	engine_alone(r->e, r->alone);
	(void)r->store->ops->submit(r->store, b, false);
}

static void
rig_on_hurry(void *ctx, uint64_t number)
{
	struct rig *r = ctx;

	r->store->ops->hurry(r->store, number);
}

static void
rig_on_load(void *ctx, struct store_load *l)
{
	struct rig *r = ctx;

	r->store->ops->load(r->store, l);
}

static void
rig_on_stream_work(void *ctx, const char *queue)
{
	struct rig *r = ctx;

	(void)queue;
	r->stream_work++;
}

static void
rig_groups(void *ctx, const char *user, struct authority_groups *ret)
{
	(void)ctx;
	if (strcmp(user, "fred") == 0)
		strcpy(ret->names[ret->n++], "sales");
	if (strcmp(user, "fred") == 0 || strcmp(user, "joe") == 0)
		strcpy(ret->names[ret->n++], "staff");
}

static bool
rig_is_owner(void *ctx, const char *user)
{
	(void)ctx;
	return strcmp(user, "boss") == 0;
}

static const struct engine_ops rig_ops = {
    .reply = rig_on_reply,
    .submit = rig_on_submit,
    .hurry = rig_on_hurry,
    .load = rig_on_load,
    .stream_work = rig_on_stream_work,
    .groups = rig_groups,
    .is_owner = rig_is_owner,
};

/* ---- the store's events ---- */

static void
rig_on_durable(void *ctx, uint64_t number)
{
	engine_durable(((struct rig *)ctx)->e, number);
}

static void
rig_on_applied(void *ctx, uint64_t number)
{
	engine_applied(((struct rig *)ctx)->e, number);
}

static void
rig_on_loaded(void *ctx, struct store_load *l)
{
	engine_loaded(((struct rig *)ctx)->e, l);
}

static void
rig_on_failed(void *ctx, enum mqi_err err, const char *why)
{
	(void)why;
	((struct rig *)ctx)->failed = err;
}

void
rig_poll(struct rig *r)
{
	const struct store_events ev = {
	    .durable = rig_on_durable,
	    .applied = rig_on_applied,
	    .failed = rig_on_failed,
	    .loaded = rig_on_loaded,
	    .ctx = r,
	};

	r->store->ops->poll(r->store, &ev);
}

/* ---- life ---- */

static void
rig_begin(struct rig *r)
{
	r->config.incarnation[0] = ++r->incarnation;
	assert_int_equal(
	    engine_new(&r->config, &rig_ops, r, r->store, &r->e), MQI_OK);
	rig_settle(r);
	assert_true(engine_is_ready(r->e));
}

void
rig_start(struct rig *r, const struct engine_config *config)
{
	memset(r, 0, sizeof(*r));
	r->mono_us = 1000000;
	if (config != NULL)
		r->config = *config;
	strcpy(r->config.name, "QM");
	memset(r->config.qmid, 7, sizeof(r->config.qmid));
	for (unsigned i = 0; i < RIG_SESSIONS; i++)
		r->sessions[i].replies =
		    mqmem_array(RIG_REPLIES, sizeof(struct rig_reply *));
	r->store = store_mem_new(true);
	rig_begin(r);
}

static void
rig_end_engine(struct rig *r)
{
	for (unsigned i = 0; i < RIG_SESSIONS; i++) {
		r->sessions[i].s = NULL;
		r->sessions[i].n_unsent = 0;
	}
	r->e = engine_free(r->e);
}

void
rig_stop(struct rig *r)
{
	for (unsigned i = 0; i < RIG_SESSIONS; i++) {
		rig_forget_replies(r, i);
		free(r->sessions[i].replies);
	}
	rig_end_engine(r);
	(void)r->store->ops->close(r->store);
}

void
rig_crash(struct rig *r, unsigned extra)
{
	rig_end_engine(r);
	r->store = store_mem_crash(r->store, extra);
	rig_begin(r);
}

void
rig_restart(struct rig *r)
{
	rig_settle(r);
	rig_crash(r, 0);
}

struct engine_session *
rig_connect_as(struct rig *r, unsigned n, const struct engine_identity *who)
{
	struct rig_session *rs = &r->sessions[n];

	assert_null(rs->s);
	rs->s = engine_session_new(r->e, (void *)(uintptr_t)n, who);
	rs->n_unsent = 0;
	rs->given = 0;
	return rs->s;
}

struct engine_session *
rig_connect(struct rig *r, unsigned n)
{
	static const struct engine_identity who = {
	    .user = "owner", .app_name = "test", .is_owner = true};

	return rig_connect_as(r, n, &who);
}

void
rig_disconnect(struct rig *r, unsigned n)
{
	engine_session_end(r->e, r->sessions[n].s);
	r->sessions[n].s = NULL;
	r->sessions[n].n_unsent = 0;
}

static void
rig_set_attr(struct mqattr_set *set, enum mqattr_object type, const char *text)
{
	char key[32] = "";
	const char *eq = strchr(text, '=');
	const struct mqattr_def *def;
	char why[256] = "";

	memcpy(key, text, (size_t)(eq - text));
	def = mqattr_find(type, key);
	assert_non_null(def);
	if (mqattr_set_text(set, def->id, eq + 1, why, sizeof(why)) != MQI_OK)
		fail_msg("%s: %s", text, why);
}

void
rig_define(struct rig *r, enum mqattr_object type, const char *name, ...)
{
	const struct engine_object *old = engine_object_find(r->e, type, name);
	struct mqattr_set *set =
	    old != NULL ? mqattr_set_copy(old->attrs) : mqattr_set_new(type);
	const char *text;
	uint64_t pos;
	va_list ap;

	va_start(ap, name);
	while ((text = va_arg(ap, const char *)) != NULL)
		rig_set_attr(set, type, text);
	va_end(ap);
	assert_int_equal(
	    engine_object_set(r->e, type, name, set, &pos), MQI_OK);
	(void)mqattr_set_free(set);
}

/* ---- turns ---- */

static bool
rig_send(struct rig *r)
{
	bool moved = false;

	for (unsigned i = 0; i < RIG_SESSIONS; i++) {
		struct rig_session *rs = &r->sessions[i];
		uint32_t n = rs->n_unsent;

		if (rs->s == NULL || rs->hold_sent || n == 0)
			continue;
		rs->n_unsent = 0;
		engine_sent(r->e, rs->s, n);
		moved = true;
	}
	return moved;
}

void
rig_turn(struct rig *r)
{
	engine_tick(r->e, r->mono_us, r->mono_us + 1700000000000000u);
	(void)rig_send(r);
	engine_turn_end(r->e);
	engine_check(r->e);
	rig_poll(r);
	engine_check(r->e);
}

static bool
rig_step_store(struct rig *r)
{
	bool a = store_mem_make_durable(r->store);
	bool b = store_mem_apply(r->store);
	bool c = store_mem_read_load(r->store);
	bool d = store_mem_answer_load(r->store);
	bool e = store_mem_counts(r->store).events > 0;

	return a || b || c || d || e;
}

void
rig_settle(struct rig *r)
{
	bool moved = true;

	while (moved) {
		engine_tick(r->e, r->mono_us, r->mono_us + 1700000000000000u);
		moved = rig_send(r);
		engine_turn_end(r->e);
		moved = rig_step_store(r) || moved;
		rig_poll(r);
		moved = moved || r->e->n_walking > 0 || retain_has_work(r->e);
	}
	engine_check(r->e);
}

void
rig_advance_ms(struct rig *r, uint64_t ms)
{
	r->mono_us += ms * 1000;
	rig_settle(r);
}

/* ---- replies ---- */

struct rig_reply *
rig_reply(struct rig *r, unsigned n, uint32_t id)
{
	struct rig_session *rs = &r->sessions[n];

	for (uint32_t i = 0; i < rs->n_replies; i++) {
		struct rig_reply *k = rs->replies[i];

		if (k->r.id == id && !k->taken) {
			k->taken = true;
			return k;
		}
	}
	return NULL;
}

struct rig_reply *
rig_event(struct rig *r, unsigned n, enum engine_reply_kind kind)
{
	struct rig_session *rs = &r->sessions[n];

	for (uint32_t i = 0; i < rs->n_replies; i++) {
		struct rig_reply *k = rs->replies[i];

		if (!k->taken && k->r.kind == kind &&
		    (k->r.id == 0 || k->r.id >= UINT32_C(0x80000000))) {
			k->taken = true;
			return k;
		}
	}
	return NULL;
}

void
rig_forget_replies(struct rig *r, unsigned n)
{
	struct rig_session *rs = &r->sessions[n];

	for (uint32_t i = 0; i < rs->n_replies; i++) {
		free(rs->replies[i]->data);
		free(rs->replies[i]);
	}
	rs->n_replies = 0;
}

enum mqi_err
rig_result(struct rig *r, unsigned n, uint32_t id)
{
	struct rig_reply *k;

	rig_settle(r);
	k = rig_reply(r, n, id);
	return k != NULL ? k->r.reason : MQI_E_UNKNOWN_OUTCOME;
}

/* ---- requests ---- */

enum mqi_err
rig_open(struct rig *r, unsigned n, const char *name, uint32_t options,
    uint32_t *ret_handle)
{
	uint32_t id = ++r->last_id;
	struct rig_reply *k;

	engine_open(r->e, r->sessions[n].s, id, name, "", options);
	rig_settle(r);
	k = rig_reply(r, n, id);
	assert_non_null(k);
	if (k->r.kind == ENGINE_OPENED)
		*ret_handle = k->r.handle;
	return k->r.reason;
}

uint32_t
rig_ask_put(struct rig *r, unsigned n, const struct rig_put *p)
{
	struct engine_put req = {.handle = p->handle,
	    .unit = p->unit,
	    .flags = p->flags,
	    .body_len = p->len};
	uint32_t id = ++r->last_id;
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	md.priority = p->priority;
	md.persistence = p->persistence;
	if (p->msg_id != NULL)
		memcpy(md.msg_id, p->msg_id, MQI_ID_LEN);
	if (p->correl_id != NULL)
		memcpy(md.correl_id, p->correl_id, MQI_ID_LEN);
	mqbuf_init(&b, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	req.desc = p->desc != NULL ? p->desc : b.data;
	req.desc_len = p->desc != NULL ? p->desc_len : (uint32_t)b.len;
	req.body_crc = mqcrc32c(0, p->body, p->len);
	if (req.desc_len + p->len <= MQFRAME_PIECE)
		req.body = p->body;
	assert_int_equal(engine_put(r->e, r->sessions[n].s, id, &req), MQI_OK);
	for (uint32_t at = 0; req.body == NULL && at < p->len;
	     at += MQFRAME_PIECE) {
		uint32_t len = p->len - at;

		if (len > MQFRAME_PIECE)
			len = MQFRAME_PIECE;
		assert_int_equal(engine_put_piece(r->e, r->sessions[n].s, id,
				     (const uint8_t *)p->body + at, len),
		    MQI_OK);
	}
	mqbuf_fini(&b);
	return id;
}

uint32_t
rig_ask_get(struct rig *r, unsigned n, const struct mqlocal_get *req)
{
	uint32_t id = ++r->last_id;

	engine_get(r->e, r->sessions[n].s, id, req);
	return id;
}

enum mqi_err
rig_put(
    struct rig *r, unsigned n, uint32_t handle, uint32_t unit, const char *body)
{
	struct rig_put p = RIG_PUT(handle, body);

	p.unit = unit;
	return rig_result(r, n, rig_ask_put(r, n, &p));
}

enum mqi_err
rig_get(struct rig *r, unsigned n, uint32_t handle, uint32_t unit,
    char *ret_body, size_t cap)
{
	struct mqlocal_get req = RIG_GET(handle);
	struct rig_reply *k;
	uint32_t id;

	req.unit = unit;
	id = rig_ask_get(r, n, &req);
	rig_settle(r);
	k = rig_reply(r, n, id);
	assert_non_null(k);
	if (k->r.kind == ENGINE_MESSAGE && ret_body != NULL) {
		assert_true(k->whole && k->len < cap);
		memcpy(ret_body, k->data, k->len);
		ret_body[k->len] = '\0';
	}
	return k->r.reason;
}

enum mqi_err
rig_commit(struct rig *r, unsigned n, uint32_t unit)
{
	uint32_t id = ++r->last_id;

	engine_commit(r->e, r->sessions[n].s, id, unit);
	return rig_result(r, n, id);
}

enum mqi_err
rig_backout(struct rig *r, unsigned n, uint32_t unit)
{
	uint32_t id = ++r->last_id;

	engine_backout(r->e, r->sessions[n].s, id, unit);
	return rig_result(r, n, id);
}

unsigned
rig_log_lines(void (*fn)(void), const char *text)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	char line[2100];
	unsigned n = 0;

	assert_non_null(f);
	assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
	fn();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, text) != NULL;
	(void)fclose(f);
	return n;
}
