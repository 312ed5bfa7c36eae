/*
 * Find: one resource by id, and lists: pick candidates by an index or take a snapshot of all, keep
 * what the filter holds for on the actor's view, sort, cut the page.
 *
 * A list is consistent: the records are those of one moment (pinned, immutable), each is judged
 * once. The lock is held for one record at a time.
 */
#include "replica/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/unicode.h"

/* Members rendered by one filter that speaks of more than their ids. */
#define MEMBERS_MAX 1000000

/* ---- one text ---------------------------------------------------------------------------------
 */
/* Under the lock. A user is done then; of a group the facts are taken. */
static bool take(const struct render *r, const struct record *rec, struct arena *a,
                 struct str *json, struct group_facts **facts)
{
    *facts = NULL;
    if (rec->is_user) {
        if (!view_user(r->view, rec->node))
            return false;
        *json = user_render(r, rec, a);
        return true;
    }
    enum sight sight = view_organization(r->view, rec->node);
    if (sight != SIGHT_HIDDEN)
        *facts = group_facts(r, rec, sight, a);
    return *facts;
}

static unsigned sections_of(const struct replica_want *want)
{
    return want->members ? SECTION_ALL : SECTION_ALL & ~(unsigned)SECTION_MEMBERS;
}

static void complete(const struct render *r, const struct record *rec, struct arena *a,
                     const struct group_facts *facts, struct replica_text *out)
{
    out->id = arena_str(a, record_field(rec, FIELD_ID));
    if (facts)
        out->json = group_render(r, facts, a);
    out->version = view_version(a, facts ? group_version(facts) : record_field(rec, FIELD_VERSION));
}

static const struct record *record_of(const struct replica *r, enum replica_kind kind,
                                      struct str id)
{
    if (kind == REPLICA_USER) {
        const struct user *u = store_user(r, id);
        return u ? user_record(u) : NULL;
    }
    const struct organization *o = store_organization(r, id);
    return o ? organization_record(o) : NULL;
}

bool replica_show(struct replica *r, struct arena *a, const struct replica_ask *ask,
                  struct replica_text *out)
{
    struct view view = view_of(r, ask->actor);
    struct render how = {.view = &view, .sections = sections_of(&ask->want)};
    struct group_facts *facts = NULL;
    struct pin pin;
    replica_read(r);
    const struct record *rec = record_of(r, ask->kind, ask->id);
    bool seen = rec && take(&how, rec, a, &out->json, &facts);
    if (seen && !facts)
        complete(&how, rec, a, NULL, out);
    else if (seen)
        pin_hold(&r->keep, &pin);
    replica_unlock(r);
    if (!facts)
        return seen;
    complete(&how, rec, a, facts, out);
    pin_drop(&r->keep, &pin);
    return true;
}

/* ---- candidates -------------------------------------------------------------------------------
 */
struct search {
    struct replica *replica;
    const struct replica_query *q;
    struct arena *arena;
    struct view view;
    struct probe probe;
    struct pinned {
        enum key { KEY_NONE, KEY_ID, KEY_NAME, KEY_EXTERNAL, KEY_MAIL, KEY_LINK } key;
        bool only; /* the filter says nothing else */
        struct str name, value;
    } by;
    struct str name_key;      /* KEY_NAME: of the value */
    const struct record **at; /* candidates */
    size_t count, cap;
    bool some_seen; /* a candidate that the actor may see, whatever the rest of the filter says */
};

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
};

static struct pinned pinned_by(const struct replica_query *q)
{
    for (size_t i = 0; q->filter && i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].kind != q->kind)
            continue;
        struct str value = scim_filter_pinned(q->filter, keys[i].name, keys[i].sub);
        struct str only;
        if (value.at)
            return (struct pinned){keys[i].key,
                                   scim_filter_is_only(q->filter, keys[i].name, keys[i].sub, &only),
                                   keys[i].name, value};
    }
    return (struct pinned){.key = KEY_NONE};
}

static void add(struct search *s, const struct record *rec)
{
    s->at = arena_grow(s->arena, s->at, sizeof *s->at, s->count, &s->cap);
    s->at[s->count++] = rec;
}

static const struct record *record_of_node(const struct search *s, const void *node)
{
    return s->q->kind == REPLICA_USER ? user_record(node) : organization_record(node);
}

/* All under one hash: whether the value is really equal, the filter itself says. */
static void add_indexed(struct search *s, const struct index *ix, struct str key)
{
    struct index_probe p = index_probe(ix, index_hash(key));
    for (const void *node; (node = index_next(ix, &p));)
        add(s, record_of_node(s, node));
}

static void add_linked(struct search *s, struct str id)
{
    const struct replica *r = s->replica;
    if (s->q->kind == REPLICA_USER) {
        const struct organization *o = store_organization(r, id);
        for (uint32_t i = 0; o && i < o->members.count; i++)
            add(s, user_record(o->members.at[i]));
        return;
    }
    const struct user *u = store_user(r, id);
    for (uint32_t i = 0; u && i < u->link_count; i++)
        if (u->links[i].flags & LINK_MEMBER)
            add(s, organization_record(u->links[i].organization));
    const struct organization *nested = u ? NULL : store_organization(r, id);
    if (!nested)
        return;
    struct index_probe p =
        index_probe(&r->strays, index_hash(record_dn_key(organization_record(nested))));
    for (const struct stray *stray; (stray = index_next(&r->strays, &p));)
        if (stray->names == nested && stray->flags & LINK_MEMBER)
            add(s, organization_record(stray->organization));
}

static void add_all(struct search *s)
{
    const struct order *o =
        s->q->kind == REPLICA_USER ? &s->replica->users : &s->replica->organizations;
    s->at = ARENA_ARRAY(s->arena, const struct record *, o->count);
    s->count = o->count;
    if (o->count)
        memcpy(s->at, o->at, o->count * sizeof *s->at);
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(record_field(*(const struct record *const *)a, FIELD_ID),
                   record_field(*(const struct record *const *)b, FIELD_ID));
}

/* A node may stand in an index twice (two mails with one key). */
static void in_order_once(struct search *s)
{
    size_t n = 0;
    if (s->count > 1)
        qsort(s->at, s->count, sizeof *s->at, by_id);
    for (size_t i = 0; i < s->count; i++)
        if (n == 0 || s->at[n - 1] != s->at[i])
            s->at[n++] = s->at[i];
    s->count = n;
}

static void add_candidates(struct search *s)
{
    const struct replica *r = s->replica;
    const struct pinned *p = &s->by;
    bool users = s->q->kind == REPLICA_USER;
    const struct record *rec;
    switch (p->key) {
    case KEY_NONE:
        add_all(s);
        return;
    case KEY_ID:
        rec = record_of(r, s->q->kind, p->value);
        if (rec)
            add(s, rec);
        break;
    case KEY_NAME:
        s->name_key = unicode_key(s->arena, p->value);
        add_indexed(s, users ? &r->user_name : &r->organization_name, s->name_key);
        break;
    case KEY_EXTERNAL:
        if (s->view.actor->client.len)
            add_indexed(s, users ? &r->user_external : &r->organization_external,
                        arena_fmt(s->arena, STR_FMT ":" STR_FMT, STR_ARG(s->view.actor->client),
                                  STR_ARG(p->value)));
        break;
    case KEY_MAIL:
        add_indexed(s, &r->user_mail, unicode_key(s->arena, p->value));
        break;
    case KEY_LINK:
        add_linked(s, p->value);
        break;
    }
    in_order_once(s);
}

static size_t members_of(const struct search *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count && s->q->kind == REPLICA_GROUP; i++)
        n += ((const struct organization *)s->at[i]->node)->members.count;
    return n;
}

/* ---- matches ----------------------------------------------------------------------------------
 */
struct match {
    const struct record *rec;
    struct str key;
};

struct matches {
    struct match *at;
    size_t count, cap;
};

/* The text on the actor's view; false: hidden. */
static bool candidate_text(const struct search *s, const struct render *how,
                           const struct record *rec, struct arena *a, struct replica_text *out)
{
    struct group_facts *facts = NULL;
    bool linked = !rec->is_user || !s->view.all || how->sections & SECTION_LINKED;
    if (linked)
        replica_read(s->replica);
    bool seen = take(how, rec, a, &out->json, &facts);
    if (linked)
        replica_unlock(s->replica);
    if (seen && how->sections & SECTION_PROBE && facts)
        out->json = group_render(how, facts, a);
    else if (seen && !(how->sections & SECTION_PROBE))
        complete(how, rec, a, facts, out);
    return seen;
}

/* The look-up of one name or id, which every identity provider lives on: nothing is rendered to
 * say that it is the one. */
static bool is_named(const struct search *s)
{
    return s->by.only && (s->by.key == KEY_NAME || s->by.key == KEY_ID) && !s->q->sort.by.attr;
}

static void judge_named(struct search *s, const struct record *rec, struct matches *out)
{
    bool it = s->by.key == KEY_ID || str_eq(record_name_key(rec), s->name_key);
    if (!s->view.all) {
        replica_read(s->replica);
        bool seen = rec->is_user ? view_user(&s->view, rec->node)
                                 : view_organization(&s->view, rec->node) != SIGHT_HIDDEN;
        replica_unlock(s->replica);
        if (!seen)
            return;
    }
    s->some_seen = true;
    if (!it)
        return;
    out->at = arena_grow(s->arena, out->at, sizeof *out->at, out->count, &out->cap);
    out->at[out->count++] = (struct match){.rec = rec};
}

static void judge(struct search *s, const struct record *rec, struct arena *scratch,
                  struct matches *out)
{
    const struct replica_query *q = s->q;
    const struct render how = {
        .view = &s->view,
        .sections = s->probe.sections,
        .only = s->probe.only,
        .only_count = s->probe.only_count,
    };
    struct replica_text text;
    struct match m = {.rec = rec};
    if (!candidate_text(s, &how, rec, scratch, &text))
        return;
    s->some_seen = true;
    if (s->probe.name_count) {
        OWNED_JSON json_t *doc = probe_document(&s->probe, scratch, text.json);
        if (!doc || (q->filter && !scim_match(q->filter, doc)))
            return;
        if (q->sort.by.attr)
            m.key = scim_sort_key(s->arena, &q->sort, doc);
    }
    out->at = arena_grow(s->arena, out->at, sizeof *out->at, out->count, &out->cap);
    out->at[out->count++] = m;
}

static void judge_all(struct search *s, struct matches *out)
{
    enum { SLICE = 64 };
    if (is_named(s)) {
        for (size_t i = 0; i < s->count; i++)
            judge_named(s, s->at[i], out);
        return;
    }
    OWNED_ARENA struct arena *scratch = arena_new();
    for (size_t i = 0; i < s->count; i++) {
        judge(s, s->at[i], scratch, out);
        if (i % SLICE == SLICE - 1)
            arena_reset(scratch);
    }
}

/* Without a value: last when ascending. */
static int by_key(const struct match *x, const struct match *y)
{
    if (!x->key.at || !y->key.at)
        return !x->key.at - !y->key.at;
    return str_cmp(x->key, y->key);
}

static int ascending(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int order = by_key(x, y);
    return order ? order : by_id(&x->rec, &y->rec);
}

static int descending(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    int order = by_key(y, x);
    return order ? order : by_id(&x->rec, &y->rec);
}

/* ---- the page ---------------------------------------------------------------------------------
 */
static void cut_page(struct search *s, const struct matches *m, struct replica_page *out)
{
    const struct replica_query *q = s->q;
    size_t first = q->start_index > 1 ? (size_t)q->start_index - 1 : 0;
    size_t left = first < m->count ? m->count - first : 0;
    size_t n = q->count <= 0 ? 0 : (size_t)q->count < left ? (size_t)q->count : left;
    const struct render how = {.view = &s->view, .sections = sections_of(&q->want)};
    struct replica_text *texts = ARENA_ARRAY(s->arena, struct replica_text, n);
    for (size_t i = 0; i < n; i++)
        if (candidate_text(s, &how, m->at[first + i].rec, s->arena, &texts[out->count]))
            out->count++;
    out->at = texts;
    out->total = (int64_t)m->count;
}

/* Everything, by id, for whoever sees everything: nothing is to be judged. */
static void take_all(const struct search *s, struct matches *out)
{
    out->at = ARENA_ARRAY(s->arena, struct match, s->count);
    out->count = s->count;
    for (size_t i = 0; i < s->count; i++)
        out->at[i].rec = s->at[i];
}

/* Whether the directory is to be asked: for what the actor may not see as for what is not there, so
 * that the time of an answer tells nothing. */
static void say_confirm(const struct search *s, struct replica_page *out)
{
    const struct pinned *p = &s->by;
    bool probe = s->q->kind == REPLICA_GROUP && p->key == KEY_ID &&
                 scim_filter_pinned(s->q->filter, STR("members"), STR("value")).at;
    bool unique = p->key == KEY_ID || p->key == KEY_NAME ||
                  (p->key == KEY_EXTERNAL && s->view.actor->client.len);
    out->confirm = unique && p->value.len && out->total == 0 && (!s->some_seen || probe);
    if (out->confirm) {
        out->confirm_attr = p->name;
        out->confirm_value = p->value;
    }
}

bool replica_find(struct replica *r, struct arena *a, const struct replica_query *q,
                  struct replica_page *out, struct error *err)
{
    struct search s = {.replica = r, .q = q, .arena = a, .view = view_of(r, q->actor)};
    struct pin pin;
    s.by = pinned_by(q);
    view_prepare(&s.view, a);
    probe_of(a, q, &s.probe);
    replica_read(r);
    add_candidates(&s);
    size_t members = s.probe.whole_members ? members_of(&s) : 0;
    pin_hold(&r->keep, &pin);
    replica_unlock(r);
    struct matches m = {0};
    bool bearable = members <= MEMBERS_MAX;
    if (!bearable)
        error_set(err, ERR_TOO_MANY,
                  "the filter would read every member of every group; ask for members.value eq");
    else if (s.view.all && !q->filter && !q->sort.by.attr)
        take_all(&s, &m);
    else
        judge_all(&s, &m);
    if (q->sort.by.attr && m.count > 1)
        qsort(m.at, m.count, sizeof *m.at, q->sort.descending ? descending : ascending);
    *out = (struct replica_page){0};
    if (bearable)
        cut_page(&s, &m, out);
    say_confirm(&s, out);
    pin_drop(&r->keep, &pin);
    return bearable;
}
