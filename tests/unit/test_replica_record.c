/* Records: what a user costs, and what is not kept at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "replica/internal.h"
#include "replica_fixture.h"

#define LARGE (64 * 1024)

/* New; of `kim` with that extension or attribute under `name`, which is taken. */
static struct record *record_with(struct world *w, const char *name, json_t *value)
{
    struct directory_user u = user_of(w, "kim", "1");
    json_put(u.resource, name, value);
    struct record *rec = record_of_user(w->replica, &u);
    assert_non_null(rec);
    return rec;
}

static void a_large_value_costs_its_size_and_no_more(void **state)
{
    (void)state;
    struct world w = world_new();
    char *large = arena_alloc(w.arena, LARGE + 1);
    memset(large, 'A', LARGE);
    struct record *rec =
        record_with(&w, "x509Certificates", json_pack("[{s:s%}]", "value", large, (size_t)LARGE));
    assert_in_range(rec->size, LARGE, LARGE + 1024);
    free(rec);
    world_free(&w);
}

static void what_is_never_returned_is_not_held(void **state)
{
    (void)state;
    hash_init();
    struct world w = {.catalog = fixture_extended_catalog(), .arena = arena_new()};
    w.replica = world_replica(&w);
    struct record *rec =
        record_with(&w, URN_EVERY_KIND,
                    json_pack("{s:s,s:s,s:s,s:{s:s,s:s}}", "text", "shown", "hidden", "SECRET",
                              "secret", "SECRET", "box", "inner", "shown", "hidden", "SECRET"));
    assert_null(memmem(rec->text, rec->size - sizeof *rec, "SECRET", 6));
    assert_non_null(memmem(rec->text, rec->size - sizeof *rec, "\"inner\":\"shown\"", 15));
    assert_int_equal(rec->extensions, 4);
    free(rec);
    /* An extension with nothing to show is not named in `schemas`. */
    rec = record_with(&w, URN_EVERY_KIND, json_pack("{s:s}", "secret", "SECRET"));
    assert_int_equal(rec->extensions, 0);
    free(rec);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_value_costs_its_size_and_no_more),
        cmocka_unit_test(what_is_never_returned_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
