/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlh.h - the dead-letter header: IBM's MQDLH, version 1, in front of the body
 * of every message on a dead-letter queue (MQMD format MQDEAD).
 *
 *    0  char[4]  "DLH "
 *    4  i32      version, 1
 *    8  i32      reason: an MQRC_ or MQFB_ value
 *   12  char[48] destination queue
 *   60  char[48] destination queue manager
 *  108  i32      encoding of the body that follows
 *  112  i32      ccsid of the body that follows
 *  116  char[8]  format of the body that follows
 *  124  i32      type of the program that put it here
 *  128  char[28] its name
 *  156  char[8]  date, YYYYMMDD, GMT
 *  164  char[8]  time, HHMMSSTH, GMT
 *
 * Strings are padded with blanks, integers little-endian (encoding 546).
 * Pure; thread-safe.
 */
#ifndef MQ_PROTO_DLH_H
#define MQ_PROTO_DLH_H

#include <mq/mqi_err.h>
#include <mq/mqi_msg.h>

#include "base/check.h"

#define MQDLH_LEN 172u
#define MQDLH_FORMAT "MQDEAD"
#define MQDLH_ENCODING 546u /* integers, decimals and floats little-endian */

struct mqdlh {
	uint32_t reason;
	char queue[MQI_NAME_LEN + 1];
	char qmgr[MQI_NAME_LEN + 1];
	uint32_t encoding;
	uint32_t ccsid;
	char format[8 + 1];
	uint32_t put_appl_type;
	char put_appl_name[28 + 1];
	char put_date[8 + 1];
	char put_time[8 + 1];
};

void mqdlh_encode(const struct mqdlh *h, uint8_t ret[MQDLH_LEN]);
/* Trailing blanks are cut.  Errors: PROTOCOL. */
MQ_MUST_CHECK enum mqi_err mqdlh_decode(
    const void *data, size_t len, struct mqdlh *ret);

#endif
