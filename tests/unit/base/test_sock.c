/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sock.c - base/sock.c: Unix sockets in a directory whose path is far
 * longer than sun_path, modes, and what is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sock.h"

#define PART "a_directory_name_of_exactly_forty_chars_"
#define N_PARTS 8

struct fixture {
	char top[32];
	char dir[512]; /* > 300 bytes */
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->top, "/tmp/mqsock.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	strcpy(f->dir, f->top);
	for (unsigned i = 0; i < N_PARTS; i++) {
		strcat(f->dir, "/" PART);
		assert_int_equal(mkdir(f->dir, 0700), 0);
	}
	assert_true(strlen(f->dir) > 300);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/s", f->dir);
	(void)unlink(path);
	for (unsigned i = 0; i < N_PARTS; i++) {
		assert_int_equal(rmdir(f->dir), 0);
		*strrchr(f->dir, '/') = '\0';
	}
	assert_int_equal(rmdir(f->top), 0);
	free(f);
	return 0;
}

static unsigned
count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
test_connect_reaches_listener_in_a_long_directory(void **state)
{
	struct fixture *f = *state;
	struct mqsock_peer peer;
	int listener, client, server;
	unsigned fds = count_fds();
	char c = 'x';

	assert_int_equal(
	    mqsock_listen_unix(f->dir, "s", 0600, &listener), MQI_OK);
	assert_int_equal(mqsock_connect_unix(f->dir, "s", &client), MQI_OK);
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(write(client, "y", 1), 1);
	assert_int_equal(read(server, &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(mqsock_peer(server, &peer), MQI_OK);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.gid, getegid());
	assert_int_equal(peer.pid, getpid());
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listener, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(client, F_GETFL) & O_NONBLOCK);
	close(listener);
	close(client);
	close(server);
	assert_int_equal(count_fds(), fds);
}

static void
test_listen_sets_the_mode_whatever_the_umask(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0777);
	struct stat st;
	char path[600];
	int fd;

	assert_int_equal(mqsock_listen_unix(f->dir, "s", 0660, &fd), MQI_OK);
	umask(old);
	(void)snprintf(path, sizeof(path), "%s/s", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	close(fd);
}

static void
test_listen_replaces_an_old_socket_but_nothing_else(void **state)
{
	struct fixture *f = *state;
	char path[600];
	int fd, client, untouched = 77;

	assert_int_equal(mqsock_listen_unix(f->dir, "s", 0600, &fd), MQI_OK);
	close(fd);
	assert_int_equal(mqsock_connect_unix(f->dir, "s", &client),
	    MQI_E_Q_MGR_NOT_AVAILABLE);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(mqsock_listen_unix(f->dir, "s", 0600, &fd), MQI_OK);
	close(fd);
	(void)snprintf(path, sizeof(path), "%s/s", f->dir);
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(
	    mqsock_listen_unix(f->dir, "s", 0600, &untouched), MQI_E_EXISTS);
	assert_int_equal(untouched, 77);
	assert_int_equal(access(path, F_OK), 0);
}

static void
test_connect_to_nothing_is_not_available(void **state)
{
	struct fixture *f = *state;
	unsigned fds = count_fds();
	int fd = 77;

	assert_int_equal(mqsock_connect_unix(f->dir, "none", &fd),
	    MQI_E_Q_MGR_NOT_AVAILABLE);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mqsock_connect_unix("/nonexistent", "s", &fd),
	    MQI_E_Q_MGR_NOT_AVAILABLE);
	assert_int_equal(
	    mqsock_connect_unix(f->dir, PART PART PART, &fd), MQI_E_INVAL);
	assert_int_equal(fd, 77);
	assert_int_equal(count_fds(), fds);
}

static void
test_peer_of_no_socket_is_an_error(void **state)
{
	struct mqsock_peer peer;

	(void)state;
	assert_int_equal(mqsock_peer(-1, &peer), MQI_E_IO);
}

static void
test_err_translates(void **state)
{
	(void)state;
	assert_int_equal(mqsock_err(0), MQI_OK);
	assert_int_equal(mqsock_err(EPIPE), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqsock_err(ECONNRESET), MQI_E_CONNECTION_BROKEN);
	assert_int_equal(mqsock_err(ENOMEM), MQI_E_NO_MEMORY);
	assert_int_equal(mqsock_err(EMFILE), MQI_E_RESOURCE_PROBLEM);
	assert_int_equal(mqsock_err(EACCES), MQI_E_NOT_AUTHORIZED);
	assert_int_equal(mqsock_err(ENOSPC), MQI_E_STORAGE_MEDIUM_FULL);
	assert_int_equal(mqsock_err(EHOSTUNREACH), MQI_E_HOST_NOT_AVAILABLE);
	assert_int_equal(mqsock_err(EIO), MQI_E_IO);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_connect_reaches_listener_in_a_long_directory),
	    TEST(test_listen_sets_the_mode_whatever_the_umask),
	    TEST(test_listen_replaces_an_old_socket_but_nothing_else),
	    TEST(test_connect_to_nothing_is_not_available),
	    cmocka_unit_test(test_peer_of_no_socket_is_an_error),
	    cmocka_unit_test(test_err_translates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
