/*
 * Any JSON as a PATCH of a resource that has everything: applied, or refused with the kind of a
 * client's fault; what was there before is never changed, and the result is canonical with at most
 * one primary in a list. First byte: profile and resource type.
 */
#include <stdint.h>

#include "../unit/scim_fixture.h"
#include "base/hash.h"

static const char *const type_names[] = {"User", "Group", "Membership"};
static const struct scim_limits limits = {
    .filter = {.chars = 1024, .nodes = 50, .depth = 16},
    .operations = 100,
    .values = 1000,
    .value_bytes = 4096,
    .values_per_attribute = 100,
};

#define ANN                                                                                        \
    "{\"userName\":\"ann\",\"active\":true,\"name\":{\"givenName\":\"Ann\"},\"emails\":[{"         \
    "\"value\":"                                                                                   \
    "\"a@x\",\"type\":\"work\",\"primary\":true},{\"value\":\"h@x\",\"type\":\"home\"}],"          \
    "\"roles\":"                                                                                   \
    "[{\"value\":\"r\"}],\"addresses\":[{\"locality\":\"Kiel\",\"type\":\"work\"}],"               \
    "\"" SCIM_URN_ENTERPRISE "\":{\"department\":\"Hull\",\"manager\":{\"value\":\"m\"}}}"
#define HULL                                                                                       \
    "{\"displayName\":\"Hull\",\"" SCIM_URN_KIOPS_ORGANIZATION                                     \
    "\":{\"description\":\"d\",\"joinPolicy\":\"open\"}}"
#define ANN_IN_HULL                                                                                \
    "{\"organization\":{\"value\":\"o\"},\"user\":{\"value\":\"u\"},\"role\":\"Member\","          \
    "\"permissions\":[\"infra\",\"vpn\"],\"status\":\"active\"}"

static const char *const before_texts[] = {ANN, HULL, ANN_IN_HULL};

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

struct setting {
    struct scim_context in;
    const json_t *before;
};

static void demand_one_primary(const json_t *resource, const char *name)
{
    const json_t *items = json_object_get(resource, name);
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(items); i++)
        found += json_is_true(json_object_get(json_array_get(items, i), "primary"));
    demand(found <= 1, "two primaries");
}

static bool check(const struct setting *s, const json_t *resource, json_t **out, struct error *err)
{
    const struct scim_proposal asked = {SCIM_FOR_PATCH, s->before, resource};
    return scim_resource_check(&s->in, &asked, out, err);
}

static bool finish(const struct setting *s, const struct scim_patch *patch, struct error *err)
{
    OWNED_JSON json_t *untouched = json_copy_deep(s->before);
    OWNED_JSON json_t *after = NULL;
    OWNED_JSON json_t *checked = NULL;
    OWNED_JSON json_t *again = NULL;
    bool applied = scim_patch_apply(&s->in, patch, s->before, &after, err);
    demand(json_equal(untouched, s->before), "the resource before was changed");
    if (!applied || !check(s, after, &checked, err))
        return false;
    demand_one_primary(checked, "emails");
    demand_one_primary(checked, "roles");
    demand(check(s, checked, &again, err) && json_equal(checked, again),
           "checking again changes it");
    return true;
}

static bool run(const struct setting *s, const json_t *body, struct error *err)
{
    const struct scim_patch *patch;
    static const struct scim_attr_name members = {.name = STR_INIT("members")};
    struct scim_deltas deltas;
    if (!scim_patch_parse(&s->in, body, &patch, err))
        return false;
    if (str_eq(s->in.type->name, STR("Group"))) {
        if (!scim_patch_take(s->in.arena, &patch, &members, &deltas, err))
            return false;
        demand(!scim_patch_touches(patch, &members), "members were left");
        for (size_t i = 0; i < deltas.count; i++)
            for (size_t j = 0; j < deltas.at[i].count; j++)
                demand(deltas.at[i].values[j].len > 0, "a member without an id");
    }
    return finish(s, patch, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scim_catalog *catalog;
    static json_t *before[3];
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    if (!catalog) {
        hash_init();
        catalog = fixture_catalog();
        for (size_t i = 0; i < 3; i++)
            before[i] = json_loads(before_texts[i], 0, NULL);
    }
    if (size == 0)
        return 0;
    OWNED_ARENA struct arena *a = arena_new();
    const struct setting s = {{.arena = a,
                               .type = fixture_type(catalog, type_names[data[0] % 3]),
                               .dialect = &dialects[data[0] / 3 % n],
                               .base = STR("https://id.example.org/scim/v2"),
                               .limits = limits},
                              before[data[0] % 3]};
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *body =
        json_load_strict((struct str){(const char *)data + 1, size - 1},
                         (struct json_limits){.bytes = 1 << 18, .depth = 32}, &err);
    if (!body)
        return 0;
    bool done = run(&s, body, &err);
    demand(done == (err.kind == ERR_NONE), "the error does not fit the result");
    demand(done || ((scim_status(err.kind) == 400 || err.kind == ERR_TOO_LARGE) && err.detail[0]),
           "the error is of another kind");
    return 0;
}
