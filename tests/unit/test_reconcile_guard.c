/* Guards: counts and shares, the population below which shares are silent, budgets, releases; and
 * the order of plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/own.h"
#include "reconcile/reconcile.h"

#define HOUR (INT64_C(3600) * 1000000)
#define NOW (INT64_C(1800000000) * 1000000)

static const struct config_guards guards = {
    .minimum_population = 10,
    .deactivate = {5, 50},
    .delete_ = {2, 20},
    .remove_member = {20, 200},
    .demote = {10, 5},
    .grant_manager = {0, 5},
    .grant_admin = {0, 0},
    .grant_permission = {10, 100},
    .scope_shrink = {5, 0},
    .source_shrink = {10, 0},
    .budget_24h = {100, 40},
    .budget_7d = {300, 100},
};

struct ground {
    struct arena *arena;
    struct reconcile_plan plan;
    struct reconcile_history history;
    struct reconcile_release release;
    struct reconcile_trips trips;
    size_t members;
};

static size_t members_of(const void *members, struct str organization)
{
    (void)organization;
    return *(const size_t *)members;
}

static struct ground *begin(void)
{
    static struct ground g;
    g = (struct ground){.arena = arena_new()};
    reconcile_plan_init(&g.plan, g.arena, NULL);
    g.plan.members_of = members_of;
    g.plan.members = &g.members;
    for (int i = 0; i < RECONCILE_GUARDS; i++)
        g.release.at[i] = -1;
    return &g;
}

static void plan(struct ground *g, enum kiops_change_kind kind, size_t n, const char *organization)
{
    for (size_t i = 0; i < n; i++)
        reconcile_plan_add(&g->plan, RECONCILE_PLANNED, kind)->organization = str_of(organization);
}

static size_t check(struct ground *g)
{
    const struct reconcile_limits limits = {
        .guards = &guards, .history = &g->history, .release = &g->release, .now = NOW};
    reconcile_guard_check(&g->plan, &limits, &g->trips);
    return g->trips.count;
}

/* Each guard of the plan's own: so many of such a population pass, one more does not. */
static void test_counts_and_shares(void **state)
{
    static const struct {
        enum kiops_change_kind kind;
        enum reconcile_guard guard;
        size_t population, passes;
    } rows[] = {
        {KIOPS_DEACTIVATE, GUARD_DEACTIVATE, 100, 5},   /* the share */
        {KIOPS_DEACTIVATE, GUARD_DEACTIVATE, 9, 50},    /* too few for a share: the count */
        {KIOPS_DEACTIVATE, GUARD_DEACTIVATE, 10, 0},    /* 5 % of 10 is less than one */
        {KIOPS_DEACTIVATE, GUARD_DEACTIVATE, 5000, 50}, /* the count */
        {KIOPS_DELETE_USER, GUARD_DELETE, 500, 10},
        {KIOPS_REMOVE, GUARD_REMOVE_MEMBER, 100, 20},
        {KIOPS_REMOVE, GUARD_REMOVE_MEMBER, 0, 200},
        {KIOPS_DEMOTE, GUARD_DEMOTE, 20, 2},
        {KIOPS_PROMOTE, GUARD_GRANT_MANAGER, 1000, 5},
        {KIOPS_MAKE_ADMIN, GUARD_GRANT_ADMIN, 1000, 0},
        {KIOPS_GRANT, GUARD_GRANT_PERMISSION, 100, 10},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ground *g = begin();
        struct reconcile_population *p = &g->plan.population;
        p->users = p->active = p->managers = p->permissions = g->members = rows[i].population;
        plan(g, rows[i].kind, rows[i].passes, "a");
        assert_int_equal(check(g), 0);
        plan(g, rows[i].kind, 1, "a");
        assert_int_equal(check(g), 1);
        assert_int_equal(g->trips.at[0].guard, rows[i].guard);
        assert_int_equal(g->trips.at[0].wanted, rows[i].passes + 1);
        assert_int_equal(g->trips.at[0].allowed, rows[i].passes);
        arena_free(g->arena);
    }
}

static void test_only_what_is_planned_counts(void **state)
{
    struct ground *g = begin();
    (void)state;
    for (int s = RECONCILE_REFUSED; s <= RECONCILE_REPORTED; s++)
        (void)reconcile_plan_add(&g->plan, (enum reconcile_state)s, KIOPS_MAKE_ADMIN);
    assert_int_equal(check(g), 0);
    arena_free(g->arena);
}

static void test_removals_are_of_one_organization(void **state)
{
    struct ground *g = begin();
    (void)state;
    g->members = 100;
    plan(g, KIOPS_REMOVE, 10, "b");
    plan(g, KIOPS_REMOVE, 20, "a");
    plan(g, KIOPS_REMOVE, 10, "b");
    assert_int_equal(check(g), 0);
    plan(g, KIOPS_REMOVE, 1, "b");
    assert_int_equal(check(g), 1);
    assert_true(str_eq(g->trips.at[0].organization, STR("b")));
    arena_free(g->arena);
}

static void test_shrinking(void **state)
{
    struct ground *g = begin();
    (void)state;
    g->history.scope = 100;
    g->plan.population.scope = 95;
    assert_int_equal(check(g), 0);
    g->plan.population.scope = 94;
    assert_int_equal(check(g), 1);
    assert_int_equal(g->trips.at[0].guard, GUARD_SCOPE_SHRINK);
    assert_int_equal(g->trips.at[0].population, 100);
    assert_int_equal(g->trips.at[0].wanted, 6);
    g->history.scope = 9; /* too few */
    g->plan.population.scope = 0;
    assert_int_equal(check(g), 0);
    g->history.scope = 0;
    g->history.source = 50;
    g->plan.population.source = 0;
    assert_int_equal(check(g), 1);
    assert_int_equal(g->trips.at[0].guard, GUARD_SOURCE_SHRINK);
    arena_free(g->arena);
}

/* Slow enough for every run, and too much in a day, then in a week (fault 31). */
static void test_budgets(void **state)
{
    struct ground *g = begin();
    (void)state;
    g->plan.population.active = 100000;
    g->history.spent[0] = (struct reconcile_spent){.at = NOW - 23 * HOUR, .deactivate = 60};
    g->history.spent_count = 1;
    plan(g, KIOPS_DEACTIVATE, 40, "");
    assert_int_equal(check(g), 0);
    plan(g, KIOPS_DEACTIVATE, 1, "");
    assert_int_equal(check(g), 1);
    assert_int_equal(g->trips.at[0].guard, GUARD_BUDGET_24H_DEACTIVATE);
    assert_int_equal(g->trips.at[0].wanted, 101);
    g->history.spent[0].at = NOW - 25 * HOUR;
    assert_int_equal(check(g), 0);
    g->history.spent[0].deactivate = 260;
    assert_int_equal(check(g), 1);
    assert_int_equal(g->trips.at[0].guard, GUARD_BUDGET_7D_DEACTIVATE);
    g->history.spent[0].at = NOW - 169 * HOUR;
    assert_int_equal(check(g), 0);
    arena_free(g->arena);
}

static void test_a_release_is_a_number(void **state)
{
    struct ground *g = begin();
    (void)state;
    plan(g, KIOPS_MAKE_ADMIN, 2, "");
    assert_int_equal(check(g), 1);
    g->release.at[GUARD_GRANT_ADMIN] = 1;
    assert_int_equal(check(g), 1);
    assert_int_equal(g->trips.at[0].allowed, 1);
    g->release.at[GUARD_GRANT_ADMIN] = 2;
    assert_int_equal(check(g), 0);
    arena_free(g->arena);
}

static void test_what_was_spent_is_kept(void **state)
{
    struct ground *g = begin();
    struct reconcile_history back;
    (void)state;
    g->history.spent[0] = (struct reconcile_spent){.at = NOW - 200 * HOUR, .delete_ = 9};
    g->history.spent[1] = (struct reconcile_spent){.at = NOW - HOUR, .delete_ = 3};
    g->history.spent_count = 2;
    g->history.serial = 41;
    g->plan.population = (struct reconcile_population){.scope = 7, .source = 8};
    plan(g, KIOPS_DELETE_USER, 2, "");
    plan(g, KIOPS_DEACTIVATE, 4, "");
    reconcile_guard_spend(&g->plan, NOW, &g->history);
    reconcile_history_read(g->arena, reconcile_history_write(g->arena, &g->history), &back);
    assert_int_equal(back.serial, 42);
    assert_int_equal(back.scope, 7);
    assert_int_equal(back.source, 8);
    assert_int_equal(back.spent_count, 2);
    assert_int_equal(back.spent[0].delete_, 3);
    assert_int_equal(back.spent[1].delete_, 2);
    assert_int_equal(back.spent[1].deactivate, 4);
    assert_int_equal(back.spent[1].at, NOW);
    arena_free(g->arena);
}

static void test_a_full_history_forgets_nothing_too_early(void **state)
{
    struct ground *g = begin();
    uint64_t sum = 0;
    (void)state;
    for (size_t i = 0; i < RECONCILE_SPENT_MAX; i++)
        g->history.spent[i] = (struct reconcile_spent){.at = NOW - HOUR, .delete_ = 1};
    g->history.spent_count = RECONCILE_SPENT_MAX;
    plan(g, KIOPS_DELETE_USER, 1, "");
    reconcile_guard_spend(&g->plan, NOW, &g->history);
    for (size_t i = 0; i < g->history.spent_count; i++)
        sum += g->history.spent[i].delete_;
    assert_int_equal(g->history.spent_count, RECONCILE_SPENT_MAX);
    assert_int_equal(sum, RECONCILE_SPENT_MAX + 1);
    arena_free(g->arena);
}

static void test_odd_history_is_none(void **state)
{
    static const char *const texts[] = {"", "x", "[]", "{\"spent\":3,\"scope\":-1}",
                                        "{\"spent\":[1]}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        OWNED_ARENA struct arena *a = arena_new();
        struct reconcile_history h;
        reconcile_history_read(a, str_of(texts[i]), &h);
        assert_int_equal(h.spent_count, 0);
        assert_int_equal(h.scope, 0);
    }
}

/* What takes away, what edits, what gives, what is not done: whatever the order found. */
static void test_order(void **state)
{
    static const enum kiops_change_kind kinds[] = {KIOPS_GRANT,   KIOPS_EDIT_USER, KIOPS_REMOVE,
                                                   KIOPS_PROMOTE, KIOPS_ADD,       KIOPS_REVOKE};
    struct ground *g = begin();
    char order[8] = "";
    (void)state;
    (void)reconcile_plan_add(&g->plan, RECONCILE_REPORTED, KIOPS_REMOVE);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        (void)reconcile_plan_add(&g->plan, RECONCILE_PLANNED, kinds[i]);
    reconcile_plan_sort(&g->plan);
    for (size_t i = 0; i < g->plan.count; i++)
        order[i] = reconcile_symbol(&g->plan.at[i]);
    assert_string_equal(order, "--~+++*");
    assert_int_equal(g->plan.at[3].kind, KIOPS_ADD); /* who is promoted is in by then */
    assert_int_equal(g->plan.at[4].kind, KIOPS_PROMOTE);
    assert_int_equal(g->plan.at[5].kind, KIOPS_GRANT);
    arena_free(g->arena);
}

/* A line comes back from disk as it was, bytes and all. */
static void test_lines_on_disk(void **state)
{
    struct ground *g = begin();
    struct reconcile_plan back;
    struct error err = ERROR_INIT;
    const struct str bytes = {"\xff\0x", 3};
    (void)state;
    struct reconcile_line *l = reconcile_plan_add(&g->plan, RECONCILE_PLANNED, KIOPS_REVOKE);
    l->code = "KB-C208";
    l->subject = STR("id");
    l->means = RECONCILE_MODIFY;
    l->mend = (struct service_mend){.dn = STR("uid=a"), .id = STR("id"), .csn = STR("1#2")};
    directory_mods_init(&l->mend.mods, g->arena);
    directory_mods_one(&l->mend.mods, DIRECTORY_DELETE, "kiopsPermission", STR("o:vpn"));
    directory_mods_one(&l->mend.mods, DIRECTORY_ADD, "jpegPhoto", bytes);
    OWNED_JSON json_t *doc = reconcile_line_json(l);
    reconcile_plan_init(&back, g->arena, NULL);
    assert_true(reconcile_line_load(&back, doc, &err));
    const struct directory_mods *m = &back.at[0].mend.mods;
    assert_int_equal(back.at[0].kind, KIOPS_REVOKE);
    assert_string_equal(back.at[0].code, "KB-C208");
    assert_true(str_eq(back.at[0].mend.csn, STR("1#2")));
    assert_int_equal(m->count, 2);
    assert_int_equal(m->at[0].op, DIRECTORY_DELETE);
    assert_true(str_eq(m->at[0].values[0], STR("o:vpn")));
    assert_true(str_eq(m->at[1].values[0], bytes));
    json_object_set_new(doc, "change", json_string("no such"));
    assert_false(reconcile_line_load(&back, doc, &err));
    error_clear(&err);
    json_object_set_new(doc, "change", json_string("revoke"));
    json_object_del(doc, "modify"); /* planned, and of what? */
    assert_false(reconcile_line_load(&back, doc, &err));
    arena_free(g->arena);
}

int main(void)
{
    hash_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_shares),
        cmocka_unit_test(test_only_what_is_planned_counts),
        cmocka_unit_test(test_removals_are_of_one_organization),
        cmocka_unit_test(test_shrinking),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_a_release_is_a_number),
        cmocka_unit_test(test_what_was_spent_is_kept),
        cmocka_unit_test(test_a_full_history_forgets_nothing_too_early),
        cmocka_unit_test(test_odd_history_is_none),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_lines_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
