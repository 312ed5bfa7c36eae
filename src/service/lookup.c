/* Whom a name in words means. */
#include "service/lookup.h"

#include "service/internal.h"

#define SHOWN_MAX 100 /* bytes of a name in a complaint */

static bool not_one(const char *what, struct str name, size_t found, struct error *err)
{
    struct str shown = str_sub(name, 0, SHOWN_MAX);
    if (found == 0)
        return error_set(err, ERR_NOT_FOUND, "no %s is called " STR_FMT, what, STR_ARG(shown));
    return error_set(err, ERR_INVALID_VALUE, "%zu %ss are called " STR_FMT "; give the id", found,
                     what, STR_ARG(shown));
}

/* By what the acting client calls the person, or `<client>:<externalId>` as stored. */
static struct directory_search by_external_id(const struct service_call *c, struct str name)
{
    const struct config_users *users = &c->service->config->directory.users;
    struct str client = directory_filter_value(c->arena, c->actor.client);
    struct str value = directory_filter_value(c->arena, name);
    return (struct directory_search){
        .base = users->base,
        .scope = DIRECTORY_SUB,
        .filter =
            arena_fmt(c->arena,
                      "(&" STR_FMT "(|(kiopsExternalId=" STR_FMT ")(kiopsExternalId=" STR_FMT
                      ":" STR_FMT ")))",
                      STR_ARG(users->filter), STR_ARG(value), STR_ARG(client), STR_ARG(value)),
        .attrs = directory_user_attrs(c->service->directory),
    };
}

bool lookup_user(const struct service_call *c, struct str name, struct lookup_user *out,
                 struct error *err)
{
    const struct directory *d = c->service->directory;
    const struct directory_search ways[] = {
        directory_search_user(d, c->arena, name),
        directory_search_user_named(d, c->arena, name),
        by_external_id(c, name),
    };
    enum { WAYS = sizeof ways / sizeof *ways };
    struct directory_entries found[WAYS];
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){ways, WAYS}, found, err))
        return false;
    size_t way = 0;
    while (way + 1 < WAYS && found[way].count == 0)
        way++;
    if (found[way].count != 1)
        return not_one("user", name, found[way].count, err);
    out->entry = &found[way].at[0];
    return directory_map_user(d, c->arena, out->entry, &out->user, err);
}

bool lookup_organization(const struct service_call *c, struct str name,
                         struct lookup_organization *out, struct error *err)
{
    const struct directory *d = c->service->directory;
    const struct directory_search ways[] = {
        directory_search_organization(d, c->arena, name),
        directory_search_organization_named(d, c->arena, name),
    };
    struct directory_entries found[2];
    struct directory_organization o;
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){ways, 2}, found, err))
        return false;
    const struct directory_entries *which = found[0].count ? &found[0] : &found[1];
    if (which->count != 1)
        return not_one("organization", name, which->count, err);
    if (!directory_map_organization(d, c->arena, &which->at[0], &o, err))
        return false;
    *out = (struct lookup_organization){o.id, o.name, o.members.count};
    return true;
}
