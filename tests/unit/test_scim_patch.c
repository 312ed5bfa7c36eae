#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scim/scim.h"
#include "scim_fixture.h"
#include "scim_render.h"

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

/* ---- a request as the service handles it */

struct outcome {
    json_t *after; /* new, as scim_resource_check() gives it, without `schemas` */
    struct scim_deltas members, managers;
};

struct request {
    struct scim_context in;
    const json_t *before, *patch;
};

static bool take_sets(struct arena *a, const struct scim_patch **patch, struct outcome *out,
                      struct error *err)
{
    static const struct scim_attr_name members = {.name = STR_INIT("members")};
    static const struct scim_attr_name managers = {STR_INIT(SCIM_URN_KIOPS_ORGANIZATION),
                                                   STR_INIT("managers")};
    return scim_patch_take(a, patch, &members, &out->members, err) &&
           scim_patch_take(a, patch, &managers, &out->managers, err);
}

static bool handle(const struct request *r, struct outcome *out, struct error *err)
{
    struct arena *a = r->in.arena;
    const struct scim_patch *patch;
    OWNED_JSON json_t *patched = NULL;
    OWNED_JSON json_t *untouched = json_copy_deep(r->before);
    struct scim_proposal asked = {.purpose = SCIM_FOR_PATCH, .before = r->before};
    if (!scim_patch_parse(&r->in, r->patch, &patch, err))
        return false;
    if (str_eq(r->in.type->name, STR("Group")) && !take_sets(a, &patch, out, err))
        return false;
    if (!scim_patch_apply(&r->in, patch, r->before, &patched, err))
        return false;
    asked.resource = patched;
    if (!scim_resource_check(&r->in, &asked, &out->after, err))
        return false;
    json_object_del(out->after, "schemas");
    json_keep(a, out->after);
    assert_true(json_equal(r->before, untouched));
    return true;
}

/* ---- what is expected */

static json_t *delta_json(const struct scim_delta *d)
{
    static const char *const kinds[] = {"add", "remove", "replace", "clear", "remove matching"};
    json_t *out = json_object();
    json_put_str(out, "kind", str_of(kinds[d->kind]));
    json_t *values = json_array();
    for (size_t i = 0; i < d->count; i++)
        json_push(values, json_string_safe(d->values[i]));
    json_put(out, "values", values);
    json_put(out, "operation", json_integer(d->operation));
    if (d->by.len)
        json_put_str(out, "by", d->by);
    if (d->filter) {
        OWNED_BUF struct buf text;
        buf_init(&text, 4096);
        render_filter(&text, d->filter);
        json_put_str(out, "filter", buf_view(&text));
    }
    return out;
}

static json_t *outcome_json(const struct outcome *o)
{
    json_t *out = json_object();
    json_put(out, "after", json_incref(o->after));
    json_t *members = json_array(), *managers = json_array();
    for (size_t i = 0; i < o->members.count; i++)
        json_push(members, delta_json(&o->members.at[i]));
    for (size_t i = 0; i < o->managers.count; i++)
        json_push(managers, delta_json(&o->managers.at[i]));
    json_put(out, "members", members);
    json_put(out, "managers", managers);
    return out;
}

static json_t *error_json(const struct error *err)
{
    json_t *out = json_object();
    json_put_str(out, "error", str_of(error_kind_name(err->kind)));
    json_put(out, "operation", json_integer(err->operation));
    return out;
}

static bool is_as_expected(const char *name, const struct scim_dialect *d, const json_t *is,
                           const json_t *expected)
{
    if (json_equal(is, expected))
        return true;
    OWNED_TEXT char *got = json_dumps(is, JSON_SORT_KEYS);
    OWNED_TEXT char *want = json_dumps(expected, JSON_SORT_KEYS);
    print_error("%s (" STR_FMT "):\n got  %s\n want %s\n", name, STR_ARG(d->name), got, want);
    return false;
}

/* How many dialects did otherwise. */
static int run_case(const struct scim_catalog *catalog, const char *folder, const char *name)
{
    int wrong = 0;
    char path[512];
    snprintf(path, sizeof(path), "%s/%s/input.json", folder, name);
    OWNED_JSON json_t *input = fixture_json(path);
    snprintf(path, sizeof(path), "%s/%s/expect.json", folder, name);
    OWNED_JSON json_t *expected = fixture_json(path);
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    const char *type = json_string_value(json_object_get(input, "type"));
    for (size_t i = 0; i < n; i++) {
        if (!fixture_holds_in(input, &dialects[i]))
            continue;
        OWNED_ARENA struct arena *a = arena_new();
        struct request r = {
            .in = fixture_context(a, catalog, type),
            .before = json_object_get(input, "before"),
            .patch = json_object_get(input, "patch"),
        };
        r.in.dialect = &dialects[i];
        struct error err = ERROR_INIT;
        struct outcome outcome = {0};
        bool done = handle(&r, &outcome, &err);
        OWNED_JSON json_t *is = done ? outcome_json(&outcome) : error_json(&err);
        wrong += !is_as_expected(name, r.in.dialect, is, expected);
    }
    return wrong;
}

static int is_case(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_folder(const struct scim_catalog *catalog, const char *folder, int at_least)
{
    struct dirent **names;
    int n = scandir(folder, &names, is_case, alphasort);
    assert_true(n >= at_least);
    int wrong = 0;
    for (int i = 0; i < n; i++) {
        wrong += run_case(catalog, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    assert_int_equal(wrong, 0);
}

static void every_shape_has_exactly_its_effect(void **state)
{
    run_folder(*state, "tests/data/patch/valid", 110);
}

static void every_wrong_patch_is_refused_with_its_kind_and_operation(void **state)
{
    run_folder(*state, "tests/data/patch/invalid", 45);
}

/* ---- ceilings */

static json_t *members_patch(const char *op, size_t n)
{
    json_t *values = json_array();
    for (size_t i = 0; i < n; i++)
        json_push(values, json_pack("{s:o}", "value", json_sprintf("user-%zu", i)));
    return json_pack("{s:[{s:s,s:s,s:o}]}", "Operations", "op", op, "path", "members", "value",
                     values);
}

static void fifty_thousand_members_become_one_delta(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *body = members_patch("add", 50000);
    OWNED_JSON json_t *before = json_pack("{s:s}", "displayName", "Hull");
    const struct request r = {fixture_context(a, *state, "Group"), before, body};
    struct error err = ERROR_INIT;
    struct outcome o = {0};
    assert_true(handle(&r, &o, &err));
    assert_int_equal(o.members.count, 1);
    assert_int_equal(o.members.at[0].kind, SCIM_DELTA_ADD);
    assert_int_equal(o.members.at[0].count, 50000);
    assert_true(str_eq(o.members.at[0].values[49999], STR("user-49999")));
    assert_true(json_equal(o.after, before));
}

static void more_values_than_the_limit_are_too_large(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, *state, "Group");
    OWNED_JSON json_t *body = members_patch("replace", in.limits.values + 1);
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    assert_false(scim_patch_parse(&in, body, &patch, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.detail, "100000"));
}

static void more_operations_than_the_limit_are_too_large(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, *state, "User");
    OWNED_JSON json_t *operations = json_array();
    for (size_t i = 0; i < in.limits.operations + 1; i++)
        json_push(operations, json_pack("{s:s,s:s}", "op", "remove", "path", "title"));
    OWNED_JSON json_t *body = json_pack("{s:O}", "Operations", operations);
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    assert_false(scim_patch_parse(&in, body, &patch, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    assert_non_null(strstr(err.detail, "5000"));
}

/* scim-conformance A21: the product of operations and values is a client's to choose. */
static void many_operations_on_many_values_are_cut_off(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *emails = json_array();
    for (size_t i = 0; i < 20000; i++)
        json_push(emails, json_pack("{s:o}", "value", json_sprintf("u%zu@x.example", i)));
    OWNED_JSON json_t *operations = json_array();
    for (size_t i = 0; i < 5000; i++)
        json_push(operations, json_pack("{s:s,s:s,s:s}", "op", "add", "path",
                                        "emails[type eq \"work\"].display", "value", "x"));
    OWNED_JSON json_t *before = json_pack("{s:s,s:O}", "userName", "kim", "emails", emails);
    OWNED_JSON json_t *body = json_pack("{s:O}", "Operations", operations);
    const struct request r = {fixture_context(a, *state, "User"), before, body};
    struct error err = ERROR_INIT;
    struct outcome o = {0};
    assert_false(handle(&r, &o, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
}

static void a_patch_says_what_it_touches(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *body =
        json_pack("{s:[{s:s,s:{s:b,s:{s:s}}}]}", "Operations", "op", "replace", "value", "active",
                  0, SCIM_URN_ENTERPRISE, "department", "Hull");
    const struct scim_context in = fixture_context(a, *state, "User");
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    const struct scim_attr_name active = {.name = STR("Active")};
    struct scim_attr_name department = {.name = STR("department")};
    assert_true(scim_patch_parse(&in, body, &patch, &err));
    assert_int_equal(scim_patch_count(patch), 2);
    assert_true(scim_patch_touches(patch, &active));
    assert_false(scim_patch_touches(patch, &department));
    department.extension_urn = STR(SCIM_URN_ENTERPRISE);
    assert_true(scim_patch_touches(patch, &department));
}

static const struct scim_patch *patch_of(const struct scim_context *in, const char *first,
                                         const char *second)
{
    OWNED_JSON json_t *body =
        json_pack("{s:[{s:s,s:s,s:s},{s:s,s:s,s:s}]}", "Operations", "op", first, "path", "title",
                  "value", "a", "op", second, "path", "nickName", "value", "b");
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    assert_true(scim_patch_parse(in, body, &patch, &err));
    return patch;
}

static void a_patch_says_whether_it_only_adds(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct scim_context in = fixture_context(a, *state, "User");
    assert_true(scim_patch_adds_only(patch_of(&in, "add", "Add")));
    assert_false(scim_patch_adds_only(patch_of(&in, "add", "replace")));
    assert_false(scim_patch_adds_only(patch_of(&in, "remove", "add")));
    OWNED_JSON json_t *over = json_pack("{s:[{s:s,s:s,s:s}]}", "Operations", "op", "add", "path",
                                        "emails[type eq \"work\"].display", "value", "a");
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    assert_true(scim_patch_parse(&in, over, &patch, &err));
    assert_false(scim_patch_adds_only(patch));
}

static void a_whole_extension_goes_with_what_it_requires(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct scim_catalog *c = fixture_catalog();
    struct error err = ERROR_INIT;
    struct outcome out = {0};
    OWNED_JSON json_t *schema =
        json_pack("{s:s,s:s,s:[{s:s,s:b}]}", "id", "urn:example:Badge", "name", "Badge",
                  "attributes", "name", "number", "required", 1);
    fixture_expect(scim_catalog_add_extension(c, STR("User"), schema, &err), &err);
    OWNED_JSON json_t *before =
        json_pack("{s:s,s:{s:s}}", "userName", "ann", "urn:example:Badge", "number", "1");
    OWNED_JSON json_t *whole = json_pack("{s:[s],s:[{s:s,s:s}]}", "schemas", SCIM_URN_PATCH,
                                         "Operations", "op", "remove", "path", "urn:example:Badge");
    OWNED_JSON json_t *part =
        json_pack("{s:[s],s:[{s:s,s:s}]}", "schemas", SCIM_URN_PATCH, "Operations", "op", "remove",
                  "path", "urn:example:Badge:number");
    struct request r = {fixture_context(a, c, "User"), before, whole};
    fixture_expect(handle(&r, &out, &err), &err);
    assert_null(json_object_get(out.after, "urn:example:Badge"));
    r.patch = part;
    assert_false(handle(&r, &out, &err));
    assert_int_equal(err.kind, ERR_MUTABILITY);
    scim_catalog_free(c);
}

static void the_result_names_its_schemas(void **state)
{
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_JSON json_t *body = json_pack("{s:[{s:s,s:s,s:s}]}", "Operations", "op", "add", "path",
                                        SCIM_URN_ENTERPRISE ":department", "value", "Hull");
    OWNED_JSON json_t *before = json_pack("{s:s}", "userName", "kim");
    OWNED_JSON json_t *after = NULL;
    const struct scim_patch *patch;
    struct error err = ERROR_INIT;
    const struct scim_context in = fixture_context(a, *state, "User");
    assert_true(scim_patch_parse(&in, body, &patch, &err));
    assert_true(scim_patch_apply(&in, patch, before, &after, &err));
    OWNED_JSON json_t *expected = json_pack("[s,s]", SCIM_URN_USER, SCIM_URN_ENTERPRISE);
    assert_true(json_equal(json_object_get(after, "schemas"), expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_has_exactly_its_effect),
        cmocka_unit_test(every_wrong_patch_is_refused_with_its_kind_and_operation),
        cmocka_unit_test(fifty_thousand_members_become_one_delta),
        cmocka_unit_test(more_values_than_the_limit_are_too_large),
        cmocka_unit_test(more_operations_than_the_limit_are_too_large),
        cmocka_unit_test(many_operations_on_many_values_are_cut_off),
        cmocka_unit_test(a_patch_says_what_it_touches),
        cmocka_unit_test(a_patch_says_whether_it_only_adds),
        cmocka_unit_test(a_whole_extension_goes_with_what_it_requires),
        cmocka_unit_test(the_result_names_its_schemas),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
