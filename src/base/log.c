/* One line an event on stderr; what could break a line is escaped. */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unistr.h>

#include "base/clock.h"

enum { VALUE_MAX = 1024, LINE_MAX_BYTES = 64 * 1024 };

static enum log_level threshold = LOG_LEVEL_INFO;
static bool as_json;
static _Thread_local char request_id[64];

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(enum log_level level, bool json)
{
    threshold = level;
    as_json = json;
}

void log_request_id(const char *id)
{
    size_t len = id ? strnlen(id, sizeof(request_id) - 1) : 0;
    if (len)
        memcpy(request_id, id, len);
    request_id[len] = '\0';
}

const char *log_current_request_id(void)
{
    return request_id;
}

struct str log_int(char storage[24], long long value)
{
    int n = snprintf(storage, 24, "%lld", value);
    return (struct str){storage, (size_t)n};
}

/* What a terminal acts on, or what makes a line look like another: controls, line separators, and
 * the marks that turn the direction of writing (Trojan Source). */
static bool is_unsafe(ucs4_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x61C ||
           (point >= 0x200B && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF;
}

/* The next character of `s`, cut off it; U+FFFD for a wrong byte. */
static struct str next_point(struct str *s, ucs4_t *point)
{
    int n = u8_mbtoucr(point, (const uint8_t *)s->at, s->len);
    if (n <= 0) {
        *point = 0xFFFD;
        n = 1;
    }
    struct str bytes = {s->at, (size_t)n};
    *s = str_sub(*s, (size_t)n, s->len);
    return bytes;
}

static void add_escaped(struct buf *line, struct str value)
{
    while (value.len > 0) {
        ucs4_t point;
        struct str bytes = next_point(&value, &point);
        if (point == '"' || point == '\\')
            buf_char(line, '\\');
        if (is_unsafe(point) || point == 0xFFFD)
            buf_fmt(line, "\\u%04x", (unsigned)point);
        else
            buf_str(line, bytes);
    }
}

static bool is_bare(struct str value)
{
    if (value.len == 0)
        return false;
    while (value.len > 0) {
        ucs4_t point;
        next_point(&value, &point);
        if (point == ' ' || point == '"' || point == '=' || point == '\\' || point == 0xFFFD ||
            is_unsafe(point))
            return false;
    }
    return true;
}

static struct str cut(struct str value)
{
    if (value.len <= VALUE_MAX)
        return value;
    size_t len = VALUE_MAX;
    while (len > 0 && ((unsigned char)value.at[len] & 0xC0) == 0x80)
        len--;
    return str_sub(value, 0, len);
}

static void add_field(struct buf *line, const char *name, struct str value)
{
    struct str shown = cut(value);
    bool bare = !as_json && shown.len == value.len && is_bare(shown);
    if (line->len > 1)
        buf_char(line, as_json ? ',' : ' ');
    buf_fmt(line, as_json ? "\"%s\":" : "%s=", name);
    if (!bare)
        buf_char(line, '"');
    add_escaped(line, shown);
    if (shown.len < value.len)
        BUF_LIT(line, "...");
    if (!bare)
        buf_char(line, '"');
}

static void emit(struct buf *line)
{
    if (!line->at)
        return;
    line->at[line->len] =
        '\n'; /* in the place of the NUL; a line over the ceiling ends where it was cut */
    ssize_t n;
    do
        n = write(STDERR_FILENO, line->at, line->len + 1);
    while (n < 0 && errno == EINTR);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    if (level > threshold)
        return;
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    char time[CLOCK_TEXT_MAX];
    if (as_json)
        buf_char(&line, '{');
    add_field(&line, "time", clock_rfc3339(clock_now(), time));
    add_field(&line, "level", str_of(level_names[level]));
    add_field(&line, "event", str_of(event));
    if (request_id[0])
        add_field(&line, "request", str_of(request_id));
    for (size_t i = 0; i < n; i++)
        add_field(&line, fields[i].name, fields[i].value);
    if (as_json)
        buf_char(&line, '}');
    emit(&line);
    buf_free(&line);
}
