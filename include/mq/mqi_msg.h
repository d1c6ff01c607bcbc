/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqi_msg.h - the message descriptor: every field of IBM's MQMD version 2,
 * a not-before time, and user properties.  Values and defaults are IBM's.
 */
#ifndef MQ_MQI_MSG_H
#define MQ_MQI_MSG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define MQI_NAME_LEN 48       /* queues, queue managers */
#define MQI_TOPIC_LEN 10240u  /* bytes of a topic string, at most */
#define MQI_SUB_DATA_LEN 128u /* bytes of a subscription's user data */
#define MQI_CHANNEL_NAME_LEN 20
#define MQI_ID_LEN 24            /* message, correlation and group ids */
#define MQI_MAX_BODY 104857600u  /* bytes */
#define MQI_MAX_PROPS_LEN 16384u /* bytes, all properties encoded */

/* msg_type */
#define MQI_MT_REQUEST 1u
#define MQI_MT_REPLY 2u
#define MQI_MT_REPORT 4u
#define MQI_MT_DATAGRAM 8u

/* report: what is to be told of the message, to its reply-to queue.  Each with
 * none, the first 100 bytes, or all of its body. */
#define MQI_RO_NONE 0u
#define MQI_RO_EXCEPTION 0x01000000u /* it could not be delivered */
#define MQI_RO_EXCEPTION_WITH_DATA 0x03000000u
#define MQI_RO_EXCEPTION_WITH_FULL_DATA 0x07000000u
#define MQI_RO_EXPIRATION 0x00200000u /* its expiry came first */
#define MQI_RO_EXPIRATION_WITH_DATA 0x00600000u
#define MQI_RO_EXPIRATION_WITH_FULL_DATA 0x00e00000u
#define MQI_RO_COA 0x00000100u
#define MQI_RO_COA_WITH_DATA 0x00000300u
#define MQI_RO_COA_WITH_FULL_DATA 0x00000700u
#define MQI_RO_COD 0x00000800u
#define MQI_RO_COD_WITH_DATA 0x00001800u
#define MQI_RO_COD_WITH_FULL_DATA 0x00003800u
#define MQI_RO_PAN 0x00000001u
#define MQI_RO_NAN 0x00000002u
#define MQI_RO_ACTIVITY 0x00000004u
/* The ids of reports and replies: a new message id, and the message's id as
 * correlation id, unless these say else. */
#define MQI_RO_NEW_MSG_ID 0u
#define MQI_RO_PASS_MSG_ID 0x00000080u
#define MQI_RO_COPY_MSG_ID_TO_CORREL_ID 0u
#define MQI_RO_PASS_CORREL_ID 0x00000040u
/* What becomes of a message that cannot be delivered. */
#define MQI_RO_DEAD_LETTER_Q 0u
#define MQI_RO_DISCARD_MSG 0x08000000u
/* Reports take over that, and what remains of the expiry. */
#define MQI_RO_PASS_DISCARD_AND_EXPIRY 0x00004000u

/* feedback of a report: one of these, or a reason (mqi_err.h) */
#define MQI_FB_NONE 0u
#define MQI_FB_QUIT 256u
#define MQI_FB_EXPIRATION 258u
#define MQI_FB_COA 259u
#define MQI_FB_COD 260u
#define MQI_FB_APPL_CANNOT_BE_STARTED 265u
#define MQI_FB_TM_ERROR 266u /* no trigger message */
#define MQI_FB_APPL_TYPE_ERROR 267u
#define MQI_FB_ACTIVITY 269u
#define MQI_FB_XMIT_Q_MSG_ERROR 271u
#define MQI_FB_PAN 275u
#define MQI_FB_NAN 276u

#define MQI_EXPIRY_UNLIMITED (-1)
#define MQI_PRIORITY_AS_Q_DEF (-1)
#define MQI_MAX_PRIORITY 9

enum mqi_persistence {
	MQI_PERSISTENCE_NO = 0,
	MQI_PERSISTENCE_YES = 1,
	MQI_PERSISTENCE_AS_Q_DEF = 2,
};

enum mqi_prop_type {
	MQI_PROP_NULL = 0,
	MQI_PROP_BOOLEAN = 1,
	MQI_PROP_BYTES = 2,
	MQI_PROP_INT64 = 3,
	MQI_PROP_FLOAT64 = 4,
	MQI_PROP_STRING = 5,
};

/* A user property.  Strings are UTF-8; all pointers are borrowed. */
struct mqi_prop {
	const char *name;
	enum mqi_prop_type type;

	union {
		int boolean;
		int64_t int64;
		double float64;

		struct {
			const void *data;
			size_t len; /* bytes; a string needs no final NUL */
		} bytes;            /* MQI_PROP_BYTES and MQI_PROP_STRING */
	} value;
};

/*
 * The descriptor.  Strings are NUL-terminated here and blank-padded nowhere.
 * Initialise with mqi_md_init().
 */
struct mqi_md {
	uint32_t report;   /* MQI_RO_ */
	uint32_t msg_type; /* MQI_MT_ */
	int32_t expiry;    /* tenths of a second, MQI_EXPIRY_UNLIMITED */
	uint32_t feedback; /* MQI_FB_ */
	uint32_t encoding;
	uint32_t ccsid; /* 0: the queue manager's */
	char format[8 + 1];
	int32_t priority;    /* 0..9, MQI_PRIORITY_AS_Q_DEF */
	int32_t persistence; /* enum mqi_persistence */
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint32_t backout_count;
	char reply_to_q[MQI_NAME_LEN + 1];
	char reply_to_qmgr[MQI_NAME_LEN + 1];
	/* identity context */
	char user_identifier[12 + 1];
	uint8_t accounting_token[32];
	char appl_identity_data[32 + 1];
	/* origin context */
	uint32_t put_appl_type;
	char put_appl_name[28 + 1];
	char put_date[8 + 1]; /* YYYYMMDD, GMT */
	char put_time[8 + 1]; /* HHMMSSTH, GMT */
	char appl_origin_data[4 + 1];
	/* version 2 */
	uint8_t group_id[MQI_ID_LEN];
	uint32_t msg_seq_number;
	uint32_t offset;
	uint32_t msg_flags;
	int32_t original_length;
	/* ours */
	/* Since 1970-01-01 GMT; 0: none.  Carried along; no queue manager acts
	 * on it yet. */
	uint64_t not_before_ms;
	const struct mqi_prop *props;
	size_t n_props;
};

/*
 * mqi_md_init - set every field to IBM's default (DATAGRAM, unlimited expiry,
 * priority and persistence as the queue's defaults, ids of zeros).
 * Thread-safe, never blocks.
 */
void mqi_md_init(struct mqi_md *md);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
