#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scim/internal.h"
#include "scim_fixture.h"

static int load(void **state)
{
    *state = fixture_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

static const struct scim_attr *attr_of(const struct scim_catalog *c, const char *type,
                                       const char *name)
{
    const struct scim_attr *attr = scim_type_attr(fixture_type(c, type), str_of(name), NULL);
    if (!attr)
        fail_msg("%s has no %s", type, name);
    return attr;
}

static void shipped_schemas_carry_the_characteristics_of_the_rfc(void **state)
{
    const struct {
        const char *type, *name, *sub;
        enum scim_type kind;
        bool multi, required, case_exact;
        enum scim_mutability mutability;
        enum scim_returned returned;
        enum scim_uniqueness uniqueness;
    } cases[] = {
        {"User", "userName", NULL, SCIM_STRING, 0, 1, 0, 0, SCIM_DEFAULT, SCIM_SERVER_UNIQUE},
        {"User", "password", NULL, SCIM_STRING, 0, 0, 1, SCIM_WRITE_ONLY, SCIM_NEVER, 0},
        {"User", "active", NULL, SCIM_BOOLEAN, 0, 0, 0, 0, 0, 0},
        {"User", "profileUrl", NULL, SCIM_REFERENCE, 0, 0, 1, 0, 0, 0},
        {"User", "emails", NULL, SCIM_COMPLEX, 1, 0, 0, 0, 0, 0},
        {"User", "emails", "primary", SCIM_BOOLEAN, 0, 0, 0, 0, 0, 0},
        {"User", "x509Certificates", "value", SCIM_BINARY, 0, 0, 1, 0, 0, 0},
        {"User", "groups", NULL, SCIM_COMPLEX, 1, 0, 0, SCIM_READ_ONLY, 0, 0},
        {"User", "groups", "$ref", SCIM_REFERENCE, 0, 0, 1, SCIM_READ_ONLY, 0, 0},
        {"User", "manager", "displayName", SCIM_STRING, 0, 0, 0, SCIM_READ_ONLY, 0, 0},
        {"User", "memberships", "permissions", SCIM_STRING, 1, 0, 1, SCIM_READ_ONLY, 0, 0},
        {"User", "id", NULL, SCIM_STRING, 0, 0, 1, SCIM_READ_ONLY, SCIM_ALWAYS, SCIM_GLOBAL_UNIQUE},
        {"User", "externalId", NULL, SCIM_STRING, 0, 0, 1, 0, 0, 0},
        {"User", "meta", "lastModified", SCIM_DATETIME, 0, 0, 1, SCIM_READ_ONLY, 0, 0},
        {"Group", "displayName", NULL, SCIM_STRING, 0, 1, 0, 0, 0, SCIM_SERVER_UNIQUE},
        {"Group", "members", "value", SCIM_STRING, 0, 0, 1, SCIM_IMMUTABLE, 0, 0},
        {"Group", "memberCount", NULL, SCIM_INTEGER, 0, 0, 0, SCIM_READ_ONLY, 0, 0},
        {"Membership", "user", "value", SCIM_STRING, 0, 1, 1, SCIM_IMMUTABLE, 0, 0},
        {"Membership", "joinDate", NULL, SCIM_DATETIME, 0, 0, 0, SCIM_READ_ONLY, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct scim_attr *attr = attr_of(*state, cases[i].type, cases[i].name);
        if (cases[i].sub) {
            const struct scim_attr *parent = attr;
            attr = scim_attr_sub(parent, str_of(cases[i].sub));
            assert_non_null(attr);
            assert_ptr_equal(attr->parent, parent);
        }
        print_message("%s %s %s\n", cases[i].type, cases[i].name, cases[i].sub ? cases[i].sub : "");
        assert_int_equal(attr->type, cases[i].kind);
        assert_int_equal(attr->multi, cases[i].multi);
        assert_int_equal(attr->required, cases[i].required);
        assert_int_equal(attr->case_exact, cases[i].case_exact);
        assert_int_equal(attr->mutability, cases[i].mutability);
        assert_int_equal(attr->returned, cases[i].returned);
        assert_int_equal(attr->uniqueness, cases[i].uniqueness);
    }
}

static void core_user_has_every_attribute_of_rfc_7643(void **state)
{
    static const char *const names[] = {
        "userName",     "name",   "displayName",       "nickName", "profileUrl", "title",
        "userType",     "locale", "preferredLanguage", "timezone", "active",     "password",
        "emails",       "ims",    "phoneNumbers",      "photos",   "addresses",  "groups",
        "entitlements", "roles",  "x509Certificates",
    };
    const struct scim_schema *user = scim_catalog_schema(*state, STR(SCIM_URN_USER));
    assert_int_equal(user->attr_count, sizeof(names) / sizeof(names[0]));
    for (size_t i = 0; i < user->attr_count; i++)
        assert_non_null(scim_attr_find(user->attrs, user->attr_count, str_of(names[i])));
}

static void every_definition_that_discovery_shows_is_complete(void **state)
{
    static const char *const keys[] = {"name",        "type",     "multiValued",
                                       "description", "required", "caseExact",
                                       "mutability",  "returned", "uniqueness"};
    const struct scim_schema *const *schemas;
    size_t n = scim_catalog_schemas(*state, &schemas);
    assert_int_equal(n, 9);
    for (size_t i = 0; i < n; i++) {
        size_t at;
        const json_t *definition;
        json_array_foreach(json_object_get(schemas[i]->source, "attributes"), at, definition)
        {
            for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
                assert_non_null(json_object_get(definition, keys[k]));
        }
    }
}

static void names_and_urns_are_found_without_letter_case(void **state)
{
    const struct scim_resource_type *user = fixture_type(*state, "User");
    assert_non_null(scim_catalog_schema(*state, STR("URN:IETF:params:scim:schemas:CORE:2.0:user")));
    assert_null(scim_catalog_schema(*state, STR("urn:ietf:params:scim:schemas:core:2.0")));
    const struct scim_schema *extension;
    assert_non_null(scim_type_attr(user, STR("USERNAME"), &extension));
    assert_null(extension);
    assert_non_null(scim_type_attr(user, STR("Department"), &extension));
    assert_true(str_eq(extension->id, STR(SCIM_URN_ENTERPRISE)));
    assert_null(scim_type_attr(user, STR("objectClass"), &extension));
    assert_null(extension);
    assert_non_null(
        scim_type_extension(user, STR("urn:KIOPS:params:scim:schemas:extension:2.0:User")));
}

static void a_urn_is_cut_at_the_longest_known_one(void **state)
{
    const struct scim_resource_type *user = fixture_type(*state, "User");
    struct str rest;
    const struct scim_schema *schema =
        scim_type_urn(user, STR(SCIM_URN_ENTERPRISE ":manager.value"), &rest);
    assert_true(str_eq(schema->id, STR(SCIM_URN_ENTERPRISE)));
    assert_true(str_eq(rest, STR("manager.value")));
    assert_non_null(scim_type_urn(user, STR(SCIM_URN_USER), &rest));
    assert_int_equal(rest.len, 0);
    assert_null(scim_type_urn(user, STR(SCIM_URN_USER "s:x"), &rest));
    assert_null(scim_type_urn(user, STR("userName"), &rest));
}

static void a_definition_gets_the_defaults_of_the_rfc(void **state)
{
    (void)state;
    struct scim_catalog *c = scim_catalog_new();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *schema = json_pack("{s:s,s:s,s:[{s:s}]}", "id", "urn:example:Badge", "name",
                                          "Badge", "attributes", "name", "number");
    assert_true(scim_catalog_add_schema(c, schema, &err));
    const struct scim_schema *badge = scim_catalog_schema(c, STR("urn:example:Badge"));
    assert_int_equal(badge->attrs[0].type, SCIM_STRING);
    assert_int_equal(badge->attrs[0].mutability, SCIM_READ_WRITE);
    const json_t *shown = json_array_get(json_object_get(badge->source, "attributes"), 0);
    assert_true(str_eq(json_get_str(shown, "uniqueness"), STR("none")));
    assert_null(json_object_get(json_array_get(json_object_get(schema, "attributes"), 0), "type"));
    scim_catalog_free(c);
}

static void a_wrong_schema_is_refused_by_name(void **state)
{
    (void)state;
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/schema_invalid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        struct scim_catalog *c = scim_catalog_new();
        struct error err = ERROR_INIT;
        OWNED_JSON json_t *schema =
            json_pack("{s:s,s:s,s:O}", "id", "urn:example:Badge", "name", "Badge", "attributes",
                      json_object_get(one, "attributes"));
        assert_false(scim_catalog_add_schema(c, schema, &err));
        assert_int_equal(err.kind, ERR_CONFIG);
        const char *expect = json_string_value(json_object_get(one, "error"));
        if (!strstr(err.detail, expect))
            fail_msg("expected %s, got %s", expect, err.detail);
        assert_null(scim_catalog_schema(c, STR("urn:example:Badge")));
        scim_catalog_free(c);
    }
}

static void a_resource_type_needs_known_schemas(void **state)
{
    const struct {
        const char *name, *endpoint, *schema, *extension, *expect;
    } cases[] = {
        {"", "/Things", SCIM_URN_USER, SCIM_URN_ENTERPRISE, "name"},
        {"Thing", "Things", SCIM_URN_USER, SCIM_URN_ENTERPRISE, "endpoint"},
        {"Thing", "/Things", "urn:example:none", SCIM_URN_ENTERPRISE, "no such schema"},
        {"Thing", "/Things", SCIM_URN_USER, "urn:example:none", "no such schema"},
        {"User", "/Things", SCIM_URN_USER, SCIM_URN_ENTERPRISE, "twice"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        OWNED_JSON json_t *type =
            json_pack("{s:s,s:s,s:s,s:[{s:s,s:b}]}", "name", cases[i].name, "endpoint",
                      cases[i].endpoint, "schema", cases[i].schema, "schemaExtensions", "schema",
                      cases[i].extension, "required", 0);
        assert_false(scim_catalog_add_type(*state, type, &err));
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_non_null(strstr(err.detail, cases[i].expect));
    }
    const struct scim_resource_type *const *types;
    assert_int_equal(scim_catalog_types(*state, &types), 3);
}

static void a_schema_or_type_without_its_texts_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *empty = json_object();
    assert_false(scim_catalog_add_schema(*state, empty, &err));
    error_clear(&err);
    assert_false(scim_catalog_add_type(*state, empty, &err));
    error_clear(&err);
    OWNED_JSON json_t *twice = fixture_json("scim-schema/schemas/User.json");
    assert_false(scim_catalog_add_schema(*state, twice, &err));
    assert_non_null(strstr(err.detail, "twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_schemas_carry_the_characteristics_of_the_rfc),
        cmocka_unit_test(core_user_has_every_attribute_of_rfc_7643),
        cmocka_unit_test(every_definition_that_discovery_shows_is_complete),
        cmocka_unit_test(names_and_urns_are_found_without_letter_case),
        cmocka_unit_test(a_urn_is_cut_at_the_longest_known_one),
        cmocka_unit_test(a_definition_gets_the_defaults_of_the_rfc),
        cmocka_unit_test(a_wrong_schema_is_refused_by_name),
        cmocka_unit_test(a_resource_type_needs_known_schemas),
        cmocka_unit_test(a_schema_or_type_without_its_texts_is_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
