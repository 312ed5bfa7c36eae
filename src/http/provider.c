/* The issuer as a place to sign in: where its endpoints are, and a code redeemed there (RFC 6749
 * 4.1.3, RFC 7636). */
#include "http/issuer.h"
#include "http/page.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "remote/remote.h"

#define FETCH_MS 5000
#define FRESH_MS INT64_C(3600000)
#define AGAIN_AFTER_FAILURE_MS 5000
/* An answer that took longer: for a while there are few questions at a time, so that strangers with
 * codes of their own invention do not hold all who could ask the directory. */
#define LONG_MS 2000
#define FEW_FOR_MS 10000
#define FEW 2
#define ANSWER_MAX ((size_t)64 * 1024)
#define FORM_MAX 8192

struct http_provider {
    const struct config *config;
    struct buf secret; /* empty: a public client */
    pthread_mutex_t lock;
    struct http_endpoints endpoints;
    int64_t fetched_at, failed_at, slow_at; /* monotonic ms; 0 = never */
    unsigned asking;
};

bool http_provider_new(const struct config *config, struct http_provider **out, struct error *err)
{
    struct http_provider *p = must(calloc(1, sizeof *p));
    struct str file = config->auth.oidc.client_secret_file;
    p->config = config;
    pthread_mutex_init(&p->lock, NULL);
    buf_init(&p->secret, FORM_MAX);
    if (file.len && !config_read_secret(file, &p->secret, err)) {
        http_provider_free(p);
        return false;
    }
    *out = p;
    return true;
}

void http_provider_free(struct http_provider *p)
{
    if (!p)
        return;
    if (p->secret.at)
        explicit_bzero(p->secret.at, p->secret.cap);
    buf_free(&p->secret);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void http_put_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            buf_char(out, c);
        else
            buf_fmt(out, "%%%02X", (unsigned char)c);
    }
}

/* ---- endpoints */

static bool take_endpoint(const json_t *about, const char *name, char out[HTTP_ENDPOINT_MAX])
{
    struct str url = json_get_str(about, name);
    if (!url.len || url.len >= HTTP_ENDPOINT_MAX || !config_url_is_safe(url))
        return false;
    memcpy(out, url.at, url.len);
    out[url.len] = '\0';
    return true;
}

/* OpenID Connect Discovery 4.3: the issuer it names must be exactly the one that was asked. */
static bool fetch(const struct http_provider *p, struct http_endpoints *out, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *about = NULL;
    struct str issuer = p->config->auth.oidc.issuer, base = issuer;
    if (str_ends(base, STR("/")))
        base.len--;
    struct str where = arena_fmt(a, STR_FMT "/.well-known/openid-configuration", STR_ARG(base));
    if (!http_fetch_object(where, clock_deadline_in(FETCH_MS), &about, err))
        return false;
    if (str_eq(json_get_str(about, "issuer"), issuer) &&
        take_endpoint(about, "authorization_endpoint", out->authorization) &&
        take_endpoint(about, "token_endpoint", out->token))
        return true;
    LOG_WARN("oidc_document_unusable", LOG_S("url", where));
    return error_set(err, ERR_UNAVAILABLE, "the issuer does not say where to sign in");
}

static bool within(int64_t since, int64_t ms)
{
    return since && clock_monotonic_ms() - since < ms;
}

enum service_status http_provider_endpoints(struct http_provider *p, bool may_wait,
                                            struct http_endpoints *out, struct error *err)
{
    pthread_mutex_lock(&p->lock);
    bool known = within(p->fetched_at, FRESH_MS);
    bool failed = within(p->failed_at, AGAIN_AFTER_FAILURE_MS);
    *out = p->endpoints;
    pthread_mutex_unlock(&p->lock);
    if (known)
        return SERVICE_OK;
    if (failed) {
        error_set(err, ERR_UNAVAILABLE, "the issuer did not answer; try again");
        return SERVICE_FAILED;
    }
    if (!may_wait)
        return SERVICE_NEEDS_DIRECTORY;
    bool fetched = fetch(p, out, err);
    pthread_mutex_lock(&p->lock);
    if (fetched)
        p->endpoints = *out;
    *(fetched ? &p->fetched_at : &p->failed_at) = clock_monotonic_ms();
    pthread_mutex_unlock(&p->lock);
    return fetched ? SERVICE_OK : SERVICE_FAILED;
}

/* ---- the code */

static bool begin_asking(struct http_provider *p, struct error *err)
{
    pthread_mutex_lock(&p->lock);
    bool may = p->asking < FEW || !within(p->slow_at, FEW_FOR_MS);
    p->asking += may;
    pthread_mutex_unlock(&p->lock);
    return may || error_set(err, ERR_UNAVAILABLE, "the issuer is slow; try again");
}

static void end_asking(struct http_provider *p, int64_t since)
{
    pthread_mutex_lock(&p->lock);
    p->asking--;
    if (!within(since, LONG_MS))
        p->slow_at = clock_monotonic_ms();
    pthread_mutex_unlock(&p->lock);
}

static bool post(struct http_provider *p, const struct remote_request *request, struct buf *body,
                 struct error *err)
{
    if (!begin_asking(p, err))
        return false;
    const int64_t since = clock_monotonic_ms();
    bool posted = remote_post_for(request, body, err);
    end_asking(p, since);
    return posted;
}

static void put_field(struct buf *form, const char *name, struct str value)
{
    buf_fmt(form, "%s%s=", form->len ? "&" : "", name);
    http_put_escaped(form, value);
}

static void write_form(const struct http_provider *p, const struct http_code *code,
                       struct buf *form)
{
    put_field(form, "grant_type", STR("authorization_code"));
    put_field(form, "code", code->code);
    put_field(form, "redirect_uri", code->redirect_uri);
    put_field(form, "code_verifier", code->verifier);
    put_field(form, "client_id", p->config->auth.oidc.client_id);
}

/* RFC 6749 2.3.1: both parts are form-encoded before they are joined. */
static void write_authorization(const struct http_provider *p, struct arena *a, struct buf *header)
{
    OWNED_SECRET struct buf pair;
    buf_init(&pair, FORM_MAX * 3);
    http_put_escaped(&pair, p->config->auth.oidc.client_id);
    buf_char(&pair, ':');
    http_put_escaped(&pair, buf_view(&p->secret));
    struct str encoded = base64_encode(a, buf_view(&pair));
    buf_fmt(header, "Authorization: Basic " STR_FMT, STR_ARG(encoded));
    explicit_bzero((char *)(uintptr_t)encoded.at, encoded.len); /* the arena's own bytes */
}

bool http_provider_redeem(struct http_provider *p, const struct http_code *code, struct arena *a,
                          struct str *id_token, struct error *err)
{
    static const char type[] = "Content-Type: application/x-www-form-urlencoded";
    const struct json_limits limits = {.depth = 16, .values = 1024};
    struct http_endpoints endpoints;
    OWNED_SECRET struct buf form, header, body;
    buf_init(&form, FORM_MAX * 3);
    buf_init(&header, FORM_MAX * 5);
    buf_init(&body, ANSWER_MAX);
    if (http_provider_endpoints(p, true, &endpoints, err) != SERVICE_OK)
        return false;
    write_form(p, code, &form);
    if (p->secret.len)
        write_authorization(p, a, &header);
    const char *const headers[] = {type, "Accept: application/json", header.len ? header.at : NULL,
                                   NULL};
    const struct remote_request request = {.url = str_of(endpoints.token),
                                           .deadline = clock_deadline_in(FETCH_MS),
                                           .body = buf_view(&form),
                                           .headers = headers};
    if (form.failed || header.failed || !post(p, &request, &body, err))
        return false;
    struct error odd = ERROR_INIT;
    OWNED_JSON json_t *answer = json_load_strict(buf_view(&body), limits, &odd);
    *id_token = arena_str(a, json_get_str(answer, "id_token"));
    return id_token->len ||
           error_set(err, ERR_UNAUTHORIZED, "the issuer did not say who signed in");
}
