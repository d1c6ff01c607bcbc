/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tm.h - the trigger message: IBM's MQTM, version 1 (MQMD format MQTRIG), and
 * MQTMC2, the same as text, which a program that is started is given as its
 * argument.  docs/formats/trigger.md has the tables.
 *
 * Foreign bytes: everything is checked.  Pure; thread-safe.
 */
#ifndef MQ_PROTO_TM_H
#define MQ_PROTO_TM_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>

#include "base/check.h"

#define MQTM_LEN 684u
#define MQTM_FORMAT "MQTRIG"
#define MQTM_ENCODING 546u /* integers little-endian */
#define MQTM_TEXT_LEN 732u

#define MQTM_APPL_UNKNOWN (-1)
#define MQTM_APPL_UNIX 6

struct mqtm {
	char queue[MQI_NAME_LEN + 1];
	char process[MQI_NAME_LEN + 1];
	char trigger_data[64 + 1];
	int32_t appl_type;
	char appl_id[256 + 1];
	char env_data[128 + 1];
	char user_data[128 + 1];
};

/* What a word or number of APPLTYPE stands for. */
int32_t mqtm_appl_type(const char *appltype);

void mqtm_encode(const struct mqtm *tm, uint8_t ret[MQTM_LEN]);
/* Trailing blanks are cut.  Errors: PROTOCOL. */
MQ_MUST_CHECK enum mqi_err mqtm_decode(
    const void *data, size_t len, struct mqtm *ret);
/* MQTMC2, ended by a NUL. */
void mqtm_text(
    const struct mqtm *tm, const char *qmgr, char ret[MQTM_TEXT_LEN + 1]);

#endif
