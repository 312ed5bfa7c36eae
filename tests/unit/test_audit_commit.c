/* Threads, one fdatasync for all that wait, disks that fail and come back, and kill -9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "audit_ground.h"

/* The disk, as the code under test sees it: slow or broken at will. Stands before libc's. */
static atomic_int syncs, failing_syncs, failing_cuts, sync_ms;

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    const long ms = atomic_load(&sync_ms);
    if (ms)
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    if (atomic_load(&failing_syncs) > 0) {
        atomic_fetch_sub(&failing_syncs, 1);
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t len)
{
    if (atomic_load(&failing_cuts) > 0) {
        atomic_fetch_sub(&failing_cuts, 1);
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, len);
}

static int ground_of_a_good_disk(void **state)
{
    atomic_store(&syncs, 0);
    atomic_store(&failing_syncs, 0);
    atomic_store(&failing_cuts, 0);
    atomic_store(&sync_ms, 0);
    signal(SIGXFSZ, SIG_IGN);
    return ground_open(state);
}

/* ---- threads */

#define THREADS 8

struct crew {
    struct audit *audit;
    int rounds;
    atomic_int written, refused;
};

static void *work(void *arg)
{
    struct crew *c = arg;
    const struct kiops_record r = a_record();
    for (int i = 0; i < c->rounds; i++) {
        struct error err = ERROR_INIT;
        uint64_t seq;
        if (!audit_intent(c->audit, &r, STR("r"), &seq, &err)) {
            atomic_fetch_add(&c->refused, 1);
            continue;
        }
        atomic_fetch_add(&c->written, 1);
        audit_outcome(c->audit, seq, AUDIT_DONE, STR_NONE);
    }
    return NULL;
}

static void run_crew(struct crew *c)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, c), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void one_sync_serves_all_that_wait(void **state)
{
    const struct ground *g = *state;
    struct crew c = {.audit = open_in(g), .rounds = 20};
    atomic_store(&sync_ms, 3);
    atomic_store(&syncs, 0);
    run_crew(&c);
    audit_close(c.audit);
    assert_int_equal(c.written, THREADS * 20);
    assert_true(atomic_load(&syncs) <= THREADS * 20 / 2);
    const struct audit_check check = verify(g->file);
    assert_int_equal(check.records, 2 * THREADS * 20);
    assert_int_equal(check.intents_without_outcome, 0);
}

static void without_sync_nobody_waits_for_the_disk(void **state)
{
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.sync = false;
    struct crew c = {.audit = open_with(&s), .rounds = 50};
    atomic_store(&syncs, 0);
    run_crew(&c);
    audit_close(c.audit);
    assert_int_equal(atomic_load(&syncs), 0);
    assert_int_equal(verify(g->file).records, 2 * THREADS * 50);
}

static uint64_t verify_all(const struct ground *g, uint64_t *open_intents)
{
    struct dirent **entries;
    const int n = scandir(g->dir, &entries, NULL, alphasort);
    uint64_t records = 0;
    *open_intents = 0;
    for (int i = 0; i < n; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", g->dir, entries[i]->d_name);
        if (strstr(path, ".jsonl")) {
            const struct audit_check check = verify(path);
            records += check.records;
            *open_intents += check.intents_without_outcome;
        }
        free(entries[i]);
    }
    free(entries);
    return records;
}

static void rotation_under_threads_loses_nothing(void **state)
{
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 20000;
    struct crew c = {.audit = open_with(&s), .rounds = 100};
    run_crew(&c);
    audit_close(c.audit);
    uint64_t open_intents;
    assert_int_equal(verify_all(g, &open_intents), 2 * THREADS * 100);
    assert_int_equal(c.refused, 0);
}

static void failing_syncs_under_threads_lose_nothing_acknowledged(void **state)
{
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 30000;
    struct crew c = {.audit = open_with(&s), .rounds = 100};
    for (int round = 0; round < 5; round++) {
        atomic_store(&failing_syncs, 7);
        run_crew(&c);
    }
    audit_close(c.audit);
    uint64_t open_intents;
    const uint64_t records = verify_all(g, &open_intents);
    /* An outcome may be cut off with a failed sync, an acknowledged intent never. */
    assert_true(records + open_intents >= 2 * (uint64_t)c.written);
    assert_true(records <= 2 * (uint64_t)c.written + (uint64_t)c.refused);
    assert_true(c.refused > 0);
}

/* ---- disks that fail */

static void a_failed_sync_refuses_and_the_next_append_recovers(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    assert_int_equal(append(a), 1);
    assert_true(audit_healthy(a));
    atomic_store(&failing_syncs, 2);
    assert_int_equal(append(a), 0);
    assert_int_equal(append(a), 0);
    assert_int_equal(verify(g->file).records, 1);
    assert_int_equal(append(a), 2);
    assert_true(audit_healthy(a));
    audit_close(a);
    assert_int_equal(verify(g->file).records, 2);
}

static void a_full_disk_refuses_and_the_next_append_recovers(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    const uint64_t first = append(a);
    audit_outcome(a, first, AUDIT_DONE, STR_NONE);
    struct stat st;
    assert_int_equal(stat(g->file, &st), 0);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    /* Room for half a record: the write is cut short, then fails. */
    const struct rlimit full = {(rlim_t)st.st_size + 100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    const uint64_t refused = append(a), again = append(a);
    const bool red = !audit_healthy(a);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(refused, 0);
    assert_int_equal(again, 0);
    assert_true(red);
    assert_int_equal(verify(g->file).records, 2);
    assert_int_equal(append(a), 3);
    audit_close(a);
    assert_int_equal(verify(g->file).records, 3);
}

static void a_cut_that_fails_is_made_up_for(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    append(a);
    atomic_store(&failing_syncs, 1);
    atomic_store(&failing_cuts, 3);
    assert_int_equal(append(a), 0); /* the sync fails, and cutting its record off */
    assert_int_equal(append(a), 0); /* the file cannot be brought into shape */
    assert_int_equal(append(a), 2);
    audit_close(a);
    assert_int_equal(verify(g->file).records, 2);
}

static void asking_for_health_finds_the_disk_back(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    append(a);
    atomic_store(&failing_syncs, 3);
    assert_int_equal(append(a), 0);
    assert_false(audit_healthy(a));
    assert_false(audit_healthy(a));
    assert_true(audit_healthy(a));
    assert_true(audit_healthy(a));
    audit_close(a);
    OWNED_TEXT char *text = text_of(g->file);
    assert_non_null(strstr(text, "\"note\":\"recovered\""));
    assert_int_equal(verify(g->file).records, 2);
}

/* ---- kill -9 */

/* Tells each acknowledged intent through the pipe until it is killed. */
static void append_until_killed(const struct ground *g, int tell)
{
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 8000;
    s.wait_lock = true;
    struct audit *a = NULL;
    struct error err = ERROR_INIT;
    if (!audit_open(&s, &a, &err))
        _exit(1);
    while (true) {
        const uint64_t seq = append(a);
        if (!seq || write(tell, &seq, sizeof seq) != sizeof seq)
            _exit(1);
        audit_outcome(a, seq, AUDIT_DONE, STR_NONE);
    }
}

static void an_acknowledged_intent_survives_kill_9(void **state)
{
    const struct ground *g = *state;
    uint64_t last = 0;
    for (int round = 0; round < 8; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            append_until_killed(g, ends[1]);
        close(ends[1]);
        for (int i = 0; i < 10 + 17 * round; i++)
            assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
        kill(child, SIGKILL);
        for (uint64_t more; read(ends[0], &more, sizeof more) == sizeof more;)
            last = more;
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        close(ends[0]);
        uint64_t open_intents;
        assert_true(verify_all(g, &open_intents) >= last);
        assert_true(open_intents <= (uint64_t)round + 1);
    }
}

#define ON_GROUND(test) cmocka_unit_test_setup_teardown(test, ground_of_a_good_disk, ground_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_GROUND(one_sync_serves_all_that_wait),
        ON_GROUND(without_sync_nobody_waits_for_the_disk),
        ON_GROUND(rotation_under_threads_loses_nothing),
        ON_GROUND(failing_syncs_under_threads_lose_nothing_acknowledged),
        ON_GROUND(a_failed_sync_refuses_and_the_next_append_recovers),
        ON_GROUND(a_full_disk_refuses_and_the_next_append_recovers),
        ON_GROUND(a_cut_that_fails_is_made_up_for),
        ON_GROUND(asking_for_health_finds_the_disk_back),
        ON_GROUND(an_acknowledged_intent_survives_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
