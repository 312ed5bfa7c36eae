/* The feed against a real slapd that tells, and against one that is polled. What the events leave
 * behind must be what a search finds, whatever happened in between. */

#include "private_slapd.h"

#define KNOWN_MAX 64
#define LIVE_WITHIN_MS 10000
#define EVENT_WITHIN_MS 2000 /* 5 on an idle machine */

static struct private_slapd *slapd;
static struct directory_conn *conn;
static struct arena *arena;
static struct directory_feed *feed;

/* What a consumer of the events believes. */
static struct {
    struct {
        char id[40];
        enum directory_feed_kind kind;
        bool seen;
    } at[KNOWN_MAX];
    size_t count;
    unsigned refreshes, deletions;
} known;

static void forget_id(const char *id)
{
    for (size_t i = 0; i < known.count; i++)
        if (strcmp(known.at[i].id, id) == 0)
            known.at[i] = known.at[--known.count];
}

static bool knows(struct str id)
{
    for (size_t i = 0; i < known.count; i++)
        if (str_eq(str_of(known.at[i].id), id))
            return true;
    return false;
}

static void believe(const struct directory_event *event)
{
    char id[40];
    snprintf(id, sizeof id, STR_FMT, STR_ARG(event->entry.id));
    forget_id(id);
    if (event->kind == FEED_DELETED) {
        known.deletions++;
        return;
    }
    assert_true(known.count < KNOWN_MAX);
    assert_true(event->entry.csn.len > 0 || getenv("MINI_SLAPD_NO_CSN"));
    snprintf(known.at[known.count].id, sizeof id, "%s", id);
    known.at[known.count].kind = event->kind;
    known.at[known.count++].seen = true;
}

static void apply(const struct directory_event *event)
{
    switch (event->kind) {
    case FEED_REFRESH_BEGIN:
        known.refreshes++;
        for (size_t i = 0; i < known.count; i++)
            known.at[i].seen = false;
        break;
    case FEED_LIVE:
        for (size_t i = known.count; i-- > 0;)
            if (!known.at[i].seen)
                known.at[i] = known.at[--known.count];
        break;
    case FEED_USER:
    case FEED_ORGANIZATION:
    case FEED_PLATFORM:
    case FEED_TOKEN:
    case FEED_APPLICANT:
    case FEED_DELETED:
        believe(event);
        break;
    case FEED_IDLE:
    case FEED_LOST:
        break;
    }
}

/* Applies events until one of that kind (and id, if given) came; its time in ms, or the test fails.
 */
static int64_t expect(enum directory_feed_kind kind, struct str id, int within_ms)
{
    int64_t began = clock_monotonic_ms(), deadline = clock_deadline_in(within_ms);
    while (clock_left_ms(deadline) > 0) {
        struct directory_event event;
        OWNED_ARENA struct arena *a = arena_new();
        directory_feed_next(feed, a, (int)clock_left_ms(deadline), &event);
        apply(&event);
        if (event.kind == kind && (id.len == 0 || str_eq(id, event.entry.id)))
            return clock_monotonic_ms() - began;
    }
    fail_msg("no event %d for " STR_FMT, (int)kind, STR_ARG(id));
    return 0;
}

static void go_live(void)
{
    expect(FEED_LIVE, STR_NONE, LIVE_WITHIN_MS);
}

static size_t count_of(enum directory_feed_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < known.count; i++)
        n += known.at[i].kind == kind;
    return n;
}

/* The beliefs are what the directory holds. */
static void assert_true_belief(void)
{
    struct directory_search all[] = {
        {.base = slapd->config.directory.users.base,
         .scope = DIRECTORY_SUB,
         .filter = slapd->config.directory.users.filter},
        {.base = slapd->config.directory.organizations.base,
         .scope = DIRECTORY_SUB,
         .filter = slapd->config.directory.organizations.filter},
        directory_tokens(slapd->directory),
        directory_search_platform(slapd->directory, arena),
    };
    struct directory_entries found[4];
    struct error err = ERROR_INIT;
    assert_true(directory_find_all(conn, arena, (struct directory_searches){all, 4}, found, &err));
    size_t total = 0;
    for (size_t i = 0; i < 4; i++) {
        total += found[i].count;
        for (size_t j = 0; j < found[i].count; j++)
            assert_true(knows(found[i].at[j].id));
    }
    assert_int_equal(known.count, total);
}

static int before_each(void **state)
{
    (void)state;
    memset(&known, 0, sizeof known);
    arena = arena_new();
    conn = directory_open(slapd->directory, DIRECTORY_SERVICE);
    feed = directory_feed_new(slapd->directory);
    return 0;
}

static int after_each(void **state)
{
    (void)state;
    directory_feed_free(feed);
    directory_close(conn);
    arena_free(arena);
    return 0;
}

static struct str token_new(const char *name)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("kiopsPrincipal"));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", str_of(name));
    struct str dn = arena_fmt(arena, "cn=%s,ou=tokens,ou=kiops," SUFFIX, name);
    assert_true(directory_add(conn, dn, &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    return dn;
}

static struct str organization_new(const char *name)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("groupOfNames"));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", str_of(name));
    directory_mods_one(&m, DIRECTORY_ADD, "member", STR("cn=nobody," SUFFIX));
    struct str dn = arena_fmt(arena, "cn=%s,ou=organizations," SUFFIX, name);
    assert_true(directory_add(conn, dn, &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    return result.post->id;
}

static void delete_dn(struct str dn)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct directory_target t = {.dn = dn};
    assert_true(directory_delete(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
}

static void rename_person(const char *from, const char *to)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct directory_target t = {.dn = person_dn(arena, from),
                                 .new_rdn = arena_fmt(arena, "uid=%s", to)};
    assert_true(directory_rename(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
}

/* The bridge moves nobody between containers; administrators do. */
static void move_away(const char *uid)
{
    char *dn = arena_cstr(arena, person_dn(arena, uid));
    const char *rdn = arena_fmt(arena, "uid=%s", uid).at;
    int code = ldap_rename_s(conn->ld, dn, rdn, "ou=away," SUFFIX, 0, NULL, NULL);
    assert_int_equal(code, LDAP_SUCCESS);
}

static void set_title(const char *uid, const char *title)
{
    struct directory_target t = {.dn = person_dn(arena, uid)};
    struct directory_result done =
        modify_one(conn, arena, t, (struct one_value){DIRECTORY_REPLACE, "title", str_of(title)});
    assert_int_equal(done.outcome, DIRECTORY_DONE);
}

static void restart_with(const char *name, const char *value)
{
    slapd_stop(slapd, SIGTERM);
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    slapd_restart(slapd);
}

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

static void lose_server(int signal_number)
{
    slapd_stop(slapd, signal_number);
    expect(FEED_LOST, STR_NONE, LIVE_WITHIN_MS);
    slapd_restart(slapd);
}

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

/* ---- polling */

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

/* P1: what a cut answer does not name is still there. */
static void a_cut_answer_deletes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        person_new(conn, arena, arena_fmt(arena, "many%d", i).at);
    go_live();
    size_t before = known.count;
    slapd_stop(slapd, SIGTERM);
    expect(FEED_LOST, STR_NONE, LIVE_WITHIN_MS);
    restart_with("MINI_SLAPD_SIZE", "3");
    for (int64_t until = clock_deadline_in(1500); clock_left_ms(until) > 0;) {
        struct directory_event event;
        directory_feed_next(feed, arena, 100, &event);
        apply(&event);
        assert_int_not_equal(event.kind, FEED_LIVE);
    }
    assert_int_equal(known.count, before);
    assert_int_equal(known.deletions, 0);
    restart_with("MINI_SLAPD_SIZE", NULL);
    go_live();
    assert_true_belief();
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

#define FEED(test) cmocka_unit_test_setup_teardown(test, before_each, after_each)

static int before_all(void **state)
{
    (void)state;
    slapd = slapd_start();
    return 0;
}

static int before_polling(void **state)
{
    int failed = before_all(state);
    slapd->config.directory.feed = CONFIG_FEED_POLL;
    slapd->config.directory.poll_interval_s = 1;
    return failed;
}

static int after_all(void **state)
{
    (void)state;
    slapd_remove(slapd);
    return 0;
}

#define BOTH                                                                                       \
    FEED(a_refresh_names_everything), FEED(changes_arrive_at_once),                                \
        FEED(an_organization_comes_without_its_members),                                           \
        FEED(an_entry_that_matches_no_more_is_deleted),                                            \
        FEED(a_protected_entry_is_never_delivered),                                                \
        FEED(quiet_is_idle_and_a_wake_ends_the_waiting), FEED(nothing_missed_needs_no_refresh),    \
        FEED(what_was_missed_is_made_good), FEED(the_last_token_deleted_meanwhile_is_gone),        \
        FEED(a_server_that_hangs_is_noticed), FEED(a_missing_container_never_goes_live)

int main(void)
{
    const struct CMUnitTest told[] = {BOTH, FEED(what_happens_while_it_reads_is_not_missed),
                                      FEED(a_server_that_crashed_shows_everything),
                                      FEED(a_session_log_saves_the_refresh),
                                      FEED(with_a_session_log_it_reads_once)};
    const struct CMUnitTest polled[] = {
        BOTH,
        FEED(changes_of_one_second_all_arrive),
        FEED(a_change_between_two_reads_is_read_again),
        FEED(a_cut_answer_deletes_nothing),
        FEED(the_loss_tells_since_when),
        FEED(what_others_saw_is_looked_for),
        FEED(auto_polls_who_does_not_tell),
    };
    return cmocka_run_group_tests(told, before_all, after_all) +
           cmocka_run_group_tests(polled, before_polling, after_all);
}
