/* Lists: what is asked, in the query of a GET or in the SearchRequest of a POST (RFC 7644 3.4.3),
 * of one resource type or of all (3.4.2.1). */
#include "http/internal.h"

#define URN_SEARCH "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

/* The figures and texts of a search, wherever they stood; at == NULL: not given. */
struct asked {
    const struct str *params; /* by enum http_param */
    bool of_all;              /* resource types */
};

/* What a search of everything goes through: a membership shows nothing that is not in both. */
static const struct service_resource *const ALL[] = {&service_users, &service_groups};

/* ---- from a body */

static bool field_error(struct error *err, const char *name, const char *wants)
{
    return error_set(err, ERR_INVALID_VALUE, "%s must be %s", name, wants);
}

/* ["userName", "emails"] as a query has it: userName,emails */
static bool take_names(struct arena *a, const json_t *value, const char *name, struct str *out,
                       struct error *err)
{
    size_t n = json_array_size(value);
    if (json_is_string(value)) { /* as in a query: some send it so */
        *out = json_str(value);
        return true;
    }
    if (!json_is_array(value))
        return field_error(err, name, "an array of attribute names");
    struct str *parts = ARENA_ARRAY(a, struct str, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!json_is_string(json_array_get(value, i)))
            return field_error(err, name, "an array of attribute names");
        parts[2 * i] = json_str(json_array_get(value, i));
        parts[2 * i + 1] = STR(",");
    }
    *out = arena_join(a, parts, n ? 2 * n - 1 : 0);
    return true;
}

static bool take_integer(struct arena *a, const json_t *value, const char *name, struct str *out,
                         struct error *err)
{
    if (!json_is_integer(value))
        return field_error(err, name, "a whole number");
    *out = arena_fmt(a, "%lld", (long long)json_integer_value(value));
    return true;
}

static bool take_text(const json_t *value, const char *name, struct str *out, struct error *err)
{
    if (!json_is_string(value))
        return field_error(err, name, "text");
    *out = json_str(value);
    return true;
}

static bool take_field(struct http_request *r, const json_t *body, enum http_param param,
                       struct str *out)
{
    const char *name = http_param_name(param);
    const json_t *value = json_get_icase(body, str_of(name), NULL);
    if (!value || json_is_null(value))
        return true;
    switch (param) {
    case HTTP_ATTRIBUTES:
    case HTTP_EXCLUDED_ATTRIBUTES:
        return take_names(r->arena, value, name, out, &r->err);
    case HTTP_START_INDEX:
    case HTTP_COUNT:
        return take_integer(r->arena, value, name, out, &r->err);
    case HTTP_FILTER:
    case HTTP_SORT_BY:
    case HTTP_SORT_ORDER:
    case HTTP_CURSOR:
    case HTTP_Q:
    case HTTP_ORGANIZATION:
    case HTTP_BEFORE:
    case HTTP_PROVIDER:
    case HTTP_NEXT:
    case HTTP_CODE:
    case HTTP_STATE:
    case HTTP_ERROR:
    case HTTP_PARAMS:
        break;
    }
    return take_text(value, name, out, &r->err);
}

static bool is_search(const json_t *body)
{
    const json_t *schemas = json_get_icase(body, STR("schemas"), NULL);
    for (size_t i = 0; i < json_array_size(schemas); i++)
        if (str_ieq(json_str(json_array_get(schemas, i)), STR(URN_SEARCH)))
            return true;
    return false;
}

static bool read_body(struct http_request *r, struct str params[HTTP_PARAMS])
{
    if (!r->document && !http_document_load(r, &r->err))
        return false;
    if (!is_search(r->document))
        return error_set(&r->err, ERR_INVALID_SYNTAX, "schemas must name " URN_SEARCH);
    for (size_t i = 0; i < HTTP_PARAMS; i++)
        if (!take_field(r, r->document, (enum http_param)i, &params[i]))
            return false;
    return true;
}

/* ---- to a query */

static bool parse_part(const struct http_request *r, const struct asked *asked,
                       const struct service_resource *resource, struct service_part *out,
                       struct error *err)
{
    const struct str *p = asked->params;
    struct scim_context in = http_context(r, resource);
    in.of_many_types = asked->of_all;
    *out = (struct service_part){.kind = resource->kind};
    if (p[HTTP_FILTER].at && !scim_filter_parse(&in, p[HTTP_FILTER], &out->filter, err))
        return false;
    if ((p[HTTP_SORT_BY].at || p[HTTP_SORT_ORDER].at) &&
        !scim_sort_parse(&in, p[HTTP_SORT_BY], p[HTTP_SORT_ORDER], &out->sort, err))
        return false;
    if (!p[HTTP_ATTRIBUTES].at && !p[HTTP_EXCLUDED_ATTRIBUTES].at)
        return true;
    return scim_projection_parse(&in, p[HTTP_ATTRIBUTES], p[HTTP_EXCLUDED_ATTRIBUTES],
                                 &out->projection, err);
}

/* Unambiguous: no part of a decoded query holds a NUL. */
static struct str together(struct arena *a, const struct str *params, const enum http_param *which,
                           size_t n)
{
    struct str parts[2 * HTTP_PARAMS];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        parts[count++] = params[which[i]];
        parts[count++] = params[which[i]].at ? STR("\0") : STR("\0\0");
    }
    return arena_join(a, parts, count);
}

static bool parse_query(struct http_request *r, const struct asked *asked,
                        const struct service_resource *only, struct service_query *q)
{
    static const enum http_param text[] = {HTTP_FILTER, HTTP_SORT_BY, HTTP_SORT_ORDER};
    static const enum http_param shape[] = {HTTP_ATTRIBUTES, HTTP_EXCLUDED_ATTRIBUTES};
    const struct config_scim *config = &r->server->config->scim;
    const struct str *p = asked->params;
    const struct scim_page_limits limits = {config->default_page, config->max_page};
    const struct scim_page_query page = {p[HTTP_START_INDEX], p[HTTP_COUNT], p[HTTP_CURSOR]};
    const struct service_resource *const *of = only ? &only : ALL;
    size_t n = only ? 1 : sizeof(ALL) / sizeof(*ALL);
    bool sorted = false;
    for (; q->part_count < n; q->part_count++) {
        struct service_part *part = &q->parts[q->part_count];
        if (!parse_part(r, asked, of[q->part_count], part, &r->err))
            return false;
        sorted |= part->sort.by.attr != NULL;
    }
    if (p[HTTP_SORT_BY].len && !sorted)
        return error_set(&r->err, ERR_INVALID_PATH, "sortBy names no attribute of any type");
    q->text = together(r->arena, p, text, 3);
    q->shape = together(r->arena, p, shape, 2);
    return scim_page_parse(&page, &limits, &q->page, &r->err);
}

static enum http_next run_list(struct http_request *r, struct directory_conn *conn,
                               const struct str *params, const struct service_resource *only)
{
    const struct asked asked = {.params = params, .of_all = !only};
    struct service_query query = {.part_count = 0};
    struct service_result result = {0};
    if (!parse_query(r, &asked, only, &query))
        return HTTP_ANSWERED;
    struct service_call call = http_call(r, conn);
    call.if_none_match = STR_NONE; /* a list has no version */
    enum service_status status = service_list(&call, &query, &result, &r->err);
    return http_answer_result(r, status, &result);
}

enum http_next http_list(struct http_request *r, struct directory_conn *conn)
{
    return run_list(r, conn, r->target.params, r->route->resource);
}

/* POST .search, below a resource type or the base. */
enum http_next http_endpoint_search(struct http_request *r, struct directory_conn *conn)
{
    struct str params[HTTP_PARAMS] = {{0}};
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    http_begin(r);
    if (!read_body(r, params))
        return HTTP_ANSWERED;
    return run_list(r, conn, params, r->route->resource);
}

/* GET of the base: all types. */
enum http_next http_endpoint_root(struct http_request *r, struct directory_conn *conn)
{
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    http_begin(r);
    return http_list(r, conn);
}
