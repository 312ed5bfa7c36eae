/*
 * Any bytes as a cursor, and any place sealed into one: what was not sealed for this very question
 * is refused with one text, what was comes back whole, and no longer when a bit of it has changed.
 *
 * Input: the cursor up to the first newline, then the key up to the next, then the id.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/own.h"
#include "service/internal.h"

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void check_foreign(const struct service_call *c, struct service_query q, struct str text)
{
    struct replica_place place;
    struct error err = ERROR_INIT;
    q.page.cursor = text;
    bool opened = cursor_open(c, &q, &place, &err);
    demand(opened == !text.len, "a cursor that nobody sealed");
    demand(opened || err.kind == ERR_INVALID_CURSOR, "refused with another kind");
}

static void check_own(const struct service_call *c, struct service_query q, struct str key,
                      struct str id)
{
    const struct replica_place last = {.kind = REPLICA_GROUP, .key = key, .id = id};
    struct replica_place place;
    struct error err = ERROR_INIT;
    struct str sealed = cursor_seal(c, &q, &last);
    if (!sealed.len) {
        demand(key.len + id.len > 2048, "a place that was not sealed");
        return;
    }
    q.page.cursor = sealed;
    demand(cursor_open(c, &q, &place, &err), "an own cursor is refused");
    demand(place.kind == last.kind && str_eq(place.key, key) && str_eq(place.id, id),
           "another place came out");
    demand(!place.key.at == !key.at, "no value became an empty one, or the other way round");
    size_t flip = (key.len * 31 + id.len) % sealed.len;
    char *changed = arena_cstr(c->arena, sealed);
    changed[flip] = changed[flip] == 'A' ? 'B' : 'A';
    if (flip + 1 < sealed.len) /* the last character holds bits that do not count */
        check_foreign(c, q, (struct str){changed, sealed.len});
    q.text = STR("another question");
    check_foreign(c, q, sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hash_init();
    OWNED_ARENA struct arena *arena = arena_new();
    const struct config config = {.scim.cursor_timeout_s = 3600};
    struct service service = {.config = &config, .cursor_key = "a key for fuzzing"};
    const struct service_call call = {.service = &service,
                                      .arena = arena,
                                      .actor = {.kind = KIOPS_ACTOR_TOKEN, .id = STR("a token")}};
    const struct service_query query = {.parts = {{.kind = REPLICA_GROUP}},
                                        .part_count = 1,
                                        .page = {.by_cursor = true, .count = 10},
                                        .text = STR("a question")};
    struct str rest = {(const char *)data, size}, cursor = STR_NONE, key = STR_NONE;
    (void)str_split(&rest, '\n', &cursor);
    bool keyed = str_split(&rest, '\n', &key);
    check_foreign(&call, query, cursor);
    check_own(&call, query, keyed && key.len ? str_sub(key, 0, 1024) : STR_NONE, rest);
    return 0;
}
