/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the system's clocks in microseconds.  Thread-safe. */
#ifndef MQ_BASE_CLOCK_H
#define MQ_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* 9999-12-31 23:59:59.999 GMT: the last time that a put date can hold */
#define MQCLOCK_MAX_MS UINT64_C(253402300799999)

uint64_t mqclock_mono_us(void); /* CLOCK_MONOTONIC */
/* The same clock, behind by up to a tick of the kernel (10 ms at most), at a
 * fifth of the cost. */
uint64_t mqclock_coarse_us(void);
uint64_t mqclock_wall_us(void); /* since 1970-01-01 GMT */
/* "YYYYMMDD" and "HHMMSSTH" (hundredths), GMT, with NUL; a time beyond
 * MQCLOCK_MAX_MS gives that. */
void mqclock_mq_date(uint64_t wall_us, char ret_date[9], char ret_time[9]);
/* The reverse, in milliseconds since 1970; false if this is no date and time
 * from 1970 on. */
bool mqclock_parse_mq_date(
    const char *date, const char *time, uint64_t *ret_ms);

#endif
