/* /livez and /readyz. */
#include "http/internal.h"

#include "base/memory.h"

#define METRICS_MAX (4 * 1024 * 1024) /* two lines a token */
#define CONNECTIONS 64
#define TIMEOUT_S 10

/* A daemon of its own, so that a flood on the SCIM port does not hide it. */
struct http_health {
    const struct http_server *server;
    struct MHD_Daemon *daemon;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, struct str text)
{
    void *bytes = (void *)(uintptr_t)text.at; /* only read: MUST_COPY */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text.len, bytes, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_metrics(const struct http_health *health,
                                      struct MHD_Connection *connection)
{
    OWNED_BUF struct buf text;
    buf_init(&text, METRICS_MAX);
    http_metrics_write(health->server, &text);
    return answer(connection, MHD_HTTP_OK, buf_view(&text));
}

static enum MHD_Result answer_ready(const struct http_health *health,
                                    struct MHD_Connection *connection)
{
    const struct http_server *h = health->server;
    bool ready =
        service_ready(h->service) && atomic_load(&h->listening) && !atomic_load(&h->stopping);
    return ready ? answer(connection, MHD_HTTP_OK, STR("ready\n"))
                 : answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, STR("not ready\n"));
}

// NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    static const char seen;
    const struct http_health *health = cls;
    enum http_method m = http_method_of(method);
    (void)version;
    (void)upload;
    if (!*context) { /* the library wants the answer after the first call */
        *context = (void *)(uintptr_t)&seen;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (m != HTTP_GET && m != HTTP_HEAD)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, STR("GET only\n"));
    if (strcmp(url, "/livez") == 0)
        return answer(connection, MHD_HTTP_OK, STR("alive\n"));
    if (strcmp(url, "/readyz") == 0)
        return answer_ready(health, connection);
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(health, connection);
    return answer(connection, MHD_HTTP_NOT_FOUND, STR("not found\n"));
}

bool http_health_start(const struct http_server *h, struct http_sockets *given,
                       struct http_health **out, struct error *err)
{
    int fd = -1;
    if (!http_listen(given, h->config->server.metrics_listen, &fd, err))
        return false;
    struct http_health *health = must(calloc(1, sizeof(*health)));
    health->server = h;
    health->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC /* no shutdown() of a shared socket */, 0, NULL,
        NULL, on_request, health, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192, MHD_OPTION_END);
    if (!health->daemon) {
        close(fd);
        free(health);
        return error_set(err, ERR_CONFIG, "metrics_listen: the listener does not start");
    }
    *out = health;
    return true;
}

void http_health_stop(struct http_health *health)
{
    if (!health)
        return;
    MHD_stop_daemon(health->daemon);
    free(health);
}
