/* Between HTTP and the service: the request becomes a call, its result an answer. */
#include "http/internal.h"

/* A member as clients write it: the object, its value, type, display and $ref, and some room. */
#define JSON_VALUES_PER_VALUE 10

static const struct scim_resource_type *type_of(const struct http_request *r,
                                                const struct service_resource *resource)
{
    return service_type(r->server->service, resource->kind);
}

struct scim_context http_context(const struct http_request *r,
                                 const struct service_resource *resource)
{
    return (struct scim_context){
        .arena = r->arena,
        .type = resource ? type_of(r, resource) : NULL,
        .dialect = r->dialect,
        .base = http_discovery_base(r->server->discovery),
        .limits = service_limits(r->server->config),
    };
}

static bool is_get(const struct http_request *r)
{
    return r->method == HTTP_GET || r->method == HTTP_HEAD;
}

enum http_next http_answer_options(struct http_request *r)
{
    r->answer.allow = http_route_allow(r->arena, r->route);
    http_answer_body(r, 204, STR_NONE);
    return HTTP_ANSWERED;
}

/* ---- what every request on a resource needs */

/* 204 instead of the resource: asked for by Prefer, or the profile's way with Groups. Who names
 * attributes wants to see them (RFC 7644 3.5.2). */
static bool wants_minimal(const struct http_request *r)
{
    if (r->method != HTTP_PATCH && r->method != HTTP_PUT)
        return false;
    if (r->target.params[HTTP_ATTRIBUTES].at || r->target.params[HTTP_EXCLUDED_ATTRIBUTES].at)
        return false;
    return r->head.prefers_minimal ||
           (r->method == HTTP_PATCH && r->route->resource->kind == REPLICA_GROUP &&
            r->dialect->group_patch_204);
}

int64_t http_deadline(const struct http_request *r)
{
    const struct config_directory *directory = &r->server->config->directory;
    return clock_deadline_in(directory->connect_timeout_ms +
                             2 * (int64_t)directory->operation_timeout_ms);
}

void http_begin(struct http_request *r)
{
    const struct scim_dialect *dialect = scim_dialect_find(r->actor.profile);
    if (r->prepared)
        return;
    r->dialect = dialect ? dialect : r->server->default_dialect;
    r->deadline = http_deadline(r);
    r->prepared = true;
}

static bool prepare(struct http_request *r)
{
    const struct str *params = r->target.params;
    http_begin(r);
    r->minimal = wants_minimal(r);
    const struct scim_context in = http_context(r, r->route->resource);
    if (r->minimal) /* so that no large group is rendered for an answer that has no body */
        return scim_projection_parse(&in, STR("id"), STR_NONE, &r->projection, &r->err);
    if (!params[HTTP_ATTRIBUTES].at && !params[HTTP_EXCLUDED_ATTRIBUTES].at)
        return true;
    return scim_projection_parse(&in, params[HTTP_ATTRIBUTES], params[HTTP_EXCLUDED_ATTRIBUTES],
                                 &r->projection, &r->err);
}

struct service_call http_call(const struct http_request *r, struct directory_conn *conn)
{
    return (struct service_call){
        .service = r->server->service,
        .arena = r->arena,
        .conn = conn,
        .actor = r->actor,
        .token_name = r->actor.kind == KIOPS_ACTOR_TOKEN ? r->actor.id : STR_NONE,
        .scim = http_context(r, r->route->resource),
        .request_id = str_of(r->id),
        .if_match = r->head.if_match,
        .if_none_match = r->head.if_none_match,
        .projection = r->projection,
        .version_only = r->minimal,
        .has_time = r->has_time,
    };
}

/* ---- results -> answers */

static struct str location_of(const struct http_request *r)
{
    const struct str parts[] = {r->server->config->server.public_url, STR(HTTP_BASE_PATH),
                                type_of(r, r->route->resource)->endpoint, STR("/"), r->resource_id};
    return arena_join(r->arena, parts, sizeof(parts) / sizeof(*parts));
}

static void answer_location(struct http_request *r, const struct service_result *result)
{
    bool known = result->location.len || !r->resource_id.len;
    r->answer.location = known ? result->location : location_of(r);
}

enum http_next http_answer_result(struct http_request *r, enum service_status status,
                                  const struct service_result *result)
{
    r->answer.version = result->version;
    switch (status) {
    case SERVICE_OK:
        if (r->minimal) {
            r->answer.minimal_applied = r->head.prefers_minimal;
            http_answer_body(r, 204, STR_NONE);
        } else {
            answer_location(r, result);
            http_answer_body(r, 200, result->body);
        }
        break;
    case SERVICE_CREATED:
        answer_location(r, result);
        http_answer_body(r, 201, result->body);
        break;
    case SERVICE_NO_CONTENT:
        http_answer_body(r, 204, STR_NONE);
        break;
    case SERVICE_NOT_MODIFIED:
        http_answer_body(r, 304, STR_NONE);
        break;
    case SERVICE_NEEDS_DIRECTORY:
        if (result->search.base.len)
            r->ahead = result->search;
        return HTTP_TO_READER;
    case SERVICE_NEEDS_TIME:
        r->has_time = true;
        return HTTP_TO_SCANNER;
    case SERVICE_FAILED:
        break;
    }
    return HTTP_ANSWERED;
}

/* ---- reads */

static enum http_next get_item(struct http_request *r, struct directory_conn *conn)
{
    struct service_result result = {0};
    struct service_call call = http_call(r, conn);
    enum service_status status = r->route->resource->get(&call, r->resource_id, &result, &r->err);
    return http_answer_result(r, status, &result);
}

/* ---- writes: the body is parsed in the pool thread, the change is made by a writer */

bool http_document_load(struct http_request *r, struct error *err)
{
    const struct config_limits *config = &r->server->config->limits;
    const unsigned around = http_bulk_is(r) ? HTTP_BULK_DEPTH : 0;
    const struct json_limits limits = {.depth = config->json_depth + around,
                                       .values = JSON_VALUES_PER_VALUE * config->patch_values};
    json_t *sent = json_load_strict(buf_view(&r->body), limits, err);
    if (!sent)
        return false;
    json_keep(r->arena, sent);
    r->document = sent;
    return json_is_object(sent) ||
           error_set(err, ERR_INVALID_SYNTAX, "the body must be a JSON object");
}

static bool parse_body(struct http_request *r)
{
    if (!http_document_load(r, &r->body_fault))
        return false;
    const struct service_call call = http_call(r, NULL);
    r->write.body = r->document;
    return service_write_read(&call, &r->write, &r->body_fault);
}

/* A body at fault costs a look-up, a good one none. */
static enum http_next refuse_body(struct http_request *r, struct directory_conn *conn)
{
    const struct service_call call = http_call(r, conn);
    enum service_status status = service_write_refuse(&call, &r->write, &r->body_fault, &r->err);
    return status == SERVICE_NEEDS_DIRECTORY ? HTTP_TO_READER : HTTP_ANSWERED;
}

static enum scim_verb verb_of(enum http_method m)
{
    if (m == HTTP_POST)
        return SCIM_POST;
    if (m == HTTP_PUT)
        return SCIM_PUT;
    return m == HTTP_PATCH ? SCIM_PATCH : SCIM_DELETE;
}

static enum http_next begin_write(struct http_request *r, struct directory_conn *conn)
{
    bool with_body = r->method != HTTP_DELETE;
    r->write.resource = r->route->resource;
    r->write.verb = verb_of(r->method);
    r->write.id = r->resource_id;
    if (with_body && r->body_fault.kind == ERR_NONE && !r->document)
        (void)parse_body(r); /* the fault is looked at below, and again after a look-up */
    if (r->body_fault.kind != ERR_NONE)
        return refuse_body(r, conn);
    r->key = service_write_key(r->arena, &r->write);
    r->writing = true;
    return HTTP_TO_WRITER;
}

static enum http_next write_now(struct http_request *r, struct directory_conn *conn)
{
    struct service_result result = {0};
    const struct service_call call = http_call(r, conn);
    enum service_status status = service_write_run(&call, &r->write, &result, &r->err);
    return http_answer_result(r, status, &result);
}

/* ---- the endpoints */

static enum http_next on_resource(struct http_request *r, struct directory_conn *conn,
                                  http_endpoint *read)
{
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    if (!r->prepared && !prepare(r))
        return HTTP_ANSWERED;
    if (is_get(r))
        return read(r, conn);
    return r->writing ? write_now(r, conn) : begin_write(r, conn);
}

enum http_next http_endpoint_collection(struct http_request *r, struct directory_conn *conn)
{
    return on_resource(r, conn, http_list);
}

enum http_next http_endpoint_item(struct http_request *r, struct directory_conn *conn)
{
    return on_resource(r, conn, get_item);
}

/* RFC 7644 3.11: the person who asks, under the own id. */
enum http_next http_endpoint_me(struct http_request *r, struct directory_conn *conn)
{
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    if (r->actor.kind != KIOPS_ACTOR_PERSON || r->method == HTTP_POST) {
        error_set(&r->err, ERR_NOT_IMPLEMENTED,
                  r->method == HTTP_POST ? "nobody is created through /Me; use /Users"
                                         : "this token is no person; use /Users");
        return HTTP_ANSWERED;
    }
    r->resource_id = r->actor.id;
    return on_resource(r, conn, get_item);
}
