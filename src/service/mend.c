/* One modify of a reconciliation: judge, intent, look, modify, outcome. */
#include "service/mend.h"

#include "base/own.h"
#include "service/internal.h"

bool service_mend_actor(const struct mend_ground *g, struct str as, struct kiops_actor *out,
                        struct error *err)
{
    struct service service = {.config = g->config, .directory = g->directory};
    struct str name = str_sub(as, sizeof "token:" - 1, as.len);
    struct directory_search s = directory_search_token(g->directory, g->arena, name);
    struct directory_entries found;
    struct directory_token t;
    if (!directory_find(g->conn, g->arena, &s, &found, err))
        return false;
    if (found.count != 1)
        return error_set(err, ERR_UNAUTHORIZED,
                         "the job acts as token:" STR_FMT ", which does not exist; make it with "
                         "`kiops-bridge token create " STR_FMT
                         " --role PlatformAdmin --expires ...`",
                         STR_ARG(str_sub(name, 0, 100)), STR_ARG(str_sub(name, 0, 100)));
    if (!directory_map_token(g->arena, &found.at[0], &t, err))
        return false;
    struct error over = ERROR_INIT;
    return access_actor_of_token(&service, &t, out, &over) ||
           error_set(err, ERR_UNAUTHORIZED,
                     "token:" STR_FMT ", as which the job acts, has expired; make a new one",
                     STR_ARG(str_sub(name, 0, 100)));
}

struct kiops_verdict service_mend_judge(const struct kiops_actor *actor,
                                        const struct kiops_change *change)
{
    const struct kiops_state state = {
        .subject_exists = true,
        .subject_active = true,
        .subject_in = change->kind != KIOPS_REJECT,
        .subject_pending = change->kind == KIOPS_REJECT,
        .subject_rejected = INSTANT_NONE,
        .organization_exists = true,
        .other_managers = 1,
        .other_admins = 1,
        .now = clock_now(),
    };
    return kiops_judge(actor, change, &state);
}

/* ---- what must hold outside the entry that is written */

static struct directory_search base_search(const struct mend_ground *g, struct str dn)
{
    return (struct directory_search){
        .base = dn, .scope = DIRECTORY_BASE, .attrs = directory_user_attrs(g->directory)};
}

/* `*holds`: nobody has the DN, or the person is as they were. */
static bool look_before(const struct mend_ground *g, const struct service_mend *m, bool *holds,
                        struct error *err)
{
    struct str dn = m->nobody.len ? m->nobody : m->person;
    struct directory_search s = base_search(g, dn);
    struct directory_entries found;
    *holds = true;
    if (!dn.len)
        return true;
    if (!directory_find(g->conn, g->arena, &s, &found, err))
        return false;
    *holds = m->nobody.len ? found.count == 0 && !directory_is_protected(g->directory, dn)
                           : found.count == 1 && str_eq(found.at[0].csn, m->person_csn);
    return true;
}

static bool made_since(const struct mend_ground *g, const struct service_mend *m,
                       const struct directory_entry *e)
{
    struct directory_person now;
    directory_map_person(g->arena, e, &now);
    bool platform = str_eq(m->manages, STR("platform"));
    const struct directory_values *all = platform ? &now.joined : &now.managers;
    return operation_values_of(g->arena, all, m->manages).count > 0;
}

/* A promotion writes the person first: one that began behind our look has its value taken by us,
 * and gets it back. */
static void look_after(const struct mend_ground *g, const struct service_mend *m)
{
    struct directory_search s = base_search(g, m->person);
    struct directory_entries found;
    struct error err = ERROR_INIT;
    struct directory_result result;
    struct directory_mods back;
    if (!m->manages.len)
        return;
    if (!directory_find(g->conn, g->arena, &s, &found, &err) || found.count != 1 ||
        str_eq(found.at[0].csn, m->person_csn) || !made_since(g, m, &found.at[0]))
        return;
    directory_mods_init(&back, g->arena);
    bool platform = str_eq(m->manages, STR("platform"));
    if (!platform)
        directory_mods_prove_there(&back, "member", m->person);
    directory_mods_one(&back, DIRECTORY_ADD, platform ? "member" : "owner", m->person);
    const struct directory_target target = {.dn = m->dn, .id = m->id};
    if (!directory_modify(g->conn, &target, &back, &result, &err))
        LOG_WARN("mend_not_put_back", LOG_S("run", g->run), LOG_C("reason", err.detail));
}

static enum mend_outcome outcome_of(bool answered, const struct directory_result *r)
{
    if (answered)
        return r->outcome == DIRECTORY_DONE ? MEND_DONE : MEND_MOVED;
    return r->outcome == DIRECTORY_REFUSED ? MEND_REFUSED : MEND_BROKEN;
}

bool service_mend_intend(const struct mend_ground *g, struct mend_records records,
                         uint64_t *intents, struct error *err)
{
    const struct audit_batch batch = {records.at, records.count, g->run};
    return audit_batch_intents(g->audit, &batch, intents, err);
}

void service_mend_leave(const struct mend_ground *g, uint64_t intent)
{
    audit_outcome(g->audit, intent, AUDIT_FAILED, STR("not begun"));
}

static enum mend_outcome mend(const struct mend_ground *g, const struct service_mend *m,
                              struct mend_result *result, struct error *err)
{
    const struct directory_target target = {.dn = m->dn, .id = m->id, .csn = m->csn};
    struct directory_result r = {0};
    bool holds;
    if (!look_before(g, m, &holds, err))
        return MEND_BROKEN;
    if (!holds)
        return MEND_MOVED;
    bool answered = directory_modify(g->conn, &target, &m->mods, &r, err);
    enum mend_outcome outcome = outcome_of(answered, &r);
    if (outcome == MEND_DONE)
        look_after(g, m);
    *result = (struct mend_result){.pre_csn = r.pre_csn, .post_csn = r.post_csn};
    return outcome;
}

enum mend_outcome service_mend(const struct mend_ground *g, const struct service_mend *m,
                               uint64_t intent, struct mend_result *result, struct error *err)
{
    static const enum audit_result results[] = {[MEND_DONE] = AUDIT_DONE,
                                                [MEND_MOVED] = AUDIT_LOST_RACE,
                                                [MEND_REFUSED] = AUDIT_FAILED,
                                                [MEND_BROKEN] = AUDIT_UNKNOWN};
    *result = (struct mend_result){0};
    enum mend_outcome outcome = mend(g, m, result, err);
    audit_outcome(g->audit, intent, results[outcome], str_of(err->detail));
    return outcome;
}

bool service_mend_release(const struct mend_ground *g, const struct mend_release *r,
                          struct error *err)
{
    OWNED_JSON json_t *o = json_object();
    OWNED_BUF struct buf text;
    uint64_t intent;
    json_put_str(o, "guard", r->guard);
    json_put(o, "allowed", json_integer(r->allowed));
    json_put_str(o, "reason", r->reason);
    buf_init(&text, (size_t)1 << 20);
    json_write(o, &text);
    const struct kiops_record record = {
        .actor = {.kind = KIOPS_ACTOR_OPERATOR, .id = r->operator_name},
        .kind = KIOPS_RELEASE_GUARD,
        .rule = "KB-R17",
        .after = buf_view(&text)};
    if (!audit_intent(g->audit, &record, g->run, &intent, err))
        return false;
    audit_outcome(g->audit, intent, AUDIT_DONE, STR_NONE);
    return true;
}
