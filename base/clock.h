/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the system's clocks in microseconds.  Thread-safe. */
#ifndef MQ_BASE_CLOCK_H
#define MQ_BASE_CLOCK_H

#include <stdint.h>

uint64_t mqclock_mono_us(void); /* CLOCK_MONOTONIC */
uint64_t mqclock_wall_us(void); /* since 1970-01-01 GMT */
/* "YYYYMMDD" and "HHMMSSTH" (hundredths), GMT, with NUL. */
void mqclock_mq_date(uint64_t wall_us, char ret_date[9], char ret_time[9]);

#endif
