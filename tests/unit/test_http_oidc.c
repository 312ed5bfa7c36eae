/* What a token of an issuer looks like, and under which name its subjects are kept. The rest is
 * shown end to end, with a real issuer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/issuer.h"
#include "http_fixture.h"

static void a_jwt_is_told_from_our_tokens_by_two_dots(void **state)
{
    (void)state;
    assert_true(http_is_jwt(STR("a.b.c")));
    assert_true(http_is_jwt(STR("..")));
    assert_false(http_is_jwt(STR("a.b")));
    assert_false(http_is_jwt(STR("a.b.c.d"))); /* encrypted ones have four */
    assert_false(http_is_jwt(STR("0123456789abcdef")));
    assert_false(http_is_jwt(STR_NONE));
}

static void an_issuer_is_kept_under_a_name_that_token_create_takes(void **state)
{
    static const struct {
        const char *issuer, *client;
    } cases[] = {
        {"https://login.example.org", "login.example.org"},
        {"https://login.example.org/", "login.example.org"},
        {"https://login.example.org/realms/A_b", "login.example.org-realms-A_b"},
        {"http://127.0.0.1:8080/x", "127.0.0.1-8080-x"},
    };
    OWNED_ARENA struct arena *a = arena_new();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(str_eq(http_oidc_client(a, str_of(cases[i].issuer)), str_of(cases[i].client)));
}

static void a_jwt_is_a_token_like_any_other_where_there_is_no_issuer(void **state)
{
    static const struct exchange cases[] = {
        {GET("/scim/v2/Users/known", "Host: a\r\nAuthorization: Bearer a.b.c\r\n"),
         401,
         {"the token is not valid"}}};
    CHECK((const struct ground *)*state, cases);
}

static void what_it_is_matched_by_must_be_an_attribute(void **state)
{
    static const struct str none[] = {{"RS256", 5}};
    struct config config = config_for_tests();
    struct error err = ERROR_INIT;
    struct http_server *server = NULL;
    (void)state;
    config.auth.oidc = (struct config_oidc){.issuer = STR("https://a"),
                                            .audience = STR("us"),
                                            .claim = STR("email"),
                                            .matches = STR("no such"),
                                            .algorithms = {none, 1}};
    struct scim_catalog *catalog = fixture_catalog();
    struct service *service = fake_service_new(&config, catalog);
    assert_false(http_server_start(&config, service, NULL, &server, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, "auth.oidc.matches"));
    fake_service_free(service);
    scim_catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jwt_is_told_from_our_tokens_by_two_dots),
        cmocka_unit_test(an_issuer_is_kept_under_a_name_that_token_create_takes),
        cmocka_unit_test_setup_teardown(a_jwt_is_a_token_like_any_other_where_there_is_no_issuer,
                                        open_shared, close_shared),
        cmocka_unit_test(what_it_is_matched_by_must_be_an_attribute),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
