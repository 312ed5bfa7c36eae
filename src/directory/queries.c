/* The usual searches: only inside the configured base and filter, every value escaped. */
#include "directory/internal.h"

static const char *const identity_attrs[] = {"entryUUID", "entryCSN", "entryUSN", "modifyTimestamp",
                                             NULL};
static const char *const platform_attrs[] = {"*",        "entryUUID",       "entryCSN",
                                             "entryUSN", "modifyTimestamp", NULL};
static const char *const token_attrs[] = {
    "objectClass",
    "cn",
    "description",
    "kiopsTokenHash",
    "kiopsTokenClient",
    "kiopsTokenRole",
    "kiopsTokenAccess",
    "kiopsTokenProfile",
    "kiopsTokenPushMode",
    "kiopsTokenOrganization",
    "kiopsTokenExpires",
    "kiopsTokenOption",
    "entryUUID",
    "entryCSN",
    "entryUSN",
    "modifyTimestamp",
    NULL,
};

static struct directory_search nothing(struct str base, const char *const *attrs)
{
    return (struct directory_search){
        .base = base, .scope = DIRECTORY_SUB, .attrs = attrs, .nothing = true};
}

/* `(&<configured filter>(attr=value))` below `base`. */
static struct directory_search equal(struct arena *a, struct str base, struct str filter,
                                     struct str attr, struct str value)
{
    struct str escaped = directory_filter_value(a, value);
    return (struct directory_search){
        .base = base,
        .scope = DIRECTORY_SUB,
        .filter = arena_fmt(a, "(&" STR_FMT "(" STR_FMT "=" STR_FMT "))", STR_ARG(filter),
                            STR_ARG(attr), STR_ARG(escaped)),
    };
}

static struct directory_search users_where(const struct directory *d, struct arena *a,
                                           struct str attr, struct str value)
{
    const struct config_users *users = &d->config->directory.users;
    if (value.len == 0)
        return nothing(users->base, directory_user_attrs(d));
    struct directory_search s = equal(a, users->base, users->filter, attr, value);
    s.attrs = directory_user_attrs(d);
    return s;
}

static struct directory_search organizations_where(const struct directory *d, struct arena *a,
                                                   struct str attr, struct str value)
{
    const struct config_organizations *orgs = &d->config->directory.organizations;
    const char *const *attrs = directory_organization_attrs(d, true, true);
    if (value.len == 0)
        return nothing(orgs->base, attrs);
    struct directory_search s = equal(a, orgs->base, orgs->filter, attr, value);
    s.attrs = attrs;
    return s;
}

struct directory_search directory_search_user(const struct directory *d, struct arena *a,
                                              struct str id)
{
    return users_where(d, a, STR("entryUUID"), directory_is_uuid(id) ? id : STR_NONE);
}

struct directory_search directory_search_user_at(const struct directory *d, struct arena *a,
                                                 struct str dn)
{
    const struct config_users *users = &d->config->directory.users;
    const char *const *attrs = directory_user_attrs(d);
    if (!directory_is_below(directory_dn_key(a, dn), directory_dn_key(a, users->base)))
        return nothing(users->base, attrs);
    return (struct directory_search){
        .base = dn, .scope = DIRECTORY_BASE, .filter = users->filter, .attrs = attrs};
}

struct directory_search directory_search_applicant(const struct directory *d, struct arena *a,
                                                   struct str id)
{
    struct str base = d->config->signup.container;
    if (!d->config->signup.enabled || !directory_is_uuid(id))
        return nothing(base, directory_user_attrs(d));
    struct directory_search s =
        equal(a, base, d->config->directory.users.filter, STR("entryUUID"), id);
    s.attrs = directory_user_attrs(d);
    return s;
}

struct directory_search directory_search_user_named(const struct directory *d, struct arena *a,
                                                    struct str user_name)
{
    return users_where(d, a, d->config->directory.users.rdn, user_name);
}

struct directory_search directory_search_organization(const struct directory *d, struct arena *a,
                                                      struct str id)
{
    return organizations_where(d, a, STR("entryUUID"), directory_is_uuid(id) ? id : STR_NONE);
}

struct directory_search directory_search_organization_named(const struct directory *d,
                                                            struct arena *a, struct str name)
{
    return organizations_where(d, a, d->config->directory.organizations.rdn, name);
}

struct directory_search directory_tokens(const struct directory *d)
{
    return (struct directory_search){
        .base = d->config->directory.tokens_base,
        .scope = DIRECTORY_SUB,
        .filter = config_has_schema(&d->config->directory)
                      ? STR("(objectClass=kiopsPrincipal)")
                      : STR("(&(objectClass=organizationalRole)(description=kiopsTokenHash=*))"),
        .attrs = token_attrs,
    };
}

/* Tokens stand in no deeper folder. */
struct directory_search directory_search_tokens(const struct directory *d)
{
    struct directory_search s = directory_tokens(d);
    s.scope = DIRECTORY_ONE;
    return s;
}

struct directory_search directory_search_token_hash(const struct directory *d, struct arena *a,
                                                    struct str hash)
{
    bool own = config_has_schema(&d->config->directory);
    struct directory_search s = directory_search_tokens(d);
    s.filter = arena_fmt(a, "(&" STR_FMT "(%s" STR_FMT "))", STR_ARG(s.filter),
                         own ? "kiopsTokenHash=" : "description=kiopsTokenHash=",
                         STR_ARG(directory_filter_value(a, hash)));
    return s;
}

struct directory_search directory_search_token(const struct directory *d, struct arena *a,
                                               struct str name)
{
    struct directory_search all = directory_tokens(d);
    if (name.len == 0)
        return nothing(all.base, token_attrs);
    struct directory_search s = equal(a, all.base, all.filter, STR("cn"), name);
    s.attrs = token_attrs;
    return s;
}

struct directory_search directory_search_platform(const struct directory *d, struct arena *a)
{
    (void)a;
    /* In plain mode there is none: a search that is sound, and finds nothing. */
    if (d->config->directory.admins_dn.len == 0)
        return (struct directory_search){.base = d->config->directory.tokens_base,
                                         .scope = DIRECTORY_BASE,
                                         .filter = STR("(objectClass=groupOfNames)"),
                                         .attrs = platform_attrs};
    return (struct directory_search){
        .base = d->config->directory.admins_dn, .scope = DIRECTORY_BASE, .attrs = platform_attrs};
}

struct directory_search directory_search_has_value(struct arena *a, struct str entry_dn,
                                                   const char *attr, struct str dn)
{
    struct str escaped = directory_filter_value(a, dn);
    return (struct directory_search){
        .base = entry_dn,
        .nothing = entry_dn.len == 0 || attr[0] == '\0',
        .scope = DIRECTORY_BASE,
        .filter = arena_fmt(a, "(%s=" STR_FMT ")", attr, STR_ARG(escaped)),
        .attrs = identity_attrs,
    };
}

struct directory_search directory_search_groups_naming(const struct directory *d, struct arena *a,
                                                       struct str dn)
{
    const struct config_organizations *orgs = &d->config->directory.organizations;
    struct str escaped = directory_filter_value(a, dn);
    struct str owner = orgs->owner.len ? orgs->owner : orgs->member;
    return (struct directory_search){
        .base = orgs->base,
        .scope = DIRECTORY_SUB,
        .filter =
            arena_fmt(a, "(&" STR_FMT "(|(" STR_FMT "=" STR_FMT ")(" STR_FMT "=" STR_FMT ")))",
                      STR_ARG(orgs->filter), STR_ARG(orgs->member), STR_ARG(escaped),
                      STR_ARG(owner), STR_ARG(escaped)),
        .attrs = directory_organization_attrs(d, false, false),
    };
}

struct directory_search directory_search_users_of(const struct directory *d, struct arena *a,
                                                  struct str organization_id)
{
    const struct config_users *users = &d->config->directory.users;
    if (!directory_is_uuid(organization_id) || !config_has_schema(&d->config->directory))
        return nothing(users->base, directory_user_attrs(d));
    struct str id = organization_id;
    return (struct directory_search){
        .base = users->base,
        .scope = DIRECTORY_SUB,
        .filter = arena_fmt(a,
                            "(&" STR_FMT "(|(kiopsJoined=" STR_FMT ":*)(kiopsManager=" STR_FMT
                            ")(kiopsPermission=" STR_FMT ":*)(kiopsRequest=" STR_FMT
                            ":*)(kiopsRejected=" STR_FMT ":*)))",
                            STR_ARG(users->filter), STR_ARG(id), STR_ARG(id), STR_ARG(id),
                            STR_ARG(id), STR_ARG(id)),
        .attrs = directory_user_attrs(d),
    };
}
