/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_lmdb.c - what only the LMDB store can show: damaged values,
 * stores that must be refused, a full disk, kill -9, and that neither a start
 * nor the tables grow with what is gone.
 *
 * Tests damage a store through LMDB itself, while it is closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include <lmdb.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "qmgr/store/store_lmdb_apply.h"
#include "tests/unit/store/harness.h"

#define Q1 HARNESS_Q1
#define Q2 HARNESS_Q2

static int
setup(void **state)
{
	*state = &harness_kinds[HARNESS_LMDB];
	return harness_setup(state);
}

/* ---- a store that is closed, by hand ---- */

struct hand {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static void
path_in(const struct harness *h, const char *name, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/store%s", h->dir.path, name);
}

static struct hand
hand_open(const struct harness *h, const char *db)
{
	struct hand x;
	char path[PATH_MAX + 32];

	path_in(h, "", path, sizeof(path));
	assert_int_equal(mdb_env_create(&x.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(x.env, 32), 0);
	assert_int_equal(mdb_env_set_mapsize(x.env, 1u << 30), 0);
	assert_int_equal(mdb_env_open(x.env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(x.env, NULL, 0, &x.txn), 0);
	assert_int_equal(mdb_dbi_open(x.txn, db, 0, &x.dbi), 0);
	return x;
}

static void
hand_close(struct hand *x)
{
	assert_int_equal(mdb_txn_commit(x->txn), 0);
	mdb_env_close(x->env);
}

/* Flips a bit in the value of the nth entry. */
static void
flip(const struct harness *h, const char *db, unsigned nth, size_t offset)
{
	struct hand x = hand_open(h, db);
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val val;
	uint8_t *copy;

	assert_int_equal(mdb_cursor_open(x.txn, x.dbi, &cursor), 0);
	for (unsigned i = 0; i <= nth; i++)
		assert_int_equal(
		    mdb_cursor_get(cursor, &key, &val, MDB_NEXT), 0);
	assert_true(offset < val.mv_size);
	copy = malloc(val.mv_size);
	memcpy(copy, val.mv_data, val.mv_size);
	copy[offset] ^= 4;
	val.mv_data = copy;
	assert_int_equal(mdb_cursor_put(cursor, &key, &val, MDB_CURRENT), 0);
	free(copy);
	mdb_cursor_close(cursor);
	hand_close(&x);
}

static void
drop_entries(const struct harness *h, const char *db)
{
	struct hand x = hand_open(h, db);

	assert_int_equal(mdb_drop(x.txn, x.dbi, 0), 0);
	hand_close(&x);
}

static size_t
entries(const struct harness *h, const char *db)
{
	struct hand x = hand_open(h, db);
	MDB_stat st;

	assert_int_equal(mdb_stat(x.txn, x.dbi, &st), 0);
	hand_close(&x);
	return st.ms_entries;
}

static void
refused(struct harness *h, enum mqi_err err, const char *text)
{
	char *why = NULL;

	assert_int_equal(harness_open(h, &why), err);
	assert_non_null(why);
	if (strstr(why, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, text);
	print_message("%s\n", why);
	free(why);
}

/* ---- damage ---- */

static void
test_damaged_body_is_marked_and_stops_no_other(void **state)
{
	struct harness *h = *state;
	struct store_load *l;

	for (uint64_t seq = 1; seq <= 3; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	harness_close(h);
	flip(h, "segments", 0, 30 + 25); /* of 30 bytes each */
	harness_reopen(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(l->rows[i].damaged, i == 1);
		assert_int_equal(l->rows[i].data == NULL, i == 1);
		assert_int_equal(l->rows[i].body_len, 10);
	}
	(void)store_load_free(l);
	assert_true(harness_has_body(h, Q1 * 1000000 + 1));
	assert_false(harness_has_body(h, Q1 * 1000000 + 2));
}

static void
test_damaged_row_is_marked_and_can_be_removed(void **state)
{
	struct harness *h = *state;
	struct record_key key = harness_key(Q1, 0, 2);
	struct store_load *l;

	for (uint64_t seq = 1; seq <= 3; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	harness_close(h);
	flip(h, "rows", 1, 70); /* the descriptor's length */
	harness_reopen(h);
	l = harness_rows(h, Q1);
	assert_int_equal(l->n_rows, 3);
	assert_true(l->rows[1].damaged);
	assert_int_equal(l->rows[1].key.seq, 2);
	assert_null(l->rows[1].data);
	assert_non_null(l->rows[2].data);
	(void)store_load_free(l);
	harness_remove(h, &key, Q1 * 1000000 + 2, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	assert_int_equal(harness_count(h, Q1), 2);
	assert_false(harness_has_body(h, Q1 * 1000000 + 2));
	for (key.seq = 1; key.seq <= 3; key.seq += 2)
		harness_remove(h, &key, Q1 * 1000000 + key.seq, 1);
	harness_commit(h);
	harness_reopen(h);
	harness_assert_depth(h, Q1, 0, 10); /* whose bytes nobody knows */
}

static void
test_lost_rows_do_not_change_the_depth(void **state)
{
	struct harness *h = *state;

	for (uint64_t seq = 1; seq <= 3; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	harness_close(h);
	drop_entries(h, "rows");
	harness_reopen(h);
	assert_int_equal(harness_count(h, Q1), 0);
	harness_assert_depth(h, Q1, 3, 30);
}

static void
test_damaged_tables_are_refused(void **state)
{
	struct harness *h = *state;

	harness_close(h);
	flip(h, "objects", 1, 30);
	refused(h, MQI_E_OBJECT_DAMAGED, "objects");
	flip(h, "objects", 1, 30);
	flip(h, "meta", 0, 30);
	refused(h, MQI_E_OBJECT_DAMAGED, "epoch");
	flip(h, "meta", 0, 30);
	flip(h, "queues", 0, 3);
	refused(h, MQI_E_OBJECT_DAMAGED, "queue 11");
	flip(h, "queues", 0, 3);
	harness_reopen(h);
	harness_close(h);
	drop_entries(h, "queues");
	refused(h, MQI_E_OBJECT_DAMAGED, "queue 11");
}

/* ---- stores that must be refused ---- */

static void
rewrite_format(const struct harness *h, uint32_t version, uint64_t features)
{
	struct hand x = hand_open(h, "store");
	uint8_t format[SCHEMA_FORMAT_SIZE];
	MDB_val key = lmdb_val("format", 6);
	MDB_val val = {sizeof(format), format};
	uint32_t crc;

	schema_format_encode(format);
	mqbuf_set_u32(format + 8, version);
	mqbuf_set_u64(format + 12, features);
	crc = mqcrc32c(mqcrc32c(0, "format", 6), format, sizeof(format) - 4);
	mqbuf_set_u32(format + sizeof(format) - 4, crc);
	assert_int_equal(mdb_put(x.txn, x.dbi, &key, &val, 0), 0);
	hand_close(&x);
}

static void
test_newer_format_is_refused_by_name(void **state)
{
	struct harness *h = *state;

	harness_close(h);
	rewrite_format(h, SCHEMA_VERSION + 1, 0);
	refused(h, MQI_E_STORE_FORMAT, "format 2");
	rewrite_format(h, SCHEMA_VERSION, 0x40);
	refused(h, MQI_E_STORE_FORMAT, "features 40");
	rewrite_format(h, SCHEMA_VERSION, 0);
	harness_reopen(h);
}

static void
test_foreign_environment_is_refused(void **state)
{
	struct harness *h = *state;
	MDB_dbi dbi;
	struct hand x;
	char path[PATH_MAX + 32];

	harness_close(h);
	path_in(h, "/FORMAT", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	x = hand_open(h, "store");
	assert_int_equal(mdb_drop(x.txn, x.dbi, 1), 0);
	assert_int_equal(mdb_dbi_open(x.txn, "other", MDB_CREATE, &dbi), 0);
	hand_close(&x);
	refused(h, MQI_E_STORE_FORMAT, "not a Sluice store");
}

/* Nothing is made that would look like the store. */
static void
test_journal_without_its_store_is_refused_and_left_as_it_is(void **state)
{
	struct harness *h = *state;
	char path[PATH_MAX + 32], aside[PATH_MAX + 32];

	harness_put_at(h, Q1, 1);
	harness_commit(h);
	harness_close(h);
	path_in(h, "", path, sizeof(path));
	path_in(h, ".aside", aside, sizeof(aside));
	assert_int_equal(rename(path, aside), 0);
	refused(h, MQI_E_OBJECT_DAMAGED, "was in use");
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rename(aside, path), 0);
	harness_reopen(h);
	harness_assert_depth(h, Q1, 1, 10);
}

static void
test_file_that_was_cut_is_refused(void **state)
{
	struct harness *h = *state;
	char path[PATH_MAX + 32];

	for (uint64_t seq = 0; seq < 200; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	harness_close(h);
	path_in(h, "/data.mdb", path, sizeof(path));
	assert_int_equal(truncate(path, 20480), 0);
	refused(h, MQI_E_OBJECT_DAMAGED, "has been cut");
	assert_int_equal(truncate(path, 0), 0);
	refused(h, MQI_E_OBJECT_DAMAGED, "missing or empty");
	assert_int_equal(unlink(path), 0);
	refused(h, MQI_E_OBJECT_DAMAGED, "missing or empty");
}

static void
test_file_systems_that_do_not_hold_are_refused(void **state)
{
	struct harness *h = *state;

	harness_close(h);
	h->options.lmdb.fs_type = 0x6969;
	refused(h, MQI_E_IO, "NFS");
	h->options.lmdb.fs_type = 0x65735546;
	refused(h, MQI_E_IO, "FUSE");
}

/* ---- room ---- */

struct small_disk {
	uint64_t size; /* bytes that it gives */
	int err;
};

static int
disk_allocate(void *arg, int fd, uint64_t len)
{
	const struct small_disk *d = arg;

	if (d->err != 0)
		return d->err;
	if (len > d->size)
		return ENOSPC;
	return fallocate(fd, 0, 0, (off_t)len) == 0 ? 0 : errno;
}

static void
fill_until_no_room(struct harness *h, uint64_t *ret_n)
{
	uint64_t n = 0;

	while (h->s->ops->has_room(h->s)) {
		for (unsigned i = 0; i < 20; i++) {
			struct record_key key = harness_key(Q1, 0, ++n);

			harness_put(h, &key, n, 60000, 0);
		}
		harness_commit(h);
		assert_true(n < 5000);
	}
	*ret_n = n;
}

static void
test_full_disk_refuses_puts_and_lets_the_rest_work(void **state)
{
	struct harness *h = *state;
	struct small_disk disk = {.size = UINT64_C(140) << 20};
	struct record_key key = harness_key(Q1, 0, 0);
	uint64_t n = 0;

	harness_close(h);
	h->options.lmdb.allocate = disk_allocate;
	h->options.lmdb.arg = &disk;
	harness_reopen(h);
	assert_true(h->s->ops->has_room(h->s));
	fill_until_no_room(h, &n);
	assert_true(n > 100);
	/* a start is possible, and still there is no room */
	harness_reopen(h);
	assert_false(h->s->ops->has_room(h->s));
	/* what is got makes room, also if the disk gives none */
	for (key.seq = 1; key.seq <= n; key.seq++)
		harness_remove(h, &key, key.seq, RECORD_REMOVE_RELEASE);
	harness_commit(h);
	harness_epoch(h, 7);
	harness_commit(h);
	assert_true(h->s->ops->has_room(h->s));
}

static void
test_room_comes_back_with_the_disk(void **state)
{
	struct harness *h = *state;
	struct small_disk disk = {.size = UINT64_C(140) << 20};
	uint64_t n = 0;

	harness_close(h);
	h->options.lmdb.allocate = disk_allocate;
	h->options.lmdb.arg = &disk;
	harness_reopen(h);
	fill_until_no_room(h, &n);
	harness_close(h);
	disk.size = UINT64_C(1) << 40;
	harness_reopen(h);
	assert_true(h->s->ops->has_room(h->s));
}

static void
test_file_system_that_cannot_reserve_is_refused(void **state)
{
	struct harness *h = *state;
	struct small_disk disk = {.err = EOPNOTSUPP};
	char path[PATH_MAX + 32];

	harness_close(h);
	path_in(h, "/data.mdb", path, sizeof(path));
	assert_int_equal(truncate(path, 262144), 0);
	h->options.lmdb.allocate = disk_allocate;
	h->options.lmdb.arg = &disk;
	refused(h, MQI_E_IO, "fallocate");
}

static void
break_journal_header(const struct harness *h)
{
	char path[PATH_MAX + 32];
	int fd;

	for (unsigned i = 0; i < JOURNAL_FILES_MIN; i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/journal/log.%03u", h->dir.path, i);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, "X", 1, 20), 1);
		assert_int_equal(close(fd), 0);
	}
}

static void
test_a_journal_without_its_store_is_kept(void **state)
{
	struct harness *h = *state;
	static const char *const lost[] = {"/FORMAT", "/data.mdb", "/lock.mdb"};
	char path[PATH_MAX + 32];
	char *why = NULL;

	for (uint64_t seq = 1; seq <= 10; seq++)
		harness_put_at(h, Q1, seq);
	harness_commit(h);
	harness_close(h);
	for (size_t i = 0; i < MQ_ARRAY_LEN(lost); i++) {
		path_in(h, lost[i], path, sizeof(path));
		assert_int_equal(unlink(path), 0);
	}
	/* also when it is tried again, with what the first try has made, and
	 * when the header that tells of the use is damaged */
	for (unsigned i = 0; i < 3; i++) {
		if (i == 2)
			break_journal_header(h);
		assert_int_equal(harness_open(h, &why), MQI_E_OBJECT_DAMAGED);
		assert_non_null(strstr(why, "was in use"));
		free(why);
		why = NULL;
	}
}

/* ---- what is gone leaves nothing ---- */

static void
test_emptied_store_has_empty_tables(void **state)
{
	struct harness *h = *state;
	static const char *const names[] = {"rows", "bodies", "ids", "shared",
	    "np", "staged", "limbo", "purges", "segments", "live"};
	const struct record_key places[] = {
	    harness_key(Q1, 0, 9000), harness_key(Q2, 0, 9001)};
	struct record_put put = {.body_id = 9999999,
	    .msg_id = "m",
	    .n_places = 2,
	    .places = places,
	    .flags = RECORD_PUT_NON_PERSISTENT};

	for (uint64_t seq = 1; seq <= 100; seq++)
		harness_put_at(h, Q1, seq);
	record_encode_put(harness_records(h), 0, &put);
	harness_commit(h);
	for (uint64_t seq = 1; seq <= 100; seq++) {
		struct record_key key = harness_key(Q1, 0, seq);

		harness_remove(h, &key, Q1 * 1000000 + seq, (uint8_t)(seq & 1));
	}
	harness_remove(h, &places[0], put.body_id, 0);
	harness_remove(h, &places[1], put.body_id, 1);
	harness_commit(h);
	harness_reopen(h);
	harness_close(h);
	for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
		print_message("%s\n", names[i]);
		assert_int_equal(entries(h, names[i]), 0);
	}
}

static void
test_sweep_deletes_old_epochs_and_purged_queues(void **state)
{
	struct harness *h = *state;
	struct lmdb_env e = {0};
	struct lmdb_writer w;
	struct store_why why = {0};
	struct record_purge purge = {.queue_id = Q2};
	struct record_key key = harness_key(Q1, 0, 0);
	unsigned steps = 0;

	for (key.seq = 1; key.seq <= 1500; key.seq++)
		harness_put(h, &key, key.seq, 10,
		    key.seq <= 10 ? 0 : RECORD_PUT_NON_PERSISTENT);
	for (uint64_t seq = 1; seq <= 3000; seq++)
		harness_put_at(h, Q2, seq);
	harness_commit(h);
	record_encode_purge(harness_records(h), &purge);
	harness_commit(h);
	harness_close(h);
	/* the store's own sweep may have begun; this goes on where it was */
	assert_int_equal(
	    lmdb_env_open(&e, h->dir.path, &h->options.lmdb, &why), MQI_OK);
	assert_int_equal(lmdb_writer_init(&w, &e, &why), MQI_OK);
	while (w.sweep) {
		assert_int_equal(lmdb_writer_sweep(&w), MQI_OK);
		steps++;
	}
	assert_true(steps >= 3);
	lmdb_writer_fini(&w);
	lmdb_env_close(&e);
	assert_int_equal(entries(h, "rows"), 10);
	assert_int_equal(entries(h, "bodies"), 0);
	assert_int_equal(entries(h, "segments"), 1);
	assert_int_equal(entries(h, "live"), 1);
	assert_int_equal(entries(h, "np"), 0);
	assert_int_equal(entries(h, "purges"), 0);
	harness_reopen(h);
	harness_assert_depth(h, Q1, 10, 100);
	assert_int_equal(harness_count(h, Q1), 10);
}

static void
test_start_looks_at_no_message(void **state)
{
	struct harness *h = *state;
	uint64_t n = getenv("MQ_LONG") != NULL ? 200000 : 20000;
	uint64_t start;
	uint64_t took;

	for (uint64_t seq = 1; seq <= n; seq++) {
		harness_put_at(h, Q1, seq);
		if (seq % 5000 == 0)
			harness_commit(h);
	}
	harness_close(h);
	/* a message that a start looked at would be found damaged, or missed */
	flip(h, "rows", 0, 1);
	flip(h, "segments", 0, 1);
	drop_entries(h, "ids");
	start = mqclock_mono_us();
	harness_reopen(h);
	took = mqclock_mono_us() - start;
	print_message(
	    "a start with %" PRIu64 " messages: %" PRIu64 " us\n", n, took);
	assert_true(took < 1000000);
	harness_assert_depth(h, Q1, n, n * 10);
}

/* ---- processes ---- */

static void
test_descriptors_close_on_exec(void **state)
{
	char path[64];
	char target[PATH_MAX];
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		ssize_t len;
		int fd = atoi(d->d_name);

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		if (strstr(target, ".mdb") == NULL)
			continue;
		n++;
		assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	}
	(void)closedir(dir);
	assert_true(n >= 2);
}

/* In the child: one message per batch, and its number when it is durable. */
static _Noreturn void
put_for_ever(struct harness *h, int fd)
{
	harness_reopen(h);
	for (;;) {
		uint64_t n = h->submitted + 1;

		harness_put_at(h, Q1, n);
		harness_commit(h);
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

static void
test_kill_keeps_what_was_durable(void **state)
{
	struct harness *h = *state;

	for (unsigned round = 1; round <= 5; round++) {
		uint64_t n = 0;
		unsigned got = 0;
		int fds[2];
		pid_t pid;

		harness_close(h);
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			put_for_ever(h, fds[1]);
		(void)close(fds[1]);
		while (
		    got < round * 7 && read(fds[0], &n, sizeof(n)) == sizeof(n))
			got++;
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (read(fds[0], &n, sizeof(n)) == sizeof(n))
			continue;
		(void)close(fds[0]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		harness_reopen(h);
		/* the one that was not told may be there */
		assert_true(h->submitted == n || h->submitted == n + 1);
		assert_int_equal(harness_count(h, Q1), h->submitted - 1);
		harness_assert_depth(
		    h, Q1, h->submitted - 1, (h->submitted - 1) * 10);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_damaged_body_is_marked_and_stops_no_other),
	    T(test_damaged_row_is_marked_and_can_be_removed),
	    T(test_lost_rows_do_not_change_the_depth),
	    T(test_damaged_tables_are_refused),
	    T(test_newer_format_is_refused_by_name),
	    T(test_foreign_environment_is_refused),
	    T(test_journal_without_its_store_is_refused_and_left_as_it_is),
	    T(test_file_that_was_cut_is_refused),
	    T(test_file_systems_that_do_not_hold_are_refused),
	    T(test_full_disk_refuses_puts_and_lets_the_rest_work),
	    T(test_room_comes_back_with_the_disk),
	    T(test_file_system_that_cannot_reserve_is_refused),
	    T(test_a_journal_without_its_store_is_kept),
	    T(test_emptied_store_has_empty_tables),
	    T(test_sweep_deletes_old_epochs_and_purged_queues),
	    T(test_start_looks_at_no_message),
	    T(test_descriptors_close_on_exec),
	    T(test_kill_keeps_what_was_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
