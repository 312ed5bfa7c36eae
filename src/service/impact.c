/* What the bridge would show, hide and write: a few walks, one row a kind of thing. */
#include "service/impact.h"

#include "base/hash.h"
#include "base/own.h"
#include "base/unicode.h"
#include "service/impact_unknown.h"
#include "service/internal.h"
#include "service/read_keys.h"

#define DN_KEY_MAX (1 << 20)

static const struct {
    const char *name, *means, *code;
} ROWS[IMPACT_ROWS] = {
    [IMPACT_USERS] = {"users", "users are shown", NULL},
    [IMPACT_USERS_PROTECTED] = {"usersProtected",
                                "users are hidden by directory.protected, like all below", NULL},
    [IMPACT_USERS_OUTSIDE] = {"usersOutsideFilter",
                              "entries below users.base do not match users.filter: not shown",
                              NULL},
    [IMPACT_USERS_ODD] = {"usersOdd", "matching entries cannot be shown", "KB-C102"},
    [IMPACT_USERS_INACTIVE] = {"usersInactive", "of the users are inactive", NULL},
    [IMPACT_USERS_FOREIGN] = {"usersForeign",
                              "of the users have no class kiopsUser: the first change of each adds "
                              "it",
                              NULL},
    [IMPACT_NAMES_TWICE] = {"userNamesTwice", "users share their userName with another", "KB-C201"},
    [IMPACT_MAILS_TWICE] = {"mailsTwice", "users share an e-mail address with another", "KB-C202"},
    [IMPACT_ORGANIZATIONS] = {"organizations", "organizations are shown", NULL},
    [IMPACT_ORGANIZATIONS_PROTECTED] = {"organizationsProtected",
                                        "organizations are hidden by directory.protected", NULL},
    [IMPACT_ORGANIZATIONS_OUTSIDE] = {"organizationsOutsideFilter",
                                      "entries below organizations.base do not match "
                                      "organizations.filter: not shown",
                                      NULL},
    [IMPACT_ORGANIZATIONS_ODD] = {"organizationsOdd", "matching groups cannot be shown", "KB-C102"},
    [IMPACT_ORGANIZATIONS_FOREIGN] = {"organizationsForeign",
                                      "of the organizations have no class kiopsOrganization: the "
                                      "first change of each adds it",
                                      NULL},
    [IMPACT_MEMBERS] = {"members", "memberships are shown", NULL},
    [IMPACT_MEMBERS_UNDATED] = {"membersUndated",
                                "of the memberships have no join date: Member, nothing more",
                                "KB-C207"},
    [IMPACT_MEMBERS_NESTED] = {"membersNested",
                               "members are groups: shown as such, they give no role", NULL},
    [IMPACT_MEMBERS_HIDDEN] = {"membersHidden",
                               "member or owner values name entries that are no user here: hidden",
                               "KB-C216"},
    [IMPACT_MEMBERS_DANGLING] = {"membersDangling", "member or owner values name no entry: hidden",
                                 "KB-C204"},
    [IMPACT_MANAGERS] = {"managers", "Managers count", NULL},
    [IMPACT_OWNERS_WITHOUT_EFFECT] = {"ownersWithoutEffect",
                                      "owner values have no kiopsManager on the person: shown "
                                      "without effect, until a PlatformAdmin makes them Managers",
                                      "KB-C205"},
    [IMPACT_ADMINS] = {"platformAdmins", "PlatformAdmins count", NULL},
    [IMPACT_ADMINS_WITHOUT_EFFECT] = {"platformAdminsWithoutEffect",
                                      "members of the platform group have no kiopsJoined platform: "
                                      "without effect",
                                      "KB-C210"},
    [IMPACT_WRITES] =
        {"writes",
         "entries of yours are changed by a start of the bridge: nothing is adopted or changed "
         "before a request asks for it. With directory.writes, a start tries the access rules: it "
         "makes a throw-away person (kiops-proof-...) and deletes them; as that person it asks for "
         "changes to them, to an organization and to the platform group, each adding one value "
         "twice, which a server refuses; and for a token, which it deletes again where it can be "
         "made",
         NULL},
};

/* A set of hashes: filled, then sorted, then asked. Of 64 keyed bits, two that meet are not to be
 * expected. */
struct set {
    uint64_t *at;
    size_t count, cap;
};

struct reading {
    struct directory *directory;
    struct directory_conn *conn;
    struct arena *arena, *passing;
    struct service_impact *out;
    struct buf key;
    struct set users, outside, groups, names, mails, joined, managers;
    struct impact_unknowns unknown;
    bool own;   /* has the directory our schema? Without it a person has no side */
    bool again; /* the second pass, for examples of what is there twice */
};

/* ---- rows and sets */

static void example(struct reading *r, enum impact row, struct str text)
{
    struct impact_row *to = &r->out->rows[row];
    if (to->example_count < IMPACT_EXAMPLES)
        to->examples[to->example_count++] = arena_str(r->arena, text);
}

static void count(struct reading *r, enum impact row, struct str text)
{
    r->out->rows[row].count++;
    example(r, row, text);
}

static void put(struct reading *r, struct set *s, uint64_t hash)
{
    s->at = arena_grow(r->arena, s->at, sizeof *s->at, s->count, &s->cap);
    s->at[s->count++] = hash;
}

static int by_hash(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void sort(struct set *s)
{
    if (s->count)
        qsort(s->at, s->count, sizeof *s->at, by_hash);
}

static bool has(const struct set *s, uint64_t hash)
{
    return s->count && bsearch(&hash, s->at, s->count, sizeof *s->at, by_hash);
}

/* Leaves those that are there twice, each once. */
static size_t keep_doubles(struct set *s)
{
    size_t kept = 0, members = 0;
    sort(s);
    for (size_t i = 0; i < s->count;) {
        size_t same = i;
        while (same < s->count && s->at[same] == s->at[i])
            same++;
        members += same - i > 1 ? same - i : 0;
        if (same - i > 1)
            s->at[kept++] = s->at[i];
        i = same;
    }
    s->count = kept;
    return members;
}

/* A person's side of a place in an organization. */
static uint64_t pair_of(uint64_t person, struct str organization)
{
    uint64_t both[2] = {person, hash_keyed(organization.at, organization.len)};
    return hash_keyed(both, sizeof both);
}

static uint64_t text_key(struct reading *r, struct str text)
{
    struct str key = unicode_key(r->passing, text);
    return hash_keyed(key.at, key.len);
}

/* ---- users */

static void take_names(struct reading *r, const struct directory_entry *e,
                       const struct directory_user *u)
{
    const struct directory_attr *mails = directory_attr(e, "mail");
    uint64_t name = text_key(r, u->user_name);
    bool mail_twice = false;
    if (!r->again)
        put(r, &r->names, name);
    else if (has(&r->names, name))
        example(r, IMPACT_NAMES_TWICE, e->dn);
    for (size_t i = 0; mails && i < mails->count; i++) {
        uint64_t mail = text_key(r, mails->values[i]);
        if (!r->again)
            put(r, &r->mails, mail);
        mail_twice = mail_twice || (r->again && has(&r->mails, mail));
    }
    if (mail_twice)
        example(r, IMPACT_MAILS_TWICE, e->dn);
}

/* `ID:TIME.RANDOM`, or the id alone. */
static void take_sides(struct reading *r, uint64_t person, const struct directory_values *values,
                       struct set *to)
{
    for (size_t i = 0; i < values->count; i++) {
        struct str rest = values->at[i], id;
        if (str_split(&rest, ':', &id))
            put(r, to, pair_of(person, id));
    }
}

static void take_user(struct reading *r, const struct directory_entry *e)
{
    struct directory_user u;
    struct error odd = ERROR_INIT;
    bool shown = e->id.len && directory_map_user(r->directory, r->passing, e, &u, &odd);
    if (shown)
        take_names(r, e, &u);
    if (r->again)
        return;
    if (!shown) {
        struct str why = e->id.len ? str_of(odd.detail) : STR("no entryUUID");
        put(r, &r->outside, read_dn_key(&r->key, e->dn));
        count(r, IMPACT_USERS_ODD,
              arena_fmt(r->passing, STR_FMT ": " STR_FMT, STR_ARG(e->dn), STR_ARG(why)));
        return;
    }
    uint64_t key = read_dn_key(&r->key, e->dn);
    put(r, &r->users, key);
    count(r, IMPACT_USERS, u.user_name);
    if (!u.person.active)
        count(r, IMPACT_USERS_INACTIVE, u.user_name);
    if (r->own && !directory_has(e, "objectClass", STR("kiopsUser")))
        count(r, IMPACT_USERS_FOREIGN, u.user_name);
    take_sides(r, key, &u.person.joined, &r->joined);
    take_sides(r, key, &u.person.managers, &r->managers);
}

/* Not a user, and not a container of users. */
static void take_outside_user(struct reading *r, const struct directory_entry *e)
{
    put(r, &r->outside, read_dn_key(&r->key, e->dn));
    count(r, IMPACT_USERS_OUTSIDE, e->dn);
}

/* ---- organizations */

static void take_group_name(struct reading *r, const struct directory_entry *e)
{
    put(r, &r->groups, read_dn_key(&r->key, e->dn));
}

static void take_outside_group(struct reading *r, const struct directory_entry *e)
{
    count(r, IMPACT_ORGANIZATIONS_OUTSIDE, e->dn);
}

/* Who is named and is no user that was read. Of what directory.protected hides nothing is said. */
static void take_other(struct reading *r, uint64_t key, struct str dn, struct str text)
{
    if (directory_is_protected(r->directory, dn))
        return;
    if (has(&r->outside, key) || has(&r->groups, key))
        count(r, IMPACT_MEMBERS_HIDDEN, text);
    else
        impact_unknown_note(&r->unknown, key, dn, text);
}

static bool look_up_unknown(struct reading *r, struct error *err)
{
    if (!impact_unknown_look_up(&r->unknown, r->conn, err))
        return false;
    for (const struct impact_unknown *u = r->unknown.all; u; u = u->hh.next) {
        enum impact row =
            u->found == IMPACT_FOUND_NOTHING ? IMPACT_MEMBERS_DANGLING : IMPACT_MEMBERS_HIDDEN;
        if (u->found == IMPACT_FOUND_USER)
            continue;
        r->out->rows[row].count += u->count;
        example(r, row, u->text);
    }
    return true;
}

static void take_member(struct reading *r, const struct directory_organization *o, struct str dn)
{
    uint64_t key = read_dn_key(&r->key, dn);
    struct str text = arena_fmt(r->passing, STR_FMT " in " STR_FMT, STR_ARG(dn), STR_ARG(o->name));
    if (has(&r->users, key)) {
        r->out->rows[IMPACT_MEMBERS].count++;
        if (r->own && !has(&r->joined, pair_of(key, o->id)))
            count(r, IMPACT_MEMBERS_UNDATED, text);
        return;
    }
    if (has(&r->groups, key))
        count(r, IMPACT_MEMBERS_NESTED, text);
    else
        take_other(r, key, dn, text);
}

static bool is_member(struct reading *r, const struct directory_organization *o, uint64_t key)
{
    for (size_t i = 0; i < o->members.count; i++)
        if (read_dn_key(&r->key, o->members.at[i]) == key)
            return true;
    return false;
}

static void take_owner(struct reading *r, const struct directory_organization *o, struct str dn)
{
    uint64_t key = read_dn_key(&r->key, dn), pair = pair_of(key, o->id);
    struct str text = arena_fmt(r->passing, STR_FMT " of " STR_FMT, STR_ARG(dn), STR_ARG(o->name));
    if (!has(&r->users, key)) {
        take_other(r, key, dn, text);
        return;
    }
    bool shown = is_member(r, o, key);
    bool counts = shown && (!r->own || (has(&r->managers, pair) && has(&r->joined, pair)));
    if (counts || r->own)
        count(r, counts ? IMPACT_MANAGERS : IMPACT_OWNERS_WITHOUT_EFFECT, text);
}

static void take_organization(struct reading *r, const struct directory_entry *e)
{
    struct directory_organization o;
    struct error odd = ERROR_INIT;
    if (!e->id.len || !directory_map_organization(r->directory, r->passing, e, &o, &odd)) {
        struct str why = e->id.len ? str_of(odd.detail) : STR("no entryUUID");
        count(r, IMPACT_ORGANIZATIONS_ODD,
              arena_fmt(r->passing, STR_FMT ": " STR_FMT, STR_ARG(e->dn), STR_ARG(why)));
        return;
    }
    count(r, IMPACT_ORGANIZATIONS, o.name);
    if (r->own && !directory_has(e, "objectClass", STR("kiopsOrganization")))
        count(r, IMPACT_ORGANIZATIONS_FOREIGN, o.name);
    for (size_t i = 0; i < o.members.count; i++)
        take_member(r, &o, o.members.at[i]);
    for (size_t i = 0; i < o.owners.count; i++)
        take_owner(r, &o, o.owners.at[i]);
}

/* ---- the passes */

struct pass {
    struct str base, filter;
    const char *const *attrs;
    void (*take)(struct reading *r, const struct directory_entry *e);
    enum impact hidden; /* the row that counts protected entries */
    bool counts_hidden;
};

static bool walk(struct reading *r, const struct pass *p, struct error *err)
{
    struct directory_search s = {
        .base = p->base, .scope = DIRECTORY_SUB, .filter = p->filter, .attrs = p->attrs};
    struct directory_walk w;
    struct directory_entry e;
    bool more = true;
    if (!directory_walk_begin(r->conn, r->passing, &s, &w, err))
        return false;
    while (more) {
        arena_reset(r->passing);
        if (!directory_walk_next(&w, r->passing, &e, &more, err))
            return false;
        if (more)
            p->take(r, &e);
    }
    if (p->counts_hidden)
        r->out->rows[p->hidden].count = w.hidden;
    return true;
}

/* The container itself, and those below it, are not meant. */
static struct str outside_of(struct arena *a, struct str filter)
{
    return arena_fmt(a,
                     "(&(!" STR_FMT ")(!(objectClass=organizationalUnit))(!(objectClass="
                     "organization))(!(objectClass=dcObject)))",
                     STR_ARG(filter));
}

static bool take_admins(struct reading *r, struct error *err)
{
    struct directory_search s = directory_search_platform(r->directory, r->passing);
    struct directory_entries found;
    if (!directory_find(r->conn, r->passing, &s, &found, err))
        return false;
    const struct directory_attr *members =
        found.count ? directory_attr(&found.at[0], "member") : NULL;
    uint64_t placeholder = read_dn_key(
        &r->key, directory_config(r->directory)->directory.organizations.placeholder_dn);
    for (size_t i = 0; members && i < members->count; i++) {
        uint64_t key = read_dn_key(&r->key, members->values[i]);
        bool counts = has(&r->joined, pair_of(key, STR("platform")));
        if (has(&r->users, key))
            count(r, counts ? IMPACT_ADMINS : IMPACT_ADMINS_WITHOUT_EFFECT, members->values[i]);
        else if (key != placeholder)
            take_other(r, key, members->values[i],
                       arena_fmt(r->arena, STR_FMT " among the PlatformAdmins",
                                 STR_ARG(members->values[i])));
    }
    return true;
}

static bool read_users(struct reading *r, struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    const struct config_users *c = &directory_config(r->directory)->directory.users;
    struct pass users = {
        c->base, c->filter, directory_user_attrs(r->directory), take_user, IMPACT_USERS_PROTECTED,
        true};
    struct pass outside = {.base = c->base,
                           .filter = outside_of(r->arena, c->filter),
                           .attrs = none,
                           .take = take_outside_user};
    if (!walk(r, &users, err) || !walk(r, &outside, err))
        return false;
    r->out->rows[IMPACT_NAMES_TWICE].count = keep_doubles(&r->names);
    r->out->rows[IMPACT_MAILS_TWICE].count = keep_doubles(&r->mails);
    sort(&r->users);
    sort(&r->outside);
    sort(&r->joined);
    sort(&r->managers);
    if (r->names.count == 0 && r->mails.count == 0)
        return true;
    r->again = true;
    users.counts_hidden = false;
    return walk(r, &users, err);
}

static bool read_organizations(struct reading *r, struct error *err)
{
    static const char *const none[] = {"1.1", NULL};
    const struct config_organizations *c = &directory_config(r->directory)->directory.organizations;
    const struct pass names = {
        .base = c->base, .filter = c->filter, .attrs = none, .take = take_group_name};
    const struct pass outside = {.base = c->base,
                                 .filter = outside_of(r->arena, c->filter),
                                 .attrs = none,
                                 .take = take_outside_group};
    const struct pass whole = {c->base,
                               c->filter,
                               directory_organization_attrs(r->directory, true, true),
                               take_organization,
                               IMPACT_ORGANIZATIONS_PROTECTED,
                               true};
    if (!walk(r, &names, err))
        return false;
    sort(&r->groups);
    return walk(r, &whole, err) && walk(r, &outside, err);
}

bool service_impact_read(struct directory *d, struct directory_conn *conn, struct arena *a,
                         struct service_impact *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct reading r = {.directory = d, .conn = conn, .arena = a, .passing = passing, .out = out};
    r.own = config_has_schema(&directory_config(d)->directory);
    r.unknown.arena = a;
    buf_init(&r.key, DN_KEY_MAX);
    *out = (struct service_impact){0};
    for (size_t i = 0; i < IMPACT_ROWS; i++) {
        out->rows[i].name = ROWS[i].name;
        out->rows[i].means = ROWS[i].means;
        out->rows[i].code = ROWS[i].code;
    }
    if (!r.own)
        out->rows[IMPACT_MANAGERS].means =
            "Managers are shown; without the kiops schema none counts";
    bool read = read_users(&r, err) && read_organizations(&r, err) && take_admins(&r, err) &&
                look_up_unknown(&r, err);
    impact_unknown_free(&r.unknown);
    buf_free(&r.key);
    return read;
}
