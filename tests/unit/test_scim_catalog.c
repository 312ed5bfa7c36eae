/* Extensions of an administrator's own: which are taken, and what follows for the resource type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/internal.h"
#include "scim_fixture.h"

static int load(void **state)
{
    hash_init();
    *state = fixture_extended_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

static void an_extension_belongs_to_its_type_and_to_the_schemas(void **state)
{
    const struct scim_resource_type *user = fixture_type(*state, "User");
    const struct scim_schema *const *schemas;
    const struct scim_schema *extension = scim_type_extension(user, STR(URN_EVERY_KIND));
    assert_non_null(extension);
    assert_ptr_equal(extension, scim_catalog_schema(*state, STR(URN_EVERY_KIND)));
    assert_int_equal(scim_catalog_schemas(*state, &schemas), 10);
    assert_int_equal(user->extension_count, 3);
    assert_false(user->extension_required[2]);
    assert_null(scim_type_extension(fixture_type(*state, "Group"), STR(URN_EVERY_KIND)));
    struct str rest;
    assert_ptr_equal(scim_type_urn(user, STR(URN_EVERY_KIND ":box.inner"), &rest), extension);
    assert_true(str_eq(rest, STR("box.inner")));
    assert_true(user->on_request && user->hides);
    assert_false(fixture_type(*state, "Group")->on_request || fixture_type(*state, "Group")->hides);
}

static void shipped_users_have_nothing_on_request_and_nothing_hidden(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_catalog();
    const struct scim_resource_type *user = fixture_type(c, "User");
    assert_false(user->on_request || user->hides);
    scim_catalog_free(c);
}

static void a_wrong_extension_is_refused_with_the_reason(void **state)
{
    (void)state;
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/extension_invalid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        struct scim_catalog *c = fixture_catalog();
        struct error err = ERROR_INIT;
        const char *expect = json_string_value(json_object_get(one, "error"));
        const struct scim_schema *const *schemas;
        if (scim_catalog_add_extension(c, STR("User"), json_object_get(one, "schema"), &err))
            fail_msg("taken instead of: %s", expect);
        assert_int_equal(err.kind, ERR_CONFIG);
        if (!strstr(err.detail, expect))
            fail_msg("expected %s, got %s", expect, err.detail);
        assert_int_equal(scim_catalog_schemas(c, &schemas), 9);
        assert_int_equal(fixture_type(c, "User")->extension_count, 2);
        scim_catalog_free(c);
    }
}

static bool add_numbered(struct scim_catalog *c, int n, struct error *err)
{
    char id[64];
    snprintf(id, sizeof id, "urn:example:Badge%d", n);
    OWNED_JSON json_t *schema =
        json_pack("{s:s,s:s,s:[{s:s}]}", "id", id, "name", "Badge", "attributes", "name", "number");
    return scim_catalog_add_extension(c, STR("User"), schema, err);
}

static void a_type_has_a_limited_number_of_extensions(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    for (int n = 2; n < SCIM_EXTENSIONS_MAX; n++)
        fixture_expect(add_numbered(c, n, &err), &err);
    assert_int_equal(fixture_type(c, "User")->extension_count, SCIM_EXTENSIONS_MAX);
    assert_false(add_numbered(c, SCIM_EXTENSIONS_MAX, &err));
    assert_non_null(strstr(err.detail, "at most 8 extensions"));
    scim_catalog_free(c);
}

static void what_discovery_shows_is_what_counts(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *schema =
        json_pack("{s:s,s:s,s:[{s:s,s:s,s:b},{s:s,s:s},{s:s,s:s}]}", "id", "urn:example:Badge",
                  "name", "Badge", "attributes", "name", "link", "type", "reference", "caseExact",
                  0, "name", "photo", "type", "binary", "name", "pin", "mutability", "writeOnly");
    fixture_expect(scim_catalog_add_extension(c, STR("User"), schema, &err), &err);
    const struct scim_schema *badge = scim_catalog_schema(c, STR("urn:example:Badge"));
    assert_true(badge->attrs[0].case_exact && badge->attrs[1].case_exact);
    assert_int_equal(badge->attrs[2].returned, SCIM_NEVER);
    OWNED_JSON json_t *shown = scim_discovery_schema(badge, STR("https://id.example.org/scim/v2"));
    const json_t *attributes = json_object_get(shown, "attributes");
    assert_true(json_get_bool(json_array_get(attributes, 0), "caseExact", false));
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(attributes, 2), "returned")), "never");
    scim_catalog_free(c);
}

static void the_shipped_example_is_taken(void **state)
{
    (void)state;
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *badge = fixture_json("scim-schema/examples/badge.json");
    fixture_expect(scim_catalog_add_extension(c, STR("User"), badge, &err), &err);
    scim_catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extension_belongs_to_its_type_and_to_the_schemas),
        cmocka_unit_test(shipped_users_have_nothing_on_request_and_nothing_hidden),
        cmocka_unit_test(a_wrong_extension_is_refused_with_the_reason),
        cmocka_unit_test(a_type_has_a_limited_number_of_extensions),
        cmocka_unit_test(what_discovery_shows_is_what_counts),
        cmocka_unit_test(the_shipped_example_is_taken),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
