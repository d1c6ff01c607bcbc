/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_desc.c - proto/desc*.c on any bytes (the length in them is corrected,
 * so that it does not stand in the way).
 *
 * Promises: read, decode and stamp agree on what is a descriptor; what was
 * decoded can be encoded, and that encoding is stable; a stamp shows what it
 * set, keeps what it should, and stamping again changes nothing.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/desc.h"

#define OUT_MAX (2u * MQDESC_MAX)

static void
encode_decoded(const uint8_t *data, size_t len, struct mqbuf *out)
{
	enum mqi_err err;
	struct mqi_md md;

	err = mqdesc_decode(data, len, &md);
	MQ_INVARIANT(!err);
	mqbuf_init(out, OUT_MAX);
	err = mqdesc_encode(&md, out);
	MQ_INVARIANT(!err);
	free((void *)(uintptr_t)md.props);
}

static void
check_encoding(const uint8_t *data, size_t len)
{
	struct mqbuf once, twice;

	encode_decoded(data, len, &once);
	MQ_INVARIANT(once.len <= len);
	encode_decoded(once.data, once.len, &twice);
	MQ_INVARIANT(once.len == twice.len);
	MQ_INVARIANT(memcmp(once.data, twice.data, once.len) == 0);
	mqbuf_fini(&once);
	mqbuf_fini(&twice);
}

static void
check_stamped(const struct mqbuf *b, const struct mqdesc_info *before,
    const struct mqdesc_stamp *s)
{
	struct mqdesc_info i;
	enum mqi_err err = mqdesc_read(b->data, b->len, &i);

	MQ_INVARIANT(!err);
	MQ_INVARIANT(i.priority == s->priority);
	MQ_INVARIANT(i.persistent == s->persistent && !i.persistence_as_q_def);
	MQ_INVARIANT(i.backout_count == s->backout_count);
	MQ_INVARIANT(memcmp(i.msg_id, s->msg_id, MQI_ID_LEN) == 0);
	MQ_INVARIANT(i.expiry == before->expiry);
	MQ_INVARIANT(i.deadline_ms == s->deadline_ms);
	MQ_INVARIANT(i.msg_type == before->msg_type);
	MQ_INVARIANT(i.report == (before->report & ~s->drop_reports));
	MQ_INVARIANT(i.not_before_ms == before->not_before_ms);
	MQ_INVARIANT(memcmp(i.correl_id, before->correl_id, MQI_ID_LEN) == 0);
	MQ_INVARIANT(memcmp(i.group_id, before->group_id, MQI_ID_LEN) == 0);
	MQ_INVARIANT(i.has_route);
	MQ_INVARIANT(strcmp(i.route.queue, s->route->queue) == 0);
	MQ_INVARIANT(strcmp(i.route.qmgr, s->route->qmgr) == 0);
	MQ_INVARIANT(i.route.hops == s->route->hops);
}

static void
check_life(struct mqbuf *b)
{
	bool asks = mqdesc_asks(b->data, b->len);
	struct mqdesc_info before, i;
	bool expires;

	MQ_INVARIANT(mqdesc_read(b->data, b->len, &before) == MQI_OK);
	expires = before.expiry != MQI_EXPIRY_UNLIMITED;
	MQ_INVARIANT(asks == (expires || before.report != 0));
	MQ_INVARIANT(mqdesc_set_life(b->data, b->len, 77, 88) == MQI_OK);
	MQ_INVARIANT(mqdesc_read(b->data, b->len, &i) == MQI_OK);
	MQ_INVARIANT(i.expiry == (expires ? 77 : MQI_EXPIRY_UNLIMITED));
	MQ_INVARIANT(i.deadline_ms == (before.deadline_ms != 0 ? 88 : 0) ||
		     before.deadline_ms == 0);
}

static void
check_stamp(const uint8_t *data, size_t len, const struct mqdesc_info *before)
{
	struct mqdesc_route route = {
	    .queue = "QUEUE", .qmgr = "QM", .hops = before->route.hops + 1};
	struct mqdesc_stamp s = {
	    .set_msg_id = true,
	    .priority = (int8_t)(len % 10),
	    .persistent = len & 1,
	    .put_time_ms = 1795222923450,
	    .user = "user",
	    .appl_name = "application",
	    .route = &route,
	    .keep_context = len & 2,
	    .backout_count = before->backout_count + 1,
	    .deadline_ms = len & 4 ? 0 : len,
	    .drop_reports = len & 8 ? MQI_RO_COA | MQI_RO_COD : 0,
	};
	struct mqbuf once, twice;
	enum mqi_err err;

	memset(s.msg_id, 0xab, sizeof(s.msg_id));
	mqbuf_init(&once, OUT_MAX);
	mqbuf_init(&twice, OUT_MAX);
	err = mqdesc_stamp(data, len, &s, &once);
	MQ_INVARIANT(!err || err == MQI_E_TOO_BIG);
	if (!err) {
		check_stamped(&once, before, &s);
		err = mqdesc_stamp(once.data, once.len, &s, &twice);
		MQ_INVARIANT(!err && once.len == twice.len);
		MQ_INVARIANT(memcmp(once.data, twice.data, once.len) == 0);
		check_encoding(once.data, once.len);
		check_life(&once);
	}
	mqbuf_fini(&once);
	mqbuf_fini(&twice);
}

static void
check(const uint8_t *data, size_t len)
{
	struct mqdesc_info info;
	struct mqi_md md;
	enum mqi_err err = mqdesc_read(data, len, &info);

	if (err) {
		MQ_INVARIANT(err == MQI_E_MD);
		MQ_INVARIANT(mqdesc_decode(data, len, &md) == MQI_E_MD);
		return;
	}
	check_encoding(data, len);
	check_stamp(data, len, &info);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	check(data, size);
	if (size < 4 || size > MQDESC_MAX)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	mqbuf_set_u16(copy + 2, (uint16_t)size);
	check(copy, size);
	free(copy);
	return 0;
}
