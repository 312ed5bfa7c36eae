/* The session: cookies taken and given, and what a change must carry besides. */
#include "http/page.h"

#include "base/clock.h"

static bool is_secure(const struct http_server *h)
{
    return str_starts(h->config->server.public_url, STR("https://"));
}

/* With the prefix __Host- a browser takes it over TLS from this host alone, so that no other host
 * of the domain can plant one. */
static struct str session_name(const struct http_server *h)
{
    return is_secure(h) ? STR("__Host-kiops") : STR("kiops");
}

static struct str try_name(const struct http_server *h)
{
    return is_secure(h) ? STR("__Host-kiops-try") : STR("kiops-try");
}

/* ---- cookies that came */

struct cookies {
    struct str wanted, value;
    unsigned count;
};

// NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature
static enum MHD_Result take_cookie(void *cookies, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct cookies *c = cookies;
    (void)kind;
    if (!str_eq((struct str){name, name_size}, c->wanted))
        return MHD_YES;
    c->value = (struct str){value, value_size};
    c->count++;
    return MHD_YES;
}

static struct str cookie(const struct http_request *r, struct str name)
{
    struct cookies c = {.wanted = name};
    MHD_get_connection_values_n(r->connection, MHD_COOKIE_KIND, take_cookie, &c);
    return c.count == 1 ? c.value : STR_NONE;
}

void http_session_take(struct http_request *r)
{
    if (!r->server->console)
        return;
    r->head.session = cookie(r, session_name(r->server));
    r->head.try = cookie(r, try_name(r->server));
}

/* ---- cookies that go */

static void set_cookie(struct http_request *r, struct str name, struct str value, int64_t life_s)
{
    struct str text = arena_fmt(
        r->arena, STR_FMT "=" STR_FMT "; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s",
        STR_ARG(name), STR_ARG(value), (long long)life_s, is_secure(r->server) ? "; Secure" : "");
    r->answer.cookies[r->answer.cookie_count++] = text;
}

void http_session_begin(struct http_request *r, struct str id)
{
    const struct service_call asks = {.service = r->server->service, .arena = r->arena};
    const struct console_session s = {
        .id = id, .issued = clock_now(), .password_changed = service_password_changed(&asks, id)};
    set_cookie(r, session_name(r->server), console_session_seal(r->server->console, r->arena, &s),
               (int64_t)r->server->config->console.session_h * 3600);
}

void http_session_end(struct http_request *r)
{
    set_cookie(r, session_name(r->server), STR(""), 0);
}

void http_session_try(struct http_request *r, struct str sealed)
{
    set_cookie(r, try_name(r->server), sealed, sealed.len ? CONSOLE_TRY_S : 0);
}

/* ---- who it is */

/* Another site's page can make a browser send the cookie along, but neither this header nor JSON,
 * unless we said that it may; and a browser says where a request comes from. */
bool http_session_from_page(struct http_request *r)
{
    const struct http_head *h = &r->head;
    if (http_is_of_another_site(h))
        return error_set(&r->err, ERR_FORBIDDEN,
                         "this came from the page of another site; open our page and try there");
    if (!h->csrf.len)
        return error_set(&r->err, ERR_FORBIDDEN,
                         "a session changes nothing without the header X-Kiops-Csrf; use the page, "
                         "or a token");
    if (!h->content_type.len)
        return error_set(&r->err, ERR_MEDIA_TYPE, "the Content-Type must be application/json");
    return http_media_body(h, &r->err);
}

bool http_session_may_change(struct http_request *r)
{
    if (!http_session_from_page(r))
        return false;
    return console_csrf_is(r->server->console, r->head.session, r->head.csrf) ||
           error_set(&r->err, ERR_FORBIDDEN,
                     "X-Kiops-Csrf is of another session; load the page again");
}

enum service_status http_session_authenticate(struct http_request *r, struct directory_conn *conn)
{
    struct console_session session;
    const struct service_call asks = {
        .service = r->server->service, .arena = r->arena, .conn = conn};
    r->challenge = HTTP_CHALLENGE_PLAIN;
    if (!http_secrets_are_safe(r)) {
        error_set(&r->err, ERR_UNAUTHORIZED,
                  "sessions are not taken in clear text; use the address of the TLS proxy");
        return SERVICE_FAILED;
    }
    if (!console_session_open(r->server->console, r->arena, r->head.session, clock_now(),
                              &session)) {
        error_set(&r->err, ERR_UNAUTHORIZED, "the session has ended; sign in again");
        return SERVICE_FAILED;
    }
    if (!http_reads(r->method) && !http_session_may_change(r))
        return SERVICE_FAILED;
    enum service_status status = service_person_authenticate(&asks, session.id, &r->actor, &r->err);
    if (status != SERVICE_OK ||
        console_same(session.password_changed, service_password_changed(&asks, session.id)))
        return status;
    error_set(&r->err, ERR_UNAUTHORIZED, "the password was changed; sign in again");
    return SERVICE_FAILED;
}
