#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"

#define PART(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
#define LINES_MAX 4

struct line {
    struct str name, value;
};

static struct http_head head_of(const struct line *lines, const char *version)
{
    struct http_head h;
    http_head_init(&h);
    for (size_t i = 0; i < LINES_MAX && lines[i].name.at; i++)
        http_head_take(&h, lines[i].name, lines[i].value);
    http_head_finish(&h, str_of(version));
    return h;
}

#define HOST                                                                                       \
    {                                                                                              \
        PART("Host"), PART("a")                                                                    \
    }

static void head_refuses_what_a_proxy_may_see_differently(void **state)
{
    static const struct line cases[][LINES_MAX] = {
        {{PART("Accept"), PART("*/*")}}, /* no Host */
        {HOST, HOST},
        {HOST, {PART("host"), PART("b")}},
        {HOST, {PART("Content-Length"), PART("5")}, {PART("content-length"), PART("5")}},
        {HOST, {PART("Content-Length"), PART("5, 5")}},
        {HOST, {PART("Content-Length"), PART("-1")}},
        {HOST, {PART("Content-Length"), PART("+5")}},
        {HOST, {PART("Content-Length"), PART("")}},
        {HOST, {PART("Content-Length"), PART("99999999999999999999")}},
        {HOST, {PART("Content-Length"), PART("5")}, {PART("Transfer-Encoding"), PART("chunked")}},
        {HOST, {PART("Transfer-Encoding"), PART("xchunked")}},
        {HOST, {PART("Transfer-Encoding"), PART("gzip, chunked")}},
        {HOST,
         {PART("Transfer-Encoding"), PART("chunked")},
         {PART("transfer-encoding"), PART("chunked")}},
        {HOST,
         {PART("Authorization"), PART("Bearer a")},
         {PART("Authorization"), PART("Bearer b")}},
        {HOST, {PART("Content-Length "), PART("5")}},
        {HOST, {PART("X Y"), PART("5")}},
        {HOST, {PART("X\0Y"), PART("5")}},
        {HOST, {PART(""), PART("5")}},
        {HOST, {PART("X\xc3\xa5"), PART("5")}},
        {HOST, {PART("X-Y"), PART("a\rb")}},
        {HOST, {PART("X-Y"), PART("a\0b")}},
        {HOST, {PART("X-Y"), PART("\xff")}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(head_of(cases[i], "HTTP/1.1").fault.kind, ERR_BAD_REQUEST);
}

static void head_takes_chunked_in_http_1_1_only(void **state)
{
    static const struct line lines[LINES_MAX] = {HOST,
                                                 {PART("Transfer-Encoding"), PART("Chunked")}};
    (void)state;
    struct http_head h = head_of(lines, "HTTP/1.1");
    assert_int_equal(h.fault.kind, ERR_NONE);
    assert_int_equal(h.body_length, -1);
    assert_int_equal(head_of(lines, "HTTP/1.0").fault.kind, ERR_BAD_REQUEST);
}

static void head_keeps_what_the_request_says(void **state)
{
    static const struct line lines[LINES_MAX] = {
        HOST,
        {PART("content-length"), PART("12")},
        {PART("EXPECT"), PART("100-Continue")},
        {PART("X-Name"), PART("\xc3\xa5\tb")},
    };
    (void)state;
    struct http_head h = head_of(lines, "HTTP/1.1");
    assert_int_equal(h.fault.kind, ERR_NONE);
    assert_int_equal(h.body_length, 12);
    assert_true(h.expects_continue);
    assert_null(h.authorization.at);
}

static void head_needs_no_host_in_http_1_0(void **state)
{
    static const struct line lines[LINES_MAX] = {{PART("Accept"), PART("*/*")}};
    (void)state;
    assert_int_equal(head_of(lines, "HTTP/1.0").fault.kind, ERR_NONE);
}

static void head_reads_the_preference_for_a_minimal_answer(void **state)
{
    static const struct {
        struct str prefer;
        bool minimal;
    } cases[] = {
        {PART("return=minimal"), true},
        {PART("respond-async, Return=Minimal; foo=bar"), true},
        {PART("return=\"minimal\""), true},
        {PART("return=representation"), false},
        {PART("x=\"return=minimal\""), false},
        {PART(""), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct line lines[LINES_MAX] = {HOST, {PART("Prefer"), cases[i].prefer}};
        assert_int_equal(head_of(lines, "HTTP/1.1").prefers_minimal, cases[i].minimal);
    }
}

static void bearer_tokens_are_told_from_everything_else(void **state)
{
    static const struct {
        struct str header;
        bool good;
        enum http_challenge challenge;
    } cases[] = {
        {PART("Bearer abc-._~+/="), true, HTTP_CHALLENGE_INVALID},
        {PART("bearer abc"), true, HTTP_CHALLENGE_INVALID},
        {PART("BEARER   abc "), true, HTTP_CHALLENGE_INVALID},
        {{NULL, 0}, false, HTTP_CHALLENGE_PLAIN},
        {PART("Bearer"), false, HTTP_CHALLENGE_INVALID},
        {PART("Bearer "), false, HTTP_CHALLENGE_INVALID},
        {PART("Bearer a b"), false, HTTP_CHALLENGE_INVALID},
        {PART("Bearer a,b"), false, HTTP_CHALLENGE_INVALID},
        {PART("Bearer \xc3\xa5"), false, HTTP_CHALLENGE_INVALID},
        {PART("Basic abc"), false, HTTP_CHALLENGE_INVALID},
        {PART("Bearerabc"), false, HTTP_CHALLENGE_INVALID},
        {PART(""), false, HTTP_CHALLENGE_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct str token;
        enum http_challenge challenge;
        assert_int_equal(http_bearer_token(cases[i].header, &token, &challenge), cases[i].good);
        assert_int_equal(challenge, cases[i].challenge);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_refuses_what_a_proxy_may_see_differently),
        cmocka_unit_test(head_takes_chunked_in_http_1_1_only),
        cmocka_unit_test(head_keeps_what_the_request_says),
        cmocka_unit_test(head_needs_no_host_in_http_1_0),
        cmocka_unit_test(head_reads_the_preference_for_a_minimal_answer),
        cmocka_unit_test(bearer_tokens_are_told_from_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
