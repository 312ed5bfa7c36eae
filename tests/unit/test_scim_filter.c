#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scim/scim.h"
#include "scim_fixture.h"
#include "scim_render.h"

static int load(void **state)
{
    *state = fixture_catalog();
    return 0;
}

static int unload(void **state)
{
    scim_catalog_free(*state);
    return 0;
}

static bool parse(struct arena *a, const struct scim_catalog *c, const json_t *one,
                  const struct scim_filter **f, struct error *err)
{
    const char *type = json_string_value(json_object_get(one, "type"));
    const struct scim_dialect d = {.bare_filter_operand = json_get_bool(one, "lenient", false)};
    struct scim_context in = fixture_context(a, c, type ? type : "User");
    in.dialect = &d;
    return scim_filter_parse(&in, json_get_str(one, "filter"), f, err);
}

static void a_filter_is_read_as_the_table_says(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/filter_valid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        OWNED_BUF struct buf shape;
        buf_init(&shape, 4096);
        struct error err = ERROR_INIT;
        const struct scim_filter *f;
        struct str text = json_get_str(one, "filter");
        if (!parse(a, *state, one, &f, &err))
            fail_msg(STR_FMT ": %s", STR_ARG(text), err.detail);
        render_filter(&shape, f);
        if (!str_eq(buf_view(&shape), json_get_str(one, "is")))
            fail_msg(STR_FMT " was read as " STR_FMT, STR_ARG(text), STR_ARG(buf_view(&shape)));
    }
}

static void a_wrong_filter_is_refused_at_its_first_wrong_byte(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/filter_invalid.json");
    size_t i;
    int wrong = 0;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        struct error err = ERROR_INIT;
        const struct scim_filter *f = NULL;
        struct str text = json_get_str(one, "filter");
        if (parse(a, *state, one, &f, &err))
            fail_msg(STR_FMT " was taken", STR_ARG(text));
        assert_int_equal(err.kind, ERR_INVALID_FILTER);
        assert_null(f);
        char offset[40];
        snprintf(offset, sizeof(offset), "at offset %lld",
                 (long long)json_integer_value(json_object_get(one, "at")));
        struct str detail = str_of(err.detail);
        if (detail.len > 0 && detail.at[detail.len - 1] == ')')
            detail.len--;
        if (str_ends(detail, str_of(offset)))
            continue;
        print_error(STR_FMT ": %s, not %s\n", STR_ARG(text), err.detail, offset);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* chars 0: the usual limit. */
static bool parses(const struct scim_catalog *c, struct str text, size_t chars)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    const struct scim_filter *f;
    struct scim_context in = fixture_context(a, c, "User");
    if (chars)
        in.limits.filter.chars = chars;
    bool done = scim_filter_parse(&in, text, &f, &err);
    assert_int_equal(err.kind, done ? ERR_NONE : ERR_INVALID_FILTER);
    return done;
}

/* `head` n times, `middle`, `tail` n times. */
static bool parses_repeated(const struct scim_catalog *c, const char *const parts[3], int n)
{
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < n; i++)
        buf_fmt(&text, "%s", parts[0]);
    buf_fmt(&text, "%s", parts[1]);
    for (int i = 0; i < n; i++)
        buf_fmt(&text, "%s", parts[2]);
    assert_false(text.failed);
    return parses(c, buf_view(&text), 1 << 20);
}

static void filters_have_ceilings(void **state)
{
    const struct {
        const char *parts[3];
        int most;
    } cases[] = {
        {{"(", "title pr", ")"}, 32},
        {{"not (", "title pr", ")"}, 32},
        {{"not(", "emails[type eq \"work\"]", ")"}, 31},
        {{"", "title pr", " and title pr"}, 99},
        {{"title pr or ", "title pr", ""}, 99},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(parses_repeated(*state, cases[i].parts, cases[i].most));
        assert_false(parses_repeated(*state, cases[i].parts, cases[i].most + 1));
        assert_false(parses_repeated(*state, cases[i].parts, 10000));
    }
}

static void a_filter_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    const struct str text = STR("title eq \"0123456789\"");
    assert_true(parses(*state, text, text.len));
    assert_false(parses(*state, text, text.len - 1));
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    static const struct str cases[] = {
        STR_INIT("userName eq \"\xff\""),
        STR_INIT("userName eq \"\xc0\x80\""),
        STR_INIT("userName eq \"\xed\xa0\x80\""),
        STR_INIT("userName eq \"a\0b\""),
        STR_INIT("userName\0 eq \"a\""),
        STR_INIT("userName eq \"a\"\0"),
        STR_INIT("userName eq \"a\" and\xa0title pr"),
        STR_INIT("\xef\xbb\xbfuserName eq \"a\""),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (parses(*state, cases[i], 0))
            fail_msg("case %zu was taken", i);
}

static void every_prefix_of_a_filter_is_taken_or_refused_without_reading_on(void **state)
{
    const struct str whole =
        STR("(not (userName eq \"a\\u00e9\\\"\") and (emails[type eq \"work\" and "
            "primary eq true].value co \"x\" or meta.created ge \"2026-01-05T08:00:00Z\"))");
    for (size_t n = 0; n <= whole.len; n++) {
        OWNED_TEXT char *exact = malloc(n ? n : 1); /* ASan sees a read behind the n-th byte */
        assert_non_null(exact);
        memcpy(exact, whole.at, n);
        bool done = parses(*state, (struct str){exact, n}, 0);
        assert_int_equal(done, n == whole.len);
    }
}

static void index_lookups_see_what_a_filter_pins_down(void **state)
{
    const struct {
        const char *type, *filter, *name, *sub, *pinned;
        bool only;
    } cases[] = {
        {"User", "userName eq \"Kim\"", "username", "", "Kim", true},
        {"User", "(userName eq \"Kim\")", "userName", "", "Kim", true},
        {"User", "title pr and userName eq \"Kim\"", "userName", "", "Kim", false},
        {"User", "title pr and (active eq true and userName eq \"Kim\")", "userName", "", "Kim", 0},
        {"User", "title pr or userName eq \"Kim\"", "userName", "", NULL, false},
        {"User", "not (userName eq \"Kim\")", "userName", "", NULL, false},
        {"User", "userName ne \"Kim\"", "userName", "", NULL, false},
        {"User", "userName sw \"Kim\"", "userName", "", NULL, false},
        {"User", "userName eq \"\"", "userName", "", NULL, false},
        {"User", "userName eq null", "userName", "", NULL, false},
        {"User", "active eq true", "active", "", NULL, false},
        {"User", "externalId eq \"x\"", "externalId", "", "x", true},
        {"User", "externalId eq \"x\"", "userName", "", NULL, false},
        {"User", "emails eq \"a@x\"", "emails", "value", "a@x", true},
        {"User", "emails.value eq \"a@x\"", "emails", "value", "a@x", true},
        {"User", "emails.type eq \"work\"", "emails", "value", NULL, false},
        {"User", "emails[value eq \"a@x\"]", "emails", "value", "a@x", true},
        {"User", "emails[type eq \"work\" and value eq \"a@x\"]", "emails", "value", "a@x", false},
        {"User", "emails[type eq \"work\" or value eq \"a@x\"]", "emails", "value", NULL, false},
        {"User", "emails[type eq \"work\"].value eq \"a@x\"", "emails", "value", "a@x", false},
        {"User", "emails[type eq \"work\"].value ne \"a@x\"", "emails", "value", NULL, false},
        {"User", "emails[type eq \"work\"]", "emails", "value", NULL, false},
        {"User", "emails[value eq \"a@x\"].type eq \"work\"", "emails", "value", "a@x", false},
        {"User", "employeeNumber eq \"1\"", "employeeNumber", "", NULL, false},
        {"Group", "id eq \"g\" and members eq \"u\"", "members", "value", "u", false},
        {"Group", "id eq \"g\" and members eq \"u\"", "id", "", "g", false},
        {"Group", "members[value eq \"u\"]", "members", "value", "u", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct error err = ERROR_INIT;
        const struct scim_filter *f;
        const struct scim_context in = fixture_context(a, *state, cases[i].type);
        assert_true(scim_filter_parse(&in, str_of(cases[i].filter), &f, &err));
        struct str name = str_of(cases[i].name);
        struct str sub = str_of(cases[i].sub);
        struct str pinned = scim_filter_pinned(f, name, sub);
        struct str only = STR_NONE;
        if (!str_eq(pinned, str_of(cases[i].pinned)) || !pinned.at != !cases[i].pinned)
            fail_msg("%s pins " STR_FMT, cases[i].filter, STR_ARG(pinned));
        if (scim_filter_is_only(f, name, sub, &only) != cases[i].only)
            fail_msg("%s: only is %d", cases[i].filter, !cases[i].only);
        if (cases[i].only)
            assert_true(str_eq(only, pinned));
    }
}

static void a_filter_tells_which_attributes_it_speaks_of(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    const struct scim_filter *f;
    const struct scim_context in = fixture_context(a, *state, "User");
    assert_true(scim_filter_parse(&in,
                                  STR("title pr and (not (groups[display eq \"x\"]) or "
                                      "department eq \"y\" or emails[type eq \"z\"].value pr)"),
                                  &f, &err));
    static const char *const yes[] = {"title", "groups", "DEPARTMENT", "emails"};
    static const char *const no[] = {"display", "type", "value", "id", "memberships", ""};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_true(scim_filter_mentions(f, str_of(yes[i])));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(scim_filter_mentions(f, str_of(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_is_read_as_the_table_says),
        cmocka_unit_test(a_wrong_filter_is_refused_at_its_first_wrong_byte),
        cmocka_unit_test(filters_have_ceilings),
        cmocka_unit_test(a_filter_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(every_prefix_of_a_filter_is_taken_or_refused_without_reading_on),
        cmocka_unit_test(index_lookups_see_what_a_filter_pins_down),
        cmocka_unit_test(a_filter_tells_which_attributes_it_speaks_of),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
