/* A bulk request, operation by operation, and its answer. */
#include "scim/bulk.h"

#include <stdio.h>

#include "scim/shape.h"

/* Longer names of the client's are cut in messages. */
#define SHOWN 64
#define SHOWN_ARG(s) STR_ARG(str_sub((s), 0, SHOWN))

static const struct str VERBS[] = {
    [SCIM_POST] = STR_INIT("POST"),
    [SCIM_PUT] = STR_INIT("PUT"),
    [SCIM_PATCH] = STR_INIT("PATCH"),
    [SCIM_DELETE] = STR_INIT("DELETE"),
};

/* ---- one operation */

struct reading {
    const struct scim_bulk_reading *in;
    const struct scim_bulk *bulk;
    struct error *fault; /* of the operation that is read */
};

static bool read_method(struct reading *r, const json_t *sent, struct scim_bulk_operation *op)
{
    op->method = json_str(json_get_icase(sent, STR("method"), NULL));
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(*VERBS); i++) {
        if (!str_ieq(op->method, VERBS[i]))
            continue;
        op->verb = (enum scim_verb)i;
        op->method = VERBS[i];
        return true;
    }
    return error_set(r->fault, ERR_INVALID_VALUE,
                     "method must be POST, PUT, PATCH or DELETE; nothing else can be in a bulk");
}

/* A member that is a string or is not there. */
static bool read_text(struct reading *r, const json_t *sent, struct str name, struct str *out)
{
    const json_t *value = json_get_icase(sent, name, NULL);
    *out = json_str(value);
    if (!value || json_is_null(value) || out->len)
        return true;
    *out = STR_NONE;
    return error_set(r->fault, ERR_INVALID_VALUE, STR_FMT " must be a string that is not empty",
                     STR_ARG(name));
}

/* RFC 7644 3.7: the path is relative to the base. A query, another host, or a way up is none. */
static bool read_path(struct reading *r, const json_t *sent, struct scim_bulk_operation *op)
{
    struct str path, endpoint;
    if (!read_text(r, sent, STR("path"), &path))
        return false;
    struct str rest = str_sub(path, 1, path.len);
    if (!path.len || path.at[0] != '/' || !str_split(&rest, '/', &endpoint))
        return error_set(r->fault, ERR_INVALID_PATH,
                         "path must be that of a resource type, with an id unless the method is "
                         "POST: /Users/2819c223");
    for (size_t i = 0; i < r->in->type_count; i++) {
        const struct scim_resource_type *type = r->in->types[i];
        if (str_ieq(endpoint, str_sub(type->endpoint, 1, type->endpoint.len)))
            op->type = type;
    }
    size_t at;
    if (!op->type)
        return error_set(r->fault, ERR_INVALID_PATH, "path names no resource type of this service");
    if (str_find(rest, '/', &at) || str_find(rest, '?', &at) || str_find(rest, '#', &at) ||
        str_eq(rest, STR(".")) || str_eq(rest, STR("..")) || str_eq(rest, STR(".search")))
        return error_set(r->fault, ERR_INVALID_PATH, "path must end with the id of a resource");
    if ((op->verb == SCIM_POST) != (rest.len == 0))
        return error_set(r->fault, ERR_INVALID_PATH,
                         op->verb == SCIM_POST ? "a POST goes to the resource type, without an id"
                                               : "path needs the id of a resource");
    op->id = rest;
    return true;
}

static bool read_data(struct reading *r, const json_t *sent, struct scim_bulk_operation *op)
{
    if (op->verb == SCIM_DELETE)
        return true;
    op->data = json_get_icase(sent, STR("data"), NULL);
    return json_is_object(op->data) ||
           error_set(r->fault, ERR_INVALID_SYNTAX,
                     "data must be a JSON object: the body that the method would have alone");
}

/* The first operation with a bulkId has it; those that repeat it are refused. */
static bool claim_name(struct reading *r, struct scim_bulk_operation *op, size_t position)
{
    if (!op->bulk_id.at)
        return op->verb != SCIM_POST ||
               error_set(r->fault, ERR_INVALID_VALUE,
                         "a POST needs a bulkId, a name of your choice for what it makes");
    return items_set_put(r->bulk->names, op->bulk_id, position) == position ||
           error_set(r->fault, ERR_INVALID_VALUE,
                     "an earlier operation has the bulkId " STR_FMT "; each needs its own",
                     SHOWN_ARG(op->bulk_id));
}

static bool read_parts(struct reading *r, const json_t *sent, struct scim_bulk_operation *op)
{
    /* Read whatever else is wrong: it is answered. */
    bool named = read_text(r, sent, STR("bulkId"), &op->bulk_id);
    if (!json_is_object(sent))
        return error_set(r->fault, ERR_INVALID_SYNTAX, "an operation must be a JSON object");
    return named && read_method(r, sent, op) && read_path(r, sent, op) &&
           read_text(r, sent, STR("version"), &op->version) && read_data(r, sent, op);
}

static void read_operation(struct reading *r, const json_t *sent, struct scim_bulk_operation *op,
                           size_t position)
{
    struct error fault = ERROR_INIT;
    r->fault = &fault;
    op->path_target = SCIM_BULK_NONE;
    if (read_parts(r, sent, op) && claim_name(r, op, position))
        return;
    if (op->bulk_id.at) /* what refers to it hears that it failed, not that it is unknown */
        (void)items_set_put(r->bulk->names, op->bulk_id, position);
    struct error *kept = ARENA_NEW(r->in->arena, struct error);
    *kept = fault;
    op->fault = kept;
}

static void read_path_target(struct reading *r, struct scim_bulk_operation *op)
{
    struct str name;
    if (op->fault || !bulk_reference_name(op->id, &name))
        return;
    size_t target = items_set_find(r->bulk->names, name, SCIM_BULK_NONE);
    op->id = STR_NONE;
    op->path_target = target;
    if (target == SCIM_BULK_NONE || r->bulk->at[target].verb != SCIM_POST) {
        op->path_target = SCIM_BULK_NONE;
        op->fault = bulk_reference_unknown(r->in->arena, name);
    }
}

/* ---- the whole */

static bool check_schemas(const struct scim_dialect *d, const json_t *body, struct error *err)
{
    const json_t *schemas = json_get_icase(body, STR("schemas"), NULL);
    if (d->infer_schemas)
        return true;
    for (size_t i = 0; i < json_array_size(schemas); i++) {
        if (str_ieq(json_str(json_array_get(schemas, i)), STR(SCIM_URN_BULK_REQUEST)))
            return true;
    }
    return error_set(err, ERR_INVALID_SYNTAX, "schemas must name " SCIM_URN_BULK_REQUEST);
}

static bool read_fail_on_errors(const json_t *body, int64_t *out, struct error *err)
{
    const json_t *value = json_get_icase(body, STR("failOnErrors"), NULL);
    *out = json_is_integer(value) ? json_integer_value(value) : 0;
    return !value || json_is_null(value) || *out > 0 ||
           error_set(err, ERR_INVALID_VALUE,
                     "failOnErrors must be a whole number from 1; leave it out to have all "
                     "operations run");
}

static bool read_list(const struct scim_bulk_reading *in, const json_t *body, const json_t **out,
                      struct error *err)
{
    const json_t *list = json_get_icase(body, STR("Operations"), NULL);
    size_t n = json_array_size(list);
    if (!json_is_array(list) || (n == 0 && !in->dialect->empty_operations))
        return error_set(err, ERR_INVALID_SYNTAX,
                         "Operations must be an array with at least one operation");
    if (n > in->operations)
        return error_set(err, ERR_TOO_LARGE,
                         "%zu operations are more than %zu, the limit maxOperations of "
                         "/ServiceProviderConfig; send them in several requests",
                         n, in->operations);
    *out = list;
    return true;
}

bool scim_bulk_read(const struct scim_bulk_reading *in, const json_t *document,
                    struct scim_bulk *out, struct error *err)
{
    struct scim_bulk b = {0};
    const json_t *list;
    if (!json_is_object(document))
        return error_set(err, ERR_INVALID_SYNTAX, "the body must be a JSON object");
    if (!check_schemas(in->dialect, document, err) ||
        !read_fail_on_errors(document, &b.fail_on_errors, err) ||
        !read_list(in, document, &list, err))
        return false;
    b.count = json_array_size(list);
    b.names = items_set_new(in->arena, b.count);
    struct scim_bulk_operation *at = ARENA_ARRAY(in->arena, struct scim_bulk_operation, b.count);
    struct reading r = {.in = in, .bulk = &b};
    b.at = at;
    for (size_t i = 0; i < b.count; i++)
        read_operation(&r, json_array_get(list, i), &at[i], i);
    for (size_t i = 0; i < b.count; i++) {
        read_path_target(&r, &at[i]);
        bulk_references_find(in->arena, &b, &at[i]);
    }
    bulk_order_circles(in, at, b.count);
    bulk_order_steps(in->arena, &b);
    *out = b;
    return true;
}

/* ---- the answer */

static void add_member(struct buf *out, const char *name, struct str value)
{
    if (!value.at)
        return;
    if (out->len && out->at[out->len - 1] != '{')
        buf_char(out, ',');
    buf_fmt(out, "\"%s\":", name);
    buf_json_string(out, value);
}

static struct str given(struct str s)
{
    return s.len ? s : STR_NONE;
}

void scim_bulk_reply(const struct scim_bulk *b, const struct scim_bulk_outcome *outcomes,
                     struct buf *out)
{
    bool first = true;
    BUF_LIT(out, "{\"schemas\":[\"" SCIM_URN_BULK_RESPONSE "\"],\"Operations\":[");
    for (size_t i = 0; i < b->count; i++) {
        const struct scim_bulk_operation *op = &b->at[i];
        const struct scim_bulk_outcome *o = &outcomes[i];
        char status[12];
        if (!o->status)
            continue;
        snprintf(status, sizeof(status), "%d", o->status);
        if (!first)
            buf_char(out, ',');
        first = false;
        buf_char(out, '{');
        add_member(out, "method", op->method);
        add_member(out, "bulkId", op->bulk_id);
        add_member(out, "version", given(o->version));
        add_member(out, "location", given(o->location));
        add_member(out, "status", str_of(status));
        if (o->response.len) {
            BUF_LIT(out, ",\"response\":");
            buf_str(out, o->response);
        }
        buf_char(out, '}');
    }
    BUF_LIT(out, "]}");
}
