/* The values by which groups and the platform group name a DN: cleared, or moved with a renamed
 * entry. A DN may come to name another person, so nobody inherits one. */
#include "base/unicode.h"
#include "directory/findings.h"
#include "service/internal.h"

/* What one group says of a DN, read just before it is changed. */
struct naming {
    const struct service_call *call;
    const struct directory_entry *group;
    bool member, owner, last_owner;
    bool to_member, to_owner; /* the other DN is named already */
    bool somebodys;           /* an entry stands at the DN by now */
};

struct str naming_rdn(struct str dn)
{
    size_t i = 0;
    for (; i < dn.len && dn.at[i] != ','; i++)
        i += dn.at[i] == '\\';
    return str_sub(dn, 0, i < dn.len ? i : dn.len);
}

struct str naming_dn_with(struct arena *a, struct str dn, struct str new_rdn)
{
    return arena_fmt(a, STR_FMT STR_FMT, STR_ARG(new_rdn),
                     STR_ARG(str_sub(dn, naming_rdn(dn).len, dn.len)));
}

struct str naming_former_dn(const struct service_call *c, const struct directory_user *u)
{
    if (!u->asserted_name.len || str_eq(u->asserted_name, u->user_name))
        return STR_NONE;
    struct str dn = naming_dn_with(
        c->arena, u->person.dn,
        arena_fmt(c->arena, STR_FMT "=" STR_FMT, STR_ARG(c->service->config->directory.users.rdn),
                  STR_ARG(directory_dn_value(c->arena, u->asserted_name))));
    bool same = str_eq(directory_dn_key(c->arena, dn), directory_dn_key(c->arena, u->person.dn));
    return same ? STR_NONE : dn;
}

typedef enum step naming_work(const struct naming *n, struct str from, struct str to,
                              struct error *err);

static enum step step_of(enum sent sent)
{
    if (sent == SENT_FAILED)
        return STEP_FAILED;
    return sent == SENT_LOST || sent == SENT_UNKNOWN ? STEP_AGAIN : STEP_DONE;
}

static bool look_at_group(struct naming *n, struct str from, struct str to, struct error *err)
{
    const struct service_call *c = n->call;
    struct str group = n->group->dn;
    static const char *const attrs[] = {"entryUUID", NULL};
    struct directory_search in[5] = {
        directory_search_has_value(c->arena, group, member_attr(c), from),
        directory_search_has_value(c->arena, group, owner_attr(c), from),
        {.base = from, .scope = DIRECTORY_BASE, .attrs = attrs},
        directory_search_has_value(c->arena, group, member_attr(c), to),
        directory_search_has_value(c->arena, group, owner_attr(c), to)};
    struct directory_entries found[5] = {0};
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){in, to.len ? 5 : 3},
                            found, err))
        return false;
    n->somebodys = found[2].count > 0;
    const struct directory_attr *owners = directory_attr(n->group, owner_attr(c));
    n->member = found[0].count > 0;
    n->owner = found[1].count > 0;
    n->to_member = found[3].count > 0;
    n->to_owner = found[4].count > 0;
    n->last_owner = n->owner && owners && owners->count == 1 &&
                    directory_has(n->group, "objectClass", STR("kiopsManagedOrganization"));
    return true;
}

static enum step change_group(const struct naming *n, const struct directory_mods *m,
                              struct set_changes sets, struct error *err)
{
    struct directory_target target = {.dn = n->group->dn, .id = n->group->id};
    return m->count ? step_of(operation_modify_sets(n->call, &target, m, sets, err)) : STEP_DONE;
}

/* A promotion under that name may come in between, while the name is a member. */
static void prove_no_owner(const struct naming *n, struct directory_mods *m, struct str dn)
{
    if (n->member && *owner_attr(n->call))
        directory_mods_prove_absent(m, owner_attr(n->call), dn);
}

/* The last owner value of a managed organization makes way for the placeholder. */
static enum step clear_from_group(const struct naming *n, struct str dn, struct str nobody,
                                  struct error *err)
{
    (void)nobody;
    struct str placeholder = n->call->service->config->directory.organizations.placeholder_dn;
    struct directory_mods m;
    directory_mods_init(&m, n->call->arena);
    if (n->last_owner)
        directory_mods_one(&m, DIRECTORY_ADD, owner_attr(n->call), placeholder);
    if (n->owner)
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(n->call), dn);
    else
        prove_no_owner(n, &m, dn);
    if (n->member)
        directory_mods_one(&m, DIRECTORY_DELETE, member_attr(n->call), dn);
    struct replica_set_change sets[] = {
        {.dn = dn, .member = n->member ? -1 : 0, .owner = n->owner ? -1 : 0},
        {.dn = placeholder, .owner = n->last_owner ? 1 : 0}};
    return change_group(n, &m, (struct set_changes){sets, 2}, err);
}

static enum step move_in_group(const struct naming *n, struct str from, struct str to,
                               struct error *err)
{
    struct directory_mods m;
    directory_mods_init(&m, n->call->arena);
    if (n->member && !n->to_member)
        directory_mods_one(&m, DIRECTORY_ADD, member_attr(n->call), to);
    if (n->member)
        directory_mods_one(&m, DIRECTORY_DELETE, member_attr(n->call), from);
    if (n->owner && !n->to_owner)
        directory_mods_one(&m, DIRECTORY_ADD, owner_attr(n->call), to);
    if (n->owner)
        directory_mods_one(&m, DIRECTORY_DELETE, owner_attr(n->call), from);
    else
        prove_no_owner(n, &m, from);
    struct replica_set_change sets[] = {
        {.dn = from, .member = n->member ? -1 : 0, .owner = n->owner ? -1 : 0},
        {.dn = to, .member = n->member ? 1 : 0, .owner = n->owner ? 1 : 0}};
    return change_group(n, &m, (struct set_changes){sets, 2}, err);
}

/* `to` empty: out of the platform group. */
static enum step change_platform(const struct service_call *c, struct str from, struct str to,
                                 struct error *err)
{
    struct directory_search in = directory_search_has_value(
        c->arena, c->service->config->directory.admins_dn, "member", from);
    struct directory_entries found;
    struct directory_mods m;
    if (!directory_find(c->conn, c->arena, &in, &found, err))
        return STEP_FAILED;
    if (found.count == 0)
        return STEP_DONE;
    directory_mods_init(&m, c->arena);
    directory_mods_one(&m, DIRECTORY_DELETE, "member", from);
    if (to.len)
        directory_mods_one(&m, DIRECTORY_ADD, "member", to);
    return step_of(operation_modify_admins(c, &m, err));
}

/* One round over what names `from` now. */
static enum step work_once(const struct service_call *c, naming_work *work, struct str from,
                           struct str to, struct error *err)
{
    const char *const attrs[] = {
        "objectClass", "entryUUID",       "entryCSN",
        "entryUSN",    "modifyTimestamp", *owner_attr(c) ? owner_attr(c) : NULL,
        NULL};
    struct directory_search search =
        directory_search_groups_naming(c->service->directory, c->arena, from);
    search.attrs = attrs;
    struct directory_entries found;
    enum step all = change_platform(c, from, to, err);
    if (all == STEP_FAILED || !directory_find(c->conn, c->arena, &search, &found, err))
        return STEP_FAILED;
    for (size_t i = 0; i < found.count; i++) {
        struct naming n = {.call = c, .group = &found.at[i]};
        if (!look_at_group(&n, from, to, err))
            return STEP_FAILED;
        if (n.somebodys)
            return STEP_DONE;
        enum step one = work(&n, from, to, err);
        if (one == STEP_FAILED)
            return one;
        all = one == STEP_AGAIN ? one : all;
    }
    return all;
}

static bool unfinished(struct error *err)
{
    return error_set(
        err, ERR_UNAVAILABLE,
        "unfinished: groups kept changing meanwhile; repeat the request, it completes");
}

/* Protected entries are in no answer, and stand all the same. */
static bool is_somebodys(const struct service_call *c, struct str dn, bool *somebodys,
                         struct error *err)
{
    static const char *const attrs[] = {"entryUUID", NULL};
    struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    struct directory_entries found = {0};
    *somebodys = directory_is_protected(c->service->directory, dn);
    if (*somebodys)
        return true;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    *somebodys = found.count > 0;
    return true;
}

bool naming_clear(const struct service_call *c, struct str dn, struct error *err)
{
    for (int tries = 0; tries <= TRIES_AFTER; tries++) {
        bool somebodys;
        if (!is_somebodys(c, dn, &somebodys, err))
            return false;
        enum step step = somebodys ? STEP_DONE : work_once(c, clear_from_group, dn, STR_NONE, err);
        if (step != STEP_AGAIN)
            return step == STEP_DONE;
    }
    return unfinished(err);
}

/* Who has the name among their values and another one now is giving it up: the groups' values are
 * theirs until they have followed. */
static bool let_go(const struct service_call *c, struct str name, struct error *err)
{
    for (int tries = 0; tries <= TRIES_AFTER; tries++) {
        struct directory_search s =
            directory_search_user_named(c->service->directory, c->arena, name);
        struct directory_entries found;
        enum step step = STEP_DONE;
        if (!directory_find(c->conn, c->arena, &s, &found, err))
            return false;
        for (size_t i = 0; i < found.count && step == STEP_DONE; i++)
            step = rename_end(c, &found.at[i], err);
        if (step != STEP_AGAIN)
            return step == STEP_DONE;
    }
    return unfinished(err);
}

bool naming_is_fit(const struct service_call *c, struct str name, const char *attribute,
                   struct error *err)
{
    return !directory_is_proof_name(unicode_key(c->arena, name)) ||
           error_set(err, ERR_INVALID_VALUE,
                     "%s: kiops-proof- with 16 digits names the throw-away entries of "
                     "kiops-bridge check; choose another one",
                     attribute);
}

/* One round trip where nothing is left, which is nearly always. */
bool naming_claim(const struct service_call *c, struct str dn, struct str name, struct error *err)
{
    static const char *const attrs[] = {"entryUUID", NULL};
    struct directory_search s[4] = {
        directory_search_groups_naming(c->service->directory, c->arena, dn),
        {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs},
        directory_search_has_value(c->arena, c->service->config->directory.admins_dn, "member", dn),
        directory_search_user_named(c->service->directory, c->arena, name)};
    struct directory_entries found[4];
    s[0].attrs = s[3].attrs = attrs;
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){s, 4}, found, err))
        return false;
    if (found[1].count || directory_is_protected(c->service->directory, dn))
        return error_set(err, ERR_UNIQUENESS,
                         "userName is taken by another user; choose another one");
    bool named = found[0].count + found[2].count > 0;
    if (!named && !found[3].count)
        return true;
    return let_go(c, name, err) && (!named || naming_clear(c, dn, err));
}

/* Lost: the server's referential integrity was first; the next round finds nothing. */
static bool move_values(const struct service_call *c, struct str from, struct str to,
                        struct error *err)
{
    for (int tries = 0; tries <= TRIES_AFTER; tries++) {
        bool somebodys;
        if (!is_somebodys(c, from, &somebodys, err))
            return false;
        enum step step = somebodys ? STEP_DONE : work_once(c, move_in_group, from, to, err);
        if (step != STEP_AGAIN)
            return step == STEP_DONE;
    }
    return unfinished(err);
}

/* `*dn` empty: deleted. */
static bool find_dn(const struct service_call *c, struct str id, struct str *dn, struct error *err)
{
    struct directory_entries found;
    if (!service_find_user(c->conn, c->arena, id, &found, err))
        return false;
    *dn = found.count ? found.at[0].dn : STR_NONE;
    return true;
}

bool naming_move(const struct service_call *c, struct str id, struct str from, struct str to,
                 struct error *err)
{
    for (int tries = 0; tries <= TRIES_AFTER; tries++) {
        struct str now;
        if (!move_values(c, from, to, err) || !find_dn(c, id, &now, err))
            return false;
        if (!now.len) /* the deletion's last search may have come before our last value */
            return naming_clear(c, to, err);
        if (str_eq(directory_dn_key(c->arena, now), directory_dn_key(c->arena, to)))
            return true;
        from = to; /* renamed again, and some values had not come yet */
        to = now;
    }
    return unfinished(err);
}
