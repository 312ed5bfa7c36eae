/* The list of modifications: order is kept, because preconditions are made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/own.h"
#include "directory/directory.h"

static void assert_mod(const struct directory_mod *mod, enum directory_mod_op op, const char *attr,
                       const char *value)
{
    assert_int_equal(mod->op, op);
    assert_string_equal(mod->attr, attr);
    assert_int_equal(mod->count, 1);
    assert_true(str_eq(mod->values[0], str_of(value)));
}

static void proofs_are_pairs_in_order(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_mods m;
    directory_mods_init(&m, a);
    directory_mods_prove_there(&m, "owner", STR("y"));
    directory_mods_prove_absent(&m, "member", STR("k"));
    assert_int_equal(m.count, 4);
    assert_mod(&m.at[0], DIRECTORY_DELETE, "owner", "y");
    assert_mod(&m.at[1], DIRECTORY_ADD, "owner", "y");
    assert_mod(&m.at[2], DIRECTORY_ADD, "member", "k");
    assert_mod(&m.at[3], DIRECTORY_DELETE, "member", "k");
}

static void the_list_keeps_its_own_copy_of_the_values(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_mods m;
    directory_mods_init(&m, a);
    struct str values[] = {STR("one"), STR("two")};
    directory_mods_push(&m, DIRECTORY_ADD, "mail", values, 2);
    values[0] = values[1] = STR("changed");
    assert_true(str_eq(m.at[0].values[0], STR("one")));
    assert_true(str_eq(m.at[0].values[1], STR("two")));
}

static void a_whole_attribute_has_no_values(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_mods m;
    directory_mods_init(&m, a);
    directory_mods_push(&m, DIRECTORY_DELETE, "mail", NULL, 0);
    assert_int_equal(m.at[0].count, 0);
    assert_null(m.at[0].values);
}

static void the_list_grows(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_mods m;
    directory_mods_init(&m, a);
    for (size_t i = 0; i < 1000; i++)
        directory_mods_one(&m, DIRECTORY_ADD, "member", arena_fmt(a, "%zu", i));
    assert_int_equal(m.count, 1000);
    assert_true(str_eq(m.at[999].values[0], STR("999")));
    assert_true(str_eq(m.at[7].values[0], STR("7")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proofs_are_pairs_in_order),
        cmocka_unit_test(the_list_keeps_its_own_copy_of_the_values),
        cmocka_unit_test(a_whole_attribute_has_no_values),
        cmocka_unit_test(the_list_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
