/* The answer: an error as a SCIM body, headers, and the bytes. */
#include "http/internal.h"

#include "base/memory.h"

#include <stdio.h>

#define ERROR_BODY_MAX 4096
#define REALM "realm=\"kiops-bridge\""

void http_answer_body(struct http_request *r, int status, struct str body)
{
    r->answer.status = status;
    r->answer.body = body;
}

static int default_retry(enum error_kind kind)
{
    if (kind == ERR_UNAVAILABLE)
        return HTTP_DEFAULT_RETRY_S;
    return kind == ERR_RATE ? 1 : 0;
}

void http_answer_error(struct http_request *r)
{
    OWNED_BUF struct buf body;
    buf_init(&body, ERROR_BODY_MAX);
    if (r->answer.plain)
        buf_fmt(&body, "%s\n", r->err.detail);
    else
        scim_reply_error(&r->err, str_of(r->id), &body);
    http_answer_body(r, scim_status(r->err.kind), arena_str(r->arena, buf_view(&body)));
    r->answer.version = r->answer.location = r->answer.redirect = STR_NONE;
    r->answer.cache = NULL;
    r->answer.cookie_count = 0;
    r->answer.minimal_applied = false;
    r->answer.retry_after_s =
        r->err.retry_after_s > 0 ? r->err.retry_after_s : default_retry(r->err.kind);
    r->answer.scope = r->err.kind == ERR_FORBIDDEN && r->authenticated && !r->actor.can_write &&
                      r->method != HTTP_GET && r->method != HTTP_HEAD;
    if (r->err.kind == ERR_UNAUTHORIZED && r->challenge == HTTP_CHALLENGE_NONE)
        r->challenge = HTTP_CHALLENGE_INVALID;
}

static const char *content_type(const struct http_request *r)
{
    if (r->answer.plain)
        return "text/plain; charset=utf-8";
    if (r->answer.type && r->err.kind == ERR_NONE)
        return r->answer.type;
    return r->media == HTTP_MEDIA_JSON ? "application/json" : "application/scim+json";
}

static const char *challenge(const struct http_request *r)
{
    if (r->answer.status == 401)
        return r->challenge == HTTP_CHALLENGE_PLAIN ? "Bearer " REALM
                                                    : "Bearer " REALM ", error=\"invalid_token\"";
    return r->answer.scope ? "Bearer " REALM ", error=\"insufficient_scope\"" : NULL;
}

/* Calls `add` for every header line of the answer that is not the library's own. */
typedef void add_header(void *to, const char *name, const char *value);

/* Nothing but our own files, no script or style inside the text, in nobody's frame; and no way for
 * a script to make markup of text. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "        \
    "'self'; "                                                                                     \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "                                \
    "require-trusted-types-for 'script'; trusted-types 'none'"

static void page_headers(const struct http_request *r, add_header *add, void *to)
{
    const struct http_answer *answer = &r->answer;
    if (answer->page) {
        add(to, "Content-Security-Policy", POLICY);
        add(to, "X-Frame-Options", "DENY");
        add(to, "Referrer-Policy", "same-origin");
        add(to, "Cross-Origin-Opener-Policy", "same-origin");
        add(to, "Cross-Origin-Resource-Policy", "same-origin");
        add(to, "Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    }
    if (answer->vary)
        add(to, "Vary", answer->vary);
    if (answer->redirect.len)
        add(to, "Location", arena_cstr(r->arena, answer->redirect));
    for (unsigned i = 0; i < answer->cookie_count; i++)
        add(to, "Set-Cookie", arena_cstr(r->arena, answer->cookies[i]));
}

static void each_header(const struct http_request *r, add_header *add, void *to)
{
    const struct http_answer *answer = &r->answer;
    char number[12];
    if (answer->body.len)
        add(to, "Content-Type", content_type(r));
    add(to, "X-Request-Id", r->id);
    add(to, "Cache-Control", answer->cache ? answer->cache : "no-store");
    add(to, "X-Content-Type-Options", "nosniff");
    if (str_starts(r->server->config->server.public_url, STR("https://")))
        add(to, "Strict-Transport-Security", "max-age=31536000");
    if (answer->version.len)
        add(to, "ETag", arena_cstr(r->arena, answer->version));
    if (answer->location.len) {
        const char *location = arena_cstr(r->arena, answer->location);
        add(to, "Location", location);
        add(to, "Content-Location", location);
    }
    if (answer->allow.len)
        add(to, "Allow", arena_cstr(r->arena, answer->allow));
    if (challenge(r))
        add(to, "WWW-Authenticate", challenge(r));
    /* A browser would ask for a password in a window of its own. */
    if (answer->status == 401 && http_basic_is_offered(r) && !r->head.csrf.at && !answer->page)
        add(to, "WWW-Authenticate", "Basic " REALM ", charset=\"UTF-8\"");
    if (answer->retry_after_s) {
        snprintf(number, sizeof(number), "%d", answer->retry_after_s);
        add(to, "Retry-After", number);
    }
    if (answer->minimal_applied)
        add(to, "Preference-Applied", "return=minimal");
    if (answer->wants_identity)
        add(to, "Accept-Encoding", "identity");
    if (answer->close)
        add(to, "Connection", "close");
    page_headers(r, add, to);
}

static void add_to_response(void *to, const char *name, const char *value)
{
    /* MHD_NO: a value with CR, LF; our values hold none. */
    if (MHD_add_response_header(to, name, value) != MHD_YES)
        LOG_WARN("header_left_out", LOG_C("name", name));
}

struct MHD_Response *http_answer_response(const struct http_request *r)
{
    /* The library only reads a persistent buffer; its parameter is not const. */
    void *bytes = (void *)(uintptr_t)r->answer.body.at;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(r->answer.body.len, bytes, MHD_RESPMEM_PERSISTENT);
    if (!response)
        memory_out();
    each_header(r, add_to_response, response);
    return response;
}

static void add_to_text(void *to, const char *name, const char *value)
{
    buf_fmt(to, "%s: %s\r\n", name, value);
}

struct str http_answer_raw(const struct http_request *r)
{
    OWNED_BUF struct buf text;
    buf_init(&text, 2 * ERROR_BODY_MAX);
    buf_fmt(&text, "HTTP/1.1 %d %s\r\n", r->answer.status,
            MHD_get_reason_phrase_for((unsigned)r->answer.status));
    each_header(r, add_to_text, &text);
    buf_fmt(&text, "Content-Length: %zu\r\n\r\n", r->answer.body.len);
    buf_str(&text, r->answer.body);
    return arena_str(r->arena, buf_view(&text));
}
