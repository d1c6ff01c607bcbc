/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_rules.c - what administrators and certificates say of who may connect:
 * three lines, a pattern, a second one, and what is compared with them, as
 * distinguished names, as addresses and as names of channels.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/address.h"
#include "base/dn.h"
#include "qmgr/chlauth.h"

#define LINES 3u
#define LINE_MAX 300u

static int
sign(int v)
{
	return (v > 0) - (v < 0);
}

static void
names(char lines[LINES][LINE_MAX])
{
	char why[MQDN_WHY_LEN];
	bool match;
	bool good_a = mqdn_check(lines[0], why) == MQI_OK;
	bool good_b = mqdn_check(lines[1], why) == MQI_OK;

	if (mqdn_match(lines[0], lines[2], &match, why) == MQI_OK)
		MQ_INVARIANT(good_a);
	if (!good_a || !good_b)
		return;
	MQ_INVARIANT(mqdn_compare(lines[0], lines[0]) == 0);
	MQ_INVARIANT(sign(mqdn_compare(lines[0], lines[1])) ==
		     -sign(mqdn_compare(lines[1], lines[0])));
}

static void
addresses(char lines[LINES][LINE_MAX])
{
	struct mqaddr_pattern a, b, address;
	const char *list = lines[2];
	bool good, known = mqaddr_parse(lines[2], &address);
	size_t n = 0;

	if (known)
		MQ_INVARIANT(mqaddr_matches(&address, &address));
	if (mqaddr_pattern(lines[0], &a) && mqaddr_pattern(lines[1], &b)) {
		MQ_INVARIANT(mqaddr_compare(&a, &a) == 0);
		MQ_INVARIANT(sign(mqaddr_compare(&a, &b)) ==
			     -sign(mqaddr_compare(&b, &a)));
		if (known)
			(void)mqaddr_matches(&a, &address);
	}
	while (mqaddr_next(&list, &a, &good))
		MQ_INVARIANT(n++ < LINE_MAX);
}

static void
profiles(char lines[LINES][LINE_MAX])
{
	int c = chlauth_profile_compare(lines[0], lines[1]);

	MQ_INVARIANT(
	    sign(c) == -sign(chlauth_profile_compare(lines[1], lines[0])));
	MQ_INVARIANT((c == 0) == (strcmp(lines[0], lines[1]) == 0));
	MQ_INVARIANT(chlauth_profile_fits(lines[0], lines[0]));
	MQ_INVARIANT(chlauth_profile_fits("*", lines[2]));
	if (strchr(lines[0], '*') == NULL)
		MQ_INVARIANT(chlauth_profile_fits(lines[0], lines[2]) ==
			     (strcmp(lines[0], lines[2]) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char lines[LINES][LINE_MAX] = {{0}};
	const char *p = (const char *)data, *end = p + size;

	for (unsigned i = 0; i < LINES && p < end; i++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl != NULL ? (size_t)(nl - p) : (size_t)(end - p);

		memcpy(lines[i], p, n < LINE_MAX ? n : LINE_MAX - 1);
		p += n + (nl != NULL ? 1 : 0);
	}
	names(lines);
	addresses(lines);
	profiles(lines);
	return 0;
}
