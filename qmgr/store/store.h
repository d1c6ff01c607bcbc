/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the seam between the engine and durability.
 *
 * A store is given batches of encoded records (record.h) in order, and answers
 * on the loop thread, from poll(): durable(n) when batch n and all before it
 * survive a power cut; applied(n) when loads can see them; failed(why), once,
 * after which nothing more is answered and the daemon must end.  It answers
 * loads with copies and the number of the last batch they show (as_of), which
 * is never later than the last one that applied() has told.
 *
 * The META record "epoch" (u64, little-endian) is raised by the first batch of
 * each start.  Non-persistent messages belong to the epoch in which they were
 * put; those of epochs before the opening are not shown and not counted.
 *
 * Versions: store_journal (a journal in front of LMDB: what queue managers
 * run on), store_mem (a crash-faithful twin for tests, which holds each step
 * back until the test lets it go), store_fault (over another one).
 *
 * Threads: everything here is called on the loop thread; a store's own threads
 * call only `wake`, which makes the loop call poll() soon.
 */
#ifndef MQ_STORE_STORE_H
#define MQ_STORE_STORE_H

#include "base/ref.h"
#include "qmgr/store/record.h"

#define STORE_BATCH_MAX 8388608u /* bytes of records; the engine's bound */

struct store_batch {
	uint64_t number; /* 1, 2, 3, ... over the life of the store */
	struct mqbuf records;
};

enum store_load_kind {
	STORE_LOAD_ROWS,  /* rows of a queue after a key, in order */
	STORE_LOAD_BY_ID, /* rows of a queue with an id, after a key, in order
			   */
	STORE_LOAD_BODY,  /* pieces of one body */
};

enum store_id_kind { STORE_ID_MSG = 1, STORE_ID_CORREL = 2 };

/* A message as the store knows it. */
struct store_row {
	struct record_key key;
	uint64_t body_id;
	uint8_t msg_id[MQI_ID_LEN];
	uint8_t correl_id[MQI_ID_LEN];
	uint32_t backout_count;
	uint32_t body_crc;
	uint32_t body_len;
	uint32_t desc_len;
	bool persistent;
	bool inlined;       /* descriptor and whole body in one value */
	bool damaged;       /* it cannot be read as it was written */
	struct mqref *data; /* descriptor and body if inlined and within
			       what is left of max_bytes, else NULL */
	struct mqref *head; /* without data: the descriptor alone, if it could
			       be had; else NULL */
};

struct store_load {
	enum store_load_kind kind;
	void *owner; /* the engine's */
	uint64_t tag;
	/* ROWS, BY_ID */
	uint64_t queue_id;
	struct record_key after; /* exclusive */
	bool from_start;         /* no `after` */
	uint32_t max_rows;
	uint32_t max_bytes; /* of data in rows */
	enum store_id_kind id_kind;
	uint8_t id[MQI_ID_LEN];
	/* BODY: piece 0 is the descriptor, 1..n the body; of an inlined
	 * message, piece 0 is both */
	uint64_t body_id;
	uint32_t first_piece;
	uint32_t n_pieces; /* <= 16 */
	/* answer */
	enum mqi_err err; /* OK; OBJECT_DAMAGED (BODY: missing or wrong);
			     STORE_FAILED; NO_MEMORY */
	uint64_t as_of;   /* last batch that the answer shows */
	bool end;         /* no row follows the last one given */
	uint32_t n_rows;
	struct store_row *rows;
	struct mqref *pieces[16];
};

struct store_load *store_load_new(void);
/* Frees rows and drops references.  Returns NULL. */
struct store_load *store_load_free(struct store_load *l);

struct store_events {
	void (*durable)(void *ctx, uint64_t number);
	void (*applied)(void *ctx, uint64_t number);
	void (*failed)(void *ctx, enum mqi_err err, const char *why);
	void (*loaded)(void *ctx, struct store_load *l); /* takes l */
	void *ctx;
};

/* What a store holds when it is opened, shown to the engine piece by piece
 * before anything else; it scans no messages. */
struct store_catalog {
	void (*meta)(void *ctx, const struct record_meta *v);
	void (*object)(void *ctx, const struct record_object *v);
	/* after the queue's object; bytes of bodies */
	void (*queue)(
	    void *ctx, uint64_t queue_id, uint64_t depth, uint64_t bytes);
	void (*stream)(void *ctx, const struct record_stream *v);
	void (*position)(void *ctx, const struct record_position *v);
	void *ctx;
};

struct store;

struct store_ops {
	/* MQI_OK or the reason why the store cannot be served. */
	enum mqi_err (*catalog)(struct store *s, const struct store_catalog *c);
	uint64_t (*last_batch)(struct store *s); /* last one durable at open */
	/* Takes b.  alone: nobody else waits for the loop, which may be held
	 * up while b is flushed.  True: b is
	 * done, poll() has its answer. */
	bool (*submit)(struct store *s, struct store_batch *b, bool alone);
	/* Somebody waits for applied(number). */
	void (*hurry)(struct store *s, uint64_t number);
	void (*load)(struct store *s, struct store_load *l); /* takes l */
	void (*poll)(struct store *s, const struct store_events *ev);
	/* True while puts may be accepted; false when the disk is nearly full
	 * (then gets and deletes still work). */
	bool (*has_room)(struct store *s);
	/* Waits for what was submitted; frees the store.  An error: the store
	 * failed meanwhile, which failed() has not told; the log says why. */
	enum mqi_err (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
};

struct store_batch *store_batch_new(uint64_t number);
struct store_batch *store_batch_free(struct store_batch *b); /* NULL */

#endif
