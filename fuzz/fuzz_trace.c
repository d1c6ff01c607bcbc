/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_trace.c - any bytes as a trace-route body: what is read takes one more
 * hop and is read again. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "proto/trace.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mqtrace_hop hop = {.time_ms = 7,
	    .what = MQTRACE_SENT,
	    .qmgr = "QM1",
	    .queue = "Q",
	    .to_qmgr = "QM2",
	    .put_on = "NEXT",
	    .channel = "QM0.QM1"};
	static struct mqtrace_hop a[MQTRACE_MAX_HOPS], b[MQTRACE_MAX_HOPS];
	uint32_t n = 0, m = 0;
	struct mqbuf out;
	enum mqi_err err;

	if (mqtrace_decode(data, size, a, &n) != MQI_OK)
		return 0;
	mqbuf_init(&out, MQTRACE_MAX_BODY);
	err = mqtrace_add(data, size, &hop, &out);
	MQ_INVARIANT(err == MQI_OK || err == MQI_E_TOO_BIG);
	if (err == MQI_OK) {
		MQ_INVARIANT(
		    mqtrace_decode(out.data, out.len, b, &m) == MQI_OK);
		MQ_INVARIANT(m == n + 1);
		MQ_INVARIANT(memcmp(a, b, n * sizeof(a[0])) == 0);
		MQ_INVARIANT(strcmp(b[n].channel, hop.channel) == 0);
	}
	mqbuf_fini(&out);
	return 0;
}
