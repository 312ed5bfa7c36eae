/* What a person may do: what counts, and what does not with the side that is missing. */
#include "service/explain.h"

#include "service/internal.h"
#include "service/lookup.h"

/* ---- what does not count */

struct half {
    bool (*applies)(const struct standing_place *p);
    const char *text;
};

static bool is_nowhere(const struct standing_place *p)
{
    return !p->name.len;
}

static bool joined_only(const struct standing_place *p)
{
    return p->joined.count && !p->member;
}

static bool member_only(const struct standing_place *p)
{
    return p->member && !p->joined.count;
}

static bool owner_only(const struct standing_place *p)
{
    return p->owner && !standing_manages(p);
}

static bool manager_only(const struct standing_place *p)
{
    return p->manager && !p->owner;
}

static bool idle_permission(const struct standing_place *p)
{
    return p->permissions.count && !(p->member && p->joined.count);
}

static bool idle_request(const struct standing_place *p)
{
    return p->requests.count && p->member;
}

static const struct half halves[] = {
    {is_nowhere, "there is no such organization: the values of it have no effect"},
    {joined_only, "kiopsJoined without member: no membership"},
    {member_only, "member without kiopsJoined: Member since nobody knows when, nothing more"},
    {owner_only, "owner without member, kiopsJoined and kiopsManager: no Manager"},
    {manager_only, "kiopsManager without owner: no Manager"},
    {idle_permission, "kiopsPermission without member and kiopsJoined: no permission"},
    {idle_request, "kiopsRequest of a member: no request"},
};

static json_t *not_counted(const struct standing_place *p)
{
    json_t *texts = json_array();
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        if (halves[i].applies(p))
            json_push(texts, json_string(halves[i].text));
    return texts;
}

static json_t *platform_not_counted(const struct standing *s)
{
    json_t *texts = json_array();
    if (!s->user.person.active)
        json_push(texts, json_string("inactive: no role and no permission has an effect"));
    if (s->in_platform && !s->platform.count)
        json_push(texts, json_string("in the platform group without kiopsJoined: platform: no "
                                     "PlatformAdmin"));
    if (!s->in_platform && s->platform.count)
        json_push(texts, json_string("kiopsJoined: platform without the platform group: no "
                                     "PlatformAdmin"));
    return texts;
}

/* ---- what counts */

static const char *status_of(const struct standing_place *p)
{
    if (!p->name.len)
        return "none";
    if (p->member)
        return "active";
    if (p->requests.count)
        return "pending";
    return p->rejected.count ? "rejected" : "none";
}

static json_t *place_json(const struct standing_place *p)
{
    json_t *o = json_object();
    const char *status = status_of(p);
    bool member = p->member && p->name.len;
    json_put_str(o, "id", p->id);
    if (p->name.len)
        json_put_str(o, "displayName", p->name);
    json_put_str(o, "status", str_of(status));
    if (member) {
        const struct directory_values none = {0};
        json_put_str(o, "role",
                     kiops_role_name(standing_manages(p) ? KIOPS_MANAGER : KIOPS_MEMBER));
        json_put(o, "permissions", explain_permissions(p->joined.count ? &p->permissions : &none));
        explain_put_time(o, "joinDate", &p->joined);
    } else {
        explain_put_time(o, "requestedAt", &p->requests);
        explain_put_time(o, "rejectedAt", &p->rejected);
    }
    json_put(o, "notCounted", not_counted(p));
    return o;
}

static json_t *user_json(const struct directory_user *u)
{
    json_t *o = json_object();
    json_put_str(o, "id", u->person.id);
    json_put_str(o, "userName", u->user_name);
    json_put_str(o, "displayName", u->display);
    json_put(o, "active", json_boolean(u->person.active));
    return o;
}

bool service_explain_user(const struct explain_ground *g, struct str user, json_t **out,
                          struct error *err)
{
    struct service service = {
        .config = g->config, .catalog = g->catalog, .directory = g->directory};
    struct service_call call = {.service = &service, .arena = g->arena, .conn = g->conn};
    struct lookup_user found;
    struct standing s;
    if (!lookup_user(&call, user, &found, err) || !standing_read(&call, found.entry, &s, err))
        return false;
    json_t *all = json_object(), *organizations = json_array();
    json_keep(g->arena, all);
    json_put(all, "user", user_json(&s.user));
    if (standing_is_admin(&s)) {
        json_put_str(all, "platformRole", kiops_role_name(KIOPS_PLATFORM_ADMIN));
        explain_put_time(all, "platformAdminSince", &s.platform);
    }
    for (size_t i = 0; i < s.count; i++)
        json_push(organizations, place_json(&s.places[i]));
    json_put(all, "organizations", organizations);
    json_put(all, "notCounted", platform_not_counted(&s));
    *out = all;
    return true;
}
