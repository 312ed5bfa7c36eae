#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/own.h"

static char caught[128 * 1024];

static int saved_stderr;
static FILE *capture;

static void catch_begin(void)
{
    capture = tmpfile();
    assert_non_null(capture);
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
}

/* What was logged since, without its time. */
static const char *catch_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    rewind(capture);
    caught[fread(caught, 1, sizeof(caught) - 1, capture)] = '\0';
    fclose(capture);
    const char *level = strstr(caught, "level");
    return level ? level : caught;
}

static void a_line_is_key_and_value(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    log_request_id("7f21c0aa");
    catch_begin();
    LOG_INFO("answer", LOG_I("status", 404), LOG_C("path", "/a b"), LOG_S("none", STR_NONE));
    assert_string_equal(
        catch_end(),
        "level=info event=answer request=7f21c0aa status=404 path=\"/a b\" none=\"\"\n");
    assert_string_equal(log_current_request_id(), "7f21c0aa");
    log_request_id(NULL);
    assert_string_equal(log_current_request_id(), "");
}

static void nothing_reaches_the_terminal_that_acts_on_it(void **state)
{
    (void)state;
    static const struct {
        struct str value;
        const char *shown;
    } cases[] = {
        {STR_INIT("a\r\nlevel=error"), "\"a\\u000d\\u000alevel=error\""},
        {STR_INIT("\x1B[2J"), "\"\\u001b[2J\""},
        {STR_INIT("\xE2\x80\xAE"), "\"\\u202e\""},
        {STR_INIT("\xE2\x80\xA8"), "\"\\u2028\""},
        {STR_INIT("\xC2\x9B"), "\"\\u009b\""},
        {STR_INIT("\xFFx"), "\"\\ufffdx\""},
        {STR_INIT("a\0b"), "\"a\\u0000b\""},
        {STR_INIT("q\"\\"), "\"q\\\"\\\\\""},
        {STR_INIT("\xEA\xB0\x80"), "\xEA\xB0\x80"},
    };
    log_setup(LOG_LEVEL_INFO, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[200];
        snprintf(want, sizeof(want), "level=warn event=e v=%s\n", cases[i].shown);
        catch_begin();
        LOG_WARN("e", LOG_S("v", cases[i].value));
        assert_string_equal(catch_end(), want);
    }
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    static char value[3000];
    for (size_t i = 0; i + 3 <= sizeof(value); i += 3)
        memcpy(value + i, "\xE2\x82\xAC", 3);
    log_setup(LOG_LEVEL_INFO, false);
    catch_begin();
    LOG_INFO("e", LOG_S("v", ((struct str){value, sizeof(value)})));
    const char *line = catch_end();
    assert_true(strlen(line) < 1100);
    assert_non_null(strstr(line, "\xE2\x82\xAC...\"\n"));
}

static void json_lines_are_json(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, true);
    catch_begin();
    LOG_DEBUG("e", LOG_S("v", STR("a\"\n\xFF\xE2\x80\xAE")));
    catch_end();
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *line =
        json_load_strict(str_of(caught), (struct json_limits){.depth = 1}, &err);
    assert_non_null(line);
    assert_true(str_eq(json_get_str(line, "v"), STR("a\"\n\xEF\xBF\xBD\xE2\x80\xAE")));
    assert_true(str_eq(json_get_str(line, "level"), STR("debug")));
}

static void levels_below_the_threshold_are_silent(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_WARN, false);
    catch_begin();
    LOG_INFO("quiet", LOG_I("n", 1));
    assert_string_equal(catch_end(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_key_and_value),
        cmocka_unit_test(nothing_reaches_the_terminal_that_acts_on_it),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(levels_below_the_threshold_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
