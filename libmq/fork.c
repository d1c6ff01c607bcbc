/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork.c - the number of a process, for a check in every call.
 *
 * Neighbours: conn.c notes it when a connection is made, and compares.
 *
 * getpid(2) is a system call, and cost a tenth of the machine when messages
 * went by fast.  A page that the kernel gives to a child of fork(2) filled
 * with zeros (MADV_WIPEONFORK) answers the same question with one load, also
 * after a clone(2) or _Fork(3) that no handler of pthread_atfork(3) sees.
 *
 * Invariants.  The page holds the number, or zero in a child that has not
 * asked yet.  `last` is inherited, so a child's number is above all numbers of
 * the processes before it.
 *
 * Failure: where there is no such page (Linux before 4.14, no memory), the
 * process id is asked for each time.
 */
#include "libmq/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint64_t *page; /* NULL: none to be had */
static _Atomic uint64_t last;

static void
make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	if (madvise(p, size, MADV_WIPEONFORK) != 0)
		(void)munmap(p, size);
	else
		page = p;
}

/* The first call in this process. */
static uint64_t
take_number(void)
{
	uint64_t number = atomic_fetch_add(&last, 1) + 1, seen = 0;

	/* another thread may have been faster */
	return atomic_compare_exchange_strong(page, &seen, number) ? number
								   : seen;
}

uint64_t
mqfork_process(void)
{
	uint64_t number;

	(void)pthread_once(&once, make_page);
	if (page == NULL)
		return (uint64_t)getpid();
	number = atomic_load_explicit(page, memory_order_relaxed);
	return number != 0 ? number : take_number();
}
