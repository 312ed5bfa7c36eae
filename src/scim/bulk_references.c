/* Where an operation's data refers to what others make. Only there, where the schema has a
 * reference (members, managers, manager), is "bulkId:x" one: a display name that looks alike stays.
 */
#include "scim/bulk.h"

#include <stdio.h>

#include "base/own.h"
#include "scim/shape.h"

#define PREFIX "bulkId:"
#define QUOTED_PREFIX "\"" PREFIX /* inside the filter of a path */
/* A path with its references replaced: each is at most an id longer. */
#define PATH_MAX_BYTES ((size_t)1 << 24)

bool bulk_reference_name(struct str text, struct str *name)
{
    if (!str_istarts(text, STR(PREFIX)))
        return false;
    *name = str_sub(text, sizeof(PREFIX) - 1, text.len);
    return true;
}

const struct error *bulk_reference_unknown(struct arena *a, struct str name)
{
    struct error *fault = ARENA_NEW(a, struct error);
    *fault = ERROR_INIT;
    error_set(fault, ERR_INVALID_VALUE,
              "bulkId:" STR_FMT " is referred to, and no POST of this request has that bulkId",
              STR_ARG(str_sub(name, 0, 64)));
    return fault;
}

/* "bulkId:x", or a $ref that ends with it; `*lead` is what stands before. */
static bool split_reference(struct str text, struct str *lead, struct str *name)
{
    size_t slash = 0;
    bool below = str_rfind(text, '/', &slash);
    size_t from = below ? slash + 1 : 0;
    *lead = str_sub(text, 0, from);
    /* A name may hold slashes; then the prefix stands at the front. */
    if (bulk_reference_name(text, name)) {
        *lead = STR_NONE;
        return true;
    }
    return below && bulk_reference_name(str_sub(text, from, text.len), name);
}

/* ---- one way through the data, for finding and for replacing */

struct place { /* a string: member `name` of an object, or item `index` of an array */
    json_t *holder;
    const char *name;
    size_t index;
};

struct walk {
    void (*meet)(struct walk *w, const struct place *p, struct str text);
    void (*meet_path)(struct walk *w, const struct place *p, struct str text);
    const struct scim_resource_type *type;
    const struct scim_bulk *bulk;
    struct arena *arena;
    /* finding */
    const struct error *fault;
    size_t *targets;
    size_t target_count, cap;
    /* replacing */
    const struct str *ids;
    size_t operation;
    bool met_postponed;
};

static const struct scim_attr *reference_in(const struct scim_attr *attrs, size_t n,
                                            struct str name)
{
    const struct scim_attr *attr = scim_attr_find(attrs, n, name);
    return attr && shape_is_reference(attr) && attr->mutability != SCIM_READ_ONLY ? attr : NULL;
}

static const struct scim_schema *schema_named(const struct scim_resource_type *type, struct str id)
{
    if (str_ieq(type->core->id, id))
        return type->core;
    for (size_t i = 0; i < type->extension_count; i++)
        if (str_ieq(type->extensions[i]->id, id))
            return type->extensions[i];
    return NULL;
}

/* `where`: the schema whose names a member or a PATCH path may use: the core one at the top of a
 * resource, which names the extensions' attributes too; NULL = none. The reference attribute that
 * `text` speaks of there: manager, URN:manager.value, members[value eq "x"]; or NULL. */
static const struct scim_attr *reference_attr(const struct scim_resource_type *type,
                                              const struct scim_schema *where, struct str text)
{
    size_t at;
    struct str name = text;
    const struct scim_schema *only = where == type->core ? NULL : where;
    if (!where)
        return NULL;
    if (str_find(name, '[', &at))
        name = str_sub(name, 0, at);
    if (str_rfind(name, ':', &at)) {
        only = only ? only : schema_named(type, str_sub(name, 0, at));
        name = str_sub(name, at + 1, name.len);
    }
    if (str_find(name, '.', &at))
        name = str_sub(name, 0, at);
    if (only)
        return reference_in(only->attrs, only->attr_count, name);
    const struct scim_attr *found = reference_in(type->core->attrs, type->core->attr_count, name);
    for (size_t i = 0; !found && i < type->extension_count; i++)
        found = reference_in(type->extensions[i]->attrs, type->extensions[i]->attr_count, name);
    return found;
}

static void walk_value(struct walk *w, json_t *value, bool inside, const struct scim_schema *where);

static void walk_object(struct walk *w, json_t *object, bool inside,
                        const struct scim_schema *where)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        struct str key = str_of(name);
        bool refers = inside || reference_attr(w->type, where, key);
        bool is_id = !inside || str_ieq(key, STR("value")) || str_ieq(key, STR("$ref"));
        if (!json_is_string(value))
            walk_value(w, value, refers, where ? schema_named(w->type, key) : NULL);
        else if (refers && is_id)
            w->meet(w, &(struct place){.holder = object, .name = name}, json_str(value));
    }
}

/* As deep as the document, which has its ceiling. */
static void walk_value(struct walk *w, json_t *value, bool inside, const struct scim_schema *where)
{
    size_t index;
    json_t *item;
    if (json_is_object(value))
        walk_object(w, value, inside, where);
    json_array_foreach(value, index, item)
    {
        if (!json_is_string(item))
            walk_value(w, item, inside, where);
        else if (inside)
            w->meet(w, &(struct place){.holder = value, .index = index}, json_str(item));
    }
}

static void walk_patch_operation(struct walk *w, json_t *operation)
{
    const char *path_name, *value_name;
    const json_t *path = json_get_icase(operation, STR("path"), &path_name);
    json_t *value = json_get_icase(operation, STR("value"), &value_name);
    const struct scim_schema *where = w->type->core;
    bool inside = json_is_string(path) && reference_attr(w->type, where, json_str(path));
    if (json_is_string(path))
        where = schema_named(w->type, json_str(path));
    if (inside)
        w->meet_path(w, &(struct place){.holder = operation, .name = path_name}, json_str(path));
    if (!json_is_string(value))
        walk_value(w, value, inside, where);
    else if (inside)
        w->meet(w, &(struct place){.holder = operation, .name = value_name}, json_str(value));
}

static void walk_data(struct walk *w, json_t *data, enum scim_verb verb)
{
    size_t index;
    json_t *operation;
    if (verb != SCIM_PATCH) {
        walk_value(w, data, false, w->type->core);
        return;
    }
    json_array_foreach(json_get_icase(data, STR("Operations"), NULL), index, operation)
    {
        if (json_is_object(operation))
            walk_patch_operation(w, operation);
    }
}

/* Cuts `*rest` behind the next reference of a path's filter; `*lead` is what stands before its
 * name, its own "bulkId:" left out. false: there is no more. */
static bool next_in_path(struct str *rest, struct str *lead, struct str *name)
{
    struct str all = *rest;
    for (size_t i = 0, end; i < all.len; i++) {
        struct str here = str_sub(all, i, all.len);
        if (!str_istarts(here, STR(QUOTED_PREFIX)))
            continue;
        struct str tail = str_sub(here, sizeof(QUOTED_PREFIX) - 1, here.len);
        if (!str_find(tail, '"', &end))
            return false;
        *lead = str_sub(all, 0, i + 1);
        *name = str_sub(tail, 0, end);
        *rest = str_sub(tail, end, tail.len);
        return true;
    }
    return false;
}

/* ---- finding */

static void find_name(struct walk *w, struct str name)
{
    size_t target = items_set_find(w->bulk->names, name, SCIM_BULK_NONE);
    if (target == SCIM_BULK_NONE || w->bulk->at[target].verb != SCIM_POST) {
        if (!w->fault)
            w->fault = bulk_reference_unknown(w->arena, name);
        return;
    }
    w->targets = arena_grow(w->arena, w->targets, sizeof(*w->targets), w->target_count, &w->cap);
    w->targets[w->target_count++] = target;
}

static void find_here(struct walk *w, const struct place *p, struct str text)
{
    struct str lead, name;
    (void)p;
    if (split_reference(text, &lead, &name))
        find_name(w, name);
}

static void find_in_path(struct walk *w, const struct place *p, struct str text)
{
    struct str lead, name;
    (void)p;
    while (next_in_path(&text, &lead, &name))
        find_name(w, name);
}

void bulk_references_find(struct arena *a, const struct scim_bulk *b,
                          struct scim_bulk_operation *op)
{
    struct walk w = {
        .type = op->type, .meet = find_here, .meet_path = find_in_path, .arena = a, .bulk = b};
    if (op->fault || !op->data)
        return;
    walk_data(&w, shape_iterable(op->data), op->verb);
    op->fault = w.fault;
    op->targets = w.targets;
    op->target_count = w.fault ? 0 : w.target_count; /* what is refused waits for nobody */
}

/* ---- replacing */

static struct str id_of(const struct walk *w, struct str name)
{
    size_t target = items_set_find(w->bulk->names, name, SCIM_BULK_NONE);
    return target == SCIM_BULK_NONE ? STR_NONE : w->ids[target];
}

static void put(const struct place *p, struct str text)
{
    if (p->name)
        json_put_str(p->holder, p->name, text);
    else
        (void)json_array_set_new(p->holder, p->index, json_string_safe(text));
}

static void replace_here(struct walk *w, const struct place *p, struct str text)
{
    struct str lead, name;
    if (split_reference(text, &lead, &name)) {
        const struct str parts[] = {lead, id_of(w, name)};
        put(p, arena_join(w->arena, parts, 2));
    }
}

static void replace_in_path(struct walk *w, const struct place *p, struct str text)
{
    OWNED_BUF struct buf out;
    struct str lead, name;
    buf_init(&out, PATH_MAX_BYTES);
    while (next_in_path(&text, &lead, &name)) {
        buf_str(&out, lead);
        buf_str(&out, id_of(w, name));
    }
    buf_str(&out, text);
    put(p, buf_view(&out));
}

static void note_postponed(struct walk *w, const struct place *p, struct str text)
{
    struct str lead, name;
    (void)p;
    if (split_reference(text, &lead, &name) &&
        scim_bulk_postpones(w->bulk, w->operation,
                            items_set_find(w->bulk->names, name, SCIM_BULK_NONE)))
        w->met_postponed = true;
}

static bool is_postponed(struct walk *w, const struct place *p, json_t *value)
{
    w->met_postponed = false;
    if (json_is_string(value))
        note_postponed(w, p, json_str(value));
    else
        walk_value(w, value, true, NULL);
    return w->met_postponed;
}

static void add_operation(json_t *operations, const struct scim_attr *attr, json_t *value)
{
    char path[256];
    json_t *operation = json_object();
    snprintf(path, sizeof(path), STR_FMT ":" STR_FMT, STR_ARG(attr->schema->id),
             STR_ARG(attr->name));
    json_put_str(operation, "op", STR("add"));
    json_put_str(operation, "path", str_of(path));
    json_put(operation, "value", json_incref(value));
    json_push(operations, operation);
}

/* Takes the attributes that must wait out of a body, and makes them operations of a PATCH. */
static void take_postponed(struct walk *w, json_t *body, const struct scim_schema *where,
                           json_t *operations)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(body, next, name, value)
    {
        const struct scim_attr *attr = reference_attr(w->type, where, str_of(name));
        const struct place here = {.holder = body, .name = name};
        if (attr && is_postponed(w, &here, value)) {
            add_operation(operations, attr, value);
            json_object_del(body, name);
        } else if (!attr && json_is_object(value)) {
            take_postponed(w, value, where ? schema_named(w->type, str_of(name)) : NULL,
                           operations);
        }
    }
}

const json_t *scim_bulk_data(struct arena *a, const struct scim_bulk *b,
                             const struct scim_bulk_step *step, const struct str *ids)
{
    const struct scim_bulk_operation *op = &b->at[step->operation];
    struct walk w = {.type = op->type,
                     .meet = note_postponed,
                     .meet_path = replace_in_path,
                     .arena = a,
                     .bulk = b,
                     .operation = step->operation,
                     .ids = ids};
    if (!op->data || !op->target_count)
        return op->data;
    json_t *body = json_copy_deep(op->data), *late = json_object(), *operations = json_array();
    json_t *schemas = json_array();
    json_push(schemas, json_string_safe(STR(SCIM_URN_PATCH)));
    json_put(late, "schemas", schemas);
    json_put(late, "Operations", operations);
    json_keep(a, body);
    json_keep(a, late);
    if (op->circle)
        take_postponed(&w, body, op->type->core, operations);
    w.meet = replace_here;
    json_t *wanted = step->finish ? late : body;
    walk_data(&w, wanted, step->finish ? SCIM_PATCH : op->verb);
    return wanted;
}
