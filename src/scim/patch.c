/* A PATCH body becomes operations, each with its attribute and its value in shape. */
#include "scim/patch.h"

#include "base/own.h"

struct reader {
    const struct scim_context *in;
    struct error *err;
    struct patch_operation *operations;
    size_t count, cap;
    size_t values; /* items and members so far, against limits.values */
    enum scim_patch_op op;
    int index; /* of the operation that is being read */
};

static bool refuse(const struct reader *r, const struct scim_attr *attr, enum error_kind kind,
                   const char *what)
{
    char label[SHAPE_LABEL_MAX];
    return error_set(r->err, kind, "%s %s", shape_label(attr, label), what);
}

static struct shaping shaping_of(const struct reader *r)
{
    return (struct shaping){.dialect = r->in->dialect, .base = r->in->base, .patch = true};
}

/* ---- one operation with its path and value */

static size_t count_nodes(const struct scim_filter *f)
{
    size_t n = 1;
    for (; f->kind == SCIM_AND || f->kind == SCIM_OR; f = f->right)
        n += 1 + count_nodes(f->left);
    return f->kind == SCIM_COMPARE ? n : n + count_nodes(f->left);
}

/* Takes `value` (new, or NULL). */
static void append(struct reader *r, enum scim_patch_op op, const struct scim_path *path,
                   json_t *value)
{
    r->operations =
        arena_grow(r->in->arena, r->operations, sizeof(r->operations[0]), r->count, &r->cap);
    if (value)
        json_keep(r->in->arena, value);
    r->operations[r->count++] = (struct patch_operation){
        .op = op,
        .path = *path,
        .value = value,
        .filter_nodes = path->filter ? count_nodes(path->filter) : 0,
        .index = r->index,
    };
}

/* RFC 7644 3.5.2.2 gives remove no value; Entra and others send one and mean these items only,
 * never all of them. */
static bool read_remove(struct reader *r, const struct scim_path *path, const json_t *sent)
{
    const struct shaping shaping = shaping_of(r);
    const struct scim_attr *attr = path->attr;
    json_t *items = NULL;
    if (path->sub ? path->sub->required : attr->required && !path->filter)
        return refuse(r, path->sub ? path->sub : attr, ERR_MUTABILITY,
                      "is required and cannot be removed");
    bool selects = attr->multi && !path->filter && !path->sub && sent && !json_is_null(sent);
    if (selects && !shape_value(&shaping, attr, sent, &items, r->err))
        return false;
    append(r, SCIM_PATCH_REMOVE, path, items);
    return true;
}

/* The value of `emails[...]` is one item, also as a list of one. NULL when all that it says is not
 * the client's to say (a member's display): that must not read as "unassign". */
static bool shape_selected(struct reader *r, const struct scim_attr *attr, const json_t *sent,
                           json_t **out)
{
    const struct shaping shaping = shaping_of(r);
    if (json_is_array(sent) && json_array_size(sent) > 1)
        return refuse(r, attr, ERR_INVALID_VALUE, "[...] takes one value");
    if (json_is_array(sent))
        sent = json_array_get(sent, 0);
    if (!sent || json_is_null(sent)) {
        *out = json_null();
        return true;
    }
    if (!shape_item(&shaping, attr, sent, out, r->err))
        return false;
    if (json_is_object(sent) && json_is_null(*out))
        *out = NULL;
    return true;
}

static bool shape_written(struct reader *r, const struct scim_path *path, const json_t *sent,
                          json_t **out)
{
    const struct shaping shaping = shaping_of(r);
    if (path->filter && !path->sub)
        return shape_selected(r, path->attr, sent, out);
    return shape_value(&shaping, path->sub ? path->sub : path->attr, sent, out, r->err);
}

static bool read_write(struct reader *r, const struct scim_path *path, const json_t *sent)
{
    const struct scim_attr *target = path->sub ? path->sub : path->attr;
    if (!sent)
        return refuse(r, target, ERR_INVALID_VALUE, "has no value in this operation");
    OWNED_JSON json_t *value = NULL;
    if (!shape_written(r, path, sent, &value))
        return false;
    if (!value)
        return true;
    bool nothing = json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0);
    if (nothing && target->required && !path->filter)
        return refuse(r, target, ERR_INVALID_VALUE, "is required");
    bool whole_items = path->attr->multi && !path->sub;
    if (nothing && whole_items && r->op == SCIM_PATCH_ADD)
        return true; /* nothing was added */
    if (nothing && whole_items && path->filter)
        append(r, SCIM_PATCH_REMOVE, path, NULL);
    else
        append(r, r->op, path, TAKE(value));
    return true;
}

/* add `emails.value`: with no item named, it is a new one. */
static bool adds_items(const struct reader *r, const struct scim_path *path)
{
    return r->op == SCIM_PATCH_ADD && path->attr->multi && path->sub && !path->filter &&
           str_eq(path->sub->name, STR("value"));
}

static bool read_only(const struct scim_path *path)
{
    return path->attr->mutability == SCIM_READ_ONLY ||
           (path->sub && path->sub->mutability == SCIM_READ_ONLY);
}

/* Writing manager.$ref: it names another target as well as manager.value does. */
static bool writes_reference(const struct reader *r, const struct scim_path *path)
{
    return r->op != SCIM_PATCH_REMOVE && path->sub && !path->attr->multi &&
           shape_is_reference(path->attr) && str_eq(path->sub->name, STR("$ref"));
}

static bool read_reference(struct reader *r, const struct scim_path *path, const json_t *sent)
{
    const struct scim_path whole = {.extension = path->extension, .attr = path->attr};
    OWNED_JSON json_t *object = json_object();
    if (!json_is_string(sent))
        return refuse(r, path->sub, ERR_INVALID_VALUE, "must be a URI");
    json_put(object, "$ref", json_incref(shape_iterable(sent)));
    return read_write(r, &whole, object);
}

static bool read_target(struct reader *r, struct scim_path path, const json_t *sent)
{
    if (read_only(&path)) {
        return r->in->dialect->ignore_readonly_path ||
               refuse(r, path.sub ? path.sub : path.attr, ERR_MUTABILITY, "is read-only");
    }
    if (adds_items(r, &path))
        path.sub = NULL;
    /* RFC 7643 2.2: an item is removed and another one added, but what it is stays. */
    if (path.sub && path.sub->mutability == SCIM_IMMUTABLE && path.attr->multi)
        return refuse(r, path.sub, ERR_MUTABILITY, "cannot be changed once it is set");
    if (writes_reference(r, &path))
        return read_reference(r, &path, sent);
    return r->op == SCIM_PATCH_REMOVE ? read_remove(r, &path, sent) : read_write(r, &path, sent);
}

enum finding { FOUND, SKIPPED, FAILED };

static enum finding find_path(struct reader *r, struct str text, struct scim_path *out)
{
    struct error fault = ERROR_INIT;
    struct scim_parser parser = {
        .arena = r->in->arena,
        .type = r->in->type,
        .limits = r->in->limits.filter,
        .lenient_bare = r->in->dialect->bare_filter_operand,
        .err = &fault,
    };
    if (scim_path_read(&parser, text, out))
        return FOUND;
    if (parser.unknown && r->in->dialect->ignore_unknown_path)
        return SKIPPED;
    *r->err = fault;
    return FAILED;
}

/* ---- values without path: one operation per member */

static bool count_values(struct reader *r, size_t more)
{
    r->values += more;
    return r->values <= r->in->limits.values ||
           error_set(r->err, ERR_TOO_LARGE, "a PATCH takes at most %zu values",
                     r->in->limits.values);
}

static bool unknown_member(const struct reader *r, struct str name)
{
    return r->in->dialect->ignore_unknown ||
           error_set(r->err, ERR_INVALID_PATH, "a " STR_FMT " has no attribute \"" STR_FMT "\"",
                     STR_ARG(r->in->type->name), STR_ARG(str_sub(name, 0, 60)));
}

static bool is_path_like(struct str name)
{
    size_t at;
    return str_find(name, '.', &at) || str_find(name, '[', &at);
}

/* Not SCIM, but what Entra sends: "name.givenName", "emails[type eq \"work\"].value" as names. */
static bool spread_path(struct reader *r, struct str name, const json_t *value)
{
    struct scim_path path;
    if (!r->in->dialect->dotted_keys || !is_path_like(name))
        return unknown_member(r, name);
    enum finding finding = find_path(r, name, &path);
    if (finding != FOUND)
        return finding == SKIPPED;
    return !path.attr || read_only(&path) || read_target(r, path, value);
}

/* readOnly is ignored here: clients send back whole resources, with id and meta. */
static bool spread_attr(struct reader *r, const struct shape_key *key, const json_t *value)
{
    const struct scim_path path = {.extension = key->extension, .attr = key->attr};
    return read_only(&path) || read_write(r, &path, value);
}

/* Also what is required: that is asked of those who use the extension. */
static bool remove_extension(struct reader *r, const struct scim_schema *extension)
{
    for (size_t i = 0; i < extension->attr_count; i++) {
        const struct scim_path path = {.extension = extension, .attr = &extension->attrs[i]};
        if (!read_only(&path))
            append(r, SCIM_PATCH_REMOVE, &path, NULL);
    }
    return true;
}

static bool spread_schema_member(struct reader *r, const struct scim_schema *extension,
                                 void *member)
{
    const struct scim_schema *schema = extension ? extension : r->in->type->core;
    struct str name = shape_iter_name(member);
    const json_t *value = json_object_iter_value(member);
    struct shape_key key = {.kind = SHAPE_ATTR, .extension = extension};
    key.attr = scim_attr_find(schema->attrs, schema->attr_count, name);
    if (key.attr)
        return spread_attr(r, &key, value);
    if (!is_path_like(name))
        return unknown_member(r, name);
    struct str qualified =
        arena_fmt(r->in->arena, STR_FMT ":" STR_FMT, STR_ARG(schema->id), STR_ARG(name));
    return spread_path(r, qualified, value);
}

/* The attributes of an extension are merged: those that the object leaves out stay. */
static bool spread_schema(struct reader *r, const struct scim_schema *extension,
                          const json_t *value)
{
    bool nothing = json_is_null(value) || (json_is_string(value) && json_str(value).len == 0);
    if (nothing)
        return !extension || r->op == SCIM_PATCH_ADD || remove_extension(r, extension);
    if (!json_is_object(value))
        return error_set(r->err, ERR_INVALID_VALUE, "the value of a schema must be an object");
    if (!count_values(r, json_object_size(value)))
        return false;
    json_t *members = shape_iterable(value);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
        if (!spread_schema_member(r, extension, at))
            return false;
    return true;
}

static bool spread_member(struct reader *r, void *member)
{
    struct str name = shape_iter_name(member);
    const json_t *value = json_object_iter_value(member);
    struct shape_key key = shape_key_find(r->in, name);
    switch (key.kind) {
    case SHAPE_ATTR:
        return spread_attr(r, &key, value);
    case SHAPE_FLAT:
        return r->in->dialect->dotted_keys ? spread_attr(r, &key, value) : unknown_member(r, name);
    case SHAPE_SCHEMA:
        return spread_schema(r, key.extension, value);
    case SHAPE_UNKNOWN:
        break;
    }
    return spread_path(r, name, value);
}

static bool spread(struct reader *r, const json_t *value)
{
    if (r->op == SCIM_PATCH_REMOVE)
        return error_set(r->err, ERR_NO_TARGET, "remove needs a path");
    if (!json_is_object(value))
        return error_set(r->err, ERR_INVALID_VALUE,
                         "without a path, the value must be an object of attributes");
    if (!count_values(r, json_object_size(value)))
        return false;
    json_t *members = shape_iterable(value);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
        if (!spread_member(r, at))
            return false;
    return true;
}

/* ---- the request */

static size_t items_in(const json_t *value)
{
    size_t n = json_array_size(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        n += items_in(json_array_get(value, i));
    json_t *members = shape_iterable(value);
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
        n += items_in(json_object_iter_value(at));
    return n;
}

static bool read_op(struct reader *r, const json_t *operation)
{
    struct str word = json_str(json_get_icase(operation, STR("op"), NULL));
    if (str_ieq(word, STR("add")))
        r->op = SCIM_PATCH_ADD;
    else if (str_ieq(word, STR("remove")))
        r->op = SCIM_PATCH_REMOVE;
    else if (str_ieq(word, STR("replace")))
        r->op = SCIM_PATCH_REPLACE;
    else
        return error_set(r->err, ERR_INVALID_SYNTAX, "op must be add, remove or replace");
    return true;
}

static bool read_whole_extension(struct reader *r, const struct scim_schema *extension,
                                 const json_t *value)
{
    if (r->op == SCIM_PATCH_REMOVE)
        return remove_extension(r, extension);
    return value ? spread_schema(r, extension, value)
                 : error_set(r->err, ERR_INVALID_VALUE, "the operation has no value");
}

static bool read_operation(struct reader *r, const json_t *operation)
{
    if (!json_is_object(operation))
        return error_set(r->err, ERR_INVALID_SYNTAX, "an operation must be an object");
    const json_t *text = json_get_icase(operation, STR("path"), NULL);
    const json_t *value = json_get_icase(operation, STR("value"), NULL);
    if (!read_op(r, operation) || !count_values(r, items_in(value)))
        return false;
    if (!text || json_is_null(text))
        return spread(r, value);
    if (!json_is_string(text))
        return error_set(r->err, ERR_INVALID_PATH, "path must be a string");
    struct scim_path path;
    enum finding finding = find_path(r, json_str(text), &path);
    if (finding != FOUND)
        return finding == SKIPPED;
    if (!path.attr)
        return read_whole_extension(r, path.extension, value);
    return read_target(r, path, value);
}

static bool check_schemas(const struct scim_dialect *d, const json_t *body, struct error *err)
{
    const json_t *schemas = json_get_icase(body, STR("schemas"), NULL);
    if (d->infer_schemas)
        return true;
    for (size_t i = 0; i < json_array_size(schemas); i++)
        if (str_ieq(json_str(json_array_get(schemas, i)), STR(SCIM_URN_PATCH)))
            return true;
    return error_set(err, ERR_INVALID_SYNTAX, "schemas must name " SCIM_URN_PATCH);
}

bool scim_patch_parse(const struct scim_context *in, const json_t *body,
                      const struct scim_patch **out, struct error *err)
{
    const json_t *operations = json_get_icase(body, STR("Operations"), NULL);
    size_t n = json_array_size(operations);
    if (!json_is_object(body) || !json_is_array(operations))
        return error_set(err, ERR_INVALID_SYNTAX, "a PATCH needs an array of Operations");
    if (!check_schemas(in->dialect, body, err))
        return false;
    if (n == 0 && !in->dialect->empty_operations)
        return error_set(err, ERR_INVALID_SYNTAX, "Operations is empty");
    if (n > in->limits.operations)
        return error_set(err, ERR_TOO_LARGE, "a PATCH takes at most %zu operations",
                         in->limits.operations);
    struct reader r = {.in = in, .err = err};
    for (size_t i = 0; i < n; i++) {
        r.index = (int)i;
        if (read_operation(&r, json_array_get(operations, i)))
            continue;
        err->operation = r.index;
        return false;
    }
    struct scim_patch *patch = ARENA_NEW(in->arena, struct scim_patch);
    *patch = (struct scim_patch){.operations = r.operations, .count = r.count};
    *out = patch;
    return true;
}

size_t scim_patch_count(const struct scim_patch *patch)
{
    return patch->count;
}
