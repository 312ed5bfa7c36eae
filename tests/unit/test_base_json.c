#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/own.h"

static const struct json_limits limits = {.bytes = 4096, .depth = 4};

struct loading {
    struct str text;
    enum error_kind kind; /* ERR_NONE: loads */
};

static void loading_is_strict(void **state)
{
    (void)state;
    static const struct loading cases[] = {
        {STR_INIT("{\"a\":[1,2.5,\"x\",null,true]}"), ERR_NONE},
        {STR_INIT(" \"alone\" "), ERR_NONE},
        {STR_INIT("[[[[]]]]"), ERR_NONE},
        {STR_INIT("[\"[[[[[[\", \"\\\"]]\"]"), ERR_NONE},
        {STR_INIT("[[[[[]]]]]"), ERR_TOO_LARGE},
        {STR_INIT("[[[[{}]]]]"), ERR_TOO_LARGE},
        {STR_INIT(""), ERR_INVALID_SYNTAX},
        {STR_INIT("{} {}"), ERR_INVALID_SYNTAX},
        {STR_INIT("{\"a\":1,}"), ERR_INVALID_SYNTAX},
        {STR_INIT("]"), ERR_INVALID_SYNTAX},
        {STR_INIT("{\"a\":1,\"a\":2}"), ERR_INVALID_SYNTAX},
        {STR_INIT("{\"userName\":1,\"x\":3,\"USERname\":2}"), ERR_INVALID_SYNTAX},
        {STR_INIT("[{\"x\":{\"b\":1,\"B\":2}}]"), ERR_INVALID_SYNTAX},
        {STR_INIT("[{\"x\":{\"b\":1}},{\"B\":2}]"), ERR_NONE},
        {STR_INIT("{\"a\":1,\"ab\":2,\"A b\":3}"), ERR_NONE},
        {STR_INIT("\"a\\u0000b\""), ERR_INVALID_VALUE},
        {STR_INIT("\"a\\\\u0000b\""), ERR_NONE},
        {STR_INIT("{\"a\\u0000\":1}"), ERR_INVALID_VALUE},
        {STR_INIT("\"a\0b\""), ERR_INVALID_SYNTAX},
        {STR_INIT("\"a\nb\""), ERR_INVALID_SYNTAX},
        {STR_INIT("\xEF\xBB\xBF{}"), ERR_INVALID_SYNTAX},
        {STR_INIT("\"\xFF\""), ERR_INVALID_SYNTAX},
        {STR_INIT("\"\\ud800\""), ERR_INVALID_SYNTAX},
        {STR_INIT("9223372036854775807"), ERR_NONE},
        {STR_INIT("9223372036854775808"), ERR_INVALID_SYNTAX},
        {STR_INIT("1e400"), ERR_INVALID_SYNTAX},
        {STR_INIT("NaN"), ERR_INVALID_SYNTAX},
        {STR_INIT("01"), ERR_INVALID_SYNTAX},
        {STR_INIT("\"\\"), ERR_INVALID_SYNTAX},
        {STR_INIT("\"\\u000"), ERR_INVALID_SYNTAX},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        OWNED_JSON json_t *value = json_load_strict(cases[i].text, limits, &err);
        if (err.kind != cases[i].kind || (value == NULL) != (err.kind != ERR_NONE))
            fail_msg("case %zu: %s", i, err.detail);
    }
}

static void size_has_a_ceiling(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct json_limits few = {.depth = 4, .values = 4};
    assert_null(json_load_strict(STR("[{},{},{},1]"), few, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    error_clear(&err);
    json_decref(json_load_strict(STR("[1,\",,,,[{\",{}]"), few, &err));
    assert_int_equal(err.kind, ERR_NONE);
    struct json_limits small = {.bytes = 3, .depth = 4};
    assert_null(json_load_strict(STR("[12]"), small, &err));
    assert_int_equal(err.kind, ERR_TOO_LARGE);
    OWNED_JSON json_t *value =
        json_load_strict(STR("[12]"), (struct json_limits){.depth = 1}, &(struct error){0});
    assert_non_null(value);
}

static void a_fault_is_placed_without_quoting_the_text(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    assert_null(json_load_strict(STR("{\"password\":\n hunter2}"), limits, &err));
    assert_non_null(strstr(err.detail, "line 2"));
    assert_null(strstr(err.detail, "hunter2"));
}

static void members_are_found_without_case(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *o =
        json_load_strict(STR("{\"UserName\":\"kim\",\"active\":false,\"n\":1}"), limits, &err);
    const char *spelled = NULL;
    const json_t *name = json_get_icase(o, STR("username"), &spelled);
    assert_true(str_eq(json_str(name), STR("kim")));
    assert_string_equal(spelled, "UserName");
    assert_null(json_get_icase(o, STR("user"), NULL));
    assert_true(str_eq(json_get_str(o, "UserName"), STR("kim")));
    assert_int_equal(json_get_str(o, "n").len, 0);
    assert_false(json_get_bool(o, "active", true));
    assert_true(json_get_bool(o, "n", true));
}

static void what_no_reader_takes_becomes_a_replacement_character(void **state)
{
    (void)state;
    OWNED_JSON json_t *nul = json_string_safe(STR("a\0z"));
    assert_true(str_eq(json_str(nul), STR("a\xEF\xBF\xBDz")));
    OWNED_JSON json_t *s = json_string_safe(STR("a\xFF\xC3z"));
    assert_true(str_eq(json_str(s), STR("a\xEF\xBF\xBD\xEF\xBF\xBDz")));
    OWNED_JSON json_t *none = json_string_safe(STR_NONE);
    assert_true(json_is_string(none) && json_string_length(none) == 0);
    OWNED_JSON json_t *bad = json_string_safe(STR("\xFF"));
    assert_int_equal(json_string_length(bad), 3);
}

static void text_keeps_the_order_and_canonical_text_sorts(void **state)
{
    (void)state;
    OWNED_JSON json_t *o = json_object();
    json_put(o, "b", json_array());
    json_push(json_object_get(o, "b"), json_integer(-5));
    json_push(json_object_get(o, "b"), json_real(0.5));
    json_push(json_object_get(o, "b"), json_null());
    json_put(o, "a", json_object());
    json_put(json_object_get(o, "a"), "y", json_true());
    json_put(json_object_get(o, "a"), "x", json_false());
    json_put_str(o, "a1", STR("\"\n"));
    OWNED_BUF struct buf out;
    buf_init(&out, 1000);
    json_write(o, &out);
    assert_string_equal(out.at,
                        "{\"b\":[-5,0.5,null],\"a\":{\"y\":true,\"x\":false},\"a1\":\"\\\"\\n\"}");
    buf_clear(&out);
    json_write_canonical(o, &out);
    assert_string_equal(out.at,
                        "{\"a\":{\"x\":false,\"y\":true},\"a1\":\"\\\"\\n\",\"b\":[-5,0.5,null]}");
}

static void what_is_written_loads_again(void **state)
{
    (void)state;
    static const struct str text =
        STR_INIT("[\"\xC3\xA4\xF0\x9F\x98\x80\",\"\\u001f/\",{},[],-0.1,1e300]");
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *value = json_load_strict(text, limits, &err);
    OWNED_BUF struct buf out;
    buf_init(&out, 1000);
    json_write(value, &out);
    OWNED_JSON json_t *again = json_load_strict(buf_view(&out), limits, &err);
    assert_true(json_equal(value, again));
}

static void an_arena_takes_a_reference(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    json_t *copy = json_copy_deep(json_null());
    json_keep(a, copy);
    json_keep(a, json_object());
    assert_null(json_copy_deep(NULL));
}

static void the_members_of_written_text_are_walked_without_a_tree(void **state)
{
    (void)state;
    const struct str text =
        STR("{\"a\":\"x,}\\\"\",\"urn:x:B\":{\"c\":[1,{\"d\":2}]},\"e\":[],\"f\":true}");
    static const char *const want[] = {"a", "\"x,}\\\"\"", "urn:x:B", "{\"c\":[1,{\"d\":2}]}",
                                       "e", "[]",          "f",       "true"};
    struct json_member m;
    size_t at = 0;
    for (size_t i = 0; i < 8; i += 2) {
        assert_true(json_text_next(text, &at, &m));
        assert_true(str_eq(m.name, str_of(want[i])) && str_eq(m.value, str_of(want[i + 1])));
        assert_int_equal(m.text.len, m.name.len + m.value.len + 3);
    }
    assert_false(json_text_next(text, &at, &m));
    at = 0;
    assert_false(json_text_next(STR("{}"), &at, &m));
    static const char *const items[] = {"\"]\"", "[2,{}]", "{\"a\":[]}", "3"};
    struct str item;
    at = 0;
    for (size_t i = 0; i < 4; i++)
        assert_true(json_text_item(STR("[\"]\",[2,{}],{\"a\":[]},3]"), &at, &item) &&
                    str_eq(item, str_of(items[i])));
    assert_false(json_text_item(STR("[\"]\",[2,{}],{\"a\":[]},3]"), &at, &item));
    at = 0;
    assert_false(json_text_item(STR("[]"), &at, &item));
    OWNED_ARENA struct arena *a = arena_new();
    assert_true(str_eq(json_text_str(a, STR("\"ab\"")), STR("ab")));
    assert_true(str_eq(json_text_str(a, STR("\"a\\\"\\u00e9\"")), STR("a\"\xc3\xa9")));
    assert_int_equal(json_text_str(a, STR("[\"a\"]")).len, 0);
    assert_int_equal(json_text_str(a, STR("\"\"")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_is_strict),
        cmocka_unit_test(size_has_a_ceiling),
        cmocka_unit_test(a_fault_is_placed_without_quoting_the_text),
        cmocka_unit_test(members_are_found_without_case),
        cmocka_unit_test(what_no_reader_takes_becomes_a_replacement_character),
        cmocka_unit_test(text_keeps_the_order_and_canonical_text_sorts),
        cmocka_unit_test(what_is_written_loads_again),
        cmocka_unit_test(an_arena_takes_a_reference),
        cmocka_unit_test(the_members_of_written_text_are_walked_without_a_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
