/* What each result code means, and that the server's words stay out of what a client reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "directory/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    enum directory_operation operation;
    int code;
    const char *diagnostic;
    enum directory_outcome outcome;
    enum error_kind kind; /* ERR_NONE: no error is set */
} outcomes[] = {
    {DIRECTORY_OP_MODIFY, 0, "", DIRECTORY_DONE, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 16, "modify/delete: member: no such value", DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 20, "modify/add: member: value #0 already exists", DIRECTORY_LOST,
     ERR_NONE},
    {DIRECTORY_OP_ADD, 20, "", DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_MODIFY, 122, "", DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 65, "object class 'kiopsManagedOrganization' requires attribute 'owner'",
     DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 65, "object class 'groupOfNames' requires attribute 'member'",
     DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 65, "", DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 65, "object class 'inetOrgPerson' requires attribute 'sn'",
     DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_MODIFY, 65, "attribute 'kiopsActive' not allowed", DIRECTORY_REFUSED,
     ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 65, "object class 'kiopsManagedOrganization' requires attribute 'owner'",
     DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_MODIFY, 65,
     "missing attribute \"owner\" required by object class \"kiopsManagedOrganization\"\n",
     DIRECTORY_LOST, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 65, "missing attribute \"sn\" required by object class \"person\"\n",
     DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_MODIFY, 65, "attribute \"kiopsActive\" not allowed\n", DIRECTORY_REFUSED,
     ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 19, "Another entry with the same attribute value already exists",
     DIRECTORY_EXISTS, ERR_NONE},
    {DIRECTORY_OP_RENAME, 1, "Error checking for attribute uniqueness.\n", DIRECTORY_REFUSED,
     ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 68, "", DIRECTORY_EXISTS, ERR_NONE},
    {DIRECTORY_OP_ADD, 19, "non-unique attributes found with (uid=kim)", DIRECTORY_EXISTS,
     ERR_NONE},
    {DIRECTORY_OP_ADD, 19, "some attributes not unique", DIRECTORY_EXISTS, ERR_NONE},
    {DIRECTORY_OP_MODIFY, 19, "non-unique attributes found with (uid=kim)", DIRECTORY_EXISTS,
     ERR_NONE},
    {DIRECTORY_OP_ADD, 19, "mail: multiple values provided", DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_PASSWORD, 19, "Password fails quality checking policy", DIRECTORY_REFUSED,
     ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 17, "xyz: attribute type undefined", DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 21, "mail: value #0 invalid per syntax", DIRECTORY_REFUSED,
     ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 64, "", DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_ADD, 34, "", DIRECTORY_REFUSED, ERR_INVALID_VALUE},
    {DIRECTORY_OP_DELETE, 66, "", DIRECTORY_REFUSED, ERR_CONFLICT},
    {DIRECTORY_OP_MODIFY, 32, "", DIRECTORY_ABSENT, ERR_NONE},
    {DIRECTORY_OP_DELETE, 32, "", DIRECTORY_ABSENT, ERR_NONE},
    {DIRECTORY_OP_ADD, 32, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 50, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 51, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 52, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 53, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 10, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 11, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 80, "", DIRECTORY_UNKNOWN, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, 97, "", DIRECTORY_UNKNOWN, ERR_UNAVAILABLE},
    {DIRECTORY_OP_MODIFY, LDAP_TIMEOUT, "", DIRECTORY_UNKNOWN, ERR_UNAVAILABLE},
    {DIRECTORY_OP_ADD, LDAP_SERVER_DOWN, "", DIRECTORY_UNKNOWN, ERR_UNAVAILABLE},
    {DIRECTORY_OP_ADD, LDAP_DECODING_ERROR, "", DIRECTORY_UNKNOWN, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, LDAP_SERVER_DOWN, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, LDAP_TIMEOUT, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, 3, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, 4, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, 16, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
    {DIRECTORY_OP_SEARCH, 80, "", DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE},
};

static void every_code_has_the_outcome_of_its_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct directory_answer answer = {.operation = outcomes[i].operation,
                                          .code = outcomes[i].code,
                                          .diagnostic = str_of(outcomes[i].diagnostic)};
        struct error err = ERROR_INIT;
        enum directory_outcome outcome = directory_outcome_of(&answer);
        bool fine = directory_outcome_report(&answer, outcome, &err);
        if (outcome != outcomes[i].outcome || err.kind != outcomes[i].kind ||
            fine != (outcomes[i].kind == ERR_NONE))
            fail_msg("case %zu: code %d: outcome %d, kind %d", i, outcomes[i].code, (int)outcome,
                     (int)err.kind);
    }
}

static void report(struct directory_answer answer, struct error *err)
{
    *err = ERROR_INIT;
    assert_false(directory_outcome_report(&answer, directory_outcome_of(&answer), err));
}

static void a_schema_refusal_names_attribute_and_class(void **state)
{
    struct error err;
    (void)state;
    report((struct directory_answer){.operation = DIRECTORY_OP_ADD,
                                     .code = 65,
                                     .diagnostic = STR(
                                         "object class 'inetOrgPerson' requires attribute 'sn'")},
           &err);
    assert_non_null(strstr(err.detail, "sn (object class inetOrgPerson)"));
    report((struct directory_answer){.operation = DIRECTORY_OP_MODIFY,
                                     .code = 21,
                                     .diagnostic = STR("mail: value #0 invalid per syntax")},
           &err);
    assert_non_null(strstr(err.detail, ": mail"));
}

static void nothing_but_names_leaves_the_server_text(void **state)
{
    static const char *const diagnostics[] = {
        "attribute 'uid=kim,dc=org' not allowed",
        "uid=kim,dc=org: refused",
        "attribute 'no end",
        "\r\nfake: line",
        "secret words",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(diagnostics); i++) {
        struct error err;
        report((struct directory_answer){.operation = DIRECTORY_OP_ADD,
                                         .code = 65,
                                         .diagnostic = str_of(diagnostics[i])},
               &err);
        assert_string_equal(err.detail, "the directory's schema refuses the entry");
    }
}

static void a_control_says_more_than_the_code(void **state)
{
    struct error err;
    (void)state;
    report((struct directory_answer){.operation = DIRECTORY_OP_PASSWORD,
                                     .code = 19,
                                     .reason = "it is too short"},
           &err);
    assert_string_equal(err.detail, "it is too short");
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_the_outcome_of_its_operation),
        cmocka_unit_test(a_schema_refusal_names_attribute_and_class),
        cmocka_unit_test(nothing_but_names_leaves_the_server_text),
        cmocka_unit_test(a_control_says_more_than_the_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
