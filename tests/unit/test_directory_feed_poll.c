/* The feed of a slapd that is polled: what every feed must do, and what only polling can get wrong.
 */

#include "feed_cases.h"

/* An attribute that events bring. */
static void set_permission(const char *uid, const char *value)
{
    struct directory_target t = {.dn = person_dn(arena, uid)};
    struct one_value change = {DIRECTORY_REPLACE, "kiopsPermission", str_of(value)};
    assert_int_equal(modify_one(conn, arena, t, change).outcome, DIRECTORY_DONE);
}

static void expect_permission(struct str id, const char *value)
{
    int64_t deadline = clock_deadline_in(EVENT_WITHIN_MS + 2000);
    while (clock_left_ms(deadline) > 0) {
        struct directory_event event;
        OWNED_ARENA struct arena *a = arena_new();
        directory_feed_next(feed, a, 1000, &event);
        apply(&event);
        if (event.kind == FEED_USER && str_eq(event.entry.id, id) &&
            str_eq(directory_value(&event.entry, "kiopsPermission"), str_of(value)))
            return;
    }
    fail_msg("%s never came", value);
}

/* modifyTimestamp alone cannot tell them apart. */
static void changes_of_one_second_all_arrive(void **state)
{
    (void)state;
    restart_with("MINI_SLAPD_NO_CSN", "1");
    struct str id = person_new(conn, arena, "hasty");
    go_live();
    for (int i = 0; i < 4; i++) {
        const char *value = arena_fmt(arena, "t%d", i).at;
        set_permission("hasty", value);
        expect_permission(id, value);
    }
    assert_true_belief();
    restart_with("MINI_SLAPD_NO_CSN", NULL);
}

static void a_change_between_two_reads_is_read_again(void **state)
{
    (void)state;
    restart_with("MINI_SLAPD_NO_CSN", "1");
    struct str id = person_new(conn, arena, "twice");
    go_live();
    set_permission("twice", "first");
    set_permission("twice", "second");
    expect_permission(id, "second");
    restart_with("MINI_SLAPD_NO_CSN", NULL);
}

/* P1: what an answer does not name, which is not whole, is still there. */
static void restart_blind(const char *how, const char *value)
{
    size_t before = known.count;
    restart_with(how, value);
    for (int64_t until = clock_deadline_in(2500); clock_left_ms(until) > 0;) {
        struct directory_event event;
        directory_feed_next(feed, arena, 100, &event);
        apply(&event);
        assert_int_not_equal(event.kind, FEED_LIVE);
    }
    assert_int_equal(known.count, before);
    assert_int_equal(known.deletions, 0);
    restart_with(how, NULL);
    go_live();
    assert_true_belief();
}

static void a_cut_answer_deletes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        person_new(conn, arena, arena_fmt(arena, "many%d", i).at);
    go_live();
    restart_blind("MINI_SLAPD_SIZE", "3");
}

static void ids_that_may_not_be_read_delete_nothing(void **state)
{
    (void)state;
    person_new(conn, arena, "unread");
    go_live();
    restart_blind("MINI_SLAPD_NO_UUID", "1");
}

static void the_loss_tells_since_when(void **state)
{
    struct directory_event event;
    (void)state;
    int64_t before = clock_monotonic_ms();
    go_live();
    int64_t after = clock_monotonic_ms();
    slapd_stop(slapd, SIGTERM);
    do
        directory_feed_next(feed, arena, 5000, &event);
    while (event.kind != FEED_LOST);
    assert_true(event.as_of >= before && event.as_of <= after);
    slapd_restart(slapd);
}

/* An own write stands in memory before a poll has seen it. */
static void what_others_saw_is_looked_for(void **state)
{
    (void)state;
    go_live();
    struct str gone = person_new(conn, arena, "short-lived");
    struct str there = person_new(conn, arena, "long-lived");
    delete_dn(person_dn(arena, "short-lived"));
    directory_feed_expect(feed, FEED_USER, gone);
    directory_feed_expect(feed, FEED_USER, there);
    expect(FEED_DELETED, gone, EVENT_WITHIN_MS);
    directory_feed_expect(feed, FEED_USER, there);
    unsigned deletions = known.deletions;
    struct str later = person_new(conn, arena, "later");
    expect(FEED_USER, later, EVENT_WITHIN_MS);
    assert_int_equal(known.deletions, deletions);
    assert_true_belief();
}

static void auto_polls_who_does_not_tell(void **state)
{
    (void)state;
    directory_feed_free(feed);
    slapd->config.directory.feed = CONFIG_FEED_AUTO;
    restart_with("MINI_SLAPD_SILENT", "1");
    feed = directory_feed_new(slapd->directory);
    go_live();
    struct str user = person_new(conn, arena, "untold");
    expect(FEED_USER, user, EVENT_WITHIN_MS);
    assert_true_belief();
    restart_with("MINI_SLAPD_SILENT", NULL);
    slapd->config.directory.feed = CONFIG_FEED_POLL;
}

static int before_polling(void **state)
{
    int failed = before_all(state);
    slapd->config.directory.feed = CONFIG_FEED_POLL;
    slapd->config.directory.poll_interval_s = 1;
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH,
        FEED(changes_of_one_second_all_arrive),
        FEED(a_change_between_two_reads_is_read_again),
        FEED(a_cut_answer_deletes_nothing),
        FEED(ids_that_may_not_be_read_delete_nothing),
        FEED(the_loss_tells_since_when),
        FEED(what_others_saw_is_looked_for),
        FEED(auto_polls_who_does_not_tell),
    };
    return cmocka_run_group_tests(tests, before_polling, after_all);
}
