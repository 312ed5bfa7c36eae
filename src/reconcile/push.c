/* Jobs of kind push: what is here, put to a SCIM provider. */
#include "reconcile/push.h"

#include "base/json.h"
#include "base/own.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)16 << 20)

/* ---- lines */

struct reconcile_line *push_line(struct push *p, enum kiops_change_kind kind)
{
    return reconcile_plan_add(p->plan, RECONCILE_PLANNED, kind);
}

static struct str text_of(struct arena *a, const json_t *value)
{
    OWNED_BUF struct buf text;
    buf_init(&text, TEXT_MAX);
    if (json_object_size(value))
        json_write(value, &text);
    return arena_str(a, buf_view(&text));
}

void push_finish(struct push *p, struct reconcile_line *l, const struct push_there *t,
                 struct push_difference difference)
{
    struct str *texts[] = {&l->subject,           &l->subject_name, &l->organization,
                           &l->organization_name, &l->subject_made, &l->organization_made,
                           &l->write.makes,       &l->text};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_str(p->arena, *texts[i]);
    l->before = text_of(p->arena, difference.before);
    l->after = text_of(p->arena, difference.after);
    l->write.version = t ? t->version : STR_NONE;
    reconcile_line_remote(p->arena, l, difference.after);
    json_decref(difference.before);
    if (l->state == RECONCILE_PLANNED)
        (void)reconcile_judge(&p->run->ground.actor, p->arena, l, &(struct kiops_verdict){0});
}

/* ---- what is gone */

instant_t push_gone_since(struct push *p, const char *type, const struct push_there *t)
{
    struct str key = arena_fmt(p->arena, "%s/" STR_FMT, type, STR_ARG(t->id));
    instant_t since = reconcile_gone_since(p->run->history, key);
    p->gone = arena_grow(p->arena, p->gone, sizeof *p->gone, p->gone_count, &p->gone_cap);
    p->gone[p->gone_count++] = key;
    return since == INSTANT_NONE ? p->now : since;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void tell_gone(struct push *p)
{
    if (p->gone_count)
        qsort(p->gone, p->gone_count, sizeof *p->gone, by_text);
    p->plan->gone = p->gone;
    p->plan->gone_count = p->gone_count;
}

/* A reading that missed somebody is never reason enough: they are looked for by their id. */
bool push_confirm_gone(struct push *p, enum replica_kind kind, struct push_there *t,
                       struct error *err)
{
    return service_shown_gone(&p->call, kind, t->external, &t->gone, err);
}

bool push_is_over(const struct push *p, instant_t since)
{
    return p->now - since >= p->run->job->delete_after_days * CLOCK_DAY_US;
}

/* ---- the whole */

static void set_matches(struct push *p)
{
    const struct config_strings *match = &p->run->job->match;
    p->by_external = p->by_name = !match->count;
    for (size_t i = 0; i < match->count; i++) {
        p->by_external |= str_ieq(match->at[i], STR("externalId"));
        p->by_name |= str_ieq(match->at[i], STR("userName"));
    }
}

static void clear(struct push_side *side)
{
    HASH_CLEAR(by_id, side->by_id);
    HASH_CLEAR(by_external, side->by_external);
    HASH_CLEAR(by_name, side->by_name);
}

static void count_managed(struct push *p)
{
    struct reconcile_population *n = &p->plan->population;
    for (const struct push_there *t = p->users.by_id; t; t = t->by_id.next) {
        bool managed = t->known || t->gone;
        n->users += managed;
        n->active += managed && t->active;
    }
    n->scope = HASH_COUNT(p->people);
}

bool reconcile_push(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct push *p = ARENA_NEW(r->ground.arena, struct push);
    *p = (struct push){.run = r,
                       .plan = out,
                       .arena = r->ground.arena,
                       .passing = passing,
                       .call = {.service = r->service,
                                .arena = passing,
                                .conn = r->ground.conn,
                                .actor = r->ground.actor},
                       .now = clock_now()};
    set_matches(p);
    bool read = push_read(p, err) && push_users(p, err) && (!r->job->groups || push_groups(p, err));
    if (read) {
        count_managed(p);
        tell_gone(p);
    }
    clear(&p->users);
    clear(&p->groups);
    HASH_CLEAR(hh, p->people);
    reconcile_plan_sort(out);
    return read;
}
