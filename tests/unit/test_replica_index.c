/* The open-addressing table against a list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "replica/internal.h"

enum { THINGS = 600, STEPS = 20000 };

/* Few hashes, so that runs are long and wrap around the end of the table. */
static uint32_t hash_of(size_t thing)
{
    return (uint32_t)(thing % 37) * 0x10000fffU + 1;
}

static size_t found(const struct index *ix, uint32_t hash, const void *thing)
{
    size_t n = 0;
    struct index_probe p = index_probe(ix, hash);
    for (const void *at; (at = index_next(ix, &p));)
        n += at == thing;
    return n;
}

static void index_finds_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    static char things[THINGS];
    static bool in[THINGS];
    struct index ix = {0};
    uint32_t random = 1;
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % THINGS;
        if (in[i])
            assert_true(index_remove(&ix, hash_of(i), &things[i]));
        else
            index_add(&ix, hash_of(i), &things[i]);
        in[i] = !in[i];
        count += in[i] ? 1 : (size_t)-1;
        size_t other = (random >> 4) % THINGS;
        assert_int_equal(found(&ix, hash_of(other), &things[other]), in[other]);
        assert_int_equal(ix.count, count);
    }
    for (size_t i = 0; i < THINGS; i++)
        assert_int_equal(found(&ix, hash_of(i), &things[i]), in[i]);
    index_release(&ix);
}

static void index_keeps_several_things_under_one_key(void **state)
{
    (void)state;
    char a, b;
    struct index ix = {0};
    index_add(&ix, 7, &a);
    index_add(&ix, 7, &b);
    assert_int_equal(found(&ix, 7, &a) + found(&ix, 7, &b), 2);
    assert_true(index_remove(&ix, 7, &a));
    assert_false(index_remove(&ix, 7, &a));
    assert_int_equal(found(&ix, 7, &b), 1);
    index_release(&ix);
}

static void an_empty_index_finds_nothing(void **state)
{
    (void)state;
    struct index ix = {0};
    struct index_probe p = index_probe(&ix, 1);
    assert_null(index_next(&ix, &p));
    assert_false(index_remove(&ix, 1, &ix));
}

int main(void)
{
    hash_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(index_keeps_several_things_under_one_key),
        cmocka_unit_test(an_empty_index_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
