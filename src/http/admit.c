/* What can be said before the body: route, token, method, media. */
#include "http/page.h"

bool http_reads(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS;
}

static bool has_body(enum http_method m)
{
    return m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH;
}

static bool refuse_path(struct http_request *r)
{
    return error_set(&r->err, ERR_NOT_FOUND, "there is no such path");
}

static bool check_method(struct http_request *r)
{
    if (r->method == HTTP_UNKNOWN_METHOD)
        return error_set(&r->err, ERR_NOT_IMPLEMENTED, "this method is not known");
    if (!r->route)
        return refuse_path(r);
    if (!http_route_allows(r->route, r->method)) {
        r->answer.allow = http_route_allow(r->arena, r->route);
        return error_set(&r->err, ERR_METHOD, "%s is not allowed here",
                         http_method_name(r->method));
    }
    return true;
}

static bool check_media(struct http_request *r)
{
    if (r->media == HTTP_MEDIA_NONE)
        return error_set(&r->err, ERR_NOT_ACCEPTABLE,
                         "only application/scim+json and application/json are served");
    if (!has_body(r->method) || http_media_body(&r->head, &r->err))
        return true;
    r->answer.wants_identity = r->head.content_encoding.len > 0;
    return false;
}

/* What the token's owner may hear about the request before its body is read. */
static bool check_request(struct http_request *r)
{
    if (!r->target_good) {
        r->err = r->target_fault;
        return false;
    }
    return check_method(r) && check_media(r);
}

/* Paths outside SCIM; NULL: none that is served here. */
static const struct http_route *find_outside(struct http_request *r)
{
    const struct http_server *h = r->server;
    const struct http_route *route = NULL;
    if (!r->target_good)
        return NULL;
    if (h->console)
        route = http_route_of_page(&r->target, r->method, &r->resource_id);
    bool without = route && str_eq(route->name, STR("signup")) && !h->signups;
    if (without)
        return NULL;
    return !route && h->signups ? http_route_of_strangers(&r->target) : route;
}

/* Of the page: a browser says in its own words what it takes. */
static bool check_outside(struct http_request *r)
{
    return r->route->browser ? check_method(r) : check_request(r);
}

static enum http_next refuse_outside(struct http_request *r)
{
    r->answer.plain = true;
    if (!r->target_good)
        r->err = r->target_fault;
    else
        refuse_path(r);
    return HTTP_ANSWERED;
}

static void find_inside(struct http_request *r)
{
    if (r->target_good)
        r->route = http_route_find(&r->target, &r->resource_id);
    if (r->route && r->route->resource &&
        !service_type(r->server->service, r->route->resource->kind))
        r->route = NULL; /* not served here, and in no discovery */
}

/* May be read without a token. */
static bool is_open(const struct http_request *r)
{
    return r->route && r->route->discovery && r->server->config->server.public_discovery &&
           http_reads(r->method);
}

enum http_next http_admit(struct http_request *r, struct directory_conn *conn)
{
    const struct http_route *outside = find_outside(r);
    if (!outside && !http_is_scim_path(&r->target))
        return refuse_outside(r);
    r->route = outside;
    if (!outside)
        find_inside(r);
    bool needs_nobody = outside ? outside->stranger : is_open(r);
    if (!needs_nobody && !r->authenticated) {
        enum http_next next = http_authenticate(r, conn);
        if (next != HTTP_ANSWERED || r->err.kind != ERR_NONE)
            return next;
    }
    r->admitted = outside ? check_outside(r) : check_request(r);
    return HTTP_ANSWERED;
}
