/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal_model.h - what the tests of the journal share: batches whose records
 * follow from their number and epoch, and a journal on a simulated disk.
 */
#ifndef MQ_TESTS_STORE_JOURNAL_MODEL_H
#define MQ_TESTS_STORE_JOURNAL_MODEL_H

#include "qmgr/store/journal.h"
#include "tests/lib/disk_sim.h"

#define JM_FILE_SIZE 32768u
#define JM_NAME_SIZE 16u

extern const uint8_t jm_log_id[JOURNAL_ID_LEN];
extern const struct journal_options jm_options;

/* The records of a batch: as many bytes for each epoch of one number. */
struct store_batch *jm_batch(uint64_t number, uint64_t epoch);
bool jm_same(const struct store_batch *a, const struct store_batch *b);
/* Whether each record of `part` is one of `whole`, in order. */
bool jm_is_part(
    const struct store_batch *part, const struct store_batch *whole);

/* Create, or open behind `applied`; the error, and the reason on standard
 * error. */
enum mqi_err jm_create(struct disk_sim *d, uint64_t last, struct journal **ret);
enum mqi_err jm_open(
    struct disk_sim *d, uint64_t applied, struct journal **ret);
enum mqi_err jm_append(struct journal *j, uint64_t number, uint64_t epoch);
/* Appends, and must succeed; makes a file if there is no place. */
void jm_must_append(struct journal *j, uint64_t number, uint64_t epoch);

/* What the log says between the two is kept instead of written; free(3) it. */
void jm_log_keep(void);
char *jm_log_kept(void);

#endif
