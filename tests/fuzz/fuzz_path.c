/*
 * Any bytes as a path: taken or refused with one of two kinds, never a crash; a value filter that
 * was taken is asked about items of every shape. First byte: the resource type.
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

static void check_path(const struct scim_path *path, const json_t *items)
{
    demand(path->attr || (path->extension && !path->filter && !path->sub), "no target");
    demand(!path->filter || path->attr->multi, "a value filter on a single value");
    demand(!path->sub || path->sub->parent == path->attr, "a sub-attribute of something else");
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item)
    {
        if (path->filter && scim_match_item(path->filter, item))
            demand(!json_is_null(item) || path->filter->kind != SCIM_COMPARE ||
                       path->filter->op == SCIM_NE || path->filter->literal == SCIM_LIT_NULL,
                   "null satisfies a comparison");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scim_catalog *catalog;
    static json_t *items;
    if (!catalog) {
        catalog = fixture_catalog();
        items = json_loads("[null,1,true,\"vpn\",[],{},{\"value\":\"a@b\",\"type\":\"work\","
                           "\"primary\":true},{\"value\":[\"x\"],\"type\":5}]",
                           0, NULL);
    }
    if (size == 0)
        return 0;
    const struct scim_resource_type *type = fixture_type(catalog, type_names[data[0] % 3]);
    struct str text = {(const char *)data + 1, size - 1};
    OWNED_ARENA struct arena *arena = arena_new();
    struct error err = ERROR_INIT;
    struct scim_path path;
    bool taken = scim_path_parse(arena, type, text, &path, &err);
    demand(taken == (err.kind == ERR_NONE), "the error does not fit the result");
    demand(taken || err.kind == ERR_INVALID_PATH || err.kind == ERR_INVALID_FILTER,
           "the error is of another kind");
    if (taken)
        check_path(&path, items);
    return 0;
}
