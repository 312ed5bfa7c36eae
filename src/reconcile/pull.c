/* Jobs of kind pull: a remote SCIM system, read to its end, against what is here. Whom the job
 * brought, or recognised, is linked by externalId (the source's id); nobody else is touched. */
#include "reconcile/pull.h"

#include "base/own.h"

static bool prefix(struct error *err, const struct error *why)
{
    return error_set(err, why->kind, "KB-C105: %s", why->detail);
}

bool pull_list(struct pull *p, const struct remote_query *q, const struct pull_taking *to,
               struct error *err)
{
    OWNED_ARENA struct arena *reading = arena_new();
    struct error why = ERROR_INIT;
    struct remote_list *list;
    const json_t *resource = NULL;
    if (!remote_list_begin(p->remote, reading, q, &list, &why))
        return prefix(err, &why);
    do {
        if (!remote_list_next(list, &resource, &why))
            return prefix(err, &why);
        arena_reset(p->passing);
        if (resource)
            to->take(to->arg, resource);
    } while (resource);
    return true;
}

static bool has(const struct config_strings *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->at[i], str_of(word)))
            return true;
    return false;
}

static bool read_all(struct pull *p, struct error *err)
{
    p->remote = p->run->provider;
    if (!pull_read_people(p, err))
        return false;
    pull_plan_people(p);
    return !p->run->job->groups || pull_groups(p, err);
}

static void forget(struct pull *p)
{
    HASH_CLEAR(by_id, p->people);
    HASH_CLEAR(by_external, p->by_external);
    HASH_CLEAR(by_name, p->by_name);
    HASH_CLEAR(hh, p->records);
}

bool reconcile_pull(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct pull p = {.run = r,
                     .plan = out,
                     .arena = r->ground.arena,
                     .passing = passing,
                     .user = service_type(r->service, REPLICA_USER),
                     .group = service_type(r->service, REPLICA_GROUP),
                     .by_user_name = has(&r->job->match, "userName")};
    difference_init(&p.difference, r, out, passing);
    p.context = (struct scim_context){.arena = passing,
                                      .type = p.user,
                                      .dialect = scim_dialect_find(STR("default")),
                                      .limits = service_limits(r->ground.config)};
    bool read = reconcile_resume(r, out, err) && read_all(&p, err);
    out->population.users = p.linked;
    out->population.active = p.active;
    out->population.scope = service_ours_users(&p.difference.call);
    out->population.source = p.read;
    forget(&p);
    if (read)
        reconcile_plan_sort(out);
    return read;
}
