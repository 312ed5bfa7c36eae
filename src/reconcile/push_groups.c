/* Organizations here, and the groups that stand for them there. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

struct place { /* an organization, and its group */
    struct str id, name;
    struct push_there *there; /* NULL: a line makes it */
};

static struct reconcile_line *line_of(struct push *p, enum kiops_change_kind kind,
                                      const struct place *at)
{
    struct reconcile_line *l = push_line(p, kind);
    l->organization = at->id;
    l->organization_name = at->name;
    l->remote.group = at->there ? at->there->id : STR_NONE;
    l->organization_made = at->there ? STR_NONE : at->id;
    return l;
}

/* ---- members */

static void give(struct push *p, const struct place *at, const struct push_here *h)
{
    struct reconcile_line *l = line_of(p, KIOPS_ADD, at);
    l->subject = h->id;
    l->subject_name = h->name;
    l->remote.user = h->there ? h->there->id : STR_NONE;
    l->subject_made = h->there ? STR_NONE : h->id;
    push_finish(p, l, NULL, (struct push_difference){0});
}

static void take_out(struct push *p, const struct place *at, const struct push_there *t)
{
    struct reconcile_line *l = line_of(p, KIOPS_REMOVE, at);
    l->subject = t->external;
    l->subject_name = t->name;
    l->remote.user = t->id;
    l->text = t->gone ? STR("is not here any more") : STR("is no member here");
    push_finish(p, l, NULL, (struct push_difference){0});
}

/* `mark`: one number for those who are in there, the next one for those who are to stay. */
static void mark_members(struct push *p, const struct push_there *group, size_t mark)
{
    for (size_t i = 0; group && i < group->member_count; i++) {
        struct push_there *t = push_there_of(&p->users, group->members[i]);
        if (t)
            t->mark = mark;
    }
}

/* Whom we do not know there was put in by somebody else, and stays. */
static void take_out_others(struct push *p, const struct place *at, size_t mark)
{
    for (size_t i = 0; at->there && i < at->there->member_count; i++) {
        struct push_there *t = push_there_of(&p->users, at->there->members[i]);
        if (!t || t->mark != mark || !(t->known || t->gone))
            continue;
        t->mark = mark + 1; /* named twice */
        take_out(p, at, t);
    }
}

static void compare_members(struct push *p, const struct place *at, const json_t *members)
{
    p->mark += 2;
    mark_members(p, at->there, p->mark);
    for (size_t i = 0; i < json_array_size(members); i++) {
        struct str id = json_get_str(json_array_get(members, i), "value");
        struct push_here *h = NULL;
        HASH_FIND(hh, p->people, id.at, id.len, h);
        if (!h || (!h->there && !h->made))
            continue;
        if (!h->there || h->there->mark != p->mark)
            give(p, at, h);
        else
            h->there->mark = p->mark + 1;
    }
    take_out_others(p, at, p->mark);
}

/* ---- organizations that are here */

static bool create(struct push *p, const struct place *at, json_t *wanted)
{
    struct reconcile_line *l = line_of(p, KIOPS_CREATE_ORGANIZATION, at);
    l->organization_made = STR_NONE;
    l->write.makes = at->id;
    push_finish(p, l, NULL, (struct push_difference){wanted, NULL});
    return l->state == RECONCILE_PLANNED;
}

static void edit(struct push *p, const struct place *at, const json_t *wanted)
{
    OWNED_JSON json_t *there = json_loadb(at->there->text.at, at->there->text.len, 0, NULL);
    struct push_difference d;
    push_group_difference(wanted, there, &d);
    if (!p->by_external) {
        json_object_del(d.after, "externalId");
        json_object_del(d.before, "externalId");
    }
    if (json_object_size(d.after)) {
        push_finish(p, line_of(p, KIOPS_EDIT_ORGANIZATION, at), at->there, d);
        return;
    }
    json_decref(d.after);
    json_decref(d.before);
}

static void conflict(struct push *p, const struct place *at, struct str why)
{
    struct reconcile_line *l =
        reconcile_plan_add(p->plan, RECONCILE_CONFLICT, KIOPS_CREATE_ORGANIZATION);
    l->code = "KB-C225";
    l->organization = at->id;
    l->organization_name = at->name;
    l->text = arena_str(p->arena, why);
}

static void take_organization(struct push *p, const json_t *ours)
{
    OWNED_JSON json_t *wanted = push_group_wanted(ours);
    struct place at = {.id = arena_str(p->arena, json_get_str(ours, "id")),
                       .name = arena_str(p->arena, json_get_str(ours, "displayName"))};
    struct str why = STR_NONE;
    bool there = true;
    switch (push_match(p, &p->groups, &(struct push_sought){at.id, at.name}, &at.there, &why)) {
    case PUSH_NONE:
        there = create(p, &at, json_incref(wanted));
        break;
    case PUSH_ONE:
        at.there->known = true;
        edit(p, &at, wanted);
        break;
    case PUSH_CONFLICT:
        at.there->known |= str_eq(at.there->external, at.id);
        conflict(p, &at, why);
        return;
    }
    if (there)
        compare_members(p, &at, json_object_get(ours, "members"));
}

static bool take_organizations(struct push *p, struct error *err)
{
    struct service_shown all;
    const struct replica_text *at;
    size_t n = 1;
    service_shown_begin(&all, &p->call, REPLICA_GROUP);
    while (n) {
        arena_reset(p->passing);
        if (!service_shown_next(&all, p->passing, &at, &n, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            OWNED_JSON json_t *ours = json_loadb(at[i].json.at, at[i].json.len, 0, NULL);
            take_organization(p, ours);
        }
    }
    return true;
}

/* ---- and those that are not any more */

static bool take_gone(struct push *p, struct push_there *t, struct error *err)
{
    const struct place at = {.id = t->external, .name = t->name, .there = t};
    if (!push_confirm_gone(p, REPLICA_GROUP, t, err))
        return false;
    if (!t->gone)
        return true;
    size_t before = p->plan->count;
    bool over = push_is_over(p, push_gone_since(p, "Groups", t));
    compare_members(p, &at, NULL);
    if (p->plan->count > before || !over)
        return true;
    struct reconcile_line *l = line_of(p, KIOPS_DELETE_ORGANIZATION, &at);
    l->text = STR("has not been here for long enough");
    if (t->member_count) {
        l->state = RECONCILE_REPORTED;
        l->text = STR("is not here any more; others have put members into it there, so it stays");
        return true;
    }
    push_finish(p, l, t, (struct push_difference){0});
    return true;
}

bool push_groups(struct push *p, struct error *err)
{
    if (!take_organizations(p, err))
        return false;
    for (struct push_there *t = p->groups.by_id; t; t = t->by_id.next) {
        arena_reset(p->passing);
        if (push_was_ours(p, t) && !take_gone(p, t, err))
            return false;
    }
    return true;
}
