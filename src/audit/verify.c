/* Reads a chain's file back: every hash, every link, and the intents that have no outcome. */
#include "audit/internal.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

struct open_intent {
    uint64_t seq;
    bool closed;
    char *said; /* for the report */
};

struct check_run {
    const char *path;
    struct str dir, kind; /* from the path; empty when it is no name of ours */
    struct audit_check *check;
    struct buf *report;
    struct audit_end end;
    struct open_intent *intents; /* ascending */
    size_t count, cap;
};

static void run_release(struct check_run *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->intents[i].said);
    free(r->intents);
}

#define OWNED_RUN __attribute__((cleanup(run_release)))

static void open_one(struct check_run *r, uint64_t seq, const json_t *record)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        struct open_intent *grown = must(reallocarray(r->intents, r->cap, sizeof *grown));
        r->intents = grown;
    }
    const json_t *actor = json_object_get(record, "actor");
    char *said;
    if (asprintf(&said,
                 STR_FMT " " STR_FMT " subject=" STR_FMT " organization=" STR_FMT " by " STR_FMT
                         " " STR_FMT " request=" STR_FMT,
                 STR_ARG(json_get_str(record, "time")), STR_ARG(json_get_str(record, "change")),
                 STR_ARG(json_get_str(record, "subject")),
                 STR_ARG(json_get_str(record, "organization")),
                 STR_ARG(json_get_str(actor, "kind")), STR_ARG(json_get_str(actor, "id")),
                 STR_ARG(json_get_str(record, "request"))) < 0)
        memory_out();
    r->intents[r->count++] = (struct open_intent){.seq = seq, .said = said};
}

static void close_one(struct check_run *r, uint64_t seq)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (r->intents[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < r->count && r->intents[low].seq == seq)
        r->intents[low].closed = true;
}

/* `opens`: intents of this file are listed; of the one that follows only the outcomes count. */
static bool take_record(struct check_run *r, struct str line, uint64_t seq, bool opens)
{
    OWNED_JSON json_t *record = json_loadb(line.at, line.len, JSON_ALLOW_NUL, NULL);
    const struct str type = json_get_str(record, "type");
    if (!type.len)
        return false;
    if (str_eq(type, STR("intent")) && opens)
        open_one(r, seq, record);
    else if (str_eq(type, STR("outcome")))
        close_one(r, (uint64_t)json_integer_value(json_object_get(record, "intent")));
    return true;
}

/* The first line's link: the chain's beginning, or the end of the file before. */
static bool check_first(struct check_run *r, const struct audit_line *first, struct error *err)
{
    const struct audit_end none = audit_end_none();
    const bool begins = str_eq(first->prev, str_of(none.hash));
    if (begins != (first->seq == 1))
        return error_set(err, ERR_CONFIG, "%s: line 1: the chain begins in the middle", r->path);
    if (begins)
        return true;
    struct audit_path before;
    OWNED_BUF struct buf torn;
    buf_init(&torn, 8192);
    OWNED_FD const int fd =
        r->kind.len && audit_path_rotated(r->dir, r->kind, first->seq - 1, &before)
            ? open(before.at, O_RDONLY | O_CLOEXEC)
            : -1;
    if (fd < 0) {
        buf_fmt(r->report, "%s: the file before it is not here: its link is not checked\n",
                r->path);
        return true;
    }
    struct audit_end end;
    if (!audit_file_end(fd, before.at, &end, &torn, err))
        return false;
    return (end.seq + 1 == first->seq && str_eq(first->prev, str_of(end.hash))) ||
           error_set(err, ERR_CONFIG, "%s: line 1: does not go on where %s ends", r->path,
                     before.at);
}

static bool check_line(struct check_run *r, struct str text, uint64_t number, struct error *err)
{
    struct audit_line line;
    if (!audit_line_read(text, &line) || !take_record(r, text, line.seq, true))
        return error_set(err, ERR_CONFIG, "%s: line %llu: is no record, or was changed", r->path,
                         (unsigned long long)number);
    if (number == 1) {
        if (!check_first(r, &line, err))
            return false;
    } else if (line.seq != r->end.seq + 1 || !str_eq(line.prev, str_of(r->end.hash))) {
        return error_set(err, ERR_CONFIG, "%s: line %llu: does not follow the one before it",
                         r->path, (unsigned long long)number);
    }
    r->end.seq = line.seq;
    memcpy(r->end.hash, line.hash.at, AUDIT_HASH_LEN);
    r->check->records++;
    return true;
}

static bool check_file(struct check_run *r, FILE *f, struct error *err)
{
    OWNED_TEXT char *text = NULL;
    size_t cap = 0;
    uint64_t number = 0;
    for (ssize_t n = getline(&text, &cap, f); n > 0; n = getline(&text, &cap, f)) {
        number++;
        if (text[n - 1] != '\n') {
            buf_fmt(r->report, "%s: line %llu: is unfinished; the next start sets it aside\n",
                    r->path, (unsigned long long)number);
            break;
        }
        if (check_line(r, (struct str){text, (size_t)n - 1}, number, err))
            continue;
        r->check->first_bad_line = number;
        return false;
    }
    if (ferror(f))
        return error_set(err, ERR_CONFIG, "%s: cannot be read", r->path);
    return true;
}

/* Outcomes of this file's last intents may stand in the file that follows. */
static void look_ahead(struct check_run *r)
{
    struct audit_path next;
    if (!r->kind.len || !r->end.seq || !audit_path_next(r->dir, r->kind, r->end.seq, &next))
        return;
    FILE *f = fopen(next.at, "re");
    if (!f)
        return;
    OWNED_TEXT char *text = NULL;
    size_t cap = 0;
    for (ssize_t n = getline(&text, &cap, f); n > 0; n = getline(&text, &cap, f)) {
        const struct str line = {text, (size_t)n - (text[n - 1] == '\n')};
        struct audit_line frame;
        if (!audit_line_read(line, &frame) || frame.seq <= r->end.seq)
            break; /* not what follows, or damaged: its own check says so */
        take_record(r, line, frame.seq, false);
    }
    fclose(f);
}

static void list_open(struct check_run *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->intents[i].closed)
            continue;
        r->check->intents_without_outcome++;
        buf_fmt(r->report, "KB-C308 intent %llu has no outcome: %s\n",
                (unsigned long long)r->intents[i].seq, r->intents[i].said);
    }
}

/* DIR/audit-KIND.jsonl or DIR/audit-KIND.SEQ.jsonl -> DIR, KIND. */
static void name_chain(struct check_run *r, struct str path)
{
    size_t slash, dot;
    const bool in_dir = str_rfind(path, '/', &slash);
    const struct str name = in_dir ? str_sub(path, slash + 1, path.len) : path;
    if (!str_starts(name, STR("audit-")) || !str_find(name, '.', &dot))
        return;
    r->dir = in_dir ? str_sub(path, 0, slash ? slash : 1) : STR(".");
    r->kind = str_sub(name, 6, dot - 6);
}

bool audit_verify(struct str path, struct audit_check *check, struct buf *report, struct error *err)
{
    hash_init();
    *check = (struct audit_check){0};
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_RUN struct check_run r = {.path = arena_cstr(a, path), .check = check, .report = report};
    name_chain(&r, path);
    FILE *f = fopen(r.path, "re");
    if (!f)
        return error_set(err, ERR_CONFIG, "%s: cannot be opened (%s)", r.path,
                         strerrordesc_np(errno));
    const bool holds = check_file(&r, f, err);
    fclose(f);
    if (!holds)
        return false;
    look_ahead(&r);
    list_open(&r);
    return true;
}
