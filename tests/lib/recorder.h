/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder.h - what a test shares with librecorder.so (recorder.c), which is
 * loaded into the program under test by LD_PRELOAD.
 *
 * The test makes a control block in a file, names it in MQ_RECORDER, and may
 * change it while the program runs.  The recorder counts the calls that write
 * or flush regular files under `dir`, in all threads of the process together,
 * and according to the block kills the process at one of them, makes one fail,
 * delays flushes, takes them out, or writes a trace from which image.c rebuilds
 * what a disk may hold after a power cut.
 *
 * Thread-safe: the block is changed by atomic operations only.
 */
#ifndef MQ_TESTS_RECORDER_H
#define MQ_TESTS_RECORDER_H

#include <limits.h>
#include <stdint.h>

#define RECORDER_ENV "MQ_RECORDER"

/* Kinds of calls. */
#define RECORDER_CALL_WRITE 0x1u
#define RECORDER_CALL_FLUSH 0x2u
#define RECORDER_CALL_ALLOCATE 0x4u /* fallocate, ftruncate */
#define RECORDER_CALL_NAME 0x8u     /* rename, unlink */

struct recorder_control {
	_Atomic uint64_t calls;   /* writes and flushes so far */
	_Atomic uint64_t flushes; /* of them flushes, O_DSYNC writes too */
	/* Kill the process before call number kill_at is made; a write is
	 * made by half if kill_tears is not 0.  0: never. */
	_Atomic uint64_t kill_at;
	_Atomic uint64_t kill_tears;
	/* Call number fail_at fails, undone, with fail_errno (0: EIO).  If
	 * fail_kinds is not 0, calls of those kinds alone are numbered, in
	 * fail_calls.  0: none. */
	_Atomic uint64_t fail_at;
	_Atomic uint64_t fail_errno;
	_Atomic uint64_t fail_kinds; /* RECORDER_CALL_ bits */
	_Atomic uint64_t fail_calls;
	/* Each flush and O_DSYNC write returns that much later. */
	_Atomic uint64_t delay_ms;
	/* Not 0: flushes do nothing and report success; O_DSYNC has no
	 * effect. */
	_Atomic uint64_t no_flush;
	_Atomic uint64_t flushing;  /* flushes being delayed right now */
	_Atomic uint64_t trace_seq; /* records in the trace */
	/* The wall clock is wrong by so much; other clocks are not. */
	_Atomic int64_t wall_offset_s;
	char dir[PATH_MAX];   /* real path */
	char trace[PATH_MAX]; /* "": no trace */
};

/* Records of the trace: this header, the path under dir, the bytes. */
enum recorder_kind {
	RECORDER_WRITE = 1,   /* arg: offset */
	RECORDER_DURABLE = 2, /* arg: seq of an O_DSYNC write that returned */
	RECORDER_FLUSH_BEGIN = 3, /* of one file */
	RECORDER_FLUSH_END = 4,   /* arg: seq of its FLUSH_BEGIN */
	RECORDER_TRUNCATE = 5,    /* arg: new size; also by fallocate */
	RECORDER_RENAME = 6,      /* bytes: the new path */
	RECORDER_UNLINK = 7,
};

#define RECORDER_MAGIC 0x5265634du

struct recorder_record {
	uint32_t magic;
	uint32_t kind;
	uint64_t seq; /* 1, 2, 3, ... */
	uint64_t arg;
	uint32_t path_len;
	uint32_t len; /* bytes after the path */
};

#endif
