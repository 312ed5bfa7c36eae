/* Drift: the directory against what was last asserted, and against itself. */
#include "reconcile/reconcile.h"

#include "service/findings.h"

/* What the job is to do about a finding. */
static enum reconcile_state wanted(const struct config_job *job, const struct service_finding *f)
{
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

static void judge(const struct reconcile_run *r, struct reconcile_line *l)
{
    const struct kiops_change change = {.kind = l->kind,
                                        .subject = l->subject,
                                        .subject_name = l->subject_name,
                                        .organization = l->organization,
                                        .organization_name = l->organization_name,
                                        .operation = -1};
    struct kiops_verdict v = service_mend_judge(&r->ground.actor, &change);
    if (v.status != KIOPS_REFUSED)
        return;
    l->state = RECONCILE_REFUSED;
    l->code = v.rule;
    l->text = arena_str(r->ground.arena, str_of(v.text));
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
    judge(r, l);
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
    for (size_t i = 0; i < found->count; i++)
        add(r, out, &found->at[i]);
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
