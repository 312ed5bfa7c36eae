#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scim/internal.h"
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

static const struct scim_resource_type *type_of(const struct scim_catalog *c, const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "type"));
    return fixture_type(c, name ? name : "User");
}

static void a_path_is_read_as_the_table_says(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/path_valid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        OWNED_BUF struct buf shape;
        buf_init(&shape, 4096);
        struct error err = ERROR_INIT;
        struct scim_path path;
        struct str text = json_get_str(one, "path");
        if (!scim_path_parse(a, type_of(*state, one), text, &path, &err))
            fail_msg(STR_FMT ": %s", STR_ARG(text), err.detail);
        render_path(&shape, &path);
        if (!str_eq(buf_view(&shape), json_get_str(one, "is")))
            fail_msg(STR_FMT " was read as " STR_FMT, STR_ARG(text), STR_ARG(buf_view(&shape)));
        assert_true(str_eq(path.text, text));
    }
}

static void a_wrong_path_is_refused_with_its_kind(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/path_invalid.json");
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        OWNED_ARENA struct arena *a = arena_new();
        struct error err = ERROR_INIT;
        struct scim_path path = {.text = STR("untouched")};
        struct str text = json_get_str(one, "path");
        struct scim_parser p = {
            .arena = a, .type = type_of(*state, one), .limits = SCIM_FILTER_LIMITS, .err = &err};
        if (scim_path_read(&p, text, &path))
            fail_msg(STR_FMT " was taken", STR_ARG(text));
        if (!str_eq(json_get_str(one, "kind"), str_of(error_kind_name(err.kind))))
            fail_msg(STR_FMT ": %s: %s", STR_ARG(text), error_kind_name(err.kind), err.detail);
        if (p.unknown != json_get_bool(one, "unknown", false))
            fail_msg(STR_FMT ": unknown is %d: %s", STR_ARG(text), p.unknown, err.detail);
        assert_true(str_eq(path.text, STR("untouched")));
    }
}

static void every_prefix_of_a_path_is_taken_or_refused_without_reading_on(void **state)
{
    const struct str whole =
        STR("urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"wo\\\"rk\" and "
            "not (primary eq true)].value");
    for (size_t n = 0; n <= whole.len; n++) {
        OWNED_ARENA struct arena *a = arena_new();
        OWNED_TEXT char *exact = malloc(n ? n : 1); /* ASan sees a read behind the n-th byte */
        assert_non_null(exact);
        memcpy(exact, whole.at, n);
        struct error err = ERROR_INIT;
        struct scim_path path;
        bool taken =
            scim_path_parse(a, fixture_type(*state, "User"), (struct str){exact, n}, &path, &err);
        assert_int_equal(taken, err.kind == ERR_NONE);
    }
}

static void nul_and_long_paths_are_refused(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct error err = ERROR_INIT;
    struct scim_path path;
    const struct scim_resource_type *user = fixture_type(*state, "User");
    assert_false(scim_path_parse(a, user, STR("userName\0"), &path, &err));
    assert_int_equal(err.kind, ERR_INVALID_PATH);
    error_clear(&err);
    char *text = malloc(9000);
    assert_non_null(text);
    memset(text, 'a', 9000);
    assert_false(scim_path_parse(a, user, (struct str){text, 9000}, &path, &err));
    assert_int_equal(err.kind, ERR_INVALID_PATH);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_read_as_the_table_says),
        cmocka_unit_test(a_wrong_path_is_refused_with_its_kind),
        cmocka_unit_test(every_prefix_of_a_path_is_taken_or_refused_without_reading_on),
        cmocka_unit_test(nul_and_long_paths_are_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
