#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"

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

/* tests/data/scim/projection.json: `resources` by type; `cases` with the query and the answer. */
static void an_answer_holds_what_was_asked_for(void **state)
{
    OWNED_JSON json_t *table = fixture_json("tests/data/scim/projection.json");
    int failures = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(table, "cases"), i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        const char *name = json_string_value(json_object_get(one, "type"));
        const struct scim_context in = fixture_context(a, *state, name);
        const json_t *resource = json_object_get(json_object_get(table, "resources"), name);
        OWNED_JSON json_t *untouched = json_copy_deep(resource);
        const struct scim_projection *p;
        struct error err = ERROR_INIT;
        assert_true(scim_projection_parse(&in, json_get_str(one, "attributes"),
                                          json_get_str(one, "excludedAttributes"), &p, &err));
        OWNED_JSON json_t *answer = fixture_projected(p, in.type, resource);
        assert_true(json_equal(resource, untouched));
        if (json_equal(answer, json_object_get(one, "answer")))
            continue;
        OWNED_TEXT char *got = json_dumps(answer, 0);
        print_error("%s:\n got %s\n", json_string_value(json_object_get(one, "quote")), got);
        failures++;
    }
    assert_int_equal(failures, 0);
}

static json_t *every_kind(void)
{
    return json_pack("{s:s,s:{s:s,s:s,s:s,s:{s:s,s:s,s:s},s:[{s:s}]}}", "userName", "ann",
                     URN_EVERY_KIND, "text", "t", "asked", "a", "hidden", "h", "box", "inner", "i",
                     "asked", "a", "hidden", "h", "boxes", "asked", "a");
}

static void what_is_returned_on_request_is_not_there_by_default(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct scim_catalog *c = fixture_extended_catalog();
    const struct scim_context in = fixture_context(a, c, "User");
    const struct scim_projection *p;
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *resource = every_kind();
    OWNED_JSON json_t *answer = fixture_projected(NULL, in.type, resource);
    OWNED_JSON json_t *want = json_pack("{s:s,s:{s:s,s:{s:s}}}", "userName", "ann", URN_EVERY_KIND,
                                        "text", "t", "box", "inner", "i");
    assert_true(json_equal(answer, want));
    assert_true(scim_projection_parse(&in, STR(URN_EVERY_KIND ":box.asked"), STR_NONE, &p, &err));
    OWNED_JSON json_t *asked = fixture_projected(p, in.type, resource);
    OWNED_JSON json_t *part = json_pack("{s:{s:{s:s}}}", URN_EVERY_KIND, "box", "asked", "a");
    assert_true(json_equal(asked, part));
    scim_catalog_free(c);
}

static void what_is_hidden_is_left_out_and_nothing_else(void **state)
{
    struct scim_catalog *c = fixture_extended_catalog();
    const struct scim_resource_type *type = fixture_type(c, "User");
    OWNED_JSON json_t *resource = every_kind();
    OWNED_JSON json_t *untouched = json_copy_deep(resource);
    OWNED_JSON json_t *want = json_copy_deep(resource);
    json_t *extension = json_object_get(want, URN_EVERY_KIND);
    json_object_del(extension, "hidden");
    json_object_del(json_object_get(extension, "box"), "hidden");
    OWNED_JSON json_t *shown = scim_without_hidden(type, resource);
    assert_true(json_equal(shown, want));
    assert_true(json_equal(resource, untouched));
    OWNED_JSON json_t *secret =
        json_pack("{s:s,s:{s:s}}", "userName", "ann", URN_EVERY_KIND, "secret", "s");
    OWNED_JSON json_t *rest = scim_without_hidden(type, secret);
    assert_null(json_object_get(rest, URN_EVERY_KIND));
    /* Where nothing is hidden, nothing is copied. */
    OWNED_JSON json_t *same = scim_without_hidden(fixture_type(*state, "User"), resource);
    assert_ptr_equal(same, resource);
    scim_catalog_free(c);
}

static void an_answer_stands_in_the_order_of_the_resource(void **state)
{
    static const struct {
        const char *attributes, *excluded, *answer;
    } cases[] = {
        {"userName,department", NULL,
         "{\"schemas\":[\"x\",\"" SCIM_URN_ENTERPRISE "\"],\"userName\":\"a,\\\"n\","
         "\"" SCIM_URN_ENTERPRISE "\":{\"department\":\"e\"}}"},
        {"emails.type", NULL,
         "{\"schemas\":[\"x\"],\"emails\":[{\"type\":\"work\"},{\"type\":\"home\"}]}"},
        {"emails.primary", NULL, "{\"schemas\":[\"x\"],\"emails\":[{\"primary\":true}]}"},
        {"emails.display,photos.display", NULL, "{\"schemas\":[\"x\"]}"},
        {NULL, "emails,photos,department,division,userName", "{\"schemas\":[\"x\"]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        const struct scim_context in = fixture_context(a, *state, "User");
        const struct scim_projection *p;
        struct error err = ERROR_INIT;
        OWNED_BUF struct buf cut;
        const struct str json = STR(
            "{\"schemas\":[\"x\",\"" SCIM_URN_ENTERPRISE "\"],\"userName\":\"a,\\\"n\","
            "\"emails\":[{\"value\":\"]}\",\"type\":\"work\"},{\"value\":\"b\",\"type\":\"home\","
            "\"primary\":true}],\"photos\":[{\"value\":\"long\"}],"
            "\"" SCIM_URN_ENTERPRISE "\":{\"division\":\"d\",\"department\":\"e\"}}");
        assert_true(scim_projection_parse(&in, str_of(cases[i].attributes),
                                          str_of(cases[i].excluded), &p, &err));
        buf_init(&cut, 4096);
        scim_project(p, in.type, json, &cut);
        assert_string_equal(cut.at, cases[i].answer);
    }
}

static void attributes_and_excluded_attributes_exclude_each_other(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, *state, "User");
    const struct scim_projection *p;
    struct error err = ERROR_INIT;
    assert_false(scim_projection_parse(&in, STR("userName"), STR("title"), &p, &err));
    assert_int_equal(err.kind, ERR_INVALID_VALUE);
}

static void no_list_is_no_projection(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, *state, "User");
    const struct scim_projection *p;
    struct error err = ERROR_INIT;
    assert_true(scim_projection_parse(&in, STR_NONE, STR(""), &p, &err));
    assert_null(p);
    assert_true(scim_projection_wants(p, STR("members")));
}

static void members_need_not_be_read_when_nobody_asks(void **state)
{
    static const struct {
        struct str attributes, excluded;
        bool wants;
    } cases[] = {
        {STR_INIT("displayName"), {NULL, 0}, false},
        {STR_INIT("displayName, Members"), {NULL, 0}, true},
        {STR_INIT("members.value"), {NULL, 0}, true},
        {STR_INIT("members[value eq \"a\"]"), {NULL, 0}, true},
        {STR_INIT(SCIM_URN_GROUP), {NULL, 0}, true},
        {STR_INIT("nonsense"), {NULL, 0}, false},
        {{NULL, 0}, STR_INIT("members"), false},
        {{NULL, 0}, STR_INIT("urn:ietf:params:scim:schemas:core:2.0:Group:MEMBERS"), false},
        {{NULL, 0}, STR_INIT("members.display"), true},
        {{NULL, 0}, STR_INIT("displayName"), true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        const struct scim_context in = fixture_context(a, *state, "Group");
        const struct scim_projection *p;
        struct error err = ERROR_INIT;
        assert_true(scim_projection_parse(&in, cases[i].attributes, cases[i].excluded, &p, &err));
        assert_int_equal(scim_projection_wants(p, STR("members")), cases[i].wants);
    }
}

/* scim-conformance A25: `attributes=` with 10,000 names. */
static void a_long_list_costs_no_more_than_its_distinct_names(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf list;
    buf_init(&list, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buf_str(&list, STR("userName,title,"));
    const struct scim_context in = fixture_context(a, *state, "User");
    const struct scim_projection *p;
    struct error err = ERROR_INIT;
    assert_true(scim_projection_parse(&in, buf_view(&list), STR_NONE, &p, &err));
    OWNED_JSON json_t *user = json_pack("{s:s,s:s}", "userName", "ann", "nickName", "n");
    OWNED_JSON json_t *answer = fixture_projected(p, in.type, user);
    assert_int_equal(json_object_size(answer), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_holds_what_was_asked_for),
        cmocka_unit_test(what_is_returned_on_request_is_not_there_by_default),
        cmocka_unit_test(what_is_hidden_is_left_out_and_nothing_else),
        cmocka_unit_test(an_answer_stands_in_the_order_of_the_resource),
        cmocka_unit_test(attributes_and_excluded_attributes_exclude_each_other),
        cmocka_unit_test(no_list_is_no_projection),
        cmocka_unit_test(members_need_not_be_read_when_nobody_asks),
        cmocka_unit_test(a_long_list_costs_no_more_than_its_distinct_names),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
