/* SPDX-License-Identifier: Apache-2.0 */
/* samples.h - one record of each form, the same for ever: golden files hold
 * their bytes. */
#ifndef MQ_TESTS_STORE_SAMPLES_H
#define MQ_TESTS_STORE_SAMPLES_H

#include "qmgr/store/record.h"

#define SAMPLE_UNIT 7u

struct sample {
	const char *name; /* of the golden file */
	enum record_type type;
	uint32_t unit;
	void (*encode)(struct mqbuf *b);
	/* fails the test if r is not what encode() was given */
	void (*check)(const struct record *r);
};

extern const struct sample samples[];
extern const size_t n_samples;

#endif
