/* People here, and their accounts there. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

static const struct scim_resource_type *user_type(const struct push *p)
{
    return scim_catalog_type(p->run->catalog, STR("User"));
}

static json_t *parse(struct str text)
{
    return json_loadb(text.at, text.len, 0, NULL);
}

static struct reconcile_line *line_of(struct push *p, enum kiops_change_kind kind,
                                      const struct push_here *h)
{
    struct reconcile_line *l = push_line(p, kind);
    l->subject = h->id;
    l->subject_name = h->name;
    l->remote.user = h->there ? h->there->id : STR_NONE;
    return l;
}

/* ---- those who are here */

static void create(struct push *p, struct push_here *h, json_t *wanted)
{
    struct reconcile_line *l = line_of(p, KIOPS_CREATE_USER, h);
    l->write.makes = h->id;
    push_finish(p, l, NULL, (struct push_difference){wanted, NULL});
    h->made = l->state == RECONCILE_PLANNED;
}

static struct push_difference active_difference(bool active)
{
    struct push_difference d = {json_object(), json_object()};
    json_put(d.after, "active", json_boolean(active));
    json_put(d.before, "active", json_boolean(!active));
    return d;
}

static void switch_active(struct push *p, const struct push_here *h, bool active)
{
    struct reconcile_line *l = line_of(p, active ? KIOPS_REACTIVATE : KIOPS_DEACTIVATE, h);
    l->attribute = STR("active");
    l->text = active ? STR("is active here") : STR("is inactive here");
    push_finish(p, l, h->there, active_difference(active));
}

static void edit(struct push *p, const struct push_here *h, const json_t *wanted,
                 const json_t *there)
{
    struct push_difference d;
    push_user_difference(user_type(p), wanted, there, &d);
    if (!p->by_external) { /* somebody else's to say */
        json_object_del(d.after, "externalId");
        json_object_del(d.before, "externalId");
    }
    if (json_object_size(d.after)) {
        push_finish(p, line_of(p, KIOPS_EDIT_USER, h), h->there, d);
        return;
    }
    json_decref(d.after);
    json_decref(d.before);
}

static void compare(struct push *p, const struct push_here *h, const json_t *wanted)
{
    OWNED_JSON json_t *there = parse(h->there->text);
    bool active = push_is_active(wanted);
    edit(p, h, wanted, there);
    if (active != h->there->active)
        switch_active(p, h, active);
}

static void conflict(struct push *p, const struct push_here *h, struct str why)
{
    struct reconcile_line *l = reconcile_plan_add(p->plan, RECONCILE_CONFLICT, KIOPS_CREATE_USER);
    l->code = "KB-C225";
    l->subject = h->id;
    l->subject_name = h->name;
    l->text = arena_str(p->arena, why);
}

/* Who was never there and may not sign in needs no account. */
static void take_person(struct push *p, const json_t *ours)
{
    OWNED_JSON json_t *wanted = push_user_wanted(&p->known, user_type(p), ours);
    struct push_here *h = ARENA_NEW(p->arena, struct push_here);
    struct str why = STR_NONE;
    h->id = arena_str(p->arena, json_get_str(ours, "id"));
    h->name = arena_str(p->arena, json_get_str(ours, "userName"));
    HASH_ADD_KEYPTR(hh, p->people, h->id.at, h->id.len, h);
    switch (push_match(p, &p->users, &(struct push_sought){h->id, h->name}, &h->there, &why)) {
    case PUSH_NONE:
        if (push_is_active(wanted))
            create(p, h, json_incref(wanted));
        return;
    case PUSH_ONE:
        h->there->known = true;
        compare(p, h, wanted);
        return;
    case PUSH_CONFLICT:
        h->there->known |= str_eq(h->there->external, h->id);
        h->there = NULL;
        conflict(p, h, why);
        return;
    }
}

static bool take_people(struct push *p, struct error *err)
{
    struct service_shown all;
    const struct replica_text *at;
    size_t n = 1;
    service_shown_begin(&all, &p->call, REPLICA_USER);
    while (n) {
        arena_reset(p->passing);
        if (!service_shown_next(&all, p->passing, &at, &n, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            OWNED_JSON json_t *ours = parse(at[i].json);
            take_person(p, ours);
        }
    }
    return true;
}

/* ---- those who are not here any more */

static struct str days(struct push *p, const char *what)
{
    return arena_fmt(p->passing, "%s; deleted there after %lld days, unless back here by then",
                     what, (long long)p->run->job->delete_after_days);
}

static bool take_gone(struct push *p, struct push_there *t, struct error *err)
{
    const struct push_here was = {.id = t->external, .name = t->name, .there = t};
    if (!push_confirm_gone(p, REPLICA_USER, t, err))
        return false;
    if (!t->gone)
        return true;
    bool over = push_is_over(p, push_gone_since(p, "Users", t));
    if (!t->active && !over)
        return true;
    struct reconcile_line *l = line_of(p, t->active ? KIOPS_DEACTIVATE : KIOPS_DELETE_USER, &was);
    l->text =
        t->active ? days(p, "is not here any more") : STR("has not been here for long enough");
    push_finish(p, l, t, t->active ? active_difference(false) : (struct push_difference){0});
    return true;
}

bool push_users(struct push *p, struct error *err)
{
    if (!take_people(p, err))
        return false;
    for (struct push_there *t = p->users.by_id; t; t = t->by_id.next) {
        arena_reset(p->passing);
        if (push_was_ours(p, t) && !take_gone(p, t, err))
            return false;
    }
    return true;
}
