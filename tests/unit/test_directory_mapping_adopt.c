/* Taking over an entry that nobody asserted: whom a POST means, what stays, how it is undone. */
#include "mapping_fixture.h"

static const char foreign[] =
    "dn: uid=ann,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\n"
    "uid: ann\ncn: Ann Before\nsn: Before\ngivenName: Ann\nmail: a@x.org\n"
    "mail: alias@x.org\ntitle: Captain\nmobile: +49 1";

/* The filter under which a POST looks for whom it means; empty when it looks for nobody. */
static struct str looks_for(struct mapping_fixture *f, const char *adopt, const char *resource)
{
    struct error err = ERROR_INIT;
    struct directory_mods mods;
    struct str dn;
    const struct directory_user_edit edit = {.after = fixture_value(f, resource),
                                             .writer = &writer_entra};
    f->config.directory.users.adopt = str_of(adopt);
    f->config.directory.users.filter = STR("(c=p)");
    directory_mods_init(&mods, f->arena);
    fixture_expect(directory_unmap_new_user(&f->directory, &edit, &dn, &mods, &err), &err);
    struct directory_search s = directory_search_adoptable(&f->directory, &mods);
    assert_true(str_eq(s.base, STR(PEOPLE)) && s.scope == DIRECTORY_SUB);
    return s.nothing ? STR_NONE : s.filter;
}

static void a_post_means_who_has_the_value_that_it_would_write(void **state)
{
    (void)state;
    static const struct {
        const char *adopt, *resource, *filter;
    } cases[] = {
        {"none", "{'userName':'ann','emails':[{'value':'a@x'}]}", ""},
        {"", "{'userName':'ann'}", ""},
        {"userName", "{'userName':'a*n'}", "(&(c=p)(|(uid=a\\2an)))"},
        {"MAIL",
         "{'userName':'ann','emails':[{'value':'a@x'},{'value':'A@X','type':'home'},"
         "{'value':'b@x'}]}",
         "(&(c=p)(|(MAIL=a@x)(MAIL=b@x)))"},
        {"mail", "{'userName':'ann'}", ""},
        /* What LDAP cannot hold names nobody there. */
        {"mail", "{'userName':'ann','emails':[{'value':'\\u00e4@x'}]}", ""},
        {"employeeNumber", "{'userName':'ann','" SCIM_URN_ENTERPRISE "':{'employeeNumber':'7'}}",
         "(&(c=p)(|(employeeNumber=7)))"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapping_fixture *f = fixture_new(NULL, 0);
        assert_string_equal(arena_cstr(f->arena, looks_for(f, cases[i].adopt, cases[i].resource)),
                            cases[i].filter);
        fixture_free(f);
    }
}

static void only_what_the_mapping_writes_tells_people_apart(void **state)
{
    (void)state;
    static const struct {
        const char *adopt;
        bool fine;
    } cases[] = {{"none", true},           {"userName", true},      {"uid", true},
                 {"mail", true},           {"cn", false},           {"SN", false},
                 {"objectClass", false},   {"userPassword", false}, {"kiopsExternalId", false},
                 {"employeeNumber", true}, {"roomNumber", false}};
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct directory_mapping *m = NULL;
        struct error err = ERROR_INIT;
        f->config.directory.users.adopt = str_of(cases[i].adopt);
        assert_int_equal(directory_mapping_new(&f->config, f->catalog, &m, &err), cases[i].fine);
        assert_int_equal(err.kind, cases[i].fine ? ERR_NONE : ERR_CONFIG);
        directory_mapping_free(m);
    }
    fixture_free(f);
}

static void what_a_post_does_not_mention_stays(void **state)
{
    (void)state;
    static const struct {
        const char *posted, *want;
    } cases[] = {
        {"{'userName':'ann'}",
         "{'userName':'ann','name':{'formatted':'Ann "
         "Before','familyName':'Before','givenName':'Ann'},"
         "'title':'Captain','active':true,'emails':[{'value':'a@x.org','type':'work'},"
         "{'value':'alias@x.org','type':'work'}],'phoneNumbers':[{'value':'+49 "
         "1','type':'mobile'}]}"},
        {"{'userName':'kim','active':false,'externalId':'e','name':{'familyName':'Kim'},'title':'T'"
         ","
         "'emails':[{'value':'A@X.org','type':'home','primary':true},{'value':'n@x.org'}],"
         "'phoneNumbers':[{'value':'+491','type':'mobile'},{'value':'+49 1','type':'fax'}],"
         "'addresses':[{'locality':'Kiel'}]}",
         "{'userName':'kim','active':false,'externalId':'e','name':{'formatted':'Ann "
         "Before','familyName':'Kim','givenName':'Ann'},'title':'T',"
         "'emails':[{'value':'A@X.org','type':'home','primary':true},{'value':'n@x.org'},"
         "{'value':'alias@x.org','type':'work'}],"
         "'phoneNumbers':[{'value':'+491','type':'mobile'},{'value':'+49 1','type':'fax'}],"
         "'addresses':[{'locality':'Kiel'}]}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapping_fixture *f = fixture_new(NULL, 0);
        struct directory_entry e = fixture_entry(f, foreign);
        struct directory_user before = fixture_map(f, &e);
        assert_false(before.asserted);
        json_t *got = directory_adopted_user(&f->directory, f->arena, &before,
                                             fixture_value(f, cases[i].posted));
        json_keep(f->arena, got);
        assert_json(got, fixture_value(f, cases[i].want));
        fixture_free(f);
    }
}

/* The claim says who asserts, also where nothing else differs; undone, the entry is as it was. */
static void a_claim_leaves_its_mark_and_can_be_undone(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(f, foreign), was = fixture_entry(f, foreign);
    struct directory_user before = fixture_map(f, &e);
    struct directory_user_edit edit = {
        .entry = &e, .before = &before, .after = before.resource, .writer = &writer_okta};
    struct directory_mods mods, undo;
    struct str new_rdn;
    struct error err = ERROR_INIT;
    directory_mods_init(&mods, f->arena);
    fixture_expect(directory_unmap_user(&f->directory, &edit, &mods, &new_rdn, &err), &err);
    assert_int_equal(mods.count, 0);
    edit.adopts = true;
    fixture_expect(directory_unmap_user(&f->directory, &edit, &mods, &new_rdn, &err), &err);
    entry_apply(f, &e, &mods);
    assert_true(fixture_map(f, &e).asserted);
    assert_true(directory_has(&e, "objectClass", STR("kiopsUser")));
    directory_mods_init(&undo, f->arena);
    directory_adopt_undo(&was, &mods, &undo);
    assert_int_equal(undo.count, 2);
    for (size_t i = 0; i < undo.count; i++) {
        const struct directory_attr *old = directory_attr(&was, undo.at[i].attr);
        assert_int_equal(undo.at[i].op, DIRECTORY_REPLACE);
        assert_int_equal(undo.at[i].count, old ? old->count : 0);
    }
    fixture_free(f);
}

static void who_is_asserted_is_told_by_either_mark(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct str external = STR("okta:7"), odd = STR("{"), told = STR("{\"v\":1,\"r\":{}}");
    struct directory_entry a = fixture_entry(f, foreign), b = fixture_entry(f, foreign),
                           c = fixture_entry(f, foreign);
    entry_put(f, &a, "kiopsExternalId", &external, 1);
    entry_put(f, &b, "kiopsResource", &odd, 1);
    entry_put(f, &c, "kiopsResource", &told, 1);
    assert_true(fixture_map(f, &a).asserted);
    assert_false(fixture_map(f, &b).asserted);
    assert_true(fixture_map(f, &c).asserted);
    assert_string_equal(directory_adopt_assertion(&a),
                        "(!(kiopsExternalId=*))(!(kiopsResource=*))");
    assert_string_equal(directory_adopt_assertion(&b), "(!(kiopsExternalId=*))");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_means_who_has_the_value_that_it_would_write),
        cmocka_unit_test(only_what_the_mapping_writes_tells_people_apart),
        cmocka_unit_test(what_a_post_does_not_mention_stays),
        cmocka_unit_test(a_claim_leaves_its_mark_and_can_be_undone),
        cmocka_unit_test(who_is_asserted_is_told_by_either_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
