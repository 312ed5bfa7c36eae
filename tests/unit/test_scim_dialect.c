#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"

static int load(void **state)
{
    hash_init();
    *state = fixture_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

static int wrong(const json_t *one, const struct scim_dialect *d, const json_t *is)
{
    OWNED_TEXT char *got = json_dumps(is, JSON_ENCODE_ANY);
    print_error("%s (" STR_FMT "):\n got %s\n", json_string_value(json_object_get(one, "quote")),
                STR_ARG(d->name), got);
    return 1;
}

static int run_one(const struct scim_catalog *catalog, const json_t *one,
                   const struct scim_dialect *d)
{
    const char *type = json_string_value(json_object_get(one, "type"));
    const json_t *body = json_object_get(one, "body"), *want = json_object_get(one, "normal");
    OWNED_JSON json_t *before = json_copy_deep(body);
    OWNED_JSON json_t *normal = NULL;
    struct error err = ERROR_INIT;
    OWNED_ARENA struct arena *a = arena_new();
    struct scim_context in = fixture_context(a, catalog, type);
    in.dialect = d;
    bool done = scim_dialect_normalise(&in, body, &normal, &err);
    assert_true(json_equal(before, body));
    if (!done)
        normal = json_string(error_kind_name(err.kind));
    const json_t *expected = want ? want : json_object_get(one, "error");
    return json_equal(normal, expected) ? 0 : wrong(one, d, normal);
}

static void run_table(const struct scim_catalog *catalog, const char *path)
{
    OWNED_JSON json_t *cases = fixture_json(path);
    int failures = 0;
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects), i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        for (size_t j = 0; j < n; j++)
            if (fixture_holds_in(one, &dialects[j]))
                failures += run_one(catalog, one, &dialects[j]);
    }
    assert_int_equal(failures, 0);
}

static void a_body_becomes_what_the_rfc_says(void **state)
{
    run_table(*state, "tests/data/scim/body_valid.json");
}

static void a_wrong_body_is_refused_with_its_kind(void **state)
{
    run_table(*state, "tests/data/scim/body_invalid.json");
}

static void normalising_twice_changes_nothing_more(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/body_valid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        const char *type = json_string_value(json_object_get(one, "type"));
        const json_t *normal = json_object_get(one, "normal");
        OWNED_JSON json_t *again = NULL;
        struct error err = ERROR_INIT;
        const struct scim_context in = fixture_context(NULL, *state, type);
        assert_true(scim_dialect_normalise(&in, normal, &again, &err));
        if (!json_equal(normal, again))
            wrong(one, in.dialect, again);
        assert_true(json_equal(normal, again));
    }
}

static void profiles_are_found_by_their_exact_name(void **state)
{
    (void)state;
    const struct scim_dialect *all;
    size_t n = scim_dialects(&all);
    assert_int_equal(n, 11);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(scim_dialect_find(all[i].name), &all[i]);
    assert_null(scim_dialect_find(STR("Default")));
    assert_null(scim_dialect_find(STR_NONE));
}

/* idp-profiles 1: the flag does not act on on-demand provisioning, so one tenant sends both. */
static void both_entra_profiles_take_the_same_shapes(void **state)
{
    (void)state;
    struct scim_dialect flagged = *scim_dialect_find(STR("entra"));
    struct scim_dialect legacy = *scim_dialect_find(STR("entra-legacy"));
    assert_true(flagged.create_on_replace && legacy.create_on_replace);
    assert_true(flagged.dotted_keys && legacy.dotted_keys);
    assert_true(flagged.string_booleans && legacy.string_booleans);
    assert_true(flagged.unwrap_value && legacy.unwrap_value);
    assert_true(flagged.group_patch_204 && legacy.group_patch_204);
}

/* INTERFACES 4: lenient, except where a silent answer would mislead. */
static void the_default_profile_refuses_what_would_be_lost(void **state)
{
    (void)state;
    const struct scim_dialect *d = scim_dialect_find(STR("default"));
    assert_false(d->ignore_unknown_path || d->last_primary_wins || d->create_on_replace ||
                 d->ignore_readonly_path || d->bare_filter_operand || d->put_clears_members ||
                 d->group_patch_204);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_becomes_what_the_rfc_says),
        cmocka_unit_test(a_wrong_body_is_refused_with_its_kind),
        cmocka_unit_test(normalising_twice_changes_nothing_more),
        cmocka_unit_test(profiles_are_found_by_their_exact_name),
        cmocka_unit_test(both_entra_profiles_take_the_same_shapes),
        cmocka_unit_test(the_default_profile_refuses_what_would_be_lost),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
