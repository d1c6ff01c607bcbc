/* SPDX-License-Identifier: Apache-2.0 */
/*
 * average.h - two averages of one value: of its last few samples and of many,
 * as IBM MQ shows what it monitors.  Each sample counts less the older it is.
 * Until there are that many, they are plain means.  Pure; one thread.
 */
#ifndef MQ_BASE_AVERAGE_H
#define MQ_BASE_AVERAGE_H

#include <stdint.h>

#define MQAVERAGE_FEW 8u
#define MQAVERAGE_MANY 128u

/* All zero: no sample yet. */
struct mqaverage {
	double few;
	double many;
	uint32_t n; /* samples, up to MQAVERAGE_MANY */
};

static inline void
mqaverage_add(struct mqaverage *a, uint64_t sample)
{
	double v = (double)sample;

	if (a->n < MQAVERAGE_MANY)
		a->n++;
	a->few += (v - a->few) / (a->n < MQAVERAGE_FEW ? a->n : MQAVERAGE_FEW);
	a->many += (v - a->many) / a->n;
}

#endif
