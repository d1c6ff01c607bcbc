/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - mqbench's latencies, table and last words.
 *
 * Neighbours: run.c and limits.c measure; this prints.  A row is what was
 * measured, how, the main figure, and what belongs to it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/bench.h"

static bool as_markdown;

void
lat_init(struct bench_lat *l, size_t cap)
{
	l->us = malloc(cap * sizeof(*l->us));
	l->n = 0;
	l->cap = l->us != NULL ? cap : 0;
}

void
lat_add(struct bench_lat *l, double us)
{
	if (l->n < l->cap)
		l->us[l->n++] = (float)us;
}

void
lat_join(struct bench_lat *l, const struct bench_lat *other)
{
	for (size_t i = 0; i < other->n; i++)
		lat_add(l, (double)other->us[i]);
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double
lat_percentile(struct bench_lat *l, double p)
{
	if (l->n == 0)
		return 0;
	qsort(l->us, l->n, sizeof(*l->us), compare);
	return (double)l->us[(size_t)(p * (double)(l->n - 1))];
}

void
lat_fini(struct bench_lat *l)
{
	free(l->us);
	l->us = NULL;
	l->n = l->cap = 0;
}

void
report_begin(bool markdown)
{
	as_markdown = markdown;
	if (markdown)
		(void)puts("| what | how | figure | more |\n|---|---|---|---|");
}

void
report_row(
    const char *what, const char *how, const char *figure, const char *fmt, ...)
{
	char more[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	if (as_markdown)
		(void)printf(
		    "| %s | %s | %s | %s |\n", what, how, figure, more);
	else
		(void)printf("%s (%s): %s, %s\n", what, how, figure, more);
	(void)fflush(stdout);
}

void
bench_die(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("mqbench: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

void
bench_check(const mqi_conn *c, enum mqi_err err, const char *what)
{
	if (err != MQI_OK)
		bench_die("%s: %d %s: %s", what, (int)err, mqi_err_name(err),
		    mqi_last_error(c));
}

double
bench_now(void)
{
	return (double)mqclock_mono_us() / 1e6;
}
