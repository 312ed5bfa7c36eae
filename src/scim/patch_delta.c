/* Operations on a large set are taken out of a PATCH as deltas. */
#include "scim/patch.h"

static bool is_about(const struct patch_operation *op, const struct scim_attr_name *attr)
{
    struct str lives_in = op->path.extension ? op->path.extension->id : STR_NONE;
    return str_ieq(op->path.attr->name, attr->name) && str_ieq(lives_in, attr->extension_urn);
}

bool scim_patch_touches(const struct scim_patch *patch, const struct scim_attr_name *attr)
{
    for (size_t i = 0; i < patch->count; i++)
        if (is_about(&patch->operations[i], attr))
            return true;
    return false;
}

bool scim_patch_adds_only(const struct scim_patch *patch)
{
    for (size_t i = 0; i < patch->count; i++) {
        const struct patch_operation *op = &patch->operations[i];
        if (op->op != SCIM_PATCH_ADD || op->path.filter) /* what the filter finds is written over */
            return false;
    }
    return true;
}

static bool names(const json_t *value, struct str wanted)
{
    const json_t *item;
    size_t i;
    json_array_foreach(value, i, item) if (names(item, wanted)) return true;
    return str_eq(json_is_object(value) ? json_get_str(value, "value") : json_str(value), wanted);
}

bool scim_patch_gives(const struct scim_patch *patch, const struct scim_attr_name *attr,
                      struct str value)
{
    for (size_t i = 0; i < patch->count; i++) {
        const struct patch_operation *op = &patch->operations[i];
        if (op->op != SCIM_PATCH_REMOVE && is_about(op, attr) && names(op->value, value))
            return true;
    }
    return false;
}

const struct scim_patch *scim_patch_removals(struct arena *a, const struct scim_patch *patch,
                                             const struct scim_attr_name *attr)
{
    struct patch_operation *kept = ARENA_ARRAY(a, struct patch_operation, patch->count + 1);
    struct scim_patch *removals = ARENA_NEW(a, struct scim_patch);
    for (size_t i = 0; i < patch->count; i++)
        if (patch->operations[i].op == SCIM_PATCH_REMOVE && is_about(&patch->operations[i], attr))
            kept[removals->count++] = patch->operations[i];
    removals->operations = kept;
    return removals;
}

struct deltas {
    struct arena *arena;
    struct scim_delta *at; /* room for two per operation */
    size_t count;
};

static void append(struct deltas *out, const struct scim_delta *delta)
{
    out->at[out->count++] = *delta;
}

static void read_values(struct arena *a, const json_t *items, struct scim_delta *delta)
{
    delta->count = json_array_size(items);
    struct str *values = ARENA_ARRAY(a, struct str, delta->count + 1);
    for (size_t i = 0; i < delta->count; i++)
        values[i] = json_get_str(json_array_get(items, i), "value");
    delta->values = values;
}

/* `value eq "a" or value eq "b"`: into `values`, which has room for every node of the filter. False
 * for any other filter. */
static bool read_terms(const struct scim_filter *f, struct str *values, size_t *count)
{
    for (; f->kind == SCIM_OR; f = f->right)
        if (!read_terms(f->left, values, count))
            return false;
    if (f->kind != SCIM_COMPARE || f->op != SCIM_EQ || f->literal != SCIM_LIT_STRING ||
        !str_eq(f->target.attr->name, STR("value")))
        return false;
    values[(*count)++] = f->string;
    return true;
}

/* The items that the filter of `op` means, to be removed. */
static struct scim_delta removal(struct arena *a, const struct patch_operation *op)
{
    struct scim_delta delta = {.kind = SCIM_DELTA_REMOVE, .operation = op->index};
    struct str *values = ARENA_ARRAY(a, struct str, op->filter_nodes + 1);
    if (read_terms(op->path.filter, values, &delta.count))
        delta.values = values;
    else
        delta = (struct scim_delta){.kind = SCIM_DELTA_REMOVE_MATCHING,
                                    .filter = op->path.filter,
                                    .filter_nodes = op->filter_nodes,
                                    .operation = op->index};
    return delta;
}

/* add or replace of members[value eq "a"]: what stands in the value, or what the filter names. */
static void write_selected(struct deltas *out, const struct patch_operation *op)
{
    struct scim_delta old = removal(out->arena, op);
    struct str *id = ARENA_NEW(out->arena, struct str);
    *id = json_get_str(op->value, "value");
    if (id->len == 0 && old.count == 1)
        *id = old.values[0];
    if (id->len == 0)
        return;
    old.by = *id;
    if (op->op == SCIM_PATCH_REPLACE)
        append(out, &old);
    append(out, &(struct scim_delta){
                    .kind = SCIM_DELTA_ADD, .values = id, .count = 1, .operation = op->index});
}

static void read_delta(struct deltas *out, const struct patch_operation *op)
{
    struct scim_delta delta = {.operation = op->index};
    if (op->path.sub)
        return; /* all that a client may write of a member is which one it is */
    if (op->path.filter && op->op != SCIM_PATCH_REMOVE) {
        write_selected(out, op);
        return;
    }
    if (op->path.filter) {
        delta = removal(out->arena, op);
    } else if (op->op == SCIM_PATCH_REMOVE && !op->value) {
        delta.kind = SCIM_DELTA_CLEAR;
    } else {
        delta.kind = op->op == SCIM_PATCH_ADD      ? SCIM_DELTA_ADD
                     : op->op == SCIM_PATCH_REMOVE ? SCIM_DELTA_REMOVE
                                                   : SCIM_DELTA_REPLACE;
        read_values(out->arena, op->value, &delta);
    }
    append(out, &delta);
}

bool scim_patch_take(struct arena *a, const struct scim_patch **patch,
                     const struct scim_attr_name *attr, struct scim_deltas *deltas,
                     struct error *err)
{
    const struct scim_patch *all = *patch;
    struct deltas out = {.arena = a};
    out.at = ARENA_ARRAY(a, struct scim_delta, all->count * 2 + 1);
    struct patch_operation *kept = ARENA_ARRAY(a, struct patch_operation, all->count + 1);
    struct scim_patch *others = ARENA_NEW(a, struct scim_patch);
    others->operations = kept;
    for (size_t i = 0; i < all->count; i++) {
        const struct patch_operation *op = &all->operations[i];
        if (!is_about(op, attr)) {
            kept[others->count++] = *op;
            continue;
        }
        if (!scim_attr_sub(op->path.attr, STR("value")))
            return error_set(err, ERR_INTERNAL, STR_FMT " is no set of values",
                             STR_ARG(attr->name));
        read_delta(&out, op);
    }
    *patch = others;
    *deltas = (struct scim_deltas){out.at, out.count};
    return true;
}
