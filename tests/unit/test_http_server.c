/* The whole of src/http over sockets, with a service that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static struct config config_for_tests(void)
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

static struct ground *open_ground(const struct config *config)
{
    struct ground *g = calloc(1, sizeof(*g));
    struct error err = ERROR_INIT;
    assert_non_null(g);
    g->config = *config;
    g->catalog = fixture_catalog();
    g->service = fake_service_new(&g->config, g->catalog);
    fixture_expect(http_server_start(&g->config, g->service, &g->server, &err), &err);
    return g;
}

static void close_ground(struct ground *g)
{
    http_server_stop(g->server);
    fake_service_free(g->service);
    scim_catalog_free(g->catalog);
    free(g);
}

static int connect_to(const struct ground *g)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(g->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&to, sizeof(to)), 0);
    return fd;
}

static void say(int fd, const char *text, size_t len)
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
static void hear(int fd, char *reply, const char *enough)
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

static int status_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.1 ", 9) == 0 ? (int)strtol(reply + 9, NULL, 10) : 0;
}

static int ask(const struct ground *g, const char *request, char *reply)
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

static void check_exchanges(const struct ground *g, const struct exchange *at, size_t count)
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

/* ---- what is asked, what is answered ---- */

static void reads_are_answered_with_all_their_headers(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/Users/known", GOOD),
         200,
         {"Content-Type: application/scim+json\r\n", "ETag: W/\"1\"\r\n",
          "\r\nContent-Location: http://a/scim/v2/Users/known\r\n"}},
        {GET("/scim/v2/Users/known", GOOD),
         200,
         {"\r\nLocation: http://a/scim/v2/Users/known\r\n", "Cache-Control: no-store\r\n",
          "X-Content-Type-Options: nosniff\r\n"}},
        {GET("/scim/v2/users/known/", GOOD), 200, {"X-Request-Id: "}},
        {GET("/scim/v2/Users/known", GOOD "Accept: application/json\r\n"),
         200,
         {"Content-Type: application/json\r\n"}},
        {GET("/scim/v2/Users/known?filter=x", GOOD), 200, {"{\"id\":\"known\"}"}},
        {GET("/scim/v2/Users/slow", GOOD), 200, {"{\"id\":\"slow\"}"}},
        {GET("/scim/v2/Users/gone", GOOD), 404, {SCIM_URN_ERROR, "\"status\":\"404\""}},
        {GET("/scim/v2/Users/known", GOOD "If-None-Match: W/\"1\"\r\n"), 304, {"ETag: W/\"1\""}},
        {GET("/scim/v2/Users?startindex=3", GOOD), 200, {"\"startIndex\":3", "!ETag"}},
        {"HEAD /scim/v2/Users/known HTTP/1.1\r\n" LAST GOOD "\r\n", 200, {"ETag: ", "!\"id\""}},
        {GET("http://evil.example/scim/v2/Users/known", GOOD), 200, {"http://a/scim/v2", "!evil"}},
    };
    (void)state;
    CHECK((const struct ground *)*state, cases);
}

static void requests_without_a_good_token_learn_nothing(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/Users/known", "Host: a\r\n"),
         401,
         {"WWW-Authenticate: Bearer realm=\"kiops-bridge\"\r\n", "!error="}},
        {GET("/scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer bad\r\n"),
         401,
         {"error=\"invalid_token\""}},
        {GET("/scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer\r\n"), 401, {"error="}},
        {GET("/scim/v2/Users/known?access_token=good", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Nope", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim/v2//Users", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim/v2/%55sers", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Users;x=y", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Users?filter=%", "Host: a\r\n"), 401, {SCIM_URN_ERROR}},
        {GET("/scim%2Fv2/Users", "Host: a\r\n"), 404, {"text/plain"}},
        {"FOO /scim/v2/Users HTTP/1.1\r\n" LAST "Host: a\r\n\r\n", 401, {SCIM_URN_ERROR}},
        {"OPTIONS /scim/v2/Users HTTP/1.1\r\n" LAST "Host: a\r\n\r\n", 401, {SCIM_URN_ERROR}},
        {"POST /scim/v2/Schemas HTTP/1.1\r\n" LAST "Host: a\r\n\r\n", 401, {SCIM_URN_ERROR}},
        {"POST /scim/v2/Users HTTP/1.1\r\n" LAST "Host: a\r\nContent-Length: 1\r\n\r\n{",
         401,
         {SCIM_URN_ERROR}},
        {GET("/scim/v2/Users/known", "Host: a\r\nAuthorization: BEARER late\r\n"), 200, {"known"}},
    };
    CHECK((const struct ground *)*state, cases);
}

static void paths_and_methods_are_judged_in_their_order(void **state)
{
    static const struct exchange cases[] = {
        {GET("/", GOOD), 404, {"text/plain"}},
        {GET("/scim/v2/Nope", GOOD), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v1/Users", GOOD), 404, {SCIM_URN_ERROR}},
        {GET("/scim/Users", GOOD), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Users/../Groups/x", GOOD), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Users/a%00b", GOOD), 400, {"invalidValue"}},
        {GET("/scim/v2/Users?filter=", GOOD), 400, {"invalidFilter"}},
        {GET("/scim/v2/Users?filter=a%20pr&filter=a", GOOD), 400, {"invalidFilter"}},
        {GET("/scim/v2/Users?count=1&Count=1", GOOD), 400, {"invalidValue"}},
        {GET("/scim/v2/Users?startIndex=abc", GOOD), 400, {"invalidValue"}},
        {GET("/scim/v2/Users?attributes=a&excludedAttributes=b", GOOD), 400, {"invalidValue"}},
        {GET("/scim/v2/Users?cursor", GOOD), 501, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Memberships", GOOD), 501, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Me", GOOD), 501, {SCIM_URN_ERROR}},
        {GET("/scim/v2", GOOD), 501, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Bulk", GOOD), 405, {"\r\nAllow: POST, OPTIONS\r\n"}},
        {GET("/scim/v2/.search", GOOD), 405, {"\r\nAllow: POST, OPTIONS\r\n"}},
        {"POST /scim/v2/Bulk HTTP/1.1\r\n" LAST GOOD "\r\n", 501, {SCIM_URN_ERROR}},
        {"POST /scim/v2/Users/known HTTP/1.1\r\n" LAST GOOD "\r\n",
         405,
         {"Allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS\r\n"}},
        {"DELETE /scim/v2/Users HTTP/1.1\r\n" LAST GOOD "\r\n",
         405,
         {"Allow: GET, HEAD, POST, OPTIONS\r\n"}},
        {"TRACE /scim/v2/Users HTTP/1.1\r\n" LAST GOOD "\r\n", 405, {"Allow: "}},
        {"FOO /scim/v2/Users HTTP/1.1\r\n" LAST GOOD "\r\n", 501, {SCIM_URN_ERROR}},
        {"OPTIONS /scim/v2/Users HTTP/1.1\r\n" LAST GOOD "\r\n",
         204,
         {"Allow: GET, HEAD, POST, OPTIONS\r\n"}},
        {GET("/scim/v2/Users", GOOD "Accept: text/html\r\n"), 406, {SCIM_URN_ERROR}},
    };
    CHECK((const struct ground *)*state, cases);
}

static void discovery_is_public_and_tells_what_is_served(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/ServiceProviderConfig", "Host: a\r\n"),
         200,
         {"\"bulk\"", "\"cursor\":false"}},
        {GET("/scim/v2/ResourceTypes", "Host: a\r\n"),
         200,
         {"\"totalResults\":2", "\"/Users\"", "\"/Groups\"", "!Membership\""}},
        {GET("/scim/v2/ResourceTypes/User", "Host: a\r\n"), 200, {"\"/Users\""}},
        {GET("/scim/v2/ResourceTypes/Nope", "Host: a\r\n"), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Schemas/urn%3Aietf:params:scim:schemas:core:2.0:user", "Host: a\r\n"),
         200,
         {SCIM_URN_USER}},
        {GET("/scim/v2/Schemas/" SCIM_URN_MEMBERSHIP, "Host: a\r\n"), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Schemas?filter=a", "Host: a\r\n"), 403, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Schemas?startIndex=9", "Host: a\r\n"), 200, {"ListResponse"}},
        {"PUT /scim/v2/Schemas HTTP/1.1\r\n" LAST GOOD "\r\n",
         405,
         {"Allow: GET, HEAD, OPTIONS\r\n"}},
    };
    CHECK((const struct ground *)*state, cases);
}

/* ---- writes ---- */

static const char *with_body(const char *line, const char *more, const char *body)
{
    static char text[REPLY_MAX];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" LAST "%sContent-Length: %zu\r\n\r\n%s", line,
             more, strlen(body), body);
    return text;
}

static void writes_are_answered_by_their_writer(void **state)
{
    static const struct {
        const char *line, *more, *body;
        int status;
        const char *has;
    } cases[] = {
        {"POST /scim/v2/Users", GOOD, USER, 201, "\r\nLocation: http://a/scim/v2/Users/known\r\n"},
        {"POST /scim/v2/Users", GOOD "Content-Type: APPLICATION/JSON;charset=\"utf-8\"\r\n", USER,
         201, "ETag: "},
        {"POST /scim/v2/Users", GOOD, "", 400, "invalidSyntax"},
        {"POST /scim/v2/Users", GOOD, "[]", 400, "invalidSyntax"},
        {"POST /scim/v2/Users", GOOD, "{} {}", 400, "invalidSyntax"},
        {"POST /scim/v2/Users", GOOD "Content-Type: text/plain\r\n", USER, 415, "Error"},
        {"POST /scim/v2/Users", GOOD "Content-Encoding: gzip\r\n", USER, 415,
         "Accept-Encoding: identity"},
        {"PUT /scim/v2/Users/known", GOOD, USER, 200, "{\"id\":\"known\"}"},
        {"PATCH /scim/v2/Users/known", GOOD, PATCH, 200, "{\"id\":\"known\"}"},
        {"PATCH /scim/v2/Users/known", GOOD "Prefer: return=minimal\r\n", PATCH, 204,
         "Preference-Applied: return=minimal"},
        {"PATCH /scim/v2/Users/known?attributes=id", GOOD "Prefer: return=minimal\r\n", PATCH, 200,
         "{\"id\":\"known\"}"},
        {"PATCH /scim/v2/Users/known", GOOD, "{", 400, "invalidSyntax"},
        {"PATCH /scim/v2/Users/gone", GOOD, "{", 404, "Error"},
        {"PATCH /scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer late\r\n", PATCH, 200,
         "known"},
        {"PATCH /scim/v2/Users/gone", "Host: a\r\nAuthorization: Bearer late\r\n", "{", 404, "E"},
        {"DELETE /scim/v2/Groups/known", GOOD, "", 204, "X-Request-Id"},
        {"DELETE /scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer reader\r\n", "", 403,
         "KB-R09"},
    };
    static char reply[REPLY_MAX];
    const struct ground *g = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int status = ask(g, with_body(cases[i].line, cases[i].more, cases[i].body), reply);
        if (status != cases[i].status || !strstr(reply, cases[i].has))
            fail_msg("%d, not %d with %s\n%s %s\n%s", status, cases[i].status, cases[i].has,
                     cases[i].line, cases[i].body, reply);
    }
}

static void full_queues_are_503_with_retry_after(void **state)
{
    static char reply[REPLY_MAX];
    const struct ground *g = *state;
    fake_service_full(g->service, true);
    assert_int_equal(ask(g, with_body("PATCH /scim/v2/Users/known", GOOD, PATCH), reply), 503);
    assert_non_null(strstr(reply, "Retry-After: "));
    assert_int_equal(ask(g, GET("/scim/v2/Users/slow", GOOD), reply), 503);
    assert_int_equal(ask(g, GET("/scim/v2/Users/known", GOOD), reply), 200);
    fake_service_full(g->service, false);
}

/* ---- what a client may do to a connection ---- */

static void framing_that_two_readers_see_differently_is_refused_and_closed(void **state)
{
#define NEXT "GET /scim/v2/Users/known HTTP/1.1\r\n" GOOD "\r\n"
    static const struct exchange cases[] = {
        {"GET /scim/v2/Users/known HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
        {"GET /scim/v2/Users/known HTTP/1.1\r\nHost: b\r\n" GOOD "\r\n" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
        {"PATCH /scim/v2/Users/known HTTP/1.1\r\n" GOOD
         "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
        {"PATCH /scim/v2/Users/known HTTP/1.1\r\n" GOOD
         "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
        {"DELETE /scim/v2/Users/known HTTP/1.1\r\n" GOOD
         "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
        {"GET /scim/v2/Users/known HTTP/1.1\r\n" GOOD "Content-Length : 5\r\n\r\nabcde" NEXT,
         400,
         {"Connection: close", "!200 OK"}},
    };
    const struct ground *g = *state;
    unsigned before = fake_service_writes(g->service);
    CHECK(g, cases);
    assert_int_equal(fake_service_writes(g->service), before);
}

static void body_over_the_ceiling_is_413_before_it_is_read(void **state)
{
    static char reply[REPLY_MAX], text[REPLY_MAX];
    const struct ground *g = *state;
    assert_int_equal(ask(g,
                         "POST /scim/v2/Users HTTP/1.1\r\n" GOOD
                         "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n",
                         reply),
                     413);
    assert_null(strstr(reply, "100 Continue"));
    assert_int_equal(
        ask(g, "POST /scim/v2/Users HTTP/1.1\r\n" GOOD "Content-Length: 30000\r\n\r\n", reply),
        413);
    int len =
        snprintf(text, sizeof(text),
                 "POST /scim/v2/Users HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "1000\r\n%04096d\r\n", 0);
    assert_int_equal(ask(g, text, reply), 413);
    assert_non_null(strstr(reply, SCIM_URN_ERROR));
}

static void connection_is_kept_after_a_refusal_whose_body_was_read(void **state)
{
    static char reply[REPLY_MAX];
    const struct ground *g = *state;
    int fd = connect_to(g);
    static const char two[] = "POST /scim/v2/Users HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                              "\r\nGET GET /scim/v2/Users/known HTTP/1.1\r\n" LAST GOOD "\r\n";
    say(fd, two, sizeof(two) - 1);
    hear(fd, reply, NULL);
    close(fd);
    assert_int_equal(status_of(reply), 401);
    assert_non_null(strstr(reply, "HTTP/1.1 200 OK"));
}

static void expected_100_comes_before_a_body_that_may_come(void **state)
{
    static char reply[REPLY_MAX], head[1024];
    const struct ground *g = *state;
    int fd = connect_to(g);
    int len = snprintf(head, sizeof(head),
                       "POST /scim/v2/Users HTTP/1.1\r\n" GOOD LAST
                       "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
                       strlen(USER));
    say(fd, head, (size_t)len);
    hear(fd, reply, "100 Continue\r\n\r\n");
    assert_int_equal(status_of(reply), 100);
    say(fd, USER, strlen(USER));
    hear(fd, reply, NULL);
    close(fd);
    assert_int_equal(status_of(reply), 201);
}

static void slow_header_is_cut_and_slow_body_too(void **state)
{
    static const char *const starts[] = {"GET /scim/v2/Us", "GET /scim/v2/Users HTTP/1.1\r\nX: ",
                                         "POST /scim/v2/Users HTTP/1.1\r\n" GOOD
                                         "Content-Length: 5000\r\n\r\n"};
    const struct ground *g = *state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        int fd = connect_to(g);
        int64_t patience = clock_deadline_in(WAIT_MS);
        bool closed = false;
        say(fd, starts[i], strlen(starts[i]));
        while (!closed && clock_left_ms(patience) > 0) {
            struct pollfd one = {.fd = fd, .events = POLLIN};
            say(fd, "a", 1);
            closed = poll(&one, 1, 100) == 1;
        }
        close(fd);
        assert_true(closed);
    }
}

static void client_that_leaves_while_its_request_is_away_harms_nothing(void **state)
{
    static char reply[REPLY_MAX];
    const struct ground *g = *state;
    unsigned before = fake_service_writes(g->service);
    fake_service_hold(g->service, true);
    for (int i = 0; i < 20; i++) {
        const char *text = with_body("PATCH /scim/v2/Users/known", GOOD, PATCH);
        int fd = connect_to(g);
        say(fd, text, strlen(text));
        while (atomic_load(&g->server->away) < (size_t)i + 1)
            sched_yield();
        close(fd);
    }
    fake_service_hold(g->service, false);
    while (fake_service_writes(g->service) < before + 20 || atomic_load(&g->server->running))
        sched_yield();
    assert_int_equal(ask(g, GET("/scim/v2/Users/known", GOOD), reply), 200);
}

static void stopping_finishes_what_runs(void **state)
{
    static char reply[REPLY_MAX];
    struct config config = config_for_tests();
    struct ground *g = open_ground(&config);
    (void)state;
    const char *text = with_body("PATCH /scim/v2/Users/known", GOOD, PATCH);
    int fd = connect_to(g);
    fake_service_hold(g->service, true);
    say(fd, text, strlen(text));
    while (atomic_load(&g->server->away) == 0)
        sched_yield();
    fake_service_hold(g->service, false);
    close_ground(g);
    hear(fd, reply, NULL);
    close(fd);
    assert_int_equal(status_of(reply), 200);
}

static void tokens_over_their_rate_are_429(void **state)
{
    static char reply[REPLY_MAX];
    struct config config = config_for_tests();
    config.limits.requests_per_s = 1;
    config.limits.burst = 3;
    struct ground *g = open_ground(&config);
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(g, GET("/scim/v2/Users/known", GOOD), reply), 200);
    assert_int_equal(ask(g, GET("/scim/v2/Users/known", GOOD), reply), 429);
    assert_non_null(strstr(reply, "Retry-After: 1\r\n"));
    assert_int_equal(
        ask(g, GET("/scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer reader\r\n"), reply),
        200);
    close_ground(g);
}

static void metrics_count_what_was_answered(void **state)
{
    OWNED_BUF struct buf text;
    const struct ground *g = *state;
    buf_init(&text, 1 << 20);
    http_metrics_write(g->server, &text);
    assert_false(text.failed);
    buf_char(&text, '\0');
    assert_non_null(strstr(text.at, "kiops_http_requests_total{method=\"GET\",status=\"2xx\"} "));
    assert_non_null(strstr(text.at, "kiops_refused_total{rule=\"KB-R07\"} 3\n"));
    assert_non_null(strstr(text.at, "kiops_users 1\n"));
}

static void address_in_use_is_said_by_its_name(void **state)
{
    const struct ground *g = *state;
    struct error err = ERROR_INIT;
    char address[32];
    int fd = -1;
    snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(g->server));
    assert_false(http_listen(str_of(address), &fd, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, address));
    error_clear(&err);
    assert_false(http_listen(STR("nonsense"), &fd, &err));
}

static int open_shared(void **state)
{
    struct config config = config_for_tests();
    *state = open_ground(&config);
    return 0;
}

static int close_shared(void **state)
{
    close_ground(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_with_all_their_headers),
        cmocka_unit_test(requests_without_a_good_token_learn_nothing),
        cmocka_unit_test(paths_and_methods_are_judged_in_their_order),
        cmocka_unit_test(discovery_is_public_and_tells_what_is_served),
        cmocka_unit_test(writes_are_answered_by_their_writer),
        cmocka_unit_test(full_queues_are_503_with_retry_after),
        cmocka_unit_test(framing_that_two_readers_see_differently_is_refused_and_closed),
        cmocka_unit_test(body_over_the_ceiling_is_413_before_it_is_read),
        cmocka_unit_test(connection_is_kept_after_a_refusal_whose_body_was_read),
        cmocka_unit_test(expected_100_comes_before_a_body_that_may_come),
        cmocka_unit_test(slow_header_is_cut_and_slow_body_too),
        cmocka_unit_test(client_that_leaves_while_its_request_is_away_harms_nothing),
        cmocka_unit_test(stopping_finishes_what_runs),
        cmocka_unit_test(tokens_over_their_rate_are_429),
        cmocka_unit_test(metrics_count_what_was_answered),
        cmocka_unit_test(address_in_use_is_said_by_its_name),
    };
    hash_init();
    log_setup(LOG_LEVEL_ERROR, false);
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
