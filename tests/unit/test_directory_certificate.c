/* When a certificate ends, and that no bytes make the reader go astray. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "directory/inspect.h"

/* SEQUENCE { SEQUENCE { [0] { 2 }, 1, algorithm, issuer, SEQUENCE { 2026-11-26, END } } } */
#define BEFORE                                                                                     \
    "\x17\x0d"                                                                                     \
    "261126150903Z"
#define HEAD                                                                                       \
    "\xa0\x03\x02\x01\x02"                                                                         \
    "\x02\x01\x01"                                                                                 \
    "\x30\x02\x05\x00"                                                                             \
    "\x30\x00"
#define UTC_2036                                                                                   \
    "\x30\x2e\x30\x2c" HEAD "\x30\x1e" BEFORE "\x17\x0d"                                           \
    "361123150903Z"
#define UTC_1999                                                                                   \
    "\x30\x2e\x30\x2c" HEAD "\x30\x1e" BEFORE "\x17\x0d"                                           \
    "990101000000Z"
#define FULL_2081                                                                                  \
    "\x30\x30\x30\x2e" HEAD "\x30\x20" BEFORE "\x18\x0f"                                           \
    "20810829150903Z"
#define NO_VERSION                                                                                 \
    "\x30\x29\x30\x27"                                                                             \
    "\x02\x01\x01"                                                                                 \
    "\x30\x02\x05\x00"                                                                             \
    "\x30\x00"                                                                                     \
    "\x30\x1e" BEFORE "\x17\x0d"                                                                   \
    "361123150903Z"
#define ODD_TIME                                                                                   \
    "\x30\x2e\x30\x2c" HEAD "\x30\x1e" BEFORE "\x16\x0d"                                           \
    "361123150903Z"

static void the_end_is_read_in_both_forms(void **state)
{
    (void)state;
    static const struct {
        struct str der;
        const char *end;
    } cases[] = {
        {STR_INIT(UTC_2036), "2036-11-23T15:09:03Z"},
        {STR_INIT(UTC_1999), "1999-01-01T00:00:00Z"},
        {STR_INIT(FULL_2081), "2081-08-29T15:09:03Z"},
        {STR_INIT(NO_VERSION), "2036-11-23T15:09:03Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_TEXT_MAX];
        instant_t end = directory_certificate_end(cases[i].der);
        assert_true(end != INSTANT_NONE);
        assert_true(str_eq(clock_rfc3339(end, text), str_of(cases[i].end)));
    }
}

static void what_is_no_certificate_has_no_end(void **state)
{
    (void)state;
    struct str whole = STR(UTC_2036);
    assert_true(directory_certificate_end(STR(ODD_TIME)) == INSTANT_NONE);
    for (size_t len = 0; len < whole.len; len++) {
        char *cut = malloc(len + 1); /* a byte behind the end is found by the sanitizer */
        assert_non_null(cut);
        memcpy(cut, whole.at, len);
        assert_true(directory_certificate_end((struct str){cut, len}) == INSTANT_NONE);
        free(cut);
    }
}

static void no_changed_byte_leads_astray(void **state)
{
    (void)state;
    char bytes[sizeof UTC_2036 - 1];
    for (size_t at = 0; at < sizeof bytes; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(bytes, UTC_2036, sizeof bytes);
            bytes[at] = (char)value;
            (void)directory_certificate_end((struct str){bytes, sizeof bytes});
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_read_in_both_forms),
        cmocka_unit_test(what_is_no_certificate_has_no_end),
        cmocka_unit_test(no_changed_byte_leads_astray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
