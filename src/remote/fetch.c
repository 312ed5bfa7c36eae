#include "remote/remote.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "config/config.h"

/* libcurl's signature; less than all tells it to stop. */
static size_t take(char *bytes, size_t size, size_t count, void *out)
{
    struct buf *body = out;
    buf_add(body, bytes, size * count);
    return body->failed ? 0 : size * count;
}

static bool failed(struct str url, const char *why, long status, struct error *err)
{
    LOG_WARN("fetch_failed", LOG_S("url", url), LOG_I("status", status), LOG_C("reason", why));
    return error_set(err, ERR_UNAVAILABLE, "another server that is needed did not answer");
}

static bool set_options(CURL *curl, const char *url, int64_t left_ms, struct buf *out)
{
    const long ms = (long)left_ms;
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)out->max) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "kiops-bridge") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, out) == CURLE_OK;
}

bool remote_fetch(const struct remote_request *r, struct buf *out, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    const int64_t left_ms = clock_left_ms(r->deadline);
    if (!config_url_is_safe(r->url))
        return failed(r->url, "neither https nor on this host", 0, err);
    if (left_ms == 0) /* 0 would be no limit */
        return failed(r->url, "no time left", 0, err);
    CURL *curl = curl_easy_init();
    if (!curl)
        return failed(r->url, "no memory", 0, err);
    long status = 0;
    CURLcode code = CURLE_FAILED_INIT;
    if (set_options(curl, arena_cstr(a, r->url), left_ms, out))
        code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK || out->failed)
        return failed(r->url, out->failed ? "too large" : curl_easy_strerror(code), status, err);
    return status == 200 || failed(r->url, "not 200", status, err);
}
