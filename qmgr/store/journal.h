/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.h - the log in front of LMDB: batches of records, each durable with
 * one write and one flush, in files of fixed size that are used again.
 *
 * Who calls what: journal_append() is called by one thread at a time,
 * journal_read() by another one, journal_release(), journal_add_file() and
 * journal_has_place() by any; a mutex guards the table of files and is never
 * held over a disk operation.  Everything that touches the disk blocks.
 *
 * A batch's number is the one before plus 1, over the life of the store.
 */
#ifndef MQ_STORE_JOURNAL_H
#define MQ_STORE_JOURNAL_H

#include "qmgr/store/disk.h"
#include "qmgr/store/journal_format.h"
#include "qmgr/store/store_impl.h"

#define JOURNAL_FILES_MAX 64u
#define JOURNAL_FILES_MIN 2u
/* A file of this size holds any batch.  Who makes smaller ones (a simulation)
 * has smaller batches: one that does not fit never has a place. */
#define JOURNAL_FILE_MIN \
	(JOURNAL_FILE_HEADER + JOURNAL_BATCH_HEADER + STORE_BATCH_MAX)

struct journal_options {
	uint64_t file_size;   /* bytes; queue managers: >= JOURNAL_FILE_MIN */
	unsigned files_first; /* so many are made at once, */
	unsigned files; /* and at most so many, of JOURNAL_FILES_MIN..MAX */
};

struct journal;

/* A place between two batches. */
struct journal_cursor {
	uint64_t number; /* of the batch before it */
	uint64_t ordinal;
	uint64_t at;
	size_t found;
};

/*
 * journal_create - makes the files of an empty journal whose first batch will
 * be last + 1; what a creation that was cut off has left is removed.
 * OBJECT_DAMAGED: there are files that were in use.
 * Errors: STORAGE_MEDIUM_FULL, IO.
 */
MQ_MUST_CHECK enum mqi_err journal_create(struct disk *disk,
    const struct journal_options *o, const uint8_t log_id[JOURNAL_ID_LEN],
    uint64_t last, struct journal **ret, struct store_why *why);

/* OBJECT_DAMAGED: there are files that were in use.  Errors: IO. */
MQ_MUST_CHECK enum mqi_err journal_refuse_used(
    struct disk *disk, struct store_why *why);

/*
 * journal_open - opens a journal and finds the batches behind `applied`.  They
 * have been written again and flushed when it returns: what a failed flush
 * left in the page cache is on the disk, or this fails.
 *
 * The last batch may be torn: it was never acknowledged and is dropped, with a
 * line in the log.  A batch that cannot be read while a later one can is
 * damage: it is named in the log, its bytes are copied into the file
 * damaged.NUMBER, and what records of it are whole are given by
 * journal_read().
 *
 * Errors: OBJECT_DAMAGED (the files are missing, end before `applied`, or begin
 * after it), STORE_FORMAT (of a newer version, or of another log), IO,
 * STORAGE_MEDIUM_FULL.
 */
MQ_MUST_CHECK enum mqi_err journal_open(struct disk *disk,
    const struct journal_options *o, const uint8_t log_id[JOURNAL_ID_LEN],
    uint64_t applied, struct journal **ret, struct store_why *why);

/* Returns NULL; j may be NULL.  The disk stays open. */
struct journal *journal_free(struct journal *j);

/* The last batch that is durable. */
uint64_t journal_last(struct journal *j);

/* The first append of a start; everything found must have been released. */
void journal_begin(struct journal *j, uint64_t epoch);
/* Whether a batch of len bytes can be appended at once: a file is free. */
bool journal_has_place(struct journal *j, uint64_t len);
/* Bytes of all its files: it never holds more. */
uint64_t journal_bytes(struct journal *j);
/* Whether another file would help, and may be made. */
bool journal_wants_file(struct journal *j);
/* Makes one.  Errors: STORAGE_MEDIUM_FULL, IO; nothing has changed then. */
MQ_MUST_CHECK enum mqi_err journal_add_file(
    struct journal *j, struct store_why *why);

/* Writes and flushes; there must be a place.  Errors: IO,
 * STORAGE_MEDIUM_FULL; nothing can be said of the batch then, and the journal
 * is only to be freed. */
MQ_MUST_CHECK enum mqi_err journal_append(
    struct journal *j, const struct store_batch *b, struct store_why *why);

/* Batches up to this number are not needed any more: their files may be used
 * again. */
void journal_release(struct journal *j, uint64_t number);

/* Before the first batch that is not released. */
void journal_rewind(struct journal *j, struct journal_cursor *ret);
/*
 * journal_read - gives the records of the next batch in b, whose records are
 * reset before, and moves the cursor.  There must be one: the cursor's number
 * is below journal_last().  After damage numbers may be left out.
 * What it gives is what the file shows: of a file that this start has not
 * written, recovery has compared the checksum, and each record has its own.
 * Errors: OBJECT_DAMAGED, IO.
 */
MQ_MUST_CHECK enum mqi_err journal_read(struct journal *j,
    struct journal_cursor *c, struct store_batch *b, struct store_why *why);

/* Moves the cursor behind the next batch without reading its records.
 * Errors: as of journal_read(). */
MQ_MUST_CHECK enum mqi_err journal_skip(
    struct journal *j, struct journal_cursor *c, struct store_why *why);

#endif
