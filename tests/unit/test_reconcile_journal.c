/* The journal of a run: what does not fit on the disk leaves no half line behind, and lines of
 * several threads stand one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "reconcile/reconcile.h"

#define THREADS 4
#define EACH 200

static const struct reconcile_outcome made = {
    .was = STR_INIT("1"), .is = STR_INIT("2"), .id = STR_INIT("an id")};

struct ground {
    struct arena *arena;
    char dir[32];
    struct config_job job;
    struct reconcile_run run;
    struct reconcile_journal *journal;
};

static int before(void **state)
{
    struct error err = ERROR_INIT;
    struct ground *g = calloc(1, sizeof *g);
    g->arena = arena_new();
    strcpy(g->dir, "/tmp/journal-XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    g->job = (struct config_job){.name = STR("hr"), .as = STR("hr"), .journal_dir = str_of(g->dir)};
    g->run =
        (struct reconcile_run){.ground = {.arena = g->arena, .run = STR("hr-1")}, .job = &g->job};
    assert_true(reconcile_journal_open(&g->run, 9, &g->journal, &err));
    *state = g;
    return 0;
}

static char *path(const struct ground *g)
{
    return arena_cstr(g->arena, arena_fmt(g->arena, "%s/hr-1.jsonl", g->dir));
}

static int after(void **state)
{
    struct ground *g = *state;
    unlink(path(g));
    rmdir(g->dir);
    arena_free(g->arena);
    free(g);
    return 0;
}

static bool count(void *arg, const json_t *line)
{
    (void)line;
    ++*(size_t *)arg;
    return true;
}

/* Its lines, each of them whole. */
static size_t lines(const struct ground *g)
{
    struct error err = ERROR_INIT;
    size_t n = 0;
    assert_true(reconcile_journal_read(str_of(g->dir), STR("hr-1"), count, &n, &err));
    return n;
}

static void a_full_disk_leaves_no_half_line(void **state)
{
    struct ground *g = *state;
    struct stat before_it, behind_it;
    struct rlimit whole, full;
    reconcile_journal_end(g->journal, 0, "done", &made);
    assert_int_equal(stat(path(g), &before_it), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    full = (struct rlimit){(rlim_t)before_it.st_size + 20, whole.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    reconcile_journal_end(g->journal, 1, "done", &made);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    assert_int_equal(stat(path(g), &behind_it), 0);
    assert_int_equal(behind_it.st_size, before_it.st_size);
    reconcile_journal_close(g->journal, "failed");
    assert_int_equal(lines(g), 3);
}

static void *write_many(void *arg)
{
    for (size_t i = 0; i < EACH; i++)
        reconcile_journal_end(arg, i, "done", &made);
    return NULL;
}

static void lines_of_several_threads_are_whole(void **state)
{
    struct ground *g = *state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, g->journal), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    reconcile_journal_close(g->journal, "finished");
    assert_int_equal(lines(g), 2 + THREADS * EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_half_line, before, after),
        cmocka_unit_test_setup_teardown(lines_of_several_threads_are_whole, before, after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
