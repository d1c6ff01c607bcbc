/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_chan.c - the channel protocol: the input's first frame through its
 * decoder and encoder, then the whole input as what a partner says to a
 * receiver and to a sender, each at either end of the link.
 *
 * Promises: what a decoder accepts, its encoder makes again byte by byte (a
 * HELLO of other versions apart); the machines end or go on, whatever comes,
 * and keep no more than their limits.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "mca/receiver.h"
#include "mca/sender.h"

#define OUT_MAX (2u * MQFRAME_MAX_PAYLOAD)
#define MAX_MSG 100000u

/* ---- decode, encode, compare ---- */

#define RECODE(NAME, name)                                 \
	case MQCHAN_##NAME: {                              \
		struct mqchan_##name v;                    \
		if (mqchan_decode_##name(f, &v) != MQI_OK) \
			return false;                      \
		mqchan_encode_##name(out, &v);             \
		return true;                               \
	}

static bool
recode(const struct mqframe *f, struct mqbuf *out)
{
	struct mqchan_hello h;

	switch (f->type) {
	case MQCHAN_HELLO:
		if (mqchan_decode_hello(f, &h) != MQI_OK || h.role == 0)
			return false;
		mqchan_encode_hello(out, &h);
		return true;
		RECODE(STREAM, stream)
		RECODE(RESUME, resume)
		RECODE(MSG, msg)
		RECODE(PIECE, piece)
		RECODE(ACK, ack)
		RECODE(ERROR, error)
		RECODE(CLOSE, close)
		RECODE(OPTIONS, options)
	default:
		if (mqchan_decode_empty(f) != MQI_OK)
			return false;
		mqchan_encode_empty(out, f->type);
		return true;
	}
}

static void
try_frame(const uint8_t *data, size_t size)
{
	struct mqframe f;
	struct mqbuf out;
	size_t used;

	if (mqframe_parse(data, size, &f, &used) != MQFRAME_OK)
		return;
	mqbuf_init(&out, OUT_MAX);
	if (recode(&f, &out)) {
		MQ_INVARIANT(!out.err && out.len == used);
		MQ_INVARIANT(memcmp(out.data, data, used) == 0);
	}
	mqbuf_fini(&out);
}

/* ---- a receiver whose queue manager does everything at once ---- */

static enum mqi_err
on_hello(void *arg, const struct mqchan_hello *h, struct receiver_def *ret,
    char *text)
{
	(void)arg;
	(void)text;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->def.channel, h->channel, sizeof(h->channel));
	ret->def.qmgr[0] = 'Q';
	ret->def.qmid[0] = 0xfe;
	ret->def.heartbeat_ms = 1000;
	ret->def.batch_size = 3;
	ret->def.max_msg_len = MAX_MSG;
	ret->use_dead_queue = true;
	ret->retries = 1;
	return MQI_OK;
}

static enum mqi_err
on_position_open(void *arg, const uint8_t partner[16], const uint8_t stream[16],
    struct receiver_position *ret)
{
	(void)arg;
	(void)partner;
	(void)stream;
	memset(ret, 0, sizeof(*ret));
	return MQI_OK;
}

static bool
on_ready(void *arg)
{
	(void)arg;
	return true;
}

static enum mqi_err
on_begin(void *arg, void **ret_unit)
{
	*ret_unit = arg;
	return MQI_OK;
}

static enum mqi_err
on_put(void *arg, void *unit, struct receiver_msg *m)
{
	const char *queue = m->route.queue;

	(void)arg;
	(void)unit;
	if (queue[0] == 'X')
		return MQI_E_UNKNOWN_OBJECT;
	receiver_put_done(m, queue[0] == 'Y' ? MQI_E_Q_FULL : MQI_OK);
	return MQI_OK;
}

static enum mqi_err
on_position(void *arg, void *unit, uint64_t from, uint64_t to,
    const uint8_t incarnation[16])
{
	(void)arg;
	(void)unit;
	MQ_INVARIANT(to > from);
	return incarnation != NULL ? MQI_OK : MQI_E_NOT_CURRENT;
}

static enum mqi_err
on_commit(void *arg, void *unit, struct receiver_unit *u)
{
	(void)arg;
	(void)unit;
	receiver_commit_done(u, MQI_OK);
	u->receiver->look_again = true;
	return MQI_OK;
}

static void
on_backout(void *arg, void *unit)
{
	(void)arg;
	(void)unit;
}

static enum mqi_err
on_dead_queue(void *arg, char ret_name[MQI_NAME_LEN + 1])
{
	(void)arg;
	ret_name[0] = 'D';
	ret_name[1] = '\0';
	return MQI_OK;
}

static void
on_report(void *arg, const struct receiver_msg *m, enum mqi_err reason,
    const char *what)
{
	(void)arg;
	(void)m;
	(void)reason;
	(void)what;
}

static uint64_t
on_wall(void *arg)
{
	(void)arg;
	return 0;
}

static void
try_receiver(const uint8_t *data, size_t size, bool dialled)
{
	static const struct undelivered_io undelivered = {
	    .dead_queue = on_dead_queue,
	    .report = on_report,
	    .wall_us = on_wall};
	static int anything;
	const struct receiver_io io = {.hello = on_hello,
	    .position_open = on_position_open,
	    .ready = on_ready,
	    .begin = on_begin,
	    .put = on_put,
	    .position = on_position,
	    .commit = on_commit,
	    .backout = on_backout,
	    .undelivered = &undelivered,
	    .arg = &anything};
	struct receiver r;

	if (dialled) {
		struct receiver_def def;
		struct mqchan_hello h = {.channel = "QM1.TO.QM2"};

		MQ_INVARIANT(on_hello(NULL, &h, &def, NULL) == MQI_OK);
		receiver_init_dialled(&r, &def, &io, 0);
	} else {
		receiver_init(&r, &io, 0);
	}
	receiver_input(&r, data, size);
	receiver_tick(&r, 1);
	receiver_stop(&r);
	receiver_fini(&r);
}

/* ---- a sender without messages ---- */

static enum mqi_err
on_bind(void *arg, const uint8_t qmid[16], const char *identity)
{
	(void)arg;
	(void)qmid;
	(void)identity;
	return MQI_OK;
}

static enum mqi_err
on_number(void *arg, uint64_t number)
{
	(void)arg;
	(void)number;
	return MQI_OK;
}

static enum mqi_err
on_credit(void *arg, uint64_t after, uint32_t max_msg_len)
{
	(void)arg;
	(void)after;
	(void)max_msg_len;
	return MQI_OK;
}

static enum mqi_err
on_open(void *arg, struct sender_stream *ret, char *text)
{
	(void)arg;
	(void)text;
	memset(ret, 0, sizeof(*ret));
	ret->handed = UINT64_MAX;
	ret->history.n_incarnations = 1;
	return MQI_OK;
}

static const struct sender_def sender_def = {
    .def = {.channel = "QM1.TO.QM2",
	.qmgr = "QM1",
	.qmid = {0xfd},
	.heartbeat_ms = 1000,
	.batch_size = 50,
	.max_msg_len = MAX_MSG},
    .identity = "CN=QM2",
    .disc_ms = 1000,
};

static enum mqi_err
on_asked(
    void *arg, const struct mqchan_hello *h, struct sender_def *ret, char *text)
{
	(void)arg;
	(void)text;
	*ret = sender_def;
	memcpy(ret->def.channel, h->channel, sizeof(h->channel));
	return MQI_OK;
}

static void
try_sender(const uint8_t *data, size_t size, bool dialled)
{
	const struct sender_io io = {.hello = on_asked,
	    .open = on_open,
	    .bind = on_bind,
	    .credit = on_credit,
	    .ack = on_number};
	struct sender_stream stream;
	struct sender s;

	MQ_INVARIANT(on_open(NULL, &stream, NULL) == MQI_OK);
	if (dialled)
		sender_init(&s, &sender_def, &stream, &io, 0);
	else
		sender_init_accepted(&s, &io, 0);
	sender_input(&s, data, size);
	sender_tick(&s, 1);
	sender_stop(&s);
	sender_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > CHANNEL_INPUT_MAX)
		return 0;
	try_frame(data, size);
	for (unsigned dialled = 0; dialled < 2; dialled++) {
		try_receiver(data, size, dialled != 0);
		try_sender(data, size, dialled != 0);
	}
	return 0;
}
