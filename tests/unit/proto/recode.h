/* SPDX-License-Identifier: Apache-2.0 */
/* recode.h - decodes a frame of the local protocol by its type and encodes it
 * again: for the tests and fuzzers of proto/local*.c. */
#ifndef MQ_TESTS_PROTO_RECODE_H
#define MQ_TESTS_PROTO_RECODE_H

#include "proto/local.h"

/* Appends the whole frame to out.  Errors: as decode; FUNCTION_NOT_SUPPORTED
 * for types whose payload is not local.h's. */
enum mqi_err recode_frame(const struct mqframe *f, struct mqbuf *out);

#endif
