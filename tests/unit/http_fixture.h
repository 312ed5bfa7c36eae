/*
 * What the tests of src/http over sockets share: a server on a free port with a service that is not
 * there, and requests as text.
 *
 * Errors: what cannot be set up fails the test.
 */
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "fake_service.h"
#include "http/internal.h"
#include "scim_fixture.h"

#define REPLY_MAX 65536
#define WAIT_MS 10000
#define GOOD "Host: a\r\nAuthorization: Bearer good\r\n"
#define LAST "Connection: close\r\n"
#define USER "{\"schemas\":[\"" SCIM_URN_USER "\"],\"userName\":\"kim\"}"
#define PATCH                                                                                      \
    "{\"schemas\":[\"" SCIM_URN_PATCH "\"],\"Operations\":[{\"op\":\"replace\",\"path\":"          \
    "\"active\",\"value\":false}]}"

struct ground {
    struct config config;
    struct scim_catalog *catalog;
    struct service *service;
    struct http_server *server;
};

static const struct str LISTEN[] = {{"127.0.0.1:0", 11}};
static const struct str TRUSTED[] = {{"127.0.0.1", 9}};

static inline struct config config_for_tests(void)
{
    return (struct config){
        .server = {.listen = {LISTEN, 1},
                   .public_url = STR("http://a"),
                   .trusted_proxies = {TRUSTED, 1},
                   .threads = 2,
                   .public_discovery = true},
        .directory = {.connect_timeout_ms = 3000, .operation_timeout_ms = 5000},
        .mapping = {.schema_dir = STR("scim-schema")},
        .scim = {.default_profile = STR("default"), .default_page = 100, .max_page = 1000},
        .limits = {.body_kb = 16,
                   .bulk_kb = 1,
                   .bulk_operations = 2,
                   .header_kb = 32,
                   .target_kb = 16,
                   .json_depth = 32,
                   .patch_operations = 100,
                   .patch_values = 1000,
                   .filter_chars = 8192,
                   .filter_nodes = 200,
                   .filter_depth = 32,
                   .connections = 64,
                   .connections_per_address = 64,
                   .header_timeout_s = 1,
                   .body_timeout_s = 1,
                   .idle_timeout_s = 30},
        .log = {.level = LOG_LEVEL_ERROR},
    };
}

static inline struct ground *open_ground(const struct config *config)
{
    struct ground *g = calloc(1, sizeof(*g));
    struct error err = ERROR_INIT;
    assert_non_null(g);
    g->config = *config;
    g->catalog = fixture_catalog();
    g->service = fake_service_new(&g->config, g->catalog);
    fixture_expect(http_server_start(&g->config, g->service, NULL, &g->server, &err), &err);
    return g;
}

static inline void close_ground(struct ground *g)
{
    http_server_stop(g->server);
    fake_service_free(g->service);
    scim_catalog_free(g->catalog);
    free(g);
}

static inline int connect_to(const struct ground *g)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(g->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)), 0);
    return fd;
}

static inline void say(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0) /* the server has closed: what it said can still be read */
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

/* Reads until the server closes, or until `enough` stands in what came (NULL: until it closes). */
static inline void hear(int fd, char *reply, const char *enough)
{
    size_t len = 0;
    reply[0] = '\0';
    while (len < REPLY_MAX - 1 && !(enough && strstr(reply, enough))) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        if (poll(&one, 1, WAIT_MS) != 1)
            fail_msg("no answer, no end: %s", reply);
        ssize_t got = recv(fd, reply + len, REPLY_MAX - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        reply[len] = '\0';
    }
}

static inline int status_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : 0;
}

static inline int ask(const struct ground *g, const char *request, char *reply)
{
    int fd = connect_to(g);
    say(fd, request, strlen(request));
    hear(fd, reply, NULL);
    close(fd);
    return status_of(reply);
}

struct exchange {
    const char *request;
    int status;
    const char *has[4]; /* "!text": must not be there */
};

static inline void check_exchanges(const struct ground *g, const struct exchange *at, size_t count)
{
    static char reply[REPLY_MAX];
    for (size_t i = 0; i < count; i++) {
        int status = ask(g, at[i].request, reply);
        if (status != at[i].status)
            fail_msg("%d, not %d\n%s\n%s", status, at[i].status, at[i].request, reply);
        for (size_t k = 0; k < 4 && at[i].has[k]; k++) {
            bool unwanted = at[i].has[k][0] == '!';
            if (!strstr(reply, at[i].has[k] + unwanted) != unwanted)
                fail_msg("%s\n%s\n%s", at[i].has[k], at[i].request, reply);
        }
    }
}

#define CHECK(g, cases) check_exchanges((g), (cases), sizeof(cases) / sizeof(*(cases)))
#define GET(path, more) "GET " path " HTTP/1.1\r\n" LAST more "\r\n"

static inline const char *with_body(const char *line, const char *more, const char *body)
{
    static char text[REPLY_MAX];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" LAST "%sContent-Length: %zu\r\n\r\n%s", line,
             more, strlen(body), body);
    return text;
}

static inline int open_shared(void **state)
{
    struct config config = config_for_tests();
    *state = open_ground(&config);
    return 0;
}

static inline int close_shared(void **state)
{
    close_ground(*state);
    return 0;
}
