/*
 * Readers beside a writer: what they get is whole, and what was replaced is freed after they are
 * done. Under TSan and ASan this is the proof of the pins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "replica_fixture.h"

enum { PEOPLE = 120, ROUNDS = 60, READERS = 3 };

struct race {
    struct world *world;
    atomic_bool stop;
    atomic_int wrong, lists;
};

static void check_list(struct race *race, struct arena *a, enum replica_kind kind,
                       const struct scim_filter *filter)
{
    struct replica_query q = {.kind = kind,
                              .filter = filter,
                              .start_index = 1,
                              .count = PEOPLE * 2,
                              .actor = &everyone_sees,
                              .want = {.members = true}};
    struct replica_page page;
    struct error err = ERROR_INIT;
    if (!replica_find(race->world->replica, a, &q, &page, &err))
        atomic_fetch_add(&race->wrong, 1);
    atomic_fetch_add(&race->lists, 1);
    for (size_t i = 0; i < page.count; i++) {
        bool ordered = i == 0 || str_cmp(page.at[i - 1].id, page.at[i].id) < 0;
        struct error broken = ERROR_INIT;
        OWNED_JSON json_t *value =
            json_load_strict(page.at[i].json, (struct json_limits){.depth = 16}, &broken);
        if (!ordered || !value || !str_eq(json_get_str(value, "id"), page.at[i].id))
            atomic_fetch_add(&race->wrong, 1);
    }
}

static void *read_on(void *arg)
{
    struct race *race = arg;
    struct replica *r = race->world->replica;
    OWNED_ARENA struct arena *filters = arena_new(), *a = arena_new();
    const struct scim_context in = fixture_context(filters, race->world->catalog, "User");
    struct error err = ERROR_INIT;
    const struct scim_filter *filter;
    fixture_expect(scim_filter_parse(&in, STR("groups.display sw \"Project\" or active eq true"),
                                     &filter, &err),
                   &err);
    while (!atomic_load(&race->stop)) {
        arena_reset(a);
        struct replica_text text;
        struct directory_person person;
        struct replica_counts n;
        struct str *ids;
        replica_show(r, a,
                     &(struct replica_ask){REPLICA_GROUP, STR("org-alpha"), &everyone_sees, {true}},
                     &text);
        replica_show(r, a,
                     &(struct replica_ask){REPLICA_USER, STR("user-p007"), &everyone_sees, {true}},
                     &text);
        replica_person(r, a, STR("user-p008"), &person);
        replica_members(r, a, STR("org-beta"), &ids);
        replica_count(r, &n);
        check_list(race, a, REPLICA_USER, filter);
        check_list(race, a, REPLICA_USER, NULL);
        check_list(race, a, REPLICA_GROUP, NULL);
    }
    return NULL;
}

static const char *csn_of(struct world *w, unsigned round)
{
    return arena_fmt(w->arena, "%06u", round).at;
}

/* Changes, deletions, returns, renames and whole sets, one after another. */
static void write_round(struct world *w, unsigned round)
{
    OWNED_BUF struct buf names;
    buf_init(&names, 1 << 16);
    for (unsigned i = 0; i < PEOPLE; i++) {
        const char *name = arena_fmt(w->arena, "p%03u", i).at;
        if ((i + round) % 7 == 0) {
            replica_apply_deleted(w->replica, user_id(w, name));
            continue;
        }
        struct directory_user u = user_of(w, name, csn_of(w, round));
        if ((i + round) % 11 == 0)
            u.person.dn = user_dn(w, arena_fmt(w->arena, "%s-renamed", name).at);
        replica_apply_user(w->replica, &u);
        if (i % 2)
            buf_fmt(&names, "%s ", name);
    }
    char *all = arena_cstr(w->arena, buf_view(&names));
    add_organization(w, "alpha", csn_of(w, round), all, "");
    if (round % 3)
        add_organization(w, "beta", csn_of(w, round), all, "p001");
    else
        replica_apply_deleted(w->replica, STR("org-beta"));
}

static void readers_get_whole_answers_while_everything_changes(void **state)
{
    (void)state;
    struct world w = world_new();
    struct race race = {.world = &w};
    pthread_t readers[READERS];
    replica_refresh_begin(w.replica);
    write_round(&w, 1);
    replica_refresh_end(w.replica);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &race), 0);
    for (unsigned round = 2; round < ROUNDS || atomic_load(&race.lists) < READERS * 3; round++) {
        if (round % 20 == 0)
            replica_refresh_begin(w.replica);
        write_round(&w, round);
        if (round % 20 == 0)
            replica_refresh_end(w.replica);
        arena_reset(w.arena);
    }
    atomic_store(&race.stop, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&race.wrong), 0);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_get_whole_answers_while_everything_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
