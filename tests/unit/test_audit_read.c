/* The records read back: what was done to one person, over rotated files, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "audit_ground.h"

static struct audit_changes read_of(const struct ground *g, struct arena *a, const char *subject)
{
    struct audit_changes out;
    struct error err = ERROR_INIT;
    if (!audit_read_changes(str_of(g->dir), str_of(subject), a, &out, &err))
        fail_msg("%s", err.detail);
    return out;
}

static uint64_t intend(struct audit *a, const struct kiops_record *r)
{
    struct error err = ERROR_INIT;
    uint64_t seq;
    assert_true(audit_intent(a, r, STR("r"), &seq, &err));
    return seq;
}

static void only_what_was_done_to_that_person_is_read(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    struct kiops_record r = a_record(), other = a_record();
    other.subject = STR("other");
    other.before = STR("{\"manager\":\"9d1e\"}");
    const uint64_t done = intend(a, &r), lost = intend(a, &r), not_his = intend(a, &other);
    intend(a, &r); /* cut off: nobody knows */
    audit_outcome(a, not_his, AUDIT_DONE, STR_NONE);
    audit_outcome(a, lost, AUDIT_LOST_RACE, STR_NONE);
    audit_outcome(a, done, AUDIT_DONE, STR_NONE);
    audit_refusal(a, &r, STR_NONE);
    audit_close(a);
    OWNED_ARENA struct arena *memory = arena_new();
    const struct audit_changes read = read_of(g, memory, "9d1e");
    assert_int_equal(read.count, 1);
    const struct audit_change *c = &read.at[0];
    assert_int_equal(c->seq, done);
    assert_true(str_eq(c->chain, STR("serve")) && str_eq(c->change, STR("promote")));
    assert_true(str_eq(c->actor, STR("token:entra-1")) && str_eq(c->rule, STR("KB-R02")));
    assert_true(str_eq(c->organization, STR("0b6c")) && !c->permission.len);
    assert_int_equal(read_of(g, memory, "9d1").count, 0);
}

static void who_was_made_is_named_by_the_outcome(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    struct kiops_record r = a_record();
    r.kind = KIOPS_CREATE_USER;
    r.subject = r.organization = STR_NONE;
    const uint64_t other = intend(a, &r), failed = intend(a, &r), made = intend(a, &r);
    intend(a, &r); /* cut off */
    audit_made(a, made, STR("9d1e"));
    audit_outcome(a, failed, AUDIT_FAILED, STR("9d1e"));
    audit_made(a, other, STR("other"));
    audit_close(a);
    OWNED_ARENA struct arena *memory = arena_new();
    const struct audit_changes read = read_of(g, memory, "9d1e");
    assert_int_equal(read.count, 1);
    assert_int_equal(read.at[0].seq, made);
    assert_true(str_eq(read.at[0].change, STR("create_user")));
    assert_int_equal(read_of(g, memory, "9d1").count, 0);
}

static void a_permission_is_read_of_what_was_given_and_of_what_was_taken(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    struct kiops_record r = a_record();
    r.before = STR_NONE;
    r.after = STR("{\"permission\":\"vpn\"}");
    audit_outcome(a, intend(a, &r), AUDIT_DONE, STR_NONE);
    r.before = r.after;
    r.after = STR_NONE;
    audit_outcome(a, intend(a, &r), AUDIT_DONE, STR_NONE);
    audit_close(a);
    OWNED_ARENA struct arena *memory = arena_new();
    const struct audit_changes read = read_of(g, memory, "9d1e");
    assert_int_equal(read.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(str_eq(read.at[i].permission, STR("vpn")));
}

/* An outcome may stand in the file behind its intent's. */
static void rotated_files_are_read_from_the_first_on(void **state)
{
    enum { N = 50 };
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 1;
    struct audit *a = open_with(&s);
    const struct kiops_record r = a_record();
    uint64_t seqs[N];
    for (size_t i = 0; i < N; i++) {
        seqs[i] = intend(a, &r);
        audit_outcome(a, seqs[i], AUDIT_DONE, STR_NONE);
    }
    audit_close(a);
    OWNED_ARENA struct arena *memory = arena_new();
    const struct audit_changes read = read_of(g, memory, "9d1e");
    assert_int_equal(read.count, N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(read.at[i].seq, seqs[i]);
}

static void chains_are_read_one_after_the_other(void **state)
{
    const struct ground *g = *state;
    static const char *const kinds[] = {"serve", "cli", "reconcile"};
    for (size_t i = 0; i < 3; i++) {
        struct audit_settings s = settings_of(g);
        s.kind = str_of(kinds[i]);
        struct audit *a = open_with(&s);
        audit_outcome(a, append(a), AUDIT_DONE, STR_NONE);
        audit_close(a);
    }
    OWNED_ARENA struct arena *memory = arena_new();
    const struct audit_changes read = read_of(g, memory, "9d1e");
    assert_int_equal(read.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(str_eq(read.at[i].chain, str_of(kinds[i])));
}

static void torn_and_foreign_lines_are_passed_over(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    audit_outcome(a, append(a), AUDIT_DONE, STR_NONE);
    audit_close(a);
    FILE *f = fopen(g->file, "a");
    fputs("9d1e\n{\"subject\":\"9d1e\"}\n[\"9d1e\"]\n{\"seq\":3,\"type\":\"intent\",\"subject\":"
          "\"9d1e\"",
          f);
    fclose(f);
    OWNED_ARENA struct arena *memory = arena_new();
    assert_int_equal(read_of(g, memory, "9d1e").count, 1);
}

static void no_files_are_no_records_and_an_unreadable_one_is_an_error(void **state)
{
    const struct ground *g = *state;
    OWNED_ARENA struct arena *memory = arena_new();
    assert_int_equal(read_of(g, memory, "9d1e").count, 0);
    assert_int_equal(symlink(g->file, g->file), 0);
    struct audit_changes out;
    struct error err = ERROR_INIT;
    assert_false(audit_read_changes(str_of(g->dir), STR("9d1e"), memory, &out, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, "audit-serve.jsonl"));
}

static void memberships_changed_since_then_are_known(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    struct kiops_record r = a_record(), failed = a_record(), whole = a_record();
    failed.subject = STR("failed");
    whole.organization = STR_NONE;
    audit_outcome(a, intend(a, &r), AUDIT_DONE, STR_NONE);
    audit_outcome(a, intend(a, &failed), AUDIT_FAILED, STR_NONE);
    audit_outcome(a, intend(a, &whole), AUDIT_DONE, STR_NONE);
    audit_close(a);
    OWNED_ARENA struct arena *memory = arena_new();
    struct error err = ERROR_INIT;
    struct audit_touched t;
    const struct str dir = str_of(g->dir), organization = STR("0b6c");
    assert_true(audit_read_touched(dir, clock_now() - 60000000, memory, &t, &err));
    assert_int_equal(t.count, 1);
    assert_true(audit_touched_has(&t, STR("9d1e"), organization));
    assert_false(audit_touched_has(&t, STR("failed"), organization));
    assert_false(audit_touched_has(&t, STR("9d1e"), STR("other")));
    assert_false(audit_touched_has(&t, STR("9d1e"), STR_NONE));
    assert_true(audit_read_touched(dir, clock_now() + 60000000, memory, &t, &err));
    assert_false(audit_touched_has(&t, STR("9d1e"), organization));
}

#define IN_GROUND(test) cmocka_unit_test_setup_teardown(test, ground_open, ground_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_GROUND(only_what_was_done_to_that_person_is_read),
        IN_GROUND(who_was_made_is_named_by_the_outcome),
        IN_GROUND(a_permission_is_read_of_what_was_given_and_of_what_was_taken),
        IN_GROUND(rotated_files_are_read_from_the_first_on),
        IN_GROUND(chains_are_read_one_after_the_other),
        IN_GROUND(memberships_changed_since_then_are_known),
        IN_GROUND(torn_and_foreign_lines_are_passed_over),
        IN_GROUND(no_files_are_no_records_and_an_unreadable_one_is_an_error),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
