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

bool judge_text(const struct search *s, const struct render *how, const struct record *rec,
                struct arena *a, struct replica_text *out)
{
    struct telling t = {.how = how};
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

static bool is_seen(const struct search *s, const struct record *rec)
{
    if (s->view.all)
        return true;
    replica_read(s->replica);
    bool seen = rec->is_user ? view_user(&s->view, rec->node)
                             : view_organization(&s->view, rec->node) != SIGHT_HIDDEN;
    replica_unlock(s->replica);
    return seen;
}

static void add_match(struct search *s, const struct record *rec, struct str key)
{
    s->at[s->count++] = (struct match){.rec = rec, .key = str_sub(key, 0, SORT_KEY_MAX)};
}

/* New, or NULL: hidden, or nothing is asked of the text. */
static json_t *document_of(const struct search *s, const struct part *p, const struct record *rec,
                           struct arena *scratch)
{
    const struct render how = {
        .view = &s->view,
        .sections = p->probe.sections,
        .only = p->probe.only,
        .only_count = p->probe.only_count,
    };
    struct replica_text text;
    if (!judge_text(s, &how, rec, scratch, &text))
        return NULL;
    return probe_document(&p->probe, scratch, text.json);
}

static bool has_quick_key(const struct part *p, const struct record *rec)
{
    return p->order.kind != QUICK_KEY_NONE && !rec->odd_keys;
}

/* What a user's record says holds for whoever sees them; a group that is seen in short has less
 * than its record. */
static bool is_quick(const struct search *s, const struct record *rec)
{
    return (rec->is_user || s->view.all) && !rec->odd_keys;
}

static enum said says(const struct search *s, const struct part *p, const struct record *rec)
{
    if (!p->q->filter)
        return SAID_YES;
    if (p->by.only && p->by.key == KEY_ID)
        return SAID_YES;
    if (p->by.only && p->by.key == KEY_NAME)
        return str_eq(record_name_key(rec), p->name_key) ? SAID_YES : SAID_NO;
    return p->quick && is_quick(s, rec) ? quick_says(p->quick, rec) : SAID_UNKNOWN;
}

static void judge(struct search *s, struct part *p, const struct record *rec, struct arena *scratch)
{
    const struct scim_sort *sort = &p->q->sort;
    if (!is_seen(s, rec))
        return;
    p->some_seen = true;
    enum said said = says(s, p, rec);
    if (said == SAID_NO)
        return;
    bool quick_key = is_quick(s, rec) && has_quick_key(p, rec);
    if (said == SAID_YES && (!sort->by.attr || quick_key)) {
        add_match(s, rec, sort->by.attr ? quick_sort_key(s->arena, &p->order, rec) : STR_NONE);
        return;
    }
    OWNED_JSON json_t *doc = document_of(s, p, rec, scratch);
    if (!doc || (said == SAID_UNKNOWN && !scim_match(p->q->filter, doc)))
        return;
    add_match(s, rec, sort->by.attr ? scim_sort_key(s->arena, sort, doc) : STR_NONE);
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
            judge(s, p, p->at[i], scratch ? scratch : s->arena);
            if (scratch && i % SLICE == SLICE - 1)
                arena_reset(scratch);
        }
    }
}

struct str judge_sort_key(struct search *s, const struct record *rec)
{
    const struct part *p = search_part(s, rec);
    if (!p->q->sort.by.attr)
        return STR_NONE;
    struct str key = STR_NONE;
    if (is_quick(s, rec) && has_quick_key(p, rec)) {
        key = quick_sort_key(s->arena, &p->order, rec);
    } else {
        OWNED_JSON json_t *doc = document_of(s, p, rec, s->arena);
        key = doc ? scim_sort_key(s->arena, &p->q->sort, doc) : STR_NONE;
    }
    return str_sub(key, 0, SORT_KEY_MAX);
}
