#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/unicode.h"

static void an_error_names_its_kind_and_reason(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    assert_false(error_set(&err, ERR_INVALID_FILTER, "at %d", 7));
    assert_int_equal(err.kind, ERR_INVALID_FILTER);
    assert_string_equal(err.detail, "at 7");
    assert_int_equal(err.operation, -1);
    assert_string_equal(error_kind_name(err.kind), "invalid_filter");
    error_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = ERR_NONE; a <= ERR_CONFIG; a++) {
        assert_non_null(error_kind_name((enum error_kind)a));
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(error_kind_name((enum error_kind)a),
                                    error_kind_name((enum error_kind)b));
    }
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[1000] = {'.', '.', '.'};
            text[shift] = '\0';
            while (strlen(text) < 900)
                memcpy(text + strlen(text), characters[i], strlen(characters[i]));
            struct error err = ERROR_INIT;
            error_set(&err, ERR_INTERNAL, "%s", text);
            size_t len = strlen(err.detail);
            assert_true(len < ERROR_DETAIL_MAX && len > ERROR_DETAIL_MAX - 5);
            assert_true(utf8_valid((struct str){err.detail, len}));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_its_kind_and_reason),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
        cmocka_unit_test(long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
