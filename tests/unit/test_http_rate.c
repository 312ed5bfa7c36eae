#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hash.h"
#include "http/internal.h"

static unsigned take_many(struct http_rate *r, struct str key, int64_t now_ms, unsigned tries)
{
    unsigned passed = 0;
    int wait_s = 0;
    for (unsigned i = 0; i < tries; i++)
        passed += http_rate_take(r, key, now_ms, &wait_s);
    return passed;
}

static void rate_lets_a_burst_pass_and_then_the_rate(void **state)
{
    struct http_rate *r = http_rate_new(10, 20);
    (void)state;
    assert_int_equal(take_many(r, STR("a"), 1000, 100), 20);
    assert_int_equal(take_many(r, STR("a"), 2000, 100), 10);
    assert_int_equal(take_many(r, STR("a"), 2050, 100), 0);
    assert_int_equal(take_many(r, STR("a"), 2100, 100), 1);
    assert_int_equal(take_many(r, STR("a"), 1000000, 100), 20);
    http_rate_free(r);
}

static void rate_counts_each_key_for_itself(void **state)
{
    struct http_rate *r = http_rate_new(1, 3);
    (void)state;
    assert_int_equal(take_many(r, STR("a"), 0, 9), 3);
    assert_int_equal(take_many(r, STR("b"), 0, 9), 3);
    assert_int_equal(take_many(r, STR("a"), 0, 9), 0);
    http_rate_free(r);
}

static void rate_says_when_to_come_again(void **state)
{
    struct http_rate *r = http_rate_new(1, 1);
    int wait_s = 0;
    (void)state;
    assert_true(http_rate_take(r, STR("a"), 0, &wait_s));
    assert_false(http_rate_take(r, STR("a"), 0, &wait_s));
    assert_int_equal(wait_s, 1);
    http_rate_free(r);
}

static void rate_may_be_slower_than_one_a_second(void **state)
{
    struct http_rate *r = http_rate_new_slow(10, 3);
    int wait_s = 0;
    (void)state;
    assert_int_equal(take_many(r, STR("a"), 0, 9), 3);
    assert_false(http_rate_take(r, STR("a"), 0, &wait_s));
    assert_int_equal(wait_s, 10);
    assert_int_equal(take_many(r, STR("a"), 9999, 9), 0);
    assert_int_equal(take_many(r, STR("a"), 10000, 9), 1);
    assert_int_equal(take_many(r, STR("a"), 1000000, 9), 3);
    http_rate_free(r);
}

static void rate_takes_back_what_shall_not_count(void **state)
{
    struct http_rate *r = http_rate_new_slow(10, 2);
    (void)state;
    assert_int_equal(take_many(r, STR("a"), 0, 9), 2);
    http_rate_give(r, STR("a"));
    assert_int_equal(take_many(r, STR("a"), 0, 9), 1);
    for (int i = 0; i < 9; i++)
        http_rate_give(r, STR("a"));
    http_rate_give(r, STR("nobody took"));
    assert_int_equal(take_many(r, STR("a"), 0, 9), 2);
    http_rate_free(r);
}

static void rate_zero_is_off(void **state)
{
    struct http_rate *r = http_rate_new(0, 0);
    (void)state;
    assert_int_equal(take_many(r, STR("a"), 0, 5000), 5000);
    http_rate_free(r);
}

static void rate_survives_more_keys_than_it_has_room_for(void **state)
{
    struct http_rate *r = http_rate_new(1, 2);
    char key[16];
    (void)state;
    assert_int_equal(take_many(r, STR("guesser"), 0, 2), 2);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(take_many(r, str_of(key), 0, 1), 1);
    }
    http_rate_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_lets_a_burst_pass_and_then_the_rate),
        cmocka_unit_test(rate_counts_each_key_for_itself),
        cmocka_unit_test(rate_says_when_to_come_again),
        cmocka_unit_test(rate_may_be_slower_than_one_a_second),
        cmocka_unit_test(rate_takes_back_what_shall_not_count),
        cmocka_unit_test(rate_zero_is_off),
        cmocka_unit_test(rate_survives_more_keys_than_it_has_room_for),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
