#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/unicode.h"

static void keys_fold_what_the_directory_folds(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
    } cases[] = {
        {"", ""},
        {"   ", ""},
        {"  Kim \t Min  ", "kim \t min"},
        {"Kim   MIN", "kim min"},
        {"  \xC3\x84  B ", "\xC3\xA4 b"}, /* A umlaut */
        {"A\xCC\x88", "\xC3\xA4"},        /* A and combining diaeresis */
        {"J\xCC\x8C", "\xC7\xB0"}, /* J and caron: only the small letter has a composed form */
        {"\xC7\x85", "d\xC5\xBE"}, /* title letter Dz with caron */
        {"\xE2\x85\xA0", "I"},     /* roman numeral one: slapd lowers letters, before NFKC */
        {"\xEF\xAC\x81", "fi"},    /* ligature fi */
        {"\xEF\xBC\xAB\xEF\xBC\xA9", "ki"}, /* full-width KI */
        {"a\xC2\xA0\xC2\xA0"
         "b",
         "a b"},                  /* no-break spaces */
        {"\xC3\x9F", "\xC3\x9F"}, /* sharp s is not ss: simple, not full folding */
        {"\xE1\x84\x80\xE1\x85\xA1", "\xEA\xB0\x80"}, /* conjoining Hangul */
        {"\xFF"
         "Ab",
         "\xFF"
         "Ab"}, /* invalid: as bytes */
    };
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str key = unicode_key(a, str_of(cases[i].text));
        assert_string_equal(key.at, cases[i].key);
        assert_int_equal(key.len, strlen(cases[i].key));
    }
}

static void a_key_is_appended_behind_other_text(void **state)
{
    (void)state;
    OWNED_BUF struct buf b;
    buf_init(&b, 100);
    BUF_LIT(&b, "k:");
    unicode_key_to(&b, STR("  A  B "));
    assert_string_equal(b.at, "k:a b");
}

static void long_text_and_its_largest_growth_fit(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 1000; i++)
        BUF_LIT(&b, "\xEF\xB7\xBA"); /* U+FDFA becomes 18 characters */
    struct str key = unicode_key(a, buf_view(&b));
    assert_int_equal(key.len, 33000);
}

static void wrong_utf8_is_seen(void **state)
{
    (void)state;
    assert_true(utf8_valid(STR("a\xC3\xA4\xF0\x9F\x98\x80")) && utf8_valid(STR_NONE));
    assert_false(utf8_valid(STR("\xC3")) || utf8_valid(STR("\xC0\x80")) ||
                 utf8_valid(STR("\xED\xA0\x80")) || utf8_valid(STR("\xF4\x90\x80\x80")));
    assert_int_equal(utf8_width(STR("\xE2\x82\xACx")), 3);
    assert_int_equal(utf8_width(STR("\xE2\x82")), 0);
    assert_int_equal(utf8_width(STR("\0")), 1);
}

static void prohibited_characters_are_seen(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a\x01", "\x7F", "\xC2\x85", "\xEF\xBF\xBE", "\xEF\xB7\x90", "\xF3\xB0\x80\x80",
        "\xFF",  "a\nb",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(utf8_has_prohibited(str_of(bad[i])));
    assert_false(utf8_has_prohibited(STR("a \xEF\xBF\xBD \xF0\x9F\x98\x80 \xEE\x80\x80")));
    assert_true(utf8_has_prohibited(STR("a\0b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_fold_what_the_directory_folds),
        cmocka_unit_test(a_key_is_appended_behind_other_text),
        cmocka_unit_test(long_text_and_its_largest_growth_fit),
        cmocka_unit_test(wrong_utf8_is_seen),
        cmocka_unit_test(prohibited_characters_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
