/*
 * Any bytes as a filter: taken or refused, never a crash; a tree that was taken is matched, and its
 * negation disagrees about every resource. First byte: bit 0 lenient, bits 1-2 the resource type.
 */
#include <stdint.h>

#include "../unit/scim_fixture.h"

static const char *const type_names[] = {"User", "Group", "Membership"};

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void match_all(const struct scim_filter *f, json_t *resources)
{
    const struct scim_filter negation = {.kind = SCIM_NOT, .left = f};
    const char *name;
    json_t *resource;
    json_object_foreach(resources, name, resource)
    {
        demand(scim_match(f, resource) != scim_match(&negation, resource), "not() agrees");
    }
}

static void ask_for_lookups(const struct scim_filter *f)
{
    struct str pinned = scim_filter_pinned(f, STR("userName"), STR_NONE);
    struct str only;
    if (scim_filter_is_only(f, STR("userName"), STR_NONE, &only))
        demand(str_eq(only, pinned), "the only term is not the pinned one");
    demand(!pinned.at || scim_filter_mentions(f, STR("userName")), "pinned but not mentioned");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scim_catalog *catalog;
    static json_t *resources;
    if (!catalog) {
        catalog = fixture_catalog();
        resources = fixture_json("tests/data/scim/match_resources.json");
    }
    if (size == 0)
        return 0;
    const char *type = type_names[(data[0] >> 1) % 3];
    struct str text = {(const char *)data + 1, size - 1};
    OWNED_ARENA struct arena *arena = arena_new();
    const struct scim_dialect dialect = {.bare_filter_operand = (data[0] & 1) != 0};
    struct scim_context in = fixture_context(arena, catalog, type);
    struct error err = ERROR_INIT;
    const struct scim_filter *f;
    in.dialect = &dialect;
    bool taken = scim_filter_parse(&in, text, &f, &err);
    demand(taken == (err.kind == ERR_NONE), "the error does not fit the result");
    demand(taken || err.kind == ERR_INVALID_FILTER, "the error is of another kind");
    if (!taken)
        return 0;
    match_all(f, json_object_get(resources, type));
    ask_for_lookups(f);
    return 0;
}
