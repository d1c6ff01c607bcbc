/* SPDX-License-Identifier: Apache-2.0 */
/* verify_impl.h - what the files of verify.h share.  One thread. */
#ifndef MQ_STORE_VERIFY_IMPL_H
#define MQ_STORE_VERIFY_IMPL_H

#include <uthash.h>

#include "qmgr/store/store_schema.h"
#include "qmgr/store/verify.h"

/* In the order in which they are walked: rows last, with what they need. */
enum verify_table {
	T_STORE,
	T_META,
	T_OBJECTS,
	T_QUEUES,
	T_STREAMS,
	T_POSITIONS,
	T_PURGES,
	T_SHARED,
	T_NP,
	T_IDS,
	T_STAGED,
	T_BODIES,
	T_LIMBO,
	T_LIVE,
	T_SEGMENTS,
	T_ROWS,
	T_COUNT,
};

struct verify_queue {
	uint64_t id;
	char name[MQI_NAME_LEN + 1]; /* "": no object has this id */
	bool counted;                /* it has counters */
	bool purging;
	bool uncertain; /* not all of its rows can be read */
	struct schema_counters says;
	struct schema_counters has;
	UT_hash_handle hh;
};

/* Of a body: one that several places hold, or one that is damaged. */
struct verify_body {
	uint64_t id;
	uint32_t says;
	uint32_t has;
	UT_hash_handle hh;
};

/* Of a segment: how many of its messages are counted, or a slot of it that
 * cannot be read. */
struct verify_slot {
	struct {
		uint64_t segment;
		uint64_t slot; /* VERIFY_WHOLE: all of it */
	} at;

	uint32_t live;
	UT_hash_handle hh;
};

#define VERIFY_WHOLE UINT64_MAX

struct verify {
	struct pages pages;
	const struct verify_report *report;
	const struct verify_options *options;
	struct verify_result result;
	struct pages_tree trees[T_COUNT];
	bool named[T_COUNT]; /* the list of tables has it */
	bool present[T_COUNT];
	enum verify_table table; /* that is walked */
	uint64_t end_us;         /* of a look that has a limit */
	bool large;              /* a table was not walked as a whole */
	uint64_t bytes;          /* of its values */
	bool cut[T_COUNT];       /* not all of it can be reached */
	bool has_format;
	uint64_t epoch;
	struct verify_queue *queues;
	struct verify_body *shared;
	struct verify_body *bad_bodies;
	struct verify_slot *lives;
	struct verify_slot *bad_slots;
	uint64_t n_placed;  /* messages found from their segments */
	uint64_t n_packed;  /* that say that they are in one */
	uint64_t last_body; /* of the walk of bodies */
	uint64_t n_bodies;  /* met */
	uint64_t n_held;    /* bodies that something holds */
	uint64_t n_ids;     /* that rows have */
	uint64_t n_np;      /* rows that are not persistent */
};

void verify_find(struct verify *v, enum verify_kind kind, const char *where,
    const char *fmt, ...) MQ_PRINTF(4, 5);

/* The name of a table, and what to do with an entry of it. */
struct verify_table_info {
	const char *name;
	bool vital; /* no start can do without it */
	bool empty_values;
	uint32_t key_len; /* 0: varies */
	void (*entry)(struct verify *v, const struct pages_entry *e);
	bool later; /* a store may be older than the table */
};

extern const struct verify_table_info verify_tables[T_COUNT];

/* "queue Q1" or "queue 17", and one of its messages. */
#define VERIFY_WHERE 160u
const char *verify_queue_name(
    struct verify *v, uint64_t id, char ret[VERIFY_WHERE]);
struct verify_queue *verify_queue(struct verify *v, uint64_t id);

/* Something about one message. */
void verify_message(struct verify *v, enum verify_kind kind,
    const struct record_key *key, const char *what);

/* ---- segments: verify_segment.c ---- */

void verify_live_entry(struct verify *v, const struct pages_entry *e);
void verify_segment_entry(struct verify *v, const struct pages_entry *e);
/* What is wrong with the bytes of a row in a segment, as far as the walk of
 * the segments has not said it; NULL: nothing. */
const char *verify_segment_row(struct verify *v, const struct schema_row *row);
void verify_segment_totals(struct verify *v);
void verify_segment_fini(struct verify *v);

/* After all tables: counters, bodies and ids against rows. */
void verify_totals(struct verify *v);
void verify_fini(struct verify *v);

#endif
