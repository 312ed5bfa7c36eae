/* Tokens: they enter and leave the replica. */
#include "replica/internal.h"

#include <stdlib.h>

static struct directory_values copy_values(struct arena *a, const struct directory_values *from)
{
    struct str *values = ARENA_ARRAY(a, struct str, from->count);
    for (size_t i = 0; i < from->count; i++)
        values[i] = arena_str(a, from->at[i]);
    return (struct directory_values){values, from->count};
}

struct directory_token token_copy(struct arena *a, const struct directory_token *t)
{
    return (struct directory_token){
        .name = arena_str(a, t->name),
        .hash = arena_str(a, t->hash),
        .client = arena_str(a, t->client),
        .role = arena_str(a, t->role),
        .access = arena_str(a, t->access),
        .profile = arena_str(a, t->profile),
        .push_mode = arena_str(a, t->push_mode),
        .csn = arena_str(a, t->csn),
        .dn = arena_str(a, t->dn),
        .id = arena_str(a, t->id),
        .organizations = copy_values(a, &t->organizations),
        .options = copy_values(a, &t->options),
        .expires = t->expires,
    };
}

size_t token_place(const struct replica *r, struct str id)
{
    size_t i = 0;
    while (i < r->token_count && !str_eq(r->tokens[i]->facts.id, id))
        i++;
    return i;
}

void token_drop(struct replica *r, size_t place)
{
    struct token *t = r->tokens[place];
    r->tokens[place] = r->tokens[--r->token_count];
    tombstone_put(r, t->facts.id, t->facts.csn);
    arena_free(t->arena);
}

bool replica_apply_token(struct replica *r, const struct directory_token *source)
{
    struct arena *a = arena_new();
    struct token *t = ARENA_NEW(a, struct token);
    *t = (struct token){.arena = a, .facts = token_copy(a, source), .used = INSTANT_NONE};
    replica_write(r);
    t->seen = r->refresh;
    size_t place = token_place(r, source->id);
    struct token *old = place < r->token_count ? r->tokens[place] : NULL;
    bool drop = old ? apply_refuses(r, source->id, source->csn, old->facts.csn)
                    : tombstone_bars(r, source->id, source->csn);
    if (!drop && !old) {
        r->tokens = GROW(r->tokens, r->token_count, r->token_cap);
        r->token_count++;
    }
    if (!drop && old)
        atomic_store(&t->used, atomic_load(&old->used));
    if (!drop)
        r->tokens[place] = t;
    else if (old)
        old->seen = r->refresh;
    replica_unlock(r);
    if (drop)
        arena_free(a);
    else if (old)
        arena_free(old->arena);
    return !drop;
}
