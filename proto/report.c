/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - report messages (report.h), by IBM MQ's rules.
 *
 * Neighbours: the receiver of a channel makes exception reports, the queue
 * manager those of expired messages.
 *
 * A report is of type REPORT, with the reason as its feedback; it has the
 * priority, persistence, encoding, character set, format, user and group of
 * the message, its correlation id is the message's id (or its correlation id,
 * if that was asked for), its own id is new (or the message's), it asks for no
 * report itself and does not expire.
 */
#include "proto/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Of each kind of report, the option's next two bits ask for data. */
static uint32_t
data_len(uint32_t report, uint32_t option, uint32_t body_len)
{
	if ((report & (option << 2)) != 0)
		return body_len;
	if ((report & (option << 1)) != 0)
		return body_len < MQREPORT_SOME ? body_len : MQREPORT_SOME;
	return 0;
}

static void
set_ids(const struct mqi_md *md, struct mqi_md *r)
{
	if ((md->report & MQI_RO_PASS_MSG_ID) != 0)
		memcpy(r->msg_id, md->msg_id, MQI_ID_LEN);
	memcpy(r->correl_id,
	    (md->report & MQI_RO_PASS_CORREL_ID) != 0 ? md->correl_id
						      : md->msg_id,
	    MQI_ID_LEN);
}

static void
fill(const struct mqi_md *md, uint32_t body_len, const struct mqreport_why *why,
    struct mqi_md *r)
{
	mqi_md_init(r);
	r->msg_type = MQI_MT_REPORT;
	r->feedback = why->feedback;
	if ((md->report & MQI_RO_PASS_DISCARD_AND_EXPIRY) != 0) {
		r->report = md->report & MQI_RO_DISCARD_MSG;
		if (why->option != MQI_RO_EXPIRATION)
			r->expiry = md->expiry;
	}
	r->encoding = md->encoding;
	r->ccsid = md->ccsid;
	memcpy(r->format, md->format, sizeof(r->format));
	r->priority = md->priority;
	r->persistence = md->persistence;
	set_ids(md, r);
	(void)snprintf(
	    r->reply_to_qmgr, sizeof(r->reply_to_qmgr), "%s", why->qmgr);
	memcpy(r->user_identifier, md->user_identifier,
	    sizeof(r->user_identifier));
	memcpy(r->accounting_token, md->accounting_token,
	    sizeof(r->accounting_token));
	memcpy(r->appl_identity_data, md->appl_identity_data,
	    sizeof(r->appl_identity_data));
	r->put_appl_type = MQREPORT_APPL_QMGR;
	(void)snprintf(
	    r->put_appl_name, sizeof(r->put_appl_name), "%.28s", why->qmgr);
	mqclock_mq_date(why->wall_ms * 1000, r->put_date, r->put_time);
	memcpy(r->group_id, md->group_id, sizeof(r->group_id));
	r->msg_seq_number = md->msg_seq_number;
	r->offset = md->offset;
	r->msg_flags = md->msg_flags;
	r->original_length = (int32_t)body_len;
}

enum mqi_err
mqreport_make(const void *desc, size_t desc_len, uint32_t body_len,
    const struct mqreport_why *why, struct mqbuf *out, struct mqreport *ret)
{
	struct mqi_md md, r;
	enum mqi_err err = mqdesc_decode(desc, desc_len, &md);
	const char *qmgr;

	MQ_PRE(body_len <= MQI_MAX_BODY);
	if (err != MQI_OK)
		return err;
	memset(ret, 0, sizeof(*ret));
	ret->discard = (md.report & MQI_RO_DISCARD_MSG) != 0;
	ret->wanted = (md.report & why->option) != 0 &&
		      md.msg_type != MQI_MT_REPORT && md.reply_to_q[0] != '\0';
	if (ret->wanted) {
		qmgr = md.reply_to_qmgr[0] != '\0' ? md.reply_to_qmgr
						   : why->reply_qmgr;
		memcpy(ret->to.queue, md.reply_to_q, sizeof(ret->to.queue));
		(void)snprintf(ret->to.qmgr, sizeof(ret->to.qmgr), "%s", qmgr);
		ret->data_len = data_len(md.report, why->option, body_len);
		fill(&md, body_len, why, &r);
		err = mqdesc_encode(&r, out);
	}
	free((void *)(uintptr_t)md.props);
	return err;
}
