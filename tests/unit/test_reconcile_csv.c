/* CSV files of people in organizations: what is read of them, and what is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/own.h"
#include "reconcile/csv.h"

#define HEADER "organization,userName,role,permissions\n"

static const struct str LONG = STR_INIT(HEADER "%,kim,,\n");

static void rows_are_read_in_every_form_that_spreadsheets_write(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    struct csv_row *rows;
    size_t n;
    struct str text = STR("\xEF\xBB\xBForganization,userName,role,permissions\r\n"
                          "\"A, \"\"B\"\"\",kim,Manager, vpn  audit \r\n"
                          " A ,lee,,\r\n"
                          "\"B\",,,\n"
                          "B,\"max\",PlatformAdmin,\"infra\"");
    assert_true(csv_parse(a, text, &rows, &n, &err));
    assert_int_equal(n, 4);
    assert_true(str_eq(rows[0].organization, STR("A, \"B\"")));
    assert_true(rows[0].role == KIOPS_MANAGER);
    assert_int_equal(rows[0].permissions, 1U << KIOPS_VPN | 1U << KIOPS_AUDIT);
    assert_true(str_eq(rows[1].organization, STR("A")) && rows[1].role == KIOPS_MEMBER);
    assert_true(rows[2].user_name.len == 0 && rows[2].line == 4);
    assert_true(rows[3].role == KIOPS_PLATFORM_ADMIN && rows[3].permissions == 1U << KIOPS_INFRA);
}

static void a_header_alone_is_no_rows(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    struct csv_row *rows;
    size_t n;
    assert_true(csv_parse(a, STR(HEADER), &rows, &n, &err));
    assert_int_equal(n, 0);
}

#define CASE(text, said)                                                                           \
    {                                                                                              \
        STR_INIT(text), said                                                                       \
    }

static const struct {
    struct str text;
    const char *said;
} malformed[] = {
    CASE("", "line 1: there are not four fields"),
    CASE("A,kim,Member,\n", "line 1: the first line must be"),
    CASE("organization,userName,role\n", "line 1: there are not four fields"),
    CASE("organization,username,role,permissions\n", "line 1: the first line must be"),
    CASE(HEADER "A,kim,Member\n", "line 2: there are not four fields"),
    CASE(HEADER "A,kim,Member,vpn,x\n", "line 2: there are not four fields"),
    CASE(HEADER "A,kim,Member,vpn\nA,le", "line 3: there are not four fields"),
    CASE(HEADER "A,kim,Member,vpn\r", "line 2: there are not four fields"),
    CASE(HEADER "\nA,kim,,\n", "line 2: there are not four fields"),
    CASE(HEADER "A,kim,Member,\nA,lee,Viewer,\n", "line 3: roles are exactly"),
    CASE(HEADER "A,kim,member,\n", "line 2: roles are exactly"),
    CASE(HEADER "A,kim,,vpn dance\n", "line 2: permissions are"),
    CASE(HEADER "A,kim,,VPN\n", "line 2: permissions are"),
    CASE(HEADER "A,\"kim,Member,\n", "line 2: a control character stands in quotes"),
    CASE(HEADER "A,\"kim", "line 2: a quote is not closed"),
    CASE(HEADER "A,ki\"m,Member,\n", "line 2: a quote stands in the middle"),
    CASE(HEADER "A,\"kim\"x,Member,\n", "line 2: there are not four fields"),
    CASE(HEADER "A,kim,,\nB,kim,,\nA,kim,Manager,\n", "line 4: says again what line 2 said"),
    CASE(HEADER "A,,,\nA,,,\n", "line 3: says again what line 2 said"),
    CASE(HEADER ",kim,,\n", "line 2: the organization is missing"),
    CASE(HEADER "  ,kim,,\n", "line 2: the organization is missing"),
    CASE(HEADER "A,,Manager,\n", "line 2: a role or permissions need a userName"),
    CASE(HEADER "A,,,vpn\n", "line 2: a role or permissions need a userName"),
    CASE(HEADER "A,k\0im,,\n", "line 2: a control character"),
    CASE(HEADER "A,k\tim,,\n", "line 2: a control character"),
    CASE(HEADER "A,\xFF\xFE,,\n", "not UTF-8"),
};

static void what_is_not_understood_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct error err = ERROR_INIT;
        struct csv_row *rows = NULL;
        size_t n = 0;
        if (csv_parse(a, malformed[i].text, &rows, &n, &err))
            fail_msg("taken: " STR_FMT, STR_ARG(malformed[i].text));
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        if (!strstr(err.detail, malformed[i].said))
            fail_msg("%s, not %s", err.detail, malformed[i].said);
        assert_null(rows);
    }
}

/* A field of `len` bytes. */
static bool takes(size_t len, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf text;
    struct csv_row *rows;
    size_t n, at;
    buf_init(&text, 1 << 20);
    assert_true(str_find(LONG, '%', &at));
    buf_str(&text, str_sub(LONG, 0, at));
    for (size_t i = 0; i < len; i++)
        buf_char(&text, 'A');
    buf_str(&text, str_sub(LONG, at + 1, LONG.len));
    return csv_parse(a, buf_view(&text), &rows, &n, err);
}

static void a_field_has_a_ceiling(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    assert_true(takes(CSV_FIELD_MAX, &err));
    assert_false(takes(CSV_FIELD_MAX + 1, &err));
    assert_non_null(strstr(err.detail, "line 2: a field is longer"));
    error_clear(&err);
    assert_false(takes(CSV_FIELD_MAX * 4, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_in_every_form_that_spreadsheets_write),
        cmocka_unit_test(a_header_alone_is_no_rows),
        cmocka_unit_test(what_is_not_understood_is_refused_with_its_line),
        cmocka_unit_test(a_field_has_a_ceiling),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
