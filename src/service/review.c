/* A review: organizations, then people, to one row a membership. */
#include "service/review.h"

#include "base/own.h"
#include "base/unicode.h"
#include "service/internal.h"
#include "service/read_keys.h"

#define DN_KEY_MAX (1 << 20)

/* A value of `member` or `owner`, as a hash of its DN's key: 100,000 of them are 1.6 MB. Of 64
 * keyed bits, two names that meet are not to be expected in the life of a directory. */
struct naming {
    uint64_t key;
    uint32_t organization; /* its place in `organizations` */
    bool owner;
};

struct reading {
    struct directory *directory;
    struct directory_conn *conn;
    struct arena *arena;   /* what stays */
    struct arena *passing; /* the entries just read */
    struct naming *namings;
    size_t naming_count, naming_cap;
    struct review_organization *organizations;
    size_t organization_cap, member_cap, request_cap;
    struct read_order by_id; /* of organizations */
    struct service_review *out;
    struct buf key;
};

static void name_all(struct reading *r, const struct directory_values *dns, bool owner)
{
    for (size_t i = 0; i < dns->count; i++) {
        r->namings =
            arena_grow(r->arena, r->namings, sizeof *r->namings, r->naming_count, &r->naming_cap);
        r->namings[r->naming_count++] =
            (struct naming){.key = read_dn_key(&r->key, dns->at[i]),
                            .organization = (uint32_t)r->out->organization_count,
                            .owner = owner};
    }
}

/* ---- organizations */

static void take_organization(struct reading *r, const struct directory_entry *e)
{
    struct directory_organization o;
    struct error odd = ERROR_INIT;
    struct service_review *out = r->out;
    if (!directory_map_organization(r->directory, r->passing, e, &o, &odd)) {
        out->odd++;
        return;
    }
    name_all(r, &o.members, false);
    name_all(r, &o.owners, true);
    r->organizations = arena_grow(r->arena, r->organizations, sizeof *r->organizations,
                                  out->organization_count, &r->organization_cap);
    r->organizations[out->organization_count++] = (struct review_organization){
        .id = arena_str(r->arena, o.id),
        .name = arena_str(r->arena, o.name),
        .key = unicode_key(r->arena, o.name),
        .managed = o.managed || o.owners.count,
    };
}

static int by_key(const void *a, const void *b)
{
    const struct naming *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->organization > y->organization) - (x->organization < y->organization);
}

static void index_organizations(struct reading *r)
{
    size_t n = r->out->organization_count;
    if (r->naming_count)
        qsort(r->namings, r->naming_count, sizeof *r->namings, by_key);
    r->by_id = read_order_of(r->arena, r->organizations, n, sizeof *r->organizations);
}

static struct review_organization *organization_of(const struct reading *r, struct str id)
{
    size_t place = read_order_place(&r->by_id, id);
    return place < r->out->organization_count ? &r->organizations[place] : NULL;
}

/* ---- people */

/* The person as kept, made when the first row needs it. */
static const struct review_person *keep(struct reading *r, const struct directory_user *u,
                                        const struct review_person **kept)
{
    if (*kept)
        return *kept;
    struct review_person *p = ARENA_NEW(r->arena, struct review_person);
    *p = (struct review_person){.id = arena_str(r->arena, u->person.id),
                                .user_name = arena_str(r->arena, u->user_name),
                                .display = arena_str(r->arena, u->display),
                                .active = u->person.active};
    return *kept = p;
}

static struct review_row row_of(struct reading *r, const struct directory_person *p,
                                struct review_organization *o, bool owner)
{
    struct directory_values joined = operation_values_of(r->passing, &p->joined, o->id);
    struct directory_values granted = operation_values_of(r->passing, &p->permissions, o->id);
    bool manager =
        owner && joined.count && operation_values_of(r->passing, &p->managers, o->id).count;
    o->members++;
    o->managers += manager && p->active;
    return (struct review_row){
        .organization = o,
        .role = manager ? KIOPS_MANAGER : KIOPS_MEMBER,
        .permissions = joined.count ? operation_permissions(&granted) : 0,
        .since = operation_latest(&joined),
    };
}

static void take_memberships(struct reading *r, const struct directory_user *u,
                             const struct review_person **kept)
{
    struct service_review *out = r->out;
    struct naming wanted = {.key = read_dn_key(&r->key, u->person.dn)};
    size_t from = 0, to = r->naming_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        *(r->namings[middle].key < wanted.key ? &from : &to) =
            r->namings[middle].key < wanted.key ? middle + 1 : middle;
    }
    while (from < r->naming_count && r->namings[from].key == wanted.key) {
        uint32_t organization = r->namings[from].organization;
        bool member = false, owner = false;
        for (; from < r->naming_count && r->namings[from].key == wanted.key &&
               r->namings[from].organization == organization;
             from++)
            *(r->namings[from].owner ? &owner : &member) = true;
        if (!member)
            continue;
        out->members = arena_grow(r->arena, out->members, sizeof *out->members, out->member_count,
                                  &r->member_cap);
        struct review_row *row = &out->members[out->member_count++];
        *row = row_of(r, &u->person, &r->organizations[organization], owner);
        row->person = keep(r, u, kept);
    }
}

static bool is_in(const struct reading *r, size_t from, const struct review_organization *o)
{
    for (size_t i = from; i < r->out->member_count; i++)
        if (r->out->members[i].organization == o)
            return true;
    return false;
}

/* `from`: the first of this person's memberships; a member's request has no effect. */
static void take_requests(struct reading *r, const struct directory_user *u, size_t from,
                          const struct review_person **kept)
{
    struct service_review *out = r->out;
    for (size_t i = 0; i < u->person.requests.count; i++) {
        struct str rest = u->person.requests.at[i], id = STR_NONE;
        struct review_organization *o = str_split(&rest, ':', &id) ? organization_of(r, id) : NULL;
        instant_t since = INSTANT_NONE;
        if (!o || is_in(r, from, o))
            continue;
        if (!operation_stamp_time(u->person.requests.at[i], &since))
            since = INSTANT_NONE;
        out->requests = arena_grow(r->arena, out->requests, sizeof *out->requests,
                                   out->request_count, &r->request_cap);
        out->requests[out->request_count++] =
            (struct review_row){.organization = o, .person = keep(r, u, kept), .since = since};
    }
}

static void take_user(struct reading *r, const struct directory_entry *e)
{
    struct directory_user u;
    struct error odd = ERROR_INIT;
    const struct review_person *kept = NULL;
    size_t from = r->out->member_count;
    if (!directory_map_user(r->directory, r->passing, e, &u, &odd)) {
        r->out->odd++;
        return;
    }
    take_memberships(r, &u, &kept);
    take_requests(r, &u, from, &kept);
}

/* ---- the two passes */

static bool walk(struct reading *r, const struct directory_search *s,
                 void (*take)(struct reading *r, const struct directory_entry *e),
                 struct error *err)
{
    struct directory_walk w;
    struct directory_entry e;
    bool more = true;
    if (!directory_walk_begin(r->conn, r->passing, s, &w, err))
        return false;
    while (more) {
        arena_reset(r->passing);
        if (!directory_walk_next(&w, r->passing, &e, &more, err))
            return false;
        if (more)
            take(r, &e);
    }
    return true;
}

static int name_order(const struct review_organization *x, const struct review_organization *y)
{
    int order = str_cmp(x->key, y->key);
    return order ? order : str_cmp(x->id, y->id);
}

static int by_name(const void *a, const void *b)
{
    const struct review_organization *const *x = a, *const *y = b;
    return name_order(*x, *y);
}

static int by_organization(const void *a, const void *b)
{
    const struct review_row *x = a, *y = b;
    int order = name_order(x->organization, y->organization);
    if (order)
        return order;
    if (x->role != y->role)
        return x->role > y->role ? -1 : 1;
    return str_cmp(x->person->user_name, y->person->user_name);
}

static int by_age(const void *a, const void *b)
{
    const struct review_row *x = a, *y = b;
    return (x->since > y->since) - (x->since < y->since);
}

static void put_in_order(struct reading *r)
{
    struct service_review *out = r->out;
    size_t n = out->organization_count;
    out->organizations = ARENA_ARRAY(r->arena, const struct review_organization *, n + 1);
    for (size_t i = 0; i < n; i++)
        out->organizations[i] = &r->organizations[i];
    if (n)
        qsort(out->organizations, n, sizeof *out->organizations, by_name);
    if (out->member_count)
        qsort(out->members, out->member_count, sizeof *out->members, by_organization);
    if (out->request_count)
        qsort(out->requests, out->request_count, sizeof *out->requests, by_age);
}

bool service_review_read(struct directory *d, struct directory_conn *conn, struct arena *a,
                         struct service_review *out, struct error *err)
{
    const struct config_directory *config = &directory_config(d)->directory;
    OWNED_ARENA struct arena *passing = arena_new();
    OWNED_BUF struct buf key;
    buf_init(&key, DN_KEY_MAX);
    *out = (struct service_review){0};
    struct reading r = {
        .directory = d, .conn = conn, .arena = a, .passing = passing, .out = out, .key = key};
    struct directory_search organizations = {.base = config->organizations.base,
                                             .scope = DIRECTORY_SUB,
                                             .filter = config->organizations.filter,
                                             .attrs = directory_organization_attrs(d, true, true)};
    struct directory_search people = {.base = config->users.base,
                                      .scope = DIRECTORY_SUB,
                                      .filter = config->users.filter,
                                      .attrs = directory_user_attrs(d)};
    bool read = walk(&r, &organizations, take_organization, err);
    if (read) {
        index_organizations(&r);
        read = walk(&r, &people, take_user, err);
    }
    key = r.key; /* it grew */
    if (read)
        put_in_order(&r);
    return read;
}
