/* The client: its connection, patience, documents, and what the provider says it can. */
#include "remote/internal.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/own.h"

struct remote_client *remote_open(const struct remote_settings *s)
{
    struct remote_client *c = calloc(1, sizeof *c);
    CURL *curl = curl_easy_init();
    if (!c || !curl)
        memory_out();
    c->settings = *s;
    if (str_ends(s->url, STR("/")))
        c->settings.url.len--;
    c->curl = curl;
    buf_init(&c->body, REMOTE_BODY_MAX);
    return c;
}

void remote_close(struct remote_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    buf_free(&c->body);
    free(c);
}

void remote_encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~", c));
        if (plain)
            buf_char(out, c);
        else
            buf_fmt(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* ---- patience */

enum wire_end remote_ask(struct remote_client *c, struct arena *a, const struct wire_ask *ask,
                         bool repeatable, struct wire_answer *out)
{
    struct retry r = {.repeatable = repeatable};
    for (;;) {
        enum wire_end end = remote_wire(c, a, ask, out);
        r.tries++;
        r.asked_to = out->retry_after;
        r.now = clock_now();
        hash_random(&r.dice, sizeof r.dice);
        int64_t ms = out->hopeless ? -1 : remote_retry_wait_ms(&r, end, out->status);
        if (ms < 0 || !remote_pause(c, ms))
            return end;
        r.waited_ms += ms;
    }
}

/* ---- what went wrong, in words */

/* The text comes from outside: one line, no control characters. */
static struct str plain(struct arena *a, struct str text)
{
    struct str s = arena_str(a, str_sub(text, 0, 120));
    char *at = (char *)(uintptr_t)s.at;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)at[i] < ' ' || at[i] == 0x7f)
            at[i] = '?';
    return s;
}

static const char *hint(int status)
{
    switch (status) {
    case 401:
        return "; the token in token_file is not accepted: renew it";
    case 403:
        return "; the token may not do that";
    case 404:
        return "; does jobs.url end where /Users begins?";
    case 429:
        return "; it wants fewer requests: lower rate_per_s";
    default:
        return status >= 300 && status < 400
                   ? "; redirects are not followed: write the address it names into jobs.url"
                   : "";
    }
}

void remote_explain(struct arena *a, enum wire_end end, const struct wire_answer *answer,
                    struct error *err)
{
    struct error odd = ERROR_INIT;
    if (end != WIRE_ANSWERED) {
        error_set(err, ERR_UNAVAILABLE, "%s: " STR_FMT,
                  end == WIRE_CUT ? "it did not answer to the end" : "it could not be asked",
                  STR_ARG(str_sub(answer->why, 0, 200)));
        return;
    }
    OWNED_JSON json_t *doc =
        json_load_strict(buf_view(answer->body),
                         (struct json_limits){.bytes = 65536, .depth = REMOTE_DEPTH_MAX}, &odd);
    struct str detail = doc ? plain(a, json_get_str(doc, "detail")) : STR_NONE;
    error_set(err, ERR_UNAVAILABLE, "it answered %d%s" STR_FMT "%s", answer->status,
              detail.len ? ": " : "", STR_ARG(detail), hint(answer->status));
}

/* ---- documents */

json_t *remote_body(const struct wire_answer *answer, struct error *err)
{
    struct error odd = ERROR_INIT;
    const struct json_limits limits = {
        .bytes = REMOTE_BODY_MAX, .depth = REMOTE_DEPTH_MAX, .values = REMOTE_VALUES_MAX};
    OWNED_JSON json_t *doc = json_load_strict(buf_view(answer->body), limits, &odd);
    if (json_is_object(doc))
        return TAKE(doc);
    error_set(err, ERR_UNAVAILABLE, "its answer is no JSON object: %.200s",
              odd.kind ? odd.detail : "it is something else");
    return NULL;
}

json_t *remote_read(struct remote_client *c, struct arena *a, struct str target, int *status,
                    struct error *err)
{
    const struct wire_ask ask = {.verb = REMOTE_GET, .target = target};
    struct wire_answer answer;
    enum wire_end end = remote_ask(c, a, &ask, true, &answer);
    *status = answer.status;
    if (end == WIRE_ANSWERED && answer.status == 200)
        return remote_body(&answer, err);
    remote_explain(a, end, &answer, err);
    return NULL;
}

bool remote_document(struct remote_client *c, struct arena *a, struct str target,
                     const json_t **out, struct error *err)
{
    struct error why = ERROR_INIT;
    int status = 0;
    json_t *doc = remote_read(c, a, target, &status, &why);
    *out = doc;
    if (doc)
        json_keep(a, doc);
    return doc || status == 404 || status == 501 || status == 403 ||
           error_set(err, ERR_UNAVAILABLE, STR_FMT " of " STR_FMT " could not be read: %.250s",
                     STR_ARG(str_sub(target, 0, 40)), STR_ARG(str_sub(c->settings.url, 0, 100)),
                     why.detail);
}

/* ---- features */

static bool supported(const json_t *doc, const char *name, bool fallback)
{
    const json_t *o = json_get_icase(doc, str_of(name), NULL);
    return o ? json_get_bool(o, "supported", fallback) : fallback;
}

static void lower(size_t *page, const json_t *doc, const char *name, const char *figure)
{
    json_int_t n = json_integer_value(json_object_get(json_object_get(doc, name), figure));
    if (n > 0 && (size_t)n < *page)
        *page = (size_t)n;
}

static void read_features(const json_t *doc, struct remote_features *f)
{
    f->patch = supported(doc, "patch", true);
    f->filter = supported(doc, "filter", true);
    f->etag = supported(doc, "etag", false);
    f->cursor = json_get_bool(json_object_get(doc, "pagination"), "cursor", false);
    lower(&f->page, doc, "pagination", "maxPageSize");
    lower(&f->page, doc, "filter", "maxResults");
}

bool remote_features(struct remote_client *c, struct remote_features *out, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    const json_t *doc;
    if (!c->knows) {
        if (!remote_document(c, a, STR("ServiceProviderConfig"), &doc, err))
            return false;
        c->features = (struct remote_features){.patch = true, .filter = true, .page = REMOTE_PAGE};
        if (doc)
            read_features(doc, &c->features);
        c->knows = true;
    }
    *out = c->features;
    return true;
}
