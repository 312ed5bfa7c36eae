/* Judge: which candidates match, on the actor's view. The record alone says it for most; else the
 * part of the resource that the filter speaks of is rendered and parsed. */
#include "replica/find.h"

#include "base/own.h"

bool judge_take(struct telling *t, const struct record *rec, struct arena *a)
{
    const struct render *how = t->how;
    t->facts = NULL;
    t->rec = rec;
    if (rec->is_user) {
        if (!view_user(how->view, rec->node))
            return false;
        t->json = user_render(how, rec, a);
        return true;
    }
    enum sight sight = view_organization(how->view, rec->node);
    if (sight != SIGHT_HIDDEN)
        t->facts = group_facts(how, rec, sight, a);
    return t->facts;
}

void judge_complete(const struct telling *t, struct arena *a, struct replica_text *out)
{
    struct str user_version = record_field(t->rec, FIELD_VERSION);
    out->json = t->facts ? group_render(t->how, t->facts, a) : t->json;
    if (t->how->sections & SECTION_PROBE)
        return;
    out->kind = t->rec->is_user ? REPLICA_USER : REPLICA_GROUP;
    out->id = arena_str(a, record_field(t->rec, FIELD_ID));
    out->version = view_version(a, t->facts ? group_version(t->facts) : user_version);
}

static void tell_seat(const struct render *how, const struct item *it, struct arena *a,
                      struct replica_text *out)
{
    const struct str parts[] = {record_field(it->in, FIELD_ID), STR("."),
                                record_field(it->rec, FIELD_ID)};
    const struct seat_text t = {how->view, it->rec, it->in, it->seat};
    out->json = seat_render(&t, a, &out->version);
    out->kind = REPLICA_MEMBERSHIP;
    out->id = arena_join(a, parts, 3);
}

bool judge_text(const struct search *s, const struct render *how, const struct item *it,
                struct arena *a, struct replica_text *out)
{
    struct telling t = {.how = how};
    const struct record *rec = it->rec;
    if (it->in) {
        tell_seat(how, it, a, out);
        return true;
    }
    bool linked = !rec->is_user || !s->view.all || how->sections & SECTION_LINKED;
    if (linked)
        replica_read(s->replica);
    bool seen = judge_take(&t, rec, a);
    if (linked)
        replica_unlock(s->replica);
    if (seen)
        judge_complete(&t, a, out);
    return seen;
}

/* Memberships are gathered on the actor's view. */
static bool is_seen(const struct search *s, const struct item *it)
{
    const struct record *rec = it->rec;
    if (s->view.all || it->in)
        return true;
    replica_read(s->replica);
    bool seen = rec->is_user ? view_user(&s->view, rec->node)
                             : view_organization(&s->view, rec->node) != SIGHT_HIDDEN;
    replica_unlock(s->replica);
    return seen;
}

static void add_match(struct search *s, const struct item *it, struct str key)
{
    key = str_sub(key, 0, SORT_KEY_MAX);
    s->at[s->count++] = (struct match){*it, key, sort_bytes(key, 0)};
}

/* New, or NULL: hidden, or nothing is asked of the text. */
static json_t *document_of(const struct search *s, const struct part *p, const struct item *it,
                           struct arena *scratch)
{
    const struct render how = {
        .view = &s->view,
        .sections = p->probe.sections,
        .only = p->probe.only,
        .only_count = p->probe.only_count,
    };
    struct replica_text text;
    if (!judge_text(s, &how, it, scratch, &text))
        return NULL;
    return probe_document(&p->probe, scratch, text.json);
}

/* What a user's record says holds for whoever sees them; a group that is seen in short has less
 * than its record. */
static bool is_quick(const struct search *s, const struct item *it)
{
    return (it->rec->is_user || s->view.all) && !it->rec->odd_keys;
}

static bool has_quick_key(const struct search *s, const struct part *p, const struct item *it)
{
    if (p->order.kind == QUICK_KEY_TEXT)
        return is_quick(s, it);
    return p->order.kind != QUICK_KEY_NONE && (it->rec->is_user || s->view.all);
}

static enum said says(const struct search *s, const struct part *p, const struct item *it)
{
    if (!p->q->filter)
        return SAID_YES;
    if (p->by.only && p->by.key == KEY_ID)
        return SAID_YES;
    if (p->by.only && p->by.key == KEY_NAME)
        return str_eq(record_name_key(it->rec), p->name_key) ? SAID_YES : SAID_NO;
    return p->quick && is_quick(s, it) ? quick_says(p->quick, it) : SAID_UNKNOWN;
}

static void judge(struct search *s, struct part *p, const struct item *it, struct arena *scratch)
{
    const struct scim_sort *sort = &p->q->sort;
    if (!is_seen(s, it))
        return;
    p->some_seen = true;
    enum said said = says(s, p, it);
    if (said == SAID_NO)
        return;
    if (said == SAID_YES && (!sort->by.attr || has_quick_key(s, p, it))) {
        add_match(s, it, sort->by.attr ? quick_sort_key(s->arena, &p->order, it) : STR_NONE);
        return;
    }
    OWNED_JSON json_t *doc = document_of(s, p, it, scratch);
    if (!doc || (said == SAID_UNKNOWN && !scim_match(p->q->filter, doc)))
        return;
    if (!sort->by.attr)
        add_match(s, it, STR_NONE);
    else /* as judge_sort_key(): pages are looked for by it */
        add_match(s, it,
                  has_quick_key(s, p, it) ? quick_sort_key(s->arena, &p->order, it)
                                          : scim_sort_key(s->arena, sort, doc));
}

/* As in memberships.c. */
static void foresee(const struct part *p, size_t i)
{
    enum { TO_RECORD = 16, TO_LISTS = 8 };
    if (i + TO_RECORD < p->count)
        record_foresee(p->at[i + TO_RECORD].rec);
    if (i + TO_LISTS < p->count)
        record_foresee_lists(p->at[i + TO_LISTS].rec);
}

void judge_all(struct search *s)
{
    enum { SLICE = 64 };
    OWNED_ARENA struct arena *scratch = NULL;
    size_t most = 1;
    for (size_t k = 0; k < s->part_count; k++)
        most += s->parts[k].count;
    s->at = arena_raw(s->arena, most * sizeof *s->at);
    for (size_t k = 0; k < s->part_count; k++) {
        struct part *p = &s->parts[k];
        if (p->count > SLICE && !scratch)
            scratch = arena_new();
        for (size_t i = 0; i < p->count; i++) {
            foresee(p, i);
            judge(s, p, &p->at[i], scratch ? scratch : s->arena);
            if (scratch && i % SLICE == SLICE - 1)
                arena_reset(scratch);
        }
    }
}

struct str judge_sort_key(struct search *s, const struct item *it)
{
    const struct part *p = search_part(s, it);
    if (!p->q->sort.by.attr)
        return STR_NONE;
    struct str key = STR_NONE;
    if (has_quick_key(s, p, it)) {
        key = quick_sort_key(s->arena, &p->order, it);
    } else {
        OWNED_JSON json_t *doc = document_of(s, p, it, s->arena);
        key = doc ? scim_sort_key(s->arena, &p->q->sort, doc) : STR_NONE;
    }
    return str_sub(key, 0, SORT_KEY_MAX);
}
