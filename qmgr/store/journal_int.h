/* SPDX-License-Identifier: Apache-2.0 */
/* journal_int.h - what journal.c and journal_recover.c share. */
#ifndef MQ_STORE_JOURNAL_INT_H
#define MQ_STORE_JOURNAL_INT_H

#include <pthread.h>

#include "qmgr/store/journal.h"

struct journal_file {
	struct disk_file *f; /* NULL: there is none of this number */
	uint64_t size;
	uint64_t ordinal; /* 0: it was never used */
	uint64_t last;    /* number of its last batch */
	uint64_t end;     /* behind its last batch */
};

/* A batch that recovery has found. */
struct journal_found {
	uint64_t number;
	uint64_t epoch;
	uint64_t at;
	uint32_t len;
	uint32_t crc;
	uint32_t previous;
	unsigned file; /* JOURNAL_FILES_MAX: it is lost */
	bool whole;
};

struct journal {
	struct disk *disk;
	struct journal_options o;
	uint8_t log_id[JOURNAL_ID_LEN];
	uint64_t epoch;

	/* guarded: the table of files, and how far everything is */
	pthread_mutex_t mutex;
	struct journal_file files[JOURNAL_FILES_MAX];
	unsigned n_files;
	uint64_t ordinal; /* of the file that fills; the highest so far */
	uint64_t last;
	uint64_t released;
	uint64_t at; /* where the file that fills goes on */

	/* the appender's */
	unsigned current; /* the file that fills, or JOURNAL_FILES_MAX */
	struct journal_file_header header; /* of it */
	unsigned told_files; /* what a durable header says that there are */
	uint32_t crc;        /* of the last batch */

	/* what recovery found behind `released` at the opening; NULL after
	 * journal_begin() */
	struct journal_found *found;
	size_t n_found;
};

/* "log.007" */
#define JOURNAL_NAME_SIZE 16u
void journal_file_name(unsigned i, char ret[JOURNAL_NAME_SIZE]);

struct journal *journal_new(struct disk *disk, const struct journal_options *o,
    const uint8_t log_id[JOURNAL_ID_LEN]);

/* Zeros from `from` to the size that files have, flushed. */
MQ_MUST_CHECK enum mqi_err journal_fill(
    struct journal *j, unsigned i, uint64_t from, struct store_why *why);

/* Says that the file holds no batch yet, and where the journal ends meanwhile:
 * one of zeros alone has lost what it held.  Only when the zeros are there, so
 * that the size can be believed.  0 or errno. */
MQ_MUST_CHECK int journal_mark_unused(struct journal *j, unsigned i);

enum mqi_err journal_fail(
    struct store_why *why, int rc, const char *what, unsigned file);

/* Reads a found batch; of a damaged one, the records that are whole. */
MQ_MUST_CHECK enum mqi_err journal_read_found(struct journal *j,
    const struct journal_found *f, struct store_batch *b,
    struct store_why *why);

#endif
