/* The records read back: what was done to one person. */
#include "audit/internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/own.h"

#define JSON_DEPTH 64

static const char *const chains[] = {"serve", "cli", "reconcile"};

struct found {
    struct audit_change change;
    bool done, ended;
};

struct finding {
    struct arena *arena;
    struct str dir, chain, subject;
    struct found *at;
    size_t count, cap;
    size_t open;       /* of this chain, without an outcome so far */
    uint64_t last_seq; /* read so far in this chain */
};

static void take_intent(struct finding *f, const json_t *record)
{
    const json_t *actor = json_object_get(record, "actor");
    struct str kind = json_get_str(actor, "kind"), id = json_get_str(actor, "id");
    if (!str_eq(json_get_str(record, "type"), STR("intent")) ||
        !str_eq(json_get_str(record, "subject"), f->subject))
        return;
    struct str permission = json_get_str(json_object_get(record, "after"), "permission");
    struct str ended = json_get_str(json_object_get(record, "before"), "permission");
    f->at = arena_grow(f->arena, f->at, sizeof *f->at, f->count, &f->cap);
    struct audit_change *ch = &f->at[f->count++].change;
    *ch = (struct audit_change){
        .seq = (uint64_t)json_integer_value(json_object_get(record, "seq")),
        .chain = f->chain,
        .time = arena_str(f->arena, json_get_str(record, "time")),
        .change = arena_str(f->arena, json_get_str(record, "change")),
        .actor = arena_fmt(f->arena, STR_FMT ":" STR_FMT, STR_ARG(kind), STR_ARG(id)),
        .rule = arena_str(f->arena, json_get_str(record, "rule")),
        .organization = arena_str(f->arena, json_get_str(record, "organization")),
        .permission = arena_str(f->arena, permission.len ? permission : ended),
    };
    f->at[f->count - 1].done = f->at[f->count - 1].ended = false;
    f->open++;
}

static void take_outcome(struct finding *f, const json_t *record)
{
    uint64_t intent = (uint64_t)json_integer_value(json_object_get(record, "intent"));
    for (size_t i = f->count; i-- > 0 && str_eq(f->at[i].change.chain, f->chain);) {
        if (f->at[i].ended || f->at[i].change.seq != intent)
            continue;
        f->at[i].done = str_eq(json_get_str(record, "result"), STR("done"));
        f->at[i].ended = true;
        f->open--;
        return;
    }
}

static bool has(struct str line, struct str part)
{
    return memmem(line.at, line.len, part.at, part.len) != NULL;
}

/* Most lines are of others: they are not parsed. What is no record says its own check. */
static void take_line(struct finding *f, struct str line)
{
    bool outcome = has(str_sub(line, 0, 128), STR("\"type\":\"outcome\""));
    if (outcome ? f->open == 0 : !has(line, f->subject))
        return;
    struct error ignored = ERROR_INIT;
    OWNED_JSON json_t *record =
        json_load_strict(line, (struct json_limits){.depth = JSON_DEPTH}, &ignored);
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(record, "seq"));
    if (!record || seq <= f->last_seq)
        return;
    f->last_seq = seq;
    (outcome ? take_outcome : take_intent)(f, record);
}

static bool read_file(struct finding *f, FILE *file, const char *path, struct error *err)
{
    OWNED_TEXT char *text = NULL;
    size_t cap = 0;
    for (ssize_t n = getline(&text, &cap, file); n > 0; n = getline(&text, &cap, file))
        if (text[n - 1] == '\n') /* else it is being written, or torn */
            take_line(f, (struct str){text, (size_t)n - 1});
    bool whole = !ferror(file);
    fclose(file);
    return whole || error_set(err, ERR_CONFIG, "%s: cannot be read", path);
}

static bool cannot_open(const char *path, struct error *err)
{
    return error_set(err, ERR_CONFIG, "%s: cannot be opened (%s)", path, strerrordesc_np(errno));
}

static bool read_rotated(struct finding *f, struct error *err)
{
    struct audit_path path;
    for (uint64_t seq = audit_rotated_after(f->dir, f->chain, 0); seq;
         seq = audit_rotated_after(f->dir, f->chain, seq)) {
        if (!audit_path_rotated(f->dir, f->chain, seq, &path))
            return error_set(err, ERR_CONFIG, "audit.dir is too long");
        FILE *file = fopen(path.at, "re");
        if (!file)
            return cannot_open(path.at, err);
        if (!read_file(f, file, path.at, err))
            return false;
    }
    return true;
}

static bool read_chain(struct finding *f, struct error *err)
{
    struct audit_path path;
    f->open = 0;
    f->last_seq = 0;
    if (!audit_path_current(f->dir, f->chain, &path))
        return error_set(err, ERR_CONFIG, "audit.dir is too long");
    /* Opened first: should it be rotated meanwhile, it is read twice, and its records count once.
     */
    FILE *current = fopen(path.at, "re");
    if (!current && errno != ENOENT)
        return cannot_open(path.at, err);
    bool read = read_rotated(f, err);
    if (current && read)
        return read_file(f, current, path.at, err);
    if (current)
        fclose(current);
    return read;
}

bool audit_read_changes(struct str dir, struct str subject, struct arena *a,
                        struct audit_changes *out, struct error *err)
{
    struct finding f = {.arena = a, .dir = dir, .subject = subject};
    size_t n = 0;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        f.chain = str_of(chains[i]);
        if (!read_chain(&f, err))
            return false;
    }
    struct audit_change *done = ARENA_ARRAY(a, struct audit_change, f.count + 1);
    for (size_t i = 0; i < f.count; i++)
        if (f.at[i].done)
            done[n++] = f.at[i].change;
    *out = (struct audit_changes){done, n};
    return true;
}
