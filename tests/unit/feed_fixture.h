/*
 * What the tests of the feed share: a consumer that believes what the events say, deeds of others
 * in the directory, and a slapd and a feed per test. One thread.
 */
#pragma once

#include "private_slapd.h"

#define KNOWN_MAX 64
#define LIVE_WITHIN_MS 10000
#define EVENT_WITHIN_MS 2000 /* 5 on an idle machine */

static struct private_slapd *slapd;
static struct directory_conn *conn;
static struct arena *arena;
static struct directory_feed *feed;

/* What a consumer of the events believes. */
static struct {
    struct {
        char id[40];
        enum directory_feed_kind kind;
        bool seen;
    } at[KNOWN_MAX];
    size_t count;
    unsigned refreshes, deletions;
} known;

static inline void forget_id(const char *id)
{
    for (size_t i = 0; i < known.count; i++)
        if (strcmp(known.at[i].id, id) == 0)
            known.at[i] = known.at[--known.count];
}

static inline bool knows(struct str id)
{
    for (size_t i = 0; i < known.count; i++)
        if (str_eq(str_of(known.at[i].id), id))
            return true;
    return false;
}

static inline void believe(const struct directory_event *event)
{
    char id[40];
    snprintf(id, sizeof id, STR_FMT, STR_ARG(event->entry.id));
    forget_id(id);
    if (event->kind == FEED_DELETED) {
        known.deletions++;
        return;
    }
    assert_true(known.count < KNOWN_MAX);
    assert_true(event->entry.csn.len > 0 || getenv("MINI_SLAPD_NO_CSN"));
    snprintf(known.at[known.count].id, sizeof id, "%s", id);
    known.at[known.count].kind = event->kind;
    known.at[known.count++].seen = true;
}

static inline void apply(const struct directory_event *event)
{
    switch (event->kind) {
    case FEED_REFRESH_BEGIN:
        known.refreshes++;
        for (size_t i = 0; i < known.count; i++)
            known.at[i].seen = false;
        break;
    case FEED_LIVE:
        for (size_t i = known.count; i-- > 0;)
            if (!known.at[i].seen)
                known.at[i] = known.at[--known.count];
        break;
    case FEED_USER:
    case FEED_ORGANIZATION:
    case FEED_PLATFORM:
    case FEED_TOKEN:
    case FEED_APPLICANT:
    case FEED_DELETED:
        believe(event);
        break;
    case FEED_IDLE:
    case FEED_LOST:
        break;
    }
}

/* Applies events until one of that kind (and id, if given) came; its time in ms, or the test fails.
 */
static inline int64_t expect(enum directory_feed_kind kind, struct str id, int within_ms)
{
    int64_t began = clock_monotonic_ms(), deadline = clock_deadline_in(within_ms);
    while (clock_left_ms(deadline) > 0) {
        struct directory_event event;
        OWNED_ARENA struct arena *a = arena_new();
        directory_feed_next(feed, a, (int)clock_left_ms(deadline), &event);
        apply(&event);
        if (event.kind == kind && (id.len == 0 || str_eq(id, event.entry.id)))
            return clock_monotonic_ms() - began;
    }
    fail_msg("no event %d for " STR_FMT, (int)kind, STR_ARG(id));
    return 0;
}

static inline void go_live(void)
{
    expect(FEED_LIVE, STR_NONE, LIVE_WITHIN_MS);
}

static inline size_t count_of(enum directory_feed_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < known.count; i++)
        n += known.at[i].kind == kind;
    return n;
}

/* The beliefs are what the directory holds. */
static inline void assert_true_belief(void)
{
    struct directory_search all[] = {
        {.base = slapd->config.directory.users.base,
         .scope = DIRECTORY_SUB,
         .filter = slapd->config.directory.users.filter},
        {.base = slapd->config.directory.organizations.base,
         .scope = DIRECTORY_SUB,
         .filter = slapd->config.directory.organizations.filter},
        directory_tokens(slapd->directory),
        directory_search_platform(slapd->directory, arena),
    };
    struct directory_entries found[4];
    struct error err = ERROR_INIT;
    assert_true(directory_find_all(conn, arena, (struct directory_searches){all, 4}, found, &err));
    size_t total = 0;
    for (size_t i = 0; i < 4; i++) {
        total += found[i].count;
        for (size_t j = 0; j < found[i].count; j++)
            assert_true(knows(found[i].at[j].id));
    }
    assert_int_equal(known.count, total);
}

static inline int before_each(void **state)
{
    (void)state;
    memset(&known, 0, sizeof known);
    arena = arena_new();
    conn = directory_open(slapd->directory, DIRECTORY_SERVICE);
    feed = directory_feed_new(slapd->directory);
    return 0;
}

static inline int after_each(void **state)
{
    (void)state;
    directory_feed_free(feed);
    directory_close(conn);
    arena_free(arena);
    return 0;
}

static inline struct str token_new(const char *name)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("kiopsPrincipal"));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", str_of(name));
    struct str dn = arena_fmt(arena, "cn=%s,ou=tokens,ou=kiops," SUFFIX, name);
    assert_true(directory_add(conn, dn, &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    return dn;
}

static inline struct str organization_new(const char *name)
{
    struct directory_mods m;
    struct directory_result result;
    struct error err = ERROR_INIT;
    directory_mods_init(&m, arena);
    directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("groupOfNames"));
    directory_mods_one(&m, DIRECTORY_ADD, "cn", str_of(name));
    directory_mods_one(&m, DIRECTORY_ADD, "member", STR("cn=nobody," SUFFIX));
    struct str dn = arena_fmt(arena, "cn=%s,ou=organizations," SUFFIX, name);
    assert_true(directory_add(conn, dn, &m, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
    return result.post->id;
}

static inline void delete_dn(struct str dn)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct directory_target t = {.dn = dn};
    assert_true(directory_delete(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
}

static inline void rename_person(const char *from, const char *to)
{
    struct directory_result result;
    struct error err = ERROR_INIT;
    struct directory_target t = {.dn = person_dn(arena, from),
                                 .new_rdn = arena_fmt(arena, "uid=%s", to)};
    assert_true(directory_rename(conn, arena, &t, &result, &err));
    assert_int_equal(result.outcome, DIRECTORY_DONE);
}

/* The bridge moves nobody between containers; administrators do. */
static inline void move_away(const char *uid)
{
    char *dn = arena_cstr(arena, person_dn(arena, uid));
    const char *rdn = arena_fmt(arena, "uid=%s", uid).at;
    int code = ldap_rename_s(conn->ld, dn, rdn, "ou=away," SUFFIX, 0, NULL, NULL);
    assert_int_equal(code, LDAP_SUCCESS);
}

static inline void set_title(const char *uid, const char *title)
{
    struct directory_target t = {.dn = person_dn(arena, uid)};
    struct directory_result done =
        modify_one(conn, arena, t, (struct one_value){DIRECTORY_REPLACE, "title", str_of(title)});
    assert_int_equal(done.outcome, DIRECTORY_DONE);
}

static inline void restart_with(const char *name, const char *value)
{
    slapd_stop(slapd, SIGTERM);
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
    slapd_restart(slapd);
}

static inline void lose_server(int signal_number)
{
    slapd_stop(slapd, signal_number);
    expect(FEED_LOST, STR_NONE, LIVE_WITHIN_MS);
    slapd_restart(slapd);
}

#define FEED(test) cmocka_unit_test_setup_teardown(test, before_each, after_each)

static inline int before_all(void **state)
{
    (void)state;
    slapd = slapd_start();
    return 0;
}

static inline int after_all(void **state)
{
    (void)state;
    slapd_remove(slapd);
    return 0;
}
