/* SPDX-License-Identifier: Apache-2.0 */
/* store_schema.h - the bytes of LMDB's keys and values (store_schema.c has the
 * tables).  Pure; thread-safe. */
#ifndef MQ_STORE_SCHEMA_H
#define MQ_STORE_SCHEMA_H

#include "qmgr/store/store.h"

#define SCHEMA_VERSION 1u
#define SCHEMA_FEATURE_SEGMENTS 0x1u /* segments, live, short rows */
#define SCHEMA_FEATURE_JOURNAL 2u    /* what the journal has comes on top */
/* that this version knows */
#define SCHEMA_FEATURES (SCHEMA_FEATURE_SEGMENTS | SCHEMA_FEATURE_JOURNAL)

#define SCHEMA_FORMAT_SIZE 28u
#define SCHEMA_NUMBER_SIZE 12u
#define SCHEMA_ROW_KEY 17u
#define SCHEMA_ROW_MAX 95u /* a short row with everything in it */
#define SCHEMA_BODY_KEY 16u
#define SCHEMA_ID_KEY 42u
#define SCHEMA_ID_PREFIX 33u /* queue, kind, id */
#define SCHEMA_COUNTERS_SIZE 44u
#define SCHEMA_STAGED_KEY 12u
#define SCHEMA_LIMBO_MAX (4u + SCHEMA_ROW_MAX)
#define SCHEMA_SHARED_SIZE 8u
#define SCHEMA_NP_KEY 25u
#define SCHEMA_SEGMENT_FOOT 28u
#define SCHEMA_SEGMENT_ENTRY 37u
#define SCHEMA_LIVE_SIZE 12u
/* A body id is at most so far from its segment's key. */
#define SCHEMA_SEGMENT_SPAN 4096u
#define SCHEMA_SMALL_KEY 80u /* room for keys of objects, positions, ... */

/* What can be wrong with a value. */
enum schema_format { SCHEMA_OK, SCHEMA_DAMAGED, SCHEMA_FOREIGN, SCHEMA_NEWER };

struct schema_row {
	uint64_t body_id;
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint32_t backout_count;
	uint32_t body_crc;
	uint32_t body_len;
	uint32_t desc_len;
	uint64_t epoch;
	bool non_persistent;
	bool inlined;
	bool shared; /* more than one place, counted in "shared" */
	/* its bytes are those of a segment's entry */
	bool in_segment;
	uint64_t segment;
	uint16_t slot;
	/* the message id is found by the body id: it is not in "ids" */
	bool id_from_body;
};

struct schema_segment {
	uint32_t n;
	uint32_t data_len;
	uint64_t min_body_id;
	uint64_t max_body_id;
};

/* One message of a segment. */
struct schema_entry {
	struct record_key key; /* where it was put */
	uint64_t body_id;
	uint16_t offset; /* of descriptor and body, in the segment */
	uint16_t len;
	uint32_t crc; /* of them */
};

struct schema_counters {
	uint64_t depth; /* persistent messages */
	uint64_t bytes; /* of their bodies */
	uint64_t np_epoch;
	uint32_t np_depth; /* of np_epoch */
	uint64_t np_bytes;
};

void schema_u64(uint8_t *p, uint64_t v); /* big-endian, for keys */
void schema_u32(uint8_t *p, uint32_t v);
uint64_t schema_get_u64(const uint8_t *p);
uint32_t schema_get_u32(const uint8_t *p);

void schema_format_encode(uint8_t ret[SCHEMA_FORMAT_SIZE]);
/* *ret_version and *ret_features are written also for SCHEMA_NEWER. */
enum schema_format schema_format_decode(const void *data, size_t len,
    uint32_t *ret_version, uint64_t *ret_features);

/* A u64 with a checksum that also covers its key. */
void schema_number_encode(
    const char *key, uint64_t v, uint8_t ret[SCHEMA_NUMBER_SIZE]);
MQ_MUST_CHECK bool schema_number_decode(
    const char *key, const void *data, size_t len, uint64_t *ret);

void schema_row_key(const struct record_key *key, uint8_t ret[SCHEMA_ROW_KEY]);
struct record_key schema_row_key_decode(const uint8_t key[SCHEMA_ROW_KEY]);
/* How many bytes schema_row_encode() writes. */
size_t schema_row_size(const struct schema_row *row);
void schema_row_encode(const uint8_t key[SCHEMA_ROW_KEY],
    const struct schema_row *row, uint8_t ret[SCHEMA_ROW_MAX]);
MQ_MUST_CHECK bool schema_row_decode(const uint8_t key[SCHEMA_ROW_KEY],
    const void *data, size_t len, struct schema_row *ret);

void schema_body_key(uint64_t body_id, uint32_t piece, uint32_t crc,
    uint8_t ret[SCHEMA_BODY_KEY]);
void schema_id_key(const struct record_key *key, enum store_id_kind kind,
    const uint8_t id[MQI_ID_LEN], uint8_t ret[SCHEMA_ID_KEY]);
void schema_np_key(uint64_t epoch, const uint8_t row_key[SCHEMA_ROW_KEY],
    uint8_t ret[SCHEMA_NP_KEY]);
void schema_staged_key(
    uint32_t unit, uint64_t body_id, uint8_t ret[SCHEMA_STAGED_KEY]);

void schema_counters_encode(uint64_t queue_id, const struct schema_counters *c,
    uint8_t ret[SCHEMA_COUNTERS_SIZE]);
MQ_MUST_CHECK bool schema_counters_decode(uint64_t queue_id, const void *data,
    size_t len, struct schema_counters *ret);

/* Returns the length. */
size_t schema_limbo_encode(uint32_t count, const struct schema_row *row,
    uint8_t ret[SCHEMA_LIMBO_MAX]);
MQ_MUST_CHECK bool schema_limbo_decode(uint64_t body_id, const void *data,
    size_t len, uint32_t *ret_count, struct schema_row *ret);

void schema_shared_encode(
    uint64_t body_id, uint32_t count, uint8_t ret[SCHEMA_SHARED_SIZE]);
MQ_MUST_CHECK bool schema_shared_decode(
    uint64_t body_id, const void *data, size_t len, uint32_t *ret_count);

/*
 * ---- segments: the data of messages, their entries backwards, a foot ----
 *
 * So an entry's place and its data's are known when it comes, and do not
 * depend on the foot when they are read.
 */

void schema_segment_encode(uint64_t key, const struct schema_segment *v,
    uint8_t ret[SCHEMA_SEGMENT_FOOT]);
MQ_MUST_CHECK bool schema_segment_decode(
    uint64_t key, const void *data, size_t len, struct schema_segment *ret);
void schema_entry_encode(uint64_t segment, const struct schema_entry *v,
    uint8_t ret[SCHEMA_SEGMENT_ENTRY]);
/* The entry alone. */
MQ_MUST_CHECK bool schema_entry_decode(
    uint64_t segment, const uint8_t *p, struct schema_entry *ret);
/* The entry in its segment of len bytes, whatever the foot is. */
MQ_MUST_CHECK bool schema_entry_at(uint64_t segment, const void *data,
    size_t len, uint16_t slot, struct schema_entry *ret);

void schema_live_encode(
    uint64_t segment, uint32_t live, uint32_t n, uint8_t ret[SCHEMA_LIVE_SIZE]);
MQ_MUST_CHECK bool schema_live_decode(uint64_t segment, const void *data,
    size_t len, uint32_t *ret_live, uint32_t *ret_n);

/* The number that a message id of ours ends with. */
uint64_t schema_id_number(const uint8_t id[MQI_ID_LEN]);

/* The key under which a META, OBJECT, STREAM or POSITION record is kept.
 * Returns its length. */
size_t schema_small_key(const struct record *r, uint8_t ret[SCHEMA_SMALL_KEY]);

bool schema_id_is_set(const uint8_t id[MQI_ID_LEN]);

#endif
