/* A planned change, judged from memory. */
#include "service/foresee.h"

#include "service/internal.h"
#include "service/mend.h"

/* A deletion is judged as a whole, and by each organization that the person manages. */
static struct kiops_verdict foresee_delete(struct change *whole)
{
    struct kiops_verdict v = change_judge(whole);
    const struct directory_values *managed = &whole->sight.person.managers;
    for (size_t i = 0; v.status != KIOPS_REFUSED && i < managed->count; i++) {
        struct error never = ERROR_INIT;
        struct change part = {.call = whole->call,
                              .what = {.kind = KIOPS_DELETE_FROM,
                                       .subject = whole->what.subject,
                                       .organization = managed->at[i],
                                       .operation = -1}};
        if (!change_look(&part, false, &never) || !part.sight.has_organization)
            continue;
        struct kiops_verdict one = change_judge(&part);
        if (one.status == KIOPS_REFUSED)
            return one;
    }
    return v;
}

struct kiops_verdict service_foresee(const struct service_call *c, struct kiops_change *what,
                                     const struct service_foresight *before)
{
    struct error never = ERROR_INIT;
    struct change ch = {.call = c,
                        .what = *what,
                        .after_join = before->joins,
                        .activity = before->activates ? ACTIVITY_ON : ACTIVITY_AS_SEEN,
                        .leaving_managers = before->leaving_managers,
                        .coming_managers = before->coming_managers};
    if (before->makes || !change_look(&ch, false, &never))
        return service_mend_judge(&c->actor, what);
    struct kiops_verdict v =
        what->kind == KIOPS_DELETE_USER ? foresee_delete(&ch) : change_judge(&ch);
    if (!what->subject_name.len && what->subject.len)
        what->subject_name = ch.what.subject_name;
    if (!what->organization_name.len)
        what->organization_name = ch.what.organization_name;
    return v;
}
