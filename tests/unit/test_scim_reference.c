#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scim/shape.h"

#define BASE "https://id.example.org:8443/scim/v2"

static void expect(const char *base, const char *reference, const char *id)
{
    struct str got = shape_reference_id(str_of(base), str_of(reference));
    if (!str_eq(got, str_of(id)))
        fail_msg("%s was read as \"" STR_FMT "\", not \"%s\"", reference, STR_ARG(got), id);
}

/* scim-conformance 216: with, without or with another version segment is the same target. */
static void a_reference_to_us_is_its_last_segment(void **state)
{
    (void)state;
    static const char *const ours[] = {
        BASE "/Users/u1",
        "https://id.example.org:8443/scim/Users/u1",
        "https://id.example.org:8443/scim/v1/Users/u1",
        "https://id.example.org:8443/scim/v2/Groups/u1",
        "HTTPS://ID.Example.org:8443/scim/v2/Users/u1",
        "/scim/v2/Users/u1",
        "/scim/Users/u1",
        "/Users/u1",
        "../Users/u1",
        "../../v2/Users/u1",
        "Users/u1",
        "users/u1",
        "v2/Users/u1",
    };
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        expect(BASE, ours[i], "u1");
}

static void a_reference_to_anybody_else_is_none(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "",
        "/",
        "u1",
        "Users",
        "Users/",
        "https://id.example.org/scim/v2/Users/u1", /* another port is another service */
        "http://id.example.org:8443/scim/v2/Users/u1",
        "https://elsewhere.example/scim/v2/Users/u1",
        "https://is.example.org:8443/scim/v2/Users/u1",
        "https://id.example.org:8443.elsewhere.example/scim/v2/Users/u1",
        "https://ann@id.example.org:8443/scim/v2/Users/u1",
        "//id.example.org:8443/scim/v2/Users/u1",
        "https://id.example.org:8443/Users/u1",
        "https://id.example.org:8443/scimmer/v2/Users/u1",
        "https://id.example.org:8443/scim/v2/v2/Users/u1",
        "https://id.example.org:8443/scim/other/Users/u1",
        "https://id.example.org:8443/scim/v/Users/u1",
        "https://id.example.org:8443/scim/v-2/Users/u1",
        BASE "/Memberships/u1",
        BASE "/Users/",
        "/other/Users/u1",
        "other/v2/Users/u1",
        "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "file:/scim/v2/Users/u1",
    };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        expect(BASE, foreign[i], "");
}

static void without_a_base_only_relative_ones_are_ours(void **state)
{
    (void)state;
    expect("", "Users/u1", "u1");
    expect("", "https://x/scim/v2/Users/u1", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_to_us_is_its_last_segment),
        cmocka_unit_test(a_reference_to_anybody_else_is_none),
        cmocka_unit_test(without_a_base_only_relative_ones_are_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
