/* Lists: filters by index and by scan, sorting, pages, totals on the view, what is to be confirmed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica_fixture.h"

enum { PEOPLE = 20 };

/* u00..u19, odd ones inactive; alpha holds u00..u09, beta u05..u07 and the group alpha. */
static struct world crowd(void)
{
    struct world w = world_new();
    for (unsigned i = 0; i < PEOPLE; i++) {
        struct str name = arena_fmt(w.arena, "u%02u", i);
        struct directory_user u = user_of(&w, name.at, "1");
        if (i % 2) {
            u.person.active = false;
            json_put(u.resource, "active", json_false());
        }
        if (i < 10)
            json_put(u.resource, "title", json_sprintf("Title %c", 'K' - (char)(i % 3)));
        u.person.external_ids =
            values_of(&w, arena_fmt(w.arena, "idp:ext-%u", i).at, "hr:same", NULL);
        json_put(u.resource, SCIM_URN_ENTERPRISE,
                 json_pack("{s:s}", "department", i < 3 ? "Ops, \"}{\\" : "Hull"));
        replica_apply_user(w.replica, &u);
    }
    add_organization(&w, "alpha", "1", "u00 u01 u02 u03 u04 u05 u06 u07 u08 u09", "");
    struct directory_organization o = organization_of(&w, "beta", "1");
    o.members = values_of(&w, user_dn(&w, "u05").at, user_dn(&w, "u06").at, user_dn(&w, "u07").at,
                          organization_dn(&w, "alpha").at, NULL);
    o.external_ids = values_of(&w, "idp:grp", NULL);
    replica_apply_organization(w.replica, &o, true);
    add_organization(&w, "gamma", "1", "", "");
    return w;
}

static struct replica_query query(struct world *w, enum replica_kind kind, const char *filter)
{
    struct replica_query q = {.kind = kind,
                              .start_index = 1,
                              .count = 100,
                              .actor = &everyone_sees,
                              .want = {.members = true}};
    const struct scim_context in =
        fixture_context(w->arena, w->catalog, kind == REPLICA_USER ? "User" : "Group");
    struct error err = ERROR_INIT;
    if (filter)
        fixture_expect(scim_filter_parse(&in, str_of(filter), &q.filter, &err), &err);
    return q;
}

static struct replica_page find(struct world *w, const struct replica_query *q)
{
    struct replica_page page;
    struct error err = ERROR_INIT;
    fixture_expect(replica_find(w->replica, w->arena, q, &page, &err), &err);
    return page;
}

/* Ids without their kind, with spaces between. */
static const char *ids_of(struct world *w, const struct replica_page *page)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < page->count; i++) {
        struct str id = page->at[i].id;
        size_t dash;
        assert_true(str_find(id, '-', &dash));
        if (i)
            buf_char(&out, ' ');
        buf_str(&out, str_sub(id, dash + 1, id.len));
    }
    return arena_cstr(w->arena, buf_view(&out));
}

static void filters_find_what_they_say(void **state)
{
    (void)state;
    static const struct {
        enum replica_kind kind;
        const char *filter, *ids;
    } cases[] = {
        {REPLICA_USER, "id eq \"user-u03\"", "u03"},
        {REPLICA_USER, "id eq \"USER-U03\"", ""},
        {REPLICA_USER, "id eq \"org-alpha\"", ""},
        {REPLICA_USER, "userName eq \"U03\"", "u03"},
        {REPLICA_USER, "userName eq \"u03\" and active eq true", ""},
        {REPLICA_USER, "userName eq \"u03\" or userName eq \"u04\"", "u03 u04"},
        {REPLICA_USER, "not (userName ne \"u03\")", "u03"},
        {REPLICA_USER, "externalId eq \"ext-7\"", "u07"},
        {REPLICA_USER, "externalId eq \"EXT-7\"", ""},
        {REPLICA_USER, "externalId eq \"same\"", ""},
        {REPLICA_USER, "emails.value eq \"U03@EXAMPLE.org\"", "u03"},
        {REPLICA_USER, "emails eq \"u03@example.org\"", "u03"},
        {REPLICA_USER, "emails[type eq \"work\"].value eq \"u03@example.org\"", "u03"},
        {REPLICA_USER, "emails[type eq \"home\"].value eq \"u03@example.org\"", ""},
        {REPLICA_USER, "userName sw \"u1\" and active eq false", "u11 u13 u15 u17 u19"},
        {REPLICA_USER, "title eq \"title k\"", "u00 u03 u06 u09"},
        {REPLICA_USER, "groups.value eq \"org-beta\"", "u05 u06 u07"},
        {REPLICA_USER, "groups[value eq \"org-beta\"] and active eq true", "u06"},
        {REPLICA_USER, "groups.display eq \"project beta\"", "u05 u06 u07"},
        {REPLICA_USER, "not (groups pr) and userName lt \"u12\"", "u10 u11"},
        {REPLICA_USER, "roles.value eq \"Member@org-beta\"", "u05 u06 u07"},
        {REPLICA_USER, SCIM_URN_KIOPS_USER ":memberships.value eq \"org-beta\"", "u05 u06 u07"},
        {REPLICA_USER, SCIM_URN_ENTERPRISE ":department eq \"Ops, \\\"}{\\\\\"", "u00 u01 u02"},
        {REPLICA_USER, "schemas eq \"" SCIM_URN_KIOPS_USER "\" and userName ge \"u08\"", "u08 u09"},
        {REPLICA_USER, "meta.resourceType eq \"Group\"", ""},
        {REPLICA_USER, "meta.created gt \"2026-01-05T07:00:00Z\" and title co \"I\"",
         "u00 u01 u02 u03 u04 u05 u06 u07 u08 u09"},
        {REPLICA_GROUP, "displayName eq \"project ALPHA\"", "alpha"},
        {REPLICA_GROUP, "displayName sw \"Project\"", "alpha beta gamma"},
        {REPLICA_GROUP, "externalId eq \"grp\"", "beta"},
        {REPLICA_GROUP, "members eq \"user-u05\"", "alpha beta"},
        {REPLICA_GROUP, "members.value eq \"user-u01\"", "alpha"},
        {REPLICA_GROUP, "members[value eq \"user-u05\"] and displayName ew \"a\"", "alpha beta"},
        {REPLICA_GROUP, "members.value eq \"org-alpha\"", "beta"},
        {REPLICA_GROUP, "members.value eq \"user-u05\" and not (members.value eq \"user-u01\")",
         "beta"},
        {REPLICA_GROUP, "members.value eq \"user-u05\" and not (members.display co \"u01\")",
         "beta"},
        {REPLICA_GROUP, "members[type eq \"Group\"]", "beta"},
        {REPLICA_GROUP, "not (members pr)", "gamma"},
        {REPLICA_GROUP, "id eq \"org-alpha\" and members eq \"user-u01\"", "alpha"},
        {REPLICA_GROUP, "id eq \"org-beta\" and members eq \"user-u01\"", ""},
        {REPLICA_GROUP, SCIM_URN_KIOPS_ORGANIZATION ":joinPolicy eq \"closed\"",
         "alpha beta gamma"},
        {REPLICA_GROUP, SCIM_URN_KIOPS_ORGANIZATION ":memberCount gt 3", "alpha beta"},
        {REPLICA_GROUP, NULL, "alpha beta gamma"},
    };
    struct world w = crowd();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q = query(&w, cases[i].kind, cases[i].filter);
        struct replica_page page = find(&w, &q);
        assert_string_equal(ids_of(&w, &page), cases[i].ids);
        assert_int_equal(page.total, page.count);
    }
    world_free(&w);
}

static void a_filter_shows_the_whole_resource_not_what_it_asked_for(void **state)
{
    (void)state;
    struct world w = crowd();
    struct replica_query q = query(&w, REPLICA_GROUP, "members eq \"user-u05\"");
    struct replica_page page = find(&w, &q);
    struct replica_text alone;
    assert_true(replica_show(
        w.replica, w.arena,
        &(struct replica_ask){REPLICA_GROUP, STR("org-alpha"), &everyone_sees, q.want}, &alone));
    assert_true(str_eq(page.at[0].json, alone.json));
    assert_true(str_eq(page.at[0].version, alone.version));
    world_free(&w);
}

static void mails_with_one_key_give_their_owner_once(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_user u = user_of(&w, "kim", "1");
    json_put(u.resource, "emails",
             json_pack("[{s:s},{s:s}]", "value", "kim@example.org", "value", "KIM@example.org"));
    u.person.external_ids = values_of(&w, "idp:1", "idp:1", NULL);
    replica_apply_user(w.replica, &u);
    struct replica_query q = query(&w, REPLICA_USER, "emails.value eq \"kim@example.org\"");
    assert_int_equal(find(&w, &q).total, 1);
    add_user(&w, "kim", "2");
    q = query(&w, REPLICA_USER, "externalId eq \"1\"");
    assert_int_equal(find(&w, &q).total, 0);
    world_free(&w);
}

static void indexes_follow_changes(void **state)
{
    (void)state;
    struct world w = crowd();
    struct directory_user u = user_of(&w, "u03", "2");
    u.user_name = STR("renamed");
    json_put_str(u.resource, "userName", u.user_name);
    json_put(u.resource, "emails", json_pack("[{s:s}]", "value", "new@example.org"));
    replica_apply_user(w.replica, &u);
    static const struct {
        const char *filter;
        int64_t total;
    } cases[] = {
        {"userName eq \"u03\"", 0},
        {"userName eq \"RENAMED\"", 1},
        {"externalId eq \"ext-3\"", 0},
        {"emails.value eq \"u03@example.org\"", 0},
        {"emails.value eq \"new@example.org\"", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q = query(&w, REPLICA_USER, cases[i].filter);
        assert_int_equal(find(&w, &q).total, cases[i].total);
    }
    world_free(&w);
}

/* ---- pages */
static void pages_hold_each_resource_once(void **state)
{
    (void)state;
    static const char *const filters[] = {NULL, "active eq true", "userName sw \"u\""};
    static const int64_t counts[] = {1, 3, 7, 10, 20, 21, 100};
    struct world w = crowd();
    for (size_t f = 0; f < 3; f++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            struct replica_query q = query(&w, REPLICA_USER, filters[f]);
            const char *all = NULL;
            struct replica_page page = find(&w, &q);
            const char *expected = ids_of(&w, &page);
            int64_t total = page.total;
            q.count = counts[c];
            for (; q.start_index <= total; q.start_index += q.count) {
                page = find(&w, &q);
                assert_int_equal(page.total, total);
                const char *ids = ids_of(&w, &page);
                all = all ? arena_fmt(w.arena, "%s %s", all, ids).at : ids;
            }
            assert_string_equal(all, expected);
        }
    }
    world_free(&w);
}

static void pages_at_the_edges_are_empty_with_the_right_total(void **state)
{
    (void)state;
    static const struct {
        int64_t start, count;
        size_t expected;
    } cases[] = {
        {1, 0, 0},  {1, -5, 0},        {21, 10, 0},         {20, 10, 1},        {0, 5, 5},
        {-7, 5, 5}, {INT64_MAX, 5, 0}, {INT64_MIN, 50, 20}, {1, INT64_MAX, 20},
    };
    struct world w = crowd();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q = query(&w, REPLICA_USER, i % 2 ? "id pr" : NULL);
        q.start_index = cases[i].start;
        q.count = cases[i].count;
        struct replica_page page = find(&w, &q);
        assert_int_equal(page.count, cases[i].expected);
        assert_int_equal(page.total, PEOPLE);
    }
    world_free(&w);
}

static void an_empty_replica_lists_nothing(void **state)
{
    (void)state;
    struct world w = world_new();
    struct replica_query q = query(&w, REPLICA_USER, NULL);
    struct replica_page page = find(&w, &q);
    assert_int_equal(page.total + (int64_t)page.count, 0);
    assert_int_equal(page.confirm_count, 0);
    world_free(&w);
}

/* ---- sorting */
static void sorting_is_total_and_puts_what_has_no_value_at_the_right_end(void **state)
{
    (void)state;
    static const struct {
        const char *by, *order, *first, *last;
    } cases[] = {
        {"userName", "ascending", "u00 u01", "u18 u19"},
        {"userName", "descending", "u19 u18", "u01 u00"},
        {"title", "ascending", "u02 u05", "u18 u19"},
        {"title", "descending", "u10 u11", "u05 u08"},
        {"active", "ascending", "u01 u03", "u16 u18"},
        {"emails", "descending", "u19 u18", "u01 u00"},
        {"id", "descending", "u19 u18", "u01 u00"},
        {"meta.lastModified", "ascending", "u00 u01", "u18 u19"},
    };
    struct world w = crowd();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q = query(&w, REPLICA_USER, NULL);
        const struct scim_context in = fixture_context(w.arena, w.catalog, "User");
        struct error err = ERROR_INIT;
        fixture_expect(
            scim_sort_parse(&in, str_of(cases[i].by), str_of(cases[i].order), &q.sort, &err), &err);
        q.count = 2;
        struct replica_page page = find(&w, &q);
        assert_string_equal(ids_of(&w, &page), cases[i].first);
        q.start_index = PEOPLE - 1;
        page = find(&w, &q);
        assert_string_equal(ids_of(&w, &page), cases[i].last);
        assert_int_equal(page.total, PEOPLE);
    }
    world_free(&w);
}

/* ---- the view */
static void totals_and_filters_are_those_of_the_view(void **state)
{
    (void)state;
    static const struct {
        const char *organization;
        enum replica_kind kind;
        const char *filter, *ids;
    } cases[] = {
        {"org-beta", REPLICA_USER, NULL, "u05 u06 u07"},
        {"org-beta", REPLICA_USER, "active eq false", "u05 u07"},
        {"org-beta", REPLICA_USER, "groups.value eq \"org-alpha\"", ""},
        {"org-beta", REPLICA_USER, "groups.value eq \"org-beta\"", "u05 u06 u07"},
        {"org-beta", REPLICA_USER, "userName eq \"u01\"", ""},
        {"org-beta", REPLICA_USER, "externalId eq \"same\"", "u05 u06 u07"},
        {"org-beta", REPLICA_GROUP, NULL, "beta"},
        {"org-beta", REPLICA_GROUP, "members eq \"user-u05\"", "beta"},
        {"org-beta", REPLICA_GROUP, "id eq \"org-alpha\"", ""},
        {"org-gamma", REPLICA_USER, NULL, ""},
    };
    struct world w = crowd();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct directory_values bound = values_of(&w, cases[i].organization, NULL);
        struct kiops_actor manager = {.kind = KIOPS_ACTOR_TOKEN,
                                      .client = STR("hr"),
                                      .role = KIOPS_MANAGER,
                                      .organizations = bound.at,
                                      .organization_count = bound.count};
        struct replica_query q = query(&w, cases[i].kind, cases[i].filter);
        q.actor = &manager;
        struct replica_page page = find(&w, &q);
        assert_string_equal(ids_of(&w, &page), cases[i].ids);
        assert_int_equal(page.total, page.count);
    }
    world_free(&w);
}

static void a_manager_of_many_sees_the_same_as_one_of_few(void **state)
{
    (void)state;
    struct world w = crowd();
    struct str bound[30];
    for (size_t i = 0; i < 30; i++)
        bound[i] = i == 17 ? STR("org-beta") : arena_fmt(w.arena, "org-%zu", 30 - i);
    struct kiops_actor manager = {.kind = KIOPS_ACTOR_TOKEN,
                                  .role = KIOPS_MANAGER,
                                  .organizations = bound,
                                  .organization_count = 30};
    struct replica_query q = query(&w, REPLICA_USER, NULL);
    q.actor = &manager;
    struct replica_page page = find(&w, &q);
    assert_string_equal(ids_of(&w, &page), "u05 u06 u07");
    world_free(&w);
}

static void who_may_ask_finds_the_open_ones(void **state)
{
    (void)state;
    struct world w = crowd();
    struct directory_organization o = organization_of(&w, "gamma", "2");
    o.open = true;
    replica_apply_organization(w.replica, &o, true);
    struct kiops_actor nobody = {.kind = KIOPS_ACTOR_PERSON, .id = STR("user-u19")};
    struct replica_query q =
        query(&w, REPLICA_GROUP, SCIM_URN_KIOPS_ORGANIZATION ":joinPolicy eq \"open\"");
    q.actor = &nobody;
    struct replica_page page = find(&w, &q);
    assert_string_equal(ids_of(&w, &page), "gamma");
    assert_null(strstr(arena_cstr(w.arena, page.at[0].json), "joinPolicy"));
    q = query(&w, REPLICA_GROUP, SCIM_URN_KIOPS_ORGANIZATION ":memberCount ge 0");
    q.actor = &nobody;
    assert_int_equal(find(&w, &q).total, 0);
    world_free(&w);
}

static void the_list_of_a_person_holds_the_person(void **state)
{
    (void)state;
    struct world w = crowd();
    struct kiops_actor self;
    assert_true(replica_actor(w.replica, w.arena, STR("user-u05"), &self));
    struct replica_query q = query(&w, REPLICA_USER, "userName pr");
    q.actor = &self;
    struct replica_page page = find(&w, &q);
    assert_string_equal(ids_of(&w, &page), "u05");
    assert_non_null(strstr(arena_cstr(w.arena, page.at[0].json), "org-alpha"));
    world_free(&w);
}

static void a_page_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct world w = crowd();
    const char *const filters[] = {NULL, "userName pr"};
    for (size_t i = 0; i < 2; i++) {
        struct error err = ERROR_INIT;
        struct replica_page page;
        struct replica_query q = query(&w, REPLICA_USER, filters[i]);
        q.count = 5;
        q.bytes_max = 100; /* less than one of them */
        assert_false(replica_find(w.replica, w.arena, &q, &page, &err));
        assert_int_equal(err.kind, ERR_TOO_MANY);
        q.count = 1;
        assert_int_equal(find(&w, &q).count, 1);
        q.count = 5;
        q.bytes_max = (size_t)1 << 20;
        assert_int_equal(find(&w, &q).count, 5);
    }
    world_free(&w);
}

/* ---- confirming */
static void a_unique_key_that_finds_nothing_is_to_be_confirmed(void **state)
{
    (void)state;
    static const struct {
        enum replica_kind kind;
        const char *filter, *attr, *value;
    } cases[] = {
        {REPLICA_USER, "id eq \"user-x\"", "id", "user-x"},
        {REPLICA_USER, "userName eq \"New\"", "userName", "New"},
        {REPLICA_USER, "userName eq \"New\" and active eq true", "userName", "New"},
        {REPLICA_USER, "externalId eq \"e9\"", "externalId", "e9"},
        {REPLICA_GROUP, "displayName eq \"None\"", "displayName", "None"},
        {REPLICA_GROUP, "externalId eq \"none\"", "externalId", "none"},
        {REPLICA_GROUP, "id eq \"org-x\"", "id", "org-x"},
        {REPLICA_GROUP, "id eq \"org-beta\" and members eq \"user-u01\"", "id", "org-beta"},
        {REPLICA_USER, "userName eq \"u01\"", NULL, NULL},
        {REPLICA_USER, "userName eq \"u01\" and active eq true", NULL, NULL},
        {REPLICA_USER, "userName eq \"\"", NULL, NULL},
        {REPLICA_USER, "userName co \"New\"", NULL, NULL},
        {REPLICA_USER, "userName eq \"x\" or userName eq \"y\"", NULL, NULL},
        {REPLICA_USER, "emails.value eq \"x@y\"", NULL, NULL},
        {REPLICA_GROUP, "members eq \"user-x\"", NULL, NULL},
    };
    struct world w = crowd();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct replica_query q = query(&w, cases[i].kind, cases[i].filter);
        struct replica_page page = find(&w, &q);
        assert_int_equal(page.confirm_count, cases[i].attr != NULL);
        assert_true(str_eq(page.confirm[0].attr, str_of(cases[i].attr)));
        assert_true(str_eq(page.confirm[0].value, str_of(cases[i].value)));
    }
    world_free(&w);
}

static void what_is_hidden_is_confirmed_like_what_is_unknown(void **state)
{
    (void)state;
    struct world w = crowd();
    struct directory_values bound = values_of(&w, "org-beta", NULL);
    struct kiops_actor manager = {.kind = KIOPS_ACTOR_TOKEN,
                                  .role = KIOPS_MANAGER,
                                  .organizations = bound.at,
                                  .organization_count = bound.count};
    static const char *const filters[] = {"userName eq \"u01\"", "userName eq \"nobody\""};
    for (size_t i = 0; i < 2; i++) {
        struct replica_query q = query(&w, REPLICA_USER, filters[i]);
        q.actor = &manager;
        struct replica_page page = find(&w, &q);
        assert_int_equal(page.total, 0);
        assert_int_equal(page.confirm_count, 1);
    }
    world_free(&w);
}

static void without_a_client_an_external_id_is_nobodys(void **state)
{
    (void)state;
    struct world w = crowd();
    struct kiops_actor actor = {.kind = KIOPS_ACTOR_PERSON, .role = KIOPS_PLATFORM_ADMIN};
    struct replica_query q = query(&w, REPLICA_USER, "externalId eq \"same\"");
    q.actor = &actor;
    struct replica_page page = find(&w, &q);
    assert_int_equal(page.total, 0);
    assert_int_equal(page.confirm_count, 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_find_what_they_say),
        cmocka_unit_test(a_filter_shows_the_whole_resource_not_what_it_asked_for),
        cmocka_unit_test(mails_with_one_key_give_their_owner_once),
        cmocka_unit_test(indexes_follow_changes),
        cmocka_unit_test(pages_hold_each_resource_once),
        cmocka_unit_test(pages_at_the_edges_are_empty_with_the_right_total),
        cmocka_unit_test(an_empty_replica_lists_nothing),
        cmocka_unit_test(sorting_is_total_and_puts_what_has_no_value_at_the_right_end),
        cmocka_unit_test(totals_and_filters_are_those_of_the_view),
        cmocka_unit_test(a_manager_of_many_sees_the_same_as_one_of_few),
        cmocka_unit_test(who_may_ask_finds_the_open_ones),
        cmocka_unit_test(the_list_of_a_person_holds_the_person),
        cmocka_unit_test(a_page_that_is_too_large_is_refused),
        cmocka_unit_test(a_unique_key_that_finds_nothing_is_to_be_confirmed),
        cmocka_unit_test(what_is_hidden_is_confirmed_like_what_is_unknown),
        cmocka_unit_test(without_a_client_an_external_id_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
