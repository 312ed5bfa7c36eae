/* What servers without an entryCSN or without assertions are dealt with by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "directory/internal.h"

static struct arena *arena;

static struct str csn(const char *number, const char *time)
{
    return directory_csn_of_number(arena, str_of(number), str_of(time));
}

#define NOW "20261127004512Z"
#define LATER "20261127004513Z"

/* As 389-ds counts from its first start on: below zero without a sign, in 32 bits after an add and
 * in 64 after other changes. */
static void numbers_of_one_second_compare_as_text(void **state)
{
    (void)state;
    static const char *const rising[] = {"4294967288", "18446744073709551609",
                                         "4294967290", "18446744073709551615",
                                         "0",          "1",
                                         "9",          "10",
                                         "99",         "2147483647"};
    for (size_t i = 0; i + 1 < sizeof rising / sizeof *rising; i++)
        assert_true(str_cmp(csn(rising[i], NOW), csn(rising[i + 1], NOW)) < 0);
}

/* It counts back for each add that it refuses as a second one. */
static void a_later_second_is_later_whatever_the_number(void **state)
{
    (void)state;
    assert_true(str_cmp(csn("11", NOW), csn("7", LATER)) < 0);
    assert_true(str_cmp(csn("11", NOW), csn("11", LATER)) < 0);
}

static void without_both_there_is_no_version(void **state)
{
    (void)state;
    static const char *const odd[] = {"-1", "", "x", "1x", "18446744073709551616"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_int_equal(csn(odd[i], NOW).len, 0);
    assert_int_equal(csn("1", "").len, 0);
}

static void an_assertion_names_the_version_as_the_server_does(void **state)
{
    (void)state;
    struct directory_target t = {.id = STR("i"), .csn = csn("17", NOW)};
    assert_string_equal(directory_assertion(arena, &t),
                        "(&(entryUUID=i)(entryUSN=17)(modifyTimestamp=" NOW "))");
    t.csn = STR("20260101000000.000000Z#000000#000#000000");
    t.extra = "(!(a=b))";
    assert_string_equal(
        directory_assertion(arena, &t),
        "(&(entryUUID=i)(entryCSN=20260101000000.000000Z#000000#000#000000)(!(a=b)))");
    assert_null(directory_assertion(arena, &(struct directory_target){0}));
}

static void what_must_not_be_there_is_found(void **state)
{
    (void)state;
    const struct str joined[] = {STR("org1:2026"), STR("ORG2:2026")}, active[] = {STR("FALSE")};
    const struct directory_attr attrs[] = {{STR("kiopsJoined"), joined, 2},
                                           {STR("kiopsActive"), active, 1}};
    const struct directory_entry e = {.attrs = attrs, .attr_count = 2};
    assert_true(directory_extra_holds("(!(kiopsJoined=org3:*))", &e));
    assert_false(directory_extra_holds("(!(kiopsJoined=org1:*))", &e));
    assert_false(directory_extra_holds("(!(kiopsJoined=org2:*))", &e));
    assert_true(directory_extra_holds("(!(kiopsJoined=org1:))", &e));
    assert_false(directory_extra_holds("(!(kiopsActive=FALSE))", &e));
    assert_true(directory_extra_holds("(!(kiopsRequest=org1:*))(!(kiopsJoined=org3:*))", &e));
    assert_false(directory_extra_holds("(!(kiopsRequest=org1:*))(!(kiopsJoined=org1:*))", &e));
    assert_false(directory_extra_holds("(kiopsJoined=org1:*)", &e));
}

static int before_all(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_one_second_compare_as_text),
        cmocka_unit_test(a_later_second_is_later_whatever_the_number),
        cmocka_unit_test(without_both_there_is_no_version),
        cmocka_unit_test(an_assertion_names_the_version_as_the_server_does),
        cmocka_unit_test(what_must_not_be_there_is_found),
    };
    return cmocka_run_group_tests(tests, before_all, after_all);
}
