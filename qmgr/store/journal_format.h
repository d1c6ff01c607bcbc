/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_format.h - the bytes of the journal's files (journal_format.c has
 * the tables).  Pure; thread-safe.
 */
#ifndef MQ_STORE_JOURNAL_FORMAT_H
#define MQ_STORE_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_VERSION 1u
#define JOURNAL_FEATURES UINT64_C(0) /* bits that this version knows */
#define JOURNAL_ID_LEN 16u
#define JOURNAL_FILE_HEADER 4096u /* the batches begin behind it */
#define JOURNAL_BATCH_HEADER 64u
#define JOURNAL_SECTOR 512u /* what a disk writes as a whole, or not */
#define JOURNAL_ALIGN 64u   /* where a batch may begin */

struct journal_file_header {
	uint32_t version;
	uint64_t features;
	uint8_t log_id[JOURNAL_ID_LEN];
	uint64_t ordinal; /* 1, 2, 3, ...: the order of the files' use; 0: it
			     was made, but not used yet */
	uint64_t first;   /* number of the first batch */
	uint64_t epoch;
	uint64_t size;  /* bytes of the file; 0: not told */
	uint32_t files; /* that there are; 0: not told */
};

struct journal_batch_header {
	uint8_t log_id[JOURNAL_ID_LEN];
	uint64_t number;
	uint64_t epoch;
	uint32_t len;      /* bytes of records behind the header */
	uint32_t previous; /* crc of the batch before */
	uint32_t files;    /* that there are; 0: not told */
	uint32_t crc;      /* of the header and the records */
};

enum journal_look {
	JOURNAL_GOOD,
	JOURNAL_NONE,    /* not a header, or a damaged one */
	JOURNAL_FOREIGN, /* of another log */
	JOURNAL_NEWER,   /* of a newer version: its fields are filled in */
};

/* h->version and h->features are ours, whatever they say. */
void journal_file_header_encode(
    const struct journal_file_header *h, uint8_t ret[JOURNAL_FILE_HEADER]);
enum journal_look journal_file_header_decode(
    const uint8_t data[JOURNAL_FILE_HEADER],
    const uint8_t log_id[JOURNAL_ID_LEN], struct journal_file_header *ret);

/* Also computes h->crc. */
void journal_batch_header_encode(struct journal_batch_header *h,
    const void *records, uint8_t ret[JOURNAL_BATCH_HEADER]);
/* The header alone: it says that it is one, of this log. */
enum journal_look journal_batch_header_decode(
    const uint8_t data[JOURNAL_BATCH_HEADER],
    const uint8_t log_id[JOURNAL_ID_LEN], struct journal_batch_header *ret);
/* Whether the header and the h->len bytes of records are what was written. */
bool journal_batch_is_whole(const struct journal_batch_header *h,
    const uint8_t data[JOURNAL_BATCH_HEADER], const void *records);

/* From the beginning of a batch of len bytes of records to the next one. */
static inline uint64_t
journal_batch_size(uint64_t len)
{
	return (JOURNAL_BATCH_HEADER + len + JOURNAL_ALIGN - 1) /
	       JOURNAL_ALIGN * JOURNAL_ALIGN;
}

#endif
