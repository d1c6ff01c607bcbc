/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dlq.c - any bytes as a rules table: it is refused with a line, or its
 * rules are compared with a dead letter.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "admin/dlq_rules.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mqdlh dlh = {.reason = 2085,
	    .queue = "ORDERS",
	    .qmgr = "QM2",
	    .format = "MQSTR"};
	struct dlq_error error = {0};
	struct dlq_rules rules;
	struct mqi_md md;

	mqi_md_init(&md);
	strcpy(md.reply_to_q, "REPLIES");
	if (dlq_rules_parse((const char *)data, size, &rules, &error) !=
	    MQI_OK) {
		MQ_INVARIANT(error.line > 0 && error.text[0] != '\0');
		return 0;
	}
	MQ_INVARIANT(rules.n <= DLQ_MAX_RULES && rules.retry_s > 0);
	for (uint32_t i = 0; i < rules.n; i++) {
		const struct dlq_rule *r = &rules.rules[i];

		MQ_INVARIANT(r->line > 0 && r->retry > 0);
		MQ_INVARIANT(r->action != DLQ_FWD || r->fwd_q[0] != '\0');
		(void)dlq_rule_matches(r, &md, &dlh);
	}
	dlq_rules_fini(&rules);
	return 0;
}
