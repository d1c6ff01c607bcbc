/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_profile.c - two profiles of authority records and a name, each up to a
 * NUL.
 *
 * Promise: a profile without ? and * matches its own name alone; one that
 * matches a name of the system's begins as it does; of two different profiles
 * exactly one is the closer one.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "qmgr/engine/authority.h"

/* The next text, cut to the length of a name. */
static void
take(const uint8_t **p, size_t *left, char ret[MQI_NAME_LEN + 1])
{
	size_t n = strnlen((const char *)*p, *left);
	size_t used = n < MQI_NAME_LEN ? n : MQI_NAME_LEN;

	memcpy(ret, *p, used);
	ret[used] = '\0';
	if (n < *left)
		n++;
	*p += n;
	*left -= n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char a[MQI_NAME_LEN + 1], b[MQI_NAME_LEN + 1], name[MQI_NAME_LEN + 1];

	if (size == 0)
		return 0;
	take(&data, &size, a);
	take(&data, &size, b);
	take(&data, &size, name);
	if (!profile_is_valid(a) || !profile_is_valid(b))
		return 0;
	if (!profile_is_generic(a))
		MQ_INVARIANT(
		    profile_matches(a, name) == (strcmp(a, name) == 0));
	if (profile_matches(a, name) && strncmp(name, "SYSTEM.", 7) == 0)
		MQ_INVARIANT(strncmp(a, "SYSTEM.", 7) == 0);
	if (strcmp(a, b) == 0)
		MQ_INVARIANT(!profile_is_closer(a, b));
	else
		MQ_INVARIANT(
		    profile_is_closer(a, b) != profile_is_closer(b, a));
	return 0;
}
