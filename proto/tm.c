/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tm.c - the bytes of MQTM and MQTMC2.
 *
 * The queue manager makes trigger messages (qmgr/engine/trigger.c); trigger
 * monitors read them.  Encoding cannot fail: longer strings than a field do not
 * exist in the struct.  Decoding checks identifier, version, length, and that
 * no string holds a control character.
 */
#include "proto/tm.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define TM_VERSION 1u

/* Where each string stands, in both forms: in the order of struct mqtm. */
enum field { QUEUE, PROCESS, TRIGGER_DATA, APPL_ID, ENV_DATA, USER_DATA };

static const struct {
	uint32_t at;
	uint32_t len;
} places[] = {
    [QUEUE] = {8, 48},
    [PROCESS] = {56, 48},
    [TRIGGER_DATA] = {104, 64},
    [APPL_ID] = {172, 256},
    [ENV_DATA] = {428, 128},
    [USER_DATA] = {556, 128},
};

#define TM_APPL_TYPE 168u
#define TEXT_QMGR 684u

int32_t
mqtm_appl_type(const char *appltype)
{
	static const struct {
		const char *word;
		int32_t number;
	} words[] = {
	    {"CICS", 1},
	    {"MVS", 2},
	    {"IMS", 3},
	    {"DOS", 5},
	    {"UNIX", MQTM_APPL_UNIX},
	    {"OS400", 8},
	    {"WINDOWS", 9},
	    {"WINDOWSNT", 11},
	    {"NSK", 13},
	    {"NOTESAGENT", 22},
	};

	for (size_t i = 0; i < MQ_ARRAY_LEN(words); i++)
		if (strcmp(words[i].word, appltype) == 0)
			return words[i].number;
	if (appltype[0] == '\0' || strlen(appltype) > 9 ||
	    appltype[strspn(appltype, "0123456789")] != '\0')
		return MQTM_APPL_UNKNOWN;
	return (int32_t)strtol(appltype, NULL, 10);
}

static char *
string_of(struct mqtm *tm, enum field f)
{
	char *const strings[] = {tm->queue, tm->process, tm->trigger_data,
	    tm->appl_id, tm->env_data, tm->user_data};

	return strings[f];
}

static void
pad(void *p, const char *s, size_t len)
{
	memset(p, ' ', len);
	memcpy(p, s, strnlen(s, len));
}

static void
put_strings(const struct mqtm *tm, uint8_t *p)
{
	struct mqtm copy = *tm;

	for (size_t i = 0; i < MQ_ARRAY_LEN(places); i++)
		pad(p + places[i].at, string_of(&copy, (enum field)i),
		    places[i].len);
}

void
mqtm_encode(const struct mqtm *tm, uint8_t ret[MQTM_LEN])
{
	uint32_t type = (uint32_t)tm->appl_type;

	pad(ret, "TM", 4);
	for (unsigned i = 0; i < 4; i++) {
		ret[4 + i] = (uint8_t)(TM_VERSION >> (8 * i));
		ret[TM_APPL_TYPE + i] = (uint8_t)(type >> (8 * i));
	}
	put_strings(tm, ret);
}

static bool
cut(char *s, const uint8_t *p, size_t len)
{
	size_t n = len;

	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\0'))
		n--;
	for (size_t i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	memcpy(s, p, n);
	memset(s + n, 0, len + 1 - n);
	return true;
}

enum mqi_err
mqtm_decode(const void *data, size_t len, struct mqtm *ret)
{
	const uint8_t *p = data;
	struct mqtm tm;

	if (len < MQTM_LEN || memcmp(p, "TM  ", 4) != 0 ||
	    mqbuf_get_u32(p + 4) != TM_VERSION)
		return MQI_E_PROTOCOL;
	for (size_t i = 0; i < MQ_ARRAY_LEN(places); i++)
		if (!cut(string_of(&tm, (enum field)i), p + places[i].at,
			places[i].len))
			return MQI_E_PROTOCOL;
	tm.appl_type = (int32_t)mqbuf_get_u32(p + TM_APPL_TYPE);
	*ret = tm;
	return MQI_OK;
}

void
mqtm_text(const struct mqtm *tm, const char *qmgr, char ret[MQTM_TEXT_LEN + 1])
{
	memset(ret, ' ', MQTM_TEXT_LEN);
	memcpy(ret, "TMC    2", 8);
	put_strings(tm, (uint8_t *)ret);
	pad(ret + TEXT_QMGR, qmgr, 48);
	ret[MQTM_TEXT_LEN] = '\0';
}
