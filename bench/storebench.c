/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storebench.c - LMDB's side of the store alone: how fast a checkpoint brings
 * it up to date.
 *
 * Batches of records, as the engine writes them, are applied by an lmdb_writer
 * in transactions of --txn MiB, on this thread; only begin, apply and commit
 * are on the clock.  Steps are given in order and share one store, which is
 * made in a new directory below --dir and removed afterwards:
 *
 *   storebench --n 500000 --queues 16 fill drain fill
 *
 * Neighbours: qmgr/store.  It is no part of an installation; the program dies
 * with a line when something fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "qmgr/store/store_lmdb_apply.h"
#include "qmgr/store/store_lmdb_load.h"

#define EPOCH UINT64_C(1)
#define SEQ_BITS 40u
#define QUEUE_MAX 10000u
#define DESC_LEN 96u
#define READ_ROWS 1024u
#define READ_BYTES 2097152u
#define SWAP 64u /* messages that two consumers take in turn */

enum correl { CORREL_NONE, CORREL_SEQ, CORREL_RANDOM };

struct bench {
	uint64_t n;
	uint32_t size;
	unsigned queues;
	size_t txn_bytes;
	size_t batch_bytes;
	enum correl correl;
	uint64_t report_every; /* 0: once a step */
	char dir[256];
	struct store_lmdb_options options;
	struct lmdb_env env;
	struct lmdb_writer writer;
	struct store_why why;
	struct store_batch *batch;
	uint64_t batch_number;
	uint64_t put;     /* messages so far */
	uint64_t removed; /* of them */
	uint8_t *body;
	uint8_t desc[DESC_LEN];
	uint32_t body_crc;
	/* of the step */
	double busy_s;
	double cpu_s;
	double worst_txn_s;
	uint64_t peak_kib;
	size_t in_txn;
	bool is_open;
	uint64_t records; /* bytes of records */
};

static _Noreturn void
die(const char *what, const char *why)
{
	(void)fprintf(stderr, "storebench: %s: %s\n", what, why);
	exit(1);
}

static void
must(struct bench *b, enum mqi_err err, const char *what)
{
	if (err != MQI_OK)
		die(what, b->why.text);
}

static double
seconds(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
now(void)
{
	return seconds(CLOCK_MONOTONIC);
}

/* The number behind a name in a file of /proc. */
static uint64_t
proc_number(const char *path, const char *name)
{
	char line[256];
	uint64_t v = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		die(path, strerror(errno));
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			v = strtoull(line + strlen(name), NULL, 10);
	(void)fclose(f);
	return v;
}

/* ---- transactions ---- */

static void
end_txn(struct bench *b)
{
	double start;
	double cpu;
	double took;
	uint64_t kib;

	if (!b->is_open)
		return;
	kib = proc_number("/proc/self/status", "RssAnon:");
	if (kib > b->peak_kib)
		b->peak_kib = kib;
	start = now();
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	must(b, lmdb_writer_commit(&b->writer, b->batch_number), "commit");
	must(b, lmdb_room_update(&b->env, &b->why), "room");
	took = now() - start;
	b->busy_s += took;
	b->cpu_s += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	if (took > b->worst_txn_s)
		b->worst_txn_s = took;
	b->is_open = false;
	b->in_txn = 0;
}

static void
submit(struct bench *b)
{
	double start;
	double cpu;

	if (b->batch == NULL || b->batch->records.len == 0)
		return;
	if (b->batch->records.err != MQI_OK)
		die("batch", "no room");
	start = now();
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	if (!b->is_open)
		must(b, lmdb_writer_begin(&b->writer), "begin");
	b->is_open = true;
	must(b, lmdb_writer_apply(&b->writer, b->batch), "apply");
	b->busy_s += now() - start;
	b->cpu_s += seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	b->in_txn += b->batch->records.len;
	b->records += b->batch->records.len;
	b->batch_number = b->batch->number;
	mqbuf_reset(&b->batch->records);
	b->batch->number++;
	if (b->in_txn >= b->txn_bytes || lmdb_writer_is_full(&b->writer))
		end_txn(b);
}

static struct mqbuf *
records(struct bench *b)
{
	if (b->batch->records.len >= b->batch_bytes)
		submit(b);
	return &b->batch->records;
}

/* ---- messages ---- */

static struct record_key
place_of(const struct bench *b, uint64_t i)
{
	return (struct record_key){
	    .queue_id = i % b->queues + 1,
	    .seq = EPOCH << SEQ_BITS | (i / b->queues + 1),
	};
}

/* Each message takes a number for its id and one for its body. */
static uint64_t
body_id_of(uint64_t i)
{
	return EPOCH << SEQ_BITS | (2 * i + 2);
}

static void
put_id(uint8_t id[MQI_ID_LEN], const char *prefix, uint64_t n)
{
	memset(id, 0, MQI_ID_LEN);
	memcpy(id, prefix, 4);
	memset(id + 4, 0x5a, 12);
	for (unsigned i = 0; i < 8; i++)
		id[16 + i] = (uint8_t)(n >> (56 - 8 * i));
}

static void
correl_of(const struct bench *b, uint64_t i, uint8_t id[MQI_ID_LEN])
{
	if (b->correl == CORREL_SEQ)
		put_id(id, "CORR", i + 1);
	else if (b->correl == CORREL_RANDOM)
		put_id(id, "CORR", (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
	else
		memset(id, 0, MQI_ID_LEN);
}

static void
put(struct bench *b)
{
	uint64_t i = b->put++;
	struct record_key key = place_of(b, i);
	struct record_put v = {
	    .body_id = body_id_of(i),
	    .body_crc = b->body_crc,
	    .body_len = b->size,
	    .n_places = 1,
	    .places = &key,
	    .desc = b->desc,
	    .desc_len = DESC_LEN,
	    .body = b->body,
	};

	put_id(v.msg_id, "SLMQ", v.body_id - 1);
	correl_of(b, i, v.correl_id);
	record_encode_put(records(b), 0, &v);
}

static void
take(struct bench *b, uint64_t i)
{
	struct record_remove v = {
	    .flags = RECORD_REMOVE_RELEASE,
	    .key = place_of(b, i),
	    .body_id = body_id_of(i),
	};

	record_encode_remove(records(b), 0, &v);
	b->removed++;
}

static void
make_queues(struct bench *b)
{
	uint64_t epoch = EPOCH;
	struct record_meta meta = {
	    .name = "epoch", .value = &epoch, .len = sizeof(epoch)};

	record_encode_meta(records(b), &meta);
	for (unsigned i = 0; i < b->queues; i++) {
		struct record_object o = {.type = 1, .id = i + 1};

		(void)snprintf(o.name, sizeof(o.name), "BENCH.%u", i);
		o.attrs = "";
		record_encode_object(records(b), &o);
	}
	submit(b);
	end_txn(b);
}

/* ---- steps ---- */

struct mark {
	double busy_s;
	double cpu_s;
	uint64_t written; /* given to write(2) */
	uint64_t n;
};

static struct mark
mark(const struct bench *b, uint64_t n)
{
	return (struct mark){.busy_s = b->busy_s,
	    .cpu_s = b->cpu_s,
	    .written = proc_number("/proc/self/io", "wchar:"),
	    .n = n};
}

static void
report(struct bench *b, const char *step, const struct mark *from, uint64_t n)
{
	struct mark to = mark(b, n);
	double messages = (double)(n - from->n);
	MDB_envinfo info;

	(void)mdb_env_info(b->env.env, &info);
	(void)printf(
	    "| %s | %u x %u B | %.0f | %.2f | %.0f | %.1f | %.1f | %.0f |\n",
	    step, b->queues, b->size, messages / (to.busy_s - from->busy_s),
	    (to.cpu_s - from->cpu_s) / messages * 1e6,
	    (double)(to.written - from->written) / messages,
	    (double)b->peak_kib / 1024, b->worst_txn_s * 1000,
	    (double)(info.me_last_pgno + 1) * (double)b->env.page_size /
		1048576);
	(void)fflush(stdout);
	b->worst_txn_s = 0;
	b->peak_kib = 0;
}

/* One step over n messages, reported every so often. */
static void
run_step(
    struct bench *b, const char *step, void (*one)(struct bench *, uint64_t))
{
	struct mark from = mark(b, 0);
	uint64_t n = b->n;

	for (uint64_t i = 0; i < n; i++) {
		one(b, i);
		if (b->report_every != 0 && (i + 1) % b->report_every == 0 &&
		    i + 1 < n) {
			submit(b);
			end_txn(b);
			report(b, step, &from, i + 1);
			from = mark(b, i + 1);
		}
	}
	submit(b);
	end_txn(b);
	report(b, step, &from, n);
}

static void
one_fill(struct bench *b, uint64_t i)
{
	(void)i;
	put(b);
}

static void
one_drain(struct bench *b, uint64_t i)
{
	(void)i;
	take(b, b->removed);
}

/* Two consumers: runs of messages in turn, not in order. */
static void
one_drain2(struct bench *b, uint64_t i)
{
	uint64_t run = i / (2 * SWAP) * (2 * SWAP);
	uint64_t at = i % (2 * SWAP);

	if (run + 2 * SWAP > b->n)
		take(b, b->put - b->n + i);
	else
		take(b, b->put - b->n + run + at / 2 + at % 2 * SWAP);
}

static void
one_random(struct bench *b, uint64_t i)
{
	/* visits all if n is a power of two */
	uint64_t mask = b->n - 1;

	if ((b->n & mask) != 0)
		die("random", "--n must be a power of two");
	take(b, b->put - b->n + (i * 40503 & mask));
}

static void
one_cycle(struct bench *b, uint64_t i)
{
	(void)i;
	put(b);
	take(b, b->removed);
}

/* Gets by correlation id, of messages all over the store. */
static void
find_by_id(struct bench *b)
{
	struct lmdb_reader r = {.e = &b->env};
	double worst = 0;
	double sum = 0;
	unsigned n = 1000;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (uint64_t)(i * UINT64_C(2654435761)) %
				  (b->put - b->removed) +
			      b->removed;
		struct store_load *l = store_load_new();
		double t = now();

		l->kind = STORE_LOAD_BY_ID;
		l->queue_id = place_of(b, at).queue_id;
		l->from_start = true;
		l->max_rows = 16;
		l->max_bytes = 1u << 20;
		l->id_kind = STORE_ID_MSG;
		put_id(l->id, "SLMQ", body_id_of(at) - 1);
		if (b->correl != CORREL_NONE) {
			l->id_kind = STORE_ID_CORREL;
			correl_of(b, at, l->id);
		}
		lmdb_reader_load(&r, l);
		t = now() - t;
		if (l->err != MQI_OK || l->n_rows != 1 ||
		    l->rows[0].data == NULL)
			die("find", "not found");
		(void)store_load_free(l);
		sum += t;
		worst = t > worst ? t : worst;
	}
	lmdb_reader_fini(&r);
	(void)printf("| find | %u x %u B | mean %.1f us | worst %.1f us |\n",
	    b->queues, b->size, sum / n * 1e6, worst * 1e6);
}

/* All messages of each queue, as a getter's window loads them. */
static void
read_all(struct bench *b)
{
	struct lmdb_reader r = {.e = &b->env};
	double start = now();
	double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t n = 0;

	for (unsigned q = 1; q <= b->queues; q++) {
		struct record_key after = {0};
		bool end = false;

		while (!end) {
			struct store_load *l = store_load_new();

			l->kind = STORE_LOAD_ROWS;
			l->queue_id = q;
			l->from_start = after.seq == 0;
			l->after = after;
			l->max_rows = READ_ROWS;
			l->max_bytes = READ_BYTES;
			lmdb_reader_load(&r, l);
			if (l->err != MQI_OK)
				die("read", "an error");
			n += l->n_rows;
			end = l->end || l->n_rows == 0;
			if (l->n_rows > 0)
				after = l->rows[l->n_rows - 1].key;
			(void)store_load_free(l);
		}
	}
	lmdb_reader_fini(&r);
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	(void)printf("| read | %u x %u B | %.0f | %.2f |\n", b->queues, b->size,
	    (double)n / (now() - start), cpu / (n > 0 ? (double)n : 1) * 1e6);
}

/* What each table is made of. */
static void
show_tables(struct bench *b)
{
	MDB_txn *txn;

	if (mdb_txn_begin(b->env.env, NULL, MDB_RDONLY, &txn) != 0)
		die("tables", "no transaction");
	for (size_t i = 0; i < DB_COUNT; i++) {
		MDB_stat st;

		if (mdb_stat(txn, b->env.dbi[i], &st) != 0 ||
		    st.ms_entries == 0)
			continue;
		(void)printf(
		    "| table %zu | %zu entries | depth %u | pages: %zu "
		    "branch, %zu leaf, %zu overflow |\n",
		    i, st.ms_entries, st.ms_depth, st.ms_branch_pages,
		    st.ms_leaf_pages, st.ms_overflow_pages);
	}
	mdb_txn_abort(txn);
}

static const struct {
	const char *name;
	void (*one)(struct bench *b, uint64_t i);
} steps[] = {
    {"fill", one_fill},
    {"drain", one_drain},
    {"drain2", one_drain2},
    {"random", one_random},
    {"cycle", one_cycle},
};

static void
step(struct bench *b, const char *name)
{
	if (strcmp(name, "find") == 0) {
		find_by_id(b);
		return;
	}
	if (strcmp(name, "read") == 0) {
		read_all(b);
		return;
	}
	if (strcmp(name, "tables") == 0) {
		show_tables(b);
		return;
	}
	for (size_t i = 0; i < MQ_ARRAY_LEN(steps); i++) {
		if (strcmp(name, steps[i].name) != 0)
			continue;
		run_step(b, name, steps[i].one);
		/* of those not in order: what is gone is the lowest n */
		b->removed = b->removed > b->put ? b->put : b->removed;
		return;
	}
	die(name, "no such step");
}

/* ---- start and end ---- */

static int
allocate(void *arg, int fd, uint64_t len)
{
	(void)arg;
	return fallocate(fd, 0, 0, (off_t)len) == 0 ? 0 : errno;
}

static void
open_store(struct bench *b, const char *dir)
{
	if (snprintf(b->dir, sizeof(b->dir), "%s/storebench.XXXXXX", dir) >=
		(int)sizeof(b->dir) ||
	    mkdtemp(b->dir) == NULL)
		die(dir, strerror(errno));
	b->options.allocate = allocate;
	must(b, lmdb_env_open(&b->env, b->dir, &b->options, &b->why), "open");
	must(b, lmdb_writer_init(&b->writer, &b->env, &b->why), "open");
	b->batch = store_batch_new(1);
	b->body = mqmem_alloc(b->size + 1);
	for (uint32_t i = 0; i < b->size; i++)
		b->body[i] = (uint8_t)(i * 7);
	memset(b->desc, 0x11, sizeof(b->desc));
	b->body_crc = mqcrc32c(0, b->body, b->size);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static void
close_store(struct bench *b)
{
	lmdb_writer_fini(&b->writer);
	lmdb_env_close(&b->env);
	(void)store_batch_free(b->batch);
	free(b->body);
	(void)nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const struct option options[] = {
    {"dir", required_argument, NULL, 'd'},
    {"n", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},
    {"queues", required_argument, NULL, 'q'},
    {"txn", required_argument, NULL, 't'},
    {"batch", required_argument, NULL, 'b'},
    {"correl", required_argument, NULL, 'c'},
    {"every", required_argument, NULL, 'e'},
    {NULL, 0, NULL, 0},
};

static void
usage(void)
{
	die("usage",
	    "[--dir D] [--n MESSAGES] [--size BYTES] [--queues N] "
	    "[--txn MIB] [--batch KIB] [--correl none|seq|random] [--every N] "
	    "fill|drain|drain2|random|cycle|find|read|tables ...");
}

static const char *
parse(struct bench *b, int argc, char **argv)
{
	const char *dir = "/tmp";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			usage();
		if (c == 'd')
			dir = optarg;
		else if (c == 'n')
			b->n = strtoull(optarg, NULL, 10);
		else if (c == 's')
			b->size = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'q')
			b->queues = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			b->txn_bytes = strtoul(optarg, NULL, 10) << 20;
		else if (c == 'b')
			b->batch_bytes = strtoul(optarg, NULL, 10) << 10;
		else if (c == 'e')
			b->report_every = strtoull(optarg, NULL, 10);
		else if (strcmp(optarg, "seq") == 0)
			b->correl = CORREL_SEQ;
		else if (strcmp(optarg, "random") == 0)
			b->correl = CORREL_RANDOM;
	}
	if (b->queues == 0 || b->queues > QUEUE_MAX || b->n == 0 ||
	    b->batch_bytes + 100000 > STORE_BATCH_MAX || optind == argc)
		usage();
	return dir;
}

int
main(int argc, char **argv)
{
	struct bench b = {.n = 500000,
	    .size = 1024,
	    .queues = 1,
	    .txn_bytes = 8u << 20,
	    .batch_bytes = 512u << 10};
	const char *dir = parse(&b, argc, argv);

	open_store(&b, dir);
	make_queues(&b);
	(void)printf(
	    "| step | queues x size | msg/s | CPU us per message | bytes "
	    "written per message | peak private MiB | worst commit ms | file "
	    "MiB |\n|---|---|---|---|---|---|---|---|\n");
	for (int i = optind; i < argc; i++)
		step(&b, argv[i]);
	close_store(&b);
	return 0;
}
