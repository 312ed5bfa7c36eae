/* An extension of the administrator's own in LDAP attributes: every type there and back. */
#include "directory/mapping.h"
#include "mapping_fixture.h"

#define ROW(name, attribute)                                                                       \
    {                                                                                              \
        .scim = STR_INIT(URN_EVERY_KIND ":" name), .ldap = STR_INIT(attribute)                     \
    }

/* `given` is readOnly: it has to stand somewhere. */
static const struct config_map least[] = {ROW("given", "info")};

static const struct config_map many[] = {
    ROW("given", "info"),         ROW("text", "roomNumber"),        ROW("flag", "accountEnabled"),
    ROW("whole", "uidNumber"),    ROW("when", "accountExpires"),    ROW("link", "labeledURI"),
    ROW("bytes", "jpegPhoto"),    ROW("texts", "businessCategory"), ROW("numbers", "floors"),
    ROW("flags", "switches"),     ROW("times", "visits"),           ROW("blobs", "audio"),
    ROW("box.inner", "initials"), ROW("box.whole", "gidNumber"),    ROW("boxes", "carLicense"),
    ROW("secret", "pin"),         ROW("hidden", "x121Address"),     ROW("once", "badgeNumber"),
};

static const char everything[] =
    "{'userName':'ann','active':true,'" URN_EVERY_KIND "':{'text':'t','exact':'E','flag':false,"
    "'whole':-7,'part':0.5,'when':'2026-01-05T08:00:00.25Z','link':'https://x.org/A',"
    "'bytes':'AP/+','texts':['b','a'],'exacts':['x','X'],'words':['Red'],'flags':[true,false],"
    "'numbers':[3,-1],'parts':[1.5],'times':['2026-01-05T08:00:00Z','2025-01-05T08:00:00Z'],"
    "'links':['https://x.org/'],'blobs':['AQ==','AAA='],"
    "'box':{'inner':'i','exact':'e','whole':5,'words':['w'],'once':'o','hidden':'h'},"
    "'boxes':[{'value':'v','type':'one','whole':1},{'value':'w','primary':true}],"
    "'things':[{'name':'n','weight':2.5,'bytes':'AP/+'}],'always':'a','asked':'b',"
    "'hidden':'h','secret':'s','once':'c','onces':['d']}}";

static struct mapping_fixture *new_fixture(const struct config_map *rows, size_t n)
{
    return fixture_new_with(fixture_extended_catalog(), rows, n);
}

static void comes_back(const struct config_map *rows, size_t n)
{
    struct mapping_fixture *f = new_fixture(rows, n);
    json_t *resource = fixture_value(f, everything);
    struct directory_entry e = fixture_post(f, resource);
    struct directory_user u = fixture_map(f, &e);
    assert_json(u.resource, resource);
    assert_true(u.modified == u.created); /* the version foreseen is the one read */
    assert_int_equal(fixture_put(f, &e, resource, &writer_okta).mods.count, 0);
    json_t *nothing = fixture_value(f, "{'userName':'ann','active':true}");
    fixture_put(f, &e, nothing, &writer_okta);
    assert_json(fixture_map(f, &e).resource, nothing);
    fixture_put(f, &e, resource, &writer_okta);
    assert_json(fixture_map(f, &e).resource, resource);
    fixture_free(f);
}

static void every_kind_comes_back_from_kiops_resource(void **state)
{
    (void)state;
    comes_back(least, 1);
}

static void every_kind_comes_back_from_ldap(void **state)
{
    (void)state;
    comes_back(many, sizeof many / sizeof *many);
}

static bool has(const struct directory_entry *e, const char *name, struct str value)
{
    return directory_has(e, name, value);
}

static void ldap_holds_values_in_its_own_form(void **state)
{
    (void)state;
    struct mapping_fixture *f = new_fixture(many, sizeof many / sizeof *many);
    struct directory_entry e = fixture_post(f, fixture_value(f, everything));
    assert_true(has(&e, "accountEnabled", STR("FALSE")) && has(&e, "uidNumber", STR("-7")));
    assert_true(has(&e, "accountExpires", STR("20260105080000Z")));
    assert_true(has(&e, "jpegPhoto", STR("\x00\xFF\xFE")) && has(&e, "audio", STR("\x00\x00")));
    assert_true(has(&e, "floors", STR("3")) && has(&e, "floors", STR("-1")));
    assert_true(has(&e, "visits", STR("20250105080000Z")) && has(&e, "switches", STR("TRUE")));
    assert_true(has(&e, "carLicense", STR("v")) && has(&e, "carLicense", STR("w")));
    assert_true(has(&e, "pin", STR("s")) && has(&e, "gidNumber", STR("5")));
    assert_null(directory_attr(&e, "info"));
    fixture_free(f);
}

static const json_t *extension_of(struct mapping_fixture *f, const struct directory_entry *e)
{
    return json_object_get(fixture_map(f, e).resource, URN_EVERY_KIND);
}

static void an_edit_made_in_ldap_shows(void **state)
{
    (void)state;
    struct mapping_fixture *f = new_fixture(many, sizeof many / sizeof *many);
    struct directory_entry e = fixture_entry(
        f, "dn: uid=ann," PEOPLE "\nuid: ann\ncn: a\nsn: a\nroomNumber: r\nuidNumber: 12\n"
           "accountExpires: 20260105090000+0100\nvisits: 2026-01-05T08:00:00Z\nvisits: soon\n"
           "floors: 4\nfloors: four\naudio: abc\ninfo: from LDAP\ninitials: i\nswitches: true\n");
    json_t *want = fixture_value(
        f,
        "{'text':'r','whole':12,'when':'2026-01-05T08:00:00Z','times':['2026-01-05T08:00:00Z'],"
        "'numbers':[4],'blobs':['YWJj'],'given':'from LDAP','box':{'inner':'i'},'flags':[true]}");
    assert_json(extension_of(f, &e), want);
    /* Saying what was read is no change, and what is readOnly is never written. */
    struct directory_user u = fixture_map(f, &e);
    json_t *same = json_copy_deep(u.resource);
    json_keep(f->arena, same);
    json_object_del(json_object_get(same, URN_EVERY_KIND), "given");
    assert_int_equal(fixture_put(f, &e, same, &writer_okta).mods.count, 0);
    json_put_str(json_object_get(same, URN_EVERY_KIND), "given", STR("from SCIM"));
    fixture_put(f, &e, same, &writer_okta);
    assert_true(has(&e, "info", STR("from LDAP")));
    /* What is no number is not shown, and goes when the list is written. */
    json_put(json_object_get(same, URN_EVERY_KIND), "numbers", json_pack("[i]", 5));
    fixture_put(f, &e, same, &writer_okta);
    assert_true(has(&e, "floors", STR("5")) && directory_attr(&e, "floors")->count == 1);
    fixture_free(f);
}

static void an_extension_taken_out_keeps_its_values(void **state)
{
    (void)state;
    struct mapping_fixture *f = new_fixture(least, 1), *without = fixture_new(NULL, 0);
    json_t *resource = fixture_value(f, everything);
    struct directory_entry e = fixture_post(f, resource);
    json_t *seen = fixture_value(f, "{'userName':'ann','active':true}");
    assert_json(fixture_map(without, &e).resource, seen);
    json_t *changed = fixture_value(f, "{'userName':'ann','active':true,'title':'T'}");
    fixture_put(without, &e, changed, &writer_okta);
    assert_json(fixture_map(without, &e).resource, changed);
    json_t *back = json_copy_deep(resource);
    json_keep(f->arena, back);
    json_put_str(back, "title", STR("T"));
    assert_json(fixture_map(f, &e).resource, back);
    fixture_free(without);
    fixture_free(f);
}

static const struct {
    struct config_map rows[3];
    const char *says;
} refused[] = {
    {{ROW("text", "roomNumber")}, "given is readOnly and stands in no LDAP attribute"},
    {{ROW("given", "info"), ROW("part", "x")}, "leave the line out"},
    {{ROW("given", "info"), ROW("parts", "x")}, "leave the line out"},
    {{ROW("given", "info"), ROW("box", "x")}, "leave the line out"},
    {{ROW("given", "info"), ROW("box.words", "x")}, "leave the line out"},
    {{ROW("given", "info"), ROW("things", "x")}, "leave the line out"},
    {{ROW("given", "info"), ROW("nothing", "x")}, ":nothing"},
    {{ROW("given", "info"), ROW("box.nothing", "x")}, ":box.nothing"},
    {{ROW("given", "info"), ROW("text", "kiopsActive")}, "kiopsActive"},
    {{ROW("given", "info"), ROW("text", "userPassword")}, "userPassword"},
    {{ROW("given", "info"), ROW("text", "member")}, "member"},
    {{ROW("given", "info"), ROW("text", "uid")}, "mapped twice"},
    {{ROW("given", "info"), ROW("text", "x"), ROW("link", "X")}, "mapped twice"},
    {{ROW("given", "info"), ROW("text", "x"), ROW("text", "y")}, "mapped twice"},
    {{ROW("given", "info"), ROW("bytes", ";binary")}, "LDAP attribute"},
};

static void a_row_that_cannot_work_is_refused_at_start(void **state)
{
    (void)state;
    struct mapping_fixture *f = new_fixture(least, 1);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct error err = ERROR_INIT;
        struct directory_mapping *m;
        struct config config = f->config;
        config.mapping.user = refused[i].rows;
        config.mapping.user_count = 0;
        while (config.mapping.user_count < 3 && refused[i].rows[config.mapping.user_count].scim.len)
            config.mapping.user_count++;
        if (directory_mapping_new(&config, f->catalog, &m, &err))
            fail_msg("taken instead of: %s", refused[i].says);
        assert_int_equal(err.kind, ERR_CONFIG);
        if (!strstr(err.detail, refused[i].says))
            fail_msg("expected %s, got %s", refused[i].says, err.detail);
    }
    fixture_free(f);
}

static void the_printed_table_says_where_everything_is(void **state)
{
    (void)state;
    struct mapping_fixture *f = new_fixture(many, sizeof many / sizeof *many);
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 16);
    directory_mapping_print(&f->directory, &out);
    static const char *const lines[] = {
        "{ scim = \"" URN_EVERY_KIND ":text\"; ldap = \"roomNumber\"; }",
        "{ scim = \"" URN_EVERY_KIND ":given\"; ldap = \"info\"; direction = \"read\"; }",
        "\n#   nickName\n",
        "\n#   addresses.country\n",
        "\n#   " URN_EVERY_KIND ":part\n",
        "\n#   " URN_EVERY_KIND ":box.exact\n",
        "\n#   " SCIM_URN_ENTERPRISE ":manager\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(out.at, lines[i]))
            fail_msg("%s is not in:\n%s", lines[i], out.at);
    assert_null(strstr(out.at, "#   " URN_EVERY_KIND ":text"));
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_from_kiops_resource),
        cmocka_unit_test(every_kind_comes_back_from_ldap),
        cmocka_unit_test(ldap_holds_values_in_its_own_form),
        cmocka_unit_test(an_edit_made_in_ldap_shows),
        cmocka_unit_test(an_extension_taken_out_keeps_its_values),
        cmocka_unit_test(a_row_that_cannot_work_is_refused_at_start),
        cmocka_unit_test(the_printed_table_says_where_everything_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
