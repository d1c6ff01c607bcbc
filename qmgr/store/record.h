/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the records that make up a batch: the bytes that the store is
 * given, that the journal will write, and that golden files pin down.
 *
 *   0  u32 length of the whole record
 *   4  u8  type
 *   5  u8  flags
 *   6  u16 0
 *   8  u32 unit (0: stands by itself), number within the epoch
 *  12  u32 CRC-32C of bytes 0..11 and of the payload
 *  16  payload
 *
 * Little-endian.  A unit's records stand together in one batch, ended by
 * COMMIT, PREPARE or ROLLBACK of the same unit; STAGE records alone come
 * before, in any batch, and have no effect until the unit's COMMIT.
 * Pure; thread-safe.
 */
#ifndef MQ_STORE_RECORD_H
#define MQ_STORE_RECORD_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>
#include <stdbool.h>

#include "base/buf.h"

#define RECORD_HEADER 16u

/* Never renumber; docs/formats/store.md has the payloads. */
#define RECORD_MAP(X)                                               \
	X(1, PUT)                                                   \
	X(2, REMOVE)                                                \
	X(3, STAGE)                                                 \
	X(4, COMMIT)                                                \
	X(5, PREPARE)                                               \
	X(6, ROLLBACK)                                              \
	X(7, BACKOUT) /* a message's backout count */               \
	X(8, POSITION)                                              \
	X(9, OBJECT)                                                \
	X(10, OBJECT_DELETE)                                        \
	X(11, RELEASE) /* a removed message's body may go */        \
	X(12, META)                                                 \
	X(13, STREAM)                                               \
	X(14, RESTORE) /* a removed message returns to its place */ \
	X(15, PURGE)   /* all messages of a deleted queue */

enum record_type {

#define RECORD_ENUM(number, name) RECORD_##name = (number),
	RECORD_MAP(RECORD_ENUM)
#undef RECORD_ENUM
};

/* Where a message is: its place in the delivery order of a queue. */
struct record_key {
	uint64_t queue_id;
	uint8_t rank; /* 9 - priority; 0 on FIFO queues: low goes first */
	uint64_t seq;
};

/*
 * A message comes to one or more places.  Its body is inline (desc, then the
 * whole body), or was staged before in pieces under body_id and the same unit:
 * then piece 0 is the descriptor, of desc_len bytes.
 */
#define RECORD_PUT_STAGED 0x1u         /* flags of a PUT record */
#define RECORD_PUT_NON_PERSISTENT 0x2u /* gone at the next start */

struct record_put {
	uint8_t flags;
	uint64_t body_id; /* unique for ever */
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint32_t backout_count;
	uint32_t body_crc; /* CRC-32C of the whole body */
	uint32_t body_len; /* whole */
	uint32_t n_places;
	const struct record_key *places; /* encode: borrowed */
	const uint8_t *encoded_places;   /* decode: 17 bytes each */
	const void *desc;                /* NULL if staged */
	uint32_t desc_len;
	const void *body; /* NULL if staged */
};

/* Takes a message from its place.  RELEASE in flags: its body may go at once;
 * else it is kept, without a place, until a RELEASE or RESTORE record or the
 * next start. */
#define RECORD_REMOVE_RELEASE 0x1u

struct record_remove {
	uint8_t flags;
	struct record_key key;
	uint64_t body_id;
};

/* Puts back a removed message whose body was kept. */
struct record_restore {
	struct record_key key;
	uint64_t body_id;
	uint32_t backout_count;
};

/* piece 0 is the descriptor; 1..n are the body in MQFRAME_PIECE bytes each */
struct record_stage {
	uint64_t body_id;
	uint32_t piece;
	const void *data;
	uint32_t len;
};

struct record_backout {
	struct record_key key;
	uint32_t count;
};

struct record_release {
	uint64_t body_id;
};

/* fence 0: it is forgotten. */
struct record_position {
	char partner[MQI_NAME_LEN + 1];
	uint8_t stream[16];
	uint64_t position;
	uint64_t fence;
	uint8_t incarnation[16];
	char identity[256 + 1];
};

struct record_object {
	uint8_t type; /* enum mqattr_object */
	char name[MQI_NAME_LEN + 1];
	uint64_t id;       /* of a queue, never reused; else 0 */
	const void *attrs; /* proto/attr.h's bytes */
	uint32_t attrs_len;
};

struct record_object_delete {
	uint8_t type;
	char name[MQI_NAME_LEN + 1];
	uint64_t id;
};

/* One small value of the queue manager's own, under a name. */
struct record_meta {
	char name[31 + 1];
	const void *value;
	uint32_t len; /* <= 4,096 */
};

/* The state of a transmission queue's stream. */
struct record_stream {
	uint64_t queue_id;
	uint8_t stream[16];
	uint64_t acked;
	uint8_t bound_qmid[16];
	char bound_identity[256 + 1];
	/* acknowledged when it was bound to that partner, or counted so by a
	 * person: the partner need not have it */
	uint64_t bound_acked;
	uint32_t n_incarnations; /* <= 64 */

	struct {
		uint8_t id[16];
		uint64_t first;
	} incarnations[64];
};

struct record_purge {
	uint64_t queue_id;
};

/* One decoded record; pointers point into the batch. */
struct record {
	uint8_t type;
	uint8_t flags;
	uint32_t unit;
	uint32_t size; /* whole, bytes */

	union {
		struct record_put put;
		struct record_remove remove;
		struct record_restore restore;
		struct record_stage stage;
		struct record_backout backout;
		struct record_release release;
		struct record_position position;
		struct record_object object;
		struct record_object_delete object_delete;
		struct record_meta meta;
		struct record_stream stream;
		struct record_purge purge;
	} u;
};

/* Encode: append one record; b->err tells of no room. */
void record_encode_put(
    struct mqbuf *b, uint32_t unit, const struct record_put *v);
void record_encode_remove(
    struct mqbuf *b, uint32_t unit, const struct record_remove *v);
void record_encode_restore(
    struct mqbuf *b, uint32_t unit, const struct record_restore *v);
void record_encode_stage(
    struct mqbuf *b, uint32_t unit, const struct record_stage *v);
void record_encode_backout(
    struct mqbuf *b, uint32_t unit, const struct record_backout *v);
void record_encode_release(
    struct mqbuf *b, uint32_t unit, const struct record_release *v);
void record_encode_position(
    struct mqbuf *b, uint32_t unit, const struct record_position *v);
void record_encode_object(struct mqbuf *b, const struct record_object *v);
void record_encode_object_delete(
    struct mqbuf *b, const struct record_object_delete *v);
void record_encode_meta(struct mqbuf *b, const struct record_meta *v);
void record_encode_stream(
    struct mqbuf *b, uint32_t unit, const struct record_stream *v);
void record_encode_purge(struct mqbuf *b, const struct record_purge *v);
/* COMMIT, PREPARE or ROLLBACK */
void record_encode_end(struct mqbuf *b, enum record_type type, uint32_t unit);

/* Reads the record at data.  Errors: STORE_FORMAT (unknown type, or lengths
 * that do not fit), OBJECT_DAMAGED (the CRC is wrong). */
MQ_MUST_CHECK enum mqi_err record_decode(
    const void *data, size_t len, struct record *ret);
/* The same without looking at the CRC. */
MQ_MUST_CHECK enum mqi_err record_parse(
    const void *data, size_t len, struct record *ret);
/* Whether the CRC of a record that was parsed is right. */
bool record_is_whole(const void *data, uint32_t size);

struct record_key record_place(const struct record_put *put, uint32_t i);

/* Negative, 0 or positive: a before, at or after b in one queue. */
int record_key_cmp(const struct record_key *a, const struct record_key *b);

#endif
