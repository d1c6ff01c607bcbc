/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - assertions that stay on in release builds, and small macros.
 * MQ_PRE, MQ_POST and MQ_INVARIANT guard our own promises; bytes from outside
 * are never checked with them.
 */
#ifndef MQ_BASE_CHECK_H
#define MQ_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#define MQ_MUST_CHECK __attribute__((warn_unused_result))
#define MQ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MQ_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MQ_BIT(n) (UINT64_C(1) << (n))
#define MQ_CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Writes what failed and where to standard error and aborts. */
_Noreturn void mqcheck_fail(
    const char *kind, const char *expr, const char *file, int line);

#define MQ_CHECK_(kind, expr)          \
	(__builtin_expect(!!(expr), 1) \
		? (void)0              \
		: mqcheck_fail(kind, #expr, __FILE__, __LINE__))
#define MQ_PRE(expr) MQ_CHECK_("precondition", expr)
#define MQ_POST(expr) MQ_CHECK_("postcondition", expr)
#define MQ_INVARIANT(expr) MQ_CHECK_("invariant", expr)
#define MQ_ALWAYS_INLINE inline __attribute__((always_inline))
#define MQ_UNREACHABLE() mqcheck_fail("unreachable", "", __FILE__, __LINE__)

#endif
