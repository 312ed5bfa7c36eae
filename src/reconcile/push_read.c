/* All that a provider has, and which of it stands for ours. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

#define TEXT_MAX ((size_t)64 << 20)

/* ---- keeping */

/* Names are told apart by their letters: providers hold userName equal without case. */
static struct str key_of(struct arena *a, struct str name)
{
    struct str key = arena_str(a, name);
    char *at = (char *)(uintptr_t)key.at;
    for (size_t i = 0; i < key.len; i++)
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] - 'A' + 'a');
    return key;
}

static void keep_members(struct push *p, struct push_there *t, const json_t *members)
{
    size_t n = json_array_size(members);
    t->members = ARENA_ARRAY(p->arena, struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct str id = json_get_str(json_array_get(members, i), "value");
        if (id.len)
            t->members[t->member_count++] = arena_str(p->arena, id);
    }
}

static void add(struct push_side *side, struct push_there *t)
{
    struct push_there *other = NULL;
    HASH_ADD_KEYPTR(by_id, side->by_id, t->id.at, t->id.len, t);
    if (t->external.len)
        HASH_FIND(by_external, side->by_external, t->external.at, t->external.len, other);
    if (other)
        other->external_doubled = t->external_doubled = true;
    else if (t->external.len)
        HASH_ADD_KEYPTR(by_external, side->by_external, t->external.at, t->external.len, t);
    other = NULL;
    HASH_FIND(by_name, side->by_name, t->key.at, t->key.len, other);
    if (other)
        other->name_doubled = t->name_doubled = true;
    else
        HASH_ADD_KEYPTR(by_name, side->by_name, t->key.at, t->key.len, t);
}

/* The text holds what is compared, and nothing that is not. */
static struct str text_of(struct arena *a, json_t *resource)
{
    OWNED_BUF struct buf text;
    static const char *const not_compared[] = {"members", "groups", "meta", "roles", "schemas"};
    for (size_t i = 0; i < sizeof not_compared / sizeof *not_compared; i++)
        json_object_del(resource, not_compared[i]);
    buf_init(&text, TEXT_MAX);
    json_write(resource, &text);
    return arena_str(a, buf_view(&text));
}

static void keep(struct push *p, struct push_side *side, const json_t *resource, const char *name)
{
    struct arena *a = p->arena;
    struct push_there *t = ARENA_NEW(a, struct push_there);
    OWNED_JSON json_t *rest = json_copy((json_t *)(uintptr_t)resource);
    t->id = arena_str(a, json_get_str(resource, "id"));
    t->external = arena_str(a, json_get_str(resource, "externalId"));
    t->version = arena_str(a, json_get_str(json_object_get(resource, "meta"), "version"));
    t->name = arena_str(a, json_get_str(resource, name));
    t->key = key_of(a, t->name);
    t->active = push_is_active(resource);
    keep_members(p, t, json_object_get(resource, "members"));
    t->text = text_of(a, rest);
    add(side, t);
}

/* ---- reading */

static bool read_side(struct push *p, struct push_side *side, const struct remote_query *q,
                      const char *name, struct error *err)
{
    struct remote_list *l;
    const json_t *r;
    if (!remote_list_begin(p->run->provider, p->arena, q, &l, err))
        return false;
    do {
        if (!remote_list_next(l, &r, err))
            return false;
        if (r)
            keep(p, side, r, name);
    } while (r);
    return true;
}

static bool read_known(struct push *p, struct error *err)
{
    const json_t *doc;
    struct remote_features can;
    if (!remote_features(p->run->provider, &can, err))
        return false;
    if (!can.patch)
        return error_set(err, ERR_CONFIG,
                         "the provider does not take PATCH (its ServiceProviderConfig), which a "
                         "push is made of");
    if (!remote_document(p->run->provider, p->arena, STR("Schemas"), &doc, err))
        return false;
    p->known.schemas = doc ? json_object_get(doc, "Resources") : NULL;
    return true;
}

static bool read_all(struct push *p, struct error *err)
{
    const struct remote_query users = {
        .type = STR("Users"), .filter = p->run->job->filter, .excluded = STR("groups")};
    const struct remote_query groups = {.type = STR("Groups")};
    return read_known(p, err) && read_side(p, &p->users, &users, "userName", err) &&
           (!p->run->job->groups || read_side(p, &p->groups, &groups, "displayName", err));
}

bool push_read(struct push *p, struct error *err)
{
    struct error why = ERROR_INIT;
    return read_all(p, &why) || error_set(err, why.kind, "KB-C105: %s", why.detail);
}

/* ---- matching */

struct push_there *push_there_of(const struct push_side *side, struct str id)
{
    struct push_there *t = NULL;
    HASH_FIND(by_id, side->by_id, id.at, id.len, t);
    return t;
}

bool push_was_ours(const struct push *p, const struct push_there *t)
{
    return p->by_external && !t->known && directory_is_uuid(t->external);
}

enum push_match push_match(const struct push *p, const struct push_side *side,
                           const struct push_sought *ours, struct push_there **out, struct str *why)
{
    struct push_there *t = NULL;
    struct str key = key_of(p->passing, ours->name);
    bool doubled = false;
    if (p->by_external)
        HASH_FIND(by_external, side->by_external, ours->id.at, ours->id.len, t);
    if (t)
        doubled = t->external_doubled;
    else if (p->by_name)
        HASH_FIND(by_name, side->by_name, key.at, key.len, t);
    *out = t;
    if (!t)
        return PUSH_NONE;
    if (doubled || (t->name_doubled && !str_eq(t->external, ours->id))) {
        *why = arena_fmt(p->passing,
                         "several there could be it, among them " STR_FMT
                         ": make externalId or name one of a kind there",
                         STR_ARG(t->id));
        return PUSH_CONFLICT;
    }
    if (p->by_external && t->external.len && !str_eq(t->external, ours->id)) {
        *why = arena_fmt(p->passing,
                         STR_FMT " there has this name and belongs to " STR_FMT
                                 ": rename or delete it there",
                         STR_ARG(t->id), STR_ARG(t->external));
        return PUSH_CONFLICT;
    }
    return PUSH_ONE;
}
