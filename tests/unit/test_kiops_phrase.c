/* A change in words: what is taken apart, what is refused, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kiops/kiops.h"

struct case_ {
    const char *text;
    enum kiops_change_kind kind;
    const char *user, *organization, *permission, *role;
};

static const struct case_ valid[] = {
    {"add kim in Shipyard", KIOPS_ADD, "kim", "Shipyard", "", ""},
    {"remove kim in Shipyard", KIOPS_REMOVE, "kim", "Shipyard", "", ""},
    {"promote kim in Shipyard", KIOPS_PROMOTE, "kim", "Shipyard", "", ""},
    {"demote kim in Shipyard", KIOPS_DEMOTE, "kim", "Shipyard", "", ""},
    {"approve kim in Shipyard", KIOPS_APPROVE, "kim", "Shipyard", "", ""},
    {"reject kim in Shipyard", KIOPS_REJECT, "kim", "Shipyard", "", ""},
    {"request kim in Shipyard", KIOPS_REQUEST, "kim", "Shipyard", "", ""},
    {"grant vpn for kim in Shipyard", KIOPS_GRANT, "kim", "Shipyard", "vpn", ""},
    {"revoke vpn for kim in Shipyard", KIOPS_REVOKE, "kim", "Shipyard", "vpn", ""},
    {"make kim PlatformAdmin", KIOPS_MAKE_ADMIN, "kim", "", "", "PlatformAdmin"},
    {"unmake kim PlatformAdmin", KIOPS_UNMAKE_ADMIN, "kim", "", "", "PlatformAdmin"},
    {"deactivate kim", KIOPS_DEACTIVATE, "kim", "", "", ""},
    {"delete kim", KIOPS_DELETE_USER, "kim", "", "", ""},
    /* names with spaces */
    {"add \"Kim Min\" in \"Project A\"", KIOPS_ADD, "Kim Min", "Project A", "", ""},
    {"add kim in Project A", KIOPS_ADD, "kim", "Project A", "", ""},
    {"  add   kim   in   Project  A  ", KIOPS_ADD, "kim", "Project  A", "", ""},
    {"add \"in\" in \"in\"", KIOPS_ADD, "in", "in", "", ""},
    {"add o\"neil in 7\" pipes", KIOPS_ADD, "o\"neil", "7\" pipes", "", ""},
    {"delete \"add kim in X\"", KIOPS_DELETE_USER, "add kim in X", "", "", ""},
    /* judged, not refused as a sentence */
    {"grant root for kim in X", KIOPS_GRANT, "kim", "X", "root", ""},
    {"make kim Viewer", KIOPS_MAKE_ADMIN, "kim", "", "", "Viewer"},
};

static void phrases_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        const struct case_ *c = &valid[i];
        struct kiops_phrase p;
        struct error err = ERROR_INIT;
        if (!kiops_phrase_parse(str_of(c->text), &p, &err))
            fail_msg("%s: %s", c->text, err.detail);
        if (p.kind != c->kind || !str_eq(p.user, str_of(c->user)) ||
            !str_eq(p.organization, str_of(c->organization)) ||
            !str_eq(p.permission, str_of(c->permission)) || !str_eq(p.role, str_of(c->role)))
            fail_msg("%s: user [" STR_FMT "] organization [" STR_FMT "]", c->text, STR_ARG(p.user),
                     STR_ARG(p.organization));
    }
}

static const struct {
    const char *text, *says;
} invalid[] = {
    {"", "begins with"},
    {"   ", "begins with"},
    {"Add kim in X", "begins with"},
    {"withdraw kim in X", "begins with"},
    {"add", "add USER in ORGANIZATION"},
    {"add kim", "add USER in ORGANIZATION"},
    {"add kim in", "add USER in ORGANIZATION"},
    {"add kim to X", "add USER in ORGANIZATION"},
    {"add Kim Min in X", "add USER in ORGANIZATION"},
    {"add \"kim in X", "add USER in ORGANIZATION"},
    {"add \"\" in X", "add USER in ORGANIZATION"},
    {"add \"kim\"in X", "add USER in ORGANIZATION"},
    {"add kim in \"X\" Y", "add USER in ORGANIZATION"},
    {"grant vpn kim in X", "grant PERMISSION for USER in ORGANIZATION"},
    {"make kim", "make USER PlatformAdmin"},
    {"make kim PlatformAdmin now", "make USER PlatformAdmin"},
    {"delete kim now", "delete USER"},
};

static void what_is_no_phrase_says_how_to_write_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        struct kiops_phrase p = {.kind = KIOPS_CHANGES};
        struct error err = ERROR_INIT;
        if (kiops_phrase_parse(str_of(invalid[i].text), &p, &err))
            fail_msg("%s: taken", invalid[i].text);
        assert_int_equal(err.kind, ERR_INVALID_SYNTAX);
        if (!strstr(err.detail, invalid[i].says))
            fail_msg("%s: %s", invalid[i].text, err.detail);
        assert_int_equal(p.kind, KIOPS_CHANGES);
    }
}

static const char *rule_of(const char *text)
{
    struct kiops_phrase p;
    struct error err = ERROR_INIT;
    assert_true(kiops_phrase_parse(str_of(text), &p, &err));
    struct kiops_verdict v = kiops_phrase_judge(&p);
    return v.status == KIOPS_REFUSED ? v.rule : "";
}

static void roles_and_permissions_that_are_none_are_refused_by_rule(void **state)
{
    (void)state;
    assert_string_equal(rule_of("grant root for kim in X"), "KB-R14");
    assert_string_equal(rule_of("revoke VPN for kim in X"), "KB-R14");
    assert_string_equal(rule_of("grant vpn for kim in X"), "");
    assert_string_equal(rule_of("make kim Viewer"), "KB-R01");
    assert_string_equal(rule_of("make kim Manager"), "KB-R01");
    assert_string_equal(rule_of("make kim PlatformAdmin"), "");
    assert_string_equal(rule_of("delete kim"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phrases_are_taken_apart),
        cmocka_unit_test(what_is_no_phrase_says_how_to_write_it),
        cmocka_unit_test(roles_and_permissions_that_are_none_are_refused_by_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
