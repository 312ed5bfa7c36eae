/* What a run itself has made: the versions that it left entries in, and ids of what is new. */
#include "reconcile/apply.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"

struct known_version {
    UT_hash_handle hh;
    struct str now;
    char key[]; /* id and planned version */
};

struct known_key {
    struct str key, id;
};

/* ---- versions */

static struct str version_key(struct arena *a, struct str id, struct str version)
{
    const struct str parts[] = {id, STR("\n"), version};
    return arena_join(a, parts, 3);
}

struct str known_version(const struct known *k, struct arena *a, struct str id, struct str planned)
{
    struct known_version *own = NULL;
    struct str key = version_key(a, id, planned);
    if (planned.len)
        HASH_FIND(hh, k->versions, key.at, key.len, own);
    return own ? own->now : planned;
}

void known_remember(struct known *k, struct str id, struct str then, struct str now)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct known_version *v = NULL;
    struct str key = version_key(passing, id, then);
    if (!then.len || !now.len)
        return;
    HASH_FIND(hh, k->versions, key.at, key.len, v);
    if (!v) {
        v = arena_alloc(k->arena, sizeof *v + key.len + 1);
        memcpy(v->key, key.at, key.len);
        HASH_ADD_KEYPTR(hh, k->versions, v->key, key.len, v);
    }
    v->now = arena_str(k->arena, now);
}

/* ---- ids */

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct known_key *)a)->key, ((const struct known_key *)b)->key);
}

void known_init(struct known *k, struct arena *a, const struct reconcile_plan *p)
{
    *k = (struct known){.arena = a, .keys = ARENA_ARRAY(a, struct known_key, p->count + 1)};
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].write.makes.len)
            k->keys[k->key_count++] = (struct known_key){.key = p->at[i].write.makes};
    if (k->key_count)
        qsort(k->keys, k->key_count, sizeof *k->keys, by_key);
}

void known_free(struct known *k)
{
    HASH_CLEAR(hh, k->versions);
}

static struct known_key *key_of(const struct known *k, struct str key)
{
    const struct known_key wanted = {.key = key};
    return k->key_count ? bsearch(&wanted, k->keys, k->key_count, sizeof *k->keys, by_key) : NULL;
}

void known_made(struct known *k, const struct reconcile_line *l, struct str id)
{
    struct known_key *key = l->write.makes.len ? key_of(k, l->write.makes) : NULL;
    if (key)
        key->id = arena_str(k->arena, id);
}

static bool know(const struct known *k, struct str *id, struct str made)
{
    const struct known_key *key = id->len || !made.len ? NULL : key_of(k, made);
    if (key)
        *id = key->id;
    return id->len || !made.len;
}

/* New: with ids where keys stood. NULL: one is not known. */
static json_t *resolve(const struct known *k, const json_t *value)
{
    struct str made = json_is_object(value) ? json_get_str(value, "$made") : STR_NONE;
    const struct known_key *key = made.at ? key_of(k, made) : NULL;
    if (made.at)
        return key && key->id.len ? json_string_safe(key->id) : NULL;
    json_t *to = json_is_array(value) ? json_array() : json_is_object(value) ? json_object() : NULL;
    if (!to)
        return json_copy_deep(value);
    size_t i;
    const char *name;
    json_t *inner = NULL, *part = to;
    json_array_foreach((json_t *)(uintptr_t)value, i, inner)
    {
        part = resolve(k, inner);
        if (!part)
            break;
        json_push(to, part);
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, inner)
    {
        part = resolve(k, inner);
        if (!part)
            break;
        json_put(to, name, part);
    }
    if (part)
        return to;
    json_decref(to);
    return NULL;
}

bool known_resolve(const struct known *k, struct reconcile_line *l)
{
    if (l->means == RECONCILE_REMOTE)
        return know(k, &l->remote.user, l->subject_made) &&
               know(k, &l->remote.group, l->organization_made);
    if (l->means != RECONCILE_WRITE)
        return true;
    json_t *body = l->write.body ? resolve(k, l->write.body) : NULL;
    if (body)
        json_keep(k->arena, body);
    bool known = know(k, &l->subject, l->subject_made) &&
                 know(k, &l->organization, l->organization_made) && !l->write.body == !body;
    if (body)
        l->write.body = body;
    return known;
}
