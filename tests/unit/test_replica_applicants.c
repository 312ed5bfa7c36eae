/* Who signed up: found by id alone, by people who decide, until approval makes a user of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica_fixture.h"

#define ASKED "org-alpha:20260105080000Z.aa"

static const struct kiops_actor admin = {
    .kind = KIOPS_ACTOR_PERSON, .id = {"admin", 5}, .role = KIOPS_PLATFORM_ADMIN};

static struct directory_user applicant_of(struct world *w, const char *name, const char *csn)
{
    struct directory_user u = user_of(w, name, csn);
    u.person.dn = arena_fmt(w->arena, "uid=signup-%s,ou=pending,dc=example,dc=org", name);
    u.person.applicant = true;
    u.person.requests = values_of(w, ASKED, NULL);
    return u;
}

static void add_applicant(struct world *w, const char *name, const char *csn)
{
    struct directory_user u = applicant_of(w, name, csn);
    replica_apply_user(w->replica, &u);
}

static struct replica_counts counts(const struct world *w)
{
    struct replica_counts n;
    replica_count(w->replica, &n);
    return n;
}

static struct world with_applicant(void)
{
    struct world w = world_new();
    add_organization(&w, "alpha", "1", "", "");
    add_applicant(&w, "kim", "2");
    return w;
}

static int64_t users_found(struct world *w, const struct scim_filter *filter)
{
    struct error err = ERROR_INIT;
    struct replica_page page;
    const struct replica_query q = {
        .kind = REPLICA_USER, .filter = filter, .start_index = 1, .count = 10, .actor = &admin};
    assert_true(replica_find(w->replica, w->arena, &q, &page, &err));
    return page.total;
}

static json_int_t pending(struct world *w, const struct kiops_actor *actor)
{
    const json_t *group = seen(w, REPLICA_GROUP, STR("org-alpha"), actor);
    const json_t *own = json_object_get(group, SCIM_URN_KIOPS_ORGANIZATION);
    return json_integer_value(json_object_get(own, "pending"));
}

static void an_applicant_is_no_user(void **state)
{
    (void)state;
    struct world w = with_applicant();
    struct directory_person p;
    struct kiops_actor actor;
    struct str id;
    assert_int_equal(counts(&w).users, 0);
    assert_int_equal(counts(&w).applicants, 1);
    assert_int_equal(counts(&w).pending, 1);
    assert_int_equal(users_found(&w, NULL), 0);
    assert_false(replica_person(w.replica, w.arena, STR("user-kim"), &p));
    assert_false(replica_actor(w.replica, w.arena, STR("user-kim"), &actor));
    assert_false(
        replica_user_named(w.replica, w.arena, &(struct replica_name){.name = STR("kim")}, &id));
    assert_true(replica_applicant(w.replica, w.arena, STR("user-kim"), &p));
    assert_non_null(seen(&w, REPLICA_USER, STR("user-kim"), &admin));
    assert_non_null(seen(&w, REPLICA_MEMBERSHIP, STR("org-alpha.user-kim"), &admin));
    assert_null(seen(&w, REPLICA_USER, STR("user-kim"), &everyone_sees));
    assert_int_equal(pending(&w, &admin), 1);
    assert_int_equal(pending(&w, &everyone_sees), 0);
    assert_null(seen(&w, REPLICA_MEMBERSHIP, STR("org-alpha.user-kim"), &everyone_sees));
    world_free(&w);
}

static void a_member_value_does_not_make_one_of_an_applicant(void **state)
{
    (void)state;
    struct world w = with_applicant();
    struct directory_organization o = organization_of(&w, "alpha", "3");
    struct directory_user kim = applicant_of(&w, "kim", "2");
    o.members = (struct directory_values){&kim.person.dn, 1};
    replica_apply_organization(w.replica, &o, true);
    assert_false(replica_membership(w.replica, STR("org-alpha"), STR("user-kim")).member);
    assert_int_equal(counts(&w).dangling_members, 1);
    world_free(&w);
}

static void a_join_that_was_cut_off_is_a_request_again(void **state)
{
    (void)state;
    struct world w = world_new();
    add_organization(&w, "alpha", "1", "", "");
    struct directory_user kim = applicant_of(&w, "kim", "2");
    kim.person.joined = kim.person.requests;
    kim.person.requests.count = 0;
    replica_apply_user(w.replica, &kim);
    assert_true(replica_membership(w.replica, STR("org-alpha"), STR("user-kim")).pending);
    assert_false(replica_membership(w.replica, STR("org-alpha"), STR("user-kim")).joined);
    world_free(&w);
}

static enum directory_feed_kind arrived_last(struct world *w)
{
    const struct replica_arrival *arrived;
    size_t n = replica_arrivals(w->replica, w->arena, &arrived);
    assert_int_equal(n, 1);
    assert_string_equal(arrived[0].id, "user-kim");
    return arrived[0].kind;
}

/* Polling looks for who came by another hand; in the place where they stand. */
static void who_comes_or_moves_has_arrived_where_they_stand(void **state)
{
    (void)state;
    const struct replica_arrival *none;
    struct world w = world_new();
    replica_refresh_begin(w.replica);
    replica_refresh_end(w.replica);
    assert_int_equal(replica_arrivals(w.replica, w.arena, &none), 0);
    add_applicant(&w, "kim", "2");
    assert_int_equal(arrived_last(&w), FEED_APPLICANT);
    struct directory_user approved = user_of(&w, "kim", "3");
    replica_apply_user(w.replica, &approved);
    assert_int_equal(arrived_last(&w), FEED_USER);
    world_free(&w);
}

/* The two places are two searches of the feed, whose events come in any order. */
static void who_is_approved_is_a_user_whatever_event_comes_first(void **state)
{
    (void)state;
    for (int own_write_first = 0; own_write_first < 2; own_write_first++) {
        struct world w = with_applicant();
        if (!own_write_first)
            replica_apply_left(w.replica, FEED_APPLICANT, STR("user-kim"));
        add_user(&w, "kim", "3");
        replica_apply_left(w.replica, FEED_APPLICANT, STR("user-kim"));
        replica_apply_gone(w.replica, FEED_APPLICANT, STR("user-kim"));
        assert_non_null(user(&w, "kim"));
        assert_int_equal(counts(&w).users, 1);
        assert_int_equal(counts(&w).applicants, 0);
        assert_int_equal(counts(&w).pending, 0);
        assert_int_equal(users_found(&w, NULL), 1);
        /* Late news of the state before. */
        add_applicant(&w, "kim", "2");
        assert_non_null(user(&w, "kim"));
        replica_apply_left(w.replica, FEED_USER, STR("user-kim"));
        assert_null(user(&w, "kim"));
        world_free(&w);
    }
}

static void a_refresh_that_names_no_applicant_ends_it(void **state)
{
    (void)state;
    struct world w = with_applicant();
    replica_refresh_begin(w.replica);
    add_organization(&w, "alpha", "1", "", "");
    add_applicant(&w, "lee", "4");
    replica_refresh_end(w.replica);
    assert_int_equal(counts(&w).applicants, 1);
    struct replica_applicant *all;
    assert_int_equal(replica_applicants(w.replica, w.arena, &all), 1);
    assert_true(str_eq(all[0].person.id, STR("user-lee")));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_applicant_is_no_user),
        cmocka_unit_test(a_member_value_does_not_make_one_of_an_applicant),
        cmocka_unit_test(a_join_that_was_cut_off_is_a_request_again),
        cmocka_unit_test(who_comes_or_moves_has_arrived_where_they_stand),
        cmocka_unit_test(who_is_approved_is_a_user_whatever_event_comes_first),
        cmocka_unit_test(a_refresh_that_names_no_applicant_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
