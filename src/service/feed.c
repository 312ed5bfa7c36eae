/* The feed's thread: what changed in the directory enters the replica. */
#include "service/internal.h"

#include <stdio.h>

#include "base/own.h"

#define FEED_WAIT_MS 1000
/* What could not be read is read again; not at once, while the directory is in trouble. */
#define RETRY_MS 1000
/* The feed announces an own write before its writer has the answer and applies it: an organization
 * is read again only when it is still behind after a moment, once for all changes of that moment.
 */
#define BEHIND_MS 20
#define BEHIND_MAX 64

struct behind {
    char id[40], csn[64]; /* csn: the newest announced */
    int64_t due;
};

/* An entry whose version is older than the one held here, at a server that is asked: who says the
 * same at the next poll, which began later, is right. The server's clock has stepped back. */
#define REFUSED_MAX 256

struct refused {
    char id[40], csn[64];
};

struct feeding {
    struct service *s;
    struct directory_conn *conn; /* for re-reading the sets of an organization */
    struct arena *arena;
    bool refreshing;
    bool delivered;  /* all that there was on this connection: FEED_LIVE came */
    bool incomplete; /* organizations whose sets could not be read */
    int64_t retry_at;
    struct behind behind[BEHIND_MAX]; /* oldest first */
    size_t behind_count;
    struct refused refused[REFUSED_MAX];
    size_t refused_count;
};

/* Memory holds a newer version than a refresh has read: an own write has come since, or the
 * directory was restored, and changed before this connection could see that. What it says now is
 * so. */
static void read_doubted(struct feeding *f, enum directory_feed_kind kind, struct str id)
{
    struct service *s = f->s;
    struct error err = ERROR_INIT;
    bool read = true;
    replica_doubt(s->replica, kind == FEED_PLATFORM ? REPLICA_PLATFORM : id);
    if (kind == FEED_ORGANIZATION)
        read = service_refresh_organization(s, f->conn, f->arena, id, &err);
    else if (kind == FEED_PLATFORM)
        read = service_refresh_platform(s, f->conn, f->arena, &err);
    else if (kind == FEED_USER || kind == FEED_APPLICANT)
        read = service_refresh_user(s, f->conn, f->arena, id, &err);
    if (!read)
        LOG_WARN("feed_doubt_unread", LOG_S("id", id), LOG_C("reason", err.detail));
}

/* Every organization with its sets in one search: at the start, and after a lost connection. */
static bool read_all_sets(struct feeding *f)
{
    struct directory_search search = {
        .base = f->s->config->directory.organizations.base,
        .scope = DIRECTORY_SUB,
        .filter = f->s->config->directory.organizations.filter,
        .attrs = directory_organization_attrs(f->s->directory, true, true),
    };
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_entries found;
    struct error err = ERROR_INIT;
    if (!directory_find(f->conn, a, &search, &found, &err)) {
        LOG_WARN("feed_sets_unread", LOG_C("reason", err.detail));
        return false;
    }
    for (size_t i = 0; i < found.count; i++) {
        struct directory_organization o;
        struct error odd = ERROR_INIT;
        if (directory_is_protected(f->s->directory, found.at[i].dn))
            continue;
        if (directory_map_organization(f->s->directory, a, &found.at[i], &o, &odd) &&
            !replica_apply_organization(f->s->replica, &o, true) && f->refreshing)
            read_doubted(f, FEED_ORGANIZATION, o.id);
    }
    return true;
}

static void refresh_sets(struct feeding *f, struct str organization_id)
{
    struct error err = ERROR_INIT;
    if (service_refresh_organization(f->s, f->conn, f->arena, organization_id, &err))
        return;
    f->incomplete = true;
    LOG_WARN("feed_organization_unread", LOG_S("organization", organization_id),
             LOG_C("reason", err.detail));
}

static void refresh_sets_of_user(struct feeding *f, struct str user_id)
{
    struct str *ids;
    size_t n = replica_organizations_of(f->s->replica, f->arena, user_id, &ids);
    for (size_t i = 0; i < n; i++)
        refresh_sets(f, ids[i]);
}

/* ---- organizations that may be behind */

static bool is_behind(struct feeding *f, struct str id, struct str csn)
{
    struct replica_organization known;
    return !csn.len || !replica_organization(f->s->replica, f->arena, id, &known) ||
           str_cmp(known.csn, csn) < 0;
}

static bool is_ahead(struct feeding *f, struct str id, struct str csn)
{
    struct replica_organization known;
    return replica_organization(f->s->replica, f->arena, id, &known) && str_cmp(known.csn, csn) > 0;
}

static struct behind *behind_of(struct feeding *f, struct str id)
{
    for (size_t i = 0; i < f->behind_count; i++)
        if (str_eq(str_of(f->behind[i].id), id))
            return &f->behind[i];
    return NULL;
}

static bool keep(char *to, size_t room, struct str text)
{
    return snprintf(to, room, STR_FMT, STR_ARG(text)) < (int)room;
}

static void note_behind(struct feeding *f, const struct directory_entry *e)
{
    struct behind *b = behind_of(f, e->id);
    if (b && keep(b->csn, sizeof b->csn, e->csn))
        return;
    b = &f->behind[f->behind_count];
    if (f->behind_count == BEHIND_MAX || !keep(b->id, sizeof b->id, e->id) ||
        !keep(b->csn, sizeof b->csn, e->csn)) {
        refresh_sets(f, e->id);
        return;
    }
    b->due = clock_deadline_in(BEHIND_MS);
    f->behind_count++;
}

static void catch_up(struct feeding *f)
{
    while (f->behind_count && clock_left_ms(f->behind[0].due) == 0) {
        struct behind first = f->behind[0];
        f->behind_count--;
        memmove(&f->behind[0], &f->behind[1], f->behind_count * sizeof f->behind[0]);
        if (is_behind(f, str_of(first.id), str_of(first.csn)))
            refresh_sets(f, str_of(first.id));
    }
}

static int patience(const struct feeding *f)
{
    if (!f->behind_count)
        return FEED_WAIT_MS;
    return (int)clock_left_ms(f->behind[0].due);
}

/* ---- versions that seem older */

/* Its version that was refused at the poll before, and is not any more; empty: none was. */
static struct refused take_refused(struct feeding *f, struct str id)
{
    for (size_t i = 0; i < f->refused_count; i++) {
        struct refused one = f->refused[i];
        if (!str_eq(str_of(one.id), id))
            continue;
        f->refused[i] = f->refused[--f->refused_count];
        return one;
    }
    return (struct refused){0};
}

/* Refused at the poll before, in this version; it is doubted then. */
static bool said_again(struct feeding *f, struct str id, struct str csn, struct str doubt)
{
    struct refused before = take_refused(f, id);
    bool same = *before.id && str_eq(str_of(before.csn), csn);
    if (same)
        replica_doubt(f->s->replica, doubt);
    return same;
}

/* It is read again: of a server that tells within a refresh, for else its event is late; of another
 * one at the next poll. More than there is room for wait for a later one. */
static void refuse(struct feeding *f, enum directory_feed_kind kind,
                   const struct directory_entry *e)
{
    if (!directory_feed_expects(f->s->feed)) {
        if (f->refreshing)
            read_doubted(f, kind, e->id);
        return;
    }
    directory_feed_expect(f->s->feed, kind, e->id);
    if (f->refused_count == REFUSED_MAX)
        return;
    struct refused *one = &f->refused[f->refused_count];
    f->refused_count +=
        keep(one->id, sizeof one->id, e->id) && keep(one->csn, sizeof one->csn, e->csn);
}

/* ---- events */

/* Referential integrity changes organizations without an event: whoever held a renamed or deleted
 * user is read again. */
static void apply_user(struct feeding *f, enum directory_feed_kind kind,
                       const struct directory_entry *e)
{
    struct directory_user u;
    struct directory_person before;
    struct error err = ERROR_INIT;
    struct replica *r = f->s->replica;
    bool known = !f->refreshing && (replica_person(r, f->arena, e->id, &before) ||
                                    replica_applicant(r, f->arena, e->id, &before));
    bool again = said_again(f, e->id, e->csn, e->id);
    if (known && !again && e->csn.len && str_cmp(before.csn, e->csn) >= 0) {
        if (!str_eq(before.csn, e->csn))
            refuse(f, kind, e);
        return; /* our own write, or older */
    }
    if (!directory_map_user(f->s->directory, f->arena, e, &u, &err)) {
        service_leave_out(f->s, FEED_USER, e, &err);
        return;
    }
    bool renamed =
        known && !str_eq(directory_dn_key(f->arena, before.dn), directory_dn_key(f->arena, e->dn));
    if (renamed)
        refresh_sets_of_user(f, e->id);
    if (!replica_apply_user(f->s->replica, &u))
        refuse(f, kind, e);
    if (renamed)
        refresh_sets_of_user(f, e->id);
}

static void apply_organization(struct feeding *f, const struct directory_entry *e)
{
    struct directory_organization o;
    struct error err = ERROR_INIT;
    if (!f->refreshing) {
        if (said_again(f, e->id, e->csn, e->id))
            refresh_sets(f, e->id);
        else if (is_behind(f, e->id, e->csn))
            note_behind(f, e);
        else if (is_ahead(f, e->id, e->csn))
            refuse(f, FEED_ORGANIZATION, e);
    } else if (directory_map_organization(f->s->directory, f->arena, e, &o, &err)) {
        replica_apply_organization(f->s->replica, &o, false);
    } else {
        service_leave_out(f->s, FEED_ORGANIZATION, e, &err);
    }
}

static void apply_platform(struct feeding *f, const struct directory_entry *e)
{
    (void)said_again(f, e->id, e->csn, REPLICA_PLATFORM);
    if (!service_apply_platform(f->s, e))
        refuse(f, FEED_PLATFORM, e);
}

static void apply_token(struct feeding *f, const struct directory_entry *e)
{
    struct directory_token t;
    struct error err = ERROR_INIT;
    if (directory_map_token(f->arena, e, &t, &err)) {
        (void)said_again(f, e->id, e->csn, e->id);
        if (replica_apply_token(f->s->replica, &t))
            return;
        refuse(f, FEED_TOKEN, e);
        if (f->refreshing && !directory_feed_expects(f->s->feed))
            (void)!replica_apply_token(f->s->replica, &t); /* nobody here writes it */
        return;
    }
    /* What it was before must not go on opening the door. */
    replica_apply_deleted(f->s->replica, e->id);
    LOG_WARN("feed_odd_token", LOG_S("id", e->id), LOG_C("reason", err.detail));
}

static void went_live(struct feeding *f)
{
    bool begun = f->refreshing;
    f->incomplete = !read_all_sets(f);
    f->retry_at = clock_deadline_in(RETRY_MS);
    atomic_fetch_add(&f->s->reads_failed, f->incomplete);
    if (f->incomplete)
        return; /* not live: a partial read is never taken for the whole */
    if (begun)
        replica_refresh_end(f->s->replica);
    f->refreshing = false;
    replica_set_live(f->s->replica, true);
    struct replica_counts n;
    replica_count(f->s->replica, &n);
    LOG_INFO("feed_live", LOG_I("users", n.users), LOG_I("organizations", n.organizations),
             LOG_I("tokens", n.tokens));
}

/* Never in the middle of a refresh: it would end there, and who is not named yet be gone. */
static void complete(struct feeding *f)
{
    if (f->incomplete && f->delivered && clock_left_ms(f->retry_at) == 0)
        went_live(f);
}

static void apply(struct feeding *f, const struct directory_event *ev)
{
    switch (ev->kind) {
    case FEED_USER:
    case FEED_APPLICANT:
        apply_user(f, ev->kind, &ev->entry);
        break;
    case FEED_ORGANIZATION:
        apply_organization(f, &ev->entry);
        break;
    case FEED_PLATFORM:
        apply_platform(f, &ev->entry);
        break;
    case FEED_TOKEN:
        apply_token(f, &ev->entry);
        break;
    case FEED_DELETED:
        (void)take_refused(f, ev->entry.id);
        if (ev->of == FEED_PLATFORM) {
            read_doubted(f, FEED_PLATFORM, ev->entry.id);
            break;
        }
        refresh_sets_of_user(f, ev->entry.id);
        if (ev->resumed)
            replica_apply_gone(f->s->replica, ev->of, ev->entry.id);
        else
            replica_apply_left(f->s->replica, ev->of, ev->entry.id);
        break;
    case FEED_REFRESH_BEGIN:
        f->refreshing = true;
        f->delivered = false;
        replica_set_lost(f->s->replica, clock_monotonic_ms()); /* until it is over */
        replica_refresh_begin(f->s->replica);
        if (ev->back)
            replica_refresh_rewound(f->s->replica);
        break;
    case FEED_LIVE:
        f->delivered = true;
        replica_set_polled(f->s->replica, ev->as_of);
        went_live(f);
        break;
    case FEED_IDLE:
        if (ev->as_of)
            replica_set_polled(f->s->replica, ev->as_of);
        break;
    case FEED_LOST:
        atomic_fetch_add(&f->s->reads_failed, 1);
        f->delivered = false;
        replica_set_lost(f->s->replica, ev->as_of ? ev->as_of : clock_monotonic_ms());
        break;
    }
}

/* Own writes stand in memory before a poll has seen them, and somebody may delete them before it
 * does. */
static void expect_own(struct feeding *f)
{
    const struct replica_arrival *arrived;
    if (!directory_feed_expects(f->s->feed))
        return;
    size_t n = replica_arrivals(f->s->replica, f->arena, &arrived);
    for (size_t i = 0; i < n; i++)
        directory_feed_expect(f->s->feed, arrived[i].kind, str_of(arrived[i].id));
}

void *service_feed_thread(void *service)
{
    struct service *s = service;
    struct feeding f = {
        .s = s, .conn = directory_open(s->directory, DIRECTORY_SERVICE), .arena = arena_new()};
    while (!atomic_load(&s->stopping)) {
        struct directory_event ev = {.kind = FEED_IDLE};
        directory_feed_next(s->feed, f.arena, patience(&f), &ev);
        atomic_fetch_add(&s->feed_events, ev.kind != FEED_IDLE);
        apply(&f, &ev);
        catch_up(&f);
        complete(&f);
        if (!s->passing)
            signup_sweep(s);
        expect_own(&f);
        arena_reset(f.arena);
    }
    directory_close(f.conn);
    arena_free(f.arena);
    return NULL;
}
