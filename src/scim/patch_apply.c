/* Operations on a resource: a new one, the old untouched. */
#include <string.h>

#include "base/own.h"
#include "scim/patch.h"

/* Comparisons of one request: an operation looks at every item of its attribute, and a client
 * chooses the number and the length of both. 1,000 operations on 1,000 values pass. */
#define VISITS_MAX ((size_t)4000000)
#define VISIT_BYTES 64

struct apply {
    struct arena *arena; /* emptied after each operation */
    const struct scim_dialect *dialect;
    size_t visits;
    struct error *err;
};

static bool charge(struct apply *ap, size_t visits)
{
    ap->visits += visits;
    return ap->visits <= VISITS_MAX ||
           error_set(ap->err, ERR_TOO_LARGE, "the operations compare too many values");
}

/* What it costs to look at every item once. */
static size_t visits_of(const json_t *items)
{
    size_t n = json_array_size(items), bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(items, i);
        bytes += json_string_length(item);
        json_t *members = shape_iterable(item);
        for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
            bytes += json_string_length(json_object_iter_value(at));
    }
    return n + bytes / VISIT_BYTES;
}

/* Sets or, with JSON null, unassigns what `given` names, and leaves the rest. */
static void merge(json_t *object, const json_t *given)
{
    json_t *members = shape_iterable(given);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
        const json_t *value = json_object_iter_value(at);
        if (json_is_null(value))
            shape_drop(object, shape_iter_name(at));
        else
            shape_put(object, shape_iter_name(at), json_copy_deep(value));
    }
}

/* ---- attributes with one value */

/* What a reference points at decides the rest of it, so a new target starts afresh. */
static bool points_elsewhere(const struct scim_attr *attr, const json_t *now, const json_t *given)
{
    const json_t *target = json_object_get(given, "value");
    return shape_is_reference(attr) && target && !json_equal(json_object_get(now, "value"), target);
}

static void write_object(const struct scim_attr *attr, const json_t *given, json_t *holder)
{
    json_t *now = scim_value(holder, attr);
    if (!json_is_object(now) || points_elsewhere(attr, now, given)) {
        shape_put(holder, attr->name, json_object());
        now = scim_value(holder, attr);
    }
    merge(now, given);
    if (json_object_size(now) == 0)
        shape_drop(holder, attr->name);
}

static void write_part(const struct patch_operation *op, json_t *holder)
{
    const struct scim_attr *attr = op->path.attr, *sub = op->path.sub;
    bool removes = op->op == SCIM_PATCH_REMOVE || json_is_null(op->value);
    if (removes && shape_is_reference(attr) && str_eq(sub->name, STR("value"))) {
        shape_drop(holder, attr->name);
        return;
    }
    OWNED_JSON json_t *given = json_object();
    shape_put(given, sub->name, removes ? json_null() : json_copy_deep(op->value));
    write_object(attr, given, holder);
}

static void apply_single(const struct patch_operation *op, json_t *holder)
{
    const struct scim_attr *attr = op->path.attr;
    if (op->path.sub)
        write_part(op, holder);
    else if (op->op == SCIM_PATCH_REMOVE || json_is_null(op->value))
        shape_drop(holder, attr->name);
    else if (attr->type == SCIM_COMPLEX)
        write_object(attr, op->value, holder);
    else
        shape_put(holder, attr->name, json_copy_deep(op->value));
}

/* ---- attributes with many values */

struct items {
    const struct patch_operation *op;
    json_t *list;
    bool *hit; /* which ones the operation means */
    size_t hits;
    const json_t *primary; /* the item that the operation made primary, or NULL */
};

static void note_primary(struct items *it, const json_t *item)
{
    if (items_is_primary(item))
        it->primary = item;
}

static bool find_hits(struct apply *ap, struct items *it)
{
    const struct scim_filter *filter = it->op->path.filter;
    size_t n = json_array_size(it->list);
    if (!charge(ap, visits_of(it->list) * (1 + it->op->filter_nodes)))
        return false;
    it->hit = ARENA_ARRAY(ap->arena, bool, n + 1);
    for (size_t i = 0; i < n; i++) {
        it->hit[i] = !filter || scim_match_item(filter, json_array_get(it->list, i));
        it->hits += it->hit[i];
    }
    return true;
}

static struct items_id *all_ids(struct apply *ap, const struct scim_attr *attr, const json_t *list,
                                size_t room)
{
    struct items_id *ids = ARENA_ARRAY(ap->arena, struct items_id, room + 1);
    for (size_t i = 0; i < json_array_size(list); i++)
        ids[i] = items_id(ap->arena, attr, json_array_get(list, i));
    return ids;
}

/* remove with a value: the items that it means. */
static bool find_selected(struct apply *ap, struct items *it)
{
    const struct scim_attr *attr = it->op->path.attr;
    size_t n = json_array_size(it->list), k = json_array_size(it->op->value);
    if (!charge(ap, visits_of(it->list) + visits_of(it->op->value)) || !charge(ap, n * k))
        return false;
    it->hit = ARENA_ARRAY(ap->arena, bool, n + 1);
    const struct items_id *have = all_ids(ap, attr, it->list, n);
    const struct items_id *wanted = all_ids(ap, attr, it->op->value, k);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k && !it->hit[i]; j++)
            it->hit[i] = items_id_means(&wanted[j], &have[i]);
    return true;
}

static void remove_hits(struct items *it)
{
    OWNED_JSON json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(it->list); i++)
        if (!it->hit[i])
            json_push(kept, json_incref(json_array_get(it->list, i)));
    json_array_clear(it->list);
    json_array_extend(it->list, kept);
}

/* What else a client says of a value that is there already; its spelling stays. */
static void enrich(json_t *item, const json_t *given)
{
    json_t *members = shape_iterable(given);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
        struct str name = shape_iter_name(at);
        bool identity = str_eq(name, STR("value")) || str_eq(name, STR("type"));
        if (!identity || !json_object_get(item, json_object_iter_key(at)))
            shape_put(item, name, json_copy_deep(json_object_iter_value(at)));
    }
}

/* RFC 7644 3.5.2.1: a value that is there already is not added again. */
static bool add_items(struct apply *ap, struct items *it)
{
    const struct scim_attr *attr = it->op->path.attr;
    size_t n = json_array_size(it->list), k = json_array_size(it->op->value);
    if (!charge(ap, visits_of(it->list) + visits_of(it->op->value)))
        return false;
    struct items_id *ids = all_ids(ap, attr, it->list, n + k);
    for (size_t j = 0; j < k; j++) {
        const json_t *given = json_array_get(it->op->value, j);
        const struct items_id wanted = items_id(ap->arena, attr, given);
        size_t at = 0;
        n = json_array_size(it->list);
        if (!charge(ap, n))
            return false;
        while (at < n && !items_id_means(&wanted, &ids[at]))
            at++;
        if (at == n) {
            json_push(it->list, json_copy_deep(given));
            ids[n] = wanted;
        } else {
            enrich(json_array_get(it->list, at), given);
        }
        if (items_is_primary(given))
            it->primary = json_array_get(it->list, at);
    }
    return true;
}

/* ---- items that a filter names */

static json_t *literal_value(const struct scim_filter *f)
{
    if (f->target.attr->type == SCIM_BOOLEAN)
        return json_boolean(f->boolean); /* also where the client wrote "True" */
    if (f->target.attr->type == SCIM_INTEGER)
        return json_integer((json_int_t)f->number);
    return f->literal == SCIM_LIT_NUMBER ? json_real(f->number) : json_string_safe(f->string);
}

/* What every item that satisfies the filter must hold. False when an item with just that need not
 * satisfy it. */
static bool add_terms(const struct scim_filter *f, json_t *item)
{
    bool all = true;
    for (; f->kind == SCIM_AND; f = f->right)
        all = add_terms(f->left, item) && all;
    if (f->kind != SCIM_COMPARE || f->op != SCIM_EQ || f->literal == SCIM_LIT_NULL)
        return false;
    shape_put(item, f->target.attr->name, literal_value(f));
    return all;
}

static bool no_target(const struct apply *ap, const struct patch_operation *op)
{
    return error_set(ap->err, ERR_NO_TARGET, "no value of " STR_FMT " is meant by the path",
                     STR_ARG(op->path.attr->name));
}

/* No item is meant. RFC 7644 3.5.2.3: for replace that is noTarget; Entra counts on a new one. */
static bool create_item(struct apply *ap, struct items *it)
{
    const struct patch_operation *op = it->op;
    bool filtered = op->path.filter != NULL;
    if (op->path.sub && json_is_null(op->value))
        return true;
    if (filtered && op->op == SCIM_PATCH_REPLACE && !ap->dialect->create_on_replace)
        return no_target(ap, op);
    if (op->path.attr->type != SCIM_COMPLEX) {
        json_push(it->list, json_copy_deep(op->value));
        return true;
    }
    OWNED_JSON json_t *item = json_object();
    if (filtered && !add_terms(op->path.filter, item))
        return no_target(ap, op);
    if (op->path.sub)
        shape_put(item, op->path.sub->name, json_copy_deep(op->value));
    else
        merge(item, op->value);
    note_primary(it, item);
    json_push(it->list, TAKE(item));
    return true;
}

static void write_part_of_item(struct items *it, size_t i)
{
    const struct patch_operation *op = it->op;
    json_t *item = json_array_get(it->list, i);
    bool removes = op->op == SCIM_PATCH_REMOVE || json_is_null(op->value);
    it->hit[i] = false;
    if (!removes) {
        shape_put(item, op->path.sub->name, json_copy_deep(op->value));
        if (str_eq(op->path.sub->name, STR("primary")))
            note_primary(it, item);
        return;
    }
    shape_drop(item, op->path.sub->name);
    it->hit[i] = items_says_nothing(item); /* and goes */
}

/* replace keeps what the filter said of the item: the `work` address stays one. */
static json_t *replacement(const struct patch_operation *op)
{
    json_t *item = json_object();
    add_terms(op->path.filter, item);
    merge(item, op->value);
    return item;
}

static void write_item(struct items *it, size_t i)
{
    const struct patch_operation *op = it->op;
    if (op->path.attr->type != SCIM_COMPLEX)
        json_array_set_new(it->list, i, json_copy_deep(op->value));
    else if (op->op == SCIM_PATCH_REPLACE)
        json_array_set_new(it->list, i, replacement(op));
    else
        merge(json_array_get(it->list, i), op->value);
    if (items_is_primary(op->value))
        it->primary = json_array_get(it->list, i);
}

static bool write_hits(struct apply *ap, struct items *it)
{
    if (it->hits == 0)
        return it->op->op == SCIM_PATCH_REMOVE || create_item(ap, it);
    for (size_t i = 0; i < json_array_size(it->list); i++) {
        if (!it->hit[i])
            continue;
        if (it->op->path.sub)
            write_part_of_item(it, i);
        else
            write_item(it, i);
    }
    if (it->op->path.sub)
        remove_hits(it);
    return true;
}

/* ---- one operation */

static bool replace_all(struct items *it)
{
    json_array_clear(it->list);
    for (size_t i = 0; i < json_array_size(it->op->value); i++)
        json_push(it->list, json_copy_deep(json_array_get(it->op->value, i)));
    return true;
}

static bool change_items(struct apply *ap, struct items *it)
{
    const struct patch_operation *op = it->op;
    bool whole = !op->path.filter && !op->path.sub;
    if (whole && op->op == SCIM_PATCH_ADD)
        return add_items(ap, it);
    if (whole && op->op == SCIM_PATCH_REPLACE)
        return replace_all(it);
    if (!(op->value && whole ? find_selected(ap, it) : find_hits(ap, it)))
        return false;
    if (op->path.sub || op->op != SCIM_PATCH_REMOVE)
        return write_hits(ap, it);
    remove_hits(it);
    return true;
}

static bool apply_multi(struct apply *ap, const struct patch_operation *op, json_t *holder)
{
    const struct scim_attr *attr = op->path.attr;
    if (!json_is_array(scim_value(holder, attr)))
        shape_put(holder, attr->name, json_array());
    struct items it = {.op = op, .list = scim_value(holder, attr)};
    if (!change_items(ap, &it))
        return false;
    if (it.primary)
        items_settle_primary(it.list, it.primary);
    if (json_array_size(it.list) == 0)
        shape_drop(holder, attr->name);
    return true;
}

static bool apply_operation(struct apply *ap, const struct patch_operation *op, json_t *resource)
{
    json_t *holder = shape_holder(resource, op->path.extension);
    if (op->path.attr->multi) {
        if (!apply_multi(ap, op, holder))
            return false;
    } else {
        apply_single(op, holder);
    }
    if (op->path.extension && json_object_size(holder) == 0)
        shape_drop(resource, op->path.extension->id);
    arena_reset(ap->arena);
    return true;
}

bool scim_patch_apply(const struct scim_context *in, const struct scim_patch *patch,
                      const json_t *before, json_t **after, struct error *err)
{
    OWNED_ARENA struct arena *arena = arena_new();
    struct apply ap = {.arena = arena, .dialect = in->dialect, .err = err};
    OWNED_JSON json_t *resource = json_copy_deep(before);
    for (size_t i = 0; i < patch->count; i++) {
        if (apply_operation(&ap, &patch->operations[i], resource))
            continue;
        err->operation = patch->operations[i].index;
        return false;
    }
    scim_resource_schemas(in->type, resource);
    *after = TAKE(resource);
    return true;
}
