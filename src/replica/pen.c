/* Pen: rendered text straight into the caller's arena; it moves to a larger piece when it must. */
#include "replica/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"

void pen_init(struct pen *p, struct arena *a, size_t room)
{
    p->arena = a;
    p->start = p->at = arena_raw(a, room);
    p->end = p->start + room;
}

static void more_room(struct pen *p, size_t len)
{
    size_t used = (size_t)(p->at - p->start), room = (size_t)(p->end - p->start) * 2 + len;
    char *grown = arena_raw(p->arena, room);
    memcpy(grown, p->start, used);
    p->start = grown;
    p->at = grown + used;
    p->end = grown + room;
}

void pen_add(struct pen *p, const char *bytes, size_t len)
{
    if ((size_t)(p->end - p->at) < len)
        more_room(p, len);
    if (len)
        memcpy(p->at, bytes, len);
    p->at += len;
}

void pen_str(struct pen *p, struct str s)
{
    pen_add(p, s.at, s.len);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            return false;
    }
    return true;
}

void pen_json(struct pen *p, struct str s)
{
    if (is_plain(s)) {
        PEN_LIT(p, "\"");
        pen_str(p, s);
        PEN_LIT(p, "\"");
        return;
    }
    OWNED_BUF struct buf quoted;
    buf_init(&quoted, s.len * 6 + 16);
    buf_json_string(&quoted, s);
    pen_str(p, buf_view(&quoted));
}

void pen_number(struct pen *p, size_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%zu", n);
    pen_add(p, digits, (size_t)len);
}

void pen_instant(struct pen *p, instant_t t)
{
    char text[CLOCK_TEXT_MAX];
    PEN_LIT(p, "\"");
    pen_str(p, clock_rfc3339(t, text));
    PEN_LIT(p, "\"");
}

struct str pen_text(const struct pen *p)
{
    return (struct str){p->start, (size_t)(p->at - p->start)};
}
