/*
 * Find: one resource by id, and lists: candidates, matches, order, page.
 *
 * A list is consistent: the records are those of one moment (pinned, immutable), each is judged
 * once. The lock is held for one record at a time.
 */
#include "replica/find.h"

#include <stdlib.h>
#include <string.h>

/* Members rendered by one filter that speaks of more than their ids. */
#define MEMBERS_MAX 1000000
/* A list that took less is made anew as fast. */
#define WORTH_KEEPING 256
/* To be judged at once; of more, 200 terms of a filter that the records do not answer take a tenth
 * of a second and longer. */
#define BRIEF_MAX 2048

static unsigned sections_of(const struct replica_want *want)
{
    return want->members ? SECTION_ALL : SECTION_ALL & ~(unsigned)SECTION_MEMBERS;
}

/* ---- one */

/* A place is small: it is rendered under the lock. */
static bool show_seat(struct replica *r, struct arena *a, const struct replica_ask *ask,
                      struct replica_text *out)
{
    struct view view = view_of(r, ask->actor);
    struct str organization_id, user_id;
    if (!replica_membership_split(ask->id, &organization_id, &user_id))
        return false;
    replica_read(r);
    const struct user *u = store_user(r, user_id);
    const struct organization *o = store_organization(r, organization_id);
    bool seen = u && o && view_seat(&view, organization_id, user_id) &&
                view_may_know(&view, user_record(u));
    struct seat_text t = {.view = &view};
    if (seen) {
        t = (struct seat_text){&view, user_record(u), organization_record(o), seat_of(r, u, o)};
        seen = t.seat.member || t.seat.pending || t.seat.rejected;
    }
    if (seen) {
        *out = (struct replica_text){.kind = REPLICA_MEMBERSHIP, .id = arena_str(a, ask->id)};
        out->json = seat_render(&t, a, &out->version);
    }
    replica_unlock(r);
    return seen;
}

bool replica_show(struct replica *r, struct arena *a, const struct replica_ask *ask,
                  struct replica_text *out)
{
    if (ask->kind == REPLICA_MEMBERSHIP)
        return show_seat(r, a, ask, out);
    struct view view = view_of(r, ask->actor);
    const struct render how = {.view = &view, .sections = sections_of(&ask->want)};
    struct telling t = {.how = &how};
    struct pin pin;
    replica_read(r);
    const struct record *rec = candidate_of_id(r, ask->kind, ask->id);
    bool seen = rec && judge_take(&t, rec, a);
    if (seen && !t.facts)
        judge_complete(&t, a, out);
    else if (seen)
        pin_hold(&r->keep, &pin);
    replica_unlock(r);
    if (!t.facts)
        return seen;
    judge_complete(&t, a, out);
    pin_drop(&r->keep, &pin);
    return true;
}

/* ---- lists */

static bool is_sorted(const struct search *s)
{
    return s->q->sort.by.attr || (s->q->also && s->q->also->sort.by.attr);
}

static void prepare(struct search *s)
{
    view_prepare(&s->view, s->arena);
    for (const struct replica_query *q = s->q; q && s->part_count < REPLICA_KINDS; q = q->also) {
        struct part *p = &s->parts[s->part_count++];
        p->q = q;
        p->by = candidates_pinned(q);
        p->quick = quick_of(s->arena, q->kind, q->filter);
        p->order = quick_order_of(q->kind, &q->sort);
        probe_of(s->arena, q, &p->probe);
    }
}

/* Each of them is looked at; under the lock. */
static size_t members_of(const struct part *p)
{
    size_t members = 0;
    for (size_t i = 0; p->q->kind == REPLICA_GROUP && p->probe.whole_members && i < p->count; i++)
        members += ((const struct organization *)p->at[i].rec->node)->members.count;
    return members;
}

static bool is_bearable(const struct search *s, struct error *err)
{
    size_t members = 0;
    for (size_t k = 0; k < s->part_count; k++)
        members += members_of(&s->parts[k]);
    return members <= MEMBERS_MAX ||
           error_set(err, ERR_TOO_MANY,
                     "the filter would read every member of every group; ask for members.value eq");
}

/* What the next page will be asked with, of what, and by whom: the same text, the same list. */
static struct str text_of(const struct search *s)
{
    static const struct str LETTERS[REPLICA_KINDS] = {[REPLICA_USER] = STR_INIT("U"),
                                                      [REPLICA_GROUP] = STR_INIT("G"),
                                                      [REPLICA_MEMBERSHIP] = STR_INIT("M")};
    const struct kiops_actor *who = s->view.actor;
    struct str text = s->q->text;
    if (!text.len)
        return text;
    struct str *parts =
        ARENA_ARRAY(s->arena, struct str, 7 + REPLICA_KINDS + 2 * who->organization_count);
    size_t n = 0;
    for (size_t k = 0; k < s->part_count; k++)
        parts[n++] = LETTERS[s->parts[k].q->kind];
    parts[n++] = STR("\n");
    parts[n++] = text;
    parts[n++] = STR("\n");
    parts[n++] = who->client;
    parts[n++] = STR("\n");
    parts[n++] = s->view.all ? STR("*") : who->id;
    for (size_t i = 0; !s->view.all && i < who->organization_count; i++) {
        parts[n++] = STR("\n");
        parts[n++] = who->organizations[i];
    }
    return arena_join(s->arena, parts, n);
}

static struct list *as_list(struct search *s, struct list *l)
{
    l->at = must(malloc((s->count + 1) * sizeof *l->at));
    if (is_sorted(s))
        sort_matches(s, l->at);
    for (size_t i = 0; !is_sorted(s) && i < s->count; i++)
        l->at[i] = s->at[i].item;
    l->count = s->count;
    return l;
}

/* How many are looked at, at most; under the lock. Memberships are not yet gathered. */
static size_t outlook(struct search *s)
{
    size_t n = 0;
    for (size_t k = 0; k < s->part_count; k++) {
        struct part *p = &s->parts[k];
        n +=
            p->q->kind == REPLICA_MEMBERSHIP ? memberships_outlook(s, p) : p->count + members_of(p);
    }
    return n;
}

/* NULL: refused, or put off. */
static struct list *make_list(struct search *s, struct str text, struct error *err)
{
    struct replica *r = s->replica;
    size_t candidates = 0;
    replica_read(r);
    for (size_t k = 0; k < s->part_count; k++)
        if (s->parts[k].q->kind != REPLICA_MEMBERSHIP)
            candidates_add(s, &s->parts[k]);
    bool bearable = is_bearable(s, err);
    s->put_off = bearable && s->q->brief && outlook(s) > BRIEF_MAX;
    struct list *l = list_new(r, atomic_load(&r->changes));
    replica_unlock(r);
    if (!bearable || s->put_off) {
        list_drop(r, l);
        return NULL;
    }
    for (size_t k = 0; k < s->part_count; k++) {
        if (s->parts[k].q->kind == REPLICA_MEMBERSHIP)
            memberships_add(s, &s->parts[k]);
        candidates += s->parts[k].count;
    }
    judge_all(s);
    as_list(s, l);
    if (text.len && candidates >= WORTH_KEEPING && s->count > (size_t)s->q->count)
        lists_keep(r, l, text);
    return l;
}

/* ---- the page */

/* Of the first that stands behind what the cursor saw last. */
static size_t behind(struct search *s, const struct list *l, const struct replica_place *seen)
{
    struct place last = sort_place_of_id(seen->kind, seen->key, seen->id);
    size_t from = 0, to = l->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct item *it = &l->at[middle];
        struct place here = sort_place(it, judge_sort_key(s, it));
        if (sort_compare(&here, &last, s->q->sort.descending) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static size_t index_of(const struct replica_query *q)
{
    return q->start_index > 1 ? (size_t)q->start_index - 1 : 0;
}

static size_t page_size(const struct replica_query *q, size_t first, size_t total)
{
    size_t left = first < total ? total - first : 0;
    if (q->count <= 0)
        return 0;
    return (size_t)q->count < left ? (size_t)q->count : left;
}

static struct replica_place last_of(struct search *s, const struct item *it)
{
    struct str key = judge_sort_key(s, it);
    const struct str id[] = {it->in ? record_field(it->in, FIELD_ID) : STR_NONE,
                             it->in ? STR(".") : STR_NONE, record_field(it->rec, FIELD_ID)};
    return (struct replica_place){
        .kind = item_kind(it),
        .key = key.at ? arena_str(s->arena, key) : STR_NONE,
        .id = arena_join(s->arena, id, 3),
    };
}

/* What is hidden by now is left out. */
static void render(struct search *s, const struct item *at, size_t n, struct replica_page *out)
{
    const struct render how = {.view = &s->view, .sections = sections_of(&s->q->want)};
    struct replica_text *texts = ARENA_ARRAY(s->arena, struct replica_text, n);
    size_t bytes = 0;
    for (size_t i = 0; i < n && !s->too_large; i++) {
        s->too_large = s->q->bytes_max && bytes > s->q->bytes_max;
        if (!s->too_large && judge_text(s, &how, &at[i], s->arena, &texts[out->count]))
            bytes += texts[out->count++].json.len;
    }
    out->at = texts;
    if (n)
        out->last = last_of(s, &at[n - 1]);
}

static void cut_page(struct search *s, const struct list *l, struct replica_page *out)
{
    const struct replica_query *q = s->q;
    size_t first = index_of(q);
    if (q->after)
        first = q->after->id.len ? behind(s, l, q->after) : 0;
    size_t n = page_size(q, first, l->count);
    out->total = (int64_t)l->count;
    out->more = first + n < l->count;
    render(s, l->at + (n ? first : 0), n, out);
}

/* ---- everything, by id, for whoever sees everything: nothing is to be judged, so a page costs
 * what a page costs, wherever it stands. */

static bool is_whole(const struct search *s)
{
    bool whole = s->view.all && !is_sorted(s);
    for (size_t k = 0; k < s->part_count; k++)
        whole &= !s->parts[k].q->filter && s->parts[k].q->kind != REPLICA_MEMBERSHIP;
    return whole;
}

static const struct order *order_of(const struct search *s, size_t part)
{
    const struct replica *r = s->replica;
    return s->parts[part].q->kind == REPLICA_USER ? &r->users : &r->organizations;
}

static size_t first_of_all(const struct search *s)
{
    const struct replica_place *after = s->q->after;
    size_t first = 0;
    if (!after)
        return index_of(s->q);
    for (size_t k = 0; after->id.len && k < s->part_count; k++) {
        if (s->parts[k].q->kind == after->kind)
            return first + order_behind(order_of(s, k), after->id);
        first += order_of(s, k)->count;
    }
    return first;
}

static void page_of_all(struct search *s, struct replica_page *out)
{
    struct replica *r = s->replica;
    struct pin pin;
    replica_read(r);
    size_t first = first_of_all(s), total = 0, taken = 0;
    for (size_t k = 0; k < s->part_count; k++)
        total += order_of(s, k)->count;
    size_t n = page_size(s->q, first, total), skip = first;
    struct item *at = ARENA_ARRAY(s->arena, struct item, n + 1);
    for (size_t k = 0; k < s->part_count && taken < n; k++) {
        const struct order *o = order_of(s, k);
        for (size_t i = skip; i < o->count && taken < n; i++)
            at[taken++].rec = o->at[i];
        skip = skip > o->count ? skip - o->count : 0;
    }
    pin_hold(&r->keep, &pin);
    replica_unlock(r);
    out->total = (int64_t)total;
    out->more = first + n < total;
    render(s, at, n, out);
    pin_drop(&r->keep, &pin);
}

/* Whether the directory is to be asked: for what the actor may not see as for what is not there, so
 * that the time of an answer tells nothing. */
static void say_confirm(const struct search *s, struct replica_page *out)
{
    for (size_t k = 0; k < s->part_count && out->total == 0; k++) {
        const struct part *p = &s->parts[k];
        enum key key = p->by.key;
        bool probe = p->q->kind == REPLICA_GROUP && key == KEY_ID &&
                     scim_filter_pinned(p->q->filter, STR("members"), STR("value")).at;
        bool unique =
            key == KEY_ID || key == KEY_NAME || (key == KEY_EXTERNAL && s->view.actor->client.len);
        if (unique && p->by.value.len && (!p->some_seen || probe))
            out->confirm[out->confirm_count++] =
                (struct replica_confirm){p->q->kind, p->by.name, p->by.value};
    }
}

static bool is_page(const struct search *s, struct error *err)
{
    return !s->too_large || error_set(err, ERR_TOO_MANY,
                                      "the page would be larger than %zu MB; ask for fewer with "
                                      "count, or leave members out with excludedAttributes",
                                      s->q->bytes_max >> 20);
}

bool replica_find(struct replica *r, struct arena *a, const struct replica_query *q,
                  struct replica_page *out, struct error *err)
{
    struct search s = {.replica = r, .q = q, .arena = a, .view = view_of(r, q->actor)};
    *out = (struct replica_page){0};
    prepare(&s);
    if (is_whole(&s)) {
        page_of_all(&s, out);
        return is_page(&s, err);
    }
    struct str text = text_of(&s);
    struct list *l = lists_take(r, text);
    if (!l)
        l = make_list(&s, text, err);
    out->put_off = s.put_off;
    if (!l)
        return s.put_off;
    cut_page(&s, l, out);
    say_confirm(&s, out);
    list_drop(r, l);
    return is_page(&s, err);
}
