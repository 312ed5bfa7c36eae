/* The page as a browser gets it: one HTML text for all its paths, and its files. */
#include "http/page.h"

#include "base/clock.h"

/* A file's address holds the version of all of them, so it never changes there. */
#define FOR_EVER "public, max-age=31536000, immutable"

enum http_next http_page_root(struct http_request *r, struct directory_conn *conn)
{
    (void)conn;
    r->answer.redirect = STR("/users");
    http_answer_body(r, 303, STR_NONE);
    return HTTP_ANSWERED;
}

/* ---- HTML */

/* Who looks at it: OK, or nobody (FAILED, without an error), or NEEDS_DIRECTORY. */
static enum service_status find_viewer(struct http_request *r, struct directory_conn *conn)
{
    if (!r->head.session.len)
        return SERVICE_FAILED;
    enum service_status status = http_session_authenticate(r, conn);
    if (status == SERVICE_FAILED && r->err.kind == ERR_UNAUTHORIZED)
        error_clear(&r->err);
    return status;
}

static bool is_for_managers(struct str path)
{
    return str_eq(path, STR("users")) || str_eq(path, STR("permissions"));
}

static int status_for(const struct http_request *r, bool known)
{
    struct str path = r->route->name;
    bool manages = r->actor.role == KIOPS_PLATFORM_ADMIN || r->actor.organization_count > 0;
    if (r->err.kind != ERR_NONE)
        return 503;
    if (!known)
        return is_for_managers(path) || str_eq(path, STR("me")) ? 401 : 200;
    return is_for_managers(path) && !manages ? 403 : 200;
}

enum http_next http_page_shell(struct http_request *r, struct directory_conn *conn)
{
    const struct console *c = r->server->console;
    http_begin(r);
    enum service_status viewer = find_viewer(r, conn);
    if (viewer == SERVICE_NEEDS_DIRECTORY)
        return HTTP_TO_READER;
    bool known = viewer == SERVICE_OK;
    struct console_shell s = {
        .language = console_language(c, r->head.accept_language),
        .status = status_for(r, known),
        .signup = r->server->signups != NULL,
        .oidc = r->server->config->auth.oidc.client_id.len > 0,
    };
    if (known) {
        s.user = r->actor.id;
        s.csrf = console_csrf(c, r->arena, r->head.session);
        s.admin = r->actor.role == KIOPS_PLATFORM_ADMIN;
        s.manager = r->actor.organization_count > 0;
        if (!s.admin && r->actor.organization_count == 1)
            s.organization = r->actor.organizations[0];
    }
    error_clear(&r->err);
    r->answer.type = "text/html; charset=utf-8";
    r->answer.page = true;
    r->answer.retry_after_s = s.status == 503 ? HTTP_DEFAULT_RETRY_S : 0;
    r->answer.vary = "Accept-Language, Cookie";
    http_answer_body(r, s.status, console_shell(c, r->arena, &s));
    return HTTP_ANSWERED;
}

/* ---- files */

enum http_next http_page_file(struct http_request *r, struct directory_conn *conn)
{
    const struct console *c = r->server->console;
    struct str version = r->target.segments[1], name = r->target.segments[2];
    const struct console_file *f = console_file(c, name);
    (void)conn;
    if (!f) {
        r->answer.plain = true;
        error_set(&r->err, ERR_NOT_FOUND, "the page has no such file");
        return HTTP_ANSWERED;
    }
    bool same = str_eq(version, console_version(c));
    r->answer.type = f->type;
    r->answer.page = true;
    r->answer.version = str_of(f->tag);
    /* Of another version: a bridge beside this one made the HTML. It is not to be kept as that. */
    r->answer.cache = same ? FOR_EVER : "no-store";
    if (same && str_eq(r->head.if_none_match, str_of(f->tag)))
        http_answer_body(r, 304, STR_NONE);
    else
        http_answer_body(r, 200, f->bytes);
    return HTTP_ANSWERED;
}

/* ---- the record of an organization */

enum http_next http_page_record(struct http_request *r, struct directory_conn *conn)
{
    struct service_record_query q = {.organization = r->target.params[HTTP_ORGANIZATION],
                                     .before = INSTANT_NONE};
    struct str before = r->target.params[HTTP_BEFORE];
    struct service_result result = {0};
    if (before.len && !clock_parse_rfc3339(before, &q.before)) {
        error_set(&r->err, ERR_INVALID_VALUE, "before: must be a time, as `next` gives it");
        return HTTP_ANSWERED;
    }
    http_begin(r);
    const struct service_call call = http_call(r, conn);
    enum service_status status = service_record_list(&call, &q, &result, &r->err);
    if (status == SERVICE_OK)
        r->answer.type = "application/json";
    return http_answer_result(r, status, &result);
}
