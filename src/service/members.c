/* What a request wishes of an organization's members and managers -> the changes that make it so.
 * Operations are folded in order; only what differs from now becomes a change, so nobody who was
 * not named is touched. */
#include "service/internal.h"

#include "base/hash.h"
#include "base/own.h"

/* Of a wish that no operation named: somebody who is in now. -1 is the index outside a PATCH. */
#define UNTOUCHED (-2)

struct wish {
    struct str id;
    bool was_in, was_manager; /* was_manager: in `owner` */
    bool in, manager;
    bool member_named, manager_named; /* by an operation: memory may be behind, so the directory
                                         says whether that changes anything */
    bool added;                       /* must be a user */
    const struct scim_delta *listed;  /* that replaces, and names them: they stay */
    int operation;
    UT_hash_handle hh;
};

/* Looks at a member, of all operations: a client chooses how many there are, and what is asked of
 * each. One operation may look at everybody. */
#define LOOKS_MAX ((size_t)4000000)

struct wishes {
    const struct service_call *call;
    const struct replica_organization *organization;
    struct wish *at;
    bool loaded;
    size_t looks;
    size_t members; /* now, once loaded; else the replica's count */
};

static struct wish *wish_of(struct wishes *w, struct str id, int operation)
{
    struct wish *found = NULL;
    HASH_FIND(hh, w->at, id.at, id.len, found);
    if (!found) {
        struct replica_membership m =
            replica_membership(w->call->service->replica, w->organization->id, id);
        found = ARENA_NEW(w->call->arena, struct wish);
        *found = (struct wish){.id = id,
                               .operation = UNTOUCHED,
                               .was_in = m.member && !w->loaded,
                               .was_manager = m.owner && !w->loaded};
        found->in = found->was_in;
        found->manager = found->was_manager;
        HASH_ADD_KEYPTR(hh, w->at, found->id.at, found->id.len, found);
    }
    if (operation != UNTOUCHED)
        found->operation = operation;
    return found;
}

/* The id behind a DN: from memory, else from the directory; empty when no user has that DN.
 */
static bool id_of_dn(const struct service_call *c, struct str dn, struct str *id, struct error *err)
{
    struct directory_person p;
    *id = STR_NONE;
    if (replica_person_by_dn(c->service->replica, c->arena, dn, &p)) {
        *id = p.id;
        return true;
    }
    struct directory_search s = directory_search_user_at(c->service->directory, c->arena, dn);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count == 1) {
        operation_apply_user(c, &found.at[0]);
        *id = replica_person_by_dn(c->service->replica, c->arena, dn, &p) ? p.id : STR_NONE;
    }
    return true;
}

static bool load_people(struct wishes *w, const struct directory_organization *o, struct error *err)
{
    for (size_t i = 0; i < o->members.count + o->owners.count; i++) {
        bool owner = i >= o->members.count;
        struct str id, dn = owner ? o->owners.at[i - o->members.count] : o->members.at[i];
        if (!id_of_dn(w->call, dn, &id, err))
            return false;
        if (!id.len)
            continue;
        struct wish *x = wish_of(w, id, UNTOUCHED);
        *(owner ? &x->was_manager : &x->was_in) = true;
    }
    return true;
}

/* Who is in now, as the directory says: replacing and clearing are relative to that, not to memory.
 */
static bool load_now(struct wishes *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s =
        directory_search_organization(c->service->directory, c->arena, w->organization->id);
    s.attrs = directory_organization_attrs(c->service->directory, true, true);
    struct directory_entries found;
    struct directory_organization o;
    if (w->loaded)
        return true;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count != 1)
        return error_set(err, ERR_NOT_FOUND, "the group was deleted meanwhile");
    if (!directory_map_organization(c->service->directory, c->arena, &found.at[0], &o, err))
        return false;
    for (struct wish *x = w->at; x; x = x->hh.next)
        x->was_in = x->was_manager = false;
    w->loaded = true;
    if (!load_people(w, &o, err))
        return false;
    /* Who was wished something on memory alone: what no operation named is as the directory says.
     */
    for (struct wish *x = w->at; x; x = x->hh.next) {
        if (!x->member_named && !x->added)
            x->in = x->was_in;
        if (!x->manager_named)
            x->manager = x->was_manager && (x->in || !x->member_named);
    }
    w->members = o.members.count;
    return true;
}

static json_t *member_item(const struct wishes *w, struct arena *a, const struct wish *x)
{
    json_t *item = json_object();
    struct str name, display;
    json_put_str(item, "value", x->id);
    json_put_str(item, "type", STR("User"));
    json_put_str(
        item, "$ref",
        arena_fmt(a, STR_FMT "/Users/" STR_FMT, STR_ARG(w->call->service->base), STR_ARG(x->id)));
    if (replica_user_name(w->call->service->replica, a, x->id, &name, &display))
        json_put_str(item, "display", display);
    return item;
}

/* Takes `x` out of members, or out of managers. A token with keep_managers never drops a Manager by
 * replacing members. */
static void drop(struct wishes *w, struct wish *x, bool managers, const struct scim_delta *d)
{
    bool whole = d->kind == SCIM_DELTA_REPLACE || d->kind == SCIM_DELTA_CLEAR;
    if (!managers && whole && w->call->actor.keep_managers && x->was_manager)
        return;
    x->operation = d->operation;
    x->manager = false;
    if (!managers)
        x->in = false;
    *(managers ? &x->manager_named : &x->member_named) = true;
}

/* Does a new list of Managers only repeat who is in `owner`, sent by who cannot make them one? */
static bool is_read_back(const struct wishes *w, const struct wish *x, bool managers,
                         const struct scim_delta *d)
{
    const struct kiops_actor *actor = &w->call->actor;
    bool self = actor->kind == KIOPS_ACTOR_PERSON && str_ieq(actor->id, x->id);
    return managers && d->kind == SCIM_DELTA_REPLACE && x->was_manager && x->manager &&
           (self || actor->role == KIOPS_MANAGER);
}

/* ---- one operation */

static bool is_in(const struct wish *x, bool managers)
{
    return managers ? x->manager : x->in;
}

static bool looks_at_all(const struct scim_delta *d)
{
    return d->kind == SCIM_DELTA_REPLACE || d->kind == SCIM_DELTA_CLEAR ||
           d->kind == SCIM_DELTA_REMOVE_MATCHING;
}

static bool charge(struct wishes *w, const struct scim_delta *d, struct error *err)
{
    bool first = !w->looks;
    w->looks += HASH_COUNT(w->at) * (1 + d->filter_nodes);
    if (first || w->looks <= LOOKS_MAX)
        return true;
    err->operation = d->operation;
    return error_set(err, ERR_TOO_LARGE,
                     "the operations look at too many members; name whom you mean by value");
}

/* Of all who are in, whom `d` does not list, or matches. How many were meant. */
static size_t take_from_all(struct wishes *w, const struct scim_delta *d, bool managers)
{
    OWNED_ARENA struct arena *scratch = arena_new();
    size_t meant = 0;
    for (struct wish *x = w->at; x; x = x->hh.next) {
        if (!is_in(x, managers) || x->listed == d)
            continue;
        if (d->filter) {
            arena_reset(scratch);
            OWNED_JSON json_t *item = member_item(w, scratch, x);
            if (!scim_match_item(d->filter, item))
                continue;
        }
        meant++;
        if (!str_eq(x->id, d->by))
            drop(w, x, managers, d);
    }
    return meant;
}

static size_t take_named(struct wishes *w, const struct scim_delta *d, bool managers)
{
    size_t meant = 0;
    for (size_t i = 0; i < d->count; i++) {
        struct wish *x = wish_of(w, d->values[i], d->operation);
        if (d->by.len && !is_in(x, managers))
            continue;
        meant++;
        if (!str_eq(x->id, d->by))
            drop(w, x, managers, d);
    }
    return meant;
}

static void give(struct wishes *w, const struct scim_delta *d, bool managers)
{
    for (size_t i = 0; i < d->count; i++) {
        struct wish *x = wish_of(w, d->values[i], d->operation);
        x->in = x->added = true;
        if (!is_read_back(w, x, managers, d))
            *(managers ? &x->manager_named : &x->member_named) = true;
        x->manager = x->manager || managers;
    }
}

static bool fold(struct wishes *w, const struct scim_delta *d, bool managers, struct error *err)
{
    bool all = looks_at_all(d), named = d->kind == SCIM_DELTA_REMOVE;
    if ((all || d->by.len) && !load_now(w, err))
        return false;
    if (all && !charge(w, d, err))
        return false;
    for (size_t i = 0; d->kind == SCIM_DELTA_REPLACE && i < d->count; i++)
        wish_of(w, d->values[i], d->operation)->listed = d;
    size_t meant = named ? take_named(w, d, managers) : all ? take_from_all(w, d, managers) : 0;
    if (d->by.len && !meant && !w->call->scim.dialect->create_on_replace) {
        err->operation = d->operation;
        return error_set(err, ERR_NO_TARGET, "nobody in %s is meant by the path",
                         managers ? "managers" : "members");
    }
    if (d->kind == SCIM_DELTA_ADD || d->kind == SCIM_DELTA_REPLACE)
        give(w, d, managers);
    return true;
}

/* RFC 7643 4.2: a member's value must exist; nobody is invented. */
static bool check_exists(const struct service_call *c, struct str id, int operation,
                         struct error *err)
{
    struct directory_person p;
    struct replica_organization nested;
    /* Who may add nobody hears that, whoever it is: the rules say so. */
    if (c->actor.role < KIOPS_PLATFORM_ADMIN && directory_is_uuid(id))
        return true;
    if (replica_person(c->service->replica, c->arena, id, &p))
        return true;
    if (replica_organization(c->service->replica, c->arena, id, &nested)) {
        err->operation = operation;
        return error_set(err, ERR_INVALID_VALUE,
                         "a group cannot be a member of a group here; name its users");
    }
    if (directory_is_uuid(id) && !service_refresh_user(c->service, c->conn, c->arena, id, err))
        return false;
    if (replica_person(c->service->replica, c->arena, id, &p))
        return true;
    err->operation = operation;
    return error_set(err, ERR_INVALID_VALUE,
                     "no user has the id " STR_FMT "; create the user first",
                     STR_ARG(str_sub(id, 0, 64)));
}

bool members_exist(const struct service_call *c, const struct member_wishes *w, struct error *err)
{
    size_t members = w->members.count;
    for (size_t i = 0; i < members + w->managers.count; i++) {
        const struct scim_delta *d = i < members ? &w->members.at[i] : &w->managers.at[i - members];
        for (size_t k = 0; k < d->count; k++)
            if (!check_exists(c, d->values[k], d->operation, err))
                return false;
    }
    return true;
}

/* What differs from now; where `now` is only memory, also what was named. Being in `owner` is not
 * yet being Manager, so who is named as one is looked at; but who may not make one
 * may send back the list that was read. */
static void add_changes(const struct wishes *w, const struct wish *x, struct plan *p)
{
    struct str organization = w->organization->id;
    bool member = x->in != x->was_in || (x->member_named && !w->loaded);
    bool manager = x->manager != x->was_manager || x->manager_named;
    if (!directory_is_uuid(x->id))
        return; /* nobody can have it; who is to be in was looked up */
    if (member && !x->in) {
        plan_add(p, KIOPS_REMOVE, x->id, organization, x->operation);
        return;
    }
    if (member)
        plan_add(p, w->call->actor.push_request ? KIOPS_REQUEST : KIOPS_ADD, x->id, organization,
                 x->operation);
    if (manager)
        plan_add(p, x->manager ? KIOPS_PROMOTE : KIOPS_DEMOTE, x->id, organization, x->operation);
}

/* A group that is in already, and is sent back as it was read: no change, whoever names it. */
static bool is_nested(const struct wishes *w, const struct wish *x, bool *is, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_organization group;
    struct directory_entries found;
    *is = false;
    if (!replica_organization(c->service->replica, c->arena, x->id, &group))
        return true;
    struct directory_search s =
        directory_search_has_value(c->arena, w->organization->dn, member_attr(c), group.dn);
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    *is = found.count == 1;
    return true;
}

static bool plan_wish(const struct wishes *w, const struct wish *x, struct plan *p,
                      struct error *err)
{
    bool comes = x->in && x->added && !x->was_in, nested = false;
    if (comes && !is_nested(w, x, &nested, err))
        return false;
    if (nested && !x->manager)
        return true;
    if (comes && !check_exists(w->call, x->id, x->operation, err))
        return false;
    add_changes(w, x, p);
    return true;
}

/* KB-R20, before anybody is looked up: whoever would go, as far as is known here. */
static bool judge_wished_removals(const struct wishes *w, struct error *err)
{
    size_t removals = 0;
    for (const struct wish *x = w->at; x; x = x->hh.next)
        removals += x->was_in && !x->in;
    return plan_judge_removals(w->call, w->organization->id,
                               (struct removals){removals, w->members}, err);
}

/* Both kinds of deltas in the order of the request; a body without operations: members first. */
static const struct scim_delta *next_delta(const struct member_wishes *m, size_t *member,
                                           size_t *manager, bool *managers)
{
    bool has_member = *member < m->members.count, has_manager = *manager < m->managers.count;
    *managers = has_manager && (!has_member || m->managers.at[*manager].operation <
                                                   m->members.at[*member].operation);
    if (*managers)
        return &m->managers.at[(*manager)++];
    return has_member ? &m->members.at[(*member)++] : NULL;
}

bool members_plan(const struct service_call *c, const struct replica_organization *o,
                  const struct member_wishes *m, struct plan *p, struct error *err)
{
    struct wishes w = {.call = c, .organization = o, .members = o->member_count};
    size_t member = 0, manager = 0;
    const struct scim_delta *d;
    bool managers, ok = true;
    while (ok && (d = next_delta(m, &member, &manager, &managers)))
        ok = fold(&w, d, managers, err);
    for (struct wish *x = w.at; ok && x; x = x->hh.next)
        ok = plan_wish(&w, x, p, err);
    ok = ok && judge_wished_removals(&w, err);
    HASH_CLEAR(hh, w.at);
    return ok;
}
