/* HTTP Basic: what is read out of the header, from whom it is taken, what a failure says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#define PART(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define ADA_RIGHT "YWRhOnJpZ2h0"
#define BASIC(encoded) "Host: a\r\nAuthorization: Basic " encoded "\r\n"
#define OFFER "WWW-Authenticate: Basic realm=\"kiops-bridge\", charset=\"UTF-8\"\r\n"

static void basic_reads_name_and_password(void **state)
{
    static const struct {
        struct str header;
        bool good;
        struct str name, password;
    } cases[] = {
        {PART("Basic " ADA_RIGHT), true, PART("ada"), PART("right")},
        {PART("bAsIc   " ADA_RIGHT " "), true, PART("ada"), PART("right")},
        {PART("Basic YTpiOmM="), true, PART("a"), PART("b:c")},
        {PART("Basic YTo="), true, PART("a"), PART("")},
        {PART("Basic OmI="), true, PART(""), PART("b")},
        {PART("Basic w6Q6w58="), true, PART("ä"), PART("ß")},
        {PART("Basic"), false, PART(""), PART("")},
        {PART("Basic "), false, PART(""), PART("")},
        {PART("Basic YWRh"), false, PART(""), PART("")},     /* no colon */
        {PART("Basic YTpi!"), false, PART(""), PART("")},    /* no base64 */
        {PART("Basic YTo"), false, PART(""), PART("")},      /* not padded */
        {PART("Basic YTpiAA=="), false, PART(""), PART("")}, /* NUL */
        {PART("Basic YTpiCg=="), false, PART(""), PART("")}, /* line feed */
        {PART("Basic YTr/"), false, PART(""), PART("")},     /* no UTF-8 */
        {PART("Basic realm=\"x\", a=\"b\""), false, PART(""), PART("")},
    };
    OWNED_ARENA struct arena *a = arena_new();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct http_basic got;
        if (http_basic_read(a, cases[i].header, &got) != cases[i].good)
            fail_msg(STR_FMT, STR_ARG(cases[i].header));
        assert_true(!cases[i].good || str_eq(got.name, cases[i].name));
        assert_true(!cases[i].good || str_eq(got.password, cases[i].password));
    }
    assert_true(http_is_basic(STR("basic x")));
    assert_false(http_is_basic(STR("Bearer Basic")));
    assert_false(http_is_basic(STR_NONE));
}

static void basic_reads_no_more_than_a_name_and_a_password_can_be(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    static char header[4096] = "Basic ";
    struct http_basic got;
    (void)state;
    for (size_t i = 6; i + 4 <= sizeof(header); i += 4)
        memcpy(header + i, "YTpi", 4);
    assert_true(http_basic_read(a, (struct str){header, 6 + 2048}, &got));
    assert_false(http_basic_read(a, (struct str){header, 6 + 2052}, &got));
}

static void basic_is_taken_from_loopback_and_trusted_proxies_alone(void **state)
{
    static const struct {
        unsigned char address[16];
        bool trusted, taken;
    } cases[] = {
        {{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, false, true},
        {{[10] = 0xff, [11] = 0xff, [12] = 127, [13] = 9, [15] = 9}, false, true},
        {{[15] = 1}, false, true},
        {{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 7}, false, false},
        {{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 7}, true, true},
        {{[0] = 0x20, [1] = 0x01, [15] = 1}, false, false},
        {{[12] = 127, [15] = 1}, false, false}, /* ::127.0.0.1 is no loopback */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct http_peer peer = {.trusted = cases[i].trusted};
        struct config config = {.auth.basic = true};
        struct http_server server = {.config = &config};
        struct http_request r = {.server = &server, .peer = &peer};
        memcpy(peer.address, cases[i].address, sizeof(peer.address));
        assert_int_equal(http_basic_is_offered(&r), cases[i].taken);
        config.auth.basic = false;
        assert_false(http_basic_is_offered(&r));
    }
}

static void basic_from_elsewhere_is_refused_before_the_directory_is_asked(void **state)
{
    static const char sent[] = "Basic " ADA_RIGHT;
    static char header[sizeof(sent)];
    struct http_peer peer = {.address = {[0] = 0x20, [1] = 0x01}};
    struct config config = {.auth.basic = true};
    struct http_server server = {.config = &config};
    struct http_request r = {.server = &server, .peer = &peer, .err = ERROR_INIT};
    (void)state;
    memcpy(header, sent, sizeof(sent));
    r.head.authorization = (struct str){header, sizeof(sent) - 1};
    assert_int_equal(http_basic_authenticate(&r, NULL), SERVICE_FAILED);
    assert_int_equal(r.err.kind, ERR_UNAUTHORIZED);
    assert_non_null(strstr(r.err.detail, "clear text"));
    for (size_t i = 0; i < sizeof(header); i++) /* and it stays nowhere */
        assert_int_equal(header[i], 0);
}

static void basic_from_elsewhere_is_taken_inside_tls(void **state)
{
    struct http_peer peer = {.address = {[0] = 0x20, [1] = 0x01}};
    struct config config = {.auth.basic = true};
    struct http_server server = {.config = &config};
    struct http_request r = {.server = &server, .peer = &peer};
    (void)state;
    assert_false(http_basic_is_offered(&r));
    server.tls = (void *)&server; /* any: it is only seen to be there */
    assert_true(http_basic_is_offered(&r));
    config.auth.basic = false;
    assert_false(http_basic_is_offered(&r));
}

static void basic_signs_people_in(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/Users/known", BASIC(ADA_RIGHT)), 200, {"{\"id\":\"known\"}"}},
        {GET("/scim/v2/Me", BASIC(ADA_RIGHT)), 200, {"{\"id\":\"known\"}"}},
        {GET("/scim/v2/Users/known", BASIC("YWRhOndyb25n")),
         401,
         {OFFER, "WWW-Authenticate: Bearer realm=\"kiops-bridge\"\r\n", "!error="}},
        {GET("/scim/v2/Users/known", BASIC("YXdheTp4")), 503, {"Retry-After: ", "!WWW-Auth"}},
        {GET("/scim/v2/Users/known", BASIC("!")), 401, {OFFER, "malformed"}},
        {GET("/scim/v2/Users/known", "Host: a\r\n"), 401, {OFFER, "Bearer realm"}},
        {GET("/scim/v2/Users/known", GOOD), 200, {"!WWW-Auth"}},
        {GET("/scim/v2/ServiceProviderConfig", "Host: a\r\n"), 200, {"\"httpbasic\""}},
    };
    (void)state;
    struct config config = config_for_tests();
    config.auth.basic = true;
    struct ground *g = open_ground(&config);
    CHECK(g, cases);
    close_ground(g);
}

static void basic_is_off_unless_it_is_switched_on(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/Users/known", BASIC(ADA_RIGHT)), 401, {"!" OFFER, "use a bearer token"}},
        {GET("/scim/v2/ServiceProviderConfig", "Host: a\r\n"), 200, {"!\"httpbasic\""}},
    };
    (void)state;
    struct config config = config_for_tests();
    struct ground *g = open_ground(&config);
    CHECK(g, cases);
    close_ground(g);
}

static void basic_slows_who_guesses_and_nobody_else(void **state)
{
    static const struct exchange wrong[] = {
        {GET("/scim/v2/Users/known", BASIC("YWRhOndyb25n")), 401, {OFFER}}};
    static const struct exchange right[] = {
        {GET("/scim/v2/Users/known", BASIC(ADA_RIGHT)), 200, {NULL}}};
    static const struct exchange away[] = {
        {GET("/scim/v2/Users/known", BASIC("YXdheTp4")), 503, {NULL}}};
    static const struct exchange slowed[] = {
        {GET("/scim/v2/Users/known", BASIC("YWRhOndyb25n")), 429, {"Retry-After: "}},
        /* The right one too: else a guess would show by it that it was right. */
        {GET("/scim/v2/Users/known", BASIC(ADA_RIGHT)), 429, {"Retry-After: "}},
        {GET("/scim/v2/Users/known", GOOD), 200, {NULL}}};
    (void)state;
    struct config config = config_for_tests();
    config.auth.basic = true;
    struct ground *g = open_ground(&config);
    for (int i = 0; i < 30; i++) {
        CHECK(g, right);
        CHECK(g, away);
    }
    for (int i = 0; i < 10; i++)
        CHECK(g, wrong);
    CHECK(g, slowed);
    close_ground(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basic_reads_name_and_password),
        cmocka_unit_test(basic_reads_no_more_than_a_name_and_a_password_can_be),
        cmocka_unit_test(basic_is_taken_from_loopback_and_trusted_proxies_alone),
        cmocka_unit_test(basic_from_elsewhere_is_refused_before_the_directory_is_asked),
        cmocka_unit_test(basic_from_elsewhere_is_taken_inside_tls),
        cmocka_unit_test(basic_signs_people_in),
        cmocka_unit_test(basic_is_off_unless_it_is_switched_on),
        cmocka_unit_test(basic_slows_who_guesses_and_nobody_else),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
