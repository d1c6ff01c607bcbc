/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_recorder.c - the recorder and the images do what the proofs believe.
 *
 * The test starts itself with the argument "child", which makes a fixed list
 * of writes and flushes under the recorder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/image.h"
#include "tests/lib/recorder.h"
#include "tests/lib/tmpdir.h"

#define BLOCK 4096

struct fixture {
	struct tmpdir dir;
	struct recorder_control *control;
	char control_path[PATH_MAX];
};

static void
child_write(int fd, char c, off_t offset)
{
	char block[BLOCK];

	memset(block, c, sizeof(block));
	if (pwrite(fd, block, sizeof(block), offset) != sizeof(block))
		_exit(3);
}

/* Calls: 1 write a, 2 flush, 3 write b over it, 4 O_DSYNC write c at 2. */
static int
child_main(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int dsync = open(path, O_WRONLY | O_DSYNC | O_CLOEXEC);

	if (fd < 0 || dsync < 0)
		return 2;
	child_write(fd, 'a', 0);
	if (fdatasync(fd) < 0)
		return 4;
	child_write(fd, 'b', 0);
	child_write(dsync, 'c', 2 * BLOCK);
	return 0;
}

static bool
is_near(time_t a, time_t b)
{
	return a - b < 30 && b - a < 30;
}

/* 0: the wall clock is wrong by so much in all its forms, the other is not. */
static int
child_clock(const char *offset)
{
	time_t off = (time_t)strtol(offset, NULL, 10);
	struct timespec right, wall, mono, mono_right;
	struct timeval tv;

	(void)syscall(SYS_clock_gettime, CLOCK_REALTIME, &right);
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	(void)gettimeofday(&tv, NULL);
	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono_right);
	(void)clock_gettime(CLOCK_MONOTONIC, &mono);
	return is_near(wall.tv_sec, right.tv_sec + off) &&
		       is_near(tv.tv_sec, right.tv_sec + off) &&
		       is_near(time(NULL), right.tv_sec + off) &&
		       is_near(mono.tv_sec, mono_right.tv_sec)
		   ? 0
		   : 5;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmpdir_make(&f->dir);
	snprintf(f->control_path, sizeof(f->control_path), "%.4000s.control",
	    f->dir.path);
	int fd = open(f->control_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(ftruncate(fd, sizeof(*f->control)), 0);
	f->control = mmap(NULL, sizeof(*f->control), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	assert_true(f->control != MAP_FAILED);
	close(fd);
	strcpy(f->control->dir, f->dir.path);
	snprintf(f->control->trace, sizeof(f->control->trace), "%.4000s.trace",
	    f->dir.path);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	(void)unlink(f->control_path);
	(void)unlink(f->control->trace);
	munmap(f->control, sizeof(*f->control));
	tmpdir_free(&f->dir);
	free(f);
	return 0;
}

/* Runs the child to its end; its wait status. */
static int
run_child_as(struct fixture *f, const char *what, const char *arg)
{
	char preload[PATH_MAX + 32], env[PATH_MAX + 32], file[PATH_MAX];
	int status;

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/tests/librecorder.so",
	    getenv("MQ_BUILD"));
	snprintf(env, sizeof(env), RECORDER_ENV "=%s", f->control_path);
	snprintf(file, sizeof(file), "%.4000s/file", f->dir.path);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		(void)putenv(preload);
		(void)putenv(env);
		(void)putenv((char[]){"ASAN_OPTIONS=verify_asan_link_order=0"});
		execl("/proc/self/exe", "test_recorder", what, arg ? arg : file,
		    NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int
run_child(struct fixture *f)
{
	return run_child_as(f, "child", NULL);
}

/* The file's bytes, zeros beyond its end; returns its size. */
static size_t
read_file(const char *dir, char *ret, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%.4000s/file", dir);
	memset(ret, 0, len);
	file = fopen(path, "r");
	if (!file)
		return 0;
	size_t n = fread(ret, 1, len, file);
	fclose(file);
	return n;
}

static void
test_calls_are_counted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_child(f), 0);
	assert_int_equal(f->control->calls, 4);
	assert_int_equal(f->control->flushes, 2);
	assert_int_equal(f->control->flushing, 0);
}

static void
test_the_wall_clock_alone_is_wrong(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_child_as(f, "clock", "0"), 0);
	assert_int_not_equal(run_child_as(f, "clock", "3600"), 0);
	f->control->wall_offset_s = 3600;
	assert_int_equal(run_child_as(f, "clock", "3600"), 0);
	f->control->wall_offset_s = -7200;
	assert_int_equal(run_child_as(f, "clock", "-7200"), 0);
}

static void
test_process_dies_before_the_call_set(void **state)
{
	struct fixture *f = *state;
	char bytes[BLOCK * 3];

	for (uint64_t n = 1; n <= 4; n++) {
		f->control->calls = 0;
		f->control->kill_at = n;
		tmpdir_clear(f->dir.path, 0);
		int status = run_child(f);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		size_t size = read_file(f->dir.path, bytes, sizeof(bytes));
		assert_int_equal(size, n == 1 ? 0 : BLOCK);
		assert_int_equal(bytes[0], n == 1 ? 0 : n < 4 ? 'a' : 'b');
	}
}

static void
test_the_last_write_is_torn_if_asked(void **state)
{
	struct fixture *f = *state;
	char bytes[BLOCK * 3];

	f->control->kill_at = 1;
	f->control->kill_tears = 1;
	(void)run_child(f);
	assert_int_equal(
	    read_file(f->dir.path, bytes, sizeof(bytes)), BLOCK / 2);
}

static void
test_the_call_set_fails(void **state)
{
	struct fixture *f = *state;

	f->control->fail_at = 1;
	assert_int_equal(WEXITSTATUS(run_child(f)), 3);
	f->control->calls = 0;
	f->control->fail_at = 2;
	assert_int_equal(WEXITSTATUS(run_child(f)), 4);
}

static void
test_images_hold_what_was_flushed_and_the_rest_by_chance(void **state)
{
	struct fixture *f = *state;
	struct image_stats stats;
	char bytes[BLOCK * 3];
	unsigned all_a = 0, all_b = 0, torn = 0;
	uint64_t seed = 1;

	assert_int_equal(run_child(f), 0);
	struct trace *t = trace_read(f->control->trace);
	for (int i = 0; i < 200; i++) {
		unsigned b = 0;
		tmpdir_clear(f->dir.path, 0);
		image_build(t, trace_last(t), &seed, f->dir.path, &stats);
		assert_int_equal(
		    read_file(f->dir.path, bytes, sizeof(bytes)), 3 * BLOCK);
		for (int at = 0; at < BLOCK; at += 512) {
			assert_true(bytes[at] == 'a' || bytes[at] == 'b');
			assert_int_equal(bytes[at], bytes[at + 511]);
			b += bytes[at] == 'b';
		}
		assert_int_equal(bytes[2 * BLOCK], 'c');
		assert_int_equal(stats.durable, 2);
		all_a += b == 0;
		all_b += b == BLOCK / 512;
		torn += b > 0 && b < BLOCK / 512;
	}
	trace_free(t);
	assert_true(all_a > 0 && all_b > 0 && torn > 0);
}

static void
test_nothing_is_durable_with_the_flush_taken_out(void **state)
{
	struct fixture *f = *state;
	struct image_stats stats;
	uint64_t seed = 1;

	f->control->no_flush = 1;
	assert_int_equal(run_child(f), 0);
	assert_int_equal(f->control->flushes, 0);
	struct trace *t = trace_read(f->control->trace);
	image_build(t, trace_last(t), &seed, f->dir.path, &stats);
	assert_int_equal(stats.durable, 0);
	trace_free(t);
}

int
main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_calls_are_counted),
	    TEST(test_the_wall_clock_alone_is_wrong),
	    TEST(test_process_dies_before_the_call_set),
	    TEST(test_the_last_write_is_torn_if_asked),
	    TEST(test_the_call_set_fails),
	    TEST(test_images_hold_what_was_flushed_and_the_rest_by_chance),
	    TEST(test_nothing_is_durable_with_the_flush_taken_out),
	};

	if (argc == 3 && strcmp(argv[1], "child") == 0)
		return child_main(argv[2]);
	if (argc == 3 && strcmp(argv[1], "clock") == 0)
		return child_clock(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
