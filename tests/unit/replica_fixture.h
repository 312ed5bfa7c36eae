/*
 * What the tests of src/replica share: people and organizations made by hand, without a server.
 *
 * `kim` is the user with id user-kim and DN uid=kim,ou=people,dc=example,dc=org; `alpha` is the
 * organization with id org-alpha and DN cn=alpha,ou=orgs,dc=example,dc=org.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "replica/replica.h"
#include "scim_fixture.h"

#define BASE "https://id.example.org/scim/v2"
#define CREATED 1767600000000000
#define MODIFIED 1769936400000000

struct world {
    struct scim_catalog *catalog;
    struct arena *arena;
    struct replica *replica;
};

static inline struct replica *world_replica(const struct world *w)
{
    return replica_new(&(struct replica_settings){
        .base = STR(BASE),
        .catalog = w->catalog,
        .placeholder_dn = STR("cn=nobody,dc=example,dc=org"),
    });
}

static inline struct world world_new(void)
{
    hash_init();
    struct world w = {.catalog = fixture_catalog(), .arena = arena_new()};
    w.replica = world_replica(&w);
    return w;
}

static inline void world_free(struct world *w)
{
    replica_free(w->replica);
    arena_free(w->arena);
    scim_catalog_free(w->catalog);
}

/* Until NULL. */
static inline struct directory_values values_of(struct world *w, ...)
{
    struct str *at = ARENA_ARRAY(w->arena, struct str, 16);
    size_t n = 0;
    va_list args;
    va_start(args, w);
    for (const char *v; n < 16 && (v = va_arg(args, const char *));)
        at[n++] = arena_str(w->arena, str_of(v));
    va_end(args);
    return (struct directory_values){at, n};
}

static inline struct str user_id(struct world *w, const char *name)
{
    return arena_fmt(w->arena, "user-%s", name);
}

static inline struct str user_dn(struct world *w, const char *name)
{
    return arena_fmt(w->arena, "uid=%s,ou=people,dc=example,dc=org", name);
}

static inline struct str organization_id(struct world *w, const char *name)
{
    return arena_fmt(w->arena, "org-%s", name);
}

static inline struct str organization_dn(struct world *w, const char *name)
{
    return arena_fmt(w->arena, "cn=%s,ou=orgs,dc=example,dc=org", name);
}

static inline struct directory_user user_of(struct world *w, const char *name, const char *csn)
{
    struct directory_user u = {
        .person = {.dn = user_dn(w, name),
                   .id = user_id(w, name),
                   .csn = str_of(csn),
                   .active = true},
        .user_name = str_of(name),
        .display = arena_fmt(w->arena, "The \"%s\"", name),
        .resource = json_object(),
        .created = CREATED,
        .modified = MODIFIED,
    };
    struct str mail = arena_fmt(w->arena, "%s@Example.org", name);
    json_keep(w->arena, u.resource);
    json_put_str(u.resource, "userName", u.user_name);
    json_put_str(u.resource, "displayName", u.display);
    json_put(u.resource, "active", json_true());
    json_put(u.resource, "emails",
             json_pack("[{s:s%,s:s}]", "value", mail.at, mail.len, "type", "work"));
    snprintf(u.version, sizeof u.version, "%016llx",
             (unsigned long long)hash_content(csn, strlen(csn)));
    return u;
}

static inline void add_user(struct world *w, const char *name, const char *csn)
{
    struct directory_user u = user_of(w, name, csn);
    replica_apply_user(w->replica, &u);
}

static inline struct directory_organization organization_of(struct world *w, const char *name,
                                                            const char *csn)
{
    struct directory_organization o = {
        .dn = organization_dn(w, name),
        .id = organization_id(w, name),
        .csn = str_of(csn),
        .name = arena_fmt(w->arena, "Project %s", name),
        .description = STR("works"),
        .resource = json_object(),
        .created = CREATED,
        .modified = MODIFIED,
        .content = hash_content(name, strlen(name)),
    };
    json_keep(w->arena, o.resource);
    json_put_str(o.resource, "displayName", o.name);
    json_put(o.resource, SCIM_URN_KIOPS_ORGANIZATION, json_pack("{s:s}", "description", "works"));
    return o;
}

/* Members and owners by name, separated by spaces; "" = none. */
static inline struct directory_values dns_of(struct world *w, const char *names)
{
    struct str *at = ARENA_ARRAY(w->arena, struct str, strlen(names) + 1);
    size_t n = 0;
    struct str rest = str_of(names), name;
    while (str_split(&rest, ' ', &name))
        if (name.len)
            at[n++] = user_dn(w, arena_cstr(w->arena, name));
    return (struct directory_values){at, n};
}

static inline void add_organization(struct world *w, const char *name, const char *csn,
                                    const char *members, const char *owners)
{
    struct directory_organization o = organization_of(w, name, csn);
    o.members = dns_of(w, members);
    o.owners = dns_of(w, owners);
    o.managed = o.owners.count;
    replica_apply_organization(w->replica, &o, true);
}

static const struct kiops_actor everyone_sees = {
    .kind = KIOPS_ACTOR_TOKEN,
    .id = {"admin", 5},
    .client = {"idp", 3},
    .role = KIOPS_PLATFORM_ADMIN,
};

/* The resource as JSON, kept by the arena; NULL: not seen. */
static inline json_t *seen(struct world *w, enum replica_kind kind, struct str id,
                           const struct kiops_actor *actor)
{
    struct replica_text text;
    if (!replica_show(w->replica, w->arena, &(struct replica_ask){kind, id, actor, {true}}, &text))
        return NULL;
    struct error err = ERROR_INIT;
    json_t *value = json_load_strict(text.json, (struct json_limits){.depth = 16}, &err);
    fixture_expect(value, &err);
    json_keep(w->arena, value);
    fixture_expect(str_eq(json_get_str(json_object_get(value, "meta"), "version"), text.version),
                   &err);
    return value;
}

static inline json_t *group(struct world *w, const char *name)
{
    return seen(w, REPLICA_GROUP, organization_id(w, name), &everyone_sees);
}

static inline json_t *user(struct world *w, const char *name)
{
    return seen(w, REPLICA_USER, user_id(w, name), &everyone_sees);
}

/* The `name` members of the items of an array, with spaces between. */
static inline const char *listed(struct world *w, const json_t *items, const char *name)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item)
    {
        if (i)
            buf_char(&out, ' ');
        buf_str(&out, json_get_str(item, name));
    }
    return arena_cstr(w->arena, buf_view(&out));
}

static inline const char *version_of(const json_t *resource)
{
    return json_string_value(json_object_get(json_object_get(resource, "meta"), "version"));
}
