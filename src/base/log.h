/*
 * Log: one line per event to stderr, key=value (or JSON), with the request id of the thread's
 * current request. Values are escaped: no CR, LF, control, bidi or invalid UTF-8 reaches the
 * terminal; long values are cut. Secrets have no formatter.
 *
 * Threads: any; a line is one write(2).
 */
#pragma once

#include "base/text.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *name;
    struct str value;
};

#define LOG_S(n, v) ((struct log_field){(n), (v)})
#define LOG_C(n, v) ((struct log_field){(n), str_of(v)})
/* Formats an integer into storage that lives until the end of the enclosing block. */
#define LOG_I(n, v) ((struct log_field){(n), log_int((char[24]){0}, (long long)(v))})

void log_setup(enum log_level level, bool json);
void log_request_id(const char *id);      /* of this thread; NULL clears. Copied. */
const char *log_current_request_id(void); /* "" when none */
struct str log_int(char storage[24], long long value);
void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#define LOG(level, event, ...)                                                                     \
    log_event((level), (event), (const struct log_field[]){__VA_ARGS__},                           \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define LOG_ERROR(event, ...) LOG(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define LOG_WARN(event, ...) LOG(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_INFO(event, ...) LOG(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_DEBUG(event, ...) LOG(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
