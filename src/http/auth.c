/* Who asks: the token, the session, or name and password becomes an actor. */
#include "http/issuer.h"
#include "http/page.h"

/* RFC 6750 2.1: the characters of a bearer token. */
static bool is_bearer(struct str s)
{
    return str_consists_of(s, "-._~+/=");
}

bool http_bearer_token(struct str authorization, struct str *token, enum http_challenge *challenge)
{
    struct str rest = str_trim(authorization), scheme;
    *challenge = HTTP_CHALLENGE_PLAIN;
    if (!authorization.at)
        return false;
    *challenge = HTTP_CHALLENGE_INVALID;
    if (!str_split(&rest, ' ', &scheme) || !str_ieq(scheme, STR("Bearer")))
        return false;
    *token = str_trim(rest);
    return is_bearer(*token);
}

/* Who keeps guessing is slowed by address; the table of buckets bounds the memory. */
static enum http_next refuse(struct http_request *r)
{
    struct http_server *h = r->server;
    struct str address = http_peer_address(r->peer, r->arena, &r->head);
    int wait_s = 0;
    if (!http_rate_take(h->rate, address, clock_monotonic_ms(), &wait_s)) {
        error_clear(&r->err);
        error_set(&r->err, ERR_RATE, "too many requests without valid credentials");
        r->err.retry_after_s = wait_s;
        atomic_fetch_add_explicit(&h->metrics.rate_limited, 1, memory_order_relaxed);
        return HTTP_ANSWERED;
    }
    atomic_fetch_add_explicit(&h->metrics.unauthorized, 1, memory_order_relaxed);
    return HTTP_ANSWERED;
}

static enum http_next take_rate(struct http_request *r)
{
    int wait_s = 0;
    if (http_rate_take(r->server->rate, r->actor.id, clock_monotonic_ms(), &wait_s)) {
        r->authenticated = true;
        return HTTP_ANSWERED;
    }
    error_set(&r->err, ERR_RATE, "too many requests at once");
    r->err.retry_after_s = wait_s;
    atomic_fetch_add_explicit(&r->server->metrics.rate_limited, 1, memory_order_relaxed);
    return HTTP_ANSWERED;
}

/* What a token or a person's proof came to. */
static enum http_next conclude(struct http_request *r, const struct directory_conn *conn,
                               enum service_status status)
{
    if (status == SERVICE_NEEDS_DIRECTORY && !conn)
        return HTTP_TO_READER;
    if (status == SERVICE_OK)
        return take_rate(r);
    return r->err.kind == ERR_UNAUTHORIZED ? refuse(r) : HTTP_ANSWERED;
}

enum http_next http_authenticate(struct http_request *r, struct directory_conn *conn)
{
    struct str token;
    if (!r->head.authorization.at && r->head.session.len)
        return conclude(r, conn, http_session_authenticate(r, conn));
    if (http_is_basic(r->head.authorization))
        return conclude(r, conn, http_basic_authenticate(r, conn));
    if (!http_bearer_token(r->head.authorization, &token, &r->challenge)) {
        error_set(&r->err, ERR_UNAUTHORIZED,
                  r->challenge == HTTP_CHALLENGE_PLAIN ? "a bearer token is needed"
                                                       : "the Authorization header is malformed");
        return refuse(r);
    }
    if (r->server->keys && http_is_jwt(token))
        return conclude(r, conn, http_oidc_authenticate(r, token, conn));
    struct service_call asks = {.service = r->server->service, .arena = r->arena, .conn = conn};
    return conclude(r, conn, service_authenticate(&asks, token, &r->actor, &r->err));
}
