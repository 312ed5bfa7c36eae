/* Events and own writes in any order: links, strays, versions, tombstones, refresh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica_fixture.h"

static const char *members(struct world *w, const char *name)
{
    return listed(w, json_object_get(group(w, name), "members"), "value");
}

static json_t *own_extension(struct world *w, const char *name)
{
    return json_object_get(group(w, name), SCIM_URN_KIOPS_ORGANIZATION);
}

static size_t dangling(const struct world *w)
{
    struct replica_counts n;
    replica_count(w->replica, &n);
    return n.dangling_members;
}

static void a_member_links_whoever_comes_first(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    add_organization(&w, "alpha", "2", "kim lee", "");
    assert_string_equal(members(&w, "alpha"), "user-kim");
    assert_int_equal(dangling(&w), 1);
    add_user(&w, "lee", "3");
    assert_string_equal(members(&w, "alpha"), "user-kim user-lee");
    assert_int_equal(dangling(&w), 0);
    world_free(&w);
}

static void a_deleted_user_leaves_its_dn_dangling(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    add_organization(&w, "alpha", "2", "kim", "kim");
    replica_apply_deleted(w.replica, user_id(&w, "kim"));
    assert_string_equal(members(&w, "alpha"), "");
    assert_int_equal(dangling(&w), 1);
    assert_null(user(&w, "kim"));
    world_free(&w);
}

static void a_new_person_with_an_old_dn_is_linked_and_nothing_more_than_member(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_user kim = user_of(&w, "kim", "1");
    kim.person.joined = values_of(&w, "org-alpha:20260105080000Z.aa", NULL);
    kim.person.managers = values_of(&w, "org-alpha", NULL);
    replica_apply_user(w.replica, &kim);
    add_organization(&w, "alpha", "2", "kim", "kim");
    assert_int_equal(json_array_size(json_object_get(own_extension(&w, "alpha"), "managers")), 1);
    struct directory_user other = user_of(&w, "kim", "3");
    other.person.id = STR("user-other");
    replica_apply_user(w.replica, &other);
    replica_apply_deleted(w.replica, user_id(&w, "kim"));
    assert_string_equal(members(&w, "alpha"), "user-other");
    assert_null(json_object_get(own_extension(&w, "alpha"), "managers"));
    world_free(&w);
}

static void a_rename_leaves_the_old_value_and_links_the_new_one(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    add_organization(&w, "alpha", "2", "kim", "");
    add_organization(&w, "beta", "2", "kimberly", "");
    struct directory_user renamed = user_of(&w, "kim", "3");
    renamed.person.dn = user_dn(&w, "kimberly");
    replica_apply_user(w.replica, &renamed);
    assert_string_equal(members(&w, "alpha"), "");
    assert_string_equal(members(&w, "beta"), "user-kim");
    assert_int_equal(dangling(&w), 1);
    struct str *ids;
    assert_int_equal(replica_organizations_of(w.replica, w.arena, user_id(&w, "kim"), &ids), 1);
    assert_true(str_eq(ids[0], STR("org-beta")));
    world_free(&w);
}

static void a_dn_is_equal_whatever_its_spelling(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    struct directory_organization o = organization_of(&w, "alpha", "2");
    o.members = values_of(&w, "UID=KIM, OU=People,dc=EXAMPLE,dc=org", NULL);
    replica_apply_organization(w.replica, &o, true);
    assert_string_equal(members(&w, "alpha"), "user-kim");
    struct directory_person kim;
    assert_true(replica_person_by_dn(w.replica, w.arena, o.members.at[0], &kim));
    world_free(&w);
}

static void nested_groups_are_shown_as_groups(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_organization o = organization_of(&w, "alpha", "2");
    o.members = values_of(&w, "cn=beta,ou=orgs,dc=example,dc=org", NULL);
    replica_apply_organization(w.replica, &o, true);
    char *before = strdup(version_of(group(&w, "alpha")));
    add_organization(&w, "beta", "2", "", "");
    json_t *item = json_array_get(json_object_get(group(&w, "alpha"), "members"), 0);
    assert_true(str_eq(json_get_str(item, "value"), STR("org-beta")));
    assert_true(str_eq(json_get_str(item, "type"), STR("Group")));
    assert_true(str_eq(json_get_str(item, "$ref"), STR(BASE "/Groups/org-beta")));
    assert_string_not_equal(version_of(group(&w, "alpha")), before);
    replica_apply_deleted(w.replica, organization_id(&w, "beta"));
    assert_string_equal(version_of(group(&w, "alpha")), before);
    assert_string_equal(members(&w, "alpha"), "");
    free(before);
    world_free(&w);
}

/* ---- order */
static void event(struct world *w, unsigned which)
{
    struct directory_user u;
    switch (which) {
    case 0:
        u = user_of(w, "kim", "1");
        u.person.requests = values_of(w, "org-alpha:20260105080000Z.aa", NULL);
        replica_apply_user(w->replica, &u);
        break;
    case 1:
        u = user_of(w, "lee", "4");
        u.person.dn = user_dn(w, "park");
        u.person.joined = values_of(w, "org-alpha:20260105080000Z.bb", NULL);
        u.person.managers = values_of(w, "org-alpha", NULL);
        replica_apply_user(w->replica, &u);
        break;
    case 2:
        add_user(w, "lee", "2");
        break;
    case 3:
        add_organization(w, "alpha", "5", "lee park choi", "park");
        break;
    case 4:
        add_organization(w, "alpha", "3", "lee", "lee");
        break;
    case 5:
        add_user(w, "choi", "3");
        break;
    }
}

static void the_end_is_the_same_whatever_the_order(void **state)
{
    (void)state;
    enum { EVENTS = 6, ORDERS = 720 };
    char *expected = NULL;
    struct world w = world_new();
    for (unsigned order = 0; order < ORDERS; order++) {
        unsigned left[EVENTS] = {0, 1, 2, 3, 4, 5}, rest = order;
        replica_free(w.replica);
        w.replica = world_replica(&w);
        for (unsigned n = EVENTS; n > 0; n--) {
            unsigned at = rest % n;
            rest /= n;
            event(&w, left[at]);
            left[at] = left[n - 1];
        }
        json_t *both = json_pack("[O,O]", group(&w, "alpha"), user(&w, "lee"));
        char *text = json_dumps(both, JSON_SORT_KEYS);
        json_decref(both);
        if (!expected)
            expected = strdup(text);
        assert_string_equal(text, expected);
        free(text);
        arena_reset(w.arena);
    }
    assert_non_null(strstr(expected, "\"memberCount\": 2"));
    assert_non_null(strstr(expected, "\"pending\": 1"));
    free(expected);
    world_free(&w);
}

static void older_news_change_nothing(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "5");
    struct directory_user old = user_of(&w, "kim", "4");
    old.person.active = false;
    replica_apply_user(w.replica, &old);
    struct directory_person kim;
    assert_true(replica_person(w.replica, w.arena, user_id(&w, "kim"), &kim));
    assert_true(kim.active);
    add_organization(&w, "alpha", "5", "kim", "");
    add_organization(&w, "alpha", "4", "", "");
    assert_string_equal(members(&w, "alpha"), "user-kim");
    world_free(&w);
}

/* ---- sets */
static void own_changes_apply_only_on_the_state_they_were_made_on(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    add_user(&w, "lee", "1");
    add_organization(&w, "alpha", "2", "kim", "");
    struct replica_set_change add = {.dn = user_dn(&w, "lee"), .member = 1, .owner = 1};
    static const struct {
        const char *pre, *post;
    } refused[] = {{"1", "3"}, {"", "3"}, {"2", ""}, {"9", "3"}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(replica_apply_sets(
            w.replica, &(struct replica_sets_change){STR("org-alpha"), str_of(refused[i].pre),
                                                     str_of(refused[i].post), &add, 1, MODIFIED}));
    assert_false(replica_apply_sets(
        w.replica, &(struct replica_sets_change){STR("org-none"), STR("2"), STR("3"), &add, 1, 0}));
    assert_string_equal(members(&w, "alpha"), "user-kim");
    assert_true(replica_apply_sets(w.replica,
                                   &(struct replica_sets_change){STR("org-alpha"), STR("2"),
                                                                 STR("3"), &add, 1, MODIFIED + 1}));
    assert_string_equal(members(&w, "alpha"), "user-kim user-lee");
    struct replica_organization o;
    assert_true(replica_organization(w.replica, w.arena, STR("org-alpha"), &o));
    assert_true(str_eq(o.csn, STR("3")) && o.managed && o.owner_count == 1);
    assert_false(o.owners[0].counts);
    /* What was there before may come by the feed later. */
    add_organization(&w, "alpha", "2", "kim", "");
    assert_string_equal(members(&w, "alpha"), "user-kim user-lee");
    world_free(&w);
}

static void sets_are_as_old_as_their_last_complete_reading(void **state)
{
    (void)state;
    struct world w = world_new();
    add_organization(&w, "alpha", "2", "", "");
    struct directory_organization news = organization_of(&w, "alpha", "4");
    replica_apply_organization(w.replica, &news, false);
    struct replica_set_change add = {.dn = user_dn(&w, "lee"), .member = 1};
    assert_false(
        replica_apply_sets(w.replica, &(struct replica_sets_change){STR("org-alpha"), STR("4"),
                                                                    STR("5"), &add, 1, 0}));
    struct replica_organization o;
    assert_true(replica_organization(w.replica, w.arena, STR("org-alpha"), &o));
    assert_true(str_eq(o.csn, STR("2")));
    world_free(&w);
}

static void removing_and_adding_gives_the_version_back(void **state)
{
    (void)state;
    struct world w = world_new(), other = world_new();
    add_user(&w, "kim", "1");
    add_user(&w, "lee", "1");
    add_organization(&w, "alpha", "2", "kim", "kim");
    add_organization(&other, "alpha", "4", "kim", "kim");
    add_user(&other, "kim", "7");
    const char *version = version_of(group(&w, "alpha"));
    assert_string_equal(version, version_of(group(&other, "alpha")));
    struct replica_set_change lee = {.dn = user_dn(&w, "lee"), .member = 1};
    assert_true(
        replica_apply_sets(w.replica, &(struct replica_sets_change){STR("org-alpha"), STR("2"),
                                                                    STR("3"), &lee, 1, 0}));
    assert_string_not_equal(version, version_of(group(&w, "alpha")));
    lee.member = -1;
    assert_true(
        replica_apply_sets(w.replica, &(struct replica_sets_change){STR("org-alpha"), STR("3"),
                                                                    STR("4"), &lee, 1, 0}));
    assert_string_equal(version, version_of(group(&w, "alpha")));
    struct replica_set_change kim = {.dn = user_dn(&w, "kim"), .owner = -1};
    assert_true(
        replica_apply_sets(w.replica, &(struct replica_sets_change){STR("org-alpha"), STR("4"),
                                                                    STR("5"), &kim, 1, 0}));
    assert_string_not_equal(version, version_of(group(&w, "alpha")));
    world_free(&w);
    world_free(&other);
}

static void the_placeholder_is_a_fact_and_no_member(void **state)
{
    (void)state;
    struct world w = world_new();
    add_organization(&w, "alpha", "2", "", "");
    struct replica_set_change vacant = {
        .dn = STR("CN=Nobody,dc=example,dc=org"), .member = 1, .owner = 1};
    assert_true(
        replica_apply_sets(w.replica, &(struct replica_sets_change){STR("org-alpha"), STR("2"),
                                                                    STR("3"), &vacant, 1, 0}));
    struct replica_organization o;
    assert_true(replica_organization(w.replica, w.arena, STR("org-alpha"), &o));
    assert_true(o.has_placeholder_owner && o.owner_count == 0);
    assert_int_equal(dangling(&w), 0);
    world_free(&w);
}

/* ---- tombstones and refresh */
static void late_news_do_not_bring_the_deleted_back(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "5");
    add_organization(&w, "alpha", "5", "", "");
    replica_apply_deleted(w.replica, user_id(&w, "kim"));
    replica_apply_deleted(w.replica, organization_id(&w, "alpha"));
    replica_apply_deleted(w.replica, STR("user-ghost"));
    add_user(&w, "kim", "5");
    add_user(&w, "kim", "4");
    add_user(&w, "ghost", "");
    add_organization(&w, "alpha", "5", "", "");
    assert_null(user(&w, "kim"));
    assert_null(user(&w, "ghost"));
    assert_null(group(&w, "alpha"));
    /* Moved out of sight and back: a newer state. */
    add_user(&w, "kim", "6");
    assert_non_null(user(&w, "kim"));
    world_free(&w);
}

static void more_deletions_than_tombstones_are_forgotten_oldest_first(void **state)
{
    (void)state;
    struct world w = world_new();
    for (unsigned i = 0; i < 5000; i++) {
        replica_apply_deleted(w.replica, arena_fmt(w.arena, "user-%u", i));
        if (i % 500 == 0)
            arena_reset(w.arena);
    }
    add_user(&w, "0", "");
    add_user(&w, "4999", "");
    assert_non_null(user(&w, "0"));
    assert_null(user(&w, "4999"));
    world_free(&w);
}

static void a_refresh_drops_what_it_did_not_name(void **state)
{
    (void)state;
    struct world w = world_new();
    assert_false(replica_ready(w.replica));
    replica_refresh_begin(w.replica);
    for (unsigned i = 0; i < 50; i++)
        add_user(&w, arena_fmt(w.arena, "u%u", i * 37 % 50).at, "1");
    add_organization(&w, "alpha", "1", "u1 u2 u3", "u2");
    add_organization(&w, "beta", "1", "u1", "");
    replica_refresh_end(w.replica);
    assert_true(replica_ready(w.replica));
    assert_string_equal(members(&w, "alpha"), "user-u1 user-u2 user-u3");
    replica_refresh_begin(w.replica);
    for (unsigned i = 0; i < 50; i += 2)
        add_user(&w, arena_fmt(w.arena, "u%u", i).at, i % 4 ? "1" : "2");
    add_organization(&w, "alpha", "1", "u1 u2 u3", "u2");
    replica_refresh_end(w.replica);
    struct replica_counts n;
    replica_count(w.replica, &n);
    assert_int_equal(n.users, 25);
    assert_int_equal(n.organizations, 1);
    assert_string_equal(members(&w, "alpha"), "user-u2");
    assert_null(user(&w, "u1"));
    world_free(&w);
}

static void staleness_counts_from_when_the_feed_was_lost(void **state)
{
    (void)state;
    struct world w = world_new();
    assert_false(replica_live(w.replica));
    replica_set_live(w.replica, true);
    assert_int_equal(replica_staleness_ms(w.replica), 0);
    replica_set_live(w.replica, false);
    replica_set_live(w.replica, false);
    assert_false(replica_live(w.replica));
    assert_in_range(replica_staleness_ms(w.replica), 0, 60000);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_links_whoever_comes_first),
        cmocka_unit_test(a_deleted_user_leaves_its_dn_dangling),
        cmocka_unit_test(a_new_person_with_an_old_dn_is_linked_and_nothing_more_than_member),
        cmocka_unit_test(a_rename_leaves_the_old_value_and_links_the_new_one),
        cmocka_unit_test(a_dn_is_equal_whatever_its_spelling),
        cmocka_unit_test(nested_groups_are_shown_as_groups),
        cmocka_unit_test(the_end_is_the_same_whatever_the_order),
        cmocka_unit_test(older_news_change_nothing),
        cmocka_unit_test(own_changes_apply_only_on_the_state_they_were_made_on),
        cmocka_unit_test(sets_are_as_old_as_their_last_complete_reading),
        cmocka_unit_test(removing_and_adding_gives_the_version_back),
        cmocka_unit_test(the_placeholder_is_a_fact_and_no_member),
        cmocka_unit_test(late_news_do_not_bring_the_deleted_back),
        cmocka_unit_test(more_deletions_than_tombstones_are_forgotten_oldest_first),
        cmocka_unit_test(a_refresh_drops_what_it_did_not_name),
        cmocka_unit_test(staleness_counts_from_when_the_feed_was_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
