#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void the_content_hash_is_the_same_everywhere(void **state)
{
    (void)state;
    /* Fixed for good: versions in clients' hands depend on it. */
    assert_true(hash_content("abc", 3) == UINT64_C(0x8010565c97be5050));
    assert_true(hash_content("abd", 3) != hash_content("abc", 3));
    assert_true(hash_content(NULL, 0) == hash_content("x", 0));
}

static void the_keyed_hash_stays_the_same_within_a_process(void **state)
{
    (void)state;
    uint64_t before = hash_keyed("abc", 3);
    hash_init();
    assert_true(hash_keyed("abc", 3) == before);
    assert_true(str_hash(STR("abc")) == before);
    assert_true(str_hash(STR_NONE) == str_hash(STR("")));
}

static void sha256_is_written_in_hex(void **state)
{
    (void)state;
    char hex[65];
    hash_sha256_hex(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void equality_looks_at_every_byte(void **state)
{
    (void)state;
    assert_true(hash_equal("abc", "abc", 3));
    assert_false(hash_equal("abc", "abd", 3));
    assert_true(hash_equal("abc", "abd", 2));
}

struct named {
    char name[8];
    UT_hash_handle hh;
};

static void uthash_finds_by_the_keyed_hash(void **state)
{
    (void)state;
    struct named items[2] = {{.name = "kim"}, {.name = "lee"}};
    struct named *table = NULL, *found = NULL;
    HASH_ADD_KEYPTR(hh, table, items[0].name, 3, &items[0]);
    HASH_ADD_KEYPTR(hh, table, items[1].name, 3, &items[1]);
    HASH_FIND(hh, table, "lee", 3, found);
    assert_ptr_equal(found, &items[1]);
    HASH_FIND(hh, table, "min", 3, found);
    assert_null(found);
    HASH_CLEAR(hh, table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_hash_is_the_same_everywhere),
        cmocka_unit_test(the_keyed_hash_stays_the_same_within_a_process),
        cmocka_unit_test(sha256_is_written_in_hex),
        cmocka_unit_test(equality_looks_at_every_byte),
        cmocka_unit_test(uthash_finds_by_the_keyed_hash),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
