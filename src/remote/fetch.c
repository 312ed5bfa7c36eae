/* One document from a URL, with deadline and ceiling. */
#include "remote/remote.h"

#include "base/log.h"
#include "base/own.h"
#include "remote/internal.h"

/* Of what a POST is answered with. */
#define ANSWER_MAX ((size_t)64 * 1024)

/* One request on its way. */
struct exchange {
    const struct remote_request *request;
    bool post;
    struct curl_slist *headers;
    struct buf *out;
    struct remote_answer answer; /* status 0: none */
    const char *why;             /* it did not end well */
};

static bool set_post(CURL *curl, struct exchange *x)
{
    const struct str body = x->request->body;
    struct curl_slist *all = curl_slist_append(NULL, "Expect:"); /* not waited for */
    for (const char *const *h = x->request->headers; all && *h; h++) {
        struct curl_slist *more = curl_slist_append(all, *h);
        if (!more)
            curl_slist_free_all(all);
        all = more;
    }
    x->headers = all;
    return all && curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.at) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, all) == CURLE_OK;
}

static void note_answer(CURL *curl, struct remote_answer *answer)
{
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
    *answer = (struct remote_answer){(int)status, after};
}

/* true: all of it came. */
static bool ask(struct exchange *x)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct remote_request *r = x->request;
    const int64_t left_ms = clock_left_ms(r->deadline);
    CURLcode code = CURLE_FAILED_INIT;
    x->why = "neither https nor on this host";
    if (!config_url_is_safe(r->url))
        return false;
    x->why = "no time left";
    if (left_ms == 0) /* 0 would be no limit */
        return false;
    x->why = "no memory";
    CURL *curl = curl_easy_init();
    if (!curl)
        return false;
    const struct curl_way way = {arena_cstr(a, r->url), left_ms, x->out, r->stop};
    if (remote_curl_prepare(curl, &way) && (!x->post || set_post(curl, x)))
        code = curl_easy_perform(curl);
    note_answer(curl, &x->answer);
    curl_easy_cleanup(curl);
    curl_slist_free_all(x->headers);
    x->why = x->out->failed ? "too large" : curl_easy_strerror(code);
    return code == CURLE_OK && !x->out->failed;
}

static bool failed(const struct exchange *x, const char *why, struct error *err)
{
    LOG_WARN("fetch_failed", LOG_S("url", x->request->url), LOG_I("status", x->answer.status),
             LOG_C("reason", why));
    return error_set(err, ERR_UNAVAILABLE, "another server that is needed did not answer");
}

bool remote_fetch(const struct remote_request *r, struct buf *out, struct error *err)
{
    struct exchange x = {.request = r, .out = out};
    if (!ask(&x))
        return failed(&x, x.why, err);
    return x.answer.status == 200 || failed(&x, "not 200", err);
}

bool remote_post(const struct remote_request *r, struct remote_answer *out, struct error *err)
{
    OWNED_BUF struct buf rest;
    struct exchange x = {.request = r, .post = true, .out = &rest};
    buf_init(&rest, ANSWER_MAX);
    /* Once the status is there, the other side has decided: asked again, it would see all twice. */
    if (!ask(&x) && x.answer.status < 200)
        return error_set(err, ERR_UNAVAILABLE, "%s", x.why);
    *out = x.answer;
    return true;
}

bool remote_post_for(const struct remote_request *r, struct buf *body, struct error *err)
{
    struct exchange x = {.request = r, .post = true, .out = body};
    if (!ask(&x))
        return failed(&x, x.why, err);
    return x.answer.status == 200 || failed(&x, "not 200", err);
}
