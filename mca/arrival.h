/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrival.h - connections that a listener has accepted and whose ClientHello
 * has not come yet: it is peeked, never read, and says for whom it is.
 * Loop thread only; nothing blocks.
 */
#ifndef MQ_MCA_ARRIVAL_H
#define MQ_MCA_ARRIVAL_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#define ARRIVAL_MS 10000u /* for its ClientHello */
#define ARRIVAL_ADDRESS_LEN 128u

enum arrival_route {
	ARRIVAL_CHANNEL, /* a queue manager's sluice-chan/1 */
	ARRIVAL_CLIENT,  /* an application's sluice-client/1 */
	ARRIVAL_NEITHER, /* text says why */
};

struct arrival;
LIST_HEAD(arrival_list, arrival);

/* fd is the callee's now. */
typedef void (*arrival_fn)(
    int fd, const char *address, enum arrival_route route, const char *text);

struct arrivals {
	uv_loop_t *loop;
	arrival_fn decided;
	struct arrival_list list;
	unsigned n;
};

void arrivals_init(struct arrivals *a, uv_loop_t *loop, arrival_fn decided);
/* Takes fd; `decided` may be called at once. */
void arrival_new(
    struct arrivals *a, int fd, const char *address, uint64_t now_ms);
/* Those that are too slow are NEITHER. */
void arrivals_tick(struct arrivals *a, uint64_t now_ms);
/* How many are of the host of "host(port)". */
unsigned arrivals_of(const struct arrivals *a, const char *address);

#endif
