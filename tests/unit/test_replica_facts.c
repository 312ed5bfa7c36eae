/* What events make known: requests, Managers and PlatformAdmins that count, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica_fixture.h"

static json_t *own_extension(struct world *w, const char *name)
{
    return json_object_get(group(w, name), SCIM_URN_KIOPS_ORGANIZATION);
}

static void a_request_waits_until_its_maker_is_a_member(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_user kim = user_of(&w, "kim", "1");
    kim.person.requests = values_of(&w, "org-alpha:20260105080000Z.aa", NULL);
    replica_apply_user(w.replica, &kim);
    add_organization(&w, "alpha", "2", "", "");
    assert_int_equal(json_integer_value(json_object_get(own_extension(&w, "alpha"), "pending")), 1);
    assert_true(replica_membership(w.replica, STR("org-alpha"), STR("user-kim")).pending);
    add_organization(&w, "alpha", "3", "kim", "");
    assert_int_equal(json_integer_value(json_object_get(own_extension(&w, "alpha"), "pending")), 0);
    assert_false(replica_membership(w.replica, STR("org-alpha"), STR("user-kim")).pending);
    add_organization(&w, "alpha", "4", "", "");
    assert_int_equal(json_integer_value(json_object_get(own_extension(&w, "alpha"), "pending")), 1);
    replica_apply_deleted(w.replica, STR("org-alpha"));
    add_organization(&w, "alpha", "5", "", "");
    assert_int_equal(json_integer_value(json_object_get(own_extension(&w, "alpha"), "pending")), 1);
    add_user(&w, "kim", "6");
    assert_int_equal(json_integer_value(json_object_get(own_extension(&w, "alpha"), "pending")), 0);
    world_free(&w);
}

static void a_manager_counts_with_all_four_values(void **state)
{
    (void)state;
    static const struct {
        const char *members, *owners, *joined, *manager;
        bool counts;
    } cases[] = {
        {"kim", "kim", "org-alpha:20260105080000Z.aa", "org-alpha", true},
        {"", "kim", "org-alpha:20260105080000Z.aa", "org-alpha", false},
        {"kim", "", "org-alpha:20260105080000Z.aa", "org-alpha", false},
        {"kim", "kim", "org-alphabet:20260105080000Z.aa", "org-alpha", false},
        {"kim", "kim", "org-alpha:20260105080000Z.aa", "org-beta", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w = world_new();
        struct directory_user kim = user_of(&w, "kim", "1");
        kim.person.joined = values_of(&w, cases[i].joined, NULL);
        kim.person.managers = values_of(&w, cases[i].manager, NULL);
        replica_apply_user(w.replica, &kim);
        add_organization(&w, "alpha", "2", cases[i].members, cases[i].owners);
        struct replica_membership m =
            replica_membership(w.replica, STR("org-alpha"), STR("user-kim"));
        assert_int_equal(m.counts_as_manager, cases[i].counts);
        struct replica_counts n;
        replica_count(w.replica, &n);
        assert_int_equal(n.vacant_seats, *cases[i].owners && !cases[i].counts);
        struct kiops_actor actor;
        assert_true(replica_actor(w.replica, w.arena, STR("user-kim"), &actor));
        assert_int_equal(actor.role, cases[i].counts     ? KIOPS_MANAGER
                                     : *cases[i].members ? KIOPS_MEMBER
                                                         : KIOPS_NO_ROLE);
        world_free(&w);
    }
}

static void a_platform_admin_is_in_the_group_and_says_so_itself(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_user kim = user_of(&w, "kim", "1");
    kim.person.joined = values_of(&w, "platform:20260105080000Z.aa", NULL);
    replica_apply_user(w.replica, &kim);
    add_user(&w, "lee", "1");
    struct directory_values both = dns_of(&w, "kim lee");
    replica_apply_platform(w.replica, STR("3"), &both);
    struct str *ids;
    assert_int_equal(replica_admins(w.replica, w.arena, &ids), 1);
    assert_true(str_eq(ids[0], STR("user-kim")) && replica_is_admin(w.replica, STR("user-kim")));
    assert_false(replica_is_admin(w.replica, STR("user-lee")));
    struct kiops_actor actor;
    assert_true(replica_actor(w.replica, w.arena, STR("user-kim"), &actor));
    assert_int_equal(actor.role, KIOPS_PLATFORM_ADMIN);
    struct directory_values none = {NULL, 0};
    replica_apply_platform(w.replica, STR("2"), &none);
    assert_int_equal(replica_admins(w.replica, w.arena, &ids), 1);
    kim.person.active = false;
    kim.person.csn = STR("4");
    replica_apply_user(w.replica, &kim);
    assert_int_equal(replica_admins(w.replica, w.arena, &ids), 0);
    assert_true(replica_actor(w.replica, w.arena, STR("user-kim"), &actor));
    assert_int_equal(actor.role, KIOPS_NO_ROLE);
    world_free(&w);
}

static void tokens_are_found_by_hash_until_they_are_deleted(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_token t = {.name = STR("idp"),
                                .hash = STR("aa"),
                                .id = STR("t1"),
                                .csn = STR("2"),
                                .role = STR("Manager")};
    t.organizations = values_of(&w, "org-alpha", NULL);
    replica_apply_token(w.replica, &t);
    struct directory_token found;
    assert_true(replica_token(w.replica, w.arena, STR("aa"), &found));
    assert_true(str_eq(found.organizations.at[0], STR("org-alpha")));
    t.csn = STR("1");
    t.hash = STR("bb");
    replica_apply_token(w.replica, &t);
    assert_false(replica_token(w.replica, w.arena, STR("bb"), &found));
    t.csn = STR("3");
    replica_apply_token(w.replica, &t);
    assert_true(replica_token(w.replica, w.arena, STR("bb"), &found));
    assert_false(replica_token(w.replica, w.arena, STR("aa"), &found));
    replica_apply_deleted(w.replica, STR("t1"));
    replica_apply_token(w.replica, &t);
    assert_false(replica_token(w.replica, w.arena, STR("bb"), &found));
    assert_false(replica_token(w.replica, w.arena, STR_NONE, &found));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_waits_until_its_maker_is_a_member),
        cmocka_unit_test(a_manager_counts_with_all_four_values),
        cmocka_unit_test(a_platform_admin_is_in_the_group_and_says_so_itself),
        cmocka_unit_test(tokens_are_found_by_hash_until_they_are_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
