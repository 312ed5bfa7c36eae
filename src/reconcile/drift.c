/* Drift: the directory against what was last asserted, and against itself. */
#include "reconcile/reconcile.h"

#include "base/own.h"
#include "reconcile/difference.h"
#include "service/findings.h"

/* What the job is to do about a finding. */
static enum reconcile_state wanted(const struct config_job *job, const struct service_finding *f)
{
    if (job->kind != CONFIG_JOB_DRIFT)
        return RECONCILE_PLANNED;
    switch (f->about) {
    case FINDING_ATTRIBUTES:
        return RECONCILE_PLANNED;
    case FINDING_ROLES:
        return job->roles == CONFIG_ENFORCE ? RECONCILE_PLANNED : RECONCILE_REPORTED;
    case FINDING_DANGLING:
        return job->dangling == CONFIG_ENFORCE ? RECONCILE_PLANNED : RECONCILE_REPORTED;
    case FINDING_CONFLICT:
        return RECONCILE_CONFLICT;
    case FINDING_OTHER:
        break;
    }
    return RECONCILE_REPORTED;
}

static void add(const struct reconcile_run *r, struct reconcile_plan *p,
                const struct service_finding *f)
{
    enum reconcile_state state = wanted(r->job, f);
    if (state == RECONCILE_PLANNED && !f->mend.mods.count)
        state = RECONCILE_CONFLICT;
    struct reconcile_line *l = reconcile_plan_add(p, state, f->kind);
    l->code = f->code;
    l->subject = f->subject;
    l->subject_name = f->subject_name;
    l->organization = f->organization;
    l->organization_name = f->organization_name;
    l->attribute = f->attribute;
    l->before = f->before;
    l->after = f->after;
    l->text = f->text;
    l->by = f->by;
    l->at = f->at;
    if (state != RECONCILE_PLANNED)
        return;
    l->means = RECONCILE_MODIFY;
    l->mend = f->mend;
    l->then = f->mend.csn;
    (void)reconcile_judge(&r->ground.actor, r->ground.arena, l, &(struct kiops_verdict){0});
}

/* ---- adopting: what stands in the group alone counts from now on, as a Manager or PlatformAdmin
 * would make it count */

static bool is_same_seat(const struct service_finding *a, const struct service_finding *b)
{
    return str_eq(a->subject, b->subject) && str_eq(a->organization, b->organization);
}

/* An owner is adopted as Manager, who is a member with a join date, too. */
static bool adopt(struct difference *d, const struct service_finding *f,
                  const struct service_finding *before)
{
    const bool owner = str_eq(str_of(f->code), STR("KB-C205"));
    const bool member = str_eq(str_of(f->code), STR("KB-C207"));
    const struct difference_seat wanted = {
        .organization = f->organization,
        .organization_name = f->organization_name,
        .user = f->subject,
        .user_name = f->subject_name,
        .role = owner ? KIOPS_MANAGER : KIOPS_MEMBER,
        .takes = true,
        .source = arena_fmt(d->call.arena, "%s: " STR_FMT, f->code, STR_ARG(f->text))};
    if (!owner && !member)
        return false;
    if (owner || !before || !is_same_seat(f, before) ||
        !str_eq(str_of(before->code), STR("KB-C205")))
        difference_seat(d, &wanted);
    return true;
}

static void take_all(const struct reconcile_run *r, struct reconcile_plan *p,
                     const struct service_findings *found)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct difference d;
    if (r->service)
        difference_init(&d, r, p, passing);
    for (size_t i = 0; i < found->count; i++) {
        arena_reset(passing);
        const struct service_finding *f = &found->at[i];
        if (!r->service || !adopt(&d, f, i ? f - 1 : NULL))
            add(r, p, f);
    }
}

bool reconcile_mend_roles(const struct reconcile_run *r, struct str user,
                          struct reconcile_plan *out, struct error *err)
{
    const struct findings_wanted w = {.since = clock_now()};
    struct service_findings *found = ARENA_NEW(r->ground.arena, struct service_findings);
    if (!service_findings_read(&r->ground, &w, found, err))
        return false;
    for (size_t i = 0; i < found->count; i++)
        if (found->at[i].about == FINDING_ROLES && str_eq(found->at[i].subject, user)) {
            add(r, out, &found->at[i]);
            if (str_eq(str_of(found->at[i].code), STR("KB-C218")))
                out->renamed = user;
        }
    return true;
}

static size_t members_of(const void *members, struct str organization)
{
    return service_findings_members(members, organization);
}

bool reconcile_drift(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    struct service_findings *found = ARENA_NEW(r->ground.arena, struct service_findings);
    const struct findings_wanted w = {.since = r->history->at,
                                      .attributes = r->job->attributes == CONFIG_ASSERTED_WINS};
    if (!service_findings_read(&r->ground, &w, found, err))
        return false;
    take_all(r, out, found);
    out->members_of = members_of;
    out->members = found;
    out->population = (struct reconcile_population){.users = found->users,
                                                    .active = found->active,
                                                    .managers = found->managers,
                                                    .permissions = found->permissions,
                                                    .scope = found->users};
    reconcile_plan_sort(out);
    return true;
}
