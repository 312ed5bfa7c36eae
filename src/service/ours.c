/* What memory has, for who compares it with a source. */
#include "service/ours.h"

#include <stdio.h>

#include "base/own.h"
#include "service/internal.h"

typedef bool find_named(struct replica *r, struct arena *a, const struct replica_name *wanted,
                        struct str *id);

static enum service_named count_named(const struct service_call *c, find_named *find,
                                      struct str name, struct str *id)
{
    struct replica *r = c->service->replica;
    struct str another;
    if (!find(r, c->arena, &(struct replica_name){.name = name}, id))
        return NAMED_NONE;
    return find(r, c->arena, &(struct replica_name){name, *id}, &another) ? NAMED_SEVERAL
                                                                          : NAMED_ONE;
}

enum service_named service_ours_user_named(const struct service_call *c, struct str name,
                                           struct str *id)
{
    return count_named(c, replica_user_named, name, id);
}

enum service_named service_ours_organization_named(const struct service_call *c, struct str name,
                                                   struct str *id)
{
    struct replica_organization o;
    if (directory_is_uuid(name) && replica_organization(c->service->replica, c->arena, name, &o)) {
        *id = o.id;
        return NAMED_ONE;
    }
    return count_named(c, replica_organization_named, name, id);
}

/* ---- all of a kind */

#define AT_ONCE 1000

static json_t *tree_of(struct str text)
{
    return json_loadb(text.at, text.len, JSON_ALLOW_NUL, NULL); /* our own rendering */
}

bool service_ours_walk(const struct service_call *c, enum replica_kind kind,
                       service_ours_take *take, void *arg, struct error *err)
{
    char last[64] = "";
    struct replica_page page = {.more = true};
    while (page.more) {
        arena_reset(c->arena);
        struct replica_place after = {.kind = kind, .id = arena_str(c->arena, str_of(last))};
        const struct replica_query q = {
            .kind = kind, .count = AT_ONCE, .after = &after, .actor = &c->actor};
        if (!replica_find(c->service->replica, c->arena, &q, &page, err))
            return false;
        for (size_t i = 0; i < page.count; i++)
            take(arg, page.at[i].id, page.at[i].json);
        snprintf(last, sizeof last, STR_FMT, STR_ARG(page.last.id));
    }
    return true;
}

struct str service_ours_text(const struct service_call *c, enum replica_kind kind, struct str id,
                             struct str *version)
{
    const struct replica_ask ask = {.kind = kind, .id = id, .actor = &c->actor};
    struct replica_text text;
    if (!replica_show(c->service->replica, c->arena, &ask, &text))
        return STR_NONE;
    *version = text.version;
    return text.json;
}

json_t *service_ours_resource(const struct service_call *c, enum replica_kind kind, struct str id,
                              struct str *version)
{
    struct str text = service_ours_text(c, kind, id, version);
    return text.len ? tree_of(text) : NULL;
}

size_t service_ours_member_ids(const struct service_call *c, struct str organization,
                               struct str **ids)
{
    return replica_members(c->service->replica, c->arena, organization, ids);
}

/* ---- seats */

size_t service_ours_manager_ids(const struct service_call *c, struct str organization,
                                struct str **ids)
{
    struct replica_organization o;
    size_t n = 0;
    if (!replica_organization(c->service->replica, c->arena, organization, &o))
        return 0;
    *ids = ARENA_ARRAY(c->arena, struct str, o.owner_count + 1);
    for (size_t i = 0; i < o.owner_count; i++)
        if (o.owners[i].counts && o.owners[i].active)
            (*ids)[n++] = o.owners[i].id;
    return n;
}

static size_t other_managers(const struct service_call *c, struct str organization, struct str user)
{
    struct str *ids;
    size_t n = service_ours_manager_ids(c, organization, &ids), others = 0;
    for (size_t i = 0; i < n; i++)
        others += !str_eq(ids[i], user);
    return others;
}

void service_ours_seat(const struct service_call *c, struct str organization, struct str user,
                       struct service_seat *out)
{
    struct replica *r = c->service->replica;
    const struct replica_membership m = replica_membership(r, organization, user);
    *out = (struct service_seat){.member = m.member,
                                 .manager = m.counts_as_manager,
                                 .pending = m.pending,
                                 .joined = m.joined,
                                 .permissions = m.permissions,
                                 .admin = replica_is_admin(r, user)};
    if (m.counts_as_manager)
        out->other_managers = other_managers(c, organization, user);
}

struct str service_ours_seat_version(const struct service_call *c, struct str organization,
                                     struct str user)
{
    const struct str id[] = {organization, STR("."), user};
    const struct replica_ask ask = {
        .kind = REPLICA_MEMBERSHIP, .id = arena_join(c->arena, id, 3), .actor = &c->actor};
    struct replica_text text;
    return replica_show(c->service->replica, c->arena, &ask, &text) ? text.version : STR_NONE;
}

size_t service_ours_members(const struct service_call *c, struct str organization)
{
    struct replica_organization o;
    return replica_organization(c->service->replica, c->arena, organization, &o) ? o.member_count
                                                                                 : 0;
}

struct str service_ours_version(const struct service_call *c, enum replica_kind kind, struct str id)
{
    const struct replica_ask ask = {.kind = kind, .id = id, .actor = &c->actor};
    struct replica_text text;
    return replica_show(c->service->replica, c->arena, &ask, &text) ? text.version : STR_NONE;
}

bool service_ours_is_member(const struct service_call *c, struct str user)
{
    struct str *ids;
    return replica_organizations_of(c->service->replica, c->arena, user, &ids) > 0;
}

size_t service_ours_users(const struct service_call *c)
{
    struct replica_counts n;
    replica_count(c->service->replica, &n);
    return n.users;
}
