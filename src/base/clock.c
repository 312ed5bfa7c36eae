/* Times as text (RFC 3339, generalizedTime), and monotonic deadlines. */
#include "base/clock.h"

#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

struct civil {
    int year, month, day, hour, minute, second;
    int64_t micros; /* what the fraction adds */
    int offset_s;   /* east of Greenwich */
};

instant_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (instant_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

/* Days since 1970-01-01 of a Gregorian date. The year starts in March, so that the leap day is its
 * last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, struct civil *out)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t march_month = (5 * doy + 2) / 153;
    out->day = (int)(doy - (153 * march_month + 2) / 5 + 1);
    out->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    out->year = (int)(yoe + era * 400 + (out->month <= 2));
}

static struct civil civil_of(instant_t t)
{
    int64_t days = t / DAY - (t % DAY < 0);
    int64_t rest = t - days * DAY;
    struct civil c = {.micros = rest % SECOND};
    int seconds = (int)(rest / SECOND);
    date_of(days, &c);
    c.hour = seconds / 3600;
    c.minute = seconds / 60 % 60;
    c.second = seconds % 60;
    return c;
}

static bool in_calendar(const struct civil *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    bool leap = (c->year % 4 == 0 && c->year % 100 != 0) || c->year % 400 == 0;
    int last = days[c->month - 1] + (c->month == 2 && leap);
    return c->day <= last && c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

static bool instant_of(const struct civil *c, instant_t *out)
{
    if (!in_calendar(c))
        return false;
    int64_t seconds = (c->hour * 60 + c->minute) * 60 + c->second - c->offset_s;
    instant_t t = days_of(c->year, c->month, c->day) * DAY + seconds * SECOND + c->micros;
    /* The zone may push it out of the four-digit years that we can write. */
    if (t < days_of(0, 1, 1) * DAY || t >= days_of(10000, 1, 1) * DAY)
        return false;
    *out = t;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct cursor *c, int digits, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(cursor_peek(c)))
            return false;
        value = value * 10 + (*c->at++ - '0');
    }
    *out = value;
    return true;
}

/* What follows the point, as microseconds of `unit`; more than nine digits are read and dropped. */
static bool take_fraction(struct cursor *c, int64_t unit, int64_t *out)
{
    int64_t value = 0, scale = 1;
    if (!is_digit(cursor_peek(c)))
        return false;
    for (; is_digit(cursor_peek(c)); c->at++) {
        if (scale == 1000000000)
            continue;
        value = value * 10 + (*c->at - '0');
        scale *= 10;
    }
    *out = unit * value / scale;
    return true;
}

/* Z, or a sign and hours and minutes; RFC 3339 has a colon between, generalizedTime has not and may
 * omit the minutes. */
static bool take_zone(struct cursor *c, bool rfc3339, int *offset_s)
{
    if (cursor_take(c, 'Z') || (rfc3339 && cursor_take(c, 'z'))) {
        *offset_s = 0;
        return true;
    }
    bool west = cursor_take(c, '-');
    int hours, minutes = 0;
    if ((!west && !cursor_take(c, '+')) || !take_number(c, 2, &hours))
        return false;
    if (rfc3339 && !cursor_take(c, ':'))
        return false;
    if ((rfc3339 || !cursor_done(c)) && !take_number(c, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *offset_s = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

bool clock_parse_rfc3339(struct str s, instant_t *out)
{
    struct cursor c = cursor_of(s);
    struct civil when = {0};
    bool date = take_number(&c, 4, &when.year) && cursor_take(&c, '-') &&
                take_number(&c, 2, &when.month) && cursor_take(&c, '-') &&
                take_number(&c, 2, &when.day) && (cursor_take(&c, 'T') || cursor_take(&c, 't'));
    bool time = date && take_number(&c, 2, &when.hour) && cursor_take(&c, ':') &&
                take_number(&c, 2, &when.minute) && cursor_take(&c, ':') &&
                take_number(&c, 2, &when.second);
    if (!time || (cursor_take(&c, '.') && !take_fraction(&c, SECOND, &when.micros)))
        return false;
    return take_zone(&c, true, &when.offset_s) && cursor_done(&c) && instant_of(&when, out);
}

bool clock_parse_generalized(struct str s, instant_t *out)
{
    struct cursor c = cursor_of(s);
    struct civil when = {0};
    if (!take_number(&c, 4, &when.year) || !take_number(&c, 2, &when.month) ||
        !take_number(&c, 2, &when.day) || !take_number(&c, 2, &when.hour))
        return false;
    int64_t unit = 3600 * SECOND; /* RFC 4517 3.3.13: the fraction is of the last unit given */
    if (is_digit(cursor_peek(&c))) {
        unit = 60 * SECOND;
        if (!take_number(&c, 2, &when.minute))
            return false;
        if (is_digit(cursor_peek(&c))) {
            unit = SECOND;
            if (!take_number(&c, 2, &when.second))
                return false;
        }
    }
    bool point = cursor_take(&c, '.') || cursor_take(&c, ',');
    if (point && !take_fraction(&c, unit, &when.micros))
        return false;
    return take_zone(&c, false, &when.offset_s) && cursor_done(&c) && instant_of(&when, out);
}

/* Every resource shows several times: a formatter was a tenth of what a read costs. */
static char *put_digits(char *at, int value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + digits;
}

static char *put_after(char *at, char mark, int value)
{
    *at = mark;
    return put_digits(at + 1, value, 2);
}

static struct str ended(const char *start, char *at)
{
    *at++ = 'Z';
    *at = '\0';
    return (struct str){start, (size_t)(at - start)};
}

struct str clock_rfc3339(instant_t t, char out[CLOCK_TEXT_MAX])
{
    if (t == INSTANT_NONE)
        return STR_NONE;
    struct civil c = civil_of(t);
    char *at = put_digits(out, c.year, 4);
    at = put_after(put_after(at, '-', c.month), '-', c.day);
    at = put_after(put_after(put_after(at, 'T', c.hour), ':', c.minute), ':', c.second);
    if (c.micros != 0) {
        *at = '.';
        at = put_digits(at + 1, (int)c.micros, 6);
        while (at[-1] == '0')
            at--;
    }
    return ended(out, at);
}

struct str clock_generalized(instant_t t, char out[CLOCK_TEXT_MAX])
{
    if (t == INSTANT_NONE)
        return STR_NONE;
    struct civil c = civil_of(t);
    char *at = put_digits(out, c.year, 4);
    at = put_digits(put_digits(at, c.month, 2), c.day, 2);
    at = put_digits(put_digits(put_digits(at, c.hour, 2), c.minute, 2), c.second, 2);
    return ended(out, at);
}

int64_t clock_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_deadline_in(int64_t ms)
{
    return clock_monotonic_ms() + ms;
}

int64_t clock_left_ms(int64_t deadline)
{
    int64_t left = deadline - clock_monotonic_ms();
    return left > 0 ? left : 0;
}
