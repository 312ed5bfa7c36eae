/*
 * Which server of the list is in use, and whether another one may stand in for it: only one that is
 * not behind what was seen already. Else an own write would be undone in memory, and who is known
 * taken for deleted.
 */
#include <string.h>

#include "base/log.h"
#include "directory/internal.h"

#define CSN_CHARS 40 /* 20260101000000.000000Z#000000#001#000000 */
#define SID_AT 30

void directory_servers_init(struct directory *d)
{
    const struct config_strings *uris = &d->config->directory.uris;
    d->servers.count = uris->count;
    d->servers.at = ARENA_ARRAY(d->memory, struct directory_host, uris->count);
    for (size_t i = 0; i < uris->count; i++)
        d->servers.at[i].uri = arena_cstr(d->memory, uris->at[i]);
    pthread_mutex_init(&d->servers.lock, NULL);
}

void directory_servers_release(struct directory *d)
{
    pthread_mutex_destroy(&d->servers.lock);
}

size_t directory_host_nth(size_t first, size_t k)
{
    if (k == 0)
        return first;
    return k <= first ? k - 1 : k;
}

bool directory_writes_wait(const struct directory *d)
{
    return d->config->directory.write_failover != CONFIG_FAILOVER_AUTO;
}

bool directory_is_left(const struct directory *d, size_t server)
{
    return atomic_load(&d->servers.current) != server;
}

bool directory_is_away(int code)
{
    return code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE ||
           code == LDAP_UNWILLING_TO_PERFORM;
}

/* ---- what was seen: the newest change of each server that changes were made at */

static void note(struct directory_servers *s, const char *csn)
{
    size_t i = 0;
    while (i < s->newest_count && memcmp(s->newest[i] + SID_AT, csn + SID_AT, 3) != 0)
        i++;
    if (i == DIRECTORY_SIDS || (i < s->newest_count && memcmp(s->newest[i], csn, CSN_CHARS) >= 0))
        return;
    if (i == s->newest_count)
        s->newest_count++;
    memcpy(s->newest[i], csn, CSN_CHARS);
}

static bool is_csn(struct str text, size_t at)
{
    return text.len - at >= CSN_CHARS && text.at[at + 14] == '.' && text.at[at + 21] == 'Z' &&
           text.at[at + 22] == '#' && text.at[at + 29] == '#' && text.at[at + 33] == '#';
}

void directory_saw(struct directory *d, struct str text)
{
    if (!text.len)
        return;
    pthread_mutex_lock(&d->servers.lock);
    d->servers.undated = d->servers.undated || !directory_server(d)->dates;
    for (size_t at = 0; at + CSN_CHARS <= text.len; at++)
        if (is_csn(text, at))
            note(&d->servers, text.at + at);
    pthread_mutex_unlock(&d->servers.lock);
}

/* ---- how new a server is */

/* The values of one attribute of one entry, joined with blanks; empty = none. */
static struct str read_values(LDAP *ld, struct arena *a, const char *base, const char *name,
                              int64_t deadline)
{
    const char *const names[] = {name, NULL};
    LDAPMessage *answer = NULL;
    OWNED_BUF struct buf text;
    int msgid = 0;
    buf_init(&text, 65536);
    if (ldap_search_ext(ld, base, LDAP_SCOPE_BASE, "(objectClass=*)", directory_attr_names(names),
                        0, NULL, NULL, NULL, 0, &msgid) != LDAP_SUCCESS ||
        directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, deadline, &answer) != LDAP_SUCCESS)
        return STR_NONE;
    LDAPMessage *first = ldap_first_entry(ld, answer);
    struct berval **values = first ? ldap_get_values_len(ld, first, name) : NULL;
    for (size_t i = 0; values && values[i]; i++)
        buf_fmt(&text, "%.*s\n", (int)values[i]->bv_len, values[i]->bv_val);
    ldap_value_free_len(values);
    ldap_msgfree(answer);
    return arena_str(a, buf_view(&text));
}

/* Of these suffixes that of the database that holds an entry. */
static struct str suffix_of(struct arena *a, struct str all, struct str dn)
{
    struct str base = directory_dn_key(a, dn), best = STR_NONE;
    for (size_t end; str_find(all, '\n', &end); all = str_sub(all, end + 1, all.len)) {
        struct str one = str_sub(all, 0, end);
        if (one.len > best.len && str_ends(base, directory_dn_key(a, one)))
            best = one;
    }
    return best;
}

/* The contextCSN above an entry, a line each; empty = it cannot be read. */
static struct str context_of(struct directory_now *now, LDAP *ld, struct arena *a, struct str dn,
                             int64_t deadline)
{
    if (!now->suffixes.len)
        now->suffixes = read_values(ld, a, "", "namingContexts", deadline);
    struct str suffix = suffix_of(a, now->suffixes, dn);
    if (!suffix.len)
        return STR_NONE;
    if (!str_eq(suffix, now->suffix)) {
        now->suffix = suffix;
        now->context = read_values(ld, a, arena_cstr(a, suffix), "contextCSN", deadline);
    }
    return now->context;
}

/* Of all databases that the bridge reads: what was seen was seen in one of them. Empty = that of
 * the users cannot be read. */
static struct str contexts_of(struct directory *d, LDAP *ld, struct arena *a, int64_t deadline)
{
    const struct config_directory *config = &d->config->directory;
    const struct str bases[] = {config->users.base, config->organizations.base, config->tokens_base,
                                config->admins_dn};
    struct directory_now now = {0};
    struct str all = context_of(&now, ld, a, bases[0], deadline), users = now.suffix;
    for (size_t i = 1; all.len && i < sizeof bases / sizeof *bases; i++) {
        struct str one = context_of(&now, ld, a, bases[i], deadline);
        if (!str_eq(now.suffix, users))
            all = arena_fmt(a, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(one));
    }
    return all;
}

/* The caller holds the lock. */
static bool has_all(const struct directory_servers *s, struct str context)
{
    for (size_t i = 0; i < s->newest_count; i++) {
        bool there = false;
        for (size_t at = 0; !there && at + CSN_CHARS <= context.len; at++)
            there = is_csn(context, at) &&
                    memcmp(context.at + at + SID_AT, s->newest[i] + SID_AT, 3) == 0 &&
                    memcmp(context.at + at, s->newest[i], CSN_CHARS) >= 0;
        if (!there)
            return false;
    }
    return true;
}

enum directory_age directory_age_of(struct directory *d, LDAP *ld, int64_t deadline)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_servers *s = &d->servers;
    pthread_mutex_lock(&s->lock);
    bool nothing = s->newest_count == 0, undated = s->undated;
    pthread_mutex_unlock(&s->lock);
    if (undated)
        return DIRECTORY_AGE_UNKNOWN;
    if (nothing)
        return DIRECTORY_AGE_SAME;
    struct str context = contexts_of(d, ld, a, deadline);
    if (!context.len)
        return DIRECTORY_AGE_UNKNOWN;
    pthread_mutex_lock(&s->lock);
    bool all = has_all(s, context);
    pthread_mutex_unlock(&s->lock);
    return all ? DIRECTORY_AGE_SAME : DIRECTORY_AGE_BEHIND;
}

struct str directory_cookie_now(struct directory_now *now, LDAP *ld, struct arena *a,
                                struct str base, int64_t deadline)
{
    struct str all = context_of(now, ld, a, base, deadline), cookie = STR_NONE;
    for (size_t end; str_find(all, '\n', &end); all = str_sub(all, end + 1, all.len))
        cookie = arena_fmt(a, STR_FMT "%s" STR_FMT, STR_ARG(cookie),
                           cookie.len ? ";" : "rid=000,csn=", STR_ARG(str_sub(all, 0, end)));
    return cookie;
}

/* slapd keeps contextCSN up to date by the overlay that knows this control alone. */
static bool keeps_age(LDAP *ld, int64_t deadline)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str known = read_values(ld, a, "", "supportedControl", deadline);
    return known.len && memmem(known.at, known.len, LDAP_CONTROL_SYNC, strlen(LDAP_CONTROL_SYNC));
}

void directory_follow_back(struct directory *d, const char *what_shows_it)
{
    LOG_ERROR("directory_went_back", LOG_C("seen", what_shows_it),
              LOG_C("reason", "restored from a backup, or its clock was set back? The bridge "
                              "follows it: what was changed since is gone"));
    pthread_mutex_lock(&d->servers.lock);
    d->servers.newest_count = 0;
    pthread_mutex_unlock(&d->servers.lock);
    atomic_fetch_add(&d->servers.went_back, 1);
}

bool directory_went_back(struct directory *d, LDAP *ld, int64_t deadline)
{
    if (directory_age_of(d, ld, deadline) != DIRECTORY_AGE_BEHIND || !keeps_age(ld, deadline))
        return false;
    directory_follow_back(d, "its newest change is older than what it told before");
    return true;
}

/* ---- the one in use */

static bool may_stand_in(struct directory *d, const struct directory_link *link, int64_t deadline)
{
    /* The first is what all follow; with `auto` the list is said to be one directory. */
    if (link->server == 0 || !directory_writes_wait(d))
        return true;
    enum directory_age age = directory_age_of(d, link->ld, deadline);
    if (age == DIRECTORY_AGE_SAME)
        return true;
    LOG_WARN("directory_not_used", LOG_C("uri", d->servers.at[link->server].uri),
             LOG_C("reason", age == DIRECTORY_AGE_BEHIND
                                 ? "it is behind what the bridge has seen"
                                 : "nothing shows how new it is (contextCSN): it may be behind"));
    return false;
}

bool directory_host_take(struct directory *d, struct directory_link *link, int64_t deadline)
{
    if (!may_stand_in(d, link, deadline)) {
        directory_link_close(link->ld);
        link->ld = NULL;
        link->asked = false;
        return false;
    }
    if (link->elsewhere)
        return true;
    size_t before = atomic_exchange(&d->servers.current, link->server);
    if (before != link->server) {
        atomic_fetch_add(&d->servers.changes, 1);
        LOG_WARN("directory_server", LOG_C("uri", d->servers.at[link->server].uri),
                 LOG_C("before", d->servers.at[before].uri),
                 LOG_C("writes", link->server == 0          ? "yes"
                                 : directory_writes_wait(d) ? "wait for the first"
                                                            : "yes, by write_failover"));
    }
    return true;
}

void directory_server_figures(const struct directory *d, struct directory_server_figures *out)
{
    size_t now = atomic_load(&d->servers.current);
    *out = (struct directory_server_figures){
        .uri = d->servers.at[now].uri,
        .number = now,
        .changes = atomic_load(&d->servers.changes),
        .went_back = atomic_load(&d->servers.went_back),
        .certificate_ends = atomic_load(&d->servers.at[now].certificate_ends),
    };
}

bool directory_is_first(const struct directory *d)
{
    return atomic_load(&d->servers.current) == 0;
}
