/* A server that is stopped, restarted, hangs or is killed: every call ends in time, and says no
 * more than it knows. */
#include "private_slapd.h"

static struct private_slapd *slapd;
static struct directory_conn *conn;
static struct arena *arena;

static int before_each(void **state)
{
    (void)state;
    arena = arena_new();
    conn = directory_open(slapd->directory, DIRECTORY_SERVICE);
    return 0;
}

static int after_each(void **state)
{
    (void)state;
    directory_close(conn);
    arena_free(arena);
    return 0;
}

static struct directory_entries find(struct directory_search search)
{
    struct directory_entries found = {0};
    struct error err = ERROR_INIT;
    if (!directory_find(conn, arena, &search, &found, &err))
        fail_msg("%s", err.detail);
    return found;
}

static void assert_unavailable_within(int64_t began, int64_t ms, const struct error *err)
{
    int64_t took = clock_monotonic_ms() - began;
    assert_int_equal(err->kind, ERR_UNAVAILABLE);
    if (took > ms)
        fail_msg("took %lld ms", (long long)took);
}

static void a_write_after_a_restart_is_no_doubtful_one(void **state)
{
    (void)state;
    person_new(conn, arena, "before-restart");
    slapd_stop(slapd, SIGKILL);
    slapd_restart(slapd);
    person_new(conn, arena, "after-restart");
    slapd_stop(slapd, SIGTERM);
    slapd_restart(slapd);
    find(directory_search_user_named(slapd->directory, arena, STR("after-restart")));
}

static void a_stopped_server_is_unavailable_at_once(void **state)
{
    struct directory_result result;
    struct directory_entries found;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "before-stop");
    slapd_stop(slapd, SIGTERM);
    int64_t began = clock_monotonic_ms();
    assert_false(person_add(conn, arena, "while-stopped", &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_UNAVAILABLE);
    assert_unavailable_within(began, 500, &err);
    err = ERROR_INIT;
    struct directory_search s =
        directory_search_user_named(slapd->directory, arena, STR("before-stop"));
    assert_false(directory_find(conn, arena, &s, &found, &err));
    assert_unavailable_within(began, 1000, &err);
    slapd_restart(slapd);
    assert_int_equal(find(s).count, 1);
}

static void a_hanging_server_costs_the_deadline_and_leaves_doubt(void **state)
{
    struct directory_result result;
    struct directory_entries found;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "before-hang");
    struct directory_search s =
        directory_search_user_named(slapd->directory, arena, STR("before-hang"));
    slapd_pause(slapd);
    int64_t began = clock_monotonic_ms();
    assert_false(person_add(conn, arena, "in-doubt", &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_UNKNOWN);
    assert_unavailable_within(began, 1500, &err);
    assert_true(clock_monotonic_ms() - began >= 990);
    /* The connection is gone; a new one is not accepted either. */
    err = ERROR_INIT;
    began = clock_monotonic_ms();
    directory_deadline(conn, clock_deadline_in(300));
    assert_false(directory_find(conn, arena, &s, &found, &err));
    assert_unavailable_within(began, 700, &err);
    directory_deadline(conn, 0);
    kill(slapd->pid, SIGCONT);
    assert_int_equal(find(s).count, 1);
}

static void a_big_write_to_a_hanging_server_keeps_the_deadline(void **state)
{
    struct error err = ERROR_INIT;
    struct directory_mods m;
    struct directory_result result;
    (void)state;
    person_new(conn, arena, "bigwrite");
    size_t size = (size_t)24 << 20;
    char *bytes = arena_alloc(arena, size);
    memset(bytes, 'x', size);
    struct directory_target t = {.dn = person_dn(arena, "bigwrite")};
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "kiopsResource", (struct str){bytes, size});
    slapd_pause(slapd);
    int64_t began = clock_monotonic_ms();
    assert_false(directory_modify(conn, &t, &m, &result, &err));
    assert_unavailable_within(began, 2000, &err);
    kill(slapd->pid, SIGCONT);
}

static void a_deadline_that_has_passed_sends_nothing(void **state)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "before-late");
    directory_deadline(conn, clock_monotonic_ms());
    assert_false(person_add(conn, arena, "late", &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_UNAVAILABLE);
    directory_deadline(conn, 0);
    assert_int_equal(find(directory_search_user_named(slapd->directory, arena, STR("late"))).count,
                     0);
}

static pid_t signal_soon(pid_t pid, int signal_number)
{
    pid_t child = fork();
    if (child == 0) {
        usleep(50000);
        kill(pid, signal_number);
        _exit(0);
    }
    return child;
}

static void a_server_killed_in_the_middle_leaves_doubt(void **state)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    (void)state;
    person_new(conn, arena, "before-kill");
    slapd_pause(slapd);
    pid_t child = signal_soon(slapd->pid, SIGKILL);
    int64_t began = clock_monotonic_ms();
    assert_false(person_add(conn, arena, "killed", &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_UNKNOWN);
    assert_unavailable_within(began, 500, &err);
    waitpid(child, NULL, 0);
    slapd_stop(slapd, SIGKILL);
    slapd_restart(slapd);
    assert_int_equal(
        find(directory_search_user_named(slapd->directory, arena, STR("before-kill"))).count, 1);
}

static void a_refused_account_is_not_tried_again_at_once(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    struct str right = slapd->config.directory.service.bind_dn;
    slapd->config.directory.service.bind_dn = STR("cn=nobody," SUFFIX);
    assert_false(directory_ping(conn, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    assert_true(clock_left_ms(atomic_load(&slapd->directory->bind_again_at)) > 5000);
    slapd->config.directory.service.bind_dn = right;
    err = ERROR_INIT;
    assert_false(directory_ping(conn, &err));
    atomic_store(&slapd->directory->bind_again_at, 0);
    err = ERROR_INIT;
    assert_true(directory_ping(conn, &err));
}

#define LIVE(test) cmocka_unit_test_setup_teardown(test, before_each, after_each)

static int before_all(void **state)
{
    (void)state;
    slapd = slapd_start();
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    slapd_remove(slapd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(a_write_after_a_restart_is_no_doubtful_one),
        LIVE(a_stopped_server_is_unavailable_at_once),
        LIVE(a_hanging_server_costs_the_deadline_and_leaves_doubt),
        LIVE(a_big_write_to_a_hanging_server_keeps_the_deadline),
        LIVE(a_deadline_that_has_passed_sends_nothing),
        LIVE(a_server_killed_in_the_middle_leaves_doubt),
        LIVE(a_refused_account_is_not_tried_again_at_once),
    };
    return cmocka_run_group_tests(tests, before_all, after_all);
}
