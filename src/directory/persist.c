/*
 * The feed of a server that tells: refresh and persist (RFC 4533), several searches on one
 * connection of its own, to the server that is written to.
 *
 * A refresh without cookies names everything; the events FEED_REFRESH_BEGIN and FEED_LIVE stand
 * around it. With cookies a server either names what is gone (that is delivered as it comes), or
 * names what is still there and means that the rest is gone. The second kind would need the set of
 * all ids here; a full refresh says the same, so that is what follows.
 *
 * A full refresh is a plain search that reads everything, and then one that follows, with the
 * contextCSN of before the first as its cookie. One search can do both; but when a limit of the
 * server ends it before it follows, OpenLDAP (2.5.13) keeps pointers to what it frees, grows with
 * every change, and crashes some day. Only where the second cannot tell what went since the first
 * is one search to do both: by then it is known that no limit is in the way. (The first is not
 * refresh only: after a crash of the server that leaves out the last change before it.)
 */
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "directory/internal.h"

#define COOKIE_MAX 65536
#define IDS_MAX ((size_t)64 << 20)

struct source {
    enum directory_feed_kind kind;
    const struct directory_source *of;
    struct buf cookie;
    struct directory_newest newest; /* of the entries that were told */
    int msgid;
    /* on this connection: */
    bool reads;   /* without following, which comes next */
    bool resumes; /* began with a cookie */
    bool refreshed;
};

struct directory_persist {
    struct directory *directory;
    struct arena *memory;
    LDAP *ld; /* NULL = not connected */
    size_t server;
    bool back; /* the server is older than what it told before */
    int wake;
    struct source sources[DIRECTORY_SOURCES];
    size_t count;    /* of sources */
    bool unknown;    /* the server does not know the control */
    bool complete;   /* everything up to the cookies was delivered */
    bool resuming;   /* this connection began with cookies */
    bool at_once;    /* the next one reads and follows in one search */
    struct buf gone; /* deleted ids that are still to be delivered; all from one message */
    enum directory_feed_kind gone_of;
    size_t gone_at;
    int64_t heard_at, probed_at;
    int probe; /* 0 = none on its way */
    int64_t retry_at, retry_delay;
};

/* ---- life */

struct directory_persist *directory_persist_new(struct directory *d,
                                                const struct directory_sources *sources, int wake)
{
    struct arena *memory = arena_new();
    struct directory_persist *f = ARENA_NEW(memory, struct directory_persist);
    f->directory = d;
    f->memory = memory;
    f->wake = wake;
    buf_init(&f->gone, IDS_MAX);
    f->count = sources->count;
    for (size_t i = 0; i < f->count; i++) {
        f->sources[i].kind = sources->at[i].kind;
        f->sources[i].of = &sources->at[i];
        buf_init(&f->sources[i].cookie, COOKIE_MAX);
    }
    return f;
}

static void disconnect(struct directory_persist *f)
{
    if (f->ld)
        ldap_unbind_ext(f->ld, NULL, NULL);
    f->ld = NULL;
    f->probe = 0;
    for (size_t i = 0; i < f->count; i++)
        f->sources[i].refreshed = false;
}

void directory_persist_free(struct directory_persist *f)
{
    if (!f)
        return;
    disconnect(f);
    for (size_t i = 0; i < f->count; i++)
        buf_free(&f->sources[i].cookie);
    buf_free(&f->gone);
    arena_free(f->memory);
}

bool directory_persist_is_unknown(const struct directory_persist *f)
{
    return f->unknown;
}

/* ---- connecting */

/* The next connection starts from nothing: what was delivered is not known to be whole. */
static void forget(struct directory_persist *f)
{
    f->complete = false;
    for (size_t i = 0; i < f->count; i++) {
        buf_clear(&f->sources[i].cookie);
        f->sources[i].newest = (struct directory_newest){0};
    }
}

static void lose(struct directory_persist *f)
{
    disconnect(f);
    if (!f->complete)
        forget(f);
    f->at_once = false;
    f->retry_at = directory_feed_retry(&f->retry_delay);
}

static bool can_resume(const struct directory_persist *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->sources[i].cookie.len == 0)
            return false;
    return f->complete;
}

/* Of the newest entries that were told: is one there, and none in an older version? Where all of
 * them were deleted since it looks as if the data were restored: then everything is read again. */
static bool has_newest(struct directory_persist *f, int64_t deadline)
{
    struct directory_newest_seen seen = {0};
    for (size_t i = 0; i < f->count; i++) {
        const struct source *s = &f->sources[i];
        if (!directory_newest_look(f->ld, s->of->base, &s->newest, deadline, &seen))
            return false;
    }
    if (seen.older)
        directory_follow_back(f->directory, "an entry is of an older version than was told before");
    f->back = f->back || seen.older;
    return !seen.older && (seen.found || !seen.asked);
}

static bool start_source(struct directory_persist *f, struct source *s)
{
    static const int scopes[] = {[DIRECTORY_BASE] = LDAP_SCOPE_BASE,
                                 [DIRECTORY_ONE] = LDAP_SCOPE_ONELEVEL,
                                 [DIRECTORY_SUB] = LDAP_SCOPE_SUBTREE};
    struct berval value;
    s->resumes = !s->reads && s->cookie.len > 0;
    if (!directory_sync_request(buf_view(&s->cookie), &value))
        return false;
    LDAPControl sync = {.ldctl_oid = directory_berval(STR(LDAP_CONTROL_SYNC)).bv_val,
                        .ldctl_iscritical = 1,
                        .ldctl_value = value};
    LDAPControl *controls[] = {&sync, NULL};
    int code = ldap_search_ext(f->ld, s->of->base, scopes[s->of->search.scope], s->of->filter,
                               directory_attr_names(s->of->search.attrs), 0,
                               s->reads ? NULL : controls, NULL, NULL, 0, &s->msgid);
    ber_memfree(value.bv_val);
    return code == LDAP_SUCCESS;
}

/* slapd gives a cookie without a CSN where its contextCSN did not move: an earlier write is under
 * way, or its clock has stepped back. Who resumed from it, or from the one before, might hear
 * nothing of what has gone since; the next one with a CSN may be resumed from again. */
static bool is_stateless(struct str cookie)
{
    return str_starts(cookie, STR("rid=")) &&
           !memmem(cookie.at, cookie.len, "csn=", strlen("csn="));
}

static void keep_cookie(struct directory_persist *f, struct source *s, struct str cookie)
{
    directory_saw(f->directory, cookie);
    if (cookie.len == 0)
        return;
    buf_clear(&s->cookie);
    if (!is_stateless(cookie))
        buf_str(&s->cookie, cookie);
}

static bool connect_all(struct directory_persist *f)
{
    struct error err = ERROR_INIT;
    const struct config_directory *config = &f->directory->config->directory;
    int64_t deadline = clock_deadline_in(config->operation_timeout_ms);
    struct directory_link link = {0};
    if (!directory_connect(f->directory, DIRECTORY_SERVICE, deadline, &link, &err))
        return false;
    f->ld = link.ld;
    /* As long as that was not told to its end. */
    f->back = directory_went_back(f->directory, f->ld, deadline) || (f->back && !f->complete);
    /* A cookie is of the server that gave it. */
    if (f->back || link.server != f->server)
        forget(f);
    f->server = link.server;
    f->resuming = can_resume(f) && has_newest(f, deadline);
    if (!f->resuming)
        forget(f);
    f->heard_at = clock_monotonic_ms();
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_now now = {0};
    for (size_t i = 0; i < f->count; i++) {
        struct source *s = &f->sources[i];
        if (!f->resuming && !f->at_once)
            keep_cookie(f, s, directory_cookie_now(&now, f->ld, a, s->of->search.base, deadline));
        s->reads = !f->resuming && s->cookie.len > 0;
        if (!start_source(f, s))
            return false;
    }
    return true;
}

/* ---- waiting */

static bool send_probe(struct directory_persist *f)
{
    static const char *const no_attrs[] = {LDAP_NO_ATTRS, NULL};
    f->probed_at = clock_monotonic_ms();
    return ldap_search_ext(f->ld, "", LDAP_SCOPE_BASE, "(objectClass=*)",
                           directory_attr_names(no_attrs), 1, NULL, NULL, NULL, 0,
                           &f->probe) == LDAP_SUCCESS;
}

/* A quiet connection and a server that hangs look alike: after a quiet time the server is asked
 * something. `*left` is the time until this must be looked at again. */
static bool is_answering(struct directory_persist *f, int64_t *left)
{
    int64_t patience = f->directory->config->directory.operation_timeout_ms;
    int64_t now = clock_monotonic_ms();
    if (f->probe == 0 && now - f->heard_at >= patience && !send_probe(f))
        return false;
    *left = (f->probe ? f->probed_at : f->heard_at) + patience - now;
    return f->probe == 0 || *left > 0;
}

enum heard { HEARD_MESSAGE, HEARD_NOTHING, HEARD_END };

static enum heard next_message(struct directory_persist *f, int64_t until, LDAPMessage **out)
{
    int fd = -1;
    for (bool woken = false;;) {
        struct timeval at_once = {0};
        int type = ldap_result(f->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &at_once, out);
        if (type > 0) {
            f->heard_at = clock_monotonic_ms();
            return HEARD_MESSAGE;
        }
        int64_t probe_in = 0, left = clock_left_ms(until);
        if (type < 0 || !is_answering(f, &probe_in) ||
            ldap_get_option(f->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS)
            return HEARD_END;
        if (woken || left == 0)
            return HEARD_NOTHING;
        woken = directory_feed_wait(f->wake, fd, left < probe_in ? left : probe_in);
    }
}

/* ---- events */

/* In a full refresh a protected entry is simply not there; later it may be one that was renamed
 * into the protected place. */
static bool protected_event(struct directory_persist *f, const struct source *s,
                            struct directory_event *out)
{
    if (!directory_is_protected(f->directory, out->entry.dn))
        return false;
    out->entry = (struct directory_entry){.id = out->entry.id};
    out->kind = FEED_DELETED;
    out->of = s->kind;
    return !s->refreshed && !s->resumes;
}

enum step { STEP_EVENT, STEP_NONE, STEP_LOST, STEP_AGAIN };

static enum step phase_over(struct directory_persist *f, struct source *s,
                            const struct directory_sync *sync, struct directory_event *out)
{
    if (sync->present && s->resumes)
        return STEP_AGAIN;
    if (!sync->done)
        return STEP_NONE;
    s->refreshed = true;
    keep_cookie(f, s, sync->cookie);
    for (size_t i = 0; i < f->count; i++)
        if (!f->sources[i].refreshed)
            return STEP_NONE;
    f->complete = true;
    f->retry_delay = 0;
    out->kind = FEED_LIVE;
    return STEP_EVENT;
}

static enum step search_ended(struct directory_persist *f, struct source *s,
                              const struct directory_sync *sync)
{
    struct error err = ERROR_INIT;
    if (s->reads && sync->answer.code == LDAP_SUCCESS) {
        s->reads = false;
        return start_source(f, s) ? STEP_NONE : STEP_LOST;
    }
    /* Whatever a server dislikes about a cookie, it cannot dislike about none. */
    bool dislikes = sync->answer.code == LDAP_SYNC_REFRESH_REQUIRED || !f->resuming;
    f->unknown = sync->answer.code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION;
    if (s->resumes && dislikes && !f->unknown)
        return STEP_AGAIN;
    if (s->resumes)
        forget(f);
    (void)!directory_outcome_report(&sync->answer, DIRECTORY_UNAVAILABLE, &err);
    return STEP_LOST;
}

static enum step event_of(struct directory_persist *f, struct source *s,
                          const struct directory_sync *sync, struct directory_event *out)
{
    out->entry = sync->entry;
    /* A cookie in the middle of a refresh would skip what the refresh has not named yet. */
    if (s->refreshed)
        keep_cookie(f, s, sync->cookie);
    switch (sync->kind) {
    case SYNC_ENTRY:
        /* Its entryUUID may not be read; the control brings it all the same. */
        if (sync->entry.id.len == 0)
            return s->reads ? STEP_AGAIN : STEP_NONE;
        directory_newest_note(&s->newest, &sync->entry);
        out->kind = s->kind;
        return protected_event(f, s, out) ? STEP_NONE : STEP_EVENT;
    case SYNC_GONE:
        out->kind = FEED_DELETED;
        out->of = s->kind;
        out->resumed = !s->refreshed;
        return STEP_EVENT;
    case SYNC_KEPT:
        return s->resumes ? STEP_AGAIN : STEP_NONE;
    case SYNC_PHASE:
        return phase_over(f, s, sync, out);
    case SYNC_END:
        return search_ended(f, s, sync);
    case SYNC_IDS:
    case SYNC_COOKIE:
        return STEP_NONE;
    }
    return STEP_NONE;
}

static enum step take_message(struct directory_persist *f, struct arena *a, LDAPMessage *message,
                              struct directory_event *out)
{
    struct directory_sync sync;
    int msgid = ldap_msgid(message);
    for (size_t i = 0; i < f->count; i++) {
        struct source *s = &f->sources[i];
        if (s->msgid != msgid)
            continue;
        if (s->reads ? !directory_sync_read_plain(f->ld, a, message, &sync)
                     : !directory_sync_read(f->ld, a, message, &f->gone, &sync))
            return STEP_LOST;
        f->gone_of = s->kind;
        return event_of(f, s, &sync, out);
    }
    if (msgid == f->probe && ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
        f->probe = 0;
    ldap_msgfree(message);
    return STEP_NONE;
}

static bool take_gone(struct directory_persist *f, struct arena *a, struct directory_event *out)
{
    if (f->gone_at == f->gone.len) {
        buf_clear(&f->gone);
        f->gone_at = 0;
        return false;
    }
    *out = (struct directory_event){.kind = FEED_DELETED, .of = f->gone_of, .resumed = true};
    out->entry.id = directory_sync_id(a, f->gone.at + f->gone_at);
    f->gone_at += SYNC_ID_BYTES;
    return true;
}

/* One message, or none in time. */
static enum step step(struct directory_persist *f, struct arena *a, int64_t until,
                      struct directory_event *out)
{
    LDAPMessage *message = NULL;
    switch (next_message(f, until, &message)) {
    case HEARD_MESSAGE:
        return take_message(f, a, message, out);
    case HEARD_NOTHING:
        *out = (struct directory_event){.kind = FEED_IDLE};
        return STEP_EVENT;
    case HEARD_END:
        break;
    }
    return STEP_LOST;
}

/* Not before its time; waits for that no longer than `until`. */
static bool reconnect(struct directory_persist *f, int64_t until)
{
    while (clock_left_ms(f->retry_at) > 0) {
        int64_t pause = clock_left_ms(f->retry_at), left = clock_left_ms(until);
        if (left == 0 || directory_feed_wait(f->wake, -1, pause < left ? pause : left))
            return false;
    }
    if (connect_all(f))
        return true;
    lose(f);
    return false;
}

void directory_persist_next(struct directory_persist *f, struct arena *a, int wait_ms,
                            struct directory_event *out)
{
    int64_t until = clock_deadline_in(wait_ms);
    *out = (struct directory_event){.kind = FEED_LOST};
    for (;;) {
        if (take_gone(f, a, out))
            return;
        if (f->ld && directory_is_left(f->directory, f->server)) {
            lose(f);
            return;
        }
        if (!f->ld) {
            bool connected = reconnect(f, until);
            if (!connected || !f->resuming) {
                out->kind = connected ? FEED_REFRESH_BEGIN : FEED_LOST;
                out->back = connected && f->back;
                return;
            }
        }
        enum step done = step(f, a, until, out);
        if (done == STEP_EVENT)
            return;
        if (done == STEP_AGAIN) {
            disconnect(f);
            forget(f);
            f->at_once = !f->resuming;
        }
        if (done == STEP_LOST) {
            lose(f);
            *out = (struct directory_event){.kind = FEED_LOST};
            return;
        }
    }
}
