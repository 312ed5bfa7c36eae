/* Whom a value names that was not read: looked up, many at a time. */
#include "service/impact_unknown.h"

#include "base/own.h"

#define TOGETHER 64 /* looked up in one round trip */

void impact_unknown_note(struct impact_unknowns *u, uint64_t key, struct str dn, struct str text)
{
    struct impact_unknown *one;
    HASH_FIND(hh, u->all, &key, sizeof key, one);
    if (!one) {
        one = arena_alloc(u->arena, sizeof *one);
        *one = (struct impact_unknown){
            .key = key, .dn = arena_str(u->arena, dn), .text = arena_str(u->arena, text)};
        HASH_ADD(hh, u->all, key, sizeof one->key, one);
    }
    one->count++;
}

struct looking {
    struct directory_conn *conn;
    struct arena *arena;
};

/* Not while we read, but now: came, or was moved. */
static bool is_user(const struct looking *l, const struct impact_unknown *one, bool *user,
                    struct error *err)
{
    struct directory_search s = directory_search_user_at(directory_of(l->conn), l->arena, one->dn);
    struct directory_entries found;
    if (!directory_find(l->conn, l->arena, &s, &found, err))
        return false;
    *user = found.count > 0;
    return true;
}

static bool look_up_some(const struct looking *l, struct impact_unknown *const *some, size_t count,
                         struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    struct directory_search s[TOGETHER];
    struct directory_entries found[TOGETHER];
    for (size_t i = 0; i < count; i++)
        s[i] =
            (struct directory_search){.base = some[i]->dn, .scope = DIRECTORY_BASE, .attrs = none};
    if (!directory_find_all(l->conn, l->arena, (struct directory_searches){s, count}, found, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        bool user = false;
        if (!found[i].count)
            continue; /* IMPACT_FOUND_NOTHING */
        if (!is_user(l, some[i], &user, err))
            return false;
        some[i]->found = user ? IMPACT_FOUND_USER : IMPACT_FOUND_OTHER;
    }
    return true;
}

bool impact_unknown_look_up(struct impact_unknowns *u, struct directory_conn *conn,
                            struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    const struct looking l = {conn, a};
    struct impact_unknown *some[TOGETHER];
    size_t n = 0;
    for (struct impact_unknown *one = u->all; one; one = one->hh.next) {
        some[n++] = one;
        if (n < TOGETHER && one->hh.next)
            continue;
        if (!look_up_some(&l, some, n, err))
            return false;
        arena_reset(a);
        n = 0;
    }
    return true;
}

void impact_unknown_free(struct impact_unknowns *u)
{
    HASH_CLEAR(hh, u->all);
}
