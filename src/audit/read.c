/* The records read back: what was done to one person, or to which memberships. */
#include "audit/internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

#define JSON_DEPTH 64
/* Its intent names no subject: there is no id yet. */
#define NEW_USER STR("\"change\":\"create_user\"")

static const char *const chains[] = {"serve", "cli", "reconcile"};

/* An intent whose outcome has not been read yet. */
struct open_intent {
    struct audit_change change;
    bool names_nobody;   /* as of a new user: the outcome does */
    uint64_t membership; /* key of it, 0 = of none */
};

struct finding {
    struct arena *arena;
    struct str dir, chain;
    struct str subject; /* empty: everybody */
    instant_t since;    /* INSTANT_NONE: from the first on */
    struct open_intent *open;
    size_t open_count, open_cap;
    struct audit_change *changes; /* of the subject */
    size_t change_count, change_cap;
    uint64_t *memberships; /* of everybody */
    size_t membership_count, membership_cap;
    uint64_t last_seq; /* read so far in this chain */
};

static uint64_t membership_key(struct str subject, struct str organization)
{
    char text[160]; /* two ids, which are UUIDs */
    if (!organization.len || subject.len + organization.len >= sizeof text)
        return 0;
    memcpy(text, subject.at, subject.len);
    text[subject.len] = '.';
    memcpy(text + subject.len + 1, organization.at, organization.len);
    return hash_keyed(text, subject.len + 1 + organization.len);
}

static void fill_change(const struct finding *f, const json_t *record, struct audit_change *ch)
{
    const json_t *actor = json_object_get(record, "actor");
    struct str permission = json_get_str(json_object_get(record, "after"), "permission");
    struct str ended = json_get_str(json_object_get(record, "before"), "permission");
    struct str kind = json_get_str(actor, "kind"), id = json_get_str(actor, "id");
    ch->chain = f->chain;
    ch->time = arena_str(f->arena, json_get_str(record, "time"));
    ch->change = arena_str(f->arena, json_get_str(record, "change"));
    ch->actor = arena_fmt(f->arena, STR_FMT ":" STR_FMT, STR_ARG(kind), STR_ARG(id));
    ch->rule = arena_str(f->arena, json_get_str(record, "rule"));
    ch->organization = arena_str(f->arena, json_get_str(record, "organization"));
    ch->permission = arena_str(f->arena, permission.len ? permission : ended);
}

static void take_intent(struct finding *f, const json_t *record)
{
    struct str subject = json_get_str(record, "subject");
    instant_t time;
    if (!str_eq(json_get_str(record, "type"), STR("intent")) ||
        (f->subject.len && subject.len && !str_eq(subject, f->subject)) ||
        (f->since != INSTANT_NONE &&
         (!clock_parse_rfc3339(json_get_str(record, "time"), &time) || time < f->since)))
        return;
    f->open = arena_grow(f->arena, f->open, sizeof *f->open, f->open_count, &f->open_cap);
    struct open_intent *o = &f->open[f->open_count++];
    *o = (struct open_intent){
        .change.seq = (uint64_t)json_integer_value(json_object_get(record, "seq")),
        .names_nobody = !subject.len,
        .membership = membership_key(subject, json_get_str(record, "organization"))};
    if (f->subject.len)
        fill_change(f, record, &o->change);
}

static void keep(struct finding *f, const struct open_intent *o)
{
    if (f->subject.len) {
        f->changes =
            arena_grow(f->arena, f->changes, sizeof *f->changes, f->change_count, &f->change_cap);
        f->changes[f->change_count++] = o->change;
    } else if (o->membership) {
        f->memberships = arena_grow(f->arena, f->memberships, sizeof *f->memberships,
                                    f->membership_count, &f->membership_cap);
        f->memberships[f->membership_count++] = o->membership;
    }
}

static void take_outcome(struct finding *f, const json_t *record)
{
    uint64_t intent = (uint64_t)json_integer_value(json_object_get(record, "intent"));
    size_t i = 0;
    while (i < f->open_count && f->open[i].change.seq != intent)
        i++;
    if (i == f->open_count)
        return;
    bool other = f->open[i].names_nobody && !str_eq(json_get_str(record, "subject"), f->subject);
    if (str_eq(json_get_str(record, "result"), STR("done")) && !other)
        keep(f, &f->open[i]);
    f->open[i] = f->open[--f->open_count];
}

static bool has(struct str line, struct str part)
{
    return memmem(line.at, line.len, part.at, part.len) != NULL;
}

/* Most lines are of others: they are not parsed. What is no record says its own check. */
static void take_line(struct finding *f, struct str line)
{
    bool outcome = has(str_sub(line, 0, 128), STR("\"type\":\"outcome\""));
    struct str wanted = f->subject.len ? f->subject : STR("\"type\":\"intent\"");
    if (outcome ? f->open_count == 0 : !has(line, wanted) && !has(line, NEW_USER))
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
    f->open_count = 0;
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

/* Outcomes come in any order. */
static int by_seq(const void *a, const void *b)
{
    const struct audit_change *x = a, *y = b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static int by_key(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool read_chains(struct finding *f, struct error *err)
{
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        size_t from = f->change_count;
        f->chain = str_of(chains[i]);
        if (!read_chain(f, err))
            return false;
        if (f->change_count > from)
            qsort(f->changes + from, f->change_count - from, sizeof *f->changes, by_seq);
    }
    return true;
}

bool audit_read_changes(struct str dir, struct str subject, struct arena *a,
                        struct audit_changes *out, struct error *err)
{
    struct finding f = {.arena = a, .dir = dir, .subject = subject, .since = INSTANT_NONE};
    if (!read_chains(&f, err))
        return false;
    *out = (struct audit_changes){f.changes, f.change_count};
    return true;
}

bool audit_read_touched(struct str dir, instant_t since, struct arena *a, struct audit_touched *out,
                        struct error *err)
{
    struct finding f = {.arena = a, .dir = dir, .since = since};
    if (!read_chains(&f, err))
        return false;
    if (f.membership_count)
        qsort(f.memberships, f.membership_count, sizeof *f.memberships, by_key);
    *out = (struct audit_touched){f.memberships, f.membership_count};
    return true;
}

bool audit_touched_has(const struct audit_touched *t, struct str subject, struct str organization)
{
    uint64_t key = membership_key(subject, organization);
    return t->count && bsearch(&key, t->keys, t->count, sizeof key, by_key) != NULL;
}
