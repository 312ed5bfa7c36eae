#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

struct timed {
    const char *text;
    const char *canonical; /* NULL: refused */
};

static void check(const struct timed *cases, size_t n, bool (*parse)(struct str, instant_t *))
{
    for (size_t i = 0; i < n; i++) {
        instant_t t = 42;
        char out[CLOCK_TEXT_MAX];
        bool fine = parse(str_of(cases[i].text), &t);
        if (fine != (cases[i].canonical != NULL))
            fail_msg("%s", cases[i].text);
        if (fine)
            assert_string_equal(clock_rfc3339(t, out).at, cases[i].canonical);
        else
            assert_true(t == 42);
    }
}

static void rfc3339_is_read_whole_with_its_zone(void **state)
{
    (void)state;
    static const struct timed cases[] = {
        {"2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z"},
        {"2026-01-05t08:00:00z", "2026-01-05T08:00:00Z"},
        {"2026-01-05T08:00:00+09:00", "2026-01-04T23:00:00Z"},
        {"2026-01-05T08:00:00-03:30", "2026-01-05T11:30:00Z"},
        {"2026-01-05T08:00:00.5Z", "2026-01-05T08:00:00.5Z"},
        {"2026-01-05T08:00:00.123456789123456789Z", "2026-01-05T08:00:00.123456Z"},
        {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
        {"1900-02-28T23:59:59.9Z", "1900-02-28T23:59:59.9Z"},
        {"1969-12-31T23:59:59.000001Z", "1969-12-31T23:59:59.000001Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
        {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
        {"9999-12-31T23:59:59-01:00", NULL},
        {"0000-01-01T00:00:00+01:00", NULL},
        {"2026-02-29T00:00:00Z", NULL},
        {"1900-02-29T00:00:00Z", NULL},
        {"2026-13-01T00:00:00Z", NULL},
        {"2026-01-05T24:00:00Z", NULL},
        {"2026-01-05T08:00:00", NULL},
        {"2026-01-05T08:00:00.Z", NULL},
        {"2026-01-05 08:00:00Z", NULL},
        {"2026-01-05T08:00:00Zx", NULL},
        {"2026-1-05T08:00:00Z", NULL},
        {"2026-01-05T08:00:00+0900", NULL},
        {"", NULL},
    };
    check(cases, sizeof(cases) / sizeof(cases[0]), clock_parse_rfc3339);
}

static void generalized_time_may_omit_its_small_units(void **state)
{
    (void)state;
    static const struct timed cases[] = {
        {"20260105080000Z", "2026-01-05T08:00:00Z"},
        {"20260105080000.123456Z", "2026-01-05T08:00:00.123456Z"},
        {"20260105080000,5Z", "2026-01-05T08:00:00.5Z"},
        {"2026010508Z", "2026-01-05T08:00:00Z"},
        {"2026010508.5Z", "2026-01-05T08:30:00Z"},
        {"202601050830.25Z", "2026-01-05T08:30:15Z"},
        {"20260105080000+0900", "2026-01-04T23:00:00Z"},
        {"20260105080000-03", "2026-01-05T11:00:00Z"},
        {"20260105080000", NULL},
        {"20260105080000.Z", NULL},
        {"20260105Z", NULL},
        {"20260105080000z", NULL},
        {"20260105080000+09:00", NULL},
        {"20261305080000Z", NULL},
        {"20260105080000Z ", NULL},
    };
    check(cases, sizeof(cases) / sizeof(cases[0]), clock_parse_generalized);
}

static void every_day_survives_both_forms(void **state)
{
    (void)state;
    for (instant_t t = -INT64_C(2208988800) * 1000000; t < INT64_C(7258118400) * 1000000;
         t += INT64_C(86400) * 1000000 * 17 + 3600000000) {
        char text[CLOCK_TEXT_MAX];
        instant_t back;
        assert_true(clock_parse_rfc3339(clock_rfc3339(t, text), &back) && back == t);
        assert_true(clock_parse_generalized(clock_generalized(t, text), &back) && back == t);
    }
}

static void absence_has_no_text(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX];
    assert_int_equal(clock_rfc3339(INSTANT_NONE, text).len, 0);
    assert_int_equal(clock_generalized(INSTANT_NONE, text).len, 0);
}

static void a_deadline_runs_out_and_stays_at_zero(void **state)
{
    (void)state;
    int64_t left = clock_left_ms(clock_deadline_in(60000));
    assert_true(left > 0 && left <= 60000);
    assert_int_equal(clock_left_ms(clock_deadline_in(-5)), 0);
    assert_true(clock_now() > INT64_C(1700000000) * 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339_is_read_whole_with_its_zone),
        cmocka_unit_test(generalized_time_may_omit_its_small_units),
        cmocka_unit_test(every_day_survives_both_forms),
        cmocka_unit_test(absence_has_no_text),
        cmocka_unit_test(a_deadline_runs_out_and_stays_at_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
