/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the system's clocks, and dates as message descriptors write them.
 *
 * Neighbours: daemons and libmq read the clocks; proto/desc.c turns put dates
 * and times into milliseconds and back.
 * The calendar is computed here (Gregorian, GMT, days counted in eras of 400
 * years), since gmtime_r(3) takes a lock and this is on the path of every
 * message.  Dates end with the year 9999: four digits hold no more.
 * Failure: a kernel without these clocks is not supported; a date that does
 * not exist is reported as such.
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/check.h"

#define US_PER_S UINT64_C(1000000)
#define S_PER_DAY UINT64_C(86400)
#define DAYS_PER_ERA 146097u     /* 400 years */
#define DAYS_BEFORE_1970 719468u /* since 0000-03-01 */

static uint64_t
clock_us(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);

	MQ_INVARIANT(rc == 0);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t
mqclock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t
mqclock_coarse_us(void)
{
	return clock_us(CLOCK_MONOTONIC_COARSE);
}

uint64_t
mqclock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

static void
put_digits(char *p, unsigned n, unsigned v)
{
	while (n--) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* Years begin in March here, so that a leap day is a year's last day. */
static void
put_date(char *p, unsigned days_since_1970)
{
	unsigned days = days_since_1970 + DAYS_BEFORE_1970;
	unsigned era = days / DAYS_PER_ERA;
	unsigned doe = days % DAYS_PER_ERA;
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;

	put_digits(p, 4, yoe + era * 400 + (month <= 2));
	put_digits(p + 4, 2, month);
	put_digits(p + 6, 2, doy - (153 * mp + 2) / 5 + 1);
}

static unsigned
days_from_date(unsigned year, unsigned month, unsigned day)
{
	unsigned y = year - (month <= 2);
	unsigned yoe = y % 400;
	unsigned mp = month > 2 ? month - 3 : month + 9;
	unsigned doy = (153 * mp + 2) / 5 + day - 1;

	return y / 400 * DAYS_PER_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy -
	       DAYS_BEFORE_1970;
}

void
mqclock_mq_date(uint64_t wall_us, char ret_date[9], char ret_time[9])
{
	uint64_t ms = wall_us / 1000;
	unsigned s, h;

	if (ms > MQCLOCK_MAX_MS)
		ms = MQCLOCK_MAX_MS;
	s = (unsigned)(ms / 1000 % S_PER_DAY);
	h = (unsigned)(ms % 1000 / 10);
	put_date(ret_date, (unsigned)(ms / 1000 / S_PER_DAY));
	put_digits(ret_time, 2, s / 3600);
	put_digits(ret_time + 2, 2, s / 60 % 60);
	put_digits(ret_time + 4, 2, s % 60);
	put_digits(ret_time + 6, 2, h);
	ret_date[8] = '\0';
	ret_time[8] = '\0';
}

static bool
get_digits(const char *p, unsigned n, unsigned *ret)
{
	unsigned v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	*ret = v;
	return true;
}

static bool
date_exists(unsigned year, unsigned month, unsigned day)
{
	static const uint8_t month_days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (year < 1970 || month < 1 || month > 12 || day < 1)
		return false;
	return day <= month_days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

bool
mqclock_parse_mq_date(const char *date, const char *time, uint64_t *ret_ms)
{
	unsigned year, month, day, hour, min, sec, hundredth;
	uint64_t s;

	if (strlen(date) != 8 || strlen(time) != 8)
		return false;
	if (!get_digits(date, 4, &year) || !get_digits(date + 4, 2, &month) ||
	    !get_digits(date + 6, 2, &day) || !get_digits(time, 2, &hour) ||
	    !get_digits(time + 2, 2, &min) || !get_digits(time + 4, 2, &sec) ||
	    !get_digits(time + 6, 2, &hundredth))
		return false;
	if (!date_exists(year, month, day) || hour > 23 || min > 59 || sec > 59)
		return false;
	sec += hour * 3600u + min * 60u;
	s = days_from_date(year, month, day) * S_PER_DAY + sec;
	*ret_ms = s * 1000u + UINT64_C(10) * hundredth;
	return true;
}
