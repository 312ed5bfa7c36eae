/* What a change of a user sends: exact values out and in, nothing more, and the rename. */
#include "mapping_fixture.h"

/* Every modification but those of kiopsResource, as "-attr: value" and "+attr: value". */
static struct str sent(struct mapping_fixture *f, const struct fixture_written *w)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < w->mods.count; i++) {
        const struct directory_mod *m = &w->mods.at[i];
        assert_int_not_equal(m->op, DIRECTORY_REPLACE);
        if (strcmp(m->attr, "kiopsResource") == 0)
            continue;
        const char *sign = m->op == DIRECTORY_ADD ? "+" : "-";
        for (size_t k = 0; k < m->count; k++)
            buf_fmt(&out, "%s%s: " STR_FMT "\n", sign, m->attr, STR_ARG(m->values[k]));
        if (m->count == 0)
            buf_fmt(&out, "%s%s\n", sign, m->attr);
    }
    if (w->new_rdn.len)
        buf_fmt(&out, "=" STR_FMT "\n", STR_ARG(w->new_rdn));
    return arena_str(f->arena, buf_view(&out));
}

static const struct {
    const char *name, *before, *after, *want;
} changes[] = {
    {"a title", "{'userName':'ann','title':'A'}", "{'userName':'ann','title':'B'}",
     "-title: A\n+title: B\n"},
    {"a title in other letters", "{'userName':'ann','title':'a'}", "{'userName':'ann','title':'A'}",
     "-title: a\n+title: A\n"},
    {"a title gone", "{'userName':'ann','title':'A'}", "{'userName':'ann'}", "-title: A\n"},
    {"what has no attribute", "{'userName':'ann'}", "{'userName':'ann','nickName':'n'}", ""},
    {"deactivated", "{'userName':'ann','active':true}", "{'userName':'ann','active':false}",
     "+kiopsActive: FALSE\n"},
    {"activated", "{'userName':'ann','active':false}", "{'userName':'ann','active':true}",
     "-kiopsActive: FALSE\n"},
    {"a family name at last", "{'userName':'ann'}",
     "{'userName':'ann','name':{'familyName':'Kim'}}", "-sn: ann\n+sn: Kim\n"},
    {"a family name no more", "{'userName':'ann','name':{'familyName':'Kim'}}",
     "{'userName':'ann'}", "-sn: Kim\n+sn: ann\n"},
    {"a name for the unnamed", "{'userName':'ann'}", "{'userName':'ann','displayName':'Ann'}",
     "-cn: ann\n+cn: Ann\n+displayName: Ann\n"},
    {"renamed", "{'userName':'ann','name':{'familyName':'K','formatted':'A'}}",
     "{'userName':'bob','name':{'familyName':'K','formatted':'A'}}", "=uid=bob\n"},
    {"renamed by a letter's case", "{'userName':'ann','name':{'familyName':'K','formatted':'A'}}",
     "{'userName':'Ann','name':{'familyName':'K','formatted':'A'}}", "=uid=Ann\n"},
    {"renamed to what needs escaping",
     "{'userName':'ann','name':{'familyName':'K','formatted':'A'}}",
     "{'userName':'a,b','name':{'familyName':'K','formatted':'A'}}", "=uid=a\\2cb\n"},
    {"one address of three",
     "{'userName':'ann','emails':[{'value':'a@x'},{'value':'b@x'},{'value':'c@x'}]}",
     "{'userName':'ann','emails':[{'value':'c@x'},{'value':'a@x'},{'value':'d@x'}]}",
     "-mail: b@x\n+mail: d@x\n"},
    {"the type of an address", "{'userName':'ann','emails':[{'value':'a@x','type':'work'}]}",
     "{'userName':'ann','emails':[{'value':'a@x','type':'home'}]}", ""},
    {"an address in other letters", "{'userName':'ann','emails':[{'value':'a@x'}]}",
     "{'userName':'ann','emails':[{'value':'A@x'}]}", "-mail: a@x\n+mail: A@x\n"},
    {"an address a second time", "{'userName':'ann','emails':[{'value':'a@x'}]}",
     "{'userName':'ann','emails':[{'value':'A@x','type':'home'},{'value':'a@x'}]}", ""},
    {"the type of a telephone", "{'userName':'ann','phoneNumbers':[{'value':'1','type':'work'}]}",
     "{'userName':'ann','phoneNumbers':[{'value':'1','type':'mobile'}]}",
     "-telephoneNumber: 1\n+mobile: 1\n"},
    {"a fax, which has no equality rule",
     "{'userName':'ann','phoneNumbers':[{'value':'1','type':'fax'},{'value':'2','type':'fax'}]}",
     "{'userName':'ann','phoneNumbers':[{'value':'1','type':'fax'},{'value':'3','type':'fax'}]}",
     "-facsimileTelephoneNumber\n+facsimileTelephoneNumber: 1\n+facsimileTelephoneNumber: 3\n"},
    {"another primary address",
     "{'userName':'ann','addresses':[{'locality':'K','primary':true},{'locality':'B'}]}",
     "{'userName':'ann','addresses':[{'locality':'K'},{'locality':'B','primary':true}]}",
     "-l: K\n+l: B\n"},
    {"a value that LDAP refuses", "{'userName':'ann','phoneNumbers':[{'value':'1','type':'work'}]}",
     "{'userName':'ann','phoneNumbers':[{'value':'1;ext=2','type':'work'}]}",
     "-telephoneNumber: 1\n"},
    {"an external id", "{'userName':'ann','externalId':'1'}", "{'userName':'ann','externalId':'2'}",
     "-kiopsExternalId: entra:1\n+kiopsExternalId: entra:2\n"},
    {"nothing", "{'userName':'ann','externalId':'1','emails':[{'value':'a@x'}]}",
     "{'userName':'ann','externalId':'1','emails':[{'value':'a@x'}],'active':true}", NULL},
};

static void a_change_sends_its_values_and_no_others(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        print_message("  %s\n", changes[i].name);
        struct directory_entry e = fixture_post(f, fixture_value(f, changes[i].before));
        struct fixture_written w =
            fixture_put(f, &e, fixture_value(f, changes[i].after), &writer_entra);
        assert_string_equal(sent(f, &w).at, changes[i].want ? changes[i].want : "");
        assert_int_equal(w.mods.count == 0, changes[i].want == NULL);
    }
    fixture_free(f);
}

/* Delete-old and add-new of kiopsResource is a precondition where there are no assertions. */
static void kiops_resource_is_swapped_in_the_same_modify(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_post(f, fixture_value(f, "{'userName':'ann'}"));
    struct str old = directory_value(&e, "kiopsResource");
    struct fixture_written w =
        fixture_put(f, &e, fixture_value(f, "{'userName':'ann','title':'T'}"), &writer_okta);
    size_t swaps = 0;
    for (size_t i = 0; i < w.mods.count; i++)
        if (strcmp(w.mods.at[i].attr, "kiopsResource") == 0 &&
            w.mods.at[i].op == DIRECTORY_DELETE) {
            assert_true(str_eq(w.mods.at[i].values[0], old));
            assert_int_equal(w.mods.at[i + 1].op, DIRECTORY_ADD);
            swaps++;
        }
    assert_int_equal(swaps, 1);
    struct directory_user u = fixture_map(f, &e);
    assert_true(u.modified == writer_okta.now);
    assert_true(str_eq(u.marker, STR("m2")));
    fixture_free(f);
}

static void a_first_write_brings_the_class_and_takes_nothing_else(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(
        f, "dn: uid=ann," PEOPLE "\nobjectClass: inetOrgPerson\nuid: ann\nuid: annie\ncn: Ann K\n"
           "cn: Ann\nsn: K\njpegPhoto: x\nmail: a@x\ntitle: A\ntitle: B");
    struct directory_user before = fixture_map(f, &e);
    json_t *after = json_copy_deep(before.resource);
    json_keep(f->arena, after);
    json_put_str(after, "title", STR("B"));
    struct fixture_written w = fixture_put(f, &e, after, &writer_entra);
    assert_string_equal(sent(f, &w).at, "-title: A\n+objectClass: kiopsUser\n");
    assert_json(fixture_map(f, &e).resource, after);
    json_put_str(after, "userName", STR("annie"));
    w = fixture_put(f, &e, after, &writer_entra);
    assert_string_equal(sent(f, &w).at, "=uid=annie\n");
    fixture_free(f);
}

static void a_value_that_ldap_should_not_have_stays(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(
        f, "dn: uid=ann," PEOPLE "\nobjectClass: kiopsUser\nuid: ann\ncn: Ann\nsn: K\n"
           "telephoneNumber: 1;ext=2\ntelephoneNumber: 2\nmail: \xC3\xA4@x\ntitle:  ");
    json_t *after = json_copy_deep(fixture_map(f, &e).resource);
    json_keep(f->arena, after);
    json_put_str(after, "displayName", STR("A"));
    struct fixture_written w = fixture_put(f, &e, after, &writer_entra);
    assert_string_equal(sent(f, &w).at, "+displayName: A\n");
    assert_json(fixture_map(f, &e).resource, after);
    fixture_free(f);
}

static void each_client_has_its_own_external_id(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    const struct directory_writer person = {.marker = STR("m3"), .now = 1};
    struct directory_entry e =
        fixture_post(f, fixture_value(f, "{'userName':'ann','externalId':'1'}"));
    struct directory_user one = fixture_map(f, &e);
    struct fixture_written w = fixture_put(
        f, &e, fixture_value(f, "{'userName':'ann','externalId':'one:two'}"), &writer_okta);
    assert_string_equal(sent(f, &w).at, "+kiopsExternalId: okta:one:two\n");
    struct directory_user two = fixture_map(f, &e);
    assert_string_not_equal(one.version, two.version);
    assert_true(str_eq(directory_external_id(&two.person.external_ids, STR("entra")), STR("1")));
    assert_true(
        str_eq(directory_external_id(&two.person.external_ids, STR("okta")), STR("one:two")));
    /* The order in which the directory gives them is no content. */
    struct str *ids = (struct str *)(uintptr_t)directory_attr(&e, "kiopsExternalId")->values;
    struct str first = ids[0];
    ids[0] = ids[1];
    ids[1] = first;
    assert_string_equal(fixture_map(f, &e).version, two.version);
    w = fixture_put(f, &e, fixture_value(f, "{'userName':'ann','title':'T'}"), &person);
    assert_string_equal(sent(f, &w).at, "+title: T\n");
    w = fixture_put(f, &e, fixture_value(f, "{'userName':'ann','title':'T'}"), &writer_entra);
    assert_string_equal(sent(f, &w).at, "-kiopsExternalId: entra:1\n");
    fixture_free(f);
}

static const struct {
    const char *user_name, *dn;
} refused[] = {
    {"   ", NULL},
    {"a\x01z", NULL},
    {"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
     "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
     "345678901234567890123456789012345678901234567890123456789",
     NULL},
    {"ann", "uid=old+mail=a@x," PEOPLE},
};

static void a_user_name_that_no_entry_can_have_is_refused(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct error err = ERROR_INIT;
        struct directory_mods mods;
        json_t *after = json_object();
        json_keep(f->arena, after);
        json_put_str(after, "userName", str_of(refused[i].user_name));
        struct directory_entry e = fixture_entry(
            f, "dn: uid=old," PEOPLE "\nobjectClass: inetOrgPerson\nuid: old\ncn: a\nsn: a");
        if (refused[i].dn)
            e.dn = str_of(refused[i].dn);
        struct directory_user before = fixture_map(f, &e);
        struct directory_user_edit edit = {&e, &before, after, &writer_entra, false};
        struct str rdn;
        directory_mods_init(&mods, f->arena);
        assert_false(directory_unmap_user(&f->directory, &edit, &mods, &rdn, &err));
        assert_int_equal(err.kind, ERR_INVALID_VALUE);
        assert_non_null(strstr(err.detail, "userName"));
        error_clear(&err);
        edit.entry = NULL;
        edit.before = NULL;
        if (!refused[i].dn)
            assert_false(directory_unmap_new_user(&f->directory, &edit, &rdn, &mods, &err));
    }
    fixture_free(f);
}

/* An entry that is named otherwise keeps its name: userName is an attribute like any other. */
static void an_entry_named_by_cn_is_renamed_by_its_formatted_name(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(
        f, "dn: cn=Ann K," PEOPLE "\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann K\nsn: K");
    struct directory_user before = fixture_map(f, &e);
    struct error err = ERROR_INIT;
    struct fixture_written w;
    const struct directory_user_edit edit = {
        &e, &before,
        fixture_value(f, "{'userName':'bob','name':{'formatted':'Bob K','familyName':'K'}}"),
        &writer_entra, false};
    directory_mods_init(&w.mods, f->arena);
    assert_true(directory_unmap_user(&f->directory, &edit, &w.mods, &w.new_rdn, &err));
    assert_string_equal(sent(f, &w).at, "-uid: ann\n+uid: bob\n+objectClass: kiopsUser\n"
                                        "=cn=Bob K\n");
    fixture_free(f);
}

static struct str marked(struct mapping_fixture *f, const char *before, const char *after)
{
    struct error err = ERROR_INIT;
    struct str unused;
    struct directory_mods mods;
    struct directory_entry e = {0};
    struct directory_user user = {0};
    struct directory_user_edit edit = {.after = fixture_value(f, after), .writer = &writer_entra};
    directory_mods_init(&mods, f->arena);
    if (before) {
        enum config_lock lock = f->config.directory.lock;
        f->config.directory.lock = CONFIG_LOCK_NONE;
        e = fixture_post(f, fixture_value(f, before));
        f->config.directory.lock = lock;
        user = fixture_map(f, &e);
        edit.entry = &e;
        edit.before = &user;
    }
    fixture_expect(before ? directory_unmap_user(&f->directory, &edit, &mods, &unused, &err)
                          : directory_unmap_new_user(&f->directory, &edit, &unused, &mods, &err),
                   &err);
    for (size_t i = 0; i < mods.count; i++) {
        const struct directory_mod *m = &mods.at[i];
        if (!str_istarts(str_of(m->attr), STR("kiops")) && m->op == DIRECTORY_REPLACE)
            return arena_fmt(f->arena, "%s=" STR_FMT, m->attr,
                             STR_ARG(m->count ? m->values[0] : STR("")));
        if (!before && str_eq(str_of(m->attr), STR("pwdAccountLockedTime")))
            return arena_fmt(f->arena, "+%s=" STR_FMT, m->attr, STR_ARG(m->values[0]));
    }
    return STR("");
}

/* Whatever stands there: an account that failed passwords have locked is unlocked as well. */
static void an_account_is_locked_by_the_directory_s_own_mark(void **state)
{
    static const char on[] = "{'userName':'ann'}", off[] = "{'userName':'ann','active':false}";
    static const struct {
        enum config_lock lock;
        const char *locked, *unlocked;
    } rows[] = {
        {CONFIG_LOCK_NONE, "", ""},
        {CONFIG_LOCK_PPOLICY, "pwdAccountLockedTime=000001010000Z", "pwdAccountLockedTime="},
        {CONFIG_LOCK_NSACCOUNTLOCK, "nsAccountLock=TRUE", "nsAccountLock="},
        {CONFIG_LOCK_ATTR, "loginShell=/bin/false", "loginShell="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mapping_fixture *f = fixture_new(NULL, 0);
        f->config.directory.lock = rows[i].lock;
        f->config.directory.lock_attribute = STR("loginShell");
        f->config.directory.lock_value = STR("/bin/false");
        assert_string_equal(marked(f, on, off).at, rows[i].locked);
        assert_string_equal(marked(f, off, on).at, rows[i].unlocked);
        assert_string_equal(marked(f, off, "{'userName':'ann','active':false,'title':'T'}").at, "");
        assert_string_equal(marked(f, NULL, on).at, "");
        fixture_free(f);
    }
    struct mapping_fixture *f = fixture_new(NULL, 0);
    f->config.directory.lock = CONFIG_LOCK_PPOLICY;
    assert_string_equal(marked(f, NULL, off).at, "+pwdAccountLockedTime=000001010000Z");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_sends_its_values_and_no_others),
        cmocka_unit_test(kiops_resource_is_swapped_in_the_same_modify),
        cmocka_unit_test(a_first_write_brings_the_class_and_takes_nothing_else),
        cmocka_unit_test(a_value_that_ldap_should_not_have_stays),
        cmocka_unit_test(each_client_has_its_own_external_id),
        cmocka_unit_test(a_user_name_that_no_entry_can_have_is_refused),
        cmocka_unit_test(an_entry_named_by_cn_is_renamed_by_its_formatted_name),
        cmocka_unit_test(an_account_is_locked_by_the_directory_s_own_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
