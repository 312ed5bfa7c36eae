#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/internal.h"

#define PART(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }

static void media_answer_is_what_was_asked_for(void **state)
{
    static const struct {
        struct str accept;
        enum http_media want;
    } cases[] = {
        {{NULL, 0}, HTTP_MEDIA_SCIM},
        {PART("*/*"), HTTP_MEDIA_SCIM},
        {PART("application/*"), HTTP_MEDIA_SCIM},
        {PART("application/scim+json"), HTTP_MEDIA_SCIM},
        {PART("Application/SCIM+JSON; charset=utf-8"), HTTP_MEDIA_SCIM},
        {PART("application/json"), HTTP_MEDIA_JSON},
        {PART("application/json, application/scim+json"), HTTP_MEDIA_SCIM},
        {PART("application/json, */*;q=0.1"), HTTP_MEDIA_JSON},
        {PART("application/json;q=0.5, application/scim+json;q=0.4"), HTTP_MEDIA_JSON},
        {PART("text/html, application/json;q=0.1"), HTTP_MEDIA_JSON},
        {PART("application/xml, */*;q=0.1"), HTTP_MEDIA_SCIM},
        {PART("application/scim+json;q=0, */*"), HTTP_MEDIA_JSON},
        {PART("text/html"), HTTP_MEDIA_NONE},
        {PART("application/xml"), HTTP_MEDIA_NONE},
        {PART("*/*;q=0"), HTTP_MEDIA_NONE},
        {PART("application/json;q=0.000"), HTTP_MEDIA_NONE},
        {PART("text/x;a=\"application/json, */*\""), HTTP_MEDIA_NONE},
        {PART("text/x;a=\"\\\", */*"), HTTP_MEDIA_NONE},
        {PART(",,;,"), HTTP_MEDIA_NONE},
        {PART("application/json;q=banana"), HTTP_MEDIA_JSON},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(http_media_accepted(cases[i].accept), cases[i].want);
}

static void media_of_a_body_is_json_in_utf_8(void **state)
{
    static const struct {
        struct str type, encoding;
        bool good;
    } cases[] = {
        {{NULL, 0}, {NULL, 0}, true},
        {PART("application/scim+json"), {NULL, 0}, true},
        {PART("application/json"), PART("identity"), true},
        {PART("APPLICATION/JSON; Charset=UTF-8"), {NULL, 0}, true},
        {PART("application/json;charset=\"utf-8\""), {NULL, 0}, true},
        {PART("application/json; charset=us-ascii"), {NULL, 0}, true},
        {PART("application/json; charset=iso-8859-1"), {NULL, 0}, false},
        {PART("text/plain"), {NULL, 0}, false},
        {PART("application/x-www-form-urlencoded"), {NULL, 0}, false},
        {PART("application/jsonx"), {NULL, 0}, false},
        {PART("application/scim+json"), PART("gzip"), false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct error err = ERROR_INIT;
        struct http_head h;
        http_head_init(&h);
        h.content_type = cases[i].type;
        h.content_encoding = cases[i].encoding;
        assert_int_equal(http_media_body(&h, &err), cases[i].good);
        assert_int_equal(err.kind, cases[i].good ? ERR_NONE : ERR_MEDIA_TYPE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_answer_is_what_was_asked_for),
        cmocka_unit_test(media_of_a_body_is_json_in_utf_8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
