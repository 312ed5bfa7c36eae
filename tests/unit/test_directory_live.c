/* Reads and changes against a real slapd: what is found, what preconditions refuse, what comes
 * back. */
#include "private_slapd.h"

static struct private_slapd *slapd;
static struct directory_conn *conn;
static struct arena *arena;

static int before_each(void **state)
{
    (void)state;
    arena = arena_new();
    conn = directory_open(slapd->directory, DIRECTORY_SERVICE);
    return 0;
}

static int after_each(void **state)
{
    (void)state;
    directory_close(conn);
    arena_free(arena);
    return 0;
}

static struct directory_entries find(struct directory_search search)
{
    struct directory_entries found = {0};
    struct error err = ERROR_INIT;
    if (!directory_find(conn, arena, &search, &found, &err))
        fail_msg("%s", err.detail);
    return found;
}

/* ---- reads */

static void a_user_is_found_by_id_and_by_name(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "found");
    struct directory_entries by_id = find(directory_search_user(slapd->directory, arena, id));
    struct directory_entries by_name =
        find(directory_search_user_named(slapd->directory, arena, STR("FOUND")));
    assert_int_equal(by_id.count, 1);
    assert_int_equal(by_name.count, 1);
    assert_true(str_eq(by_id.at[0].id, id));
    assert_true(str_eq(by_id.at[0].dn, person_dn(arena, "found")));
    assert_true(by_id.at[0].csn.len > 0);
    assert_true(str_eq(directory_value(&by_name.at[0], "ENTRYUUID"), id));
    assert_true(directory_has(&by_name.at[0], "objectclass", STR("INETORGPERSON")));
}

static void a_lookup_takes_no_wildcard_and_no_foreign_id(void **state)
{
    (void)state;
    person_new(conn, arena, "wild");
    assert_int_equal(find(directory_search_user_named(slapd->directory, arena, STR("*"))).count, 0);
    assert_int_equal(
        find(directory_search_user_named(slapd->directory, arena, STR("wild)(uid=*"))).count, 0);
    assert_int_equal(find(directory_search_user(slapd->directory, arena, STR("*"))).count, 0);
    struct directory_entries admins = find(directory_search_platform(slapd->directory, arena));
    assert_int_equal(admins.count, 1);
    assert_int_equal(find(directory_search_user(slapd->directory, arena, admins.at[0].id)).count,
                     0);
}

static void an_entry_outside_the_filter_is_not_served(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "unlisted");
    modify_one(conn, arena, (struct directory_target){.dn = person_dn(arena, "unlisted")},
               (struct one_value){DIRECTORY_ADD, "title", STR("hidden")});
    assert_int_equal(find(directory_search_user(slapd->directory, arena, id)).count, 0);
}

static void a_protected_entry_is_not_served(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "guarded");
    struct str key = directory_dn_key(arena, person_dn(arena, "guarded"));
    slapd->directory->protected_keys = &key;
    slapd->directory->protected_count = 1;
    struct directory_entries found = find(directory_search_user(slapd->directory, arena, id));
    slapd->directory->protected_count = 0;
    assert_int_equal(found.count, 0);
}

static void many_searches_are_answered_in_their_order(void **state)
{
    enum { MANY = 300 };
    struct directory_search searches[MANY];
    struct directory_entries found[MANY];
    struct error err = ERROR_INIT;
    (void)state;
    for (int i = 0; i < 3; i++)
        person_new(conn, arena, arena_fmt(arena, "order%d", i).at);
    for (int i = 0; i < MANY; i++)
        searches[i] = directory_search_user_named(
            slapd->directory, arena, i % 4 == 3 ? STR_NONE : arena_fmt(arena, "order%d", i % 4));
    assert_true(
        directory_find_all(conn, arena, (struct directory_searches){searches, MANY}, found, &err));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(found[i].count, i % 4 == 3 ? 0 : 1);
        if (i % 4 != 3)
            assert_true(
                str_eq(found[i].at[0].dn, person_dn(arena, arena_fmt(arena, "order%d", i % 4).at)));
    }
}

static void absence_needs_a_whole_answer(void **state)
{
    struct directory_entries found;
    struct error err = ERROR_INIT;
    (void)state;
    struct directory_search object = {.base = STR("uid=nobody," PEOPLE), .scope = DIRECTORY_BASE};
    assert_int_equal(find(object).count, 0);
    struct directory_search subtree = {.base = STR("ou=gone," SUFFIX), .scope = DIRECTORY_SUB};
    assert_false(directory_find(conn, arena, &subtree, &found, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    err = ERROR_INIT;
    struct directory_search cut = {.base = STR(SUFFIX), .scope = DIRECTORY_SUB, .size_limit = 2};
    assert_false(directory_find(conn, arena, &cut, &found, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

static void a_value_may_hold_nul_and_any_byte(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "bytes");
    struct str value = {"a\0b\xff\r\n", 6};
    struct directory_result done =
        modify_one(conn, arena, (struct directory_target){.dn = person_dn(arena, "bytes")},
                   (struct one_value){DIRECTORY_ADD, "kiopsResource", value});
    assert_int_equal(done.outcome, DIRECTORY_DONE);
    struct directory_entries found = find(directory_search_user(slapd->directory, arena, id));
    assert_true(str_eq(directory_value(&found.at[0], "kiopsResource"), value));
}

static void a_group_is_asked_for_one_value(void **state)
{
    (void)state;
    struct str admins = STR("cn=admins,ou=kiops," SUFFIX);
    struct str nobody = STR("cn=nobody,ou=kiops," SUFFIX);
    assert_int_equal(find(directory_search_has_value(arena, admins, "member", nobody)).count, 1);
    assert_int_equal(find(directory_search_has_value(arena, admins, "member", admins)).count, 0);
}

/* ---- changes */

static void a_modify_tells_the_version_before_and_after(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "versions");
    struct str csn = find(directory_search_user(slapd->directory, arena, id)).at[0].csn;
    struct directory_target t = {.dn = person_dn(arena, "versions"), .id = id, .csn = csn};
    struct directory_result done =
        modify_one(conn, arena, t, (struct one_value){DIRECTORY_ADD, "title", STR("a")});
    assert_int_equal(done.outcome, DIRECTORY_DONE);
    assert_true(str_eq(done.pre_csn, csn));
    assert_true(done.post_csn.len > 0 && !str_eq(done.post_csn, csn));
    assert_null(done.post);
    t.csn = done.post_csn;
    t.want_post = true;
    done = modify_one(conn, arena, t, (struct one_value){DIRECTORY_REPLACE, "title", STR("b")});
    assert_true(str_eq(directory_value(done.post, "title"), STR("b")));
    assert_true(str_eq(done.post->id, id));
    assert_true(str_eq(done.post->csn, done.post_csn));
    assert_true(directory_value(done.post, "modifyTimestamp").len > 0);
}

static void every_failed_precondition_is_a_lost_race(void **state)
{
    (void)state;
    const struct one_value add_x = {DIRECTORY_ADD, "title", STR("x")};
    struct str id = person_new(conn, arena, "race");
    struct str dn = person_dn(arena, "race");
    struct str other = STR("00000000-0000-0000-0000-000000000000");
    struct directory_target bound = {.dn = dn, .id = id};
    assert_int_equal(
        modify_one(conn, arena, (struct directory_target){.dn = dn, .id = other}, add_x).outcome,
        DIRECTORY_LOST);
    bound.csn = STR("20200101000000.000000Z#000000#000#000000");
    assert_int_equal(modify_one(conn, arena, bound, add_x).outcome, DIRECTORY_LOST);
    bound.csn = STR_NONE;
    bound.extra = "(!(uid=race))";
    assert_int_equal(modify_one(conn, arena, bound, add_x).outcome, DIRECTORY_LOST);
    bound.extra = "(uid=race)";
    assert_int_equal(modify_one(conn, arena, bound, add_x).outcome, DIRECTORY_DONE);
    struct directory_result done = modify_one(conn, arena, bound, add_x);
    assert_int_equal(done.outcome, DIRECTORY_LOST);
    assert_int_equal(done.code, LDAP_TYPE_OR_VALUE_EXISTS);
    done = modify_one(conn, arena, bound, (struct one_value){DIRECTORY_DELETE, "title", STR("y")});
    assert_int_equal(done.outcome, DIRECTORY_LOST);
    assert_int_equal(done.code, LDAP_NO_SUCH_ATTRIBUTE);
    bound.dn = person_dn(arena, "nobody");
    assert_int_equal(modify_one(conn, arena, bound, add_x).outcome, DIRECTORY_ABSENT);
}

static enum directory_outcome prove(struct str dn, struct str there, struct str absent)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    directory_mods_init(&m, arena);
    if (there.len)
        directory_mods_prove_there(&m, "kiopsManager", there);
    if (absent.len)
        directory_mods_prove_absent(&m, "kiopsManager", absent);
    directory_mods_one(&m, DIRECTORY_REPLACE, "title", STR("proved"));
    struct directory_target t = {.dn = dn};
    (void)!directory_modify(conn, &t, &m, &result, &err);
    return result.outcome;
}

static void a_proof_holds_or_the_whole_modify_is_refused(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "proof");
    struct str dn = person_dn(arena, "proof");
    modify_one(conn, arena, (struct directory_target){.dn = dn},
               (struct one_value){DIRECTORY_ADD, "kiopsManager", STR("a")});
    assert_int_equal(prove(dn, STR("b"), STR_NONE), DIRECTORY_LOST);
    assert_int_equal(prove(dn, STR_NONE, STR("a")), DIRECTORY_LOST);
    struct directory_entries found = find((struct directory_search){.base = dn});
    assert_null(directory_attr(&found.at[0], "title"));
    assert_int_equal(prove(dn, STR("a"), STR("b")), DIRECTORY_DONE);
    found = find((struct directory_search){.base = dn});
    assert_true(str_eq(found.at[0].id, id));
    assert_int_equal(directory_attr(&found.at[0], "kiopsManager")->count, 1);
    assert_true(directory_has(&found.at[0], "title", STR("proved")));
}

static void a_taken_name_exists_wherever_it_stands(void **state)
{
    struct directory_result result;
    struct directory_mods m;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "taken");
    assert_true(person_add(conn, arena, "taken", &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_EXISTS);
    assert_int_equal(result.code, LDAP_ALREADY_EXISTS);
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("inetOrgPerson"));
    directory_mods_one(&m, DIRECTORY_ADD, "uid", STR("Taken"));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", STR("other"));
    directory_mods_one(&m, DIRECTORY_ADD, "sn", STR("other"));
    assert_true(directory_add(conn, STR("cn=other,ou=away," SUFFIX), &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_EXISTS);
    assert_int_equal(result.code, LDAP_CONSTRAINT_VIOLATION);
}

static void bad_data_is_refused_naming_the_attribute(void **state)
{
    static const struct {
        const char *attr, *value;
    } cases[] = {{"noSuchThing", "x"},
                 {"kiopsActive", "perhaps"},
                 {"ou;x-bad option", "x"},
                 {"member", "uid=a," SUFFIX},
                 {"mail", "caf\xC3\xA9@x"}};
    (void)state;
    person_new(conn, arena, "baddata");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct directory_mods m;
        struct directory_result result;
        struct error err = ERROR_INIT;
        struct directory_target t = {.dn = person_dn(arena, "baddata")};
        directory_mods_init(&m, arena);
        directory_mods_one(&m, DIRECTORY_ADD, cases[i].attr, str_of(cases[i].value));
        bool fine = directory_modify(conn, &t, &m, &result, &err);
        if (i == 3) { /* a membership attribute may be a precondition */
            assert_int_equal(result.outcome, DIRECTORY_LOST);
            continue;
        }
        assert_false(fine);
        assert_int_equal(result.outcome, DIRECTORY_REFUSED);
        assert_int_equal(err.kind, ERR_INVALID_VALUE);
        assert_null(strstr(err.detail, "dc="));
        if (i != 2)
            assert_non_null(strstr(err.detail, cases[i].attr));
    }
}

static void the_last_owner_cannot_leave_a_managed_organization(void **state)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct str classes[] = {STR("groupOfNames"), STR("kiopsOrganization"),
                            STR("kiopsManagedOrganization")};
    struct str dn = STR("cn=managed,ou=organizations," SUFFIX), nobody = STR("cn=nobody," SUFFIX);
    (void)state;
    directory_mods_init(&m, arena);
    directory_mods_push(&m, DIRECTORY_ADD, "objectClass", classes, 3);
    directory_mods_one(&m, DIRECTORY_ADD, "cn", STR("managed"));
    directory_mods_one(&m, DIRECTORY_ADD, "member", nobody);
    directory_mods_one(&m, DIRECTORY_ADD, "owner", nobody);
    assert_true(directory_add(conn, dn, &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    struct directory_target t = {.dn = dn};
    result = modify_one(conn, arena, t, (struct one_value){DIRECTORY_DELETE, "owner", nobody});
    assert_int_equal(result.outcome, DIRECTORY_LOST);
    assert_int_equal(result.code, LDAP_OBJECT_CLASS_VIOLATION);
}

static void a_rename_keeps_the_id_and_a_delete_is_bound_to_it(void **state)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    (void)state;
    struct str id = person_new(conn, arena, "oldname");
    struct directory_target t = {.dn = person_dn(arena, "oldname"),
                                 .id = id,
                                 .new_rdn = STR("uid=newname"),
                                 .want_post = true};
    assert_true(directory_rename(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    assert_true(str_eq(result.post->id, id));
    assert_true(str_eq(result.post->dn, person_dn(arena, "newname")));
    assert_false(directory_has(result.post, "uid", STR("oldname")));
    t = (struct directory_target){.dn = person_dn(arena, "newname"),
                                  .id = STR("00000000-0000-0000-0000-000000000000")};
    assert_true(directory_delete(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_LOST);
    t.id = id;
    assert_true(directory_delete(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    assert_true(result.pre_csn.len > 0);
    assert_true(directory_delete(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_ABSENT);
}

static void a_password_is_set_and_policy_speaks_in_our_words(void **state)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "login");
    struct str dn = person_dn(arena, "login");
    assert_false(directory_set_password(conn, dn, STR("short"), &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_REFUSED);
    assert_int_equal(err.kind, ERR_INVALID_VALUE);
    assert_non_null(strstr(err.detail, "short"));
    err = ERROR_INIT;
    assert_true(directory_set_password(conn, dn, STR("long enough"), &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    assert_true(directory_bind_person(slapd->directory, dn, STR("long enough"), &err));
    assert_false(directory_bind_person(slapd->directory, dn, STR("long enougH"), &err));
    assert_int_equal(err.kind, ERR_UNAUTHORIZED);
    err = ERROR_INIT;
    assert_false(directory_bind_person(slapd->directory, dn, STR_NONE, &err));
    assert_int_equal(err.kind, ERR_UNAUTHORIZED);
}

static void read_only_means_no_write(void **state)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    (void)state;
    slapd->config.directory.writes = false;
    bool fine = person_add(conn, arena, "never", &result, &err);
    slapd->config.directory.writes = true;
    assert_false(fine);
    assert_int_equal(result.outcome, DIRECTORY_UNAVAILABLE);
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, before_each, after_each)

static int before_all(void **state)
{
    (void)state;
    slapd = slapd_start();
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    slapd_remove(slapd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(a_user_is_found_by_id_and_by_name),
        LIVE(a_lookup_takes_no_wildcard_and_no_foreign_id),
        LIVE(an_entry_outside_the_filter_is_not_served),
        LIVE(a_protected_entry_is_not_served),
        LIVE(many_searches_are_answered_in_their_order),
        LIVE(absence_needs_a_whole_answer),
        LIVE(a_value_may_hold_nul_and_any_byte),
        LIVE(a_group_is_asked_for_one_value),
        LIVE(a_modify_tells_the_version_before_and_after),
        LIVE(every_failed_precondition_is_a_lost_race),
        LIVE(a_proof_holds_or_the_whole_modify_is_refused),
        LIVE(a_taken_name_exists_wherever_it_stands),
        LIVE(bad_data_is_refused_naming_the_attribute),
        LIVE(the_last_owner_cannot_leave_a_managed_organization),
        LIVE(a_rename_keeps_the_id_and_a_delete_is_bound_to_it),
        LIVE(a_password_is_set_and_policy_speaks_in_our_words),
        LIVE(read_only_means_no_write),
    };
    return cmocka_run_group_tests(tests, before_all, after_all);
}
