/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_verify.c - the check of a store: what is whole is clean; each structure
 * is damaged in turn and found; and for bits flipped anywhere, either there is
 * a finding or everything that was put can be read.  MQ_SEED=n replays, MQ_LONG
 * flips more.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/rand.h"
#include "proto/frame.h"
#include "qmgr/store/store_lmdb_snapshot.h"
#include "qmgr/store/verify_child.h"
#include "tests/unit/store/harness.h"

#define Q1 HARNESS_Q1
#define Q2 HARNESS_Q2
#define PAGE 4096u
#define N_SMALL 1200u
#define FLIPS 400u
#define FLIPS_LONG 20000u

/* ---- what was found ---- */

struct found {
	unsigned n;
	unsigned kinds[VERIFY_ROOM + 1];
	char text[4096]; /* of the first ones */
};

static void
on_looked(void *ctx, const char *what, uint64_t n, uint64_t bytes)
{
	(void)ctx;
	(void)what;
	(void)n;
	(void)bytes;
}

static void
on_finding(void *ctx, const struct verify_finding *f)
{
	struct found *found = ctx;
	size_t len = strlen(found->text);

	found->n++;
	found->kinds[f->kind]++;
	(void)snprintf(found->text + len, sizeof(found->text) - len,
	    "%s: %s: %s\n", verify_kind_name(f->kind), f->where, f->what);
}

static struct found
look(const struct harness *h, const struct verify_options *options)
{
	struct found found = {0};
	const struct verify_report report = {
	    .looked = on_looked, .finding = on_finding, .ctx = &found};
	struct verify_result result = {0};
	char *why = NULL;
	enum mqi_err err =
	    verify_store(h->dir.path, options, &report, &result, &why);

	if (err != MQI_OK)
		fail_msg("it could not look: %s", why);
	assert_int_equal(result.findings, found.n);
	return found;
}

static struct found
verify(const struct harness *h)
{
	static const struct verify_options all = {.structure = false};

	return look(h, &all);
}

static void
is_clean(const struct harness *h)
{
	struct found f = verify(h);

	if (f.n > 0)
		fail_msg("%u findings:\n%s", f.n, f.text);
}

static void
finds(const struct harness *h, enum verify_kind kind, const char *text)
{
	struct found f = verify(h);

	if (f.kinds[kind] == 0 || strstr(f.text, text) == NULL)
		fail_msg("no \"%s\" among:\n%s", text, f.text);
}

/* ---- a store with something in every table ---- */

static void
stage(struct harness *h, uint32_t unit, uint64_t body_id, uint32_t len)
{
	uint8_t *body = malloc(len);
	struct record_stage v = {
	    .body_id = body_id, .data = "descriptor", .len = 10};

	harness_fill_body(body_id, body, len);
	record_encode_stage(harness_records(h), unit, &v);
	for (uint32_t at = 0; at < len; at += v.len) {
		v.piece++;
		v.data = body + at;
		v.len = len - at < MQFRAME_PIECE ? len - at : MQFRAME_PIECE;
		record_encode_stage(harness_records(h), unit, &v);
	}
	free(body);
}

static void
put_staged(struct harness *h, uint32_t unit, uint64_t body_id, uint32_t len)
{
	struct record_key key = harness_key(Q1, 3, body_id);
	struct record_put v = {.flags = RECORD_PUT_STAGED,
	    .body_id = body_id,
	    .body_len = len,
	    .desc_len = 10,
	    .n_places = 1,
	    .places = &key};

	stage(h, unit, body_id, len);
	record_encode_put(harness_records(h), unit, &v);
	record_encode_end(harness_records(h), RECORD_COMMIT, unit);
}

static void
put_shared(struct harness *h, uint64_t body_id)
{
	struct record_key places[2] = {
	    harness_key(Q1, 5, body_id), harness_key(Q2, 5, body_id)};
	struct record_put v = {.body_id = body_id,
	    .n_places = 2,
	    .places = places,
	    .desc = "d",
	    .desc_len = 1,
	    .body = "to two",
	    .body_len = 6,
	    .body_crc = mqcrc32c(0, "to two", 6)};

	record_encode_put(harness_records(h), 0, &v);
}

static void
fill(struct harness *h)
{
	struct record_key key;

	for (uint64_t i = 1; i <= N_SMALL; i++) {
		key = harness_key(Q1, 4, i);
		harness_put(h, &key, i, 100, 0);
	}
	harness_commit(h);
	for (uint64_t i = 1; i <= 60; i++) {
		key = harness_key(Q2, 0, i);
		harness_put(h, &key, 10000 + i, 5000,
		    i % 5 == 0 ? RECORD_PUT_NON_PERSISTENT : 0);
	}
	put_staged(h, 7, 20000, 200000);
	put_shared(h, 20001);
	put_shared(h, 20002);
	harness_commit(h);
	/* free pages, a body that is kept, a body of one place of two, and a
	 * unit that has not ended */
	for (uint64_t i = 1; i <= N_SMALL / 4; i++) {
		key = harness_key(Q1, 4, i);
		harness_remove(h, &key, i, i > 3 ? RECORD_REMOVE_RELEASE : 0);
	}
	key = harness_key(Q2, 5, 20002);
	harness_remove(h, &key, 20002, 0);
	stage(h, 9, 30000, 100000);
	harness_commit(h);
}

static int
setup(void **state)
{
	int rc;

	*state = &harness_kinds[HARNESS_LMDB];
	rc = harness_setup(state);
	if (rc == 0)
		fill(*state);
	return rc;
}

/* ---- the file by hand ---- */

static int
open_data(const struct harness *h)
{
	char path[PATH_MAX + 32];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", h->dir.path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
write_at(const struct harness *h, uint64_t at, const void *data, size_t len)
{
	int fd = open_data(h);

	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
	(void)close(fd);
}

static uint8_t
flip(const struct harness *h, uint64_t at, unsigned bit)
{
	int fd = open_data(h);
	uint8_t was;
	uint8_t is;

	assert_int_equal(pread(fd, &was, 1, (off_t)at), 1);
	is = (uint8_t)(was ^ 1u << bit);
	assert_int_equal(pwrite(fd, &is, 1, (off_t)at), 1);
	(void)close(fd);
	return was;
}

static bool
table_tree(struct pages *p, const char *name, struct pages_tree *ret)
{
	struct pages_entry e;

	return pages_find(p, &p->meta.main_tree, name, strlen(name), &e) ==
		   MQI_OK &&
	       e.key_len == strlen(name) &&
	       pages_tree_decode(p, e.data, e.len, ret);
}

/* The root of a table; for the free list, name NULL. */
static uint64_t
root_of(const struct harness *h, const char *name)
{
	char path[PATH_MAX + 32];
	struct pages p;
	struct pages_tree t;
	uint64_t root;
	char *why = NULL;

	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", h->dir.path);
	assert_int_equal(pages_open(&p, path, &why), MQI_OK);
	assert_true(pages_choose(&p, 0));
	t = p.meta.free_list;
	if (name != NULL)
		assert_true(table_tree(&p, name, &t));
	root = t.root;
	pages_close(&p);
	return root;
}

/* The first child of a branch page. */
static uint64_t
child_of(const struct harness *h, uint64_t page, unsigned nth)
{
	uint8_t b[PAGE];
	int fd = open_data(h);
	const uint8_t *n;

	assert_int_equal(pread(fd, b, PAGE, (off_t)(page * PAGE)), PAGE);
	(void)close(fd);
	assert_int_equal(mqbuf_get_u16(b + 10), 1);
	n = b + mqbuf_get_u16(b + 16 + 2 * nth);
	return mqbuf_get_u32(n);
}

/* ---- tests ---- */

static void
test_whole_store_is_clean(void **state)
{
	struct harness *h = *state;

	harness_close(h);
	is_clean(h);
	harness_reopen(h);
	harness_close(h);
	is_clean(h);
}

static void
test_running_store_is_clean(void **state)
{
	struct harness *h = *state;
	struct verify_options options = {.structure = false};
	struct record_key key;
	struct found f;
	int status;
	pid_t pid;

	/* LMDB must not be opened twice in a process */
	pid = fork();
	if (pid == 0) {
		struct store_snapshot *s = NULL;
		char *why = NULL;

		if (store_snapshot_open(h->dir.path, &s, &why) != MQI_OK)
			_exit(100);
		options.metas = store_snapshot_metas(s);
		options.txnid = store_snapshot_txnid(s);
		(void)kill(getpid(), SIGSTOP);
		f = look(h, &options);
		(void)fputs(f.text, stderr);
		_exit((int)f.n);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	/* the store goes on meanwhile */
	for (uint64_t n = 0; n < 20; n++) {
		for (uint64_t i = 1; i <= 50; i++) {
			key = harness_key(Q1, 6, n * 100 + i);
			harness_put(h, &key, 50000 + n * 100 + i, 300, 0);
		}
		harness_commit(h);
	}
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_each_page_of_each_table_is_found(void **state)
{
	struct harness *h = *state;
	static const uint8_t zeros[PAGE];
	static const char *const tables[] = {"store", "meta", "objects",
	    "queues", "rows", "bodies", "ids", "np", "shared", "limbo",
	    "staged", "segments", "live"};
	uint8_t was[PAGE];
	int fd;

	harness_close(h);
	fd = open_data(h);
	for (unsigned i = 0; i < MQ_ARRAY_LEN(tables); i++) {
		uint64_t at = root_of(h, tables[i]) * PAGE;

		assert_int_equal(pread(fd, was, PAGE, (off_t)at), PAGE);
		write_at(h, at, zeros, PAGE);
		finds(h, VERIFY_PAGE, tables[i]);
		write_at(h, at, was, PAGE);
	}
	(void)close(fd);
	is_clean(h);
}

static void
test_lost_leaf_names_queue_and_messages(void **state)
{
	struct harness *h = *state;
	uint64_t leaf;

	harness_close(h);
	leaf = child_of(h, root_of(h, "rows"), 2);
	(void)flip(h, leaf * PAGE + 10, 3);
	finds(h, VERIFY_PAGE, "not the kind of page");
	finds(h, VERIFY_MESSAGE, "messages are lost, from message");
	finds(h, VERIFY_COUNTER, "queue ONE: it counts");
}

/* Where the value of the nth segment begins in the file, and its length. */
static uint64_t
segment_at(const struct harness *h, unsigned nth, uint32_t *ret_len)
{
	uint64_t page = root_of(h, "segments");
	uint8_t b[PAGE];
	const uint8_t *n;
	int fd = open_data(h);

	assert_int_equal(pread(fd, b, PAGE, (off_t)(page * PAGE)), PAGE);
	(void)close(fd);
	assert_int_equal(mqbuf_get_u16(b + 10), 2); /* a leaf */
	n = b + mqbuf_get_u16(b + 16 + 2 * nth);
	*ret_len = mqbuf_get_u32(n);
	assert_int_equal(mqbuf_get_u16(n + 6), 8); /* the key */
	return mqbuf_get_u64(n + 8 + 8) * PAGE + 16;
}

static void
test_damaged_body_names_its_message(void **state)
{
	struct harness *h = *state;
	uint32_t len;
	uint64_t at;

	harness_close(h);
	at = segment_at(h, 1, &len);
	(void)flip(h, at + 40000, 0);
	finds(h, VERIFY_MESSAGE, "queue ONE, message");
	finds(h, VERIFY_MESSAGE, "its bytes are not those that were put");
	assert_int_equal(verify(h).n, 1);
	(void)flip(h, at + 40000, 0);
	/* bytes of a message that has gone */
	at = segment_at(h, 0, &len);
	(void)flip(h, at + 1205, 0);
	is_clean(h);
}

static void
test_damage_of_a_segment_beside_its_messages(void **state)
{
	struct harness *h = *state;
	uint32_t len;
	uint64_t at;
	uint64_t live;
	uint8_t was;

	harness_close(h);
	at = segment_at(h, 0, &len);
	/* the entry of a slot that has gone, and of one that has not */
	(void)flip(h, at + len - 28 - 10 * 37 - 10, 2);
	is_clean(h);
	(void)flip(h, at + len - 28 - 10 * 37 - 10, 2);
	(void)flip(h, at + len - 28 - 350 * 37 - 10, 2);
	finds(h, VERIFY_MESSAGE, "does not say where its bytes are");
	assert_int_equal(verify(h).n, 1);
	(void)flip(h, at + len - 28 - 350 * 37 - 10, 2);
	(void)flip(h, at + len - 1, 2);
	finds(h, VERIFY_ROOM, "its foot is damaged");
	assert_int_equal(verify(h).n, 1);
	(void)flip(h, at + len - 1, 2);
	live = root_of(h, "live") * PAGE + PAGE - 1;
	was = flip(h, live, 1);
	finds(h, VERIFY_ROOM, "the count of its messages is damaged");
	write_at(h, live, &was, 1);
	is_clean(h);
}

static void
test_free_list_meta_and_length(void **state)
{
	struct harness *h = *state;
	uint64_t page;
	struct stat st;
	uint8_t was;
	int fd;

	harness_close(h);
	page = root_of(h, NULL);
	(void)flip(h, page * PAGE + PAGE - 8, 2); /* a page's number */
	finds(h, VERIFY_PAGE, "the free list");
	(void)flip(h, page * PAGE + PAGE - 8, 2);
	for (unsigned i = 0; i < 2; i++) {
		was = flip(h, i * PAGE + 16, 0); /* the magic */
		finds(h, VERIFY_FILE, "meta page");
		write_at(h, i * PAGE + 16, &was, 1);
		(void)flip(h, i * PAGE + 16 + 128, 4); /* the transaction */
		finds(h, VERIFY_FILE, "successive");
		(void)flip(h, i * PAGE + 16 + 128, 4);
	}
	is_clean(h);
	fd = open_data(h);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, 20 * (off_t)PAGE), 0);
	finds(h, VERIFY_FILE, "shorter");
	assert_int_equal(ftruncate(fd, 0), 0);
	finds(h, VERIFY_FILE, "no meta page");
	(void)close(fd);
}

static void
test_files_that_are_missing(void **state)
{
	struct harness *h = *state;
	char path[PATH_MAX + 32];

	harness_close(h);
	(void)snprintf(path, sizeof(path), "%s/store/FORMAT", h->dir.path);
	assert_int_equal(unlink(path), 0);
	finds(h, VERIFY_FILE, "FORMAT");
	(void)snprintf(path, sizeof(path), "%s/store/data.mdb", h->dir.path);
	assert_int_equal(unlink(path), 0);
	finds(h, VERIFY_FILE, "data.mdb");
}

/* ---- bits anywhere ---- */

static uint32_t
digest_rows(struct harness *h, uint64_t queue, uint32_t crc)
{
	struct store_load *l = harness_rows(h, queue);
	uint64_t depth;
	uint64_t bytes;

	for (uint32_t i = 0; i < l->n_rows; i++) {
		const struct store_row *r = &l->rows[i];

		assert_false(r->damaged);
		crc = mqcrc32c(crc, &r->key.seq, sizeof(r->key.seq));
		crc = mqcrc32c(crc, r->msg_id, sizeof(r->msg_id));
		if (r->data != NULL)
			crc = mqcrc32c(crc, r->data->data, r->data->len);
		else
			harness_check_body(h, r->body_id, r->body_len);
	}
	(void)store_load_free(l);
	harness_depth(h, queue, &depth, &bytes);
	crc = mqcrc32c(crc, &depth, sizeof(depth));
	return mqcrc32c(crc, &bytes, sizeof(bytes));
}

static uint32_t
digest(struct harness *h)
{
	return digest_rows(h, Q2, digest_rows(h, Q1, 0));
}

static void
test_flipped_bits_are_found_or_harmless(void **state)
{
	struct harness *h = *state;
	const char *given = getenv("MQ_SEED");
	unsigned n = getenv("MQ_LONG") != NULL ? FLIPS_LONG : FLIPS;
	unsigned n_found = 0;
	uint8_t mess[48] = {0};
	uint64_t seed;
	uint64_t x;
	uint64_t n_bytes;
	uint32_t whole;
	uint8_t *image;
	struct stat st;
	int fd;

	mqrand_bytes(&seed, sizeof(seed));
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	print_message("MQ_SEED=0x%llx\n", (unsigned long long)seed);
	harness_reopen(h);
	whole = digest(h);
	harness_close(h);
	is_clean(h);
	fd = open_data(h);
	assert_int_equal(fstat(fd, &st), 0);
	/* the used part */
	n_bytes = 0;
	image = malloc((size_t)st.st_size);
	assert_int_equal(pread(fd, image, (size_t)st.st_size, 0), st.st_size);
	for (uint64_t i = 0; i < (uint64_t)st.st_size; i++)
		if (image[i] != 0)
			n_bytes = i + 1;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at;

		at = mqrand_next(&seed) % n_bytes;
		x = mqrand_next(&seed);
		/* a third in the heads of pages */
		if (i % 3 == 0)
			at = at / PAGE * PAGE + (x >> 8) % 64;
		(void)flip(h, at, x % 8);
		/* and sometimes more than a bit */
		if (i % 4 == 3) {
			mess[i / 4 % sizeof(mess)] ^= (uint8_t)x;
			write_at(h, at, mess, 1 + x % sizeof(mess));
		}
		if (verify(h).n > 0) {
			n_found++;
		} else {
			harness_reopen(h);
			if (digest(h) != whole)
				fail_msg("flip %u at %llu is not found", i,
				    (unsigned long long)at);
			harness_close(h);
		}
		assert_int_equal(pwrite(fd, image, n_bytes, 0), n_bytes);
	}
	print_message("%u of %u flips are findings\n", n_found, n);
	assert_true(n_found > n / 4);
	(void)close(fd);
	free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_whole_store_is_clean, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_running_store_is_clean, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_each_page_of_each_table_is_found, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_lost_leaf_names_queue_and_messages, setup,
		harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_damage_of_a_segment_beside_its_messages, setup,
		harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_damaged_body_names_its_message, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_free_list_meta_and_length, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_files_that_are_missing, setup, harness_teardown),
	    cmocka_unit_test_setup_teardown(
		test_flipped_bits_are_found_or_harmless, setup,
		harness_teardown),
	};

	return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
