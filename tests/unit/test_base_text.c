#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/text.h"

static void views_are_clamped_to_what_they_view(void **state)
{
    (void)state;
    struct str s = STR("abc");
    assert_true(str_eq(str_sub(s, 1, 99), STR("bc")));
    assert_true(str_eq(str_sub(s, 3, 1), STR_NONE));
    assert_true(str_eq(str_sub(s, SIZE_MAX, SIZE_MAX), STR_NONE));
    assert_true(str_eq(str_of(NULL), STR("")));
}

static void comparison_knows_case_prefix_and_length(void **state)
{
    (void)state;
    assert_true(str_ieq(STR("UserName"), STR("uSERnAME")));
    assert_false(str_ieq(STR("\xC3\x84"), STR("\xC3\xA4"))); /* ASCII only */
    assert_false(str_ieq(STR("@"), STR("`")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("b"), STR("ab")) > 0);
    assert_true(str_cmp(STR("a\0b"), STR("a\0a")) > 0);
    assert_int_equal(str_cmp(STR_NONE, STR("")), 0);
    assert_true(str_starts(STR("urn:x"), STR("urn:")) && !str_starts(STR("ur"), STR("urn:")));
    assert_true(str_istarts(STR("URN:x"), STR("urn:")));
    assert_true(str_ends(STR("a@b.org"), STR(".org")) && !str_ends(STR("g"), STR("rg")));
}

static void trim_takes_white_space_at_both_ends(void **state)
{
    (void)state;
    assert_true(str_eq(str_trim(STR(" \t\r\n a b \v\f")), STR("a b")));
    assert_int_equal(str_trim(STR("  ")).len, 0);
    assert_true(str_consists_of(STR("aZ09-._"), "-._"));
    assert_false(str_consists_of(STR("a b"), "-._"));
    assert_false(str_consists_of(STR("a\0"), "-._"));
    assert_false(str_consists_of(STR_NONE, "-._"));
    assert_true(char_is_letter('Z') && !char_is_letter('0') && !char_is_letter('@'));
}

static void find_gives_the_first_and_rfind_the_last(void **state)
{
    (void)state;
    size_t at = 99;
    assert_true(str_find(STR("a.b.c"), '.', &at) && at == 1);
    assert_true(str_rfind(STR("a.b.c"), '.', &at) && at == 3);
    assert_false(str_find(STR_NONE, '.', &at) || str_rfind(STR("abc"), '.', &at));
}

static void split_yields_every_part_between_separators(void **state)
{
    (void)state;
    struct str rest = STR("a,,b"), part;
    assert_true(str_split(&rest, ',', &part) && str_eq(part, STR("a")));
    assert_true(str_split(&rest, ',', &part) && part.len == 0);
    assert_true(str_split(&rest, ',', &part) && str_eq(part, STR("b")));
    assert_false(str_split(&rest, ',', &part));
}

static void integers_are_whole_texts_within_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fine;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-12", true, -12},
        {"+7", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 0;
        assert_int_equal(str_to_i64(str_of(cases[i].text), &value), cases[i].fine);
        assert_true(value == cases[i].value);
    }
}

static void a_cursor_never_leaves_its_text(void **state)
{
    (void)state;
    struct cursor c = cursor_of(STR("  x"));
    cursor_spaces(&c);
    assert_int_equal(cursor_offset(&c), 2);
    assert_true(cursor_take(&c, 'x') && cursor_done(&c));
    assert_int_equal(cursor_peek(&c), 0);
    assert_false(cursor_take(&c, 0));
    struct cursor none = cursor_of(STR_NONE);
    assert_true(cursor_done(&none));
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
    (void)state;
    OWNED_BUF struct buf b;
    buf_init(&b, 10000);
    for (int i = 0; i < 1000; i++)
        buf_fmt(&b, "%d,", i % 10);
    assert_int_equal(b.len, 2000);
    assert_int_equal(strlen(b.at), 2000);
    assert_false(b.failed);
    buf_clear(&b);
    BUF_LIT(&b, "x");
    assert_string_equal(b.at, "x");
}

static void a_buffer_over_its_ceiling_keeps_what_it_holds(void **state)
{
    (void)state;
    OWNED_BUF struct buf b;
    buf_init(&b, 4);
    BUF_LIT(&b, "abcd");
    assert_false(b.failed);
    buf_char(&b, 'e');
    assert_true(b.failed);
    buf_str(&b, STR(""));
    assert_string_equal(b.at, "abcd");
}

static void json_strings_are_escaped_and_always_valid(void **state)
{
    (void)state;
    OWNED_BUF struct buf b;
    buf_init(&b, 1000);
    buf_json_string(&b, STR("a\"\\\n\x01\0\xFFz\xC3\xA4\xE2\x82"));
    assert_string_equal(
        b.at, "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xEF\xBF\xBDz\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD\"");
    buf_clear(&b);
    buf_json_string(&b, STR_NONE);
    assert_string_equal(b.at, "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_clamped_to_what_they_view),
        cmocka_unit_test(comparison_knows_case_prefix_and_length),
        cmocka_unit_test(trim_takes_white_space_at_both_ends),
        cmocka_unit_test(find_gives_the_first_and_rfind_the_last),
        cmocka_unit_test(split_yields_every_part_between_separators),
        cmocka_unit_test(integers_are_whole_texts_within_64_bits),
        cmocka_unit_test(a_cursor_never_leaves_its_text),
        cmocka_unit_test(a_buffer_grows_and_stays_terminated),
        cmocka_unit_test(a_buffer_over_its_ceiling_keeps_what_it_holds),
        cmocka_unit_test(json_strings_are_escaped_and_always_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
