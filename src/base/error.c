/* The names of error kinds; an error is set once. */
#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [ERR_NONE] = "none",
    [ERR_INVALID_SYNTAX] = "invalid_syntax",
    [ERR_INVALID_FILTER] = "invalid_filter",
    [ERR_INVALID_PATH] = "invalid_path",
    [ERR_INVALID_VALUE] = "invalid_value",
    [ERR_INVALID_VERSION] = "invalid_version",
    [ERR_NO_TARGET] = "no_target",
    [ERR_MUTABILITY] = "mutability",
    [ERR_TOO_MANY] = "too_many",
    [ERR_INVALID_CURSOR] = "invalid_cursor",
    [ERR_EXPIRED_CURSOR] = "expired_cursor",
    [ERR_INVALID_COUNT] = "invalid_count",
    [ERR_BAD_REQUEST] = "bad_request",
    [ERR_UNAUTHORIZED] = "unauthorized",
    [ERR_FORBIDDEN] = "forbidden",
    [ERR_SENSITIVE] = "sensitive",
    [ERR_NOT_FOUND] = "not_found",
    [ERR_METHOD] = "method",
    [ERR_NOT_ACCEPTABLE] = "not_acceptable",
    [ERR_TIMEOUT] = "timeout",
    [ERR_CONFLICT] = "conflict",
    [ERR_UNIQUENESS] = "uniqueness",
    [ERR_PRECONDITION] = "precondition",
    [ERR_TOO_LARGE] = "too_large",
    [ERR_URI_TOO_LONG] = "uri_too_long",
    [ERR_MEDIA_TYPE] = "media_type",
    [ERR_RATE] = "rate",
    [ERR_HEADERS_TOO_LARGE] = "headers_too_large",
    [ERR_INTERNAL] = "internal",
    [ERR_NOT_IMPLEMENTED] = "not_implemented",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_CONFIG] = "config",
};

const char *error_kind_name(enum error_kind kind)
{
    size_t i = (size_t)kind;
    return i < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[i] : "unknown";
}

/* vsnprintf cuts at a byte; a character it split would make the answer invalid UTF-8. */
static void cut_at_character(char *text)
{
    size_t len = strlen(text);
    size_t at = len;
    while (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at == 0)
        return;
    unsigned char lead = (unsigned char)text[at - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (at - 1) < want)
        text[at - 1] = '\0';
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
    assert(err && err->kind == ERR_NONE && kind != ERR_NONE);
    err->kind = kind;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->detail, sizeof(err->detail), format, args);
    va_end(args);
    if (n < 0)
        err->detail[0] = '\0';
    else if ((size_t)n >= sizeof(err->detail))
        cut_at_character(err->detail);
    return false;
}

void error_clear(struct error *err)
{
    *err = ERROR_INIT;
}
