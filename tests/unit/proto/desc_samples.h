/* SPDX-License-Identifier: Apache-2.0 */
/* desc_samples.h - descriptors that the tests of proto/desc*.c share; golden
 * files hold their bytes. */
#ifndef MQ_TESTS_PROTO_DESC_SAMPLES_H
#define MQ_TESTS_PROTO_DESC_SAMPLES_H

#include <mq/mqi_msg.h>

#define DESC_SAMPLE_N_PROPS 6

/* One property of each type. */
extern const struct mqi_prop desc_sample_props[DESC_SAMPLE_N_PROPS];

/* Every field has a value of its own, none its default. */
void desc_sample_all(struct mqi_md *md);

/* Fails the test if any field differs. */
void assert_md_equal(const struct mqi_md *a, const struct mqi_md *b);

#endif
