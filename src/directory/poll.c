/*
 * The feed of a server that does not tell. From time to time every id is read with what names its
 * version (entryCSN, else modifyTimestamp); what is new, changed or missing is read again as a
 * whole, and only that second read says that it is gone. Versions are compared with what the
 * server gave the last time, never with a clock of ours.
 *
 * modifyTimestamp counts whole seconds, and 389-ds' number in one may come twice, so the version of
 * a moment ago may cover one more change: it is read at each poll until that second must be over.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/own.h"
#include "directory/internal.h"

#define BATCH 64 /* ids asked for in one search */
#define FILTER_MAX 65536
#define SETTLES_MS 2000
#define NO_VERSION 0 /* of no entry: it is read at the next poll, whatever it says there */
#define LONG_AGO_US INT64_C(5000000)

struct seen {
    unsigned char id[SYNC_ID_BYTES];
    uint64_t version;
    instant_t age;     /* of its version; INSTANT_NONE: it has none */
    int64_t settles;   /* until then (monotonic ms) the version may cover one more change; 0 = no */
    instant_t changed; /* by the server's clock; INSTANT_NONE where the version does not need it */
};

struct seens {
    struct seen *at;
    size_t count, cap;
};

enum phase {
    WAITING,
    SCANNING, /* one source: ids and versions */
    READING,  /* a search for some of the wanted is under way */
    MISSING,  /* telling which of those it did not bring */
};

struct directory_poll {
    struct directory *directory;
    struct directory_conn *conn;
    int wake;
    const struct directory_sources *sources;
    struct seens known[DIRECTORY_SOURCES];
    struct seens expected[DIRECTORY_SOURCES]; /* seen by others since the last poll */
    struct seens found, wanted;               /* of the source that is polled now; sorted by id */
    bool *delivered;                          /* of the wanted */
    enum phase phase;
    size_t source, from, to, at; /* the wanted that are read: from..to */
    struct directory_walk walk;
    bool live;
    bool older;              /* an entry is of an older version than at the last whole poll */
    int64_t began, whole_at; /* whole_at: when the last whole poll began; 0 = never */
    int64_t next_at, retry_delay;
};

/* ---- life */

struct directory_poll *directory_poll_new(struct directory *d,
                                          const struct directory_sources *sources, int wake)
{
    struct directory_poll *p = must(calloc(1, sizeof *p));
    p->directory = d;
    p->conn = directory_open(d, DIRECTORY_SERVICE);
    p->sources = sources;
    p->wake = wake;
    return p;
}

void directory_poll_free(struct directory_poll *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->sources->count; i++) {
        free(p->known[i].at);
        free(p->expected[i].at);
    }
    free(p->found.at);
    free(p->wanted.at);
    free(p->delivered);
    directory_close(p->conn);
    free(p);
}

static void add(struct seens *list, struct seen one)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : BATCH;
        list->at = must(realloc(list->at, list->cap * sizeof *list->at));
    }
    list->at[list->count++] = one;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct seen *)a)->id, ((const struct seen *)b)->id, SYNC_ID_BYTES);
}

/* ---- scanning */

static int nibble(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* `id` is in the form of a UUID. */
static void id_bytes(struct str id, unsigned char out[SYNC_ID_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < id.len; i += id.at[i] == '-' ? 1 : 2)
        if (id.at[i] != '-')
            out[n++] = (unsigned char)(nibble(id.at[i]) << 4 | nibble(id.at[i + 1]));
}

static instant_t age_of(struct str csn)
{
    instant_t at;
    size_t end;
    bool dated = str_find(csn, '#', &end) && clock_parse_generalized(str_sub(csn, 0, end), &at);
    return dated ? at : INSTANT_NONE;
}

static struct seen seen_of(const struct directory_entry *e, int64_t began)
{
    struct str time = directory_value(e, "modifyTimestamp");
    struct str version = e->csn.len ? e->csn : time;
    struct seen one = {.version = hash_keyed(version.at, version.len),
                       .age = age_of(e->csn),
                       .changed = INSTANT_NONE};
    id_bytes(e->id, one.id);
    if (!directory_attr(e, "entryCSN")) {
        one.settles = time.len ? began + SETTLES_MS : INT64_MAX;
        (void)!clock_parse_generalized(time, &one.changed);
    }
    return one;
}

/* Of what was there before this feed, only the last seconds of the server's own time are in doubt.
 */
static void settle_old(struct seens *list)
{
    instant_t newest = INSTANT_NONE;
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].changed > newest)
            newest = list->at[i].changed;
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].changed != INSTANT_NONE && newest - list->at[i].changed > LONG_AGO_US)
            list->at[i].settles = 0;
}

static bool scan(struct directory_poll *p, struct error *err)
{
    static const char *const attrs[] = {"entryUUID", "entryCSN", "entryUSN", "modifyTimestamp",
                                        NULL};
    struct directory_search search = p->sources->at[p->source].search;
    OWNED_ARENA struct arena *a = arena_new();
    size_t nameless = 0;
    search.attrs = attrs;
    p->found.count = 0;
    if (!directory_walk_begin(p->conn, a, &search, &p->walk, err))
        return false;
    for (bool more = true; more; arena_reset(a)) {
        struct directory_entry e;
        if (!directory_walk_next(&p->walk, a, &e, &more, err))
            return false;
        if (more && directory_is_uuid(e.id))
            add(&p->found, seen_of(&e, p->began));
        else
            nameless += more;
    }
    /* Nobody's entryUUID may be read (any more): that is no empty directory. */
    if (nameless && !p->found.count)
        return error_set(err, ERR_UNAVAILABLE,
                         "%zu entries, and none shows its entryUUID: the bridge's account must be "
                         "able to read it",
                         nameless);
    if (!p->whole_at)
        settle_old(&p->found);
    if (nameless && !p->live)
        LOG_WARN("feed_entries_without_id", LOG_S("base", search.base), LOG_I("count", nameless));
    return true;
}

void directory_poll_expect(struct directory_poll *p, size_t source, struct str id)
{
    struct seen one = {.version = NO_VERSION, .settles = INT64_MAX};
    if (!directory_is_uuid(id))
        return;
    id_bytes(id, one.id);
    add(&p->expected[source], one);
}

static void sort(struct seens *list)
{
    if (list->count)
        qsort(list->at, list->count, sizeof *list->at, by_id);
}

static void sort_once_each(struct seens *list)
{
    size_t kept = 0;
    sort(list);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || by_id(&list->at[kept - 1], &list->at[i]) != 0)
            list->at[kept++] = list->at[i];
        else if (list->at[i].version == NO_VERSION)
            list->at[kept - 1] = list->at[i];
    list->count = kept;
}

/* What others saw counts as known, in a version that no entry has. */
static void know_expected(struct directory_poll *p)
{
    for (size_t i = 0; i < p->sources->count; i++) {
        for (size_t n = 0; n < p->expected[i].count; n++)
            add(&p->known[i], p->expected[i].at[n]);
        if (p->expected[i].count)
            sort_once_each(&p->known[i]);
        p->expected[i].count = 0;
    }
}

/* ---- comparing */

static void judge_known(struct directory_poll *p, struct seen *now, const struct seen *before)
{
    if (now->version == before->version) {
        if (before->settles == 0) {
            now->settles = 0;
            return;
        }
        now->settles = p->began >= before->settles ? 0 : before->settles;
    }
    p->older = p->older || (now->age != INSTANT_NONE && now->age < before->age);
    add(&p->wanted, *now);
}

/* Both lists by id: what is in one only, or differs, is wanted. */
static void compare(struct directory_poll *p)
{
    struct seens *known = &p->known[p->source], *found = &p->found;
    p->wanted.count = 0;
    sort(found);
    for (size_t i = 0, k = 0; i < found->count || k < known->count;) {
        int order = i == found->count   ? 1
                    : k == known->count ? -1
                                        : by_id(&found->at[i], &known->at[k]);
        if (order == 0)
            judge_known(p, &found->at[i++], &known->at[k++]);
        else
            add(&p->wanted, order < 0 ? found->at[i++] : known->at[k++]);
    }
    free(p->delivered);
    p->delivered = must(calloc(p->wanted.count + 1, sizeof *p->delivered));
}

/* ---- reading what is wanted */

/* Many in one search of everything, a few by their ids. */
static bool by_ids(const struct directory_poll *p)
{
    return p->sources->at[p->source].search.scope != DIRECTORY_BASE &&
           (p->wanted.count <= BATCH || p->wanted.count < p->found.count / 4);
}

static struct str filter_of(const struct directory_poll *p, struct arena *a)
{
    OWNED_BUF struct buf text;
    buf_init(&text, FILTER_MAX);
    buf_fmt(&text, "(&%s(|", p->sources->at[p->source].filter);
    for (size_t i = p->from; i < p->to; i++) {
        struct str id = directory_sync_id(a, p->wanted.at[i].id);
        buf_fmt(&text, "(entryUUID=" STR_FMT ")", STR_ARG(id));
    }
    buf_fmt(&text, "))");
    return arena_str(a, buf_view(&text));
}

static bool begin_reading(struct directory_poll *p, struct arena *a, struct error *err)
{
    struct directory_search search = p->sources->at[p->source].search;
    p->to = p->wanted.count;
    if (by_ids(p)) {
        p->to = p->from + BATCH < p->wanted.count ? p->from + BATCH : p->wanted.count;
        search.filter = filter_of(p, a);
    }
    p->phase = READING;
    return directory_walk_begin(p->conn, a, &search, &p->walk, err);
}

static struct seen *wanted_of(const struct directory_poll *p, struct str id)
{
    struct seen key;
    if (p->from == p->to || !directory_is_uuid(id))
        return NULL;
    id_bytes(id, key.id);
    return bsearch(&key, p->wanted.at + p->from, p->to - p->from, sizeof key, by_id);
}

enum step { STEP_EVENT, STEP_NONE, STEP_LOST };

static enum step read_on(struct directory_poll *p, struct arena *a, struct directory_event *out,
                         struct error *err)
{
    bool more;
    if (!directory_walk_next(&p->walk, a, &out->entry, &more, err))
        return STEP_LOST;
    if (!more) {
        p->phase = MISSING;
        p->at = p->from;
        return STEP_NONE;
    }
    struct seen *wanted = wanted_of(p, out->entry.id);
    if (!wanted)
        return STEP_NONE;
    p->delivered[wanted - p->wanted.at] = true;
    out->kind = p->sources->at[p->source].kind;
    return STEP_EVENT;
}

/* ---- one poll */

static enum step whole(struct directory_poll *p, struct directory_event *out)
{
    p->phase = WAITING;
    p->whole_at = p->began;
    p->retry_delay = 0;
    if (p->older)
        directory_follow_back(p->directory,
                              "an entry is of an older version than at the last poll");
    p->older = false;
    p->next_at = clock_deadline_in(p->directory->config->directory.poll_interval_s * INT64_C(1000));
    if (p->live)
        return STEP_NONE;
    p->live = true;
    out->kind = FEED_LIVE;
    out->as_of = p->whole_at;
    return STEP_EVENT;
}

static enum step next_source(struct directory_poll *p, struct directory_event *out)
{
    struct seens old = p->known[p->source];
    p->known[p->source] = p->found;
    p->found = old;
    p->phase = SCANNING;
    return ++p->source < p->sources->count ? STEP_NONE : whole(p, out);
}

/* The search was whole and did not bring it: gone, or out of the scope. */
static enum step tell_missing(struct directory_poll *p, struct arena *a,
                              struct directory_event *out, struct error *err)
{
    for (; p->at < p->to; p->at++) {
        if (p->delivered[p->at])
            continue;
        out->kind = FEED_DELETED;
        out->of = p->sources->at[p->source].kind;
        out->entry.id = directory_sync_id(a, p->wanted.at[p->at++].id);
        return STEP_EVENT;
    }
    p->from = p->to;
    if (p->from == p->wanted.count)
        return next_source(p, out);
    return begin_reading(p, a, err) ? STEP_NONE : STEP_LOST;
}

static enum step scan_source(struct directory_poll *p, struct error *err)
{
    if (!scan(p, err))
        return STEP_LOST;
    compare(p);
    p->from = p->to = p->at = 0;
    p->phase = MISSING; /* none is left of none: goes on to the first to read */
    return STEP_NONE;
}

/* What was delivered of a first poll that failed is not known to be whole: it begins again. */
static enum step begin(struct directory_poll *p, struct directory_event *out)
{
    p->began = clock_monotonic_ms();
    p->source = 0;
    p->phase = SCANNING;
    if (p->whole_at) {
        know_expected(p);
        return STEP_NONE;
    }
    for (size_t i = 0; i < p->sources->count; i++)
        p->known[i].count = 0;
    out->kind = FEED_REFRESH_BEGIN;
    return STEP_EVENT;
}

static enum step wait_turn(struct directory_poll *p, int64_t until, struct directory_event *out)
{
    int64_t pause = clock_left_ms(p->next_at), left = clock_left_ms(until);
    if (pause == 0)
        return begin(p, out);
    if (left > 0 && !directory_feed_wait(p->wake, -1, pause < left ? pause : left))
        return STEP_NONE;
    out->kind = p->live ? FEED_IDLE : FEED_LOST;
    out->as_of = p->whole_at;
    return STEP_EVENT;
}

static void lose(struct directory_poll *p, const struct error *why, struct directory_event *out)
{
    LOG_WARN("feed_poll_failed", LOG_S("base", p->sources->at[p->source].search.base),
             LOG_C("reason", why->detail));
    directory_conn_drop(p->conn);
    p->phase = WAITING;
    p->live = false;
    p->next_at = directory_feed_retry(&p->retry_delay);
    *out = (struct directory_event){.kind = FEED_LOST, .as_of = p->whole_at};
}

void directory_poll_next(struct directory_poll *p, struct arena *a, int wait_ms,
                         struct directory_event *out)
{
    int64_t until = clock_deadline_in(wait_ms);
    struct error err = ERROR_INIT;
    enum step done = STEP_NONE;
    while (done == STEP_NONE) {
        *out = (struct directory_event){.kind = FEED_IDLE};
        switch (p->phase) {
        case WAITING:
            done = wait_turn(p, until, out);
            break;
        case SCANNING:
            done = scan_source(p, &err);
            break;
        case READING:
            done = read_on(p, a, out, &err);
            break;
        case MISSING:
            done = tell_missing(p, a, out, &err);
            break;
        }
    }
    if (done == STEP_LOST)
        lose(p, &err, out);
}
