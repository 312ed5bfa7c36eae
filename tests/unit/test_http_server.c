/* What a client may do to a connection, and the life of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

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
        while (atomic_load(&g->server->in_hand) < (size_t)i + 1)
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
    while (atomic_load(&g->server->in_hand) == 0)
        sched_yield();
    fake_service_hold(g->service, false);
    close_ground(g);
    hear(fd, reply, NULL);
    close(fd);
    assert_int_equal(status_of(reply), 200);
}

/* However early in its life, whether a thread has taken the connection yet or not. */
static void who_asked_before_the_stop_is_answered(void **state)
{
    static const char request[] = GET("/scim/v2/ServiceProviderConfig", "Host: a\r\n");
    static char reply[REPLY_MAX];
    const struct config config = config_for_tests();
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct ground *g = open_ground(&config);
        int fd = connect_to(g);
        say(fd, request, sizeof(request) - 1);
        close_ground(g);
        hear(fd, reply, NULL);
        close(fd);
        if (status_of(reply) != 200)
            fail_msg("round %d: %s", round, reply);
    }
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
    assert_non_null(strstr(text.at, "kiops_ldap_operations_total{operation=\"search\"} 2\n"));
    assert_non_null(strstr(text.at, "kiops_ldap_failures_total{operation=\"search\"} 1\n"));
    assert_non_null(strstr(text.at, "kiops_ldap_seconds_total{operation=\"search\"} 0.001500\n"));
    assert_non_null(
        strstr(text.at, "kiops_token_expires_timestamp_seconds{token=\"a\\\"b\"} 1800000000\n"));
}

static void address_in_use_is_said_by_its_name(void **state)
{
    const struct ground *g = *state;
    struct error err = ERROR_INIT;
    char address[32];
    int fd = -1;
    snprintf(address, sizeof(address), "127.0.0.1:%u", http_server_port(g->server));
    assert_false(http_listen(NULL, str_of(address), &fd, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, address));
    error_clear(&err);
    assert_false(http_listen(NULL, STR("nonsense"), &fd, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_that_two_readers_see_differently_is_refused_and_closed),
        cmocka_unit_test(body_over_the_ceiling_is_413_before_it_is_read),
        cmocka_unit_test(connection_is_kept_after_a_refusal_whose_body_was_read),
        cmocka_unit_test(expected_100_comes_before_a_body_that_may_come),
        cmocka_unit_test(slow_header_is_cut_and_slow_body_too),
        cmocka_unit_test(client_that_leaves_while_its_request_is_away_harms_nothing),
        cmocka_unit_test(stopping_finishes_what_runs),
        cmocka_unit_test(who_asked_before_the_stop_is_answered),
        cmocka_unit_test(tokens_over_their_rate_are_429),
        cmocka_unit_test(metrics_count_what_was_answered),
        cmocka_unit_test(address_in_use_is_said_by_its_name),
    };
    hash_init();
    log_setup(LOG_LEVEL_ERROR, false);
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
