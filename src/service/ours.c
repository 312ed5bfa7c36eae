/* What memory has, for who compares it with a source. */
#include "service/ours.h"

#include "base/own.h"
#include "service/internal.h"

static const struct json_limits OWN_TEXT = {.depth = 8};

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

static kiops_permission_set permissions_in(const json_t *membership)
{
    const json_t *all = json_object_get(membership, "permissions");
    kiops_permission_set set = 0;
    enum kiops_permission p;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (kiops_permission_parse(json_str(json_array_get(all, i)), &p))
            set = (kiops_permission_set)(set | 1U << p);
    return set;
}

void service_ours_seat(const struct service_call *c, struct str organization, struct str user,
                       struct service_seat *out)
{
    struct replica *r = c->service->replica;
    const struct replica_membership m = replica_membership(r, organization, user);
    const struct str id[] = {organization, STR("."), user};
    const struct replica_ask ask = {
        .kind = REPLICA_MEMBERSHIP, .id = arena_join(c->arena, id, 3), .actor = &c->actor};
    struct replica_text text;
    struct error never = ERROR_INIT;
    *out = (struct service_seat){.member = m.member,
                                 .manager = m.counts_as_manager,
                                 .pending = m.pending,
                                 .joined = m.joined,
                                 .admin = replica_is_admin(r, user)};
    if (!replica_show(r, c->arena, &ask, &text))
        return;
    OWNED_JSON json_t *shown = json_load_strict(text.json, OWN_TEXT, &never);
    out->version = text.version;
    if (m.member)
        out->permissions = permissions_in(shown);
}

size_t service_ours_members(const struct service_call *c, struct str organization)
{
    struct replica_organization o;
    return replica_organization(c->service->replica, c->arena, organization, &o) ? o.member_count
                                                                                 : 0;
}

struct str service_ours_organization_version(const struct service_call *c, struct str id)
{
    const struct replica_ask ask = {.kind = REPLICA_GROUP, .id = id, .actor = &c->actor};
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
