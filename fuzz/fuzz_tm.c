/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tm.c - any bytes as a trigger message: what is read is written and read
 * again, and is text without an end before its end. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "proto/tm.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mqtm a, b;
	uint8_t bytes[MQTM_LEN];
	char text[MQTM_TEXT_LEN + 1];

	if (mqtm_decode(data, size, &a) != MQI_OK)
		return 0;
	mqtm_encode(&a, bytes);
	MQ_INVARIANT(mqtm_decode(bytes, sizeof(bytes), &b) == MQI_OK);
	MQ_INVARIANT(strcmp(a.queue, b.queue) == 0);
	MQ_INVARIANT(strcmp(a.appl_id, b.appl_id) == 0);
	MQ_INVARIANT(strcmp(a.user_data, b.user_data) == 0);
	MQ_INVARIANT(a.appl_type == b.appl_type);
	mqtm_text(&a, "QM1", text);
	MQ_INVARIANT(strlen(text) == MQTM_TEXT_LEN);
	return 0;
}
