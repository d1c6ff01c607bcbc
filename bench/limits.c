/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.c - what the machine can do at best: a write and a flush, an LMDB
 * commit of one record, a round trip on a Unix socket.  mqbench prints these
 * beside its own figures, since a figure alone says little about a queue
 * manager and much about the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

#define MAX_SAMPLES 4000000
#define FLUSH_FILE (64u << 20)
#define LMDB_MAP ((size_t)16 << 30)

static double flush_us, socket_us;

double
limit_flush_us(void)
{
	return flush_us;
}

double
limit_socket_us(void)
{
	return socket_us;
}

/* Returns the median. */
static double
print(const char *key, const char *what, size_t size, struct bench_lat *l,
    double secs)
{
	double p50 = lat_percentile(l, 0.5);
	struct bench_row row;

	row_init(&row, key, what, p50, "us");
	row_how(&row, "%zu bytes%s", size, bench_cores());
	row_more(&row, "p99 %.1f us, %.0f /s", lat_percentile(l, 0.99),
	    (double)l->n / secs);
	report_row(&row);
	lat_fini(l);
	return p50;
}

void
limit_flush(const char *dir, size_t size, double secs)
{
	char path[320], *block = calloc(1, 1u << 20);
	struct bench_lat l;
	double t0, t, u;
	off_t off = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/mqbench-XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0 || block == NULL)
		bench_die("%s: %s", path, strerror(errno));
	(void)unlink(path);
	for (off_t i = 0; i < FLUSH_FILE; i += 1 << 20)
		if (pwrite(fd, block, 1u << 20, i) != 1 << 20)
			bench_die("write: %s", strerror(errno));
	(void)fsync(fd);
	lat_init(&l, MAX_SAMPLES);
	for (t0 = t = bench_now(); t - t0 < secs; t = u) {
		if (pwrite(fd, block, size, off) != (ssize_t)size ||
		    fdatasync(fd) != 0)
			bench_die("flush: %s", strerror(errno));
		off += (off_t)size;
		if (off + (off_t)size > (off_t)FLUSH_FILE)
			off = 0;
		u = bench_now();
		lat_add(&l, (u - t) * 1e6);
	}
	(void)close(fd);
	free(block);
	flush_us =
	    print("flush", "raw: pwrite + fdatasync, p50", size, &l, t - t0);
}

static void
lmdb_check(int rc, const char *what)
{
	if (rc != 0)
		bench_die("%s: %s", what, mdb_strerror(rc));
}

/* One record in one transaction, durable. */
static void
lmdb_put(MDB_env *env, MDB_dbi dbi, uint64_t n, const void *value, size_t size)
{
	uint8_t key_bytes[16] = {0};
	MDB_val key = {sizeof(key_bytes), key_bytes};
	MDB_val val = {size, (void *)(uintptr_t)value};
	MDB_txn *txn;

	for (unsigned i = 0; i < 8; i++)
		key_bytes[8 + i] = (uint8_t)(n >> (56 - 8 * i));
	lmdb_check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	lmdb_check(mdb_put(txn, dbi, &key, &val, 0), "put");
	lmdb_check(mdb_txn_commit(txn), "commit");
}

void
limit_lmdb(const char *dir, size_t size, double secs)
{
	char path[320], *value = calloc(1, size);
	struct bench_lat l;
	double t0, t, u;
	uint64_t n = 0;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	(void)snprintf(path, sizeof(path), "%s/mqbench-XXXXXX", dir);
	if (mkdtemp(path) == NULL || value == NULL)
		bench_die("%s: %s", path, strerror(errno));
	lmdb_check(mdb_env_create(&env), "create");
	lmdb_check(mdb_env_set_mapsize(env, LMDB_MAP), "mapsize");
	lmdb_check(mdb_env_open(env, path, MDB_NORDAHEAD, 0600), "open");
	lmdb_check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	lmdb_check(mdb_dbi_open(txn, NULL, 0, &dbi), "dbi");
	lmdb_check(mdb_txn_commit(txn), "commit");
	lat_init(&l, MAX_SAMPLES);
	for (t0 = t = bench_now(); t - t0 < secs; t = u) {
		lmdb_put(env, dbi, n++, value, size);
		u = bench_now();
		lat_add(&l, (u - t) * 1e6);
	}
	mdb_env_close(env);
	free(value);
	for (unsigned i = 0; i < 2; i++) {
		char file[340];

		(void)snprintf(file, sizeof(file), "%s/%s", path,
		    i == 0 ? "data.mdb" : "lock.mdb");
		(void)unlink(file);
	}
	(void)rmdir(path);
	(void)print(
	    "lmdb", "raw: LMDB commit of one record, p50", size, &l, t - t0);
}

/* Moves size bytes; false at the end of the stream. */
static bool
move(int fd, char *buf, size_t size, bool out)
{
	ssize_t n;

	while (size > 0) {
		n = out ? write(fd, buf, size) : read(fd, buf, size);
		if (n <= 0)
			return false;
		size -= (size_t)n;
	}
	return true;
}

void
limit_socket(size_t size, double secs)
{
	char *buf = calloc(1, size);
	struct bench_lat l;
	double t0, t, u;
	int fd[2];
	pid_t pid;

	if (buf == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		bench_die("socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0) {
		(void)close(fd[0]);
		while (move(fd[1], buf, size, false) &&
		       move(fd[1], buf, size, true))
			;
		_exit(0);
	}
	(void)close(fd[1]);
	lat_init(&l, MAX_SAMPLES);
	for (t0 = t = bench_now(); t - t0 < secs; t = u) {
		if (!move(fd[0], buf, size, true) ||
		    !move(fd[0], buf, size, false))
			bench_die("socket: %s", strerror(errno));
		u = bench_now();
		lat_add(&l, (u - t) * 1e6);
	}
	(void)close(fd[0]);
	(void)waitpid(pid, NULL, 0);
	free(buf);
	socket_us = print(
	    "socket", "raw: Unix socket round trip, p50", size, &l, t - t0);
}
