#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scim/internal.h"
#include "scim_fixture.h"

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

static const struct scim_filter *filter_of(struct arena *a, const struct scim_catalog *c,
                                           const char *type, struct str text)
{
    const struct scim_context in = fixture_context(a, c, type);
    struct error err = ERROR_INIT;
    const struct scim_filter *f;
    if (!scim_filter_parse(&in, text, &f, &err))
        fail_msg(STR_FMT ": %s", STR_ARG(text), err.detail);
    return f;
}

static bool lists(const json_t *names, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(names, i, one)
    {
        if (str_eq(json_str(one), str_of(name)))
            return true;
    }
    return false;
}

static int count_wrong(const struct scim_filter *f, const json_t *one, json_t *resources)
{
    int wrong = 0;
    const char *name;
    json_t *resource;
    json_object_foreach(resources, name, resource)
    {
        bool expected = lists(json_object_get(one, "matches"), name);
        if (scim_match(f, resource) == expected)
            continue;
        print_error("%s: %s\n", json_string_value(json_object_get(one, "filter")), name);
        wrong++;
    }
    return wrong;
}

static void a_filter_finds_exactly_the_resources_of_the_table(void **state)
{
    OWNED_JSON json_t *all = fixture_json("tests/data/scim/match_resources.json");
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/match_cases.json");
    int wrong = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        const char *type = json_string_value(json_object_get(one, "type"));
        type = type ? type : "User";
        const struct scim_filter *f = filter_of(a, *state, type, json_get_str(one, "filter"));
        wrong += count_wrong(f, one, json_object_get(all, type));
    }
    assert_int_equal(wrong, 0);
}

static void every_filter_and_its_negation_share_the_resources(void **state)
{
    OWNED_JSON json_t *all = fixture_json("tests/data/scim/match_resources.json");
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/match_cases.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        if (json_object_get(one, "type"))
            continue;
        OWNED_ARENA struct arena *a = arena_new();
        struct str text = json_get_str(one, "filter");
        const struct scim_filter *yes = filter_of(a, *state, "User", text);
        const struct scim_filter *no =
            filter_of(a, *state, "User", arena_fmt(a, "not (" STR_FMT ")", STR_ARG(text)));
        const char *name;
        json_t *resource;
        json_object_foreach(json_object_get(all, "User"), name, resource)
        {
            assert_true(scim_match(yes, resource) != scim_match(no, resource));
        }
    }
}

static void an_item_is_judged_alone(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    struct scim_path path;
    assert_true(scim_path_parse(a, fixture_type(*state, "User"),
                                STR("emails[type eq \"work\" and not (value ew \".org\")]"), &path,
                                &err));
    const struct {
        const char *item;
        bool matches;
    } cases[] = {
        {"{\"type\":\"work\",\"value\":\"a@b.com\"}", true},
        {"{\"type\":\"WORK\",\"value\":\"a@b.com\"}", true},
        {"{\"type\":\"work\"}", true},
        {"{\"type\":\"work\",\"value\":\"a@B.ORG\"}", false},
        {"{\"value\":\"a@b.com\"}", false},
        {"{}", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_JSON json_t *item = json_loads(cases[i].item, 0, NULL);
        if (scim_match_item(path.filter, item) != cases[i].matches)
            fail_msg("%s", cases[i].item);
    }
}

static void a_simple_item_counts_as_its_value(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    struct scim_path path;
    assert_true(scim_path_parse(a, fixture_type(*state, "Membership"),
                                STR("permissions[value eq \"vpn\"]"), &path, &err));
    OWNED_JSON json_t *vpn = json_string("vpn");
    OWNED_JSON json_t *infra = json_string("infra");
    assert_true(scim_match_item(path.filter, vpn));
    assert_false(scim_match_item(path.filter, infra));
}

static void values_of_a_wrong_kind_match_nothing(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *odd = json_loads("{\"userName\":5,\"active\":\"true\",\"emails\":\"x\","
                                        "\"name\":[[\"x\"]],\"meta\":{\"created\":\"soon\"}}",
                                        0, NULL);
    OWNED_JSON json_t *scalar = json_integer(1);
    static const char *const filters[] = {
        "userName eq \"5\"", "active eq true",      "emails.type eq \"x\"",
        "emails[type pr]",   "name.givenName pr",   "meta.created gt \"2001-01-01T00:00:00Z\"",
        "department pr",     "emails.type co \"\"",
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        const struct scim_filter *f = filter_of(a, *state, "User", str_of(filters[i]));
        if (scim_match(f, odd) || scim_match(f, scalar))
            fail_msg("%s", filters[i]);
    }
}

static void long_and_foreign_text_compares_like_short_text(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str tail = STR("xyz");
    static const char *const units[] = {"A", "a  ", "\xc3\x84", "\xef\xbc\xa1"};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        OWNED_BUF struct buf text;
        buf_init(&text, 1 << 16);
        for (int n = 0; n < 300; n++)
            buf_fmt(&text, "%s", units[i]);
        buf_str(&text, tail);
        OWNED_JSON json_t *resource = json_pack("{s:s}", "title", text.at);
        assert_true(scim_match(filter_of(a, *state, "User", STR("title ew \"XYZ\"")), resource));
        assert_true(scim_match(
            filter_of(a, *state, "User", arena_fmt(a, "title eq \"%s\"", text.at)), resource));
        assert_true(scim_match(
            filter_of(a, *state, "User", arena_fmt(a, "title sw \"%s\"", units[i])), resource));
        assert_false(scim_match(filter_of(a, *state, "User", STR("title co \"yy\"")), resource));
    }
}

static void assigned_is_what_has_a_value_somewhere(void **state)
{
    (void)state;
    const struct {
        const char *json;
        bool assigned;
    } cases[] = {
        {"null", false},
        {"\"\"", false},
        {"[]", false},
        {"{}", false},
        {"[null, \"\"]", false},
        {"{\"a\":{}}", false},
        {"false", true},
        {"0", true},
        {"\"x\"", true},
        {"[[],[0]]", true},
        {"{\"a\":[{\"b\":\"x\"}]}", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_JSON json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        if (scim_is_assigned(value) != cases[i].assigned)
            fail_msg("%s", cases[i].json);
    }
    assert_false(scim_is_assigned(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_finds_exactly_the_resources_of_the_table),
        cmocka_unit_test(every_filter_and_its_negation_share_the_resources),
        cmocka_unit_test(an_item_is_judged_alone),
        cmocka_unit_test(a_simple_item_counts_as_its_value),
        cmocka_unit_test(values_of_a_wrong_kind_match_nothing),
        cmocka_unit_test(long_and_foreign_text_compares_like_short_text),
        cmocka_unit_test(assigned_is_what_has_a_value_somewhere),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
