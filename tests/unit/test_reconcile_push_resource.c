/* What a provider is to have of a user, and what a PATCH has to say to make it so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "reconcile/push_resource.h"
#include "scim_fixture.h"

#define ENTERPRISE "\"" SCIM_URN_ENTERPRISE "\""

static struct scim_catalog *catalog;

static json_t *parse(const char *text)
{
    struct error err = ERROR_INIT;
    json_t *o = json_load_strict(str_of(text), (struct json_limits){.depth = 32}, &err);
    if (!o)
        fail_msg("%s: %s", err.detail, text);
    return o;
}

static void assert_json(const json_t *is, const char *wanted)
{
    OWNED_JSON json_t *w = parse(wanted);
    if (json_equal(is, w))
        return;
    OWNED_TEXT char *text = json_dumps(is, JSON_COMPACT);
    fail_msg("%s, not %s", text, wanted);
}

static const struct scim_resource_type *user(void)
{
    return scim_catalog_type(catalog, STR("User"));
}

static void only_what_means_something_there_is_sent(void **state)
{
    const struct push_known all = {0};
    (void)state;
    OWNED_JSON json_t *ours = parse(
        "{\"id\":\"i1\",\"externalId\":\"theirs\",\"userName\":\"kim\",\"name\":{"
        "\"familyName\":\"Min\"},"
        "\"active\":false,\"title\":\"\",\"groups\":[{\"value\":\"g\"}],\"roles\":[{\"value\":"
        "\"x\"}],"
        "\"photos\":[{\"value\":\"https://x\"}],\"meta\":{\"version\":\"W/1\"}," ENTERPRISE
        ":{\"department\":\"D\",\"manager\":{\"value\":\"i2\"}},\"" SCIM_URN_KIOPS_USER
        "\":{\"memberships\":[]}}");
    OWNED_JSON json_t *wanted = push_user_wanted(&all, user(), ours);
    assert_json(
        wanted,
        "{\"schemas\":[\"" SCIM_URN_USER "\"," ENTERPRISE "],\"externalId\":\"i1\","
        "\"userName\":\"kim\",\"name\":{\"familyName\":\"Min\"},\"active\":false," ENTERPRISE
        ":{\"department\":\"D\"}}");
}

static void what_the_provider_does_not_know_is_not_sent(void **state)
{
    OWNED_JSON json_t *schemas =
        parse("[{\"id\":\"" SCIM_URN_USER "\",\"attributes\":[{\"name\":\"username\"}]}]");
    const struct push_known some = {schemas};
    (void)state;
    OWNED_JSON json_t *ours =
        parse("{\"id\":\"i1\",\"userName\":\"kim\",\"title\":\"Boss\"," ENTERPRISE
              ":{\"department\":\"D\"}}");
    OWNED_JSON json_t *wanted = push_user_wanted(&some, user(), ours);
    assert_json(wanted, "{\"schemas\":[\"" SCIM_URN_USER
                        "\"],\"externalId\":\"i1\",\"userName\":\"kim\",\"active\":true}");
}

static void differences_are_paths(void **state)
{
    static const struct {
        const char *wanted, *there, *after, *before;
    } rows[] = {
        {"{}", "{}", "{}", "{}"},
        {"{\"title\":\"a\"}", "{\"title\":\"a\"}", "{}", "{}"},
        {"{\"title\":\"a\"}", "{\"title\":\"A\"}", "{\"title\":\"a\"}", "{\"title\":\"A\"}"},
        {"{\"title\":\"a\"}", "{}", "{\"title\":\"a\"}", "{\"title\":null}"},
        {"{}", "{\"title\":\"a\"}", "{\"title\":null}", "{\"title\":\"a\"}"},
        {"{}", "{\"title\":\"\",\"emails\":[]}", "{}", "{}"},
        /* Filled in by the provider. */
        {"{}", "{\"displayName\":\"a\",\"locale\":\"en\",\"userType\":\"x\"}", "{}", "{}"},
        {"{\"name\":{\"familyName\":\"a\"}}",
         "{\"name\":{\"familyName\":\"a\",\"formatted\":\"A\"}}", "{}", "{}"},
        {"{\"displayName\":\"b\"}", "{\"displayName\":\"a\"}", "{\"displayName\":\"b\"}",
         "{\"displayName\":\"a\"}"},
        /* Letter case alone. */
        {"{\"userName\":\"Kim\"}", "{\"userName\":\"kim\"}", "{}", "{}"},
        {"{\"emails\":[{\"value\":\"A@b\"}]}", "{\"emails\":[{\"value\":\"a@b\"}]}", "{}", "{}"},
        /* Parts of a complex one, and the whole where there is nothing. */
        {"{\"name\":{\"familyName\":\"b\"}}",
         "{\"name\":{\"familyName\":\"a\",\"givenName\":\"g\"}}",
         "{\"name.familyName\":\"b\",\"name.givenName\":null}",
         "{\"name.familyName\":\"a\",\"name.givenName\":\"g\"}"},
        {"{\"name\":{\"familyName\":\"b\"}}", "{}", "{\"name\":{\"familyName\":\"b\"}}",
         "{\"name\":null}"},
        {"{}", "{\"name\":{\"familyName\":\"b\"}}", "{\"name\":null}",
         "{\"name\":{\"familyName\":\"b\"}}"},
        /* Items in any order, with what the provider adds. */
        {"{\"emails\":[{\"value\":\"a\",\"type\":\"work\"},{\"value\":\"b\",\"primary\":true}]}",
         "{\"emails\":[{\"value\":\"b\",\"primary\":true,\"type\":\"other\"},"
         "{\"value\":\"a\",\"type\":\"work\",\"display\":\"x\",\"primary\":false}]}",
         "{}", "{}"},
        {"{\"emails\":[{\"value\":\"a\",\"primary\":false}]}", "{\"emails\":[{\"value\":\"a\"}]}",
         "{}", "{}"},
        {"{\"emails\":[{\"value\":\"a\",\"type\":\"work\"}]}",
         "{\"emails\":[{\"value\":\"a\",\"type\":\"home\"}]}",
         "{\"emails\":[{\"value\":\"a\",\"type\":\"work\"}]}",
         "{\"emails\":[{\"value\":\"a\",\"type\":\"home\"}]}"},
        {"{\"emails\":[{\"value\":\"a\"}]}", "{\"emails\":[{\"value\":\"a\"},{\"value\":\"b\"}]}",
         "{\"emails\":[{\"value\":\"a\"}]}", "{\"emails\":[{\"value\":\"a\"},{\"value\":\"b\"}]}"},
        {"{\"externalId\":\"i1\"}", "{\"externalId\":\"I1\"}", "{\"externalId\":\"i1\"}",
         "{\"externalId\":\"I1\"}"},
        {"{" ENTERPRISE ":{\"department\":\"a\"}}", "{" ENTERPRISE ":{\"division\":\"b\"}}",
         "{\"" SCIM_URN_ENTERPRISE ":department\":\"a\",\"" SCIM_URN_ENTERPRISE ":division\":null}",
         "{\"" SCIM_URN_ENTERPRISE ":department\":null,\"" SCIM_URN_ENTERPRISE
         ":division\":\"b\"}"},
        /* Not looked at. */
        {"{\"active\":true}", "{\"active\":false,\"roles\":[{\"value\":\"x\"}],\"groups\":[{}]}",
         "{}", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWNED_JSON json_t *wanted = parse(rows[i].wanted), *there = parse(rows[i].there);
        struct push_difference d;
        push_user_difference(user(), wanted, there, &d);
        assert_json(d.after, rows[i].after);
        assert_json(d.before, rows[i].before);
        json_decref(d.after);
        json_decref(d.before);
    }
}

static void organizations_have_a_name(void **state)
{
    (void)state;
    OWNED_JSON json_t *ours = parse("{\"id\":\"o1\",\"externalId\":\"x\",\"displayName\":\"A\","
                                    "\"members\":[{\"value\":\"i1\"}]}");
    OWNED_JSON json_t *wanted = push_group_wanted(ours);
    OWNED_JSON json_t *there = parse("{\"displayName\":\"B\",\"members\":[]}");
    struct push_difference d;
    assert_json(wanted, "{\"schemas\":[\"" SCIM_URN_GROUP
                        "\"],\"externalId\":\"o1\",\"displayName\":\"A\"}");
    push_group_difference(wanted, there, &d);
    assert_json(d.after, "{\"externalId\":\"o1\",\"displayName\":\"A\"}");
    assert_json(d.before, "{\"externalId\":null,\"displayName\":\"B\"}");
    json_decref(d.after);
    json_decref(d.before);
}

static void who_says_nothing_of_active_is(void **state)
{
    static const struct {
        const char *there;
        bool active;
    } rows[] = {{"{}", true}, {"{\"active\":true}", true}, {"{\"active\":false}", false}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        OWNED_JSON json_t *there = parse(rows[i].there);
        assert_int_equal(push_is_active(there), rows[i].active);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_means_something_there_is_sent),
        cmocka_unit_test(what_the_provider_does_not_know_is_not_sent),
        cmocka_unit_test(differences_are_paths),
        cmocka_unit_test(organizations_have_a_name),
        cmocka_unit_test(who_says_nothing_of_active_is),
    };
    hash_init();
    catalog = fixture_catalog();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scim_catalog_free(catalog);
    return failed;
}
