/* Organizations and tokens: entries read and written without their sets. */
#include "mapping_fixture.h"

static struct directory_organization map(struct mapping_fixture *f, const struct directory_entry *e)
{
    struct error err = ERROR_INIT;
    struct directory_organization o;
    fixture_expect(directory_map_organization(&f->directory, f->arena, e, &o, &err), &err);
    return o;
}

static struct directory_entry post(struct mapping_fixture *f, const char *resource)
{
    struct error err = ERROR_INIT;
    struct directory_mods mods;
    struct directory_entry e = {.id = STR("1")};
    const struct directory_organization_edit edit = {.after = fixture_value(f, resource),
                                                     .writer = &writer_entra};
    directory_mods_init(&mods, f->arena);
    fixture_expect(directory_unmap_new_organization(&f->directory, &edit, &e.dn, &mods, &err),
                   &err);
    entry_apply(f, &e, &mods);
    return e;
}

static struct fixture_written put(struct mapping_fixture *f, struct directory_entry *e,
                                  const char *resource, const struct directory_writer *w)
{
    struct error err = ERROR_INIT;
    struct fixture_written out;
    struct directory_organization before = map(f, e);
    const struct directory_organization_edit edit = {e, &before, fixture_value(f, resource), w,
                                                     false};
    directory_mods_init(&out.mods, f->arena);
    fixture_expect(
        directory_unmap_organization(&f->directory, &edit, &out.mods, &out.new_rdn, &err), &err);
    entry_apply(f, e, &out.mods);
    return out;
}

#define EXTENSION "'" SCIM_URN_KIOPS_ORGANIZATION "'"

static void an_organization_comes_back_as_it_went(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = post(f, "{'displayName':'A, B','externalId':'g1'," EXTENSION
                                       ":{'description':'Hull works','joinPolicy':'open'}}");
    struct directory_organization o = map(f, &e);
    assert_string_equal(arena_cstr(f->arena, e.dn), "cn=A\\2c B," ORGANIZATIONS);
    assert_json(o.resource, fixture_value(f, "{'displayName':'A, B'," EXTENSION
                                             ":{'description':'Hull works','joinPolicy':'open'}}"));
    assert_true(o.open && !o.managed && o.has_placeholder_member && !o.has_placeholder_owner);
    assert_int_equal(o.members.count, 0);
    assert_true(str_eq(o.marker, STR("m1")));
    assert_true(str_eq(directory_external_id(&o.external_ids, STR("entra")), STR("g1")));
    assert_true(directory_has(&e, "objectClass", STR("kiopsOrganization")));
    fixture_free(f);
}

static void an_organization_of_an_administrator_is_closed(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = fixture_entry(
        f, "dn: cn=b," ORGANIZATIONS "\nobjectClass: groupOfNames\ncn: a\ncn: B\n"
           "member: uid=ann," PEOPLE "\nmember: CN=Nobody, ou=kiops,dc=example,dc=org\n"
           "owner: uid=ann," PEOPLE "\ndescription: x\nmodifyTimestamp: 20250102030405Z");
    struct directory_organization o = map(f, &e);
    assert_true(str_eq(o.name, STR("B"))); /* the one of cn's values that names it */
    assert_true(!o.open && o.has_placeholder_member && !o.has_placeholder_owner);
    assert_int_equal(o.members.count, 1);
    assert_int_equal(o.owners.count, 1);
    assert_true(o.created == INSTANT_NONE && o.modified != INSTANT_NONE);
    fixture_free(f);
}

static void a_change_of_an_organization_is_exact(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct directory_entry e = post(f, "{'displayName':'A'," EXTENSION ":{'description':'d'}}");
    uint64_t content = map(f, &e).content;
    const char *same =
        "{'displayName':'A'," EXTENSION ":{'description':'d','joinPolicy':'closed'}}";
    assert_int_equal(put(f, &e, same, &writer_entra).mods.count, 0);
    const char *changed =
        "{'displayName':'A'," EXTENSION ":{'description':'D','joinPolicy':'open'}}";
    assert_true(put(f, &e, changed, &writer_okta).mods.count > 0);
    assert_true(str_eq(directory_value(&e, "description"), STR("D")));
    assert_true(map(f, &e).open);
    assert_true(map(f, &e).content != content);
    assert_true(str_eq(map(f, &e).marker, STR("m2")));
    struct fixture_written w = put(f, &e, "{'displayName':'a'}", &writer_okta);
    assert_string_equal(arena_cstr(f->arena, w.new_rdn), "cn=a");
    assert_null(directory_value(&e, "description").at);
    assert_false(map(f, &e).open);
    fixture_free(f);
}

static void a_name_that_no_entry_can_have_is_refused(void **state)
{
    (void)state;
    static const char *const odd[] = {"{}", "{'displayName':'  '}", "{'displayName':'a\\u0007'}"};
    struct mapping_fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct error err = ERROR_INIT;
        struct directory_mods mods;
        struct str dn;
        const struct directory_organization_edit edit = {.after = fixture_value(f, odd[i]),
                                                         .writer = &writer_entra};
        directory_mods_init(&mods, f->arena);
        assert_false(directory_unmap_new_organization(&f->directory, &edit, &dn, &mods, &err));
        assert_int_equal(err.kind, ERR_INVALID_VALUE);
        assert_non_null(strstr(err.detail, "displayName"));
    }
    fixture_free(f);
}

/* ---- tokens */

#define TOKEN                                                                                      \
    "dn: cn=hr,ou=tokens\ncn: hr\nkiopsTokenHash: abcd\nkiopsTokenClient: hr\n"                    \
    "kiopsTokenAccess: write\nkiopsTokenProfile: entra\nkiopsTokenPushMode: direct\n"              \
    "kiopsTokenOrganization: o1\nkiopsTokenOrganization: o2\nkiopsTokenOption: write_roles=yes\n"

static void a_token_is_read_with_its_options(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct error err = ERROR_INIT;
    struct directory_token t;
    struct directory_entry e =
        fixture_entry(f, TOKEN "kiopsTokenRole: Manager\nkiopsTokenExpires: 20300101000000Z");
    assert_true(directory_map_token(f->arena, &e, &t, &err));
    assert_true(str_eq(t.role, STR("Manager")));
    assert_int_equal(t.organizations.count, 2);
    assert_int_equal(t.options.count, 1);
    assert_true(t.expires == 1893456000000000);
    e = fixture_entry(f, TOKEN "kiopsTokenRole: Manager");
    assert_true(directory_map_token(f->arena, &e, &t, &err));
    assert_true(t.expires == INSTANT_NONE);
    fixture_free(f);
}

static void a_token_with_an_odd_expiry_does_not_live_for_ever(void **state)
{
    (void)state;
    struct mapping_fixture *f = fixture_new(NULL, 0);
    struct error err = ERROR_INIT;
    struct directory_token t;
    struct directory_entry e =
        fixture_entry(f, TOKEN "kiopsTokenRole: Manager\nkiopsTokenExpires: tomorrow");
    assert_false(directory_map_token(f->arena, &e, &t, &err));
    error_clear(&err);
    e = fixture_entry(f, TOKEN "description: no role");
    assert_false(directory_map_token(f->arena, &e, &t, &err));
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_organization_comes_back_as_it_went),
        cmocka_unit_test(an_organization_of_an_administrator_is_closed),
        cmocka_unit_test(a_change_of_an_organization_is_exact),
        cmocka_unit_test(a_name_that_no_entry_can_have_is_refused),
        cmocka_unit_test(a_token_is_read_with_its_options),
        cmocka_unit_test(a_token_with_an_odd_expiry_does_not_live_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
