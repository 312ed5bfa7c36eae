/* Names of roles, permissions, changes and rules; texts and refusals; KB-R20's figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/unicode.h"
#include "kiops_cases.h"

static void role_names_are_exactly_three(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum kiops_role role;
    } rows[] = {
        {"PlatformAdmin", KIOPS_PLATFORM_ADMIN},
        {"Manager", KIOPS_MANAGER},
        {"Member", KIOPS_MEMBER},
        {"Viewer", KIOPS_NO_ROLE},
        {"Developer", KIOPS_NO_ROLE},
        {"Operator", KIOPS_NO_ROLE},
        {"Admin", KIOPS_NO_ROLE},
        {"manager", KIOPS_NO_ROLE},
        {"Manager ", KIOPS_NO_ROLE},
        {"", KIOPS_NO_ROLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum kiops_role role = KIOPS_NO_ROLE;
        const bool known = kiops_role_parse(str_of(rows[i].name), &role);
        assert_int_equal(known, rows[i].role != KIOPS_NO_ROLE);
        assert_int_equal(role, rows[i].role);
        if (known)
            assert_true(str_eq(kiops_role_name(role), str_of(rows[i].name)));
    }
}

static void permission_names_are_exactly_seven_in_order(void **state)
{
    (void)state;
    static const char *const names[KIOPS_PERMISSIONS] = {"infra",    "service", "backup", "device",
                                                         "database", "vpn",     "audit"};
    for (enum kiops_permission p = 0; p < KIOPS_PERMISSIONS; p++) {
        enum kiops_permission parsed = KIOPS_AUDIT;
        assert_true(kiops_permission_parse(str_of(names[p]), &parsed));
        assert_int_equal(parsed, p);
        assert_true(str_eq(kiops_permission_name(p), str_of(names[p])));
    }
    enum kiops_permission untouched = KIOPS_VPN;
    assert_false(kiops_permission_parse(STR("VPN"), &untouched));
    assert_false(kiops_permission_parse(STR("network"), &untouched));
    assert_false(kiops_permission_parse(STR_NONE, &untouched));
    assert_int_equal(untouched, KIOPS_VPN);
}

static void a_token_with_role_member_manages_nothing(void **state)
{
    (void)state;
    const struct kiops_actor manager = actor_of(T_MANAGER), member = actor_of(T_MEMBER);
    assert_true(kiops_actor_manages(&manager, str_of(ORG_ID)));
    assert_false(kiops_actor_manages(&manager, str_of(OTHER_ID)));
    assert_false(kiops_actor_manages(&member, str_of(ORG_ID)));
    assert_true(kiops_actor_is_in(&member, str_of(ORG_ID)));
    const struct kiops_actor person = actor_of(ELSEWHERE);
    assert_true(kiops_actor_is_in(&person, str_of(ORG_ID)));
    assert_false(kiops_actor_manages(&person, str_of(ORG_ID)));
}

static void every_change_has_a_name_and_a_category(void **state)
{
    (void)state;
    static const char *const categories[] = {"user", "organization", "auth", "audit"};
    for (enum kiops_change_kind k = 0; k < KIOPS_CHANGES; k++) {
        assert_non_null(kiops_change_name(k));
        bool known = false;
        for (size_t i = 0; i < 4; i++)
            known = known || strcmp(kiops_change_category(k), categories[i]) == 0;
        assert_true(known);
        for (enum kiops_change_kind other = 0; other < k; other++)
            assert_string_not_equal(kiops_change_name(k), kiops_change_name(other));
    }
    assert_string_equal(kiops_change_name(KIOPS_PROMOTE), "promote");
}

static void rules_and_codes_are_listed_once_and_in_order(void **state)
{
    (void)state;
    const struct kiops_rule *rules;
    const size_t n = kiops_rules(&rules);
    assert_true(n > 21);
    for (size_t i = 0; i < 21; i++) {
        char id[8] = {'K', 'B', '-', 'R', (char)('0' + (i + 1) / 10), (char)('0' + (i + 1) % 10)};
        assert_string_equal(rules[i].id, id);
    }
    bool dangling = false;
    for (size_t i = 21; i < n; i++) {
        assert_int_equal(strncmp(rules[i].id, "KB-C", 4), 0);
        assert_true(strcmp(rules[i - 1].id, rules[i].id) < 0 || i == 21);
        dangling = dangling || strcmp(rules[i].id, "KB-C204") == 0;
    }
    assert_true(dangling);
}

static void the_text_names_people_and_organizations(void **state)
{
    (void)state;
    const struct kiops_verdict v =
        verdict_of(T_ADMIN, KIOPS_REMOVE, EXISTS | ACTIVE | IN | MGR | ORG);
    assert_string_equal(v.text, "Kim Min is the last active Manager of Project A. Make another "
                                "member Manager first.");
}

static void long_names_are_cut_at_a_character_and_missing_ones_are_described(void **state)
{
    (void)state;
    const unsigned facts = EXISTS | ACTIVE | IN | MGR | ORG;
    const struct kiops_actor actor = actor_of(T_ADMIN);
    const struct kiops_state s = state_of(facts);
    struct kiops_change change = change_of(KIOPS_REMOVE, facts);
    char name[400];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'a', sizeof name);
        for (size_t i = shift; i + 3 <= sizeof name; i += 3)
            memcpy(name + i, "\xEA\xB9\x80", 3); /* a Hangul syllable */
        change.subject_name = (struct str){name, sizeof name - 3};
        change.organization_name = change.subject_name;
        const struct kiops_verdict v = kiops_judge(&actor, &change, &s);
        assert_true(utf8_valid(str_of(v.text)));
        assert_non_null(strstr(v.text, "Make another member Manager first."));
    }
    change.subject_name = change.organization_name = STR_NONE;
    const struct kiops_verdict v = kiops_judge(&actor, &change, &s);
    assert_string_equal(v.text, "This user is the last active Manager of this organization. Make "
                                "another member Manager first.");
}

static void a_refusal_carries_rule_and_ids_but_a_404_nothing(void **state)
{
    (void)state;
    const unsigned facts = EXISTS | ACTIVE | IN | MGR | ORG;
    struct kiops_change change = change_of(KIOPS_REMOVE, facts);
    change.operation = 3;
    struct kiops_verdict v = verdict_of(T_ADMIN, KIOPS_REMOVE, facts);
    struct error err = ERROR_INIT;
    assert_false(kiops_refuse(&v, &change, &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_string_equal(err.rule, "KB-R07");
    assert_string_equal(err.subject, SUBJECT_ID);
    assert_string_equal(err.organization, ORG_ID);
    assert_int_equal(err.operation, 3);
    assert_string_equal(err.detail, v.text);

    struct error hidden = ERROR_INIT;
    v = verdict_of(T_FOREIGN, KIOPS_REMOVE, facts);
    assert_false(kiops_refuse(&v, &change, &hidden));
    assert_int_equal(hidden.kind, ERR_NOT_FOUND);
    assert_string_equal(hidden.detail, KIOPS_NO_ORGANIZATION);
    assert_string_equal(hidden.rule, "");
    assert_string_equal(hidden.subject, "");
    assert_string_equal(hidden.organization, "");
    assert_int_equal(hidden.operation, -1);
}

static void the_own_id_in_another_spelling_is_still_oneself(void **state)
{
    (void)state;
    const unsigned facts = EXISTS | ACTIVE | IN | ORG | SELF;
    const struct kiops_actor actor = actor_of(ADMIN);
    const struct kiops_state s = state_of(facts);
    struct kiops_change change = change_of(KIOPS_PROMOTE, facts);
    change.subject = STR("9D1E0000-0000-4000-8000-000000000001");
    const struct kiops_verdict v = kiops_judge(&actor, &change, &s);
    assert_string_equal(v.rule, "KB-R04");
}

static void a_push_asks_again_when_the_quiet_days_are_over(void **state)
{
    (void)state;
    const struct kiops_actor actor = actor_of(T_ASK);
    const struct kiops_change change = change_of(KIOPS_REQUEST, 0);
    static const struct {
        instant_t rejected;
        int64_t days;
        enum kiops_status want;
    } rows[] = {
        {NOW - 30 * DAY + 1, 30, KIOPS_NOTHING_TO_DO},
        {NOW - 30 * DAY, 30, KIOPS_ALLOWED},
        {NOW + DAY, 30, KIOPS_NOTHING_TO_DO}, /* the other clock is ahead */
        {NOW, 0, KIOPS_ALLOWED},
        {NOW + DAY, 0, KIOPS_ALLOWED},
        {INSTANT_NONE, 30, KIOPS_ALLOWED},
        {INSTANT_NONE + 1, INT64_MAX, KIOPS_ALLOWED},
        {0, INT64_MAX, KIOPS_NOTHING_TO_DO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kiops_state s = state_of(EXISTS | ACTIVE | ORG);
        s.subject_rejected = rows[i].rejected;
        s.reject_quiet_days = rows[i].days;
        assert_int_equal(kiops_judge(&actor, &change, &s).status, rows[i].want);
    }
}

static void one_request_removes_no_more_than_its_token_may(void **state)
{
    (void)state;
    static const struct {
        enum who who;
        int64_t count, percent;
        size_t removals, members;
        enum kiops_status want;
    } rows[] = {
        {T_ADMIN, -1, -1, 20, 20, KIOPS_ALLOWED}, /* the default: the larger of 20 and 30 % */
        {T_ADMIN, -1, -1, 21, 25, KIOPS_REFUSED},
        {T_ADMIN, -1, -1, 300, 1000, KIOPS_ALLOWED},
        {T_ADMIN, -1, -1, 301, 1000, KIOPS_REFUSED},
        {T_ADMIN, -1, -1, 302, 1009, KIOPS_ALLOWED},
        {T_ADMIN, 5, -1, 5, 1000, KIOPS_ALLOWED},
        {T_ADMIN, 5, -1, 6, 1000, KIOPS_REFUSED},
        {T_ADMIN, 0, -1, 1, 1000, KIOPS_REFUSED},
        {T_ADMIN, 0, -1, 0, 1000, KIOPS_ALLOWED},
        {T_ADMIN, -1, 50, 500, 1000, KIOPS_ALLOWED},
        {T_ADMIN, -1, 50, 501, 1000, KIOPS_REFUSED},
        {T_ADMIN, -1, 100, SIZE_MAX, SIZE_MAX, KIOPS_ALLOWED},
        {T_ADMIN, -1, 50, SIZE_MAX, SIZE_MAX, KIOPS_REFUSED},
        {T_ADMIN, -1, 0, 1, 10, KIOPS_REFUSED},
        {ADMIN, -1, -1, 1000, 1000, KIOPS_ALLOWED}, /* a person saw what they asked for */
        {OPERATOR, -1, -1, 1000, 1000, KIOPS_ALLOWED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kiops_actor a = actor_of(rows[i].who);
        a.max_removals = rows[i].count;
        a.max_removals_percent = rows[i].percent;
        const struct kiops_verdict v = kiops_judge_removals(&a, rows[i].removals, rows[i].members);
        assert_int_equal(v.status, rows[i].want);
        assert_string_equal(v.rule, "KB-R20");
        if (v.status == KIOPS_REFUSED) {
            assert_int_equal(v.kind, ERR_CONFLICT);
            assert_non_null(strstr(v.text, "max_removals"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_names_are_exactly_three),
        cmocka_unit_test(permission_names_are_exactly_seven_in_order),
        cmocka_unit_test(a_token_with_role_member_manages_nothing),
        cmocka_unit_test(every_change_has_a_name_and_a_category),
        cmocka_unit_test(rules_and_codes_are_listed_once_and_in_order),
        cmocka_unit_test(the_text_names_people_and_organizations),
        cmocka_unit_test(long_names_are_cut_at_a_character_and_missing_ones_are_described),
        cmocka_unit_test(a_refusal_carries_rule_and_ids_but_a_404_nothing),
        cmocka_unit_test(the_own_id_in_another_spelling_is_still_oneself),
        cmocka_unit_test(a_push_asks_again_when_the_quiet_days_are_over),
        cmocka_unit_test(one_request_removes_no_more_than_its_token_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
