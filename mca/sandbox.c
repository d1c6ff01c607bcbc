/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.c - the filters of system calls (sandbox.h), by libseccomp, which
 * alone is used here.
 *
 * Neighbours: main.c hardens every agent; the run_*.c enter when they are set
 * up, before the first byte from the network.
 *
 * What is not in a table fails with ENOSYS, as a call of a newer kernel would,
 * and the C library does without it: so a newer library, which tries newer
 * calls, works.  Files cannot be opened for writing (EACCES).  What only
 * somebody who has taken the process over would try ends it by SIGSYS, which
 * who has started it tells in the log.
 *
 * Invariants.  A filter looks at numbers, never at memory: names of files,
 * addresses of sockets and programs are beyond it.  Filters of one process add
 * up; whatever one of them refuses is refused.  So what `mca answer` needs at
 * its start is in the table of listeners too.
 *
 * Sanitizers need more (MQ_SANDBOX_WIDE): they make processes that trace this
 * one when it ends.  gcov writes files (MQ_SANDBOX_WRITES).
 */
#include "mca/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

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

#define SET(kind) (1u << (kind))
#define ALL                                              \
	(SET(SANDBOX_LISTENER) | SET(SANDBOX_DIALLING) | \
	    SET(SANDBOX_SERVING) | SET(SANDBOX_LINKED))
#define STARTS SET(SANDBOX_LISTENER) /* programs */
/* loads code: programs at their start, and the resolver its modules */
#define LOADS (SET(SANDBOX_LISTENER) | SET(SANDBOX_DIALLING))
#define CONNECTS (ALL & ~SET(SANDBOX_LINKED))
#define WIDE 0x100u /* sanitizers, whatever the kind */

/* Names that this machine, or its libseccomp, does not know are skipped. */
static const struct {
	unsigned kinds;
	const char *names; /* one blank between two */
} allowed[] = {
    {ALL, "read readv pread64 preadv write writev pwrite64 close lseek"},
    {ALL, "recvfrom recvmsg recvmmsg recv sendto sendmsg sendmmsg send "
	  "shutdown getsockopt setsockopt getsockname getpeername"},
    {ALL, "poll ppoll ppoll_time64 select _newselect pselect6 "
	  "pselect6_time64 epoll_wait epoll_pwait epoll_pwait2 epoll_ctl "
	  "epoll_create epoll_create1 eventfd2 pipe2 fcntl fcntl64"},
    {ALL, "stat stat64 lstat lstat64 fstat fstat64 newfstatat fstatat64 "
	  "statx statfs statfs64 fstatfs fstatfs64 access faccessat "
	  "faccessat2 readlink readlinkat getdents getdents64 getcwd"},
    {ALL, "brk munmap mremap madvise membarrier futex futex_time64 "
	  "set_robust_list rseq sched_yield sched_getaffinity"},
    {ALL, "clock_gettime clock_gettime64 clock_getres clock_getres_time64 "
	  "clock_nanosleep clock_nanosleep_time64 nanosleep gettimeofday "
	  "time times getrusage"},
    {ALL, "getpid getppid gettid getuid geteuid getgid getegid getresuid "
	  "getresgid getgroups getrandom uname sysinfo"},
    {ALL, "rt_sigaction rt_sigprocmask rt_sigreturn sigreturn rt_sigpending "
	  "rt_sigtimedwait sigaltstack restart_syscall exit exit_group"},
    {LOADS, "seccomp"}, /* a narrower filter */
    {CONNECTS, "connect"},
    {SET(SANDBOX_DIALLING), "bind"}, /* of AF_NETLINK, by the resolver */
    {LOADS, "mmap mmap2 mprotect"},
    {STARTS, "accept4 accept socketpair execve wait4 waitid kill dup dup2 "
	     "dup3 pipe vfork arch_prctl set_tid_address prlimit64 getrlimit"},
    {WIDE, "fork vfork clone clone3 wait4 waitid ptrace kill tgkill "
	   "arch_prctl set_tid_address prlimit64 getrlimit setrlimit "
	   "personality dup dup2 dup3 pipe mmap mprotect prctl sched_getparam "
	   "sched_getscheduler mincore"},
};

/* Of no use to any agent at any time, and of much use to who has taken one
 * over. */
static const char fatal[] =
    "ptrace process_vm_readv process_vm_writev execve execveat bpf "
    "init_module finit_module delete_module kexec_load kexec_file_load mount "
    "umount2 pivot_root chroot unshare setns keyctl add_key request_key "
    "userfaultfd perf_event_open setuid setgid setreuid "
    "setregid setresuid setresgid setgroups";

struct filter {
	scmp_filter_ctx ctx;
	enum sandbox_kind kind;
	int err; /* 0 or below, as libseccomp's */
};

static void
rule(struct filter *f, uint32_t action, const char *name, unsigned n,
    const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (f->err != 0 || nr == __NR_SCMP_ERROR)
		return;
	f->err = seccomp_rule_add_array(f->ctx, action, nr, n, args);
	/* a call that this machine does not have */
	if (f->err == -EDOM && nr < 0)
		f->err = 0;
}

/* The first argument is this value. */
static struct scmp_arg_cmp
first_is(scmp_datum_t value)
{
	return (struct scmp_arg_cmp){
	    .arg = 0, .op = SCMP_CMP_EQ, .datum_a = value};
}

static void
allow_if(struct filter *f, const char *name, struct scmp_arg_cmp arg)
{
	rule(f, SCMP_ACT_ALLOW, name, 1, &arg);
}

/* Calls fn for each name of a list. */
static void
each_name(struct filter *f, const char *names,
    void (*fn)(struct filter *f, const char *name))
{
	char name[32];

	while (*names != '\0') {
		size_t len = strcspn(names, " ");

		MQ_INVARIANT(len < sizeof(name));
		memcpy(name, names, len);
		name[len] = '\0';
		fn(f, name);
		names += len + (names[len] == ' ' ? 1 : 0);
	}
}

static void
allow(struct filter *f, const char *name)
{
	rule(f, SCMP_ACT_ALLOW, name, 0, NULL);
}

/* Whether another table lets it through. */
static bool
is_needed(const struct filter *f, const char *name)
{
	if (strcmp(name, "execve") == 0)
		return f->kind == SANDBOX_LISTENER;
	return IS_WIDE && strcmp(name, "ptrace") == 0;
}

static void
kill_on(struct filter *f, const char *name)
{
	if (!is_needed(f, name))
		rule(f, SCMP_ACT_KILL_PROCESS, name, 0, NULL);
}

/* Opening for reading; flags are this argument. */
static void
allow_open(struct filter *f, const char *name, unsigned arg)
{
	const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC;

	if (WRITES) {
		allow(f, name);
		return;
	}
	allow_if(f, name, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, writing, 0));
	for (scmp_datum_t mode = O_WRONLY; mode <= O_ACCMODE; mode++)
		rule(f, SCMP_ACT_ERRNO(EACCES), name, 1,
		    &SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, O_ACCMODE, mode));
	rule(f, SCMP_ACT_ERRNO(EACCES), name, 1,
	    &SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT, O_CREAT));
}

static void
allow_sockets(struct filter *f)
{
	static const struct {
		unsigned kinds;
		int family;
	} families[] = {
	    {CONNECTS, AF_UNIX},
	    {SET(SANDBOX_DIALLING), AF_INET},
	    {SET(SANDBOX_DIALLING), AF_INET6},
	    /* which kinds of address this host has */
	    {SET(SANDBOX_DIALLING), AF_NETLINK},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if ((families[i].kinds & SET(f->kind)) != 0)
			allow_if(f, "socket",
			    first_is((scmp_datum_t)families[i].family));
}

/* Memory with code in it, only for who loads some. */
static void
allow_memory(struct filter *f)
{
	if ((LOADS & SET(f->kind)) != 0 || IS_WIDE)
		return;
	allow_if(f, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(f, "mmap2", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow_if(f, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/* Calls of which some uses are harmless and needed. */
static void
allow_parts(struct filter *f)
{
	static const int ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, TCGETS};
	static const int prctls[] = {PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
	    PR_SET_SECCOMP, PR_GET_SECCOMP, PR_GET_DUMPABLE};
	const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID |
				    CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
				    CLONE_NEWCGROUP;

	for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		allow_if(f, "ioctl",
		    SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX,
			(scmp_datum_t)ioctls[i]));
	for (size_t i = 0; i < sizeof(prctls) / sizeof(prctls[0]) && !IS_WIDE;
	     i++)
		allow_if(f, "prctl", first_is((scmp_datum_t)prctls[i]));
	/* abort(3) */
	if (!IS_WIDE && f->kind != SANDBOX_LISTENER)
		allow_if(f, "tgkill", first_is((scmp_datum_t)getpid()));
	if (f->kind != SANDBOX_LISTENER)
		return;
	/* who it starts is another process, and hardens itself */
	if (!IS_WIDE) {
		allow(f, "tgkill");
		allow_if(f, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
		allow_if(f, "prctl", first_is(PR_SET_DUMPABLE));
	}
}

static void
fill(struct filter *f)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if ((allowed[i].kinds & SET(f->kind)) != 0 ||
		    (IS_WIDE && (allowed[i].kinds & WIDE) != 0))
			each_name(f, allowed[i].names, allow);
	allow_open(f, "open", 1);
	allow_open(f, "openat", 2);
	allow_sockets(f);
	allow_memory(f);
	allow_parts(f);
	each_name(f, fatal, kill_on);
}

/* Whether the kernel has filters at all. */
static bool
has_filters(void)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 &&
	       syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

enum mqi_err
sandbox_harden(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
		   ? MQI_OK
		   : MQI_E_RESOURCE_PROBLEM;
}

enum mqi_err
sandbox_enter(enum sandbox_kind kind, char *text)
{
	struct filter f = {.kind = kind};

	if (!has_filters()) {
		mqlog(MQLOG_WARN, "agent.sandbox",
		    "this kernel has no filters of system calls: an agent may "
		    "use all of them");
		return MQI_OK;
	}
	f.ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (f.ctx == NULL)
		f.err = -ENOMEM;
	/* all threads: sanitizers have some */
	if (f.err == 0)
		f.err = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (f.err == 0)
		f.err = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (f.err == 0)
		fill(&f);
	if (f.err == 0)
		f.err = seccomp_load(f.ctx);
	seccomp_release(f.ctx);
	if (f.err == 0)
		return MQI_OK;
	(void)snprintf(text, SANDBOX_TEXT_LEN,
	    "the filter of system calls cannot be set: %s", strerror(-f.err));
	return MQI_E_RESOURCE_PROBLEM;
}

const char *
sandbox_signal_text(int signum)
{
	return signum == SIGSYS ? ", for a system call that no agent makes"
				: "";
}
