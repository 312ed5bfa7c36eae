/* HTTP Basic (RFC 7617): people by user name and password, where auth.basic allows it. */
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/unicode.h"
#include "http/internal.h"

#define ENCODED_MAX 2048

/* Wrong passwords at once, and the seconds until the next try: slower than a directory locks. */
#define ACCOUNT_TRIES 10
#define ACCOUNT_WAIT_S 10
#define ADDRESS_TRIES 60
#define ADDRESS_WAIT_S 1

static void wipe(struct str secret)
{
    if (secret.len) /* the arena's own bytes, or the library's own buffer: not constant */
        explicit_bzero((char *)(uintptr_t)secret.at, secret.len);
}

bool http_is_basic(struct str authorization)
{
    struct str rest = str_trim(authorization), scheme;
    return str_split(&rest, ' ', &scheme) && str_ieq(scheme, STR("Basic"));
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
            return true;
    return false;
}

/* Views into the arena; `out->secret` is all of it, to be wiped. */
bool http_basic_read(struct arena *a, struct str authorization, struct http_basic *out)
{
    struct str rest = str_trim(authorization), scheme;
    size_t colon;
    *out = (struct http_basic){0};
    if (!str_split(&rest, ' ', &scheme) || rest.len > ENCODED_MAX ||
        !base64_decode(a, str_trim(rest), &out->secret))
        return false;
    if (has_controls(out->secret) || !utf8_valid(out->secret) ||
        !str_find(out->secret, ':', &colon))
        return false;
    out->name = str_sub(out->secret, 0, colon);
    out->password = str_sub(out->secret, colon + 1, out->secret.len);
    return true;
}

/* ---- slowing who guesses */

struct http_tries {
    struct http_rate *accounts, *addresses;
};

struct http_tries *http_tries_new(void)
{
    struct http_tries *t = must(calloc(1, sizeof *t));
    t->accounts = http_rate_new_slow(ACCOUNT_WAIT_S, ACCOUNT_TRIES);
    t->addresses = http_rate_new_slow(ADDRESS_WAIT_S, ADDRESS_TRIES);
    return t;
}

void http_tries_free(struct http_tries *t)
{
    if (!t)
        return;
    http_rate_free(t->accounts);
    http_rate_free(t->addresses);
    free(t);
}

struct
try {
    struct str account, address;
};

static bool slow_down(struct http_request *r, int wait_s)
{
    error_set(&r->err, ERR_RATE, "too many tries that failed; wait before the next one");
    r->err.retry_after_s = wait_s;
    atomic_fetch_add_explicit(&r->server->metrics.rate_limited, 1, memory_order_relaxed);
    return false;
}

bool http_tries_take(struct http_request *r)
{
    int wait_s = 0;
    struct str network = http_peer_network(r->peer, r->arena, &r->head);
    return http_rate_take(r->server->tries->addresses, network, clock_monotonic_ms(), &wait_s) ||
           slow_down(r, wait_s);
}

void http_tries_give(struct http_request *r)
{
    http_rate_give(r->server->tries->addresses, http_peer_network(r->peer, r->arena, &r->head));
}

static bool take_try(struct http_request *r, const struct try *t)
{
    struct http_server *h = r->server;
    int64_t now_ms = clock_monotonic_ms();
    int wait_s = 0;
    bool address = http_rate_take(h->tries->addresses, t->address, now_ms, &wait_s);
    if (address && http_rate_take(h->tries->accounts, t->account, now_ms, &wait_s))
        return true;
    if (address)
        http_rate_give(h->tries->addresses, t->address);
    return slow_down(r, wait_s);
}

static void give_back(struct http_request *r, const struct try *t)
{
    http_rate_give(r->server->tries->addresses, t->address);
    http_rate_give(r->server->tries->accounts, t->account);
}

/* Taken before the directory is asked and given back unless it refuses, so that a thousand guesses
 * at once are not a thousand binds. */
static enum service_status ask(struct http_request *r, const struct service_call *asks,
                               const struct service_login *login)
{
    if (!asks->conn) {
        r->deadline = http_deadline(r);
        return service_password_authenticate(asks, login, &r->actor, &r->err);
    }
    if (clock_left_ms(r->deadline) == 0) { /* behind a directory that hangs */
        error_set(&r->err, ERR_UNAVAILABLE, "the directory could not check the password in time");
        return SERVICE_FAILED;
    }
    const struct try t = {.account = unicode_key(r->arena, login->name),
                          .address = http_peer_network(r->peer, r->arena, &r->head)};
    if (!take_try(r, &t))
        return SERVICE_FAILED;
    enum service_status status = service_password_authenticate(asks, login, &r->actor, &r->err);
    if (r->err.kind != ERR_UNAUTHORIZED)
        give_back(r, &t);
    return status;
}

/* ---- one request */

bool http_secrets_are_safe(const struct http_request *r)
{
    return r->server->tls || http_peer_is_private(r->peer);
}

bool http_basic_is_offered(const struct http_request *r)
{
    return r->server->config->auth.basic && http_secrets_are_safe(r);
}

enum service_status http_password_authenticate(struct http_request *r,
                                               const struct service_login *login,
                                               struct directory_conn *conn)
{
    const struct service_call asks = {
        .service = r->server->service, .arena = r->arena, .conn = conn};
    enum service_status status = ask(r, &asks, login);
    if (status != SERVICE_NEEDS_DIRECTORY)
        wipe(login->password);
    return status;
}

/* A browser that was once given a password sends it along with what other sites' pages send. */
enum service_status http_basic_authenticate(struct http_request *r, struct directory_conn *conn)
{
    struct http_basic sent = {0};
    enum service_status status = SERVICE_FAILED;
    r->challenge = HTTP_CHALLENGE_PLAIN;
    if (!http_basic_is_offered(r)) {
        error_set(&r->err, ERR_UNAUTHORIZED,
                  r->server->config->auth.basic
                      ? "passwords are not taken in clear text; use the address of the TLS proxy"
                      : "passwords are not taken here; use a bearer token");
    } else if (!http_reads(r->method) && http_is_of_another_site(&r->head)) {
        error_set(&r->err, ERR_FORBIDDEN,
                  "this came from the page of another site; open ours and try there");
    } else if (!http_basic_read(r->arena, r->head.authorization, &sent)) {
        error_set(&r->err, ERR_UNAUTHORIZED, "the Authorization header is malformed");
    } else {
        const struct service_login login = {.name = sent.name, .password = sent.password};
        status = http_password_authenticate(r, &login, conn);
    }
    wipe(sent.secret);
    if (status != SERVICE_NEEDS_DIRECTORY) {
        wipe(r->head.authorization);
        r->head.authorization = STR_NONE;
    }
    return status;
}
