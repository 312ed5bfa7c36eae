/* The keys of the OIDC issuer (JWKS, RFC 7517): fetched when they are needed, kept, and fetched
 * again for a key that is not among them. */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "http/issuer.h"
#include "remote/remote.h"

#define DOCUMENT_MAX ((size_t)256 * 1024)
#define FRESH_MS (INT64_C(3600) * 1000)
/* An issuer that is away: its keys serve on, but a key that it took back must end some day. */
#define USABLE_MS (INT64_C(24) * FRESH_MS)
#define FETCH_MS 3000
/* Threads that wait for a key that nobody knows, of the few that may wait at all: anybody can make
 * up such a key while the issuer hangs. */
#define WAITING_MAX 2
#define AGAIN_AFTER_FAILURE_MS 5000
#define AGAIN_FOR_UNKNOWN_MS 10000

/* Base64url characters of a modulus: 2048 to 8192 bits. */
#define RSA_MIN 342
#define RSA_MAX 1366

struct http_keys {
    const struct config_oidc *config;
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    json_t *keys;                              /* array, or NULL */
    int64_t fetched_at, failed_at, unknown_at; /* monotonic ms; 0 = never */
    bool fetching;
    unsigned waiting; /* threads, for the fetch of another */
};

struct http_keys *http_keys_new(const struct config_oidc *config)
{
    struct http_keys *k = must(calloc(1, sizeof *k));
    pthread_condattr_t monotonic;
    k->config = config;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&k->fetched, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return k;
}

void http_keys_free(struct http_keys *k)
{
    if (!k)
        return;
    json_decref(k->keys);
    pthread_cond_destroy(&k->fetched);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- which key */

struct algorithm {
    struct str name, kty, crv;
};

static const struct algorithm algorithms[] = {
    {STR_INIT("RS256"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("RS384"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("RS512"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("PS256"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("PS384"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("PS512"), STR_INIT("RSA"), STR_INIT("")},
    {STR_INIT("ES256"), STR_INIT("EC"), STR_INIT("P-256")},
    {STR_INIT("ES384"), STR_INIT("EC"), STR_INIT("P-384")},
    {STR_INIT("ES512"), STR_INIT("EC"), STR_INIT("P-521")},
};

static bool names_verify(const json_t *operations)
{
    for (size_t i = 0; i < json_array_size(operations); i++)
        if (str_eq(json_str(json_array_get(operations, i)), STR("verify")))
            return true;
    return !operations;
}

static bool absent_or(const json_t *key, const char *name, struct str value)
{
    const json_t *is = json_object_get(key, name);
    return !is || str_eq(json_str(is), value);
}

/* RFC 7517 4.2 to 4.4: what the issuer says the key is for. */
static bool fits(const json_t *key, const struct algorithm *a)
{
    struct str n = json_get_str(key, "n");
    if (!str_eq(json_get_str(key, "kty"), a->kty) || !absent_or(key, "use", STR("sig")) ||
        !absent_or(key, "alg", a->name) || !names_verify(json_object_get(key, "key_ops")))
        return false;
    return a->crv.len ? str_eq(json_get_str(key, "crv"), a->crv)
                      : n.len >= RSA_MIN && n.len <= RSA_MAX;
}

/* Only what the public key is made of: nothing else of the set speaks to the library. */
static json_t *public_part(const json_t *key)
{
    static const char *const parts[] = {"kty", "n", "e", "crv", "x", "y"};
    json_t *out = json_object();
    for (size_t i = 0; out && i < sizeof parts / sizeof *parts; i++)
        if (json_object_get(key, parts[i]))
            json_put_str(out, parts[i], json_get_str(key, parts[i]));
    return out;
}

/* New, or NULL. A token that names no key has one only where there is no choice. */
static json_t *pick(const json_t *keys, const struct http_key_wanted *w)
{
    const struct algorithm *a = NULL;
    const json_t *found = NULL;
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (str_eq(algorithms[i].name, w->algorithm))
            a = &algorithms[i];
    for (size_t i = 0; a && i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        if (!fits(key, a) || (w->kid.at && !str_eq(json_get_str(key, "kid"), w->kid)))
            continue;
        if (found)
            return NULL;
        found = key;
    }
    return found ? public_part(found) : NULL;
}

/* ---- fetching */

bool http_fetch_object(struct str url, int64_t deadline, json_t **out, struct error *err)
{
    const struct json_limits limits = {.depth = 16, .values = 8192};
    const struct remote_request request = {.url = url, .deadline = deadline};
    OWNED_BUF struct buf body;
    struct error odd = ERROR_INIT;
    buf_init(&body, DOCUMENT_MAX);
    if (!remote_fetch(&request, &body, err))
        return false;
    *out = json_load_strict(buf_view(&body), limits, &odd);
    if (*out)
        return true;
    LOG_WARN("oidc_document_unreadable", LOG_S("url", url), LOG_C("reason", odd.detail));
    return error_set(err, ERR_UNAVAILABLE, "the issuer's keys cannot be read");
}

/* OpenID Connect Discovery 4.3: the issuer it names must be exactly the one that was asked. */
static bool find_address(const struct config_oidc *c, struct arena *a, int64_t deadline,
                         struct str *url, struct error *err)
{
    struct str issuer = c->issuer;
    OWNED_JSON json_t *about = NULL;
    *url = c->jwks_uri;
    if (url->len)
        return true;
    if (str_ends(issuer, STR("/")))
        issuer.len--;
    struct str where = arena_fmt(a, STR_FMT "/.well-known/openid-configuration", STR_ARG(issuer));
    if (!http_fetch_object(where, deadline, &about, err))
        return false;
    *url = arena_str(a, json_get_str(about, "jwks_uri"));
    if (str_eq(json_get_str(about, "issuer"), c->issuer) && url->len)
        return true;
    LOG_WARN("oidc_document_of_another_issuer", LOG_S("url", where));
    return error_set(err, ERR_UNAVAILABLE, "the issuer's keys cannot be found");
}

/* New: the array. */
static json_t *fetch_keys(const struct config_oidc *c, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    const int64_t deadline = clock_deadline_in(FETCH_MS);
    OWNED_JSON json_t *set = NULL;
    struct str url;
    if (!find_address(c, a, deadline, &url, err) || !http_fetch_object(url, deadline, &set, err))
        return NULL;
    json_t *keys = json_object_get(set, "keys");
    if (json_is_array(keys))
        return json_incref(keys);
    error_set(err, ERR_UNAVAILABLE, "the issuer's keys cannot be read");
    return NULL;
}

/* ---- the cache; k->lock is held */

static bool within(int64_t since, int64_t ms, int64_t now)
{
    return since && now - since < ms;
}

/* The set is old, or lacks this key; and nobody has just asked for the same reason. What another
 * thread is about to bring may hold it. */
static bool is_to_be_fetched(const struct http_keys *k, bool found, int64_t now)
{
    if (k->fetching)
        return !found;
    if (within(k->failed_at, AGAIN_AFTER_FAILURE_MS, now))
        return false;
    if (!within(k->fetched_at, FRESH_MS, now))
        return true;
    return !found && !within(k->unknown_at, AGAIN_FOR_UNKNOWN_MS, now);
}

static bool is_usable(const struct http_keys *k)
{
    return within(k->fetched_at, USABLE_MS, clock_monotonic_ms());
}

static void wait_for_other(struct http_keys *k)
{
    struct timespec until;
    if (is_usable(k) && k->waiting >= WAITING_MAX)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FETCH_MS / 1000;
    k->waiting++;
    while (k->fetching && pthread_cond_timedwait(&k->fetched, &k->lock, &until) == 0)
        continue;
    k->waiting--;
}

static void fetch(struct http_keys *k)
{
    struct error err = ERROR_INIT;
    if (within(k->fetched_at, FRESH_MS, clock_monotonic_ms()))
        k->unknown_at = clock_monotonic_ms();
    k->fetching = true;
    pthread_mutex_unlock(&k->lock);
    json_t *keys = fetch_keys(k->config, &err);
    pthread_mutex_lock(&k->lock);
    k->fetching = false;
    k->failed_at = keys ? 0 : clock_monotonic_ms();
    if (keys) {
        json_decref(k->keys);
        k->keys = keys;
        k->fetched_at = clock_monotonic_ms();
    }
    pthread_cond_broadcast(&k->fetched);
}

static json_t *look(const struct http_keys *k, const struct http_key_wanted *w)
{
    return is_usable(k) ? pick(k->keys, w) : NULL;
}

enum service_status http_keys_find(struct http_keys *k, const struct http_key_wanted *w,
                                   json_t **out, struct error *err)
{
    pthread_mutex_lock(&k->lock);
    *out = look(k, w);
    bool wanted = is_to_be_fetched(k, *out, clock_monotonic_ms());
    if (wanted && !w->may_wait) {
        pthread_mutex_unlock(&k->lock);
        json_decref(*out);
        *out = NULL;
        return SERVICE_NEEDS_DIRECTORY;
    }
    if (wanted) {
        if (k->fetching)
            wait_for_other(k);
        else
            fetch(k);
        json_decref(*out);
        *out = look(k, w);
    }
    bool unread = k->fetching || k->failed_at || !is_usable(k);
    pthread_mutex_unlock(&k->lock);
    if (*out)
        return SERVICE_OK;
    if (unread)
        error_set(err, ERR_UNAVAILABLE, "the issuer's keys cannot be read; try again");
    else
        error_set(err, ERR_UNAUTHORIZED, "the token is signed with a key that its issuer has not");
    return SERVICE_FAILED;
}
