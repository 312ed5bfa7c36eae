/* Users there and back: what a client posts, what an administrator edits, what is read. */
#include "mapping_cases.h"
#include "mapping_fixture.h"

/* ---- nothing is lost */

static void every_resource_comes_back_as_it_went(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < ROUND_TRIPS; i++) {
        print_message("  %s\n", round_trips[i].name);
        json_t *resource = fixture_value(f, round_trips[i].resource);
        struct directory_entry e = fixture_post(f, resource);
        struct directory_user u = fixture_map(f, &e);
        assert_json(u.resource, resource);
        assert_true(u.modified == u.created); /* the version foreseen is the one read */
        assert_string_equal(arena_cstr(f->arena, u.marker), "m1");
        assert_true(directory_value(&e, "sn").len > 0 && directory_value(&e, "cn").len > 0);
        /* Saying the same again is no change. */
        assert_int_equal(fixture_put(f, &e, resource, &writer_entra).mods.count, 0);
        assert_int_equal(fixture_put(f, &e, u.resource, &writer_okta).mods.count, 0);
    }
    fixture_free(f);
}

/* From every resource to every other one by PUT. */
static void every_change_is_read_back_as_written(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    size_t n = ROUND_TRIPS;
    for (size_t i = 0; i < n * n; i++) {
        json_t *from = fixture_value(f, round_trips[i / n].resource);
        json_t *to = json_copy_deep(fixture_value(f, round_trips[i % n].resource));
        json_keep(f->arena, to);
        json_put_str(to, "userName", json_get_str(from, "userName"));
        struct directory_entry e = fixture_post(f, from);
        fixture_put(f, &e, to, &writer_okta);
        struct directory_user u = fixture_map(f, &e);
        assert_json(u.resource, to);
        assert_int_equal(fixture_put(f, &e, to, &writer_entra).mods.count, 0);
    }
    fixture_free(f);
}

static void what_is_not_ours_to_keep_is_not_kept(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    json_t *sent = fixture_value(
        f, "{'schemas':['x'],'id':'1','externalId':'e1','meta':{'version':'v'},'userName':'ann',"
           "'password':'secret','groups':[{'value':'g'}],"
           "'roles':[{'value':'Manager@1','type':'kiops'}],"
           "'urn:kiops:params:scim:schemas:extension:2.0:User':{'platformRole':'PlatformAdmin'}}");
    struct directory_entry e = fixture_post(f, sent);
    struct directory_user u = fixture_map(f, &e);
    assert_json(u.resource, fixture_value(f, "{'userName':'ann','active':true}"));
    assert_null(strstr(arena_cstr(f->arena, directory_value(&e, "kiopsResource")), "secret"));
    assert_string_equal(arena_cstr(f->arena, directory_value(&e, "kiopsExternalId")), "entra:e1");
    fixture_free(f);
}

/* ---- entries that administrators made or edited */

static void an_entry_that_nobody_asserted_shows_well(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(
        f, "dn: uid=ann," PEOPLE "\nobjectClass: inetOrgPerson\nuid: annie\nuid: ann\ncn: Ann K\n"
           "sn: K\ngivenName: Ann\nmail: a@x.org\nmail: b@x.org\nmobile: 2\nl: Kiel\n"
           "departmentNumber: Hull\ncreateTimestamp: 20240102030405Z\n"
           "modifyTimestamp: 20250102030405Z");
    struct directory_user u = fixture_map(f, &e);
    assert_json(u.resource,
                fixture_value(f, "{'userName':'ann','name':{'formatted':'Ann K','familyName':'K',"
                                 "'givenName':'Ann'},'active':true,'emails':[{'value':'a@x.org',"
                                 "'type':'work'},{'value':'b@x.org','type':'work'}],"
                                 "'phoneNumbers':[{'value':'2','type':'mobile'}],"
                                 "'addresses':[{'locality':'Kiel','type':'work'}],"
                                 "'" SCIM_URN_ENTERPRISE "':{'department':'Hull'}}"));
    assert_string_equal(arena_cstr(f->arena, u.display), "ann");
    char text[CLOCK_TEXT_MAX];
    assert_true(str_eq(clock_rfc3339(u.created, text), STR("2024-01-02T03:04:05Z")));
    assert_true(str_eq(clock_rfc3339(u.modified, text), STR("2025-01-02T03:04:05Z")));
    fixture_free(f);
}

static const struct {
    const char *name, *resource, *attr, *out, *in, *want;
} edits[] = {
    {"a title replaced", "{'userName':'ann','active':true,'title':'A'}", "title", "A", "B",
     "{'userName':'ann','active':true,'title':'B'}"},
    {"a title taken out", "{'userName':'ann','active':true,'title':'A'}", "title", "A", NULL,
     "{'userName':'ann','active':true}"},
    {"a filled-in name replaced", "{'userName':'ann','active':true}", "sn", "ann", "Kim",
     "{'userName':'ann','active':true,'name':{'familyName':'Kim'}}"},
    {"an address added",
     "{'userName':'ann','active':true,'emails':[{'value':'a@x','type':'home'}]}", "mail", NULL,
     "b@x",
     "{'userName':'ann','active':true,'emails':[{'value':'a@x','type':'home'},"
     "{'value':'b@x','type':'work'}]}"},
    {"an address in other letters",
     "{'userName':'ann','active':true,'emails':[{'value':'a@x','type':'home'}]}", "mail", "a@x",
     "A@X", "{'userName':'ann','active':true,'emails':[{'value':'A@X','type':'home'}]}"},
    {"a shared address taken out",
     "{'userName':'ann','active':true,'emails':[{'value':'a@x','type':'home'},{'value':'a@x'},"
     "{'value':'b@x'}]}",
     "mail", "a@x", NULL, "{'userName':'ann','active':true,'emails':[{'value':'b@x'}]}"},
    {"a telephone regrouped",
     "{'userName':'ann','active':true,'phoneNumbers':[{'value':'+49 1','type':'mobile'}]}",
     "mobile", "+49 1", "+49-1",
     "{'userName':'ann','active':true,'phoneNumbers':[{'value':'+49-1','type':'mobile'}]}"},
    {"the only street taken out",
     "{'userName':'ann','active':true,'addresses':[{'streetAddress':'s','type':'home'}]}", "street",
     "s", NULL, "{'userName':'ann','active':true}"},
    {"the street of the second, primary address",
     "{'userName':'ann','active':true,'addresses':[{'streetAddress':'s'},{'streetAddress':'t',"
     "'country':'DE','primary':true}]}",
     "street", "t", NULL,
     "{'userName':'ann','active':true,'addresses':[{'streetAddress':'s'},"
     "{'country':'DE','primary':true}]}"},
    {"deactivated", "{'userName':'ann','active':true}", "kiopsActive", NULL, "FALSE",
     "{'userName':'ann','active':false}"},
};

static void an_edit_in_ldap_shows_and_wins(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        print_message("  %s\n", edits[i].name);
        struct directory_entry e = fixture_post(f, fixture_value(f, edits[i].resource));
        struct str in = str_of(edits[i].in);
        if (edits[i].out)
            entry_take(&e, edits[i].attr, str_of(edits[i].out));
        if (edits[i].in)
            entry_put(f, &e, edits[i].attr, &in, 1);
        struct str when = STR("20300101000000Z");
        entry_put(f, &e, "modifyTimestamp", &when, 1);
        struct directory_user u = fixture_map(f, &e);
        assert_json(u.resource, fixture_value(f, edits[i].want));
        char text[CLOCK_TEXT_MAX];
        assert_true(str_eq(clock_rfc3339(u.modified, text), STR("2030-01-01T00:00:00Z")));
        /* What is shown can be sent back. */
        assert_int_equal(fixture_put(f, &e, u.resource, &writer_okta).mods.count, 0);
    }
    fixture_free(f);
}

/* ---- kiopsResource that no bridge wrote */

static void odd_bytes_in_kiops_resource_count_as_nothing(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "x",
        "[]",
        "{'v':1}",
        "{'v':2,'r':{'title':'T'}}",
        "{'v':1,'r':'x','f':[],'h':7,'t':{},'m':null}",
        "{'v':1,'r':{'nickName':7,'emails':{},'phoneNumbers':['x'],'name':[],'addresses':[7],"
        "'roles':[{'value':{}}],'unknown':'u','title':[],'active':'no'}}",
        "{'v':1,'r':{'emails':[],'name':{},'" SCIM_URN_ENTERPRISE "':{'manager':'x'}}}",
        "{'v':1,'r':{'name':{'familyname':'x'}},'f':{'sn':7}}",
        "{'v':1,'r':{'a':[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}}",
    };
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct directory_entry e = fixture_entry(
            f, "dn: uid=ann," PEOPLE "\nobjectClass: inetOrgPerson\nuid: ann\ncn: A\nsn: K");
        char *text = arena_cstr(f->arena, str_of(odd[i]));
        for (char *c = text; *c; c++)
            if (*c == '\'')
                *c = '"';
        struct str value = str_of(text);
        entry_put(f, &e, "kiopsResource", &value, 1);
        struct directory_user u = fixture_map(f, &e);
        assert_json(u.resource, fixture_value(f, "{'userName':'ann','name':{'formatted':'A',"
                                                 "'familyName':'K'},'active':true}"));
    }
    fixture_free(f);
}

static void an_entry_without_a_name_cannot_be_shown(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct error err = ERROR_INIT;
    struct directory_user u;
    struct directory_entry e =
        fixture_entry(f, "dn: cn=x," PEOPLE "\nobjectClass: person\ncn: x\nsn: x");
    assert_false(directory_map_user(&f->directory, f->arena, &e, &u, &err));
    assert_int_equal(err.kind, ERR_INTERNAL);
    fixture_free(f);
}

static void authority_is_read_as_it_stands(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e =
        fixture_entry(f, "dn: uid=ann," PEOPLE "\nuid: ann\nkiopsJoined: o:t.r\nkiopsManager: o\n"
                         "kiopsPermission: o:vpn\nkiopsPermission: o:vm\nkiopsRequest: p:t.r\n"
                         "kiopsRejected: q:t\nkiopsActive: FALSE\nkiopsExternalId: entra:1");
    struct directory_person p;
    directory_map_person(f->arena, &e, &p);
    assert_false(p.active);
    assert_int_equal(p.joined.count, 1);
    assert_int_equal(p.managers.count, 1);
    assert_int_equal(p.permissions.count, 2);
    assert_int_equal(p.requests.count, 1);
    assert_int_equal(p.rejected.count, 1);
    assert_true(str_eq(directory_external_id(&p.external_ids, STR("entra")), STR("1")));
    assert_null(directory_external_id(&p.external_ids, STR("Entra")).at); /* another client */
    assert_null(directory_external_id(&p.external_ids, STR("okta")).at);
    assert_null(directory_external_id(&p.external_ids, STR("")).at);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_resource_comes_back_as_it_went),
        cmocka_unit_test(every_change_is_read_back_as_written),
        cmocka_unit_test(what_is_not_ours_to_keep_is_not_kept),
        cmocka_unit_test(an_entry_that_nobody_asserted_shows_well),
        cmocka_unit_test(an_edit_in_ldap_shows_and_wins),
        cmocka_unit_test(odd_bytes_in_kiops_resource_count_as_nothing),
        cmocka_unit_test(an_entry_without_a_name_cannot_be_shown),
        cmocka_unit_test(authority_is_read_as_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
