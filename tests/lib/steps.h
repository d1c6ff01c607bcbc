/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.h - what one thread of a running program does for a piece of work,
 * counted exactly: instructions of its own, or system calls.
 *
 * By ptrace(2), one stop per step: no counter of the processor is needed, and
 * no time is measured.  Instructions cost some microseconds each, so the work
 * must be small; work that takes the program's other threads or waits goes on
 * as ever.
 *
 * Main thread only.  Everything that fails aborts the test.
 */
#ifndef MQ_TESTS_STEPS_H
#define MQ_TESTS_STEPS_H

#include <stdint.h>

#include "tests/lib/proc.h"

enum steps_kind { STEPS_INSTRUCTIONS, STEPS_CALLS };

/* Runs work(arg) in a child of the test, which must connect anew, and counts
 * the main thread of p until the child has ended, which it must with 0. */
uint64_t steps_count(const struct proc *p, enum steps_kind kind,
    void (*work)(void *arg), void *arg);

#endif
