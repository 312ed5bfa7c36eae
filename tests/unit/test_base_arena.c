#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    unsigned char *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *at = arena_alloc(a, size);
        assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
        assert_ptr_not_equal(at, last);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xAA, size);
        last = at;
    }
}

static void a_reset_arena_gives_zeroed_memory_again(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (int round = 0; round < 3; round++) {
        unsigned char *at = arena_alloc(a, 100000);
        assert_int_equal(at[0] | at[99999], 0);
        memset(at, 1, 100000);
        unsigned char *small = arena_alloc(a, 100);
        assert_int_equal(small[50], 0);
        memset(small, 1, 100);
        arena_reset(a);
        assert_int_equal(arena_used(a), 0);
    }
}

static void growing_keeps_the_items(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    int *items = NULL;
    size_t cap = 0;
    for (size_t n = 0; n < 1000; n++) {
        items = arena_grow(a, items, sizeof(*items), n, &cap);
        items[n] = (int)n;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
}

static void texts_are_copied_with_a_nul_behind(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct str s = arena_str(a, STR("a\0b"));
    assert_true(str_eq(s, STR("a\0b")) && s.at[3] == '\0');
    assert_string_equal(arena_cstr(a, STR("abc")), "abc");
    assert_string_equal(arena_cstr(a, STR_NONE), "");
    assert_true(str_eq(arena_fmt(a, "%s-%d", "x", 12), STR("x-12")));
}

static char order[8];

static void note(void *thing)
{
    order[strlen(order)] = *(char *)thing;
}

static void kept_things_go_last_in_first_out(void **state)
{
    (void)state;
    memset(order, 0, sizeof(order));
    static char names[] = "123";
    struct arena *a = arena_new();
    arena_keep(a, &names[0], note);
    arena_keep(a, &names[1], note);
    arena_reset(a);
    assert_string_equal(order, "21");
    arena_keep(a, &names[2], note);
    arena_free(a);
    assert_string_equal(order, "213");
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_reset_arena_gives_zeroed_memory_again),
        cmocka_unit_test(growing_keeps_the_items),
        cmocka_unit_test(texts_are_copied_with_a_nul_behind),
        cmocka_unit_test(kept_things_go_last_in_first_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
