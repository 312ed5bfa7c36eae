/* A source against what is here, record by record. */
#include "reconcile/difference.h"

#include "base/own.h"

void difference_init(struct difference *d, const struct reconcile_run *r,
                     struct reconcile_plan *plan, struct arena *passing)
{
    *d = (struct difference){
        .run = r,
        .plan = plan,
        .call = {.service = r->service, .arena = passing, .actor = r->ground.actor}};
}

static size_t members_of(const void *run, struct str organization)
{
    const struct reconcile_run *r = run;
    OWNED_ARENA struct arena *passing = arena_new();
    const struct service_call c = {
        .service = r->service, .arena = passing, .actor = r->ground.actor};
    return service_ours_members(&c, organization);
}

void reconcile_plan_know_members(struct reconcile_plan *p, const struct reconcile_run *r)
{
    if (!r->service)
        return;
    p->members_of = members_of;
    p->members = r;
}

static struct reconcile_line *line_of(struct difference *d, enum reconcile_state state,
                                      enum kiops_change_kind kind, const struct difference_seat *s)
{
    struct arena *a = d->plan->arena;
    struct reconcile_line *l = reconcile_plan_add(d->plan, state, kind);
    l->subject = arena_str(a, s->user);
    l->subject_made = arena_str(a, s->user_made);
    l->subject_name = arena_str(a, s->user_name);
    l->organization = arena_str(a, s->organization);
    l->organization_made = arena_str(a, s->organization_made);
    l->organization_name = arena_str(a, s->organization_name);
    l->text = arena_str(a, s->source);
    return l;
}

void difference_conflict(struct difference *d, const struct difference_seat *about,
                         const char *code, struct str text)
{
    struct reconcile_line *l = line_of(d, RECONCILE_CONFLICT, KIOPS_ADD, about);
    l->code = code;
    l->text =
        arena_fmt(d->plan->arena, STR_FMT ": " STR_FMT, STR_ARG(about->source), STR_ARG(text));
}

bool difference_create_organization(struct difference *d, struct str name, struct str source,
                                    struct str *made)
{
    struct arena *a = d->plan->arena;
    struct reconcile_line *l =
        reconcile_plan_add(d->plan, RECONCILE_PLANNED, KIOPS_CREATE_ORGANIZATION);
    *made = arena_fmt(a, "organization:" STR_FMT, STR_ARG(name));
    l->organization_name = arena_str(a, name);
    l->text = arena_str(a, source);
    l->write.makes = *made;
    json_t *body =
        json_pack("{s:[s],s:s%}", "schemas", SCIM_URN_GROUP, "displayName", name.at, name.len);
    reconcile_line_resource(a, l, body);
    reconcile_foresee(d->run, l, &(struct service_foresight){.makes = true});
    return l->state == RECONCILE_PLANNED;
}

/* ---- seats */

struct giving {
    struct difference *d;
    const struct difference_seat *wanted;
    struct service_seat here;
    struct service_foresight before;
};

static struct reconcile_line *give(struct giving *g, enum kiops_change_kind kind)
{
    struct reconcile_line *l = line_of(g->d, RECONCILE_PLANNED, kind, g->wanted);
    l->write.version = g->before.joins ? STR_NONE : arena_str(g->d->plan->arena, g->here.version);
    return l;
}

static void finish(struct giving *g, struct reconcile_line *l)
{
    reconcile_line_membership(g->d->plan->arena, l);
    reconcile_foresee(g->d->run, l, &g->before);
}

static void give_membership(struct giving *g)
{
    bool asks = g->d->run->ground.actor.push_request;
    if ((g->here.member && g->here.joined) || (asks && g->here.pending))
        return;
    struct reconcile_line *l = give(g, asks ? KIOPS_REQUEST : KIOPS_ADD);
    l->write.version = STR_NONE;
    l->after = kiops_role_name(KIOPS_MEMBER);
    finish(g, l);
    g->before.joins = l->state == RECONCILE_PLANNED;
}

static void give_role(struct giving *g)
{
    if (g->wanted->role == KIOPS_MANAGER && !g->here.manager) {
        struct reconcile_line *l = give(g, KIOPS_PROMOTE);
        l->before = kiops_role_name(KIOPS_MEMBER);
        l->after = kiops_role_name(KIOPS_MANAGER);
        finish(g, l);
    }
    if (g->wanted->role == KIOPS_PLATFORM_ADMIN && !g->here.admin) {
        struct reconcile_line *l = give(g, KIOPS_MAKE_ADMIN);
        l->before = kiops_role_name(g->here.manager ? KIOPS_MANAGER : KIOPS_MEMBER);
        l->after = kiops_role_name(KIOPS_PLATFORM_ADMIN);
        finish(g, l);
    }
}

static void give_permissions(struct giving *g)
{
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++) {
        if (!(g->wanted->permissions & 1U << p) || g->here.permissions & 1U << p)
            continue;
        struct reconcile_line *l = give(g, KIOPS_GRANT);
        l->attribute = STR("permissions");
        l->after = kiops_permission_name(p);
        finish(g, l);
    }
}

static void report_more(struct giving *g)
{
    static const char *const text = "has more than the source says; nothing is taken away";
    struct arena *a = g->d->plan->arena;
    if (g->here.manager && g->wanted->role == KIOPS_MEMBER) {
        struct reconcile_line *l = line_of(g->d, RECONCILE_REPORTED, KIOPS_DEMOTE, g->wanted);
        l->before = kiops_role_name(KIOPS_MANAGER);
        l->text = arena_fmt(a, STR_FMT ": %s", STR_ARG(g->wanted->source), text);
    }
    for (enum kiops_permission p = KIOPS_INFRA; p < KIOPS_PERMISSIONS; p++) {
        if (g->wanted->permissions & 1U << p || !(g->here.permissions & 1U << p))
            continue;
        struct reconcile_line *l = line_of(g->d, RECONCILE_REPORTED, KIOPS_REVOKE, g->wanted);
        l->attribute = STR("permissions");
        l->before = kiops_permission_name(p);
        l->text = arena_fmt(a, STR_FMT ": %s", STR_ARG(g->wanted->source), text);
    }
}

void difference_give(struct difference *d, const struct difference_seat *wanted)
{
    struct giving g = {.d = d, .wanted = wanted};
    g.before.makes = wanted->user_made.len || wanted->organization_made.len;
    if (!g.before.makes)
        service_ours_seat(&d->call, wanted->organization, wanted->user, &g.here);
    give_membership(&g);
    give_role(&g);
    give_permissions(&g);
    report_more(&g);
}
