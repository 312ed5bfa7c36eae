/* Core `roles` of a token with write_roles: what stands there is wished, what an
 * operation removes is wished no longer, what is left out stays as it is. Wishes become the same
 * plans as members and managers of a Group, one for each organization, so no rule is asked here. */
#include "service/user_write.h"

#include "base/own.h"

static const struct scim_attr_name ROLES = {.name = STR_INIT("roles")};
static const struct json_limits OWN_TEXT = {.depth = 8};

/* ---- reading */

static bool is_ours(const json_t *role)
{
    return str_eq(json_get_str(role, "type"), STR("kiops"));
}

static bool holds(const json_t *roles, struct str value)
{
    for (size_t i = 0; i < json_array_size(roles); i++)
        if (str_eq(json_get_str(json_array_get(roles, i), "value"), value))
            return true;
    return false;
}

/* What a client reads, edits and sends back holds the roles that we computed: they are not stored
 * as foreign ones. */
static void drop_ours(json_t *resource)
{
    json_t *roles = json_object_get(resource, "roles");
    for (size_t i = json_array_size(roles); i-- > 0;)
        if (is_ours(json_array_get(roles, i)))
            json_array_remove(roles, i);
    if (roles && json_array_size(roles) == 0)
        json_object_del(resource, "roles");
}

/* An app role of Entra ID comes as a JSON text: its `value` is meant. */
static struct str unwrapped(const struct service_call *c, struct str value)
{
    struct error odd = ERROR_INIT;
    if (!str_starts(value, STR("{")))
        return value;
    OWNED_JSON json_t *wrapped = json_load_strict(value, OWN_TEXT, &odd);
    struct str inner = json_get_str(wrapped, "value");
    return inner.at ? arena_str(c->arena, inner) : value;
}

static bool read_wish(const struct service_call *c, struct str value, struct role_wish *out,
                      struct error *err)
{
    struct str name = unwrapped(c, value);
    size_t at = name.len;
    bool somewhere = str_find(name, '@', &at);
    *out = (struct role_wish){.organization =
                                  arena_str(c->arena, str_sub(name, at + somewhere, name.len))};
    if (!kiops_role_wish(str_sub(name, 0, at), &out->role, err))
        return false;
    if (somewhere == (out->role != KIOPS_PLATFORM_ADMIN) &&
        somewhere == (out->organization.len > 0))
        return true;
    return error_set(err, ERR_INVALID_VALUE,
                     "roles: write PlatformAdmin, or Manager@ or Member@ and the id or the "
                     "displayName of an organization");
}

static bool push(struct user_write *w, struct str value, bool removed, struct error *err)
{
    struct user_roles *r = &w->roles;
    r->at = arena_grow(w->call->arena, r->at, sizeof *r->at, r->count, &r->cap);
    if (!read_wish(w->call, value, &r->at[r->count], err))
        return false;
    r->at[r->count++].removed = removed;
    return true;
}

static bool touched(const struct user_write *w)
{
    return w->call->actor.write_roles && w->patch && scim_patch_touches(w->patch, &ROLES);
}

static bool read_shown(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    const struct replica_ask ask = {REPLICA_USER, w->id, &c->actor, {.members = false}};
    struct replica_text text;
    if (w->roles.intended || !replica_show(c->service->replica, c->arena, &ask, &text))
        return true;
    json_t *user = json_load_strict(text.json, OWN_TEXT, err);
    if (!user)
        return false;
    json_keep(c->arena, user);
    w->roles.shown = json_object_get(user, "roles");
    return true;
}

/* `o->id` is empty where there is none. */
static bool find_known(const struct user_write *w, struct str id, struct replica_organization *o,
                       struct error *err)
{
    const struct service_call *c = w->call;
    *o = (struct replica_organization){0};
    if (replica_organization(c->service->replica, c->arena, id, o))
        return true;
    if (!service_refresh_organization(c->service, c->conn, c->arena, id, err))
        return false;
    (void)!replica_organization(c->service->replica, c->arena, id, o);
    return true;
}

static void show_once(json_t *roles, struct str value)
{
    if (holds(roles, value))
        return;
    json_t *role = json_object();
    json_put_str(role, "value", value);
    json_put_str(role, "type", STR("kiops"));
    json_push(roles, role);
}

/* What another bridge gave a moment ago stands on the person, and in memory not yet. It is removed
 * by name as well. */
static bool show_unheard(const struct user_write *w, json_t *roles, struct error *err)
{
    const struct directory_person *p = &w->before.person;
    for (size_t i = 0; i < p->joined.count; i++) {
        struct str id = operation_organization_of(p->joined.at[i]);
        struct replica_organization o;
        if (str_ieq(id, STR("platform"))) {
            show_once(roles, STR("PlatformAdmin"));
            continue;
        }
        if (!directory_is_uuid(id))
            continue;
        if (!find_known(w, id, &o, err))
            return false;
        bool manager = directory_has(&w->entry, "kiopsManager", id);
        if (o.id.len)
            show_once(roles, arena_fmt(w->call->arena, "%s@" STR_FMT,
                                       manager ? "Manager" : "Member", STR_ARG(o.id)));
    }
    return true;
}

bool user_roles_show(struct user_write *w, json_t *before, struct error *err)
{
    if (!touched(w))
        return true;
    if (!read_shown(w, err))
        return false;
    json_t *roles = json_array(), *role;
    size_t i;
    json_array_foreach(w->roles.shown, i, role) if (is_ours(role))
        json_push(roles, json_copy_deep(role));
    if (!show_unheard(w, roles, err)) {
        json_decref(roles);
        return false;
    }
    json_array_foreach(json_object_get(before, "roles"), i, role)
        json_push(roles, json_incref(role));
    json_put(before, "roles", roles);
    return true;
}

/* ---- wishes */

/* Words of others that are stored already are no wishes; nor is what a PATCH does not name, but was
 * shown: somebody else may be taking it away at this moment. */
static bool wish_all(struct user_write *w, const json_t *stored, const json_t *left,
                     const json_t *asked, struct error *err)
{
    bool patched = touched(w);
    for (size_t i = 0; i < json_array_size(asked); i++) {
        struct str value = json_get_str(json_array_get(asked, i), "value");
        bool stays = patched && holds(left, value) && !scim_patch_gives(w->patch, &ROLES, value);
        if (!stays && !holds(stored, value) && !push(w, value, false, err))
            return false;
    }
    return true;
}

static bool wish_removed(struct user_write *w, const json_t *had, const json_t *left,
                         const json_t *asked, struct error *err)
{
    for (size_t i = 0; i < json_array_size(had); i++) {
        const json_t *role = json_array_get(had, i);
        struct str value = json_get_str(role, "value");
        if (is_ours(role) && !holds(left, value) && !holds(asked, value) &&
            !push(w, value, true, err))
            return false;
    }
    return true;
}

/* `left`: what the request's removals leave of what was there. */
static void keep_stored(const json_t *stored, const json_t *left, json_t *after)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(stored); i++) {
        json_t *role = json_array_get(stored, i);
        if (holds(left, json_get_str(role, "value")))
            json_push(kept, json_incref(role));
    }
    if (json_array_size(kept))
        json_put(after, "roles", kept);
    else
        json_decref(kept);
}

bool user_roles_take(struct user_write *w, const json_t *before, json_t *after, struct error *err)
{
    const struct service_call *c = w->call;
    const json_t *stored = json_object_get(w->before.resource, "roles"), *left = stored;
    if (!c->actor.write_roles) {
        drop_ours(after);
        return true;
    }
    OWNED_JSON json_t *asked = json_incref(json_object_get(after, "roles")), *removed = NULL;
    json_object_del(after, "roles");
    if (touched(w)) {
        const struct scim_patch *removals = scim_patch_removals(c->arena, w->patch, &ROLES);
        if (!scim_patch_apply(&c->scim, removals, before, &removed, err))
            return false;
        left = json_object_get(removed, "roles");
    }
    w->roles.count = 0;
    keep_stored(stored, left, after);
    return wish_all(w, stored, left, asked, err) &&
           (!removed || wish_removed(w, json_object_get(before, "roles"), left, asked, err));
}

/* ---- from wishes to plans */

static bool find_organization(const struct user_write *w, struct str named, struct str *id,
                              struct error *err)
{
    const struct service_call *c = w->call;
    const struct replica_name wanted = {.name = named};
    struct replica *r = c->service->replica;
    struct replica_organization o;
    if (directory_is_uuid(named) && !replica_organization(r, c->arena, named, &o) &&
        !service_refresh_organization(c->service, c->conn, c->arena, named, err))
        return false;
    bool found = replica_organization(r, c->arena, named, &o) ||
                 (replica_organization_named(r, c->arena, &wanted, id) &&
                  replica_organization(r, c->arena, *id, &o) && str_eq(o.name, named));
    if (found)
        *id = o.id;
    return found || error_set(err, ERR_INVALID_VALUE,
                              "roles: no organization has the id or the displayName \"" STR_FMT
                              "\"; create it first",
                              STR_ARG(str_sub(named, 0, 64)));
}

bool user_roles_known(const struct user_write *w, struct error *err)
{
    struct str id;
    for (size_t i = 0; i < w->roles.count; i++)
        if (w->roles.at[i].organization.len &&
            !find_organization(w, w->roles.at[i].organization, &id, err))
            return false;
    return true;
}

/* The plan of that organization; of the platform when `organization` is empty. */
static struct plan *plan_of(struct user_write *w, struct str organization)
{
    struct user_roles *r = &w->roles;
    for (size_t i = 0; i < r->plan_count; i++)
        if (str_eq(r->plans[i].at[0].what.organization, organization)) /* none is empty yet */
            return &r->plans[i];
    plan_init(&r->plans[r->plan_count], w->call);
    return &r->plans[r->plan_count++];
}

static void add_once(struct user_write *w, struct plan *p, enum kiops_change_kind kind,
                     struct str organization)
{
    if (!plan_has(p, kind))
        plan_add(p, kind, w->id, organization, -1);
}

/* Who is to be something else there, is not to leave first. */
static bool is_replaced(const struct plan *p, bool manager)
{
    return plan_has(p, KIOPS_PROMOTE) ||
           (!manager && (plan_has(p, KIOPS_ADD) || plan_has(p, KIOPS_REQUEST)));
}

static bool is_wished_admin(const struct user_roles *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->at[i].role == KIOPS_PLATFORM_ADMIN && !r->at[i].removed)
            return true;
    return false;
}

/* Who is shown as Member and on the entry as Manager leaves once. */
static bool leaves(const struct user_roles *r, struct str organization)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->at[i].removed && r->at[i].role == KIOPS_MEMBER &&
            str_eq(r->at[i].organization, organization))
            return true;
    return false;
}

/* Wishes come before what is removed. */
static bool plan_wish(struct user_write *w, const struct role_wish *wish, struct error *err)
{
    bool asks = w->call->actor.push_request, manager = wish->role == KIOPS_MANAGER;
    struct str organization = STR_NONE;
    if (wish->role == KIOPS_PLATFORM_ADMIN) {
        if (wish->removed && is_wished_admin(&w->roles))
            return true;
        add_once(w, plan_of(w, STR_NONE), wish->removed ? KIOPS_UNMAKE_ADMIN : KIOPS_MAKE_ADMIN,
                 STR_NONE);
        return true;
    }
    if (wish->removed && manager && leaves(&w->roles, wish->organization))
        return true;
    if (!find_organization(w, wish->organization, &organization, err))
        return false;
    struct plan *p = plan_of(w, organization);
    if (wish->removed) {
        if (!is_replaced(p, manager))
            add_once(w, p, manager ? KIOPS_DEMOTE : KIOPS_REMOVE, organization);
        return true;
    }
    add_once(w, p, asks ? KIOPS_REQUEST : KIOPS_ADD, organization);
    if (manager)
        add_once(w, p, KIOPS_PROMOTE, organization);
    return true;
}

/* A PlatformAdmin is made after `active` is written, and so judged on what it will be. */
static void expect_activity(const struct user_write *w, struct plan *p)
{
    bool active = json_get_bool(w->after, "active", true);
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].what.kind == KIOPS_MAKE_ADMIN)
            p->at[i].activity = active ? ACTIVITY_ON : ACTIVITY_OFF;
}

bool user_roles_decide(struct user_write *w, struct error *err)
{
    struct user_roles *r = &w->roles;
    if (r->intended)
        return true;
    r->plans = ARENA_ARRAY(w->call->arena, struct plan, r->count + 1);
    r->plan_count = 0;
    for (size_t i = 0; i < r->count; i++)
        if (!plan_wish(w, &r->at[i], err))
            return false;
    for (size_t i = 0; i < r->plan_count; i++)
        expect_activity(w, &r->plans[i]);
    for (size_t i = 0; i < r->plan_count; i++)
        if (!plan_decide(&r->plans[i], err))
            return false;
    return true;
}

bool user_roles_intend(struct user_write *w, struct error *err)
{
    struct user_roles *r = &w->roles;
    for (size_t i = 0; !r->intended && i < r->plan_count; i++)
        if (!plan_intend(&r->plans[i], NULL, 0, NULL, err))
            return user_roles_end(w, err);
    r->intended = true;
    return true;
}

static bool has_written(const struct plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].wrote)
            return true;
    return false;
}

enum step user_roles_take_away(struct user_write *w, struct error *err)
{
    struct user_roles *r = &w->roles;
    bool wrote = false, done = true;
    if (r->taken_away)
        return STEP_DONE;
    for (size_t i = 0; done && i < r->plan_count; i++) {
        done = plan_take(&r->plans[i], err);
        wrote = wrote || has_written(&r->plans[i]);
    }
    w->wrote = w->wrote || wrote;
    r->taken_away = done;
    if (!done)
        user_roles_end(w, err);
    return !done ? STEP_FAILED : wrote ? STEP_AGAIN : STEP_DONE;
}

bool user_roles_give(struct user_write *w, struct error *err)
{
    struct user_roles *r = &w->roles;
    bool done = true;
    for (size_t i = 0; done && i < r->plan_count; i++)
        done = plan_give(&r->plans[i], err);
    return done || user_roles_end(w, err);
}

bool user_roles_end(struct user_write *w, struct error *err)
{
    for (size_t i = 0; i < w->roles.plan_count; i++)
        plan_end(&w->roles.plans[i], err);
    return false;
}
