/* One person's standing everywhere, fresh from the directory: both sides of every value. */
#include "service/internal.h"

bool standing_manages(const struct standing_place *p)
{
    return p->member && p->owner && p->manager && p->joined.count;
}

bool standing_is_admin(const struct standing *s)
{
    return s->in_platform && s->platform.count;
}

static struct standing_place *place_of(struct standing *s, struct str id)
{
    for (size_t i = 0; i < s->count; i++)
        if (str_ieq(s->places[i].id, id))
            return &s->places[i];
    return NULL;
}

/* Organizations that the person's own values speak of, and no value of a group does. */
static void add_own_places(struct standing *s, struct arena *a, size_t *cap)
{
    const struct directory_person *p = &s->user.person;
    const struct directory_values *all[] = {&p->joined, &p->managers, &p->permissions, &p->requests,
                                            &p->rejected};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t i = 0; i < all[k]->count; i++) {
            struct str rest = all[k]->at[i], id = STR_NONE;
            if (!str_split(&rest, ':', &id) || !directory_is_uuid(id) || place_of(s, id))
                continue;
            s->places = arena_grow(a, s->places, sizeof *s->places, s->count, cap);
            s->places[s->count++] = (struct standing_place){.id = id};
        }
}

static void spread(struct standing *s, struct arena *a)
{
    const struct directory_person *p = &s->user.person;
    for (size_t i = 0; i < s->count; i++) {
        struct standing_place *at = &s->places[i];
        at->joined = operation_values_of(a, &p->joined, at->id);
        at->permissions = operation_values_of(a, &p->permissions, at->id);
        at->requests = operation_values_of(a, &p->requests, at->id);
        at->rejected = operation_values_of(a, &p->rejected, at->id);
        at->manager = operation_values_of(a, &p->managers, at->id).count > 0;
    }
    s->platform = operation_values_of(a, &p->joined, STR("platform"));
}

/* First round trip: the groups that name the person. */
static bool find_places(const struct service_call *c, struct standing *s, struct error *err)
{
    struct arena *a = c->arena;
    size_t cap = 0;
    struct directory_entries groups;
    struct directory_search naming =
        directory_search_groups_naming(c->service->directory, a, s->user.person.dn);
    if (!directory_find(c->conn, a, &naming, &groups, err))
        return false;
    struct str platform = directory_dn_key(a, c->service->config->directory.admins_dn);
    for (size_t i = 0; i < groups.count; i++) {
        if (str_eq(directory_dn_key(a, groups.at[i].dn), platform))
            continue;
        s->places = arena_grow(a, s->places, sizeof *s->places, s->count, &cap);
        s->places[s->count++] =
            (struct standing_place){.id = groups.at[i].id, .dn = groups.at[i].dn};
    }
    add_own_places(s, a, &cap);
    spread(s, a);
    return true;
}

#define ASKED_A_PLACE 3

/* Second: names, and which of both sets it is. */
static bool look_at_places(const struct service_call *c, struct standing *s, struct error *err)
{
    struct arena *a = c->arena;
    struct str dn = s->user.person.dn;
    const struct directory *d = c->service->directory;
    size_t n = s->count * ASKED_A_PLACE + 1;
    struct directory_search *asked = ARENA_ARRAY(a, struct directory_search, n);
    struct directory_entries *found = ARENA_ARRAY(a, struct directory_entries, n);
    for (size_t i = 0; i < s->count; i++) {
        struct directory_search *at = asked + i * ASKED_A_PLACE;
        at[0] = directory_search_organization(d, a, s->places[i].id);
        at[0].attrs = directory_organization_attrs(d, false, false);
        at[1] = directory_search_has_value(a, s->places[i].dn, member_attr(c), dn);
        at[2] = directory_search_has_value(a, s->places[i].dn, owner_attr(c), dn);
        at[1].nothing = at[2].nothing = s->places[i].dn.len == 0;
    }
    asked[n - 1] =
        directory_search_has_value(a, c->service->config->directory.admins_dn, "member", dn);
    if (!directory_find_all(c->conn, a, (struct directory_searches){asked, n}, found, err))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        const struct directory_entries *at = found + i * ASKED_A_PLACE;
        struct directory_organization o;
        struct error odd = ERROR_INIT;
        if (at[0].count == 1 && directory_map_organization(d, a, &at[0].at[0], &o, &odd))
            s->places[i].name = o.name;
        s->places[i].member = at[1].count == 1;
        s->places[i].owner = at[2].count == 1;
    }
    s->in_platform = found[n - 1].count == 1;
    return true;
}

bool standing_read(const struct service_call *c, const struct directory_entry *person,
                   struct standing *out, struct error *err)
{
    *out = (struct standing){0};
    return directory_map_user(c->service->directory, c->arena, person, &out->user, err) &&
           find_places(c, out, err) && look_at_places(c, out, err);
}

struct kiops_actor standing_actor(const struct standing *s, struct arena *a)
{
    struct str *manages = ARENA_ARRAY(a, struct str, s->count + 1);
    struct str *in = ARENA_ARRAY(a, struct str, s->count + 1);
    struct kiops_actor actor = {
        .kind = KIOPS_ACTOR_PERSON,
        .id = s->user.person.id,
        .can_write = true,
        .max_removals = -1,
        .max_removals_percent = -1,
        .organizations = manages,
        .member_of = in,
    };
    for (size_t i = 0; s->user.person.active && i < s->count; i++) {
        if (s->places[i].member)
            in[actor.member_of_count++] = s->places[i].id;
        if (standing_manages(&s->places[i]))
            manages[actor.organization_count++] = s->places[i].id;
    }
    if (s->user.person.active && standing_is_admin(s))
        actor.role = KIOPS_PLATFORM_ADMIN;
    else if (actor.organization_count)
        actor.role = KIOPS_MANAGER;
    else if (actor.member_of_count)
        actor.role = KIOPS_MEMBER;
    return actor;
}
