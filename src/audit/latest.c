/* The records of one organization read back from the newest on, for who manages it. */
#include "audit/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/own.h"

#define JSON_DEPTH 64
#define WINDOW ((uint64_t)4 * 1024 * 1024) /* longer than any one record */
/* Looked at for one answer; the next one goes on there. */
#define BYTES_MAX ((uint64_t)64 * 1024 * 1024)
/* An outcome stands at most so many records behind its intent, or is not found. */
#define OUTCOMES 4096
/* Read to see how old a place of a file is. */
#define PROBE ((uint64_t)64 * 1024)

struct outcome {
    uint64_t intent;
    struct str result;
};

struct walk {
    const struct audit_wanted *wanted;
    struct arena *arena;
    struct outcome *outcomes; /* by intent modulo OUTCOMES */
    struct audit_recent *found;
    size_t count;
    uint64_t bytes_left;
    struct str last_time;    /* of the oldest record that was looked at */
    struct audit_path newer; /* the last file that was passed over; empty: none */
};

static bool has(struct str line, struct str part)
{
    return part.len && memmem(line.at, line.len, part.at, part.len) != NULL;
}

static void take_outcome(struct walk *w, const json_t *record)
{
    uint64_t intent = (uint64_t)json_integer_value(json_object_get(record, "intent"));
    w->outcomes[intent % OUTCOMES] =
        (struct outcome){intent, arena_str(w->arena, json_get_str(record, "result"))};
}

static struct str result_of(const struct walk *w, const json_t *record, bool refusal)
{
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(record, "seq"));
    const struct outcome *o = &w->outcomes[seq % OUTCOMES];
    if (refusal)
        return STR("refused");
    return o->intent == seq ? o->result : STR("open");
}

static void take_change(struct walk *w, const json_t *record, bool refusal)
{
    struct arena *a = w->arena;
    const json_t *actor = json_object_get(record, "actor");
    struct str given = json_get_str(json_object_get(record, "after"), "permission");
    struct str taken = json_get_str(json_object_get(record, "before"), "permission");
    w->found[w->count++] = (struct audit_recent){
        .time = arena_str(a, json_get_str(record, "time")),
        .change = arena_str(a, json_get_str(record, "change")),
        .actor_kind = arena_str(a, json_get_str(actor, "kind")),
        .actor = arena_str(a, json_get_str(actor, "id")),
        .subject = arena_str(a, json_get_str(record, "subject")),
        .permission = arena_str(a, given.len ? given : taken),
        .rule = arena_str(a, json_get_str(record, "rule")),
        .result = result_of(w, record, refusal),
    };
}

static bool is_wanted(const struct walk *w, const json_t *record)
{
    instant_t time;
    return str_eq(json_get_str(record, "organization"), w->wanted->organization) &&
           clock_parse_rfc3339(json_get_str(record, "time"), &time) &&
           (w->wanted->before == INSTANT_NONE || time < w->wanted->before);
}

static void take_line(struct walk *w, struct str line)
{
    struct str head = str_sub(line, 0, 128);
    bool outcome = has(head, STR("\"type\":\"outcome\""));
    if (!outcome && !has(line, w->wanted->organization))
        return;
    struct error ignored = ERROR_INIT;
    OWNED_JSON json_t *record =
        json_load_strict(line, (struct json_limits){.depth = JSON_DEPTH}, &ignored);
    struct str type = json_get_str(record, "type");
    if (!record)
        return;
    if (outcome)
        take_outcome(w, record);
    else if ((str_eq(type, STR("intent")) || str_eq(type, STR("refusal"))) && is_wanted(w, record))
        take_change(w, record, str_eq(type, STR("refusal")));
}

/* `{"seq":N,"time":"T",...`: without a parser, for lines that are passed over. */
static struct str time_of(struct str line)
{
    static const char mark[] = "\"time\":\"";
    const char *at = memmem(line.at, line.len, mark, sizeof mark - 1);
    if (!at)
        return STR_NONE;
    struct str rest = str_sub(line, (size_t)(at - line.at) + sizeof mark - 1, line.len), time;
    return str_split(&rest, '"', &time) ? time : STR_NONE;
}

static void note_time(struct walk *w, struct str line)
{
    struct str time = time_of(line);
    if (time.len)
        w->last_time = arena_str(w->arena, time);
}

static bool is_done(const struct walk *w)
{
    return w->count == w->wanted->count || w->bytes_left == 0;
}

/* The lines of `text` from the last on; `*from` is where the first one begins that was not looked
 * at whole. */
static void take_window(struct walk *w, struct str text, bool whole, uint64_t *from)
{
    struct str oldest = STR_NONE;
    uint64_t base = *from;
    *from = base + text.len;
    while (text.len && !is_done(w)) {
        size_t newline, start = 0;
        struct str before = str_sub(text, 0, text.len - 1);
        bool inside = str_rfind(before, '\n', &newline);
        if (!inside && !whole)
            break;
        start = inside ? newline + 1 : 0;
        oldest = str_sub(text, start, text.len - start);
        take_line(w, oldest);
        text.len = start;
        *from = base + start;
    }
    if (oldest.len)
        note_time(w, oldest);
}

static bool read_at(int fd, uint64_t from, uint64_t len, struct buf *out)
{
    char chunk[65536];
    buf_clear(out);
    while (out->len < len) {
        const size_t want = len - out->len < sizeof chunk ? len - out->len : sizeof chunk;
        const ssize_t n = pread(fd, chunk, want, (off_t)(from + out->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf_add(out, chunk, (size_t)n);
    }
    return !out->failed;
}

/* ---- what an answer before this one has shown is passed over */

/* Is the first record behind `from` one of these? Not when it cannot be told. */
static bool is_passed(const struct walk *w, int fd, uint64_t from, uint64_t size)
{
    OWNED_BUF struct buf probe;
    size_t newline;
    instant_t time;
    buf_init(&probe, PROBE);
    if (w->wanted->before == INSTANT_NONE || from >= size ||
        !read_at(fd, from, size - from < PROBE ? size - from : PROBE, &probe))
        return false;
    struct str text = buf_view(&probe);
    if (from) {
        if (!str_find(text, '\n', &newline))
            return false;
        text = str_sub(text, newline + 1, text.len);
    }
    return clock_parse_rfc3339(time_of(text), &time) && time >= w->wanted->before;
}

/* Where to begin: a window behind the first that is passed, for the outcomes that stand there. */
static uint64_t find_end(const struct walk *w, int fd, uint64_t size)
{
    uint64_t low = 0, high = size / WINDOW + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (is_passed(w, fd, middle * WINDOW, size))
            high = middle;
        else
            low = middle + 1;
    }
    return (low + 1) * WINDOW < size ? (low + 1) * WINDOW : size;
}

/* ---- one file */

static bool refuse(struct error *err)
{
    return error_set(err, ERR_UNAVAILABLE, "the audit records cannot be read just now");
}

static bool walk_back(struct walk *w, int fd, uint64_t end, struct error *err)
{
    OWNED_BUF struct buf window;
    buf_init(&window, WINDOW + 1);
    while (end > 0 && !is_done(w)) {
        uint64_t from = end > WINDOW ? end - WINDOW : 0, len = end - from, next = from;
        if (!read_at(fd, from, len, &window))
            return refuse(err);
        w->bytes_left -= len < w->bytes_left ? len : w->bytes_left;
        take_window(w, buf_view(&window), from == 0, &next);
        if (next == end) /* no line begins in it: that is no file of ours */
            break;
        end = next;
    }
    return true;
}

/* A file that is passed whole is read only when the next older one is not. */
static bool walk_file(struct walk *w, const struct audit_path *path, struct error *err)
{
    OWNED_FD const int fd = open(path->at, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT) /* rotated away meanwhile, or nothing was ever written */
        return true;
    if (fd < 0 || fstat(fd, &st))
        return refuse(err);
    const uint64_t size = (uint64_t)st.st_size;
    if (is_passed(w, fd, 0, size)) {
        w->newer = *path;
        return true;
    }
    OWNED_FD const int newer = w->newer.at[0] ? open(w->newer.at, O_RDONLY | O_CLOEXEC) : -1;
    w->newer.at[0] = '\0';
    if (newer >= 0 && fstat(newer, &st) == 0 &&
        !walk_back(w, newer, find_end(w, newer, (uint64_t)st.st_size), err))
        return false;
    return walk_back(w, fd, find_end(w, fd, size), err);
}

bool audit_read_latest(const struct audit_wanted *wanted, struct arena *a,
                       struct audit_recents *out, struct error *err)
{
    struct walk w = {.wanted = wanted,
                     .arena = a,
                     .outcomes = ARENA_ARRAY(a, struct outcome, OUTCOMES),
                     .found = ARENA_ARRAY(a, struct audit_recent, wanted->count),
                     .bytes_left = BYTES_MAX};
    static const struct str kind = STR_INIT("serve");
    struct audit_path path;
    if (!audit_path_current(wanted->dir, kind, &path) || !walk_file(&w, &path, err))
        return err->kind == ERR_NONE ? error_set(err, ERR_CONFIG, "audit.dir is too long") : false;
    uint64_t seq = audit_rotated_before(wanted->dir, kind, UINT64_MAX);
    for (; seq && !is_done(&w); seq = audit_rotated_before(wanted->dir, kind, seq)) {
        if (!audit_path_rotated(wanted->dir, kind, seq, &path) || !walk_file(&w, &path, err))
            return false;
    }
    struct str next = w.count == wanted->count ? w.found[w.count - 1].time : w.last_time;
    *out = (struct audit_recents){w.found, w.count, is_done(&w) ? next : STR_NONE};
    return true;
}
