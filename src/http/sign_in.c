/* Signing in at the identity provider: there with a challenge of our own (PKCE), and back with a
 * code that is of use to nobody else. */
#include "http/issuer.h"
#include "http/page.h"

#include "base/clock.h"

#define URL_MAX 8192
#define NEXT_MAX 512

bool http_sign_in_is(const struct http_request *r)
{
    return r->server->provider && r->method == HTTP_GET &&
           (r->target.params[HTTP_PROVIDER].at || r->target.params[HTTP_STATE].at);
}

static enum http_next redirect(struct http_request *r, struct str where)
{
    r->answer.redirect = where;
    r->answer.page = true;
    http_answer_body(r, 303, STR_NONE);
    return HTTP_ANSWERED;
}

/* What happened stands in the log: to who is not signed in yet it is one and the same. */
static enum http_next give_up(struct http_request *r)
{
    LOG_WARN("sign_in_failed", LOG_C("reason", r->err.detail));
    error_clear(&r->err);
    http_session_try(r, STR(""));
    return redirect(r, STR("/login?failed=1"));
}

/* ---- there */

/* A path of the page, and nothing that a browser could take for another host. */
static struct str safe_next(struct arena *a, struct str wanted)
{
    static const struct str paths[] = {STR_INIT("/users"), STR_INIT("/permissions"),
                                       STR_INIT("/me")};
    OWNED_BUF struct buf out;
    buf_init(&out, NEXT_MAX);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct str rest = str_sub(wanted, paths[i].len, wanted.len);
        if (!str_starts(wanted, paths[i]) || (rest.len && rest.at[0] != '?'))
            continue;
        for (size_t k = 0; k < wanted.len; k++) {
            char c = wanted.at[k];
            if (c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}#", c))
                buf_char(&out, c);
            else
                buf_fmt(&out, "%%%02X", (unsigned char)c);
        }
    }
    return out.len && !out.failed ? arena_str(a, buf_view(&out)) : STR("/users");
}

static struct str own_address(const struct http_request *r)
{
    return arena_fmt(r->arena, STR_FMT "/login", STR_ARG(r->server->config->server.public_url));
}

static void put_parameter(struct buf *url, const char *name, struct str value)
{
    buf_fmt(url, "&%s=", name);
    http_put_escaped(url, value);
}

static enum http_next go(struct http_request *r, const struct http_endpoints *endpoints)
{
    struct console_try t = {.issued = clock_now()};
    OWNED_BUF struct buf url;
    buf_init(&url, URL_MAX);
    console_try_draw(r->arena, &t);
    t.next = safe_next(r->arena, r->target.params[HTTP_NEXT]);
    buf_fmt(&url, "%s%sresponse_type=code", endpoints->authorization,
            strchr(endpoints->authorization, '?') ? "&" : "?");
    put_parameter(&url, "client_id", r->server->config->auth.oidc.client_id);
    put_parameter(&url, "redirect_uri", own_address(r));
    put_parameter(&url, "scope", STR("openid profile email"));
    put_parameter(&url, "state", t.state);
    put_parameter(&url, "nonce", t.nonce);
    put_parameter(&url, "code_challenge", console_challenge(r->arena, t.verifier));
    put_parameter(&url, "code_challenge_method", STR("S256"));
    http_session_try(r, console_try_seal(r->server->console, r->arena, &t));
    return redirect(r, arena_str(r->arena, buf_view(&url)));
}

/* ---- back */

static bool is_ours(struct http_request *r, struct console_try *t)
{
    if (!console_try_open(r->server->console, r->arena, r->head.try, clock_now(), t) ||
        !console_same(t->state, r->target.params[HTTP_STATE]))
        return error_set(&r->err, ERR_UNAUTHORIZED, "no sign-in of this browser is under way");
    return r->target.params[HTTP_CODE].len ||
           error_set(&r->err, ERR_UNAUTHORIZED, "the issuer gave no code");
}

static enum http_next come_back(struct http_request *r, struct directory_conn *conn)
{
    struct console_try t;
    struct str token;
    if (!is_ours(r, &t))
        return give_up(r);
    if (!conn) /* the issuer is asked on a thread that may wait */
        return HTTP_TO_READER;
    if (!http_tries_take(r))
        return give_up(r);
    const struct http_code code = {r->target.params[HTTP_CODE], t.verifier, own_address(r)};
    if (!http_provider_redeem(r->server->provider, &code, r->arena, &token, &r->err) ||
        http_oidc_sign_in(r, token, t.nonce, conn) != SERVICE_OK)
        return give_up(r);
    http_tries_give(r);
    http_session_begin(r, r->actor.id);
    http_session_try(r, STR(""));
    return redirect(r, t.next);
}

enum http_next http_sign_in(struct http_request *r, struct directory_conn *conn)
{
    struct http_endpoints endpoints;
    http_begin(r);
    if (r->target.params[HTTP_STATE].at)
        return come_back(r, conn);
    enum service_status status =
        http_provider_endpoints(r->server->provider, conn != NULL, &endpoints, &r->err);
    if (status == SERVICE_NEEDS_DIRECTORY)
        return HTTP_TO_READER;
    return status == SERVICE_OK ? go(r, &endpoints) : give_up(r);
}
