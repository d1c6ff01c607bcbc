/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - mqbench's table, goals and last words.
 *
 * Neighbours: run.c and its like measure; this prints.  A row is what was
 * measured, how, the main figure, what belongs to it, the goal, and whether it
 * was reached.  Rows of a measurement that is repeated are kept, and the one
 * with the median figure is printed.
 *
 * A goal that is a multiple of what another broker does is judged by what
 * tools/bench-peers found, if its JSON was read; else the row says who knows.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"

#define MAX_KEPT 512u

static enum bench_format format;
static json_t *peers;
static struct bench_row kept[MAX_KEPT];
static unsigned n_kept;
static bool is_keeping;

/* ---- a row ---- */

void
row_init(struct bench_row *r, const char *key, const char *what, double value,
    const char *unit)
{
	memset(r, 0, sizeof(*r));
	r->key = key;
	r->what = what;
	r->value = value;
	r->unit = unit;
}

void
row_how(struct bench_row *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->how, sizeof(r->how), fmt, ap);
	va_end(ap);
}

void
row_more(struct bench_row *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->more, sizeof(r->more), fmt, ap);
	va_end(ap);
}

void
row_goal(struct bench_row *r, bool reached, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->goal, sizeof(r->goal), fmt, ap);
	va_end(ap);
	r->verdict = reached ? BENCH_REACHED : BENCH_MISSED;
}

bool
report_knows_peer(const char *key)
{
	return json_is_number(json_object_get(peers, key));
}

void
row_peers(struct bench_row *r, const char *key, double times, const char *peer)
{
	double ratio = json_number_value(json_object_get(peers, key));

	if (!report_knows_peer(key)) {
		(void)snprintf(
		    r->goal, sizeof(r->goal), "%.3g x %s", times, peer);
		r->verdict = BENCH_ASK;
		return;
	}
	row_goal(r, ratio >= times, "%.3g x %s (%.3g x)", times, peer, ratio);
}

/* ---- printing ---- */

static const char *
verdict_text(enum bench_verdict v)
{
	switch (v) {
	case BENCH_REACHED:
		return "reached";
	case BENCH_MISSED:
		return "missed";
	case BENCH_ASK:
		return "see bench-peers";
	case BENCH_NO_GOAL:
		break;
	}
	return "";
}

static void
print_json(const struct bench_row *r)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:f, s:s, s:s}", "row", r->key,
	    "what", r->what, "how", r->how, "value", r->value, "unit", r->unit,
	    "more", r->more);

	if (o == NULL ||
	    json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) != 0)
		bench_die("a row cannot be printed");
	json_decref(o);
	(void)fputc('\n', stdout);
}

static void
print_row(const struct bench_row *r)
{
	int decimals = r->value < 10 ? 2 : r->value < 100 ? 1 : 0;

	if (format == BENCH_JSON)
		print_json(r);
	else if (format == BENCH_MARKDOWN)
		(void)printf("| %s | %s | %.*f %s | %s | %s | %s |\n", r->what,
		    r->how, decimals, r->value, r->unit, r->more, r->goal,
		    verdict_text(r->verdict));
	else
		(void)printf("%s (%s): %.*f %s%s%s%s%s%s%s\n", r->what, r->how,
		    decimals, r->value, r->unit, r->more[0] != '\0' ? ", " : "",
		    r->more, r->goal[0] != '\0' ? "; goal " : "", r->goal,
		    r->goal[0] != '\0' ? ": " : "", verdict_text(r->verdict));
	(void)fflush(stdout);
}

void
report_begin(enum bench_format f)
{
	format = f;
	if (f == BENCH_MARKDOWN)
		(void)puts("| what | how | figure | more | goal | |\n"
			   "|---|---|---|---|---|---|");
}

void
report_peers(const char *path)
{
	json_error_t error;

	peers = json_load_file(path, 0, &error);
	if (!json_is_object(peers))
		bench_die("%s: %s", path,
		    peers == NULL ? error.text : "that is no object");
}

/* ---- medians ---- */

void
report_repeat(void)
{
	is_keeping = true;
	n_kept = 0;
}

void
report_row(const struct bench_row *r)
{
	if (!is_keeping) {
		print_row(r);
		return;
	}
	if (n_kept == MAX_KEPT)
		bench_die("too many rows");
	kept[n_kept++] = *r;
}

static bool
is_same(const struct bench_row *a, const struct bench_row *b)
{
	return strcmp(a->key, b->key) == 0 && strcmp(a->how, b->how) == 0;
}

static int
compare(const void *a, const void *b)
{
	const struct bench_row *const *x = a, *const *y = b;

	return ((*x)->value > (*y)->value) - ((*x)->value < (*y)->value);
}

void
report_median(void)
{
	const struct bench_row *same[MAX_KEPT];
	unsigned n;

	is_keeping = false;
	for (unsigned i = 0; i < n_kept; i++) {
		if (kept[i].key == NULL)
			continue;
		n = 0;
		for (unsigned j = i; j < n_kept; j++)
			if (kept[j].key != NULL && is_same(&kept[i], &kept[j]))
				same[n++] = &kept[j];
		qsort(same, n, sizeof(same[0]), compare);
		print_row(same[n / 2]);
		for (unsigned j = n_kept; j-- > i;)
			if (kept[j].key != NULL && is_same(&kept[i], &kept[j]))
				kept[j].key = NULL;
	}
	n_kept = 0;
}

/* ---- last words ---- */

void
bench_die(const char *fmt, ...)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	va_list ap;

	/* exit() is for one thread: the others' calls fail because of it */
	(void)pthread_mutex_lock(&once);
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
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
