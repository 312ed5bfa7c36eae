/* The records of one organization from the newest on: answer after answer to the oldest, however
 * much of others lies between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "audit/internal.h"
#include "audit_ground.h"
#include "base/clock.h"

#define MB (1 << 20)
#define ANSWERS_MAX 8

static char padding[16000];

/* Record `n`, made in millisecond `n` of 2026. */
static void put(FILE *f, unsigned n, const char *type, const char *rest)
{
    fprintf(f,
            "{\"seq\":%u,\"time\":\"2026-01-01T00:%02u:%02u.%03uZ\",\"type\":\"%s\",%s,\"pad\":\"%"
            "s\"}\n",
            n, n / 60000, n / 1000 % 60, n % 1000, type, rest, padding);
}

static void put_ours(FILE *f, unsigned n)
{
    put(f, n, "intent", "\"organization\":\"ours\",\"change\":\"add\",\"subject\":\"x\"");
}

static unsigned put_others(FILE *f, unsigned n, size_t bytes)
{
    long began = ftell(f);
    while ((size_t)(ftell(f) - began) < bytes)
        put(f, n++, "intent", "\"organization\":\"other\",\"change\":\"add\",\"subject\":\"x\"");
    return n;
}

static FILE *open_file(const struct ground *g, unsigned last_seq)
{
    struct audit_path path;
    FILE *f = NULL;
    if (last_seq ? audit_path_rotated(str_of(g->dir), STR("serve"), last_seq, &path)
                 : audit_path_current(str_of(g->dir), STR("serve"), &path))
        f = fopen(path.at, "w");
    assert_non_null(f);
    return f;
}

static struct audit_recents ask(const struct ground *g, struct arena *a, struct str before)
{
    struct audit_wanted wanted = {
        .dir = str_of(g->dir), .organization = STR("ours"), .before = INSTANT_NONE, .count = 100};
    struct audit_recents out;
    struct error err = ERROR_INIT;
    assert_true(!before.len || clock_parse_rfc3339(before, &wanted.before));
    if (!audit_read_latest(&wanted, a, &out, &err))
        fail_msg("%s", err.detail);
    return out;
}

/* How many records all answers hold together. */
static size_t count_all(const struct ground *g)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str before = STR_NONE;
    size_t count = 0;
    for (int answers = 0; answers < ANSWERS_MAX; answers++) {
        struct audit_recents found = ask(g, a, before);
        count += found.count;
        if (!found.next.len)
            return count;
        before = found.next;
    }
    fail_msg("there is no end of answers");
    return 0;
}

static void the_oldest_of_a_large_file_is_reached(void **state)
{
    const struct ground *g = *state;
    FILE *f = open_file(g, 0);
    put_ours(f, 1);
    put_ours(f, put_others(f, 2, 100 * MB));
    fclose(f);
    assert_int_equal(count_all(g), 2);
}

static void the_oldest_of_many_files_is_reached(void **state)
{
    const struct ground *g = *state;
    unsigned n = 1;
    for (unsigned i = 1; i <= 10; i++) {
        FILE *f = open_file(g, i < 10 ? i : 0);
        put_ours(f, n++);
        n = put_others(f, n, 12 * MB);
        fclose(f);
    }
    assert_int_equal(count_all(g), 10);
}

static void an_outcome_is_found_in_a_file_that_is_passed_over(void **state)
{
    const struct ground *g = *state;
    OWNED_ARENA struct arena *a = arena_new();
    FILE *f = open_file(g, 1);
    put_ours(f, 1);
    fclose(f);
    f = open_file(g, 0);
    put(f, 2, "outcome", "\"intent\":1,\"result\":\"done\"");
    put_ours(f, 3);
    fclose(f);
    struct audit_recents found = ask(g, a, STR("2026-01-01T00:00:00.002Z"));
    assert_int_equal(found.count, 1);
    assert_true(str_eq(found.at[0].result, STR("done")));
    assert_int_equal(ask(g, a, STR("2026-01-01T00:00:00.001Z")).count, 0);
    assert_int_equal(count_all(g), 2);
}

#define IN_GROUND(test) cmocka_unit_test_setup_teardown(test, ground_open, ground_close)

int main(void)
{
    memset(padding, 'x', sizeof padding - 1);
    const struct CMUnitTest tests[] = {
        IN_GROUND(the_oldest_of_a_large_file_is_reached),
        IN_GROUND(the_oldest_of_many_files_is_reached),
        IN_GROUND(an_outcome_is_found_in_a_file_that_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
