/* One try of one request: headers, token, body, and what came back. */
#include "remote/internal.h"

#include <time.h>

#include "base/own.h"

#define PAUSE_STEP_MS 100
#define WIRE_BUFFER 262144L /* pages are large */

bool remote_pause(const struct remote_client *c, int64_t ms)
{
    const atomic_bool *stop = c->settings.stop;
    int64_t due = clock_monotonic_ms() + ms;
    for (int64_t left; (left = due - clock_monotonic_ms()) > 0;) {
        if (stop && atomic_load(stop))
            return false;
        int64_t step = left < PAUSE_STEP_MS ? left : PAUSE_STEP_MS;
        nanosleep(&(struct timespec){.tv_nsec = step * 1000000}, NULL);
    }
    return !stop || !atomic_load(stop);
}

static bool keep_pace(struct remote_client *c)
{
    int64_t now = clock_monotonic_ms();
    if (!remote_pause(c, c->next_ms - now))
        return false;
    now = clock_monotonic_ms();
    if (c->settings.rate_per_s)
        c->next_ms = now + 1000 / (int64_t)c->settings.rate_per_s;
    return true;
}

/* ---- headers */

static bool add_header(struct curl_slist **all, const char *text)
{
    struct curl_slist *more = curl_slist_append(*all, text);
    if (more)
        *all = more;
    return more != NULL;
}

/* The list holds a copy of the token. */
static void drop_headers(struct curl_slist *all)
{
    for (struct curl_slist *h = all; h; h = h->next)
        explicit_bzero(h->data, strlen(h->data));
    curl_slist_free_all(all);
}

static bool add_token(struct remote_client *c, struct curl_slist **all, struct error *err)
{
    OWNED_SECRET struct buf token, line;
    buf_init(&token, 4096);
    buf_init(&line, 8192);
    if (!c->settings.token_file.len)
        return true;
    if (!config_read_secret(c->settings.token_file, &token, err))
        return false;
    for (size_t i = 0; i < token.len; i++)
        if (token.at[i] <= ' ' || token.at[i] > '~')
            return error_set(err, ERR_CONFIG, STR_FMT ": holds no token: one word is wanted",
                             STR_ARG(str_sub(c->settings.token_file, 0, 200)));
    BUF_LIT(&line, "Authorization: Bearer ");
    buf_add(&line, token.at, token.len);
    return add_header(all, line.at) || error_set(err, ERR_UNAVAILABLE, "no memory");
}

static bool add_headers(struct arena *a, const struct wire_ask *ask, struct curl_slist **all)
{
    return add_header(all, "Accept: application/scim+json, application/json;q=0.9") &&
           add_header(all, "Expect:") && /* not waited for */
           (!ask->body.len || add_header(all, "Content-Type: application/scim+json")) &&
           (!ask->if_match.len ||
            add_header(all, arena_fmt(a, "If-Match: " STR_FMT, STR_ARG(ask->if_match)).at));
}

/* ---- body */

static size_t give(char *to, size_t size, size_t count, void *body)
{
    struct cursor *c = body;
    size_t left = (size_t)(c->end - c->at), n = size * count < left ? size * count : left;
    if (n)
        memcpy(to, c->at, n);
    c->at += n;
    return n;
}

/* libcurl would send a request again when a kept connection breaks under it. What has a body may
 * have been obeyed, so it is not to. */
static int no_second_time(void *body, curl_off_t offset, int origin)
{
    (void)body, (void)offset, (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static bool set_body(CURL *curl, struct cursor *body)
{
    curl_off_t size = (curl_off_t)(body->end - body->at);
    return curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_READFUNCTION, give) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_READDATA, body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, no_second_time) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, size) == CURLE_OK;
}

/* ---- the try */

static bool set_verb(CURL *curl, const struct wire_ask *ask, struct cursor *body)
{
    static const char *const verbs[] = {[REMOTE_GET] = "GET",
                                        [REMOTE_POST] = "POST",
                                        [REMOTE_PUT] = "PUT",
                                        [REMOTE_PATCH] = "PATCH",
                                        [REMOTE_DELETE] = "DELETE"};
    return (!ask->body.len || set_body(curl, body)) &&
           curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verbs[ask->verb]) == CURLE_OK;
}

static bool set_peer(CURL *curl, const char *ca_file)
{
    return (!*ca_file || (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                          curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
           /* Of HTTP/1.1 it is known when a request is sent twice; see no_second_time(). */
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, WIRE_BUFFER) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
}

struct
try {
    const struct wire_ask *ask;
    struct curl_slist *headers;
    struct cursor body;
    struct error err; /* it could not even be tried */
};

static bool prepare(struct remote_client *c, struct arena *a, struct try *t)
{
    const struct remote_settings *s = &c->settings;
    const struct curl_way way = {
        arena_fmt(a, STR_FMT "/" STR_FMT, STR_ARG(s->url), STR_ARG(t->ask->target)).at,
        INT64_C(1000) * s->timeout_s, &c->body, s->stop};
    buf_clear(&c->body);
    curl_easy_reset(c->curl); /* keeps the connection */
    return add_token(c, &t->headers, &t->err) && add_headers(a, t->ask, &t->headers) &&
           remote_curl_prepare(c->curl, &way) && set_verb(c->curl, t->ask, &t->body) &&
           set_peer(c->curl, arena_cstr(a, s->ca_file)) &&
           curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK;
}

static struct str header(CURL *curl, struct arena *a, const char *name)
{
    struct curl_header *h = NULL;
    if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return STR_NONE;
    return arena_str(a, str_of(h->value));
}

static enum wire_end end_of(struct remote_client *c, CURLcode code, struct wire_answer *out)
{
    long status = 0, sent = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &sent);
    bool large = c->body.failed || code == CURLE_FILESIZE_EXCEEDED;
    out->hopeless =
        large || code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_PEER_FAILED_VERIFICATION;
    out->why = large                               ? STR("the answer is too large")
               : code == CURLE_ABORTED_BY_CALLBACK ? STR("stopped")
                                                   : str_of(curl_easy_strerror(code));
    if (code != CURLE_OK)
        return sent > 0 ? WIRE_CUT : WIRE_NOT_SENT;
    out->status = (int)status;
    return WIRE_ANSWERED;
}

enum wire_end remote_wire(struct remote_client *c, struct arena *a, const struct wire_ask *ask,
                          struct wire_answer *out)
{
    struct try t = {.ask = ask, .body = cursor_of(ask->body), .err = ERROR_INIT};
    *out = (struct wire_answer){.body = &c->body, .why = STR("stopped"), .hopeless = true};
    enum wire_end end = WIRE_NOT_SENT;
    if (!keep_pace(c))
        return end;
    if (prepare(c, a, &t)) {
        CURLcode code = curl_easy_perform(c->curl);
        end = end_of(c, code, out);
        out->retry_after = header(c->curl, a, "Retry-After");
        out->etag = header(c->curl, a, "ETag");
    } else {
        out->why = t.err.kind ? arena_str(a, str_of(t.err.detail)) : STR("no memory");
    }
    drop_headers(t.headers);
    return end;
}
