/*
 * People by a token of the OIDC issuer (JWT, RFC 7519; rules of RFC 8725).
 *
 * Nothing of a token is believed before its signature was checked, but for two words of its header
 * that choose from what we allow: an algorithm of the configuration, a key of the issuer's own set.
 */
#include <jose/b64.h>
#include <jose/jws.h>
#include <math.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/issuer.h"

#define JWT_MAX 8192
#define SUBJECT_MAX 255 /* OpenID Connect Core 2 */

struct jwt {
    struct str header, payload, signature; /* as sent, base64url */
};

static bool split(struct str token, struct jwt *out)
{
    size_t first, second;
    if (!str_find(token, '.', &first) || !str_rfind(token, '.', &second) || first == second)
        return false;
    *out = (struct jwt){str_sub(token, 0, first), str_sub(token, first + 1, second - first - 1),
                        str_sub(token, second + 1, token.len)};
    size_t third;
    return !str_find(out->payload, '.', &third);
}

bool http_is_jwt(struct str token)
{
    struct jwt parts;
    return split(token, &parts);
}

static bool refuse(struct error *err, const char *why)
{
    return error_set(err, ERR_UNAUTHORIZED, "the token %s", why);
}

/* An object that is read once: by our rules, names that stand twice are refused. */
static bool read_part(struct arena *a, struct str part, const json_t **out, struct error *err)
{
    const struct json_limits limits = {.depth = 16, .values = 4096};
    struct error odd = ERROR_INIT;
    size_t len = jose_b64_dec_buf(part.at, part.len, NULL, 0);
    if (len == SIZE_MAX || len == 0)
        return refuse(err, "is malformed");
    char *text = arena_alloc(a, len);
    if (jose_b64_dec_buf(part.at, part.len, text, len) != len)
        return refuse(err, "is malformed");
    json_t *object = json_load_strict((struct str){text, len}, limits, &odd);
    if (object)
        json_keep(a, object);
    *out = object;
    return json_is_object(object) || refuse(err, "is malformed");
}

/* ---- header and signature */

static bool is_allowed(const struct config_oidc *c, struct str algorithm)
{
    for (size_t i = 0; i < c->algorithms.count; i++)
        if (str_eq(c->algorithms.at[i], algorithm))
            return true;
    return false;
}

static bool read_header(const struct config_oidc *c, const json_t *header,
                        struct http_key_wanted *wanted, struct error *err)
{
    const json_t *kid = json_object_get(header, "kid"), *type = json_object_get(header, "typ");
    wanted->algorithm = json_get_str(header, "alg");
    wanted->kid = kid ? json_str(kid) : STR_NONE;
    if (!is_allowed(c, wanted->algorithm))
        return refuse(err, "is signed in a way that is not allowed here (auth.oidc.algorithms)");
    if (kid && !json_is_string(kid))
        return refuse(err, "is malformed");
    /* RFC 7515 4.1.11: what must be understood, and is not. */
    if (json_object_get(header, "crit"))
        return refuse(err, "needs what is not known here (crit)");
    /* RFC 8725 3.11: a token made for another purpose says so. */
    if (type && !str_ieq(json_str(type), STR("JWT")) && !str_ieq(json_str(type), STR("at+jwt")) &&
        !str_ieq(json_str(type), STR("application/at+jwt")))
        return refuse(err, "is of another type than JWT");
    return true;
}

static bool is_signed(const struct jwt *t, const json_t *key)
{
    OWNED_JSON json_t *jws = json_object();
    json_put_str(jws, "protected", t->header);
    json_put_str(jws, "payload", t->payload);
    json_put_str(jws, "signature", t->signature);
    return jose_jws_ver(NULL, jws, NULL, key, false);
}

/* ---- claims */

static bool is_for(const json_t *audience, struct str us)
{
    if (json_is_string(audience))
        return str_eq(json_str(audience), us);
    for (size_t i = 0; i < json_array_size(audience); i++)
        if (str_eq(json_str(json_array_get(audience, i)), us))
            return true;
    return false;
}

/* Seconds since 1970. */
static bool read_time(const json_t *claims, const char *name, double absent, double *out)
{
    const json_t *value = json_object_get(claims, name);
    *out = value ? json_number_value(value) : absent;
    return (!value || json_is_number(value)) && !isnan(*out);
}

static bool is_now(const json_t *claims, unsigned skew_s, struct error *err)
{
    const double now = (double)clock_now() / 1000000, skew = skew_s;
    double ends, begins, made;
    if (!read_time(claims, "exp", 0, &ends) || !read_time(claims, "nbf", now, &begins) ||
        !read_time(claims, "iat", now, &made))
        return refuse(err, "has a time that is no number");
    if (ends + skew <= now)
        return refuse(err, "has expired");
    if (begins - skew > now || made - skew > now)
        return refuse(err, "is not valid yet; compare the clocks");
    return true;
}

/* Whom a token must be for. */
struct wanted {
    struct str audience;
    struct str nonce; /* at == NULL: no sign-in of the page, so none is looked for */
};

static bool check_claims(const struct config_oidc *c, const struct wanted *wanted,
                         const json_t *claims, struct error *err)
{
    const json_t *party = json_object_get(claims, "azp");
    if (!str_eq(json_get_str(claims, "iss"), c->issuer))
        return refuse(err, "is of another issuer");
    if (!is_for(json_object_get(claims, "aud"), wanted->audience))
        return refuse(err, "is made for another audience");
    /* OpenID Connect Core 3.1.3.7: of the sign-in that this browser began, and for this client. */
    if (wanted->nonce.at &&
        (!wanted->nonce.len || !str_eq(json_get_str(claims, "nonce"), wanted->nonce) ||
         (party && !str_eq(json_str(party), wanted->audience))))
        return refuse(err, "is of another sign-in");
    return is_now(claims, c->clock_skew_s, err);
}

/* The issuer as the name of a client, so that `token create --client` takes the same: without
 * scheme and slash at the end, and what no name may hold as '-'. */
struct str http_oidc_client(struct arena *a, struct str issuer)
{
    size_t colon = 0;
    (void)str_find(issuer, ':', &colon);
    struct str rest = str_sub(issuer, colon + STR("://").len, issuer.len);
    if (str_ends(rest, STR("/")))
        rest.len--;
    char *name = arena_alloc(a, rest.len + 1);
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '_';
        name[i] = plain ? c : '-';
    }
    return (struct str){name, rest.len};
}

static bool read_claim(const struct config_oidc *c, struct arena *a, const json_t *claims,
                       struct service_claim *out, struct error *err)
{
    struct str name = c->claim.len ? c->claim : STR("sub");
    out->attribute = c->claim.len ? c->matches : STR("externalId");
    out->client = http_oidc_client(a, c->issuer);
    out->value = json_get_str(claims, arena_cstr(a, name));
    if (out->value.len == 0 || out->value.len > SUBJECT_MAX)
        return refuse(err, "does not say whose it is");
    const json_t *verified = json_object_get(claims, "email_verified");
    if (str_eq(name, STR("email")) && verified && !json_is_true(verified))
        return refuse(err, "has an email that its issuer has not verified");
    return true;
}

/* What a claim is matched by is no client's to spell in its own way. */
static const struct scim_dialect *plain_dialect(void)
{
    return scim_dialect_find(STR("default"));
}

bool http_oidc_check(const struct http_server *h, struct error *err)
{
    const struct config_oidc *c = &h->config->auth.oidc;
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = {.arena = a,
                                    .type = service_type(h->service, REPLICA_USER),
                                    .dialect = plain_dialect(),
                                    .base = http_discovery_base(h->discovery),
                                    .limits = service_limits(h->config)};
    struct str filter = arena_fmt(a, STR_FMT " pr", STR_ARG(c->matches));
    const struct scim_filter *unused;
    struct error odd = ERROR_INIT;
    return !c->matches.len || scim_filter_parse(&in, filter, &unused, &odd) ||
           error_set(err, ERR_CONFIG, "auth.oidc.matches: %s", odd.detail);
}

static enum service_status authenticate(struct http_request *r, struct str token,
                                        const struct wanted *whom, struct directory_conn *conn)
{
    const struct config_oidc *c = &r->server->config->auth.oidc;
    const json_t *header = NULL, *claims = NULL;
    struct http_key_wanted wanted = {.may_wait = conn != NULL};
    struct service_claim claim = {0};
    struct jwt parts;
    OWNED_JSON json_t *key = NULL;
    if (token.len > JWT_MAX || !split(token, &parts)) {
        refuse(&r->err, "is malformed");
        return SERVICE_FAILED;
    }
    if (!read_part(r->arena, parts.header, &header, &r->err) ||
        !read_header(c, header, &wanted, &r->err))
        return SERVICE_FAILED;
    enum service_status found = http_keys_find(r->server->keys, &wanted, &key, &r->err);
    if (found != SERVICE_OK)
        return found;
    if (!is_signed(&parts, key)) {
        refuse(&r->err, "is not signed by its issuer");
        return SERVICE_FAILED;
    }
    if (!read_part(r->arena, parts.payload, &claims, &r->err) ||
        !check_claims(c, whom, claims, &r->err) ||
        !read_claim(c, r->arena, claims, &claim, &r->err))
        return SERVICE_FAILED;
    struct service_call asks = {.service = r->server->service, .arena = r->arena, .conn = conn};
    asks.scim = http_context(r, &service_users);
    asks.scim.dialect = plain_dialect();
    return service_claim_authenticate(&asks, &claim, &r->actor, &r->err);
}

enum service_status http_oidc_authenticate(struct http_request *r, struct str token,
                                           struct directory_conn *conn)
{
    const struct wanted whom = {.audience = r->server->config->auth.oidc.audience};
    return authenticate(r, token, &whom, conn);
}

enum service_status http_oidc_sign_in(struct http_request *r, struct str id_token, struct str nonce,
                                      struct directory_conn *conn)
{
    const struct wanted whom = {.audience = r->server->config->auth.oidc.client_id, .nonce = nonce};
    return authenticate(r, id_token, &whom, conn);
}
