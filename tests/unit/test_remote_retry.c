/* When a request is tried again: Retry-After, waits that grow and are capped, what may be repeated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "remote/internal.h"

#define NOW (INT64_C(784111777) * 1000000) /* Sun, 06 Nov 1994 08:49:37 GMT */

static void retry_after_is_seconds_or_a_date(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"7", 7000},
        {"  3 ", 3000},
        {"60", 60000},
        {"61", 60000},
        {"99999999999999999999", -1},
        {"9223372036854775807", 60000},
        {"-1", -1},
        {"", -1},
        {"soon", -1},
        {"Sun, 06 Nov 1994 08:49:42 GMT", 5000},
        {"Sunday, 06-Nov-94 08:49:42 GMT", 5000},
        {"Sun Nov  6 08:49:42 1994", 5000},
        {"Sun, 06 Nov 1994 08:49:00 GMT", 0},     /* over already */
        {"Mon, 07 Nov 1994 08:49:37 GMT", 60000}, /* capped */
        {"Sun, 06 Nov 1994 08:49:42 GMT and much more than any date needs, really", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(remote_retry_after_ms(str_of(rows[i].text), NOW), rows[i].ms);
}

static void only_what_changes_nothing_is_repeated(void **state)
{
    static const struct {
        enum wire_end end;
        int status;
        bool once, twice; /* a POST; a GET */
    } rows[] = {
        {WIRE_NOT_SENT, 0, true, true},     {WIRE_CUT, 0, false, true},
        {WIRE_ANSWERED, 429, true, true},   {WIRE_ANSWERED, 503, false, true},
        {WIRE_ANSWERED, 502, false, true},  {WIRE_ANSWERED, 504, false, true},
        {WIRE_ANSWERED, 500, false, false}, {WIRE_ANSWERED, 501, false, false},
        {WIRE_ANSWERED, 400, false, false}, {WIRE_ANSWERED, 401, false, false},
        {WIRE_ANSWERED, 404, false, false}, {WIRE_ANSWERED, 412, false, false},
        {WIRE_ANSWERED, 200, false, false},
    };
    struct retry r = {.tries = 1, .now = NOW};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        r.repeatable = false;
        assert_int_equal(remote_retry_wait_ms(&r, rows[i].end, rows[i].status) >= 0, rows[i].once);
        r.repeatable = true;
        assert_int_equal(remote_retry_wait_ms(&r, rows[i].end, rows[i].status) >= 0, rows[i].twice);
    }
}

static void waits_grow_are_spread_and_end(void **state)
{
    int64_t most = 200;
    (void)state;
    for (unsigned tries = 1; tries < RETRY_TRIES; tries++, most *= 4)
        for (uint32_t dice = 0; dice < 5000; dice += 7) {
            struct retry r = {.repeatable = true, .tries = tries, .dice = dice, .now = NOW};
            int64_t ms = remote_retry_wait_ms(&r, WIRE_CUT, 0);
            assert_in_range(ms, most / 2, most);
        }
    struct retry r = {.repeatable = true, .tries = RETRY_TRIES, .now = NOW};
    assert_int_equal(remote_retry_wait_ms(&r, WIRE_ANSWERED, 429), -1);
}

static void what_is_asked_for_is_waited_but_not_for_ever(void **state)
{
    struct retry r = {.tries = 1, .now = NOW, .asked_to = STR("20")};
    (void)state;
    assert_int_equal(remote_retry_wait_ms(&r, WIRE_ANSWERED, 429), 20000);
    r.asked_to = STR("0"); /* ours then */
    assert_in_range(remote_retry_wait_ms(&r, WIRE_ANSWERED, 429), 100, 200);
    r.asked_to = STR("3600");
    assert_int_equal(remote_retry_wait_ms(&r, WIRE_ANSWERED, 429), RETRY_WAIT_MAX_MS);
    r.waited_ms = RETRY_ALL_MAX_MS - 1000;
    assert_int_equal(remote_retry_wait_ms(&r, WIRE_ANSWERED, 429), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(only_what_changes_nothing_is_repeated),
        cmocka_unit_test(waits_grow_are_spread_and_end),
        cmocka_unit_test(what_is_asked_for_is_waited_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
