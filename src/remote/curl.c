/* What holds for every request to another server. */
#include "remote/internal.h"

/* libcurl's signature; less than all tells it to stop. */
static size_t take(char *bytes, size_t size, size_t count, void *out)
{
    struct buf *body = out;
    buf_add(body, bytes, size * count);
    return body->failed ? 0 : size * count;
}

/* libcurl calls it at least once a second; not 0 ends the request. */
static int is_stopped(void *stop, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const atomic_bool *asked = stop;
    (void)a, (void)b, (void)c, (void)d;
    return asked && atomic_load(asked);
}

bool remote_curl_prepare(CURL *curl, const struct curl_way *way)
{
    const long ms = (long)way->ms;
    struct buf *out = way->out;
    return curl_easy_setopt(curl, CURLOPT_URL, way->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
           /* A name server that is silent would hold us beyond the deadline. */
           curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)out->max) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "kiops-bridge") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_stopped) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, way->stop) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, out) == CURLE_OK;
}
