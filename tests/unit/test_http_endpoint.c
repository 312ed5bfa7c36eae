/* What is asked and what is answered, over sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

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
        {GET("/scim/v2/Users?cursor&startIndex=1", GOOD), 400, {"invalidValue"}},
        {GET("/scim/v2/Users?cursor=a/b", GOOD), 400, {"invalidCursor"}},
        {GET("/scim/v2/Users?cursor&count=1001", GOOD), 400, {"invalidCount"}},
        {GET("/scim/v2?sortBy=nothing", GOOD), 400, {"invalidPath"}},
        {GET("/scim/v2/Memberships", GOOD), 200, {"\"totalResults\":0"}},
        {GET("/scim/v2/Me", GOOD), 501, {SCIM_URN_ERROR}},
        {GET("/scim/v2", GOOD), 200, {"\"totalResults\":0"}},
        {GET("/scim/v2/Users/.search", GOOD), 405, {"\r\nAllow: POST, OPTIONS\r\n"}},
        {"POST /scim/v2/Users/x/.search HTTP/1.1\r\n" LAST GOOD "\r\n", 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Bulk", GOOD), 405, {"\r\nAllow: POST, OPTIONS\r\n"}},
        {GET("/scim/v2/.search", GOOD), 405, {"\r\nAllow: POST, OPTIONS\r\n"}},
        {"POST /scim/v2/Bulk HTTP/1.1\r\n" LAST GOOD "\r\n", 400, {SCIM_URN_ERROR}},
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
         {"\"bulk\"", "\"cursor\":true"}},
        {GET("/scim/v2/ResourceTypes", "Host: a\r\n"),
         200,
         {"\"totalResults\":3", "\"/Users\"", "\"/Groups\"", "\"/Memberships\""}},
        {GET("/scim/v2/ResourceTypes/User", "Host: a\r\n"), 200, {"\"/Users\""}},
        {GET("/scim/v2/ResourceTypes/Nope", "Host: a\r\n"), 404, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Schemas/urn%3Aietf:params:scim:schemas:core:2.0:user", "Host: a\r\n"),
         200,
         {SCIM_URN_USER}},
        {GET("/scim/v2/Schemas/" SCIM_URN_MEMBERSHIP, "Host: a\r\n"), 200, {SCIM_URN_MEMBERSHIP}},
        {GET("/scim/v2/Schemas?filter=a", "Host: a\r\n"), 403, {SCIM_URN_ERROR}},
        {GET("/scim/v2/Schemas?startIndex=9", "Host: a\r\n"), 200, {"ListResponse"}},
        {"PUT /scim/v2/Schemas HTTP/1.1\r\n" LAST GOOD "\r\n",
         405,
         {"Allow: GET, HEAD, OPTIONS\r\n"}},
    };
    CHECK((const struct ground *)*state, cases);
}

/* ---- bulk */

#define BULK_OF(operations) "{\"Operations\":[" operations "]}"
#define DELETE_ONE "{\"method\":\"DELETE\",\"path\":\"/Users/known\"}"

static void a_bulk_is_answered_from_where_its_last_operation_ends(void **state)
{
    const struct ground *g = *state;
    static char reply[REPLY_MAX];
    static const struct {
        const char *token, *body;
        int status;
        const char *has;
    } cases[] = {
        {"good", BULK_OF(DELETE_ONE "," DELETE_ONE), 200, SCIM_URN_BULK_RESPONSE},
        {"late", BULK_OF(DELETE_ONE), 200, SCIM_URN_BULK_RESPONSE},
        {"late", "{", 400, SCIM_URN_ERROR},
        {"nobody", BULK_OF(DELETE_ONE), 401, SCIM_URN_ERROR},
        {"good", BULK_OF(DELETE_ONE "," DELETE_ONE "," DELETE_ONE), 413, "maxOperations"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char head[128];
        snprintf(head, sizeof(head), "Host: a\r\nAuthorization: Bearer %s\r\n", cases[i].token);
        const char *request = with_body("POST /scim/v2/Bulk", head, cases[i].body);
        assert_int_equal(ask(g, request, reply), cases[i].status);
        assert_non_null(strstr(reply, cases[i].has));
    }
}

/* Shorter than what any other body may be. */
static void a_long_bulk_is_refused_by_its_own_limit(void **state)
{
    const struct ground *g = *state;
    static char reply[REPLY_MAX], body[2000];
    memset(body, ' ', sizeof(body) - 1);
    assert_int_equal(ask(g, with_body("POST /scim/v2/Bulk", GOOD, body), reply), 413);
    assert_non_null(strstr(reply, "maxPayloadSize"));
    assert_int_equal(ask(g, with_body("POST /scim/v2/Users", GOOD, body), reply), 400);
}

/* ---- writes */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_answered_with_all_their_headers),
        cmocka_unit_test(requests_without_a_good_token_learn_nothing),
        cmocka_unit_test(paths_and_methods_are_judged_in_their_order),
        cmocka_unit_test(discovery_is_public_and_tells_what_is_served),
        cmocka_unit_test(a_bulk_is_answered_from_where_its_last_operation_ends),
        cmocka_unit_test(a_long_bulk_is_refused_by_its_own_limit),
        cmocka_unit_test(writes_are_answered_by_their_writer),
        cmocka_unit_test(full_queues_are_503_with_retry_after),
    };
    hash_init();
    log_setup(LOG_LEVEL_ERROR, false);
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
