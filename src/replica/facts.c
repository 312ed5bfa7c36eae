/* Facts: what decisions ask of the replica, and what health and metrics ask. */
#include "replica/internal.h"

#include "base/unicode.h"

/* ---- people */
static bool person_of_id(struct replica *r, struct arena *a, struct str id,
                         struct directory_person *out)
{
    replica_read(r);
    const struct user *u = store_user(r, id);
    if (u)
        record_person(user_record(u), a, out);
    replica_unlock(r);
    return u;
}

bool replica_person(struct replica *r, struct arena *a, struct str id, struct directory_person *out)
{
    struct directory_person p;
    if (!person_of_id(r, a, id, &p) || p.applicant)
        return false;
    *out = p;
    return true;
}

bool replica_applicant(struct replica *r, struct arena *a, struct str id,
                       struct directory_person *out)
{
    struct directory_person p;
    if (!person_of_id(r, a, id, &p) || !p.applicant)
        return false;
    *out = p;
    return true;
}

size_t replica_applicants(struct replica *r, struct arena *a, struct replica_applicant **out)
{
    replica_read(r);
    size_t n = r->applicants.count;
    *out = ARENA_ARRAY(a, struct replica_applicant, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct record *rec = r->applicants.at[i];
        record_person(rec, a, &(*out)[i].person);
        (*out)[i].created = rec->created;
    }
    replica_unlock(r);
    return n;
}

size_t replica_applicant_count(struct replica *r)
{
    replica_read(r);
    size_t n = r->applicants.count;
    replica_unlock(r);
    return n;
}

bool replica_person_by_dn(struct replica *r, struct arena *a, struct str dn,
                          struct directory_person *out)
{
    struct str key = directory_dn_key(a, dn);
    replica_read(r);
    const struct user *u = store_user_of_dn(r, key, index_hash(key));
    if (u)
        record_person(user_record(u), a, out);
    replica_unlock(r);
    return u;
}

bool replica_user_name(struct replica *r, struct arena *a, struct str id, struct str *user_name,
                       struct str *display)
{
    replica_read(r);
    const struct user *u = store_user(r, id);
    if (u && user_name)
        *user_name = arena_str(a, record_field(user_record(u), FIELD_NAME));
    if (u && display)
        *display = arena_str(a, record_display(user_record(u)));
    replica_unlock(r);
    return u;
}

/* ---- organizations */
static bool counts_in(const struct user *u, const struct organization *o)
{
    const struct link *l = link_of(u, o);
    return l && link_counts(l, user_record(u));
}

static size_t owners_of(const struct organization *o, struct arena *a,
                        const struct replica_owner **out)
{
    struct replica_owner *owners =
        ARENA_ARRAY(a, struct replica_owner, o->owners.count + o->stray_count);
    size_t n = 0;
    for (uint32_t i = 0; i < o->owners.count; i++) {
        const struct record *rec = user_record(o->owners.at[i]);
        owners[n++] = (struct replica_owner){
            .id = arena_str(a, record_field(rec, FIELD_ID)),
            .dn = arena_str(a, record_field(rec, FIELD_DN)),
            .counts = counts_in(o->owners.at[i], o),
            .active = rec->active,
        };
    }
    for (size_t i = 0; i < o->stray_count; i++) {
        const struct stray *s = o->strays[i];
        if (s->flags & LINK_OWNER)
            owners[n++] =
                (struct replica_owner){.dn = arena_str(a, (struct str){s->text, s->dn_len})};
    }
    *out = owners;
    return n;
}

bool replica_organization(struct replica *r, struct arena *a, struct str id,
                          struct replica_organization *out)
{
    replica_read(r);
    const struct organization *o = store_organization(r, id);
    if (o) {
        const struct record *rec = organization_record(o);
        *out = (struct replica_organization){
            .id = arena_str(a, record_field(rec, FIELD_ID)),
            .dn = arena_str(a, record_field(rec, FIELD_DN)),
            .csn = arena_str(a, str_of(o->sets_csn)),
            .name = arena_str(a, record_field(rec, FIELD_NAME)),
            .open = rec->open,
            .managed = o->managed,
            .has_placeholder_owner = o->placeholder_owner,
            .member_count = o->members.count,
        };
        out->owner_count = owners_of(o, a, &out->owners);
    }
    replica_unlock(r);
    return o;
}

struct replica_membership replica_membership(struct replica *r, struct str organization_id,
                                             struct str user_id)
{
    struct replica_membership m = {0};
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    const struct organization *o = store_organization(r, organization_id);
    const struct link *l = u && o ? link_of(u, o) : NULL;
    if (l) {
        m.member = l->flags & LINK_MEMBER;
        m.owner = l->flags & LINK_OWNER;
        m.counts_as_manager = link_counts(l, user_record(u));
        m.pending = l->flags & LINK_REQUEST && !m.member;
        m.permissions = m.member ? seat_permissions(user_record(u), organization_id) : 0;
    }
    m.joined = u && record_keyed(user_record(u), FIELD_JOINED, organization_id).at;
    replica_unlock(r);
    return m;
}

size_t replica_members(struct replica *r, struct arena *a, struct str organization_id,
                       struct str **ids)
{
    struct pin pin;
    replica_read(r);
    const struct organization *o = store_organization(r, organization_id);
    size_t n = o ? o->members.count : 0;
    struct user **members = ARENA_ARRAY(a, struct user *, n);
    for (size_t i = 0; i < n; i++)
        members[i] = o->members.at[i];
    pin_hold(&r->keep, &pin);
    replica_unlock(r);
    *ids = ARENA_ARRAY(a, struct str, n);
    for (size_t i = 0; i < n; i++)
        (*ids)[i] = arena_str(a, record_field(user_record(members[i]), FIELD_ID));
    pin_drop(&r->keep, &pin);
    return n;
}

size_t replica_organizations_of(struct replica *r, struct arena *a, struct str user_id,
                                struct str **ids)
{
    size_t n = 0;
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    *ids = ARENA_ARRAY(a, struct str, u ? u->link_count : 0);
    for (uint32_t i = 0; u && i < u->link_count; i++) {
        const struct record *rec = organization_record(u->links[i].organization);
        if (u->links[i].flags & (LINK_MEMBER | LINK_OWNER))
            (*ids)[n++] = arena_str(a, record_field(rec, FIELD_ID));
    }
    replica_unlock(r);
    return n;
}

bool replica_user_named(struct replica *r, struct arena *a, const struct replica_name *wanted,
                        struct str *id)
{
    struct str key = unicode_key(a, wanted->name);
    replica_read(r);
    const struct user *u = store_user_named(r, key, wanted->except);
    if (u)
        *id = arena_str(a, record_field(user_record(u), FIELD_ID));
    replica_unlock(r);
    return u;
}

bool replica_organization_named(struct replica *r, struct arena *a,
                                const struct replica_name *wanted, struct str *id)
{
    struct str key = unicode_key(a, wanted->name);
    replica_read(r);
    const struct organization *o = store_organization_named(r, key, wanted->except);
    if (o)
        *id = arena_str(a, record_field(organization_record(o), FIELD_ID));
    replica_unlock(r);
    return o;
}

/* ---- platform and tokens */
size_t replica_admins(struct replica *r, struct arena *a, struct str **ids)
{
    size_t n = 0;
    replica_read(r);
    *ids = ARENA_ARRAY(a, struct str, r->platform.count);
    for (size_t i = 0; i < r->platform.count; i++) {
        struct str key = r->platform.keys[i];
        const struct user *u = store_user_of_dn(r, key, index_hash(key));
        const struct record *rec = u ? user_record(u) : NULL;
        if (rec && rec->active && store_is_admin(r, rec))
            (*ids)[n++] = arena_str(a, record_field(rec, FIELD_ID));
    }
    replica_unlock(r);
    return n;
}

bool replica_is_admin(struct replica *r, struct str user_id)
{
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    bool is = u && u->holds_dn && store_is_admin(r, user_record(u));
    replica_unlock(r);
    return is;
}

/* To the second: threads that authenticate at once do not fight for a cache line. */
static void note_use(struct token *t)
{
    instant_t now = clock_now();
    if (now / 1000000 != atomic_load_explicit(&t->used, memory_order_relaxed) / 1000000)
        atomic_store_explicit(&t->used, now, memory_order_relaxed);
}

bool replica_token(struct replica *r, struct arena *a, struct str hash_hex,
                   struct directory_token *out)
{
    bool found = false;
    replica_read(r);
    for (size_t i = 0; i < r->token_count && !found; i++) {
        const struct directory_token *t = &r->tokens[i]->facts;
        found = t->hash.len && str_eq(t->hash, hash_hex);
        if (!found)
            continue;
        *out = token_copy(a, t);
        note_use(r->tokens[i]);
    }
    replica_unlock(r);
    return found;
}

size_t replica_tokens(struct replica *r, struct arena *a, struct replica_token_use **out)
{
    replica_read(r);
    size_t n = r->token_count;
    *out = ARENA_ARRAY(a, struct replica_token_use, n + 1);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (struct replica_token_use){arena_str(a, r->tokens[i]->facts.name),
                                               r->tokens[i]->facts.expires,
                                               atomic_load(&r->tokens[i]->used)};
    replica_unlock(r);
    return n;
}

/* Nobody acts through a role of an inactive account. */
static void actor_facts(const struct replica *r, const struct user *u, struct arena *a,
                        struct kiops_actor *out)
{
    const struct record *rec = user_record(u);
    struct str *manages = ARENA_ARRAY(a, struct str, u->link_count);
    struct str *in = ARENA_ARRAY(a, struct str, u->link_count);
    for (uint32_t i = 0; rec->active && i < u->link_count; i++) {
        const struct link *l = &u->links[i];
        struct str id = record_field(organization_record(l->organization), FIELD_ID);
        if (l->flags & LINK_MEMBER)
            in[out->member_of_count++] = arena_str(a, id);
        if (link_counts(l, rec))
            manages[out->organization_count++] = arena_str(a, id);
    }
    out->organizations = manages;
    out->member_of = in;
    if (rec->active && u->holds_dn && store_is_admin(r, rec))
        out->role = KIOPS_PLATFORM_ADMIN;
    else if (out->organization_count)
        out->role = KIOPS_MANAGER;
    else if (out->member_of_count)
        out->role = KIOPS_MEMBER;
}

bool replica_actor(struct replica *r, struct arena *a, struct str user_id, struct kiops_actor *out)
{
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    if (u && user_record(u)->applicant)
        u = NULL;
    if (u) {
        *out = (struct kiops_actor){
            .kind = KIOPS_ACTOR_PERSON,
            .id = arena_str(a, user_id),
            .can_write = true,
            .max_removals = -1,
            .max_removals_percent = -1,
        };
        actor_facts(r, u, a, out);
    }
    replica_unlock(r);
    return u;
}

/* ---- freshness and figures */
void replica_set_live(struct replica *r, bool live)
{
    if (live)
        atomic_store(&r->live, true);
    else
        replica_set_lost(r, clock_monotonic_ms());
}

void replica_set_lost(struct replica *r, int64_t since)
{
    /* The time first: who sees the feed lost must not see when it was lost before. */
    if (atomic_load(&r->live))
        atomic_store(&r->lost_at, since);
    atomic_store(&r->live, false);
}

void replica_set_polled(struct replica *r, int64_t at)
{
    atomic_store(&r->polled_at, at);
}

bool replica_has_seen(const struct replica *r, int64_t then)
{
    int64_t polled = atomic_load(&r->polled_at);
    return replica_live(r) && (polled == 0 || polled > then);
}

bool replica_ready(const struct replica *r)
{
    return atomic_load(&r->ready);
}

bool replica_live(const struct replica *r)
{
    return atomic_load(&r->live);
}

int64_t replica_staleness_ms(const struct replica *r)
{
    return replica_live(r) ? 0 : clock_monotonic_ms() - atomic_load(&r->lost_at);
}

void replica_note_odd(struct replica *r)
{
    atomic_fetch_add(&r->odd, 1);
}

/* Of `<time>.<random>`. */
static void count_requests(const struct organization *o, struct replica_counts *out)
{
    struct str id = record_field(organization_record(o), FIELD_ID);
    out->pending += o->pending;
    for (uint32_t i = 0; o->pending && i < o->requesters.count; i++) {
        const struct user *u = o->requesters.at[i];
        const struct link *l = link_of(u, o);
        if (!l || l->flags & LINK_MEMBER)
            continue;
        instant_t at = seat_requested(user_record(u), id);
        if (at != INSTANT_NONE && (out->oldest_request == INSTANT_NONE || at < out->oldest_request))
            out->oldest_request = at;
    }
}

static void count_organization(const struct organization *o, struct replica_counts *out)
{
    for (size_t i = 0; i < o->stray_count; i++)
        out->dangling_members += o->strays[i]->flags & LINK_MEMBER && !o->strays[i]->names;
    count_requests(o, out);
    bool seated = !o->managed;
    for (uint32_t i = 0; i < o->owners.count && !seated; i++)
        seated = user_record(o->owners.at[i])->active && counts_in(o->owners.at[i], o);
    out->vacant_seats += !seated;
}

void replica_count(const struct replica *replica, struct replica_counts *out)
{
    enum { SLICE = 1000 };
    struct replica *r = (struct replica *)(uintptr_t)replica; /* for its lock */
    *out = (struct replica_counts){.bytes = atomic_load(&r->bytes),
                                   .odd_entries = atomic_load(&r->odd),
                                   .oldest_request = INSTANT_NONE};
    for (size_t from = 0, more = 1; more; from += SLICE) {
        replica_read(r);
        out->users = r->users.count;
        out->applicants = r->applicants.count;
        out->organizations = r->organizations.count;
        out->tokens = r->token_count;
        for (size_t i = from; i < from + SLICE && i < r->organizations.count; i++)
            count_organization(r->organizations.at[i]->node, out);
        more = from + SLICE < r->organizations.count;
        replica_unlock(r);
    }
}
