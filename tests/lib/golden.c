/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.c - compares bytes with golden files, and writes missing ones when
 * asked to.
 *
 * Neighbours: the tests of formats.  The folder is found through MQ_SRC, which
 * ctest sets, else from the current directory.
 * Failure: every fault fails the test that called.
 */
#include "tests/lib/golden.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
golden_path(const char *folder, const char *name, char *ret, size_t cap)
{
	const char *src = getenv("MQ_SRC");
	int n = snprintf(ret, cap, "%s/tests/data/golden/%s/%s.bin",
	    src ? src : ".", folder, name);

	assert_true(n > 0 && (size_t)n < cap);
}

size_t
golden_read(const char *folder, const char *name, uint8_t **ret_data)
{
	char path[4096];
	uint8_t *data = malloc(GOLDEN_MAX);
	ssize_t n;
	int fd;

	assert_non_null(data);
	golden_path(folder, name, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	n = read(fd, data, GOLDEN_MAX);
	(void)close(fd);
	assert_true(n > 0 && n < (ssize_t)GOLDEN_MAX);
	*ret_data = data;
	return (size_t)n;
}

void
golden_check(const char *folder, const char *name, const void *data, size_t len)
{
	char path[4096];
	uint8_t *expected;
	size_t expected_len;
	int fd;

	golden_path(folder, name, path, sizeof(path));
	if (getenv("MQ_GOLDEN_WRITE")) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0) {
			assert_int_equal(write(fd, data, len), (ssize_t)len);
			(void)close(fd);
		}
	}
	expected_len = golden_read(folder, name, &expected);
	if (expected_len != len || memcmp(expected, data, len) != 0)
		fail_msg("%s: the bytes made now are different", path);
	free(expected);
}
