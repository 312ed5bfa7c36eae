/* Candidates: whom an index names because every match must be among them, or all. */
#include "replica/find.h"

#include "base/unicode.h"
#include <stdlib.h>

/* Best first. */
static const struct {
    enum key key;
    enum replica_kind kind;
    struct str name, sub;
} keys[] = {
    {KEY_ID, REPLICA_USER, STR_INIT("id"), {NULL, 0}},
    {KEY_ID, REPLICA_GROUP, STR_INIT("id"), {NULL, 0}},
    {KEY_NAME, REPLICA_USER, STR_INIT("userName"), {NULL, 0}},
    {KEY_NAME, REPLICA_GROUP, STR_INIT("displayName"), {NULL, 0}},
    {KEY_EXTERNAL, REPLICA_USER, STR_INIT("externalId"), {NULL, 0}},
    {KEY_EXTERNAL, REPLICA_GROUP, STR_INIT("externalId"), {NULL, 0}},
    {KEY_MAIL, REPLICA_USER, STR_INIT("emails"), STR_INIT("value")},
    {KEY_LINK, REPLICA_GROUP, STR_INIT("members"), STR_INIT("value")},
    {KEY_LINK, REPLICA_USER, STR_INIT("groups"), STR_INIT("value")},
    {KEY_ID, REPLICA_MEMBERSHIP, STR_INIT("id"), {NULL, 0}},
    {KEY_USER, REPLICA_MEMBERSHIP, STR_INIT("user"), STR_INIT("value")},
    {KEY_ORGANIZATION, REPLICA_MEMBERSHIP, STR_INIT("organization"), STR_INIT("value")},
};

struct pinned candidates_pinned(const struct replica_query *q)
{
    for (size_t i = 0; q->filter && i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].kind != q->kind)
            continue;
        struct str value = scim_filter_pinned(q->filter, keys[i].name, keys[i].sub), only;
        if (!value.at)
            continue;
        return (struct pinned){keys[i].key,
                               scim_filter_is_only(q->filter, keys[i].name, keys[i].sub, &only),
                               keys[i].name, value};
    }
    return (struct pinned){.key = KEY_NONE};
}

const struct record *candidate_of_id(const struct replica *r, enum replica_kind kind, struct str id)
{
    if (kind == REPLICA_USER) {
        const struct user *u = store_user(r, id);
        return u ? user_record(u) : NULL;
    }
    const struct organization *o = store_organization(r, id);
    return o ? organization_record(o) : NULL;
}

/* ---- into a part */

struct adding {
    const struct replica *replica;
    struct search *search;
    struct part *part;
};

void candidates_room(struct search *s, struct part *p, size_t more)
{
    if (p->count || p->cap)
        return; /* grows by itself */
    p->at = arena_raw(s->arena, (more + 1) * sizeof *p->at);
    p->cap = more;
}

void candidates_push(struct search *s, struct part *p, struct item it)
{
    p->at = arena_grow(s->arena, p->at, sizeof *p->at, p->count, &p->cap);
    p->at[p->count++] = it;
}

static void add(const struct adding *to, const struct record *rec)
{
    candidates_push(to->search, to->part, (struct item){.rec = rec});
}

/* All under one hash: whether the value is really equal, the filter itself says. */
static void add_indexed(const struct adding *to, const struct index *ix, struct str key)
{
    bool users = to->part->q->kind == REPLICA_USER;
    struct index_probe p = index_probe(ix, index_hash(key));
    for (const void *node; (node = index_next(ix, &p));)
        add(to, users ? user_record(node) : organization_record(node));
}

static void add_members(const struct adding *to, struct str organization_id)
{
    const struct organization *o = store_organization(to->replica, organization_id);
    for (uint32_t i = 0; o && i < o->members.count; i++)
        add(to, user_record(o->members.at[i]));
}

/* Organizations that have this user, or this organization, as a member. */
static void add_holders(const struct adding *to, struct str member_id)
{
    const struct replica *r = to->replica;
    const struct user *u = store_user(r, member_id);
    for (uint32_t i = 0; u && i < u->link_count; i++)
        if (u->links[i].flags & LINK_MEMBER)
            add(to, organization_record(u->links[i].organization));
    const struct organization *nested = u ? NULL : store_organization(r, member_id);
    if (!nested)
        return;
    struct index_probe p =
        index_probe(&r->strays, index_hash(record_dn_key(organization_record(nested))));
    for (const struct stray *stray; (stray = index_next(&r->strays, &p));)
        if (stray->names == nested && stray->flags & LINK_MEMBER)
            add(to, organization_record(stray->organization));
}

static void add_all(const struct adding *to)
{
    struct part *p = to->part;
    const struct order *o =
        p->q->kind == REPLICA_USER ? &to->replica->users : &to->replica->organizations;
    p->at = arena_raw(to->search->arena, (o->count + 1) * sizeof *p->at);
    p->count = o->count;
    for (size_t i = 0; i < o->count; i++)
        p->at[i] = (struct item){.rec = o->at[i]};
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(record_field(((const struct item *)a)->rec, FIELD_ID),
                   record_field(((const struct item *)b)->rec, FIELD_ID));
}

/* A node may stand in an index twice (two mails with one key). */
static void in_order_once(struct part *p)
{
    size_t n = 0;
    if (p->count > 1)
        qsort(p->at, p->count, sizeof *p->at, by_id);
    for (size_t i = 0; i < p->count; i++)
        if (n == 0 || p->at[n - 1].rec != p->at[i].rec)
            p->at[n++] = p->at[i];
    p->count = n;
}

static void add_external(const struct adding *to, const struct search *s)
{
    const struct replica *r = s->replica;
    /* Without our schema an externalId is every client's (mapping_external_ids()). */
    struct str client = r->owners_alone ? STR("") : s->view.actor->client;
    const struct str parts[] = {client, STR(":"), to->part->by.value};
    bool users = to->part->q->kind == REPLICA_USER;
    if (client.len || r->owners_alone)
        add_indexed(to, users ? &r->user_external : &r->organization_external,
                    arena_join(s->arena, parts, 3));
}

void candidates_add(struct search *s, struct part *p)
{
    const struct replica *r = s->replica;
    const struct adding to = {r, s, p};
    bool users = p->q->kind == REPLICA_USER;
    const struct record *rec;
    switch (p->by.key) {
    case KEY_NONE:
        add_all(&to);
        return;
    case KEY_ID:
        rec = candidate_of_id(r, p->q->kind, p->by.value);
        if (rec && !rec->applicant) /* shown by id (GET), listed never */
            add(&to, rec);
        break;
    case KEY_NAME:
        p->name_key = unicode_key(s->arena, p->by.value);
        add_indexed(&to, users ? &r->user_name : &r->organization_name, p->name_key);
        break;
    case KEY_EXTERNAL:
        add_external(&to, s);
        break;
    case KEY_MAIL:
        add_indexed(&to, &r->user_mail, unicode_key(s->arena, p->by.value));
        break;
    case KEY_ORGANIZATION:
    case KEY_USER:
        break; /* of memberships.c */
    case KEY_LINK:
        (users ? add_members : add_holders)(&to, p->by.value);
        break;
    }
    in_order_once(p);
}
