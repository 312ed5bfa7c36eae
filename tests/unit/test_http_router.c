#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"

static const struct http_route *find(struct arena *a, const char *path, struct str *id)
{
    struct http_target t;
    struct error err = ERROR_INIT;
    assert_true(http_target_parse(a, str_of(path), &t, &err));
    return http_route_find(&t, id);
}

static void route_is_found_with_its_methods(void **state)
{
    static const char collection[] = "GET, HEAD, POST, OPTIONS";
    static const char item[] = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
    static const char action[] = "POST, OPTIONS";
    static const char read[] = "GET, HEAD, OPTIONS";
    static const struct {
        const char *path, *allow, *id;
    } cases[] = {
        {"/scim/v2/Users", collection, ""},
        {"/scim/v2/Users/", collection, ""},
        {"/scim/v2/users", collection, ""},
        {"/scim/v2/Users/9d1e", item, "9d1e"},
        {"/scim/v2/Users/9d1e/", item, "9d1e"},
        {"/scim/v2/Users/a%2Fb", item, "a/b"},
        {"/scim/v2/Users/..", item, ".."},
        {"/scim/v2/Users/.search", action, ".search"},
        {"/scim/v2/GROUPS/x", item, "x"},
        {"/scim/v2/Memberships", collection, ""},
        {"/scim/v2/Memberships/a.b", item, "a.b"},
        {"/scim/v2/Schemas", read, ""},
        {"/scim/v2/Schemas/urn:a:2.0:B", read, "urn:a:2.0:B"},
        {"/scim/v2/ResourceTypes/User", read, "User"},
        {"/scim/v2/ServiceProviderConfig", read, ""},
        {"/scim/v2/Bulk", action, ""},
        {"/scim/v2/.search", action, ""},
        {"/scim/v2", read, ""},
        {"/scim/v2/", read, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct str id;
        const struct http_route *route = find(a, cases[i].path, &id);
        assert_non_null(route);
        assert_true(str_eq(http_route_allow(a, route), str_of(cases[i].allow)));
        assert_true(str_eq(id, str_of(cases[i].id)));
    }
}

static void route_is_not_guessed(void **state)
{
    static const char *const paths[] = {
        "/scim/v1/Users",
        "/scim/Users",
        "/scim",
        "/",
        "/scim/V2/Users",
        "/SCIM/v2/Users",
        "/scim/v2//Users",
        "/scim/v2/Users//",
        "/scim/v2/Users//x",
        "/scim/v2/Users/x/y",
        "/scim/v2/Users/../Bulk",
        "/scim/v2/Users/x/.search",
        "/scim/v2/Nope",
        "/scim/v2/Users;x=y",
        "/scim/v2/Users.json",
        "/scim%2Fv2/Users",
        "/scim/v2/Bulk/x",
        "/scim/v2/ServiceProviderConfig/x",
        "/a/b/c/d/e/f/g/h",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct str id;
        assert_null(find(a, paths[i], &id));
    }
}

static void route_of_discovery_alone_may_be_public(void **state)
{
    static const struct {
        const char *path;
        bool open;
    } cases[] = {
        {"/scim/v2/Schemas", true},   {"/scim/v2/ResourceTypes", true},
        {"/scim/v2/Users", false},    {"/scim/v2/Users/x", false},
        {"/scim/v2/Groups", false},   {"/scim/v2/Memberships", false},
        {"/scim/v2/Me", false},       {"/scim/v2", false},
        {"/scim/v2/Schemas/x", true}, {"/scim/v2/ServiceProviderConfig", true},
        {"/scim/v2/.search", false},  {"/scim/v2/Bulk", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct str id;
        assert_int_equal(find(a, cases[i].path, &id)->discovery, cases[i].open);
    }
}

static void methods_are_known_by_their_exact_names(void **state)
{
    (void)state;
    assert_int_equal(http_method_of("PATCH"), HTTP_PATCH);
    assert_int_equal(http_method_of("TRACE"), HTTP_TRACE);
    assert_int_equal(http_method_of("patch"), HTTP_UNKNOWN_METHOD);
    assert_int_equal(http_method_of("FOO"), HTTP_UNKNOWN_METHOD);
    assert_int_equal(http_method_of(""), HTTP_UNKNOWN_METHOD);
    assert_int_equal(http_method_of("other"), HTTP_UNKNOWN_METHOD);
}

static void resource_types_are_shown_only_when_served(void **state)
{
    (void)state;
    assert_true(http_route_serves(STR("/Users")));
    assert_true(http_route_serves(STR("/Groups")));
    assert_true(http_route_serves(STR("/Memberships")));
    assert_false(http_route_serves(STR("/Devices")));
    assert_false(http_route_serves(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_is_found_with_its_methods),
        cmocka_unit_test(route_is_not_guessed),
        cmocka_unit_test(route_of_discovery_alone_may_be_public),
        cmocka_unit_test(methods_are_known_by_their_exact_names),
        cmocka_unit_test(resource_types_are_shown_only_when_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
