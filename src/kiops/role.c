/* Roles and permissions by name; what an actor is where. */
#include "kiops/kiops.h"

#include <assert.h>
#include <stdio.h>

static const char *const roles[] = {
    [KIOPS_NO_ROLE] = "",
    [KIOPS_MEMBER] = "Member",
    [KIOPS_MANAGER] = "Manager",
    [KIOPS_PLATFORM_ADMIN] = "PlatformAdmin",
};

static const char *const permissions[KIOPS_PERMISSIONS] = {
    [KIOPS_INFRA] = "infra",   [KIOPS_SERVICE] = "service",   [KIOPS_BACKUP] = "backup",
    [KIOPS_DEVICE] = "device", [KIOPS_DATABASE] = "database", [KIOPS_VPN] = "vpn",
    [KIOPS_AUDIT] = "audit",
};

static bool one_of(struct str id, const struct str *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(id, ids[i]))
            return true;
    return false;
}

bool kiops_role_parse(struct str name, enum kiops_role *out)
{
    for (enum kiops_role r = KIOPS_MEMBER; r <= KIOPS_PLATFORM_ADMIN; r++)
        if (str_eq(name, str_of(roles[r]))) {
            *out = r;
            return true;
        }
    return false;
}

struct str kiops_role_name(enum kiops_role role)
{
    assert(role <= KIOPS_PLATFORM_ADMIN);
    return str_of(roles[role]);
}

bool kiops_permission_parse(struct str name, enum kiops_permission *out)
{
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++)
        if (str_eq(name, str_of(permissions[p]))) {
            *out = p;
            return true;
        }
    return false;
}

struct str kiops_permission_name(enum kiops_permission p)
{
    assert(p < KIOPS_PERMISSIONS);
    return str_of(permissions[p]);
}

static bool refuse_name(struct error *err, const char *rule, struct str name, const char *text)
{
    snprintf(err->rule, sizeof err->rule, "%s", rule);
    return error_set(err, ERR_INVALID_VALUE, "\"" STR_FMT "\" %s", STR_ARG(str_sub(name, 0, 60)),
                     text);
}

bool kiops_role_wish(struct str name, enum kiops_role *out, struct error *err)
{
    return kiops_role_parse(name, out) ||
           refuse_name(err, "KB-R01", name,
                       "is no role; the roles are PlatformAdmin, Manager and Member");
}

bool kiops_permission_wish(struct str name, enum kiops_permission *out, struct error *err)
{
    return kiops_permission_parse(name, out) ||
           refuse_name(err, "KB-R14", name,
                       "is no permission; they are infra, service, backup, device, database, vpn "
                       "and audit");
}

bool kiops_actor_manages(const struct kiops_actor *a, struct str organization)
{
    /* A token with role Member is bound to organizations in the same field, and manages none. */
    return a->role >= KIOPS_MANAGER &&
           one_of(organization, a->organizations, a->organization_count);
}

bool kiops_actor_is_in(const struct kiops_actor *a, struct str organization)
{
    return a->kind == KIOPS_ACTOR_PERSON
               ? one_of(organization, a->member_of, a->member_of_count)
               : one_of(organization, a->organizations, a->organization_count);
}
