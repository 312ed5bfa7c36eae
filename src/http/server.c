/* Everything that listens is made, started and stopped in order. */
#include "http/issuer.h"

#include "base/memory.h"
#include "http/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BODY_BUDGET_MIN (64UL * 1024 * 1024)
#define BODY_BUDGET_BODIES 8
#define ANSWER_HEADERS (4UL * 1024) /* of a connection's memory, left for our own header lines */
#define STOP_PATIENCE_MS 10000
#define STOP_LOOK_MS 50
#define STOP_GREETING_MS 1000 /* for who has connected and says nothing */
#define ALIVE_WITHIN_MS 5000  /* the watcher of connections comes by every second */
#define OWN_FILES 64 /* log, audit, listeners, health, connections to the directory in passing */
#define FILES_PER_THREAD 4

unsigned http_server_port(const struct http_server *h)
{
    return h->port;
}

/* ---- the library */

static void on_library_log(void *, const char *, va_list) PRINTF_LIKE(2, 0);

static void on_library_log(void *server, const char *format, va_list args)
{
    char text[256];
    (void)server;
    vsnprintf(text, sizeof(text), format, args);
    LOG_DEBUG("http_library", LOG_S("text", str_trim(str_of(text))));
}

/* Escapes are decoded once, by target.c, from the target as it was sent. */
static size_t leave_escapes(void *server, struct MHD_Connection *connection, char *text)
{
    (void)server;
    (void)connection;
    return strlen(text);
}

/* Never more connections than files: those above wait in the listener's queue until one is closed.
 */
static size_t connections_within_files(const struct config *config)
{
    size_t wanted = config->limits.connections;
    size_t own = OWN_FILES + FILES_PER_THREAD * (config->server.threads + config->server.writers);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return wanted;
    if (files.rlim_cur < own + wanted) {
        files.rlim_cur = own + wanted;
        if (files.rlim_cur > files.rlim_max)
            files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            getrlimit(RLIMIT_NOFILE, &files);
    }
    size_t room = files.rlim_cur > own ? files.rlim_cur - own : 1;
    if (room >= wanted)
        return wanted;
    LOG_WARN("connections_reduced", LOG_I("wanted", (int64_t)wanted), LOG_I("have", (int64_t)room),
             LOG_C("reason", "the process may not open so many files; raise LimitNOFILE"));
    return room;
}

bool http_server_alive(const struct http_server *h)
{
    return clock_monotonic_ms() - http_peers_now_ms(h->peers) < ALIVE_WITHIN_MS;
}

/* Its own ceiling of connections is never reached: http_accept_start() keeps the one that counts.
 */
static bool start_daemon(struct http_server *h, struct error *err)
{
    const struct config *config = h->config;
    unsigned threads = config->server.threads > 1 ? config->server.threads : 1;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     MHD_USE_NO_LISTEN_SOCKET;
    flags |= h->tls ? MHD_USE_TLS : 0;
    size_t ceiling = (h->connections + 1) * threads; /* shared out among the threads */
    /* One head at most, with the target in it, and room for the answer's. */
    size_t memory = config->limits.header_kb * 1024 + ANSWER_HEADERS;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_log, h},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)ceiling, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)config->limits.idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_target, h},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escapes, h},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, h},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_on_connection, h},
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_CONNECTION_LIMIT,
         (intptr_t)(threads > 1 ? threads : ceiling), NULL},
        {h->tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0,
         (void *)(uintptr_t)HTTP_TLS_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)http_tls_choose},
        {MHD_OPTION_END, 0, NULL},
    };
    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, h, MHD_OPTION_ARRAY,
                                 options, MHD_OPTION_END);
    return h->daemon || error_set(err, ERR_CONFIG, "the threads for HTTP do not start");
}

static bool start_listening(struct http_server *h, struct http_sockets *given, struct error *err)
{
    const struct config_strings *listen_on = &h->config->server.listen;
    int *listeners = calloc(listen_on->count, sizeof(*listeners));
    size_t count = 0;
    if (!listeners)
        memory_out();
    while (count < listen_on->count &&
           http_listen(given, listen_on->at[count], &listeners[count], err))
        count++;
    bool all = count == listen_on->count;
    if (all) {
        h->port = http_listen_port(listeners[0]);
        http_accept_start(h, listeners, count);
        atomic_store(&h->listening, true);
    } else {
        while (count > 0)
            close(listeners[--count]);
    }
    free(listeners);
    return all;
}

/* ---- start and stop */

static bool load(struct http_server *h, struct http_sockets *given, struct error *err)
{
    const struct config *config = h->config;
    const struct scim_catalog *catalog = service_catalog(h->service);
    h->default_dialect = scim_dialect_find(config->scim.default_profile);
    if (!h->default_dialect)
        return error_set(err, ERR_CONFIG, "scim.default_profile: there is no profile " STR_FMT,
                         STR_ARG(config->scim.default_profile));
    return http_discovery_load(config, catalog, &h->discovery, err) && http_oidc_check(h, err) &&
           (!config->console.enabled || console_open(config, &h->console, err)) &&
           (!config->auth.oidc.client_id.len || http_provider_new(config, &h->provider, err)) &&
           http_peers_start(config, &h->peers, err) &&
           (!config->server.tls.cert_file.len || http_tls_start(config, &h->tls, err)) &&
           start_daemon(h, err) && start_listening(h, given, err) &&
           /* Last: whoever is told "ready" may connect at once. */
           (!config->server.metrics_listen.len || http_health_start(h, given, &h->health, err)) &&
           http_sockets_all_taken(given, err);
}

bool http_server_start(const struct config *config, struct service *service,
                       struct http_sockets *given, struct http_server **out, struct error *err)
{
    struct http_server *h = must(calloc(1, sizeof(*h)));
    h->config = config;
    h->service = service;
    h->given = given;
    h->connections = connections_within_files(config);
    h->log_level = (enum log_level)config->log.level;
    h->body_max = config->limits.body_kb * 1024;
    size_t bulk_max = config->limits.bulk_kb * 1024;
    h->body_budget = BODY_BUDGET_BODIES * (bulk_max > h->body_max ? bulk_max : h->body_max);
    if (h->body_budget < BODY_BUDGET_MIN)
        h->body_budget = BODY_BUDGET_MIN;
    h->rate = http_rate_new(config->limits.requests_per_s, config->limits.burst);
    h->tries = http_tries_new();
    if (config->signup.enabled)
        h->signups = http_signups_new(&config->signup);
    if (config->auth.oidc.issuer.len)
        h->keys = http_keys_new(&config->auth.oidc);
    pthread_mutex_init(&h->idle_lock, NULL);
    pthread_cond_init(&h->idle_wake, NULL);
    if (!load(h, given, err)) {
        http_server_stop(h);
        return false;
    }
    *out = h;
    return true;
}

static void wait_for_an_end(struct http_server *h)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STOP_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&h->idle_lock);
    pthread_cond_timedwait(&h->idle_wake, &h->idle_lock, &until);
    pthread_mutex_unlock(&h->idle_lock);
}

/* What runs is finished, and who has come is heard out, for a while: a client that does not read
 * its answer is not waited for. But the library may be stopped only when no connection is
 * suspended; what a worker has in hand comes back by its own deadline. */
static void wait_idle(struct http_server *h)
{
    int64_t patience = clock_deadline_in(STOP_PATIENCE_MS);
    int64_t greeting = clock_deadline_in(STOP_GREETING_MS);
    /* In the order in which a request goes, or one could slip from the second look to the first. */
    while ((clock_left_ms(greeting) > 0 && h->peers && http_peers_expect(h->peers)) ||
           (atomic_load(&h->running) && clock_left_ms(patience) > 0))
        wait_for_an_end(h);
    atomic_store(&h->closed, true);
    while (atomic_load(&h->in_hand))
        wait_for_an_end(h);
}

void http_server_stop(struct http_server *h)
{
    if (!h)
        return;
    atomic_store(&h->stopping, true);
    http_accept_stop(h->accept);
    wait_idle(h);
    if (h->daemon)
        MHD_stop_daemon(h->daemon);
    http_health_stop(h->health);
    http_peers_stop(h->peers);
    http_discovery_free(h->discovery);
    http_rate_free(h->rate);
    http_tries_free(h->tries);
    http_signups_free(h->signups);
    http_keys_free(h->keys);
    http_provider_free(h->provider);
    console_close(h->console);
    http_tls_stop(h->tls);
    pthread_mutex_destroy(&h->idle_lock);
    pthread_cond_destroy(&h->idle_wake);
    free(h);
}
