/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sandbox.c - what processes with the filters of agents can still do.
 * Each try is a process of its own, since nothing can be taken back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those that it needs */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mca/sandbox.h"

#ifdef MQ_SANDBOX_WIDE
#define IS_WIDE true
#else
#define IS_WIDE false
#endif
#ifdef MQ_SANDBOX_WRITES
#define WRITES true
#else
#define WRITES false
#endif

#define KINDS 4
#define WORKED 0
#define NO_SANDBOX 99
#define DIED 1000 /* and the signal */

static const enum sandbox_kind all[KINDS] = {
    SANDBOX_LISTENER, SANDBOX_DIALLING, SANDBOX_SERVING, SANDBOX_LINKED};

/* What fn returns (0, or an errno) in a process with the filter; DIED + signal
 * if it does not return. */
static int
try_in(enum sandbox_kind kind, int (*fn)(void))
{
	char text[SANDBOX_TEXT_LEN];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_harden() != MQI_OK ||
		    sandbox_enter(kind, text) != MQI_OK)
			_exit(NO_SANDBOX);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return DIED + WTERMSIG(status);
	assert_int_not_equal(WEXITSTATUS(status), NO_SANDBOX);
	return WEXITSTATUS(status);
}

/* 0, or errno; closes it. */
static int
result(int fd)
{
	if (fd < 0)
		return errno;
	(void)close(fd);
	return WORKED;
}

/* ---- tries ---- */

static int
read_a_file(void)
{
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
write_a_file(void)
{
	return result(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int
update_a_file(void)
{
	return result(openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC));
}

static int
make_a_file(void)
{
	return result(open("/dev/null", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int
remove_a_file(void)
{
	return unlink("/nowhere/at/all") == 0 ? WORKED : errno;
}

static int
run_a_program(void)
{
	(void)execl("/bin/true", "true", NULL);
	return errno;
}

static int
start_a_process(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(0);
	return waitpid(pid, &status, 0) == pid ? WORKED : errno;
}

static int
trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? WORKED : errno;
}

static int
look_into_another(void)
{
	char byte;
	const struct iovec v = {&byte, 1};

	return syscall(SYS_process_vm_readv, getppid(), &v, 1, &v, 1, 0) >= 0
		   ? WORKED
		   : errno;
}

static int
signal_another(void)
{
	return kill(getppid(), 0) == 0 ? WORKED : errno;
}

static int
signal_another_thread(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 ? WORKED
								 : errno;
}

static int
abort_oneself(void)
{
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

static int
become_another_user(void)
{
	return setuid(1) == 0 ? WORKED : errno;
}

static int
be_looked_into(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? WORKED : errno;
}

static int
packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int
internet_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
local_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
resolve(void)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo("localhost", "1414", &hints, &list);

	if (rc != 0)
		return 1;
	freeaddrinfo(list);
	return WORKED;
}

static int
run_made_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ? WORKED : errno;
}

static int
much_memory(void)
{
	size_t len = (size_t)64 * 1024 * 1024;
	char *p = malloc(len);

	if (p == NULL)
		return 1;
	memset(p, 1, len);
	free(p);
	return WORKED;
}

/* ---- what works, and what does not ---- */

static void
test_files_are_read_and_never_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		assert_int_equal(try_in(all[i], read_a_file), WORKED);
		assert_int_equal(try_in(all[i], remove_a_file), ENOSYS);
		if (WRITES)
			continue;
		assert_int_equal(try_in(all[i], write_a_file), EACCES);
		assert_int_equal(try_in(all[i], update_a_file), EACCES);
		assert_int_equal(try_in(all[i], make_a_file), EACCES);
	}
}

static void
test_only_a_listener_starts_programs(void **state)
{
	(void)state;
	assert_int_equal(try_in(SANDBOX_LISTENER, run_a_program), WORKED);
	assert_int_equal(try_in(SANDBOX_LISTENER, start_a_process), WORKED);
	for (size_t i = 1; i < KINDS; i++) {
		assert_int_equal(try_in(all[i], run_a_program), DIED + SIGSYS);
		if (!IS_WIDE)
			assert_int_equal(
			    try_in(all[i], start_a_process), ENOSYS);
	}
}

static void
test_other_processes_are_out_of_reach(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		assert_int_equal(
		    try_in(all[i], look_into_another), DIED + SIGSYS);
		assert_int_equal(
		    try_in(all[i], become_another_user), DIED + SIGSYS);
		if (!IS_WIDE)
			assert_int_equal(try_in(all[i], trace), DIED + SIGSYS);
	}
	for (size_t i = 1; i < KINDS && !IS_WIDE; i++) {
		assert_int_equal(try_in(all[i], signal_another), ENOSYS);
		assert_int_equal(try_in(all[i], signal_another_thread), ENOSYS);
		assert_int_equal(try_in(all[i], be_looked_into), ENOSYS);
	}
}

static void
test_sockets_are_of_the_kinds_that_are_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		assert_int_equal(try_in(all[i], packet_socket), ENOSYS);
		assert_int_equal(try_in(all[i], internet_socket),
		    all[i] == SANDBOX_DIALLING ? WORKED : ENOSYS);
		assert_int_equal(try_in(all[i], local_socket),
		    all[i] == SANDBOX_LINKED ? ENOSYS : WORKED);
	}
	assert_int_equal(try_in(SANDBOX_DIALLING, resolve), WORKED);
}

static void
test_memory_is_there_and_code_is_not_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		assert_int_equal(try_in(all[i], much_memory), WORKED);
	if (IS_WIDE)
		return;
	assert_int_equal(try_in(SANDBOX_SERVING, run_made_code), ENOSYS);
	assert_int_equal(try_in(SANDBOX_LINKED, run_made_code), ENOSYS);
}

static void
test_a_broken_promise_still_ends_the_process(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		assert_int_equal(try_in(all[i], abort_oneself), DIED + SIGABRT);
}

static int
narrow_it(void)
{
	char text[SANDBOX_TEXT_LEN];

	if (sandbox_enter(SANDBOX_LINKED, text) != MQI_OK)
		return NO_SANDBOX;
	return local_socket();
}

static void
test_a_filter_can_be_narrowed(void **state)
{
	(void)state;
	/* by those that have a next one */
	assert_int_equal(try_in(SANDBOX_LISTENER, narrow_it), ENOSYS);
	assert_int_equal(try_in(SANDBOX_DIALLING, narrow_it), ENOSYS);
}

static void
test_no_new_privileges_and_no_looking_in(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(sandbox_harden() == MQI_OK &&
			      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
			      prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
			  ? 0
			  : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_the_end_by_a_filter_is_told(void **state)
{
	(void)state;
	assert_string_equal(sandbox_signal_text(SIGKILL), "");
	assert_non_null(strstr(sandbox_signal_text(SIGSYS), "system call"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files_are_read_and_never_written),
	    cmocka_unit_test(test_only_a_listener_starts_programs),
	    cmocka_unit_test(test_other_processes_are_out_of_reach),
	    cmocka_unit_test(test_sockets_are_of_the_kinds_that_are_needed),
	    cmocka_unit_test(test_memory_is_there_and_code_is_not_made),
	    cmocka_unit_test(test_a_broken_promise_still_ends_the_process),
	    cmocka_unit_test(test_a_filter_can_be_narrowed),
	    cmocka_unit_test(test_no_new_privileges_and_no_looking_in),
	    cmocka_unit_test(test_the_end_by_a_filter_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
