#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"

#define S(text) ((struct str){(text), sizeof(text) - 1})
#define PART(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static void assert_str(struct str got, struct str want)
{
    assert_int_equal(got.len, want.len);
    if (want.len)
        assert_memory_equal(got.at, want.at, want.len);
}

static void target_path_is_split_and_decoded_once(void **state)
{
    static const struct {
        struct str raw;
        size_t count;
        struct str last;
    } cases[] = {
        {PART("/scim/v2/Users"), 3, PART("Users")},
        {PART("/scim/v2/Users/"), 3, PART("Users")},
        {PART("/scim/v2//Users"), 4, PART("Users")},
        {PART("/scim/v2/Users//"), 4, PART("")},
        {PART("/scim/v2/%55sers"), 3, PART("Users")},
        {PART("/scim/v2/Users/a%2Fb"), 4, PART("a/b")},
        {PART("/scim/v2/Users/%252e%252E"), 4, PART("%2e%2E")},
        {PART("/scim/v2/Users/a+b"), 4, PART("a+b")},
        {PART("/scim/v2/Schemas/urn%3Aa:b?x"), 4, PART("urn:a:b")},
        {PART("http://evil.example/scim/v2/Users"), 3, PART("Users")},
        {PART("/"), 0, PART("")},
        {PART("HTTPS://evil.example"), 0, PART("")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct http_target t;
        struct error err = ERROR_INIT;
        assert_true(http_target_parse(a, cases[i].raw, &t, &err));
        assert_int_equal(t.segment_count, cases[i].count);
        if (t.segment_count)
            assert_str(t.segments[t.segment_count - 1], cases[i].last);
    }
}

static void target_counts_more_segments_than_it_keeps(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct http_target t;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(http_target_parse(a, S("/1/2/3/4/5/6/7/8"), &t, &err));
    assert_int_equal(t.segment_count, 8);
}

static void target_parameters_are_found_in_any_case(void **state)
{
    static const struct {
        struct str raw;
        enum http_param param;
        struct str value;
    } cases[] = {
        {PART("/?filter=userName+eq+%22kim%22"), HTTP_FILTER, PART("userName eq \"kim\"")},
        {PART("/?filter=a%2Bb"), HTTP_FILTER, PART("a+b")},
        {PART("/?FILTER=x"), HTTP_FILTER, PART("x")},
        {PART("/?startindex=0"), HTTP_START_INDEX, PART("0")},
        {PART("/?aadOptscim062020&count=5"), HTTP_COUNT, PART("5")},
        {PART("/?&&count=5&"), HTTP_COUNT, PART("5")},
        {PART("/?c%6funt=5"), HTTP_COUNT, PART("5")},
        {PART("/?filter=a=b"), HTTP_FILTER, PART("a=b")},
        {PART("/?filter=a?b"), HTTP_FILTER, PART("a?b")},
        {PART("/?excludedAttributes=members,%20id"), HTTP_EXCLUDED_ATTRIBUTES, PART("members, id")},
        {PART("/?sortBy=%C3%A5"), HTTP_SORT_BY, PART("\xc3\xa5")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct http_target t;
        struct error err = ERROR_INIT;
        assert_true(http_target_parse(a, cases[i].raw, &t, &err));
        assert_str(t.params[cases[i].param], cases[i].value);
    }
}

static void target_tells_empty_from_absent_parameters(void **state)
{
    static const struct str raws[] = {PART("/?cursor"), PART("/?cursor="), PART("/%41?cursor="),
                                      PART("/%41?cursor&count=1")};
    (void)state;
    for (size_t i = 0; i < sizeof(raws) / sizeof(*raws); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct http_target t;
        struct error err = ERROR_INIT;
        assert_true(http_target_parse(a, raws[i], &t, &err));
        assert_non_null(t.params[HTTP_CURSOR].at);
        assert_int_equal(t.params[HTTP_CURSOR].len, 0);
        assert_null(t.params[HTTP_FILTER].at);
    }
}

static void target_refuses_what_two_readers_could_read_differently(void **state)
{
    static const struct {
        struct str raw;
        enum error_kind kind;
    } cases[] = {
        {PART(""), ERR_BAD_REQUEST},
        {PART("*"), ERR_BAD_REQUEST},
        {PART("example.org:443"), ERR_BAD_REQUEST},
        {PART("/a b"), ERR_BAD_REQUEST},
        {PART("/a\tb"), ERR_BAD_REQUEST},
        {PART("/a#b"), ERR_BAD_REQUEST},
        {PART("/a\x7f"), ERR_BAD_REQUEST},
        {PART("/a%"), ERR_INVALID_SYNTAX},
        {PART("/a%4"), ERR_INVALID_SYNTAX},
        {PART("/a%4g"), ERR_INVALID_SYNTAX},
        {PART("/%00"), ERR_INVALID_VALUE},
        {PART("/%C0%80"), ERR_INVALID_SYNTAX},
        {PART("/%ED%A0%80"), ERR_INVALID_SYNTAX},
        {PART("/\xff"), ERR_INVALID_SYNTAX},
        {PART("/?x=%"), ERR_INVALID_SYNTAX},
        {PART("/?filter=a%00b"), ERR_INVALID_FILTER},
        {PART("/?filter=a&filter=a"), ERR_INVALID_FILTER},
        {PART("/?filter=a&FILTER=a"), ERR_INVALID_FILTER},
        {PART("/?filter=a&filter"), ERR_INVALID_FILTER},
        {PART("/?count=1&count=1"), ERR_INVALID_VALUE},
        {PART("/?attributes=&attributes="), ERR_INVALID_VALUE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct http_target t;
        struct error err = ERROR_INIT;
        assert_false(http_target_parse(a, cases[i].raw, &t, &err));
        assert_int_equal(err.kind, cases[i].kind);
    }
}

static void target_ignores_repeated_parameters_it_does_not_know(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct http_target t;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(http_target_parse(a, S("/?x=1&x=2&access_token=t"), &t, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_path_is_split_and_decoded_once),
        cmocka_unit_test(target_counts_more_segments_than_it_keeps),
        cmocka_unit_test(target_parameters_are_found_in_any_case),
        cmocka_unit_test(target_tells_empty_from_absent_parameters),
        cmocka_unit_test(target_refuses_what_two_readers_could_read_differently),
        cmocka_unit_test(target_ignores_repeated_parameters_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
