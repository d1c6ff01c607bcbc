/* SPDX-License-Identifier: Apache-2.0 */
/* local_samples.h - one frame of each type, the same for ever: golden files
 * hold their bytes. */
#ifndef MQ_TESTS_PROTO_LOCAL_SAMPLES_H
#define MQ_TESTS_PROTO_LOCAL_SAMPLES_H

#include "proto/local.h"

struct local_sample {
	const char *name; /* of the golden file */
	uint16_t type;
	void (*encode)(struct mqbuf *b); /* the whole frame, body included */
};

extern const struct local_sample local_samples[];
extern const size_t n_local_samples;

#endif
