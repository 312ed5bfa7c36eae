/* The feed of a slapd that tells: what every feed must do, and when it needs no refresh. */

#include "feed_cases.h"

/* With a session log the server names what is gone, and no refresh is needed. */
static void a_session_log_saves_the_refresh(void **state)
{
    (void)state;
    restart_with("MINI_SLAPD_SESSIONLOG", "1000");
    struct str gone = person_new(conn, arena, "logged-gone");
    struct str leaves = person_new(conn, arena, "logged-leaves");
    struct str moved = person_new(conn, arena, "logged-moved");
    struct str token = token_new("logged-token");
    go_live();
    slapd_pause(slapd);
    expect(FEED_LOST, STR_NONE, 5000);
    kill(slapd->pid, SIGCONT);
    delete_dn(person_dn(arena, "logged-gone"));
    delete_dn(token);
    set_title("logged-leaves", "hidden");
    move_away("logged-moved");
    struct str id = person_new(conn, arena, "logged-came");
    go_live();
    unsetenv("MINI_SLAPD_SESSIONLOG");
    assert_int_equal(known.refreshes, 1);
    assert_true(knows(id));
    assert_false(knows(gone));
    assert_false(knows(leaves));
    assert_false(knows(moved));
    assert_true_belief();
}

/* A refresh has named somebody and is not over: who follows is asked after this. */
static void change_while_it_reads(void)
{
    struct str gone = person_new(conn, arena, "between-gone");
    struct str leaves = person_new(conn, arena, "between-leaves");
    expect(FEED_REFRESH_BEGIN, STR_NONE, LIVE_WITHIN_MS);
    expect(FEED_USER, STR_NONE, LIVE_WITHIN_MS);
    delete_dn(person_dn(arena, "between-gone"));
    set_title("between-leaves", "hidden");
    struct str came = person_new(conn, arena, "between-came");
    go_live();
    assert_true(knows(came));
    assert_false(knows(gone));
    assert_false(knows(leaves));
    assert_true_belief();
    set_title("between-leaves", "back");
    expect(FEED_USER, leaves, EVENT_WITHIN_MS);
    delete_dn(person_dn(arena, "between-leaves"));
    delete_dn(person_dn(arena, "between-came"));
}

static void what_happens_while_it_reads_is_not_missed(void **state)
{
    (void)state;
    change_while_it_reads();
    assert_int_equal(known.refreshes, 2); /* slapd says what is left, not what is gone */
}

/* After a crash slapd's contextCSN is older than its newest entries. */
static void a_server_that_crashed_shows_everything(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        person_new(conn, arena, (const char *[]){"crash-1", "crash-2", "crash-3"}[i]);
    slapd_stop(slapd, SIGKILL);
    slapd_restart(slapd);
    go_live();
    assert_true_belief();
}

static void with_a_session_log_it_reads_once(void **state)
{
    (void)state;
    restart_with("MINI_SLAPD_SESSIONLOG", "1000");
    change_while_it_reads();
    unsetenv("MINI_SLAPD_SESSIONLOG");
    assert_int_equal(known.refreshes, 1);
}

/* The plain read shows none then; the control of the one search brings it. */
static void ids_that_may_not_be_read_are_told_all_the_same(void **state)
{
    (void)state;
    struct str id = person_new(conn, arena, "unread");
    restart_with("MINI_SLAPD_NO_UUID", "1");
    go_live();
    assert_int_equal(known.refreshes, 2);
    assert_true(knows(id));
    assert_int_equal(known.deletions, 0);
    restart_with("MINI_SLAPD_NO_UUID", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH,
        FEED(what_happens_while_it_reads_is_not_missed),
        FEED(a_server_that_crashed_shows_everything),
        FEED(a_session_log_saves_the_refresh),
        FEED(with_a_session_log_it_reads_once),
        FEED(ids_that_may_not_be_read_are_told_all_the_same),
    };
    return cmocka_run_group_tests(tests, before_all, after_all);
}
