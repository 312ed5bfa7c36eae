/* What creating and changing an organization share: the rules, the wishes in a body, the entry. */
#include "service/group_write.h"

bool group_may_write(const struct service_call *c, struct error *err)
{
    if (!access_may_write(c, err))
        return false;
    return !config_groups_read_only(&c->service->config->directory) ||
           error_set(err, ERR_FORBIDDEN,
                     "groups are read only here: posixGroup names its members by uid, not by DN; "
                     "change them in the directory");
}

bool group_write_judge(struct group_write *w, enum kiops_change_kind kind, struct error *err)
{
    const struct service_call *c = w->call;
    struct kiops_change what = {
        .kind = kind, .organization = w->id, .organization_name = w->before.name, .operation = -1};
    struct kiops_state state = {.organization_exists = kind != KIOPS_CREATE_ORGANIZATION,
                                .organization_open = w->before.open,
                                .now = clock_now()};
    struct kiops_verdict v = kiops_judge(&c->actor, &what, &state);
    w->rule = v.rule;
    return v.status != KIOPS_REFUSED || operation_refuse(c, &v, &what, err);
}

static struct scim_deltas one_delta(const struct group_write *w, enum scim_delta_kind kind,
                                    const json_t *items)
{
    struct arena *a = w->call->arena;
    size_t n = json_array_size(items);
    struct str *values = ARENA_ARRAY(a, struct str, n + 1);
    for (size_t i = 0; i < n; i++)
        values[i] = arena_str(a, json_get_str(json_array_get(items, i), "value"));
    struct scim_delta *d = ARENA_NEW(a, struct scim_delta);
    *d = (struct scim_delta){.kind = kind, .values = values, .count = n, .operation = -1};
    return (struct scim_deltas){d, 1};
}

/* An array of {value} leaves the checked body `holder` as one delta. The check drops what is empty,
 * so presence is asked of the body as sent. */
static struct scim_deltas take_set(const struct group_write *w, json_t *holder, const json_t *sent,
                                   const char *name, enum scim_delta_kind kind)
{
    json_t *items = json_object_get(holder, name);
    bool named = items || json_object_get(sent, name);
    if (!named || (!items && kind != SCIM_DELTA_REPLACE))
        return (struct scim_deltas){NULL, 0};
    struct scim_deltas deltas = one_delta(w, kind, items);
    if (items)
        json_object_del(holder, name);
    return deltas;
}

void group_write_take_sets(struct group_write *w, enum scim_delta_kind kind)
{
    json_t *extension = json_object_get(w->after, SCIM_URN_KIOPS_ORGANIZATION);
    struct member_wishes *wishes = &w->wishes;
    wishes->members = take_set(w, w->after, w->body, "members", kind);
    wishes->managers = take_set(w, extension, json_object_get(w->body, SCIM_URN_KIOPS_ORGANIZATION),
                                "managers", kind);
    bool clears = kind == SCIM_DELTA_REPLACE && w->call->scim.dialect->put_clears_members;
    if (clears && !wishes->members.count)
        wishes->members = one_delta(w, kind, NULL);
    if (extension && json_object_size(extension) == 0)
        json_object_del(w->after, SCIM_URN_KIOPS_ORGANIZATION);
}

bool group_write_read(struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s =
        directory_search_organization(c->service->directory, c->arena, w->id);
    s.attrs = directory_organization_attrs(c->service->directory, false, true);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count != 1 || directory_is_protected(c->service->directory, found.at[0].dn))
        return error_set(err, ERR_NOT_FOUND, KIOPS_NO_ORGANIZATION);
    w->entry = found.at[0];
    return directory_map_organization(c->service->directory, c->arena, &w->entry, &w->before, err);
}

bool group_write_refuse_name(struct error *err)
{
    return error_set(err, ERR_UNIQUENESS,
                     "displayName is taken by another group; choose another one");
}

/* Memory knows what is free; that something is taken is asked of the directory. */
bool group_write_name_fits(const struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    const struct replica_name wanted = {json_get_str(w->after, "displayName"), w->id};
    struct replica *r = c->service->replica;
    struct str taken;
    if (!naming_is_fit(c, wanted.name, "displayName", err))
        return false;
    if (!replica_organization_named(r, c->arena, &wanted, &taken))
        return true;
    if (!service_refresh_organization(c->service, c->conn, c->arena, taken, err))
        return false;
    return !replica_organization_named(r, c->arena, &wanted, &taken) ||
           group_write_refuse_name(err);
}

bool group_write_name_free(const struct group_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s = directory_search_organization_named(
        c->service->directory, c->arena, json_get_str(w->after, "displayName"));
    struct directory_entries found;
    s.attrs = directory_organization_attrs(c->service->directory, false, false);
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    for (size_t i = 0; i < found.count; i++)
        if (!str_eq(found.at[i].id, w->id))
            return group_write_refuse_name(err);
    return group_write_name_fits(w, err);
}
