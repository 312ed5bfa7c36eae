/*
 * What either feed must do, told or polled: what the events leave behind is what a search finds,
 * whatever happened in between.
 */
#pragma once

#include "feed_fixture.h"

/* ---- the straight way */

static void a_refresh_names_everything(void **state)
{
    (void)state;
    person_new(conn, arena, "first");
    organization_new("first");
    token_new("first");
    expect(FEED_REFRESH_BEGIN, STR_NONE, LIVE_WITHIN_MS);
    go_live();
    assert_int_equal(known.refreshes, 1);
    assert_int_equal(known.deletions, 0);
    assert_int_equal(count_of(FEED_PLATFORM), 1);
    assert_true(count_of(FEED_USER) >= 1);
    assert_true(count_of(FEED_ORGANIZATION) >= 1);
    assert_true(count_of(FEED_TOKEN) >= 1);
    assert_true_belief();
}

static void changes_arrive_at_once(void **state)
{
    (void)state;
    go_live();
    struct str user = person_new(conn, arena, "quick");
    expect(FEED_USER, user, EVENT_WITHIN_MS);
    set_title("quick", "x");
    expect(FEED_USER, user, EVENT_WITHIN_MS);
    rename_person("quick", "quicker");
    expect(FEED_USER, user, EVENT_WITHIN_MS);
    struct str organization = organization_new("quick");
    expect(FEED_ORGANIZATION, organization, EVENT_WITHIN_MS);
    struct str token = token_new("quick");
    expect(FEED_TOKEN, STR_NONE, EVENT_WITHIN_MS);
    delete_dn(token);
    expect(FEED_DELETED, STR_NONE, EVENT_WITHIN_MS);
    delete_dn(person_dn(arena, "quicker"));
    expect(FEED_DELETED, user, EVENT_WITHIN_MS);
    assert_true_belief();
}

static void an_organization_comes_without_its_members(void **state)
{
    struct directory_event event;
    (void)state;
    go_live();
    struct str id = organization_new("lean");
    do
        directory_feed_next(feed, arena, EVENT_WITHIN_MS, &event);
    while (event.kind != FEED_ORGANIZATION);
    assert_true(str_eq(event.entry.id, id));
    assert_null(directory_attr(&event.entry, "member"));
}

static void an_entry_that_matches_no_more_is_deleted(void **state)
{
    (void)state;
    go_live();
    struct str id = person_new(conn, arena, "leaving");
    expect(FEED_USER, id, EVENT_WITHIN_MS);
    set_title("leaving", "hidden");
    expect(FEED_DELETED, id, EVENT_WITHIN_MS);
    set_title("leaving", "back");
    expect(FEED_USER, id, EVENT_WITHIN_MS);
    assert_true_belief();
}

static void a_protected_entry_is_never_delivered(void **state)
{
    (void)state;
    struct str key = directory_dn_key(arena, person_dn(arena, "shielded"));
    slapd->directory->protected_keys = &key;
    slapd->directory->protected_count = 1;
    struct str there = person_new(conn, arena, "shielded");
    go_live();
    assert_false(knows(there));
    rename_person("shielded", "unshielded");
    expect(FEED_USER, there, EVENT_WITHIN_MS);
    rename_person("unshielded", "shielded");
    expect(FEED_DELETED, there, EVENT_WITHIN_MS);
    slapd->directory->protected_count = 0;
    delete_dn(person_dn(arena, "shielded"));
}

static void quiet_is_idle_and_a_wake_ends_the_waiting(void **state)
{
    struct directory_event event;
    (void)state;
    go_live();
    directory_feed_next(feed, arena, 20, &event);
    assert_int_equal(event.kind, FEED_IDLE);
    directory_feed_wake(feed);
    int64_t began = clock_monotonic_ms();
    directory_feed_next(feed, arena, 5000, &event);
    assert_int_equal(event.kind, FEED_IDLE);
    assert_true(clock_monotonic_ms() - began < 1000);
    /* Longer than the server may be silent: it was asked, and answered. */
    directory_feed_next(feed, arena, 2500, &event);
    assert_int_equal(event.kind, FEED_IDLE);
}

/* ---- after a break */

static void nothing_missed_needs_no_refresh(void **state)
{
    (void)state;
    person_new(conn, arena, "steady");
    go_live();
    lose_server(SIGTERM);
    go_live();
    assert_int_equal(known.refreshes, 1);
    struct str id = person_new(conn, arena, "after-steady");
    expect(FEED_USER, id, EVENT_WITHIN_MS);
    assert_true_belief();
}

static void what_was_missed_is_made_good(void **state)
{
    (void)state;
    person_new(conn, arena, "gone-meanwhile");
    struct str leaves = person_new(conn, arena, "leaves-meanwhile");
    person_new(conn, arena, "moved-meanwhile");
    struct str token = token_new("gone-meanwhile");
    go_live();
    lose_server(SIGKILL);
    delete_dn(person_dn(arena, "gone-meanwhile"));
    delete_dn(token);
    set_title("leaves-meanwhile", "hidden");
    move_away("moved-meanwhile");
    struct str id = person_new(conn, arena, "came-meanwhile");
    go_live();
    assert_true(knows(id));
    assert_false(knows(leaves));
    assert_true_belief();
}

static void the_last_token_deleted_meanwhile_is_gone(void **state)
{
    struct directory_entries found;
    struct error err = ERROR_INIT;
    struct directory_search tokens = directory_tokens(slapd->directory);
    (void)state;
    token_new("last");
    go_live();
    lose_server(SIGTERM);
    assert_true(directory_find(conn, arena, &tokens, &found, &err));
    for (size_t i = 0; i < found.count; i++)
        delete_dn(found.at[i].dn);
    go_live();
    assert_int_equal(count_of(FEED_TOKEN), 0);
    assert_true_belief();
}

static void a_server_that_hangs_is_noticed(void **state)
{
    (void)state;
    go_live();
    slapd_pause(slapd);
    int64_t took = expect(FEED_LOST, STR_NONE, 5000);
    assert_true(took <= 3500);
    kill(slapd->pid, SIGCONT);
    person_new(conn, arena, "after-hang");
    go_live();
    assert_true_belief();
}

static void a_missing_container_never_goes_live(void **state)
{
    struct directory_event event;
    (void)state;
    directory_feed_free(feed);
    struct str right = slapd->config.directory.tokens_base;
    slapd->config.directory.tokens_base = STR("ou=nowhere," SUFFIX);
    feed = directory_feed_new(slapd->directory);
    int64_t deadline = clock_deadline_in(500);
    while (clock_left_ms(deadline) > 0) {
        directory_feed_next(feed, arena, 50, &event);
        assert_int_not_equal(event.kind, FEED_LIVE);
        assert_int_not_equal(event.kind, FEED_IDLE);
    }
    slapd->config.directory.tokens_base = right;
}

#define BOTH                                                                                       \
    FEED(a_refresh_names_everything), FEED(changes_arrive_at_once),                                \
        FEED(an_organization_comes_without_its_members),                                           \
        FEED(an_entry_that_matches_no_more_is_deleted),                                            \
        FEED(a_protected_entry_is_never_delivered),                                                \
        FEED(quiet_is_idle_and_a_wake_ends_the_waiting), FEED(nothing_missed_needs_no_refresh),    \
        FEED(what_was_missed_is_made_good), FEED(the_last_token_deleted_meanwhile_is_gone),        \
        FEED(a_server_that_hangs_is_noticed), FEED(a_missing_container_never_goes_live)
