/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.h - compresses frames of the channel protocol into PACKED ones, and
 * takes them out again.
 *
 * Pure: bytes in, bytes out.  One thread per struct.
 */
#ifndef MQ_MCA_PACK_H
#define MQ_MCA_PACK_H

#include "base/compress.h"
#include "proto/chan.h"

struct pack;

/* NULL: no memory. */
struct pack *pack_new(enum mqcompress how); /* not NONE */
struct pack *pack_free(struct pack *p);     /* NULL */
enum mqcompress pack_how(const struct pack *p);

/* Appends frames, which are whole, to ret: packed where that is shorter.
 * Errors: NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err pack_frames(
    struct pack *p, const uint8_t *frames, size_t len, struct mqbuf *ret);
/* *ret is valid until the next call.  Errors: PROTOCOL (damaged, another
 * length than promised, another way than agreed), NO_MEMORY. */
MQ_MUST_CHECK enum mqi_err pack_open(
    struct pack *p, const struct mqchan_packed *v, const uint8_t **ret);

#endif
