/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - the function that libFuzzer calls with each input.  It returns 0; a
 * promise that the input breaks ends the process (base/check.h). */
#ifndef MQ_FUZZ_FUZZ_H
#define MQ_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
