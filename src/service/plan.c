/* One request over several memberships: all refusals first, then what takes away, then what gives.
 * Joins of one organization share a modify. */
#include "service/internal.h"

#include <stdio.h>
#include <string.h>

/* Values in one modify of an organization; larger joins go in slices. */
#define SLICE 500

void plan_init(struct plan *p, const struct service_call *c)
{
    *p = (struct plan){.call = c};
}

struct change *plan_add(struct plan *p, enum kiops_change_kind kind, struct str user,
                        struct str organization, int operation)
{
    p->at = arena_grow(p->call->arena, p->at, sizeof *p->at, p->count, &p->cap);
    struct change *ch = &p->at[p->count++];
    *ch = (struct change){
        .call = p->call,
        .what = {
            .kind = kind, .subject = user, .organization = organization, .operation = operation}};
    return ch;
}

bool plan_has(const struct plan *p, enum kiops_change_kind kind)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].what.kind == kind)
            return true;
    return false;
}

static bool takes(enum kiops_change_kind kind)
{
    return kind == KIOPS_REMOVE || kind == KIOPS_DEMOTE || kind == KIOPS_REVOKE;
}

/* Managers that the request takes and makes together, so that each removal is judged on what the
 * whole leaves behind. */
static bool weigh_managers(struct plan *p, struct error *err)
{
    size_t leaving = 0, coming = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct change *ch = &p->at[i];
        if (ch->what.kind != KIOPS_REMOVE && ch->what.kind != KIOPS_DEMOTE &&
            ch->what.kind != KIOPS_PROMOTE)
            continue;
        if (!change_look(ch, false, err) || (change_takes_owner(ch) && !change_look(ch, true, err)))
            return false;
        leaving += takes(ch->what.kind) && change_counts_as_manager(ch);
        coming += ch->what.kind == KIOPS_PROMOTE && !change_counts_as_manager(ch) &&
                  ch->sight.person.active;
    }
    for (size_t i = 0; leaving && i < p->count; i++) {
        struct change *ch = &p->at[i];
        if (!takes(ch->what.kind) || !change_counts_as_manager(ch))
            continue;
        ch->leaving_managers = leaving - 1;
        ch->coming_managers = coming;
        p->promote_first = p->promote_first || (coming && ch->sight.other_managers < leaving);
    }
    return true;
}

/* Who is added, or approved, and promoted or granted something in one request is judged for that as
 * the member they will be (KB-R10). */
static bool joins_first(const struct plan *p, const struct change *more)
{
    if (more->what.kind != KIOPS_PROMOTE && more->what.kind != KIOPS_GRANT)
        return false;
    for (size_t i = 0; i < p->count; i++)
        if ((p->at[i].what.kind == KIOPS_ADD || p->at[i].what.kind == KIOPS_APPROVE) &&
            str_eq(p->at[i].what.subject, more->what.subject))
            return true;
    return false;
}

bool plan_judge_removals(const struct service_call *c, struct str organization, struct removals r,
                         struct error *err)
{
    struct kiops_verdict v = removal_tally_judge(c, organization, r);
    struct kiops_change what = {
        .kind = KIOPS_REMOVE, .organization = organization, .operation = -1};
    return v.status != KIOPS_REFUSED || operation_refuse(c, &v, &what, err);
}

/* KB-R20 again, now that the directory has said who is in: what is left to be removed of the plan's
 * one organization. */
static bool judge_left_removals(const struct plan *p, struct error *err)
{
    struct replica_organization o;
    size_t removals = 0, last = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->at[i].what.kind != KIOPS_REMOVE)
            continue;
        removals++;
        last = i;
    }
    if (!removals || !replica_organization(p->call->service->replica, p->call->arena,
                                           p->at[last].what.organization, &o))
        return true;
    return plan_judge_removals(p->call, o.id, (struct removals){removals, o.member_count}, err);
}

bool plan_decide(struct plan *p, struct error *err)
{
    if (!weigh_managers(p, err))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct change *ch = &p->at[i];
        ch->after_join = joins_first(p, ch);
        if (!change_decide(ch, false, err)) {
            operation_refused(p->call->service, err);
            struct kiops_record record = change_record(ch);
            if (err->rule[0])
                audit_refusal(p->call->service->audit, &record, p->call->request_id);
            return false;
        }
        if (!ch->nothing)
            p->at[kept++] = *ch;
    }
    p->count = kept;
    return judge_left_removals(p, err);
}

bool plan_intend(struct plan *p, const struct kiops_record *more, size_t more_count,
                 uint64_t *more_intents, struct error *err)
{
    size_t n = p->count + more_count;
    if (n == 0)
        return true;
    struct kiops_record *records = ARENA_ARRAY(p->call->arena, struct kiops_record, n);
    uint64_t *intents = ARENA_ARRAY(p->call->arena, uint64_t, n);
    for (size_t i = 0; i < more_count; i++)
        records[i] = more[i];
    for (size_t i = 0; i < p->count; i++)
        records[more_count + i] = change_record(&p->at[i]);
    struct audit_batch batch = {records, n, p->call->request_id};
    if (!audit_batch_intents(p->call->service->audit, &batch, intents, err))
        return false;
    for (size_t i = 0; i < more_count; i++)
        more_intents[i] = intents[i];
    for (size_t i = 0; i < p->count; i++)
        p->at[i].intent = intents[more_count + i];
    return true;
}

/* The error says what was done. */
static void tell_done(const struct plan *p, struct error *err)
{
    size_t done = 0, len = strlen(err->detail);
    bool part = false;
    for (size_t i = 0; i < p->count; i++) {
        const struct change *ch = &p->at[i];
        done += ch->done;
        /* A Manager's permissions go before the organization decides. */
        part = part || (ch->what.kind == KIOPS_REMOVE && ch->wrote && !ch->done);
    }
    if (!done && !part)
        return;
    snprintf(err->detail + len, sizeof err->detail - len,
             " (%zu of %zu changes of this request are made%s)", done, p->count,
             part ? ", and permissions taken" : "");
    /* A 404 says nothing but that; who has changed something there is told. */
    if (err->kind == ERR_NOT_FOUND)
        err->kind = ERR_CONFLICT;
}

bool plan_end(struct plan *p, struct error *err)
{
    if (!p->ended)
        tell_done(p, err);
    p->ended = true;
    for (size_t i = 0; i < p->count; i++) {
        if (p->at[i].finished || !p->at[i].intent)
            continue;
        audit_outcome(p->call->service->audit, p->at[i].intent,
                      p->at[i].wrote ? AUDIT_UNFINISHED : AUDIT_FAILED,
                      STR("an earlier change of the same request failed"));
        p->at[i].finished = true;
    }
    return false;
}

enum service_status plan_answered(const struct plan *p, enum service_status answered,
                                  struct error *err)
{
    if (answered == SERVICE_FAILED && err->kind == ERR_NOT_FOUND)
        tell_done(p, err);
    return answered;
}

/* What this request itself has done since the change was judged is to be seen: the member who is to
 * be promoted, the new Manager who stays when the old one goes. */
static bool look_after_own(const struct plan *p, struct change *ch, struct error *err)
{
    if (p->promote_first && takes(ch->what.kind))
        return change_look(ch, true, err);
    return !ch->after_join || change_look(ch, false, err);
}

static bool run_kind(struct plan *p, enum kiops_change_kind kind, struct error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        struct change *ch = &p->at[i];
        if (ch->what.kind != kind || ch->finished)
            continue;
        if (!look_after_own(p, ch, err))
            return plan_end(p, err);
        if (!change_run(ch, err))
            return plan_end(p, err);
    }
    return true;
}

/* One modify adds the slice to `member`; refused, each goes alone. */
static bool add_members(struct change *const *joins, size_t n, struct error *err)
{
    struct change *first = joins[0];
    struct arena *a = first->call->arena;
    struct replica_set_change *sets = ARENA_ARRAY(a, struct replica_set_change, n);
    struct str *dns = ARENA_ARRAY(a, struct str, n);
    struct directory_mods m;
    directory_mods_init(&m, a);
    for (size_t i = 0; i < n; i++) {
        sets[i] = operation_set(joins[i], 1, 0);
        dns[i] = joins[i]->sight.person.dn;
    }
    directory_mods_push(&m, DIRECTORY_ADD, member_attr(first->call), dns, n);
    return operation_modify_organization(first, &m, (struct set_changes){sets, n}, err) ==
           SENT_DONE;
}

static void collect(struct change *const *joins, size_t n, struct directory_search *s)
{
    const struct service_call *c = joins[0]->call;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct directory_search){.base = joins[i]->sight.person.dn,
                                         .scope = DIRECTORY_BASE,
                                         .attrs = directory_user_attrs(c->service->directory)};
}

static void finish(struct change *ch)
{
    audit_outcome(ch->call->service->audit, ch->intent, AUDIT_DONE, STR_NONE);
    ch->finished = ch->done = true;
}

/* The look of each, in one round trip; who is not as expected is looked at alone. */
static bool look_at_all(struct change *const *joins, size_t n, struct error *err)
{
    const struct service_call *c = joins[0]->call;
    struct directory_search *s = ARENA_ARRAY(c->arena, struct directory_search, n);
    struct directory_entries *found = ARENA_ARRAY(c->arena, struct directory_entries, n);
    collect(joins, n, s);
    if (!directory_find_all(c->conn, c->arena, (struct directory_searches){s, n}, found, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct change *ch = joins[i];
        struct directory_person now = {0};
        if (found[i].count == 1)
            directory_map_person(c->arena, &found[i].at[0], &now);
        bool odd = !str_eq(now.id, ch->what.subject) ||
                   operation_values_of(c->arena, &now.requests, ch->what.organization).count > 0;
        enum step step = odd ? operation_join_look(ch, err) : STEP_DONE;
        if (step == STEP_FAILED)
            return false;
        if (step == STEP_DONE)
            finish(ch);
    }
    return true;
}

static bool join_slice(struct change *const *joins, size_t n, struct error *err)
{
    struct change **claimed = ARENA_ARRAY(joins[0]->call->arena, struct change *, n);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        enum step step = operation_join_person(joins[i], err);
        if (step == STEP_FAILED)
            return false;
        if (step == STEP_DONE && !joins[i]->sight.in)
            claimed[k++] = joins[i];
    }
    if (k && add_members(claimed, k, err) && !look_at_all(claimed, k, err))
        return false;
    if (err->kind != ERR_NONE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!joins[i]->finished && !change_run_again(joins[i], err))
            return false;
    return true;
}

static bool run_joins(struct plan *p, struct error *err)
{
    struct change **joins = ARENA_ARRAY(p->call->arena, struct change *, p->count + 1);
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->at[i].what.kind == KIOPS_ADD && !p->at[i].finished)
            joins[n++] = &p->at[i];
    if (n == 1)
        return change_run(joins[0], err) || plan_end(p, err);
    for (size_t from = 0; from < n; from += SLICE)
        if (!join_slice(joins + from, n - from < SLICE ? n - from : SLICE, err))
            return plan_end(p, err);
    return true;
}

bool plan_take(struct plan *p, struct error *err)
{
    if (p->count == 0)
        return true;
    if (!access_confirm(p->call, p->at[0].what.organization, err))
        return plan_end(p, err);
    if (p->promote_first && (!run_joins(p, err) || !run_kind(p, KIOPS_PROMOTE, err)))
        return false;
    return run_kind(p, KIOPS_UNMAKE_ADMIN, err) && run_kind(p, KIOPS_REVOKE, err) &&
           run_kind(p, KIOPS_DEMOTE, err) && run_kind(p, KIOPS_REMOVE, err);
}

bool plan_give(struct plan *p, struct error *err)
{
    static const enum kiops_change_kind GIVE[] = {KIOPS_REQUEST,   KIOPS_REJECT,  KIOPS_WITHDRAW,
                                                  KIOPS_APPROVE,   KIOPS_PROMOTE, KIOPS_GRANT,
                                                  KIOPS_MAKE_ADMIN};
    if (!run_joins(p, err))
        return false;
    for (size_t i = 0; i < sizeof GIVE / sizeof *GIVE; i++)
        if (!run_kind(p, GIVE[i], err))
            return false;
    return true;
}
