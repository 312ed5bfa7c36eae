#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

/* ---- what a body, a PATCH or a filter comes to: what the tables call `means`, or an error kind */

static json_t *delta_text(const struct scim_delta *d)
{
    static const char *const kinds[] = {"add", "remove", "replace", "clear", "remove matching"};
    OWNED_BUF struct buf text;
    buf_init(&text, 4096);
    buf_fmt(&text, "%s", kinds[d->kind]);
    for (size_t i = 0; i < d->count; i++)
        buf_fmt(&text, " " STR_FMT, STR_ARG(d->values[i]));
    return json_string_safe(buf_view(&text));
}

static bool take_members(const struct scim_context *in, const struct scim_patch **patch,
                         json_t *out, struct error *err)
{
    static const struct scim_attr_name members = {.name = STR_INIT("members")};
    struct scim_deltas deltas;
    if (!str_eq(in->type->name, STR("Group")))
        return true;
    if (!scim_patch_take(in->arena, patch, &members, &deltas, err))
        return false;
    json_t *texts = json_array();
    for (size_t i = 0; i < deltas.count; i++)
        json_push(texts, delta_text(&deltas.at[i]));
    json_put(out, "members", texts);
    return true;
}

static bool patch_meaning(const struct scim_context *in, const json_t *one, json_t **out,
                          struct error *err)
{
    const struct scim_patch *patch;
    OWNED_JSON json_t *meaning = json_object();
    json_t *after = NULL;
    if (!scim_patch_parse(in, json_object_get(one, "patch"), &patch, err) ||
        !take_members(in, &patch, meaning, err) ||
        !scim_patch_apply(in, patch, json_object_get(one, "before"), &after, err))
        return false;
    json_object_del(after, "schemas");
    json_put(meaning, "after", after);
    *out = TAKE(meaning);
    return true;
}

static bool filter_meaning(const struct scim_context *in, const json_t *one, json_t **out,
                           struct error *err)
{
    OWNED_BUF struct buf text;
    const struct scim_filter *f;
    buf_init(&text, 4096);
    if (!scim_filter_parse(in, json_get_str(one, "filter"), &f, err))
        return false;
    render_filter(&text, f);
    *out = json_string_safe(buf_view(&text));
    return true;
}

/* New. */
static json_t *meaning_of(const struct scim_context *in, const json_t *one)
{
    struct error err = ERROR_INIT;
    const json_t *body = json_object_get(one, "body");
    json_t *out = NULL;
    bool done = body                            ? scim_dialect_normalise(in, body, &out, &err)
                : json_object_get(one, "patch") ? patch_meaning(in, one, &out, &err)
                                                : filter_meaning(in, one, &out, &err);
    return done ? out : json_string(error_kind_name(err.kind));
}

/* In a dialect, which need not be one of the profiles. */
static bool has_meaning(const struct scim_catalog *c, const json_t *one,
                        const struct scim_dialect *d, const json_t *means)
{
    OWNED_ARENA struct arena *a = arena_new();
    const char *type = json_string_value(json_object_get(one, "type"));
    struct scim_context in = fixture_context(a, c, type);
    in.dialect = d;
    OWNED_JSON json_t *is = meaning_of(&in, one);
    return json_equal(is, means);
}

static void complain(const json_t *one, const struct scim_dialect *d, const char *what)
{
    OWNED_TEXT char *text = json_dumps(one, 0);
    print_error(STR_FMT ": %s:\n %s\n", STR_ARG(d->name), what, text);
}

/* ---- switches */

#define SWITCH(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct scim_dialect, name)                                                 \
    }
static const struct {
    const char *name;
    size_t at;
} switches[] = {
    SWITCH(infer_schemas),
    SWITCH(ignore_unknown),
    SWITCH(ignore_unknown_path),
    SWITCH(string_booleans),
    SWITCH(create_on_replace),
    SWITCH(dotted_keys),
    SWITCH(single_as_array),
    SWITCH(empty_operations),
    SWITCH(bare_filter_operand),
    SWITCH(last_primary_wins),
    SWITCH(ignore_readonly_path),
    SWITCH(unwrap_value),
    SWITCH(manager_id),
    /* The last two act in the service and are shown end to end. */
    SWITCH(group_patch_204),
    SWITCH(put_clears_members),
};
#define SWITCHES (sizeof(switches) / sizeof(switches[0]))
#define SWITCHES_HERE (SWITCHES - 2)

static bool is_on(const struct scim_dialect *d, size_t i)
{
    return *(const bool *)((const char *)d + switches[i].at);
}

static void every_switch_does_what_it_says_in_every_profile(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/switches.json");
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    int wrong = 0;
    assert_int_equal(json_array_size(cases), SWITCHES_HERE);
    for (size_t i = 0; i < SWITCHES_HERE; i++) {
        const json_t *one = json_array_get(cases, i);
        assert_string_equal(json_string_value(json_object_get(one, "switch")), switches[i].name);
        for (size_t j = 0; j < n; j++) {
            const json_t *means = json_object_get(one, "means");
            if (has_meaning(*state, one, &dialects[j], means) == is_on(&dialects[j], i))
                continue;
            complain(one, &dialects[j], is_on(&dialects[j], i) ? "not taken" : "taken");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* ---- what each profile is for */

static void every_profile_takes_its_oddities_and_strict_does_not(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/oddities.json");
    const struct scim_dialect *strict = scim_dialect_find(STR("strict"));
    int wrong = 0;
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        const struct scim_dialect *d = scim_dialect_find(json_get_str(one, "profile"));
        const json_t *means = json_object_get(one, "means"), *word = json_object_get(one, "strict");
        assert_non_null(d);
        bool legal = str_eq(json_str(word), STR("same"));
        if (!has_meaning(*state, one, d, means)) {
            complain(one, d, "its own oddity is not taken");
            wrong++;
        }
        if (!has_meaning(*state, one, strict, legal ? means : word)) {
            complain(one, strict, "does otherwise");
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* `entra-legacy` is the same row as `entra`. */
static bool is_of(const json_t *one, const struct scim_dialect *d)
{
    struct str name = str_eq(d->name, STR("entra-legacy")) ? STR("entra") : d->name;
    return str_eq(json_get_str(one, "profile"), name);
}

/* Does a profile without that switch fail at one of its oddities? */
static bool needs(const struct scim_catalog *c, const json_t *cases, const struct scim_dialect *d,
                  size_t at)
{
    struct scim_dialect without = *d;
    ((bool *)&without)[switches[at].at] = false;
    size_t i;
    const json_t *one;
    json_array_foreach(cases, i, one)
    {
        if (is_of(one, d) && !has_meaning(c, one, &without, json_object_get(one, "means")))
            return true;
    }
    return false;
}

static void a_profile_has_no_switch_beyond_the_default_without_a_reason(void **state)
{
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/oddities.json");
    const struct scim_dialect *usual = scim_dialect_find(STR("default"));
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    int wrong = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0; at < SWITCHES_HERE; at++) {
            if (!is_on(&dialects[i], at) || is_on(usual, at) ||
                needs(*state, cases, &dialects[i], at))
                continue;
            print_error(STR_FMT ": no oddity asks for %s\n", STR_ARG(dialects[i].name),
                        switches[at].name);
            wrong++;
        }
    assert_int_equal(wrong, 0);
}

static void every_profile_of_a_provider_has_its_oddities(void **state)
{
    (void)state;
    OWNED_JSON json_t *cases = fixture_json("tests/data/scim/oddities.json");
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    for (size_t i = 0; i < n; i++) {
        size_t found = 0;
        for (size_t j = 0; j < json_array_size(cases); j++)
            found += is_of(json_array_get(cases, j), &dialects[i]);
        bool plain =
            str_eq(dialects[i].name, STR("default")) || str_eq(dialects[i].name, STR("strict"));
        assert_int_equal(found >= 3, !plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_switch_does_what_it_says_in_every_profile),
        cmocka_unit_test(every_profile_takes_its_oddities_and_strict_does_not),
        cmocka_unit_test(a_profile_has_no_switch_beyond_the_default_without_a_reason),
        cmocka_unit_test(every_profile_of_a_provider_has_its_oddities),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
