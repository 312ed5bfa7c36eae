#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"

static const struct scim_limits limits = {.value_bytes = 1024, .values_per_attribute = 100};

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

static enum scim_purpose purpose_of(const json_t *one)
{
    struct str word = json_get_str(one, "purpose");
    return str_eq(word, STR("create"))    ? SCIM_FOR_CREATE
           : str_eq(word, STR("replace")) ? SCIM_FOR_REPLACE
                                          : SCIM_FOR_PATCH;
}

static bool check(const struct scim_catalog *catalog, const json_t *one, struct str dialect,
                  json_t **out, struct error *err)
{
    const char *type = json_string_value(json_object_get(one, "type"));
    const json_t *before = json_object_get(one, "before");
    const struct scim_context in = {.type = fixture_type(catalog, type),
                                    .dialect = scim_dialect_find(dialect),
                                    .limits = limits};
    const struct scim_proposal asked = {.purpose = purpose_of(one),
                                        .before = json_is_null(before) ? NULL : before,
                                        .resource = json_object_get(one, "resource")};
    assert_non_null(in.dialect);
    return scim_resource_check(&in, &asked, out, err);
}

/* Texts, not trees: the order of the members is part of the canonical form. */
static int is_otherwise(const json_t *one, const json_t *out, const struct error *err)
{
    const json_t *want = json_object_get(one, "out");
    OWNED_TEXT char *expected =
        want ? json_dumps(want, 0) : strdup(json_string_value(json_object_get(one, "error")));
    OWNED_TEXT char *got = out ? json_dumps(out, 0) : strdup(error_kind_name(err->kind));
    const char *names = json_string_value(json_object_get(one, "names"));
    if (strcmp(expected, got) == 0 && (!names || strstr(err->detail, names)))
        return 0;
    print_error("%s:\n got  %s (%s)\n want %s\n", json_string_value(json_object_get(one, "quote")),
                got, err->detail, expected);
    return 1;
}

static void run_table(const struct scim_catalog *catalog, const char *path)
{
    OWNED_JSON json_t *cases = fixture_json(path);
    int failures = 0;
    size_t i, j;
    const json_t *one, *dialect;
    json_array_foreach(cases, i, one)
    {
        json_array_foreach(json_object_get(one, "dialects"), j, dialect)
        {
            OWNED_JSON json_t *out = NULL;
            struct error err = ERROR_INIT;
            if (!check(catalog, one, json_str(dialect), &out, &err))
                assert_null(out);
            failures += is_otherwise(one, out, &err);
        }
    }
    assert_int_equal(failures, 0);
}

static void a_resource_takes_its_canonical_form(void **state)
{
    run_table(*state, "tests/data/scim/resource_valid.json");
}

static void a_wrong_resource_is_refused_by_the_name_of_the_attribute(void **state)
{
    run_table(*state, "tests/data/scim/resource_invalid.json");
}

static void an_extension_is_checked_by_its_own_schema(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_extended_catalog();
    run_table(c, "tests/data/scim/resource_extension.json");
    scim_catalog_free(c);
}

/* `color` of a badge whose number, which is required, was taken out of the directory. */
static void what_the_directory_lost_does_not_stand_in_the_way(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *schema =
        json_pack("{s:s,s:s,s:[{s:s,s:b},{s:s}]}", "id", "urn:example:Badge", "name", "Badge",
                  "attributes", "name", "number", "required", 1, "name", "color");
    fixture_expect(scim_catalog_add_extension(c, STR("User"), schema, &err), &err);
    OWNED_JSON json_t *before =
        json_pack("{s:s,s:{s:s}}", "userName", "ann", "urn:example:Badge", "color", "red");
    OWNED_JSON json_t *blank = json_pack("{s:s}", "userName", "ann");
    struct scim_context in = fixture_context(NULL, c, "User");
    struct scim_proposal asked = {.purpose = SCIM_FOR_PATCH, .before = before, .resource = before};
    json_t *out = NULL;
    fixture_expect(scim_resource_check(&in, &asked, &out, &err), &err);
    json_decref(out);
    asked.before = blank;
    assert_false(scim_resource_check(&in, &asked, &out, &err));
    assert_string_equal(err.detail, "number is required");
    scim_catalog_free(c);
}

/* New, or NULL. */
static json_t *create(const struct scim_catalog *c, const char *type, const json_t *resource,
                      struct error *err)
{
    struct scim_context in = fixture_context(NULL, c, type);
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = resource};
    json_t *out = NULL;
    in.limits = limits;
    return scim_resource_check(&in, &asked, &out, err) ? out : NULL;
}

static enum error_kind kind_of_create(const struct scim_catalog *c, const char *type,
                                      const json_t *resource)
{
    struct error err = ERROR_INIT;
    json_decref(create(c, type, resource, &err));
    return err.kind;
}

static void a_value_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    char text[1026];
    memset(text, 'a', sizeof(text));
    OWNED_JSON json_t *fits = json_pack("{s:s%}", "userName", text, limits.value_bytes);
    OWNED_JSON json_t *longer = json_pack("{s:s%}", "userName", text, limits.value_bytes + 1);
    assert_int_equal(kind_of_create(*state, "User", fits), ERR_NONE);
    assert_int_equal(kind_of_create(*state, "User", longer), ERR_INVALID_VALUE);
}

static json_t *many(const char *name, size_t n)
{
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++)
        json_push(items, json_pack("{s:o}", "value", json_sprintf("v%zu", i)));
    return json_pack("{s:s,s:s,s:o}", "userName", "ann", "displayName", "d", name, items);
}

static void values_have_a_limit_and_members_have_none(void **state)
{
    OWNED_JSON json_t *fits = many("emails", limits.values_per_attribute);
    OWNED_JSON json_t *more = many("emails", limits.values_per_attribute + 1);
    OWNED_JSON json_t *members = many("members", 20000);
    assert_int_equal(kind_of_create(*state, "User", fits), ERR_NONE);
    assert_int_equal(kind_of_create(*state, "User", more), ERR_INVALID_VALUE);
    assert_int_equal(kind_of_create(*state, "Group", members), ERR_NONE);
}

/* The resource types we ship have no writable dateTime, integer or binary of their own. */
static void dates_and_numbers_take_their_canonical_form(void **state)
{
    (void)state;
    OWNED_JSON json_t *schema =
        json_pack("{s:s,s:s,s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "id", "urn:x:Thing", "name",
                  "Thing", "attributes", "name", "at", "type", "dateTime", "name", "count", "type",
                  "integer", "name", "share", "type", "decimal");
    OWNED_JSON json_t *kind =
        json_pack("{s:s,s:s,s:s}", "name", "Thing", "endpoint", "/Things", "schema", "urn:x:Thing");
    struct scim_catalog *c = scim_catalog_new();
    struct error err = ERROR_INIT;
    fixture_expect(scim_catalog_add_schema(c, schema, &err), &err);
    fixture_expect(scim_catalog_add_type(c, kind, &err), &err);
    OWNED_JSON json_t *good =
        json_pack("{s:s,s:i,s:f}", "at", "2026-01-05T10:00:00.500+02:00", "count", 7, "share", 0.5);
    OWNED_JSON json_t *out = create(c, "Thing", good, &err);
    fixture_expect(out != NULL, &err);
    assert_string_equal(json_string_value(json_object_get(out, "at")), "2026-01-05T08:00:00.5Z");
    OWNED_JSON json_t *fraction = json_pack("{s:f}", "count", 1.0);
    OWNED_JSON json_t *no_zone = json_pack("{s:s}", "at", "2026-01-05T10:00:00");
    assert_int_equal(kind_of_create(c, "Thing", fraction), ERR_INVALID_VALUE);
    assert_int_equal(kind_of_create(c, "Thing", no_zone), ERR_INVALID_VALUE);
    scim_catalog_free(c);
}

static void schemas_stand_first_and_name_what_has_content(void **state)
{
    OWNED_JSON json_t *user =
        json_pack("{s:s,s:{s:s},s:{}}", "userName", "ann", SCIM_URN_ENTERPRISE, "department",
                  "Hull", SCIM_URN_KIOPS_USER);
    scim_resource_schemas(fixture_type(*state, "User"), user);
    OWNED_JSON json_t *expected = json_pack("[s,s]", SCIM_URN_USER, SCIM_URN_ENTERPRISE);
    assert_true(json_equal(json_object_get(user, "schemas"), expected));
    assert_string_equal(json_object_iter_key(json_object_iter(user)), "schemas");
    json_object_del(user, SCIM_URN_ENTERPRISE);
    scim_resource_schemas(fixture_type(*state, "User"), user);
    assert_int_equal(json_array_size(json_object_get(user, "schemas")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resource_takes_its_canonical_form),
        cmocka_unit_test(a_wrong_resource_is_refused_by_the_name_of_the_attribute),
        cmocka_unit_test(an_extension_is_checked_by_its_own_schema),
        cmocka_unit_test(what_the_directory_lost_does_not_stand_in_the_way),
        cmocka_unit_test(a_value_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(values_have_a_limit_and_members_have_none),
        cmocka_unit_test(dates_and_numbers_take_their_canonical_form),
        cmocka_unit_test(schemas_stand_first_and_name_what_has_content),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
