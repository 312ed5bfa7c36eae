#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/base64.h"

static const struct {
    struct str bytes, text;
} vectors[] = {
    /* RFC 4648 section 10 */
    {STR_INIT(""), STR_INIT("")},
    {STR_INIT("f"), STR_INIT("Zg==")},
    {STR_INIT("fo"), STR_INIT("Zm8=")},
    {STR_INIT("foo"), STR_INIT("Zm9v")},
    {STR_INIT("foob"), STR_INIT("Zm9vYg==")},
    {STR_INIT("fooba"), STR_INIT("Zm9vYmE=")},
    {STR_INIT("foobar"), STR_INIT("Zm9vYmFy")},
    {STR_INIT("\x00\xFF\xFE\xFB"), STR_INIT("AP/++w==")},
};

static void bytes_and_text_become_each_other(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct str bytes;
        assert_true(base64_decode(a, vectors[i].text, &bytes));
        assert_true(str_eq(bytes, vectors[i].bytes));
        assert_true(str_eq(base64_encode(a, vectors[i].bytes), vectors[i].text));
    }
    arena_free(a);
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z", "Zg=", "Zg", "====", "Zg==Zg==", "Z===", "Z-8_", "Zm 9", "=Zg=", "Zm9v\n"};
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct str bytes;
        assert_false(base64_decode(a, str_of(wrong[i]), &bytes));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_text_become_each_other),
        cmocka_unit_test(what_is_no_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
