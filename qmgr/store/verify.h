/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - looks at everything that a store holds, and says what is wrong
 * with it: LMDB's pages, then every value by its checksum, then one against
 * the other.  Reads only, and never through LMDB.
 *
 * The store must not be written meanwhile, but by one that keeps the
 * transaction that is looked at (a read transaction of LMDB does).
 * One thread; blocking; needs memory for the queues and 1 bit per page.
 */
#ifndef MQ_STORE_VERIFY_H
#define MQ_STORE_VERIFY_H

#include "qmgr/store/pages.h"

enum verify_kind {
	VERIFY_FILE,    /* a file is missing, cut, or not ours */
	VERIFY_PAGE,    /* LMDB's pages: it may not touch them */
	VERIFY_RECORD,  /* what no start can do without */
	VERIFY_MESSAGE, /* one message cannot be got as it was put */
	VERIFY_INDEX,   /* a message is not found by an id, or an id finds
			   nothing */
	VERIFY_COUNTER, /* a queue holds other messages than it counts */
	VERIFY_JOURNAL, /* what is not in LMDB yet cannot be read */
	VERIFY_ROOM,    /* only room is lost */
};

struct verify_finding {
	enum verify_kind kind;
	const char *where;
	const char *what;
};

struct verify_report {
	/* what was looked at: "queues", how many, and of which bytes (0: not
	 * counted) */
	void (*looked)(void *ctx, const char *what, uint64_t n, uint64_t bytes);
	void (*finding)(void *ctx, const struct verify_finding *f);
	void *ctx;
};

struct verify_options {
	bool structure;    /* only pages, no value of messages */
	uint32_t limit_ms; /* of a look at the structure; 0: none */
	/* as pages_snapshot() read them; NULL: read now, and the last sound one
	 * counts */
	const struct pages_meta *metas;
	uint64_t txnid; /* 0: the last */
	uint64_t rate;  /* bytes read in a second, at most; 0: no limit */
	struct pages_place *place;
};

struct verify_result {
	uint64_t findings;
	uint64_t pages;   /* findings of VERIFY_PAGE and VERIFY_FILE */
	uint64_t records; /* of VERIFY_RECORD, and pages of tables that no
			     start can do without */
	uint64_t journal; /* of VERIFY_JOURNAL */
};

/* "page", "message", ...; and what a person does about it. */
const char *verify_kind_name(enum verify_kind kind);
const char *verify_advice(enum verify_kind kind);

/* Looks at DIR/store.  MQI_OK also when there are findings.  Errors: IO,
 * NO_MEMORY: nothing, or not everything was looked at, and *ret_why, malloc'd,
 * says why. */
MQ_MUST_CHECK enum mqi_err verify_store(const char *dir,
    const struct verify_options *options, const struct verify_report *report,
    struct verify_result *ret, char **ret_why);

/* How far LMDB is, and its journal (both in numbers of batches), and which
 * journal that is; all zeros: it has none. */
struct verify_progress {
	uint64_t applied;
	uint64_t last;
	uint8_t log_id[16];
};

/* metas and txnid as in the options.  False: it cannot be read. */
MQ_MUST_CHECK bool verify_progress(const char *dir,
    const struct verify_options *options, struct verify_progress *ret);

#endif
