/* The table: the preset, rows of the configuration instead of or beside it, and what is refused. */
#include "directory/mapping.h"
#include "mapping_fixture.h"

static struct str printed(struct mapping_fixture *f)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 16);
    directory_mapping_print(&f->directory, &out);
    return arena_str(f->arena, buf_view(&out));
}

static bool asks_for(const char *const *attrs, const char *name)
{
    for (; *attrs; attrs++)
        if (strcmp(*attrs, name) == 0)
            return true;
    return false;
}

#define ROW(path, attribute)                                                                       \
    {                                                                                              \
        .scim = STR_INIT(path), .ldap = STR_INIT(attribute)                                        \
    }

static void a_configured_row_takes_the_place_of_the_presets(void **state)
{
    (void)state;
    static const struct config_map rows[] = {
        {.scim = STR_INIT("emails"), .ldap = STR_INIT("rfc822"), .type = STR_INIT("home")},
        ROW("nickName", "departmentNumber"),
        ROW("title", "title"),
        {.scim = STR_INIT("locale"), .ldap = STR_INIT("preferredLanguage"), .read_only = true},
        ROW("addresses.country", "c"),
    };
    struct mapping_fixture *f = fixture_new(rows, sizeof rows / sizeof *rows);
    const char *text = printed(f).at;
    assert_non_null(strstr(text, "{ scim = \"emails\"; ldap = \"rfc822\"; type = \"home\"; }"));
    assert_null(strstr(text, "\"mail\""));
    assert_non_null(strstr(text, "ldap = \"preferredLanguage\"; direction = \"read\""));
    assert_null(strstr(text, "department\";"));
    assert_non_null(strstr(text, "{ scim = \"userName\"; ldap = \"uid\"; }"));
    assert_true(asks_for(directory_user_attrs(&f->directory), "rfc822"));
    assert_true(asks_for(directory_user_attrs(&f->directory), "kiopsResource"));
    json_t *resource = fixture_value(
        f, "{'userName':'ann','nickName':'n','locale':'de','active':true,'emails':[{'value':'a'}],"
           "'addresses':[{'country':'DE'}],'" SCIM_URN_ENTERPRISE "':{'department':'Hull'}}");
    struct directory_entry e = fixture_post(f, resource);
    assert_true(str_eq(directory_value(&e, "departmentNumber"), STR("n")));
    assert_true(str_eq(directory_value(&e, "c"), STR("DE")));
    assert_null(directory_value(&e, "preferredLanguage").at);
    assert_json(fixture_map(f, &e).resource, resource);
    /* What is only read shows and wins, and is never written. */
    struct str korean = STR("ko");
    entry_put(f, &e, "preferredLanguage", &korean, 1);
    struct directory_user u = fixture_map(f, &e);
    assert_string_equal(json_string_value(json_object_get(u.resource, "locale")), "ko");
    assert_int_equal(fixture_put(f, &e, u.resource, &writer_okta).mods.count, 0);
    fixture_free(f);
}

static void user_name_is_what_names_the_entry(void **state)
{
    (void)state;
    struct config config = {0};
    struct error err = ERROR_INIT;
    fixture_config(&config);
    config.directory.users.rdn = STR("cn");
    struct mapping_fixture *f = fixture_new(NULL, 0);
    directory_mapping_free(f->directory.mapping);
    f->directory.config = &config;
    assert_true(directory_mapping_new(&config, f->catalog, &f->directory.mapping, &err));
    json_t *resource = fixture_value(
        f, "{'userName':'ann','name':{'formatted':'Ann K','familyName':'K'},'active':true}");
    struct directory_entry e = fixture_post(f, resource);
    assert_string_equal(arena_cstr(f->arena, e.dn), "cn=ann," PEOPLE);
    assert_json(fixture_map(f, &e).resource, resource);
    fixture_free(f);
}

static const struct {
    struct config_map rows[2];
    const char *says;
} refused[] = {
    {{ROW("nickname.x", "x")}, "nickname.x"},
    {{ROW("emails[type eq \"work\"]", "x")}, "not an attribute"},
    {{ROW("groups", "x")}, "cannot be mapped"},
    {{ROW("password", "x")}, "cannot be mapped"},
    {{ROW("id", "x")}, "cannot be mapped"},
    {{ROW("nickName", "kiopsActive")}, "kiopsActive"},
    {{ROW("nickName", "userPassword")}, "userPassword"},
    {{ROW("nickName", "a b")}, "a b"},
    {{ROW("nickName", "")}, "LDAP attribute"},
    {{ROW("name", "x")}, "name"},
    {{ROW("userName", "cn")}, "directory.users.rdn"},
    {{ROW("active", "loginEnabled")}, "kiopsActive"},
    {{ROW("nickName", "x"), ROW("locale", "X")}, "mapped twice"},
    {{ROW("nickName", "x"), ROW("nickName", "y")}, "mapped twice"},
    {{ROW("ims", "x"), ROW("ims.display", "y")}, "in parts"},
    {{ROW("nickName", "uid")}, "mapped twice"},
};

static void a_row_that_cannot_work_is_refused_at_start(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct error err = ERROR_INIT;
        struct directory_mapping *m;
        struct config config = f->config;
        config.mapping.user = refused[i].rows;
        config.mapping.user_count = refused[i].rows[1].scim.len ? 2 : 1;
        assert_false(directory_mapping_new(&config, f->catalog, &m, &err));
        assert_int_equal(err.kind, ERR_CONFIG);
        assert_non_null(strstr(err.detail, refused[i].says));
    }
    fixture_free(f);
}

/* ---- the text of kiopsResource */

static void what_a_bridge_wrote_is_read_as_jansson_reads_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "true",
                                        "-1.5e3",
                                        "{\"a\":[1,2,{\"b\":\"\\u00e4\\n\"}],\"c\":\"\xC3\xA4\"}",
                                        "\"\"",
                                        "[[],{},null]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        OWNED_JSON json_t *got = mapping_json(str_of(texts[i]));
        OWNED_JSON json_t *want = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_true(json_equal(got, want));
    }
}

static void what_no_bridge_writes_is_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "}",
                                        "{\"a\":1",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "[1,]",
                                        "[,1]",
                                        "\"",
                                        "\"\\",
                                        "\"\\\"",
                                        "\"\xC3\"",
                                        "\"\x01\"",
                                        "{\"a\":1,\"a\":2}",
                                        "{} ",
                                        "{\"a\": 1}x",
                                        "tru",
                                        "[1}",
                                        "{\"\\u0061\":1}",
                                        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
                                        "\"\\u0000\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_null(mapping_json(str_of(texts[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configured_row_takes_the_place_of_the_presets),
        cmocka_unit_test(user_name_is_what_names_the_entry),
        cmocka_unit_test(a_row_that_cannot_work_is_refused_at_start),
        cmocka_unit_test(what_a_bridge_wrote_is_read_as_jansson_reads_it),
        cmocka_unit_test(what_no_bridge_writes_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
