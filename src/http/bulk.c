/* POST /Bulk: the body is read in the pool thread, the operations go to the writers one by one, and
 * whoever ends the last one brings the answer. */
#include "http/internal.h"

/* Longer than all errors of the most operations that can be configured. */
#define ANSWER_MAX ((size_t)256 * 1024 * 1024)

bool http_bulk_is(const struct http_request *r)
{
    return r->route && r->route->run == http_endpoint_bulk;
}

size_t http_bulk_body_max(const struct http_request *r)
{
    return r->server->config->limits.bulk_kb * 1024;
}

static bool read_operations(struct http_request *r)
{
    const struct service *s = r->server->service;
    const struct scim_resource_type *types[REPLICA_KINDS];
    size_t served = 0;
    for (int kind = 0; kind < REPLICA_KINDS; kind++)
        if (service_type(s, (enum replica_kind)kind))
            types[served++] = service_type(s, (enum replica_kind)kind);
    http_begin(r);
    const struct scim_bulk_reading in = {.arena = r->arena,
                                         .dialect = r->dialect,
                                         .types = types,
                                         .type_count = served,
                                         .circular = service_type(s, REPLICA_USER),
                                         .operations = r->server->config->limits.bulk_operations};
    return http_document_load(r, &r->err) && scim_bulk_read(&in, r->document, &r->bulk, &r->err);
}

enum http_next http_endpoint_bulk(struct http_request *r, struct directory_conn *conn)
{
    (void)conn;
    if (r->method == HTTP_OPTIONS)
        return http_answer_options(r);
    return read_operations(r) ? HTTP_TO_BULK : HTTP_ANSWERED;
}

void http_bulk_begin(struct http_request *r, void (*done)(void *r))
{
    r->outcomes = ARENA_ARRAY(r->arena, struct scim_bulk_outcome, r->bulk.count);
    service_bulk_run(&(struct service_bulk){.call = http_call(r, NULL),
                                            .bulk = &r->bulk,
                                            .outcomes = r->outcomes,
                                            .done = done,
                                            .arg = r});
}

void http_bulk_answer(struct http_request *r)
{
    OWNED_BUF struct buf body;
    buf_init(&body, ANSWER_MAX);
    scim_bulk_reply(&r->bulk, r->outcomes, &body);
    http_answer_body(r, 200, arena_str(r->arena, buf_view(&body)));
}
