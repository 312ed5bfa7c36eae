#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"

#define BASE "https://id.example.org/scim/v2"

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

static void assert_no_null(const json_t *value)
{
    assert_false(json_is_null(value));
    for (size_t i = 0; i < json_array_size(value); i++)
        assert_no_null(json_array_get(value, i));
    const char *name;
    json_t *member;
    OWNED_JSON json_t *object = json_is_object(value) ? json_copy_deep(value) : json_object();
    json_object_foreach(object, name, member)
    {
        assert_no_null(member);
    }
}

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
    return json_string_value(json_object_get(json_object_get(object, outer), inner));
}

static bool is_supported(const json_t *config, const char *feature)
{
    const json_t *flag = json_object_get(json_object_get(config, feature), "supported");
    assert_true(json_is_boolean(flag));
    return json_is_true(flag);
}

static json_int_t figure(const json_t *config, const char *feature, const char *name)
{
    const json_t *value = json_object_get(json_object_get(config, feature), name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* scim-conformance 34, 35; idp-profiles 2, Okta SPEC test 1: every sub-attribute, also when off. */
static void the_service_says_what_it_can_and_no_more(void **state)
{
    (void)state;
    OWNED_JSON json_t *file = fixture_json("scim-schema/ServiceProviderConfig.json");
    OWNED_JSON json_t *untouched = json_copy_deep(file);
    const struct scim_features features = {.patch = true,
                                           .filter = true,
                                           .sort = true,
                                           .etag = true,
                                           .filter_results = 500,
                                           .default_page = 50,
                                           .max_page = 500,
                                           .bulk_operations = 1000,
                                           .oauth_bearer = true};
    OWNED_JSON json_t *config = scim_discovery_config(file, &features, STR(BASE));
    assert_true(json_equal(file, untouched));
    assert_no_null(config);
    assert_true(is_supported(config, "patch") && is_supported(config, "filter"));
    assert_true(is_supported(config, "sort") && is_supported(config, "etag"));
    assert_false(is_supported(config, "bulk") || is_supported(config, "changePassword"));
    assert_int_equal(figure(config, "bulk", "maxOperations"), 0);
    assert_int_equal(figure(config, "bulk", "maxPayloadSize"), 0);
    assert_int_equal(figure(config, "filter", "maxResults"), 500);
    assert_int_equal(figure(config, "pagination", "defaultPageSize"), 50);
    assert_int_equal(figure(config, "pagination", "maxPageSize"), 500);
    assert_string_equal(text_at(config, "pagination", "defaultPaginationMethod"), "index");
    assert_string_equal(text_at(config, "meta", "location"), BASE "/ServiceProviderConfig");
    assert_string_equal(text_at(config, "meta", "resourceType"), "ServiceProviderConfig");
    const json_t *schemes = json_object_get(config, "authenticationSchemes");
    assert_int_equal(json_array_size(schemes), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(schemes, 0), "type")),
                        "oauthbearertoken");
}

static void bulk_and_cursors_show_their_figures_when_they_exist(void **state)
{
    (void)state;
    OWNED_JSON json_t *file = fixture_json("scim-schema/ServiceProviderConfig.json");
    const struct scim_features features = {.bulk = true,
                                           .bulk_operations = 1000,
                                           .bulk_bytes = 4194304,
                                           .cursor = true,
                                           .cursor_timeout_s = 3600,
                                           .http_basic = true,
                                           .oauth_bearer = true};
    OWNED_JSON json_t *config = scim_discovery_config(file, &features, STR(BASE));
    assert_int_equal(figure(config, "bulk", "maxOperations"), 1000);
    assert_int_equal(figure(config, "bulk", "maxPayloadSize"), 4194304);
    assert_int_equal(figure(config, "pagination", "cursorTimeout"), 3600);
    assert_int_equal(json_array_size(json_object_get(config, "authenticationSchemes")), 2);
}

/* scim-conformance 37, 221. */
static void every_resource_type_names_schemas_that_exist(void **state)
{
    const struct scim_resource_type *const *types;
    size_t n = scim_catalog_types(*state, &types);
    assert_true(n >= 3);
    for (size_t i = 0; i < n; i++) {
        OWNED_JSON json_t *type = scim_discovery_type(types[i], STR(BASE));
        assert_no_null(type);
        assert_non_null(scim_catalog_schema(*state, json_get_str(type, "schema")));
        const json_t *extensions = json_object_get(type, "schemaExtensions");
        assert_true(json_is_array(extensions));
        for (size_t j = 0; j < json_array_size(extensions); j++) {
            const json_t *extension = json_array_get(extensions, j);
            assert_non_null(scim_catalog_schema(*state, json_get_str(extension, "schema")));
            assert_true(json_is_boolean(json_object_get(extension, "required")));
        }
    }
    OWNED_JSON json_t *user = scim_discovery_type(fixture_type(*state, "User"), STR(BASE));
    assert_string_equal(json_string_value(json_object_get(user, "endpoint")), "/Users");
    assert_string_equal(text_at(user, "meta", "location"), BASE "/ResourceTypes/User");
    assert_string_equal(text_at(user, "meta", "resourceType"), "ResourceType");
}

static void assert_described(const json_t *definitions)
{
    static const char *const texts[] = {"name",     "type",       "description", "mutability",
                                        "returned", "uniqueness", NULL};
    static const char *const flags[] = {"multiValued", "required", "caseExact", NULL};
    assert_true(json_array_size(definitions) > 0);
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        const json_t *one = json_array_get(definitions, i);
        for (size_t t = 0; texts[t]; t++)
            assert_true(json_get_str(one, texts[t]).len > 0);
        for (size_t f = 0; flags[f]; f++)
            assert_true(json_is_boolean(json_object_get(one, flags[f])));
        const json_t *subs = json_object_get(one, "subAttributes");
        if (str_eq(json_get_str(one, "type"), STR("complex")))
            assert_described(subs);
        else
            assert_null(subs);
        bool reference = str_eq(json_get_str(one, "type"), STR("reference"));
        assert_int_equal(json_object_get(one, "referenceTypes") != NULL, reference);
    }
}

/* scim-conformance 41: all characteristics, no null; idp-profiles 4: `schemas` in every one. */
static void every_schema_lists_all_characteristics(void **state)
{
    const struct scim_schema *const *schemas;
    size_t n = scim_catalog_schemas(*state, &schemas);
    assert_true(n >= 9);
    for (size_t i = 0; i < n; i++) {
        OWNED_JSON json_t *schema = scim_discovery_schema(schemas[i], STR(BASE));
        assert_no_null(schema);
        assert_described(json_object_get(schema, "attributes"));
        assert_string_equal(
            json_string_value(json_array_get(json_object_get(schema, "schemas"), 0)),
            "urn:ietf:params:scim:schemas:core:2.0:Schema");
        assert_string_equal(text_at(schema, "meta", "resourceType"), "Schema");
        const char *location = text_at(schema, "meta", "location");
        assert_int_equal(strncmp(location, BASE "/Schemas/urn:", strlen(BASE "/Schemas/urn:")), 0);
    }
}

/* scim-conformance 43, U27: what is published is what requests are checked against. A schema that
 * is loaded from what we published has the same table. */
static void a_published_schema_loads_into_the_same_table(void **state)
{
    const struct scim_schema *user = fixture_type(*state, "User")->core;
    OWNED_JSON json_t *published = scim_discovery_schema(user, STR(BASE));
    struct scim_catalog *again = scim_catalog_new();
    struct error err = ERROR_INIT;
    fixture_expect(scim_catalog_add_schema(again, published, &err), &err);
    const struct scim_schema *copy = scim_catalog_schema(again, user->id);
    assert_int_equal(copy->attr_count, user->attr_count);
    for (size_t i = 0; i < copy->attr_count; i++) {
        const struct scim_attr *x = &copy->attrs[i], *y = &user->attrs[i];
        assert_true(str_eq(x->name, y->name));
        assert_true(x->type == y->type && x->multi == y->multi && x->required == y->required);
        assert_true(x->case_exact == y->case_exact && x->mutability == y->mutability);
        assert_true(x->returned == y->returned && x->uniqueness == y->uniqueness);
        assert_int_equal(x->sub_count, y->sub_count);
        assert_int_equal(x->canonical_count, y->canonical_count);
    }
    scim_catalog_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_says_what_it_can_and_no_more),
        cmocka_unit_test(bulk_and_cursors_show_their_figures_when_they_exist),
        cmocka_unit_test(every_resource_type_names_schemas_that_exist),
        cmocka_unit_test(every_schema_lists_all_characteristics),
        cmocka_unit_test(a_published_schema_loads_into_the_same_table),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
