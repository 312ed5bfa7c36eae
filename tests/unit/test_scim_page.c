#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"

static const struct scim_page_limits limits = {.fallback = 100, .most = 1000};

static int load(void **state)
{
    hash_init();
    *state = fixture_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

/* ---- pages */

#define ABSENT NULL

struct page_case {
    const char *start_index, *count, *cursor;
    enum error_kind kind;
    int64_t is_start, is_count;
};

/* An empty value is present: str_of() of "" has an address. */
static void pages_are_read_as_the_table_says(void **state)
{
    (void)state;
    static const struct page_case cases[] = {
        {ABSENT, ABSENT, ABSENT, ERR_NONE, 1, 100},
        {"1", "10", ABSENT, ERR_NONE, 1, 10},
        {"0", "0", ABSENT, ERR_NONE, 1, 0},
        {"-5", "-1", ABSENT, ERR_NONE, 1, 0},
        {"101", "5000", ABSENT, ERR_NONE, 101, 1000},
        {"9223372036854775807", "2147483648", ABSENT, ERR_NONE, INT64_MAX, 1000},
        {"99999999999999999999", ABSENT, ABSENT, ERR_INVALID_VALUE, 0, 0},
        {"abc", ABSENT, ABSENT, ERR_INVALID_VALUE, 0, 0},
        {"", ABSENT, ABSENT, ERR_INVALID_VALUE, 0, 0},
        {ABSENT, "1.5", ABSENT, ERR_INVALID_VALUE, 0, 0},
        {ABSENT, "abc", ABSENT, ERR_INVALID_VALUE, 0, 0},
        {ABSENT, "99999999999999999999", ABSENT, ERR_INVALID_VALUE, 0, 0},
        {ABSENT, "10", "", ERR_NONE, 1, 10},
        {ABSENT, ABSENT, "aZ09-._~", ERR_NONE, 1, 100},
        {ABSENT, "-1", "", ERR_NONE, 1, 0},
        {ABSENT, "1001", "", ERR_INVALID_COUNT, 0, 0},
        {ABSENT, "x", "", ERR_INVALID_COUNT, 0, 0},
        {ABSENT, ABSENT, "a+b", ERR_INVALID_CURSOR, 0, 0},
        {ABSENT, ABSENT, "a=", ERR_INVALID_CURSOR, 0, 0},
        {ABSENT, ABSENT, "a b", ERR_INVALID_CURSOR, 0, 0},
        {"1", ABSENT, "", ERR_INVALID_VALUE, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct page_case *c = &cases[i];
        struct scim_page page = {.start_index = -7};
        struct error err = ERROR_INIT;
        const struct scim_page_query q = {str_of(c->start_index), str_of(c->count),
                                          str_of(c->cursor)};
        bool done = scim_page_parse(&q, &limits, &page, &err);
        if (err.kind != c->kind)
            fail_msg("case %zu: %s", i, error_kind_name(err.kind));
        assert_int_equal(done, c->kind == ERR_NONE);
        if (!done) {
            assert_int_equal(page.start_index, -7);
            continue;
        }
        assert_int_equal(page.start_index, c->is_start);
        assert_int_equal(page.count, c->is_count);
        assert_int_equal(page.by_cursor, c->cursor != NULL);
    }
}

static void a_cursor_holds_no_nul_and_has_a_length(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'a', sizeof(text));
    struct scim_page_query q = {.cursor = {text, sizeof(text)}};
    struct scim_page page;
    struct error err = ERROR_INIT;
    assert_false(scim_page_parse(&q, &limits, &page, &err));
    assert_int_equal(err.kind, ERR_INVALID_CURSOR);
    error_clear(&err);
    q.cursor = (struct str){"a\0b", 3};
    assert_false(scim_page_parse(&q, &limits, &page, &err));
    assert_int_equal(err.kind, ERR_INVALID_CURSOR);
}

/* ---- order */

static void orders_are_read_as_the_table_says(void **state)
{
    static const struct {
        const char *by, *order;
        enum error_kind kind;
    } cases[] = {
        {"userName", "", ERR_NONE},
        {"username", "Descending", ERR_NONE},
        {"emails", "ascending", ERR_NONE},
        {"emails.value", "", ERR_NONE},
        {"name.familyName", "", ERR_NONE},
        {"meta.lastModified", "", ERR_NONE},
        {SCIM_URN_ENTERPRISE ":department", "", ERR_NONE},
        {SCIM_URN_ENTERPRISE ":manager", "", ERR_NONE},
        {"", "", ERR_NONE},
        {"", "upwards", ERR_INVALID_VALUE},
        {"userName", "upwards", ERR_INVALID_VALUE},
        {"name", "", ERR_INVALID_PATH},
        {"addresses", "", ERR_INVALID_PATH},
        {"shoeSize", "", ERR_INVALID_PATH},
        {"password", "", ERR_INVALID_PATH},
        {"PassWord", "", ERR_INVALID_PATH},
        {"emails[type eq \"work\"].value", "", ERR_INVALID_PATH},
        {"emails[type", "", ERR_INVALID_PATH},
        {"emails[x]", "", ERR_INVALID_PATH},
        {SCIM_URN_ENTERPRISE, "", ERR_INVALID_PATH},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct scim_sort sort;
        struct error err = ERROR_INIT;
        const struct scim_context in = fixture_context(a, *state, "User");
        bool done = scim_sort_parse(&in, str_of(cases[i].by), str_of(cases[i].order), &sort, &err);
        if (err.kind != cases[i].kind || done != (err.kind == ERR_NONE))
            fail_msg("%s %s: %s", cases[i].by, cases[i].order, error_kind_name(err.kind));
    }
}

static int order_of(struct arena *a, const struct scim_sort *s, const char *left, const char *right)
{
    OWNED_JSON json_t *x = json_loads(left, 0, NULL);
    OWNED_JSON json_t *y = json_loads(right, 0, NULL);
    struct str p = scim_sort_key(a, s, x), q = scim_sort_key(a, s, y);
    int order = str_cmp(p, q);
    return (order > 0) - (order < 0);
}

static void keys_compare_as_their_values(void **state)
{
    static const struct {
        const char *by, *left, *right;
        int order;
    } cases[] = {
        {"userName", "{\"userName\":\"Bob\"}", "{\"userName\":\"bob\"}", 0},
        {"userName", "{\"userName\":\"Zoe\"}", "{\"userName\":\"ann\"}", 1},
        {"externalId", "{\"externalId\":\"Zoe\"}", "{\"externalId\":\"ann\"}", -1},
        {"", "{\"id\":\"a\"}", "{\"id\":\"b\"}", -1},
        {"active", "{\"active\":false}", "{\"active\":true}", -1},
        {"emails", "{\"emails\":[{\"value\":\"z\"},{\"value\":\"a\",\"primary\":true}]}",
         "{\"emails\":[{\"value\":\"b\"},{\"value\":\"a\"}]}", -1},
        {"meta.created", "{\"meta\":{\"created\":\"2026-01-05T10:00:00+02:00\"}}",
         "{\"meta\":{\"created\":\"2026-01-05T08:00:00Z\"}}", 0},
        {"meta.created", "{\"meta\":{\"created\":\"1969-12-31T23:59:59Z\"}}",
         "{\"meta\":{\"created\":\"1970-01-01T00:00:00Z\"}}", -1},
        {"department", "{\"" SCIM_URN_ENTERPRISE "\":{\"department\":\"Hull\"}}",
         "{\"" SCIM_URN_ENTERPRISE "\":{\"department\":\"engine\"}}", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct scim_sort sort;
        struct error err = ERROR_INIT;
        const struct scim_context in = fixture_context(a, *state, "User");
        fixture_expect(scim_sort_parse(&in, str_of(cases[i].by), STR_NONE, &sort, &err), &err);
        if (order_of(a, &sort, cases[i].left, cases[i].right) != cases[i].order)
            fail_msg("%s: %s against %s", cases[i].by, cases[i].left, cases[i].right);
    }
}

static void numbers_are_ordered_over_their_whole_range(void **state)
{
    (void)state;
    static const double reals[] = {-1e300, -2.5, -1e-300, 0.0, 1e-300, 2.5, 1e300};
    static const long long integers[] = {INT64_MIN, -300, -1, 0, 1, 255, 256, INT64_MAX};
    const struct scim_attr decimal = {.name = STR_INIT("n"), .type = SCIM_DECIMAL};
    const struct scim_attr integer = {.name = STR_INIT("n"), .type = SCIM_INTEGER};
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_sort by_real = {.by = {.attr = &decimal}};
    const struct scim_sort by_integer = {.by = {.attr = &integer}};
    for (size_t i = 1; i < sizeof(reals) / sizeof(reals[0]); i++) {
        OWNED_JSON json_t *x = json_pack("{s:f}", "n", reals[i - 1]);
        OWNED_JSON json_t *y = json_pack("{s:f}", "n", reals[i]);
        assert_true(str_cmp(scim_sort_key(a, &by_real, x), scim_sort_key(a, &by_real, y)) < 0);
    }
    for (size_t i = 1; i < sizeof(integers) / sizeof(integers[0]); i++) {
        OWNED_JSON json_t *x = json_pack("{s:I}", "n", (json_int_t)integers[i - 1]);
        OWNED_JSON json_t *y = json_pack("{s:I}", "n", (json_int_t)integers[i]);
        assert_true(str_cmp(scim_sort_key(a, &by_integer, x), scim_sort_key(a, &by_integer, y)) <
                    0);
    }
    OWNED_JSON json_t *minus_zero = json_pack("{s:f}", "n", -0.0);
    OWNED_JSON json_t *zero = json_pack("{s:f}", "n", 0.0);
    assert_true(str_eq(scim_sort_key(a, &by_real, minus_zero), scim_sort_key(a, &by_real, zero)));
}

static void what_has_no_value_has_no_key(void **state)
{
    static const char *const by[] = {"userName", "name.familyName", "emails",
                                     "active",   "meta.created",    "department"};
    OWNED_JSON json_t *empty = json_pack("{s:[],s:{}}", "emails", "name");
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct scim_sort sort;
        struct error err = ERROR_INIT;
        const struct scim_context in = fixture_context(a, *state, "User");
        assert_true(scim_sort_parse(&in, str_of(by[i]), STR_NONE, &sort, &err));
        assert_null(scim_sort_key(a, &sort, empty).at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_read_as_the_table_says),
        cmocka_unit_test(a_cursor_holds_no_nul_and_has_a_length),
        cmocka_unit_test(orders_are_read_as_the_table_says),
        cmocka_unit_test(keys_compare_as_their_values),
        cmocka_unit_test(numbers_are_ordered_over_their_whole_range),
        cmocka_unit_test(what_has_no_value_has_no_key),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
