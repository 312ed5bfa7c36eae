/* The chain: what a record holds, restart, torn ends, rotation, the lock, and what verify finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "audit_ground.h"

static void a_record_holds_who_what_and_why(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    const uint64_t seq = append(a);
    audit_outcome(a, seq, AUDIT_LOST_RACE, STR("decided \"elsewhere\"\n"));
    struct kiops_record r = a_record();
    r.actor = (struct kiops_actor){.kind = KIOPS_ACTOR_PERSON, .id = STR("9d1e")};
    r.rule = "KB-R04";
    r.before = r.after = STR_NONE;
    audit_refusal(a, &r, STR_NONE);
    audit_close(a);

    OWNED_TEXT char *text = text_of(g->file);
    struct str rest = str_of(text), lines[3];
    for (size_t i = 0; i < 3; i++)
        assert_true(str_split(&rest, '\n', &lines[i]));
    OWNED_JSON json_t *intent = json_loadb(lines[0].at, lines[0].len, 0, NULL);
    static const struct {
        const char *name, *value;
    } rows[] = {{"type", "intent"},      {"request", "7f21c0aa"}, {"category", "organization"},
                {"change", "promote"},   {"rule", "KB-R02"},      {"subject", "9d1e"},
                {"organization", "0b6c"}};
    assert_int_equal(json_integer_value(json_object_get(intent, "seq")), 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(str_eq(json_get_str(intent, rows[i].name), str_of(rows[i].value)));
    const json_t *actor = json_object_get(intent, "actor");
    assert_true(str_eq(json_get_str(actor, "kind"), STR("token")));
    assert_true(str_eq(json_get_str(actor, "client"), STR("entra")));
    assert_true(str_eq(json_get_str(json_object_get(intent, "before"), "role"), STR("Member")));
    OWNED_JSON json_t *outcome = json_loadb(lines[1].at, lines[1].len, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(outcome, "intent")), 1);
    assert_true(str_eq(json_get_str(outcome, "result"), STR("lost race")));
    assert_true(str_eq(json_get_str(outcome, "detail"), STR("decided \"elsewhere\"\n")));
    assert_true(str_eq(json_get_str(outcome, "prev"), json_get_str(intent, "hash")));
    OWNED_JSON json_t *refusal = json_loadb(lines[2].at, lines[2].len, 0, NULL);
    assert_true(str_eq(json_get_str(refusal, "type"), STR("refusal")));
    assert_null(json_object_get(refusal, "before"));
}

static void what_is_no_json_or_too_long_is_kept_as_what_it_is(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    struct kiops_record r = a_record();
    OWNED_BUF struct buf longest;
    buf_init(&longest, 1 << 20);
    for (size_t i = 0; i < 300000; i++)
        buf_char(&longest, '1');
    r.before = STR("not json\n{");
    r.after = buf_view(&longest);
    struct error err = ERROR_INIT;
    uint64_t seq;
    assert_true(audit_intent(a, &r, STR("r"), &seq, &err));
    audit_close(a);
    OWNED_TEXT char *text = text_of(g->file);
    assert_non_null(strstr(text, "\"before\":\"not json\\n{\""));
    assert_non_null(strstr(text, "\"after\":{\"omittedBytes\":300000,\"sha256\":\""));
    assert_int_equal(verify(g->file).records, 1);
}

static void several_intents_of_a_request_have_following_numbers(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    const struct kiops_record records[3] = {a_record(), a_record(), a_record()};
    struct error err = ERROR_INIT;
    uint64_t seqs[3];
    append(a);
    assert_true(audit_batch_intents(a, &(struct audit_batch){records, 3, STR("r")}, seqs, &err));
    assert_int_equal(seqs[0], 2);
    assert_int_equal(seqs[2], 4);
    assert_true(audit_batch_intents(a, &(struct audit_batch){records, 0, STR("r")}, seqs, &err));
    audit_outcome(a, seqs[1], AUDIT_DONE, STR_NONE);
    audit_close(a);
    const struct audit_check c = verify(g->file);
    assert_int_equal(c.records, 5);
    assert_int_equal(c.intents_without_outcome, 3);
}

static void a_restart_continues_the_chain(void **state)
{
    const struct ground *g = *state;
    for (uint64_t i = 1; i <= 4; i++) {
        struct audit *a = open_in(g);
        assert_int_equal(append(a), i);
        audit_close(a);
    }
    assert_int_equal(verify(g->file).records, 4);
}

static void a_torn_record_is_cut_off_and_noted(void **state)
{
    const struct ground *g = *state;
    static const struct {
        const char *tail;
        size_t len;
    } tails[] = {{"{\"seq\":3,\"time\":\"20", 19}, {"\0\0\0\0\n\0\0", 7}, {"x", 1}};
    uint64_t records = 0;
    for (size_t i = 0; i < 3; i++) {
        struct audit *a = open_in(g);
        records += i > 0; /* the note about the one before */
        assert_int_equal(append(a), ++records);
        audit_close(a);
        const int fd = open(g->file, O_WRONLY | O_APPEND);
        assert_int_equal(write(fd, tails[i].tail, tails[i].len), tails[i].len);
        close(fd);
    }
    audit_close(open_in(g));
    OWNED_TEXT char *text = text_of(g->file);
    assert_non_null(strstr(text, "\"note\":\"torn record\",\"detail\":\"19 bytes of an unfinished "
                                 "record were cut off: {\\\"seq\\\":3"));
    assert_int_equal(verify(g->file).records, records + 1);
}

static void a_torn_first_record_leaves_an_empty_chain(void **state)
{
    const struct ground *g = *state;
    write_text(g->file, "{\"seq\":1,", 9);
    struct audit *a = open_in(g);
    assert_int_equal(append(a), 2);
    audit_close(a);
    assert_int_equal(verify(g->file).records, 2);
}

static void a_file_of_something_else_is_not_touched(void **state)
{
    const struct ground *g = *state;
    static const char other[] = "dear diary\ntoday\n";
    write_text(g->file, other, sizeof other - 1);
    const struct audit_settings s = settings_of(g);
    struct audit *a = NULL;
    struct error err = ERROR_INIT;
    assert_false(audit_open(&s, &a, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, g->file));
    OWNED_TEXT char *text = text_of(g->file);
    assert_string_equal(text, other);
}

static size_t files_in(const struct ground *g, char names[][400], size_t max)
{
    struct dirent **entries;
    const int n = scandir(g->dir, &entries, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        if (count < max && strstr(entries[i]->d_name, ".0"))
            snprintf(names[count++], 400, "%s/%s", g->dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return count;
}

static void rotation_links_file_to_file(void **state)
{
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 2000;
    struct audit *a = open_with(&s);
    for (uint64_t i = 1; i <= 20; i++)
        audit_outcome(a, append(a), AUDIT_DONE, STR_NONE);
    audit_close(a);
    static char names[64][400];
    const size_t n = files_in(g, names, 64);
    assert_true(n >= 3);
    uint64_t records = verify(g->file).records;
    for (size_t i = 0; i < n; i++) {
        OWNED_BUF struct buf report;
        buf_init(&report, 65536);
        const struct audit_check c = verify_file(names[i], &report);
        records += c.records;
        assert_int_equal(report.len, 0); /* outcomes in the next file count */
    }
    assert_int_equal(records, 40);

    /* The oldest is archived: the next one's link cannot be checked, and the report says so. */
    unlink(names[0]);
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    verify_file(names[1], &report);
    assert_non_null(strstr(report.at, "its link is not checked"));
    /* One that does not fit is a broken chain. */
    OWNED_TEXT char *second = text_of(names[2]);
    write_text(names[1], second, strlen(second));
    struct audit_check c;
    struct error err = ERROR_INIT;
    assert_false(audit_verify(str_of(names[2]), &c, &report, &err));
    assert_int_equal(c.first_bad_line, 1);
}

static void a_restart_after_rotation_continues_from_the_rotated_file(void **state)
{
    const struct ground *g = *state;
    struct audit_settings s = settings_of(g);
    s.rotate_bytes = 1500;
    struct audit *a = open_with(&s);
    uint64_t last = 0;
    for (int i = 0; i < 10; i++)
        last = append(a);
    audit_close(a);
    /* Died between the two renames: there is no current file. */
    static char names[64][400];
    char away[200];
    const size_t n = files_in(g, names, 64);
    const uint64_t in_current = verify(g->file).records;
    snprintf(away, sizeof away, "%s/aside", g->dir);
    assert_int_equal(rename(g->file, away), 0);
    a = open_with(&s);
    assert_int_equal(append(a), last - in_current + 1);
    audit_close(a);
    verify(g->file);
    verify(names[n - 1]);
}

static void only_one_process_writes_a_chain(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g), *second = NULL;
    const struct audit_settings s = settings_of(g);
    struct error err = ERROR_INIT;
    assert_false(audit_open(&s, &second, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.detail, "held by another process"));
    audit_close(a);
    audit_close(open_in(g));
}

/* ---- tampering */

/* Whoever can write the file can also compute a hash: a record that is sound in itself, put into
 * the place of another one. */
static void a_forged_record_with_a_sound_hash_is_found(void **state)
{
    const struct ground *g = *state;
    struct str lines[3], forged;
    struct audit *a = open_in(g);
    for (int i = 0; i < 3; i++)
        append(a);
    audit_close(a);
    OWNED_TEXT char *text = text_of(g->file);
    struct str rest = str_of(text);
    for (size_t i = 0; i < 3; i++)
        assert_true(str_split(&rest, '\n', &lines[i]));
    assert_int_equal(unlink(g->file), 0);
    a = open_in(g);
    audit_outcome(a, 1, AUDIT_FAILED, STR("another chain"));
    append(a);
    audit_close(a);
    OWNED_TEXT char *other = text_of(g->file);
    rest = str_of(other);
    assert_true(str_split(&rest, '\n', &forged) && str_split(&rest, '\n', &forged));
    OWNED_BUF struct buf mixed, report;
    buf_init(&mixed, 1 << 20);
    buf_init(&report, 1 << 20);
    const struct str order[] = {lines[0], forged, lines[2]};
    for (size_t i = 0; i < 3; i++) {
        buf_str(&mixed, order[i]);
        buf_char(&mixed, '\n');
    }
    write_text(g->file, mixed.at, mixed.len);
    struct audit_check c;
    struct error err = ERROR_INIT;
    assert_false(audit_verify(str_of(g->file), &c, &report, &err));
    assert_int_equal(c.first_bad_line, 2);
}

static void every_changed_byte_is_found(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    for (int i = 0; i < 3; i++)
        append(a);
    audit_close(a);
    OWNED_TEXT char *text = text_of(g->file);
    const size_t len = strlen(text);
    OWNED_BUF struct buf report;
    buf_init(&report, 1 << 20);
    for (size_t i = 0; i < len; i += 3) {
        OWNED_TEXT char *changed = strdup(text);
        changed[i] = changed[i] == '\n' ? ' ' : (char)(changed[i] ^ 1);
        write_text(g->file, changed, len);
        struct audit_check c;
        struct error err = ERROR_INIT;
        const bool holds = audit_verify(str_of(g->file), &c, &report, &err);
        const bool unfinished = i == len - 1; /* the last newline: as if torn, and reported */
        if (holds && !unfinished)
            fail_msg("byte %zu of %zu may be changed unnoticed", i, len);
    }
}

static void removed_swapped_and_repeated_lines_are_found(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    for (int i = 0; i < 4; i++)
        append(a);
    audit_close(a);
    OWNED_TEXT char *text = text_of(g->file);
    struct str rest = str_of(text), lines[4];
    for (size_t i = 0; i < 4; i++)
        assert_true(str_split(&rest, '\n', &lines[i]));
    static const struct {
        int order[5];
        uint64_t bad_line;
    } rows[] = {{{0, 2, 3, -1}, 2}, {{0, 2, 1, 3, -1}, 2}, {{0, 1, 1, 2, -1}, 3}, {{0, 1, -1}, 0}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        OWNED_BUF struct buf changed, report;
        buf_init(&changed, 1 << 20);
        buf_init(&report, 1 << 20);
        for (size_t i = 0; rows[r].order[i] >= 0; i++) {
            buf_str(&changed, lines[rows[r].order[i]]);
            buf_char(&changed, '\n');
        }
        write_text(g->file, changed.at, changed.len);
        struct audit_check c;
        struct error err = ERROR_INIT;
        assert_int_equal(audit_verify(str_of(g->file), &c, &report, &err), !rows[r].bad_line);
        assert_int_equal(c.first_bad_line, rows[r].bad_line);
    }
}

static void intents_without_outcome_are_listed(void **state)
{
    const struct ground *g = *state;
    struct audit *a = open_in(g);
    append(a);
    const uint64_t second = append(a);
    append(a);
    audit_outcome(a, second, AUDIT_DONE, STR_NONE);
    audit_close(a);
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    assert_int_equal(verify_file(g->file, &report).intents_without_outcome, 2);
    assert_non_null(strstr(report.at, "KB-C308 intent 1 has no outcome: "));
    assert_non_null(strstr(
        report.at, "promote subject=9d1e organization=0b6c by token entra-1 request=7f21c0aa"));
    assert_null(strstr(report.at, "intent 2 "));
    assert_non_null(strstr(report.at, "intent 3 "));
}

static void a_file_that_is_not_there_is_reported(void **state)
{
    (void)state;
    OWNED_BUF struct buf report;
    buf_init(&report, 65536);
    struct audit_check c;
    struct error err = ERROR_INIT;
    assert_false(audit_verify(STR("/nonexistent/audit-serve.jsonl"), &c, &report, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
}

#define ON_GROUND(test) cmocka_unit_test_setup_teardown(test, ground_open, ground_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_GROUND(a_record_holds_who_what_and_why),
        ON_GROUND(what_is_no_json_or_too_long_is_kept_as_what_it_is),
        ON_GROUND(several_intents_of_a_request_have_following_numbers),
        ON_GROUND(a_restart_continues_the_chain),
        ON_GROUND(a_torn_record_is_cut_off_and_noted),
        ON_GROUND(a_torn_first_record_leaves_an_empty_chain),
        ON_GROUND(a_file_of_something_else_is_not_touched),
        ON_GROUND(rotation_links_file_to_file),
        ON_GROUND(a_restart_after_rotation_continues_from_the_rotated_file),
        ON_GROUND(only_one_process_writes_a_chain),
        ON_GROUND(every_changed_byte_is_found),
        ON_GROUND(a_forged_record_with_a_sound_hash_is_found),
        ON_GROUND(removed_swapped_and_repeated_lines_are_found),
        ON_GROUND(intents_without_outcome_are_listed),
        cmocka_unit_test(a_file_that_is_not_there_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
