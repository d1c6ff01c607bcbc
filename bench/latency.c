/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency.c - samples of latencies and their percentiles, for mqbench.
 *
 * Neighbours: whatever measures adds samples, one thread per struct, and joins
 * them at the end.  Samples beyond the capacity are not kept: the first ones
 * stand for all.
 */
#include <stdlib.h>

#include "bench/bench.h"

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
