/*
 * Time: instants as microseconds since 1970 (UTC), RFC 3339 <-> generalizedTime, and monotonic
 * deadlines.
 *
 * Threads: pure, but for the two functions that ask the system.
 */
#pragma once

#include "base/text.h"

typedef int64_t instant_t; /* microseconds since 1970-01-01T00:00:00Z; INSTANT_NONE = absent */
#define INSTANT_NONE INT64_MIN
#define CLOCK_TEXT_MAX 40
#define CLOCK_DAY_US (INT64_C(86400) * 1000000) /* of instant_t */

instant_t clock_now(void);
/* RFC 3339 / xsd:dateTime with zone (offset or Z), fractions of any length (cut at microseconds).
 */
bool clock_parse_rfc3339(struct str s, instant_t *out);
/* RFC 4517 generalizedTime: YYYYMMDDHH[MM[SS]][(.|,)f+](Z|+hhmm|-hhmm). */
bool clock_parse_generalized(struct str s, instant_t *out);
struct str
clock_rfc3339(instant_t t,
              char out[CLOCK_TEXT_MAX]); /* 2026-01-05T08:00:00Z; fractions only when not 0 */
struct str clock_generalized(instant_t t, char out[CLOCK_TEXT_MAX]); /* 20260105080000Z */

/* Monotonic milliseconds. A deadline is such a value. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
int64_t clock_deadline_in(int64_t ms);
int64_t clock_left_ms(int64_t deadline); /* never below 0 */
