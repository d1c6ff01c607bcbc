/* SPDX-License-Identifier: Apache-2.0 */
/* store_schema.h - the bytes of LMDB's keys and values (store_schema.c has the
 * tables).  Pure; thread-safe. */
#ifndef MQ_STORE_SCHEMA_H
#define MQ_STORE_SCHEMA_H

#include "qmgr/store/store.h"

#define SCHEMA_VERSION 1u
#define SCHEMA_FEATURES 0u /* bits that this version knows */

#define SCHEMA_FORMAT_SIZE 28u
#define SCHEMA_NUMBER_SIZE 12u
#define SCHEMA_ROW_KEY 17u
#define SCHEMA_ROW_SIZE 85u
#define SCHEMA_BODY_KEY 16u
#define SCHEMA_ID_KEY 42u
#define SCHEMA_ID_PREFIX 33u /* queue, kind, id */
#define SCHEMA_COUNTERS_SIZE 44u
#define SCHEMA_STAGED_KEY 12u
#define SCHEMA_LIMBO_SIZE 89u
#define SCHEMA_SHARED_SIZE 8u
#define SCHEMA_NP_KEY 25u
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
void schema_row_encode(const uint8_t key[SCHEMA_ROW_KEY],
    const struct schema_row *row, uint8_t ret[SCHEMA_ROW_SIZE]);
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

void schema_limbo_encode(uint32_t count, const struct schema_row *row,
    uint8_t ret[SCHEMA_LIMBO_SIZE]);
MQ_MUST_CHECK bool schema_limbo_decode(uint64_t body_id, const void *data,
    size_t len, uint32_t *ret_count, struct schema_row *ret);

void schema_shared_encode(
    uint64_t body_id, uint32_t count, uint8_t ret[SCHEMA_SHARED_SIZE]);
MQ_MUST_CHECK bool schema_shared_decode(
    uint64_t body_id, const void *data, size_t len, uint32_t *ret_count);

/* The key under which a META, OBJECT, STREAM or POSITION record is kept.
 * Returns its length. */
size_t schema_small_key(const struct record *r, uint8_t ret[SCHEMA_SMALL_KEY]);

bool schema_id_is_set(const uint8_t id[MQI_ID_LEN]);

#endif
