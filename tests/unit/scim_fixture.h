/*
 * What the tests of src/scim share: the shipped schemas, loaded as the service loads them, and case
 * tables from tests/data/scim. Tests run at the root of the repository.
 *
 * Errors: a file that cannot be read or loaded ends the test program.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/own.h"
#include "scim/scim.h"

/* New. */
static inline json_t *fixture_json(const char *path)
{
    json_error_t why;
    json_t *value = json_load_file(path, 0, &why);
    if (!value) {
        fprintf(stderr, "%s:%d: %s\n", path, why.line, why.text);
        abort();
    }
    return value;
}

static inline void fixture_expect(bool done, const struct error *err)
{
    if (!done) {
        fprintf(stderr, "%s\n", err->detail);
        abort();
    }
}

/* The three resource types with all their extensions; the caller frees it. */
static inline struct scim_catalog *fixture_catalog(void)
{
    static const char *const schemas[] = {
        "User",       "EnterpriseUser",        "Group",        "KiopsUser", "KiopsOrganization",
        "Membership", "ServiceProviderConfig", "ResourceType", "Schema"};
    static const char *const types[] = {"User", "Group", "Membership"};
    struct scim_catalog *c = scim_catalog_new();
    struct error err = ERROR_INIT;
    char path[128];
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
        snprintf(path, sizeof(path), "scim-schema/schemas/%s.json", schemas[i]);
        OWNED_JSON json_t *schema = fixture_json(path);
        fixture_expect(scim_catalog_add_schema(c, schema, &err), &err);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(path, sizeof(path), "scim-schema/resource-types/%s.json", types[i]);
        OWNED_JSON json_t *type = fixture_json(path);
        fixture_expect(scim_catalog_add_type(c, type, &err), &err);
    }
    return c;
}

#define URN_EVERY_KIND "urn:example:params:scim:schemas:extension:1.0:EveryKind"

/* The same with users extended by every type and characteristic. */
static inline struct scim_catalog *fixture_extended_catalog(void)
{
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *schema = fixture_json("tests/data/schemas/every_kind.json");
    fixture_expect(scim_catalog_add_extension(c, STR("User"), schema, &err), &err);
    return c;
}

static inline const struct scim_resource_type *fixture_type(const struct scim_catalog *c,
                                                            const char *name)
{
    const struct scim_resource_type *type = scim_catalog_type(c, str_of(name));
    if (!type) {
        fprintf(stderr, "no resource type %s\n", name);
        abort();
    }
    return type;
}

/* Does a case that names `dialects` hold in this one? Profiles that are not named there do what the
 * default profile does. */
static inline bool fixture_holds_in(const json_t *one, const struct scim_dialect *d)
{
    static const struct str like_default[] = {STR_INIT("onelogin"),  STR_INIT("jumpcloud"),
                                              STR_INIT("ping"),      STR_INIT("sailpoint"),
                                              STR_INIT("authentik"), STR_INIT("keycloak")};
    struct str name = d->name;
    for (size_t i = 0; i < sizeof(like_default) / sizeof(like_default[0]); i++)
        if (str_eq(name, like_default[i]))
            name = STR("default");
    const json_t *dialects = json_object_get(one, "dialects");
    for (size_t i = 0; i < json_array_size(dialects); i++)
        if (str_eq(json_str(json_array_get(dialects, i)), name))
            return true;
    return false;
}

/* The default profile; ceilings as configured by default. */
static inline struct scim_context fixture_context(struct arena *a, const struct scim_catalog *c,
                                                  const char *type)
{
    return (struct scim_context){
        .arena = a,
        .type = fixture_type(c, type),
        .dialect = scim_dialect_find(STR("default")),
        .base = STR("https://id.example.org/scim/v2"),
        .limits = {.filter = {.chars = 8192, .nodes = 200, .depth = 32},
                   .operations = 5000,
                   .values = 100000,
                   .value_bytes = 65536,
                   .values_per_attribute = 1000},
    };
}

/* New: what is shown of a resource, read back strictly. */
static inline json_t *fixture_projected(const struct scim_projection *p,
                                        const struct scim_resource_type *type,
                                        const json_t *resource)
{
    OWNED_BUF struct buf text, shown;
    struct error err = ERROR_INIT;
    buf_init(&text, 1 << 24);
    json_write(resource, &text);
    buf_init(&shown, text.len); /* no longer than the resource */
    scim_project(p, type, buf_view(&text), &shown);
    json_t *answer = json_load_strict(buf_view(&shown), (struct json_limits){.depth = 64}, &err);
    fixture_expect(answer && !shown.failed, &err);
    return answer;
}
