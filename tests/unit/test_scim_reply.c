#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "scim/scim.h"

struct table_row {
    enum error_kind kind;
    int status;
    const char *type;
};

/* scim-conformance 205, 206. */
static void every_kind_has_its_status_and_scim_type(void **state)
{
    (void)state;
    static const struct table_row rows[] = {
        {ERR_INVALID_SYNTAX, 400, "invalidSyntax"},
        {ERR_INVALID_FILTER, 400, "invalidFilter"},
        {ERR_INVALID_PATH, 400, "invalidPath"},
        {ERR_INVALID_VALUE, 400, "invalidValue"},
        {ERR_INVALID_VERSION, 400, "invalidVers"},
        {ERR_NO_TARGET, 400, "noTarget"},
        {ERR_MUTABILITY, 400, "mutability"},
        {ERR_TOO_MANY, 400, "tooMany"},
        {ERR_INVALID_CURSOR, 400, "invalidCursor"},
        {ERR_EXPIRED_CURSOR, 400, "expiredCursor"},
        {ERR_INVALID_COUNT, 400, "invalidCount"},
        {ERR_BAD_REQUEST, 400, NULL},
        {ERR_UNAUTHORIZED, 401, NULL},
        {ERR_FORBIDDEN, 403, NULL},
        {ERR_SENSITIVE, 403, "sensitive"},
        {ERR_NOT_FOUND, 404, NULL},
        {ERR_METHOD, 405, NULL},
        {ERR_NOT_ACCEPTABLE, 406, NULL},
        {ERR_TIMEOUT, 408, NULL},
        {ERR_CONFLICT, 409, NULL},
        {ERR_UNIQUENESS, 409, "uniqueness"},
        {ERR_PRECONDITION, 412, NULL},
        {ERR_TOO_LARGE, 413, NULL},
        {ERR_URI_TOO_LONG, 414, NULL},
        {ERR_MEDIA_TYPE, 415, NULL},
        {ERR_RATE, 429, NULL},
        {ERR_HEADERS_TOO_LARGE, 431, NULL},
        {ERR_INTERNAL, 500, NULL},
        {ERR_NOT_IMPLEMENTED, 501, NULL},
        {ERR_UNAVAILABLE, 503, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(scim_status(rows[i].kind), rows[i].status);
        const char *type = scim_error_type(rows[i].kind);
        if (rows[i].type)
            assert_string_equal(type, rows[i].type);
        else
            assert_null(type);
    }
    /* None of the enum is left out. */
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), ERR_CONFIG - ERR_NONE - 1);
    assert_int_equal(scim_status((enum error_kind)999), 500);
    assert_null(scim_error_type((enum error_kind)999));
}

static void body_is(const struct error *err, const char *expected)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 16);
    scim_reply_error(err, STR("7f21c0aa"), &out);
    assert_false(out.failed);
    OWNED_JSON json_t *body = json_loads(out.at, 0, NULL);
    assert_non_null(body);
    assert_string_equal(out.at, expected);
}

static void an_error_is_the_rfcs_with_its_status_as_text(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_INVALID_VALUE, "userName is required");
    body_is(&err, "{\"schemas\":[\"" SCIM_URN_ERROR "\"],\"status\":\"400\",\"scimType\":"
                  "\"invalidValue\",\"detail\":\"userName is required\"}");
}

static void an_error_of_a_patch_says_which_operation(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_NO_TARGET, "no value");
    err.operation = 3;
    body_is(&err, "{\"schemas\":[\"" SCIM_URN_ERROR "\"],\"status\":\"400\",\"scimType\":"
                  "\"noTarget\",\"detail\":\"Operations[3]: no value\"}");
}

static void detail_is_escaped(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_NOT_FOUND, "a\"b\\c\r\n\x1b");
    body_is(&err, "{\"schemas\":[\"" SCIM_URN_ERROR "\"],\"status\":\"404\",\"detail\":"
                  "\"a\\\"b\\\\c\\r\\n\\u001b\"}");
}

/* INTERFACES 1.4. */
static void a_refusal_by_rule_names_rule_people_and_request(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_CONFLICT, "Kim Min is the last active Manager of Project A.");
    memcpy(err.rule, "KB-R07", 7);
    memcpy(err.subject, "9d1e", 5);
    memcpy(err.organization, "0b6c", 5);
    err.operation = 0;
    body_is(&err,
            "{\"schemas\":[\"" SCIM_URN_ERROR "\",\"" SCIM_URN_REFUSAL
            "\"],\"status\":\"409\",\"detail\":\"Kim Min is the last active Manager of Project A.\""
            ",\"" SCIM_URN_REFUSAL "\":{\"rule\":\"KB-R07\",\"subject\":\"9d1e\",\"organization\":"
            "\"0b6c\",\"operation\":0,\"requestId\":\"7f21c0aa\"}}");
}

static void a_refusal_leaves_out_what_it_does_not_concern(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_INVALID_VALUE, "no such permission");
    memcpy(err.rule, "KB-R14", 7);
    body_is(&err, "{\"schemas\":[\"" SCIM_URN_ERROR "\",\"" SCIM_URN_REFUSAL
                  "\"],\"status\":\"400\",\"scimType\":\"invalidValue\",\"detail\":\"no such "
                  "permission\",\"" SCIM_URN_REFUSAL
                  "\":{\"rule\":\"KB-R14\",\"requestId\":\"7f21c0aa\"}}");
}

/* KB-R05: identical to an unknown id. */
static void a_404_names_no_rule(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    error_set(&err, ERR_NOT_FOUND, "no such group");
    memcpy(err.rule, "KB-R05", 7);
    memcpy(err.organization, "0b6c", 5);
    body_is(&err, "{\"schemas\":[\"" SCIM_URN_ERROR
                  "\"],\"status\":\"404\",\"detail\":\"no such group\"}");
}

static void a_list_by_index_has_its_place_and_one_by_cursor_its_next(void **state)
{
    (void)state;
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 16);
    scim_reply_list_begin(&out, 250, 101, 1);
    BUF_LIT(&out, "{\"id\":\"a\"}");
    scim_reply_list_end(&out, STR_NONE);
    assert_string_equal(out.at, "{\"schemas\":[\"" SCIM_URN_LIST
                                "\"],\"totalResults\":250,\"startIndex\":101,\"itemsPerPage\":1,"
                                "\"Resources\":[{\"id\":\"a\"}]}");
    buf_clear(&out);
    scim_reply_list_begin(&out, 0, 0, 0);
    scim_reply_list_end(&out, STR("next-1"));
    assert_string_equal(out.at, "{\"schemas\":[\"" SCIM_URN_LIST
                                "\"],\"totalResults\":0,\"itemsPerPage\":0,\"Resources\":[],"
                                "\"nextCursor\":\"next-1\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_status_and_scim_type),
        cmocka_unit_test(an_error_is_the_rfcs_with_its_status_as_text),
        cmocka_unit_test(an_error_of_a_patch_says_which_operation),
        cmocka_unit_test(detail_is_escaped),
        cmocka_unit_test(a_refusal_by_rule_names_rule_people_and_request),
        cmocka_unit_test(a_refusal_leaves_out_what_it_does_not_concern),
        cmocka_unit_test(a_404_names_no_rule),
        cmocka_unit_test(a_list_by_index_has_its_place_and_one_by_cursor_its_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
