/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c - the two queue managers of model.h.
 *
 * The target executes puts and commits in the order in which they were sent,
 * when a test lets it; a commit checks fence and position as the real one
 * does.  Bodies are functions of the message's number, so that a delivered
 * body can be checked without keeping it.
 */
#include "tests/unit/mca/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "proto/dlh.h"

uint8_t
model_byte(uint64_t number, uint32_t at)
{
	return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

static uint8_t *
make_body(const struct model_msg *m)
{
	uint8_t *p = mqmem_alloc(m->body_len + 1u);

	for (uint32_t i = 0; i < m->body_len; i++)
		p[i] = model_byte(m->number, i);
	return p;
}

static void
make_desc(const struct model_msg *m, struct mqbuf *ret)
{
	struct mqdesc_route route = {.hops = 1};
	struct mqdesc_stamp stamp = {.keep_context = true, .route = &route};
	struct mqi_md md;
	struct mqbuf b;

	mqi_md_init(&md);
	md.persistence = m->passing ? MQI_PERSISTENCE_NO : MQI_PERSISTENCE_YES;
	md.priority = 0;
	strcpy(md.format, "MQSTR");
	md.report = m->report;
	if (m->expiry > 0)
		md.expiry = m->expiry;
	stamp.deadline_ms = m->late ? 1 : 0;
	md.msg_id[0] = (uint8_t)m->number;
	md.correl_id[0] = 0xcc;
	strcpy(
	    md.reply_to_q, strcmp(m->queue, "NONE2") == 0 ? "NONE" : "REPLY");
	strcpy(md.reply_to_qmgr, "QM1");
	strcpy(route.queue, m->queue);
	strcpy(route.qmgr, "QM2");
	stamp.persistent = !m->passing;
	mqbuf_init(&b, MQDESC_MAX);
	mqbuf_init(ret, MQDESC_MAX);
	assert_int_equal(mqdesc_encode(&md, &b), MQI_OK);
	assert_int_equal(mqdesc_stamp(b.data, b.len, &stamp, ret), MQI_OK);
	mqbuf_fini(&b);
}

/* ---- source ---- */

void
model_source_init(struct model_source *m)
{
	memset(m, 0, sizeof(*m));
	m->history.stream[0] = 0x5a;
	m->history.n_incarnations = 1;
	m->history.incarnations[0].id[0] = 1;
	m->history.incarnations[0].first = 1;
	strcpy(m->dead_queue, "DLQ");
}

void
model_source_add(
    struct model_source *m, uint64_t number, const char *queue, uint32_t len)
{
	struct model_msg *v = &m->msgs[m->n++];

	assert_true(m->n <= MODEL_MAX);
	v->number = number;
	v->body_len = len;
	strcpy(v->queue, queue);
}

static enum mqi_err
source_hello(
    void *arg, const struct mqchan_hello *h, struct sender_def *ret, char *text)
{
	struct model_source *m = arg;

	assert_int_equal(h->role, MQCHAN_ROLE_RECEIVER);
	if (m->hello_result != MQI_OK) {
		strcpy(text, "not here");
		return m->hello_result;
	}
	*ret = m->def;
	return MQI_OK;
}

static enum mqi_err
source_open(void *arg, struct sender_stream *ret, char *text)
{
	(void)text;
	model_source_stream(arg, ret);
	return MQI_OK;
}

static enum mqi_err
source_bind(void *arg, const uint8_t qmid[16], const char *identity)
{
	struct model_source *m = arg;

	if (m->bind_result != MQI_OK)
		return m->bind_result;
	if (memcmp(m->bound, qmid, 16) != 0)
		m->bound_acked = m->acked;
	memcpy(m->bound, qmid, 16);
	strcpy(m->identity, identity);
	return MQI_OK;
}

static enum mqi_err
source_credit(void *arg, uint64_t after, uint32_t max_msg_len)
{
	struct model_source *m = arg;

	m->limit = max_msg_len;

	assert_false(m->reading);
	m->reading = true;
	m->at = 0;
	m->given = m->acked;
	for (m->next = 0; m->next < m->n && m->msgs[m->next].number <= after;
	     m->next++)
		;
	return MQI_OK;
}

static enum mqi_err
source_ack(void *arg, uint64_t number)
{
	struct model_source *m = arg;

	assert_true(number > m->acked);
	m->acked = number;
	return MQI_OK;
}

/* ---- what is too long for the channel ---- */

static bool
source_ready(void *arg)
{
	(void)arg;
	return true;
}

static enum mqi_err
source_begin(void *arg, void **ret_unit)
{
	struct model_source *m = arg;

	assert_false(m->in_unit);
	m->in_unit = true;
	m->n_putting = 0;
	m->removing = 0;
	*ret_unit = m;
	return MQI_OK;
}

static enum mqi_err
source_put(void *arg, void *unit, struct receiver_msg *msg)
{
	struct model_source *m = arg;
	struct model_aside *a;

	assert_ptr_equal(unit, m);
	assert_true(m->in_unit && m->n_putting < 2);
	assert_int_equal(mqcrc32c(0, msg->body, msg->body_len), msg->crc);
	if (strcmp(msg->route.queue, "NONE") == 0)
		return MQI_E_UNKNOWN_OBJECT;
	a = &m->putting[m->n_putting++];
	memset(a, 0, sizeof(*a));
	a->msg = msg;
	a->number = msg->number;
	a->body_len = msg->body_len;
	a->is_report = msg->is_report;
	a->dead = msg->dead;
	strcpy(a->queue, msg->route.queue);
	if (msg->dead)
		assert_int_equal(
		    mqdlh_decode(msg->body, msg->body_len, &a->header), MQI_OK);
	return MQI_OK;
}

static enum mqi_err
source_remove(void *arg, void *unit, uint64_t number)
{
	struct model_source *m = arg;

	assert_ptr_equal(unit, m);
	assert_int_equal(number, m->held);
	m->removing = number;
	return MQI_OK;
}

static enum mqi_err
source_commit(void *arg, void *unit)
{
	struct model_source *m = arg;

	assert_ptr_equal(unit, m);
	assert_true(m->in_unit && m->removing == m->held);
	m->committing = true;
	return MQI_OK;
}

static void
source_backout(void *arg, void *unit)
{
	struct model_source *m = arg;

	assert_ptr_equal(unit, m);
	assert_true(m->in_unit);
	m->in_unit = false;
}

static enum mqi_err
source_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	struct model_source *m = arg;

	strcpy(ret_name, m->dead_queue);
	return MQI_OK;
}

static void
source_report(void *arg, const struct receiver_msg *msg, enum mqi_err reason,
    const char *what)
{
	struct model_source *m = arg;

	(void)msg;
	(void)reason;
	(void)what;
	m->n_logged++;
}

static uint64_t
source_wall(void *arg)
{
	(void)arg;
	return 1000000;
}

void
model_source_answer(struct model_source *m, struct sender *s)
{
	for (uint32_t i = 0; i < m->n_putting; i++) {
		struct model_aside *a = &m->putting[i];
		enum mqi_err err =
		    strcmp(a->queue, "FULL") == 0 ? MQI_E_Q_FULL : MQI_OK;

		if (a->msg != NULL)
			sender_put_done(s, a->msg, err);
		a->msg = NULL;
	}
	sender_pump(s);
	if (!m->committing)
		return;
	m->committing = m->in_unit = false;
	if (m->commit_result == MQI_OK) {
		for (uint32_t i = 0; i < m->n_putting; i++)
			m->asides[m->n_asides++] = m->putting[i];
		m->removed[m->n_removed++] = m->held;
		m->held = 0;
		m->given = m->before_held;
	}
	sender_commit_done(s, m->commit_result);
	sender_pump(s);
}

void
model_source_io(struct model_source *m, struct sender_io *ret)
{
	static const struct undelivered_io undelivered = {
	    .dead_queue = source_dead_queue,
	    .report = source_report,
	    .wall_us = source_wall};

	*ret = (struct sender_io){.hello = source_hello,
	    .open = source_open,
	    .bind = source_bind,
	    .credit = source_credit,
	    .ack = source_ack,
	    .ready = source_ready,
	    .begin = source_begin,
	    .put = source_put,
	    .remove = source_remove,
	    .commit = source_commit,
	    .backout = source_backout,
	    .undelivered = &undelivered,
	    .arg = m};
}

void
model_source_stream(struct model_source *m, struct sender_stream *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->history = m->history;
	ret->acked = m->acked;
	ret->handed = m->handed;
	memcpy(ret->bound_qmid, m->bound, 16);
	strcpy(ret->bound_identity, m->identity);
	ret->bound_acked = m->bound_acked;
	m->reading = false;
	m->held = 0;
	m->in_unit = m->committing = false;
}

static bool
is_removed(const struct model_source *m, uint64_t number)
{
	for (uint32_t i = 0; i < m->n_removed; i++) {
		if (m->removed[i] == number)
			return true;
	}
	return false;
}

static void
give_message(struct model_source *m, struct sender *s)
{
	const struct model_msg *v = &m->msgs[m->next];
	uint8_t *body = make_body(v);
	struct mqbuf desc;
	struct sender_msg sm;

	make_desc(v, &desc);
	sm = (struct sender_msg){.number = v->number,
	    .previous = m->given,
	    .desc = desc.data,
	    .desc_len = (uint32_t)desc.len,
	    .body_crc = mqcrc32c(0, body, v->body_len),
	    .body_len = v->body_len};
	if (v->body_len > m->limit) {
		m->held = v->number;
		m->before_held = m->given;
	} else if (v->number > m->handed) {
		m->handed = v->number;
	}
	sender_message(s, &sm);
	m->given = v->number;
	mqbuf_fini(&desc);
	free(body);
}

unsigned
model_source_run(struct model_source *m, struct sender *s, unsigned max)
{
	unsigned n = 0;

	while (m->reading && m->next < m->n && n < max) {
		const struct model_msg *v = &m->msgs[m->next];

		if (m->at == 0 && m->held != 0)
			break;
		if (m->at == 0 && is_removed(m, v->number)) {
			m->next++;
			continue;
		}
		uint32_t left = v->body_len - m->at;
		uint32_t len = left < MQFRAME_PIECE ? left : MQFRAME_PIECE;

		if (m->at == 0)
			give_message(m, s);
		if (len > 0) {
			uint8_t *body = make_body(v);

			sender_piece(s, body + m->at, len);
			free(body);
		}
		m->at += len;
		if (m->at == v->body_len) {
			m->at = 0;
			m->next++;
		}
		n++;
	}
	return n;
}

/* ---- target ---- */

struct model_unit {
	struct model_msg msgs[MODEL_MAX];
	bool dead[MODEL_MAX];
	uint32_t n;
	struct model_report report;
	bool has_report;
	uint64_t from, to;
	uint8_t incarnation[16];
};

struct model_op {
	struct model_op *next;
	struct model_unit *unit;
	struct receiver_msg *msg;   /* put */
	struct receiver_unit *ours; /* commit */
	struct model_msg what;
	bool dead;
	bool is_report;
	struct model_report report;
	uint64_t fence;
};

void
model_target_init(struct model_target *m)
{
	memset(m, 0, sizeof(*m));
	m->last = &m->first;
	strcpy(m->def.def.channel, "QM1.TO.QM2");
	strcpy(m->def.def.qmgr, "QM2");
	m->def.def.qmid[0] = 2;
	m->def.def.heartbeat_ms = 5000;
	m->def.def.batch_size = 4;
	m->def.def.max_msg_len = 4194304;
	m->def.retries = 2;
	m->def.retry_ms = 1000;
	m->def.use_dead_queue = true;
	strcpy(m->def.identity, "CN=QM1");
	strcpy(m->dead_queue, "DLQ");
}

static enum mqi_err
target_hello(void *arg, const struct mqchan_hello *h, struct receiver_def *ret,
    char *text)
{
	struct model_target *m = arg;

	assert_string_equal(h->qmgr, "QM1");
	if (m->hello_result != MQI_OK) {
		strcpy(text, "refused by the model");
		return m->hello_result;
	}
	*ret = m->def;
	return MQI_OK;
}

static enum mqi_err
target_open(void *arg, const uint8_t partner[16], const uint8_t stream[16],
    struct receiver_position *ret)
{
	struct model_target *m = arg;

	assert_int_equal(partner[0], 1);
	assert_int_equal(stream[0], 0x5a);
	if (m->open_result != MQI_OK)
		return m->open_result;
	m->holder = ++m->fence;
	ret->position = m->position;
	memcpy(ret->incarnation, m->incarnation, 16);
	return MQI_OK;
}

static enum mqi_err
target_begin(void *arg, void **ret_unit)
{
	struct model_target *m = arg;

	*ret_unit = mqmem_alloc(sizeof(struct model_unit));
	if (++m->n_units > m->most_units)
		m->most_units = m->n_units;
	return MQI_OK;
}

static void
append(struct model_target *m, const struct model_op *op)
{
	struct model_op *copy = mqmem_alloc(sizeof(*copy));

	*copy = *op;
	copy->next = NULL;
	*m->last = copy;
	m->last = &copy->next;
}

/* Checks every byte of a body that arrives. */
static void
check_body(const struct receiver_msg *m, bool dead)
{
	uint32_t skip = dead ? MQDLH_LEN : 0;

	assert_int_equal(mqcrc32c(0, m->body, m->body_len), m->crc);
	for (uint32_t i = skip; i < m->body_len; i++) {
		if (m->body[i] != model_byte(m->number, i - skip))
			fail_msg("byte %u of %llu", i,
			    (unsigned long long)m->number);
	}
}

static enum mqi_err
target_put(void *arg, void *unit, struct receiver_msg *msg)
{
	const char *queue = msg->route.queue;
	struct model_target *m = arg;
	struct model_op op = {
	    .unit = unit, .msg = msg, .fence = m->holder, .dead = msg->dead};

	if (!msg->is_report || msg->dead)
		assert_string_equal(msg->route.qmgr, "QM2");
	check_body(msg, msg->dead);
	if (strncmp(queue, "NONE", 4) == 0)
		return MQI_E_UNKNOWN_OBJECT;
	op.what.number = msg->number;
	op.what.body_len = msg->body_len - (msg->dead ? MQDLH_LEN : 0);
	strcpy(op.what.queue, queue);
	if (msg->is_report) {
		op.is_report = true;
		op.report.to = msg->route;
		op.report.dead = msg->dead;
		op.report.body_len = op.what.body_len;
		assert_int_equal(
		    mqdesc_decode(msg->desc, msg->desc_len, &op.report.md),
		    MQI_OK);
	}
	append(m, &op);
	return MQI_OK;
}

static bool
target_ready(void *arg)
{
	(void)arg;
	return true;
}

static enum mqi_err
target_position(void *arg, void *unit, uint64_t from, uint64_t to,
    const uint8_t incarnation[16])
{
	struct model_unit *u = unit;

	(void)arg;
	assert_non_null(incarnation);
	u->from = from;
	u->to = to;
	memcpy(u->incarnation, incarnation, 16);
	return MQI_OK;
}

static enum mqi_err
target_commit(void *arg, void *unit, struct receiver_unit *u)
{
	struct model_target *m = arg;
	struct model_op op = {.unit = unit, .ours = u, .fence = m->holder};

	append(m, &op);
	return MQI_OK;
}

static void
target_backout(void *arg, void *unit)
{
	struct model_target *m = arg;

	m->n_units--;
	free(unit);
}

static enum mqi_err
target_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	struct model_target *m = arg;

	strcpy(ret_name, m->dead_queue);
	return MQI_OK;
}

static void
target_report(void *arg, const struct receiver_msg *msg, enum mqi_err reason,
    const char *what)
{
	struct model_target *m = arg;

	(void)msg;
	(void)reason;
	(void)what;
	m->n_logged++;
}

static uint64_t
target_wall(void *arg)
{
	(void)arg;
	return 1000000;
}

void
model_target_io(struct model_target *m, struct receiver_io *ret)
{
	static const struct undelivered_io undelivered = {
	    .dead_queue = target_dead_queue,
	    .report = target_report,
	    .wall_us = target_wall};

	*ret = (struct receiver_io){.hello = target_hello,
	    .position_open = target_open,
	    .ready = target_ready,
	    .begin = target_begin,
	    .put = target_put,
	    .position = target_position,
	    .commit = target_commit,
	    .backout = target_backout,
	    .undelivered = &undelivered,
	    .arg = m};
}

static enum mqi_err
execute_put(struct model_target *m, const struct model_op *op)
{
	struct model_unit *u = op->unit;

	if (op->is_report) {
		assert_false(u->has_report);
		u->has_report = true;
		u->report = op->report;
		return MQI_OK;
	}
	if (strcmp(op->what.queue, "FULL") == 0 && m->full > 0) {
		m->full--;
		return MQI_E_Q_FULL;
	}
	if (strcmp(op->what.queue, "LATE") == 0)
		return MQI_E_MSG_TOO_BIG_FOR_Q;
	u->dead[u->n] = op->dead;
	u->msgs[u->n++] = op->what;
	return MQI_OK;
}

static enum mqi_err
execute_commit(struct model_target *m, const struct model_op *op)
{
	const struct model_unit *u = op->unit;

	if (op->fence != m->fence)
		return MQI_E_FENCED;
	if (u->from != m->position)
		return MQI_E_POSITION_MOVED;
	assert_true(m->n + u->n <= MODEL_MAX);
	for (uint32_t i = 0; i < u->n; i++) {
		m->dead[m->n] = u->dead[i];
		m->delivered[m->n++] = u->msgs[i];
	}
	if (u->has_report)
		m->reports[m->n_reports++] = u->report;
	m->position = u->to;
	memcpy(m->incarnation, u->incarnation, 16);
	return MQI_OK;
}

unsigned
model_target_run(struct model_target *m, unsigned max, bool live)
{
	struct model_op *op;
	enum mqi_err err;
	unsigned n = 0;

	while (n < max && (op = m->first) != NULL) {
		m->first = op->next;
		if (m->first == NULL)
			m->last = &m->first;
		if (op->msg != NULL) {
			err = execute_put(m, op);
			if (live) {
				receiver_put_done(op->msg, err);
				receiver_pump(op->msg->unit->receiver);
			}
		} else {
			err = execute_commit(m, op);
			m->n_units--;
			free(op->unit);
			if (live) {
				struct receiver *r = op->ours->receiver;

				receiver_commit_done(op->ours, err);
				receiver_pump(r);
			}
		}
		free(op);
		n++;
	}
	return n;
}

void
model_target_cut(struct model_target *m, unsigned some)
{
	struct model_op *op;

	(void)model_target_run(m, some, false);
	while ((op = m->first) != NULL) {
		m->first = op->next;
		if (op->ours != NULL) {
			m->n_units--;
			free(op->unit);
		}
		free(op);
	}
	m->last = &m->first;
}

void
model_target_fini(struct model_target *m)
{
	model_target_cut(m, 0);
}
