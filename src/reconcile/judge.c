/* A line before the rules: what it asks of them, and what becomes of it when they refuse. */
#include "reconcile/reconcile.h"

struct kiops_change reconcile_change(const struct reconcile_line *l)
{
    struct kiops_change what = {.kind = l->kind,
                                .subject = l->subject,
                                .subject_name = l->subject_name,
                                .organization = l->organization,
                                .organization_name = l->organization_name,
                                .operation = -1};
    if (l->kind == KIOPS_GRANT || l->kind == KIOPS_REVOKE)
        (void)kiops_permission_parse(l->kind == KIOPS_GRANT ? l->after : l->before,
                                     &what.permission);
    return what;
}

bool reconcile_refused(struct arena *a, struct reconcile_line *l, const struct kiops_verdict *v)
{
    if (v->status != KIOPS_REFUSED)
        return false;
    l->state = RECONCILE_REFUSED;
    l->code = arena_cstr(a, str_of(v->rule));
    l->text = arena_str(a, str_of(v->text));
    return true;
}

bool reconcile_judge(const struct kiops_actor *actor, struct arena *a, struct reconcile_line *l,
                     struct kiops_verdict *v)
{
    const struct kiops_change what = reconcile_change(l);
    *v = service_mend_judge(actor, &what);
    return !reconcile_refused(a, l, v);
}
