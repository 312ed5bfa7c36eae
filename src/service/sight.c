/* What is so: the facts about one person in one organization, from memory or fresh from the
 * directory, and the verdict on them. */
#include "service/internal.h"

#include <assert.h>

/* Owners looked at to find another Manager; an organization has a handful. */
#define OWNERS_MAX 64

struct directory_values operation_values_of(struct arena *a, const struct directory_values *all,
                                            struct str organization)
{
    struct str *mine = ARENA_ARRAY(a, struct str, all->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct str v = all->at[i];
        bool whole = v.len == organization.len;
        if (str_istarts(v, organization) && (whole || v.at[organization.len] == ':'))
            mine[n++] = v;
    }
    return (struct directory_values){mine, n};
}

void change_spread_person(struct change *ch)
{
    struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    struct str organization = ch->what.organization;
    g->joined = operation_values_of(a, &g->person.joined, organization);
    g->permissions = operation_values_of(a, &g->person.permissions, organization);
    g->requests = operation_values_of(a, &g->person.requests, organization);
    g->rejected = operation_values_of(a, &g->person.rejected, organization);
    g->manager = operation_values_of(a, &g->person.managers, organization).count > 0;
    g->platform = operation_values_of(a, &g->person.joined, STR("platform"));
}

static void note_other_manager(struct change *ch, struct str dn, struct str id)
{
    struct sight *g = &ch->sight;
    g->other_managers++;
    bool actor = ch->call->actor.kind == KIOPS_ACTOR_PERSON && str_eq(id, ch->call->actor.id);
    if (actor)
        g->actor_dn = dn;
    if (actor || !g->other_manager.len)
        g->other_manager = dn;
}

/* Is approved, and gets the name then. */
static bool asks_for_a_name(const struct change *ch)
{
    return ch->what.kind == KIOPS_APPROVE && ch->sight.has_user && ch->sight.person.applicant;
}

static void look_in_replica(struct change *ch)
{
    struct replica *r = ch->call->service->replica;
    struct arena *a = ch->call->arena;
    struct sight *g = &ch->sight;
    struct str user = ch->what.subject, holder;
    g->has_user =
        replica_person(r, a, user, &g->person) || replica_applicant(r, a, user, &g->person);
    if (!replica_user_name(r, a, user, &g->user_name, &g->name))
        g->user_name = g->name = STR_NONE;
    if (asks_for_a_name(ch)) {
        const struct replica_name wanted = {.name = g->user_name, .except = user};
        g->name_taken = replica_user_named(r, a, &wanted, &holder);
    }
    g->has_organization = replica_organization(r, a, ch->what.organization, &g->organization);
    struct replica_membership m = replica_membership(r, ch->what.organization, user);
    g->in = m.member;
    g->owner = m.owner;
    for (size_t i = 0; i < g->organization.owner_count; i++) {
        const struct replica_owner *o = &g->organization.owners[i];
        if (o->counts && o->active && !str_eq(o->id, user))
            note_other_manager(ch, o->dn, o->id);
    }
    g->admin = g->in_platform = replica_is_admin(r, user);
    struct str *admins;
    size_t n = replica_admins(r, a, &admins);
    for (size_t i = 0; i < n; i++) {
        struct directory_person other;
        if (!str_eq(admins[i], user) && replica_person(r, a, admins[i], &other)) {
            g->other_admins++;
            g->other_admin = other.dn;
        }
    }
}

static void fill_organization(struct change *ch, const struct directory_organization *o)
{
    struct replica_organization *seen = &ch->sight.organization;
    struct replica_owner *owners =
        ARENA_ARRAY(ch->call->arena, struct replica_owner, o->owners.count + 1);
    for (size_t i = 0; i < o->owners.count; i++)
        owners[i] = (struct replica_owner){.dn = o->owners.at[i]};
    *seen = (struct replica_organization){
        .id = o->id,
        .dn = o->dn,
        .csn = o->csn,
        .name = o->name,
        .open = o->open,
        .managed = o->managed,
        .has_placeholder_owner = o->has_placeholder_owner,
        .owners = owners,
        .owner_count = o->owners.count,
    };
}

static bool is_among(struct arena *a, struct str dn, const struct directory_values *dns)
{
    struct str key = directory_dn_key(a, dn);
    for (size_t i = 0; i < dns->count; i++)
        if (str_eq(directory_dn_key(a, dns->at[i]), key))
            return true;
    return false;
}

/* Second round trip: is the user in `member`, and which owners are Managers that count? */
static bool look_at_owners(struct change *ch, struct error *err)
{
    struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    const struct directory *d = ch->call->service->directory;
    size_t n = 0, owners = g->organization.owner_count < OWNERS_MAX ? g->organization.owner_count
                                                                    : OWNERS_MAX;
    struct directory_search *s = ARENA_ARRAY(a, struct directory_search, 1 + 2 * owners);
    struct directory_entries *found = ARENA_ARRAY(a, struct directory_entries, 1 + 2 * owners);
    s[n++] = directory_search_has_value(a, g->organization.dn, member_attr(ch->call), g->person.dn);
    for (size_t i = 0; i < owners; i++) {
        struct str dn = g->organization.owners[i].dn;
        s[n++] = directory_search_has_value(a, g->organization.dn, member_attr(ch->call), dn);
        s[n++] = directory_search_user_at(d, a, dn);
    }
    if (!directory_find_all(ch->call->conn, a, (struct directory_searches){s, n}, found, err))
        return false;
    g->in = g->has_user && !g->person.applicant && found[0].count == 1;
    for (size_t i = 0; i < owners; i++) {
        struct str dn = g->organization.owners[i].dn;
        if (found[1 + 2 * i].count != 1 || found[2 + 2 * i].count != 1)
            continue;
        struct directory_person p;
        directory_map_person(a, &found[2 + 2 * i].at[0], &p);
        if (p.active && !str_eq(p.id, ch->what.subject) &&
            operation_values_of(a, &p.joined, g->organization.id).count &&
            operation_values_of(a, &p.managers, g->organization.id).count)
            note_other_manager(ch, dn, p.id);
    }
    return true;
}

/* The platform group's members as persons: who counts as PlatformAdmin. */
static bool look_at_admins(struct change *ch, const struct directory_entry *group,
                           struct error *err)
{
    struct sight *g = &ch->sight;
    struct arena *a = ch->call->arena;
    const struct directory_attr *members = directory_attr(group, "member");
    if (!members)
        return true;
    struct directory_values all = {members->values, members->count};
    g->in_platform = g->has_user && is_among(a, g->person.dn, &all);
    g->admin =
        g->in_platform && operation_values_of(a, &g->person.joined, STR("platform")).count > 0;
    size_t n = all.count < OWNERS_MAX ? all.count : OWNERS_MAX;
    struct directory_search *s = ARENA_ARRAY(a, struct directory_search, n + 1);
    struct directory_entries *found = ARENA_ARRAY(a, struct directory_entries, n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = directory_search_user_at(ch->call->service->directory, a, members->values[i]);
    if (n && !directory_find_all(ch->call->conn, a, (struct directory_searches){s, n}, found, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct directory_person p;
        if (found[i].count != 1)
            continue;
        directory_map_person(a, &found[i].at[0], &p);
        if (!p.active || str_eq(p.id, ch->what.subject) ||
            !operation_values_of(a, &p.joined, STR("platform")).count)
            continue;
        g->other_admins++;
        if (!g->other_admin.len || str_eq(p.id, ch->call->actor.id))
            g->other_admin = members->values[i];
    }
    return true;
}

static bool look_at_name(struct change *ch, struct error *err)
{
    const struct service_call *c = ch->call;
    struct directory_entries found;
    if (!asks_for_a_name(ch))
        return true;
    struct directory_search s =
        directory_search_user_named(c->service->directory, c->arena, ch->sight.user_name);
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    ch->sight.name_taken = found.count > 0;
    return true;
}

static bool look_in_directory(struct change *ch, struct error *err)
{
    const struct service_call *c = ch->call;
    struct sight *g = &ch->sight;
    struct directory_search s[3] = {
        directory_search_user(c->service->directory, c->arena, ch->what.subject),
        directory_search_organization(c->service->directory, c->arena, ch->what.organization),
        directory_search_platform(c->service->directory, c->arena)};
    s[1].attrs = directory_organization_attrs(c->service->directory, false, true);
    struct directory_entries found[3];
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){s, 3}, found, err))
        return false;
    if (found[0].count == 0 && c->service->config->signup.enabled &&
        !service_find_user(c->conn, c->arena, ch->what.subject, &found[0], err))
        return false;
    if (found[0].count == 1 && !directory_is_protected(c->service->directory, found[0].at[0].dn)) {
        struct directory_user u;
        if (!directory_map_user(c->service->directory, c->arena, &found[0].at[0], &u, err))
            return false;
        g->has_user = true;
        g->person = u.person;
        g->former_dn = naming_former_dn(c, &u);
        g->name = u.display;
        g->user_name = u.user_name;
    }
    if (found[1].count == 1 && !directory_is_protected(c->service->directory, found[1].at[0].dn)) {
        struct directory_organization o;
        if (!directory_map_organization(c->service->directory, c->arena, &found[1].at[0], &o, err))
            return false;
        g->has_organization = true;
        fill_organization(ch, &o);
        g->owner = g->has_user && is_among(c->arena, g->person.dn, &o.owners);
    }
    if (found[2].count == 1 && !look_at_admins(ch, &found[2].at[0], err))
        return false;
    return look_at_name(ch, err) && (!g->has_organization || look_at_owners(ch, err));
}

bool change_look(struct change *ch, bool fresh, struct error *err)
{
    ch->sight = (struct sight){.fresh = fresh};
    if (!fresh)
        look_in_replica(ch);
    else if (!look_in_directory(ch, err))
        return false;
    if (ch->sight.has_user)
        change_spread_person(ch);
    ch->what.subject_name = ch->sight.name.len ? ch->sight.name : ch->what.subject;
    ch->what.organization_name = ch->sight.organization.name;
    return true;
}

/* An approval that a crash cut off after its claim: it can be approved again. */
static bool is_cut_off(const struct change *ch)
{
    const struct sight *g = &ch->sight;
    /* Who signed up and still stands where applicants do, joined nothing: it waits for a decision.
     */
    if (g->person.applicant)
        return g->joined.count > 0;
    return ch->what.kind == KIOPS_APPROVE && g->joined.count && !g->rejected.count && !g->manager;
}

/* Who is PlatformAdmin already is given nothing, whatever becomes of `active`. */
static bool is_active(const struct change *ch)
{
    if (ch->activity == ACTIVITY_AS_SEEN || (ch->activity == ACTIVITY_OFF && ch->sight.admin))
        return ch->sight.person.active;
    return ch->activity == ACTIVITY_ON;
}

static struct kiops_state state_of(const struct change *ch)
{
    const struct sight *g = &ch->sight;
    return (struct kiops_state){
        .subject_exists = g->has_user,
        .subject_active = is_active(ch),
        .subject_in = g->in || ch->after_join,
        .subject_manager = g->in && g->owner && g->manager && g->joined.count,
        .subject_owner = g->owner,
        .subject_pending =
            !g->in && (operation_latest(&g->requests) != INSTANT_NONE || is_cut_off(ch)),
        .subject_permissions = operation_permissions(&g->permissions),
        .subject_rejected = operation_latest(&g->rejected),
        .subject_admin = g->admin,
        .subject_applicant = g->has_user && g->person.applicant && !ch->after_join,
        .subject_name_taken = g->name_taken,
        .organization_exists = g->has_organization,
        .organization_open = g->organization.open,
        .other_managers =
            g->other_managers -
            (ch->leaving_managers < g->other_managers ? ch->leaving_managers : g->other_managers) +
            ch->coming_managers,
        .other_admins = g->other_admins,
        .now = clock_now(),
        .reject_quiet_days = ch->call->service->config->reject_quiet_days,
    };
}

/* Perhaps of an operation that is on its way. */
static bool all_young(const struct directory_values *stamps)
{
    for (size_t i = 0; i < stamps->count; i++)
        if (!operation_is_young(stamps->at[i], clock_now()))
            return false;
    return true;
}

/* A value of one side without the other is no membership, yet a removal or a join still has work to
 * do with it. */
static bool has_leftovers(const struct change *ch)
{
    const struct sight *g = &ch->sight;
    if (g->former_dn.len && !ch->followed)
        return true; /* whether the user is in shows when the groups have followed */
    bool young = g->joined.count && !g->permissions.count && !g->manager && all_young(&g->joined);
    if (ch->what.kind == KIOPS_UNMAKE_ADMIN)
        return g->in_platform || (g->platform.count && (ch->wrote || !all_young(&g->platform)));
    if (ch->what.kind == KIOPS_REMOVE)
        return !g->in && ((g->owner && has_person_side(ch->call)) || g->manager ||
                          g->permissions.count || (g->joined.count && !young));
    if (ch->what.kind == KIOPS_ADD || ch->what.kind == KIOPS_APPROVE)
        return g->in && !g->joined.count && has_person_side(ch->call);
    if (ch->what.kind == KIOPS_DEMOTE) /* after its deciding step the person's side is left */
        return g->owner || (g->manager && ch->wrote);
    return false;
}

bool change_counts_as_manager(const struct change *ch)
{
    const struct sight *g = &ch->sight;
    return g->in && g->owner && g->manager && g->joined.count && g->person.active;
}

bool change_takes_owner(const struct change *ch)
{
    return (ch->what.kind == KIOPS_REMOVE || ch->what.kind == KIOPS_DEMOTE) &&
           (ch->sight.owner || ch->sight.manager);
}

struct kiops_verdict change_judge(struct change *ch)
{
    struct kiops_state state = state_of(ch);
    struct kiops_verdict v = kiops_judge(&ch->call->actor, &ch->what, &state);
    ch->rule = v.rule;
    ch->vacates = v.status == KIOPS_VACATE;
    ch->nothing = v.status == KIOPS_NOTHING_TO_DO && !has_leftovers(ch);
    return v;
}

bool change_decide(struct change *ch, bool fresh, struct error *err)
{
    fresh = fresh || !replica_live(ch->call->service->replica);
    for (;; fresh = true) {
        if (!change_look(ch, fresh, err))
            return false;
        /* KB-R07 rests on who else is active (3.3 "Standing"), which no modify can prove. */
        if (!fresh && change_takes_owner(ch))
            continue;
        struct kiops_verdict v = change_judge(ch);
        bool final = v.status == KIOPS_ALLOWED || v.status == KIOPS_VACATE;
        if (!final && !fresh)
            continue;
        return v.status != KIOPS_REFUSED || kiops_refuse(&v, &ch->what, err);
    }
}
