/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_client_hello.c - the listener's look at a ClientHello.
 *
 * Promises: what was decided on some bytes stays so with more of them; what is
 * offered is a list that can be walked.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/check.h"
#include "proto/client_hello.h"

static void
check_list(const struct mq_alpn *a)
{
	size_t i = 0;

	MQ_INVARIANT(a->len <= sizeof(a->list));
	while (i < a->len)
		i += 1u + a->list[i];
	MQ_INVARIANT(i == a->len);
	(void)mq_alpn_has(a, "sluice-chan/1");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mq_alpn all = {.len = 0}, part = {.len = 0};
	enum mq_client_hello whole, cut;

	whole = mq_client_hello_parse(data, size, &all);
	cut = mq_client_hello_parse(data, size / 2, &part);
	check_list(&all);
	check_list(&part);
	if (cut != MQ_CLIENT_HELLO_MORE)
		MQ_INVARIANT(cut == whole);
	if (cut == MQ_CLIENT_HELLO_OK)
		MQ_INVARIANT(part.len == all.len &&
			     memcmp(part.list, all.list, all.len) == 0);
	return 0;
}
