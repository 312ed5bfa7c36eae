/* A line backwards: what takes back what it did. */
#include "reconcile/reconcile.h"

#include "base/json.h"
#include "base/own.h"

#define BEFORE_DEPTH 32

static const struct str TAKES_BACK = STR_INIT("takes back what the run did");

struct reversing {
    struct reconcile_plan *plan;
    const struct reconcile_line *line;
    const struct reconcile_done *made;
};

static enum kiops_change_kind opposite(enum kiops_change_kind kind)
{
    static const enum kiops_change_kind pairs[][2] = {
        {KIOPS_REMOVE, KIOPS_ADD},
        {KIOPS_DEMOTE, KIOPS_PROMOTE},
        {KIOPS_REVOKE, KIOPS_GRANT},
        {KIOPS_UNMAKE_ADMIN, KIOPS_MAKE_ADMIN},
        {KIOPS_DEACTIVATE, KIOPS_REACTIVATE},
        {KIOPS_DELETE_USER, KIOPS_CREATE_USER},
        {KIOPS_DELETE_ORGANIZATION, KIOPS_CREATE_ORGANIZATION},
        {KIOPS_REJECT, KIOPS_REQUEST}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (kind == pairs[i][0] || kind == pairs[i][1])
            return kind == pairs[i][0] ? pairs[i][1] : pairs[i][0];
    return kind;
}

/* ---- modifies */

static bool can_turn_round(const struct reconcile_line *l)
{
    const struct directory_mods *mods = &l->mend.mods;
    for (size_t i = 0; i < mods->count; i++)
        if (mods->at[i].op == DIRECTORY_REPLACE || !mods->at[i].count)
            return false;
    return true;
}

static void turn_round(const struct reversing *r)
{
    struct reconcile_line *l = reconcile_plan_add(r->plan, RECONCILE_PLANNED, r->line->kind);
    *l = *r->line;
    struct directory_mods *mods = &l->mend.mods;
    l->kind = opposite(r->line->kind);
    l->before = r->line->after;
    l->after = r->line->before;
    l->text = TAKES_BACK;
    l->by = l->at = STR_NONE;
    l->mend.person = l->mend.person_csn = l->mend.manages = STR_NONE;
    for (size_t i = 0, k = mods->count; i < k; i++, k--) {
        struct directory_mod low = mods->at[i], high = mods->at[k - 1];
        mods->at[i] = high;
        mods->at[k - 1] = low;
    }
    for (size_t i = 0; i < mods->count; i++)
        mods->at[i].op = mods->at[i].op == DIRECTORY_ADD ? DIRECTORY_DELETE : DIRECTORY_ADD;
    if (l->mend.csn.len) {
        l->mend.csn = r->made->outcome.is;
        l->then = r->made->outcome.was;
    }
}

/* ---- requests */

static struct reconcile_line *back(const struct reversing *r, enum kiops_change_kind kind)
{
    struct reconcile_line *l = reconcile_plan_add(r->plan, RECONCILE_PLANNED, kind);
    *l = (struct reconcile_line){.state = RECONCILE_PLANNED,
                                 .kind = kind,
                                 .code = "",
                                 .subject = r->line->subject,
                                 .subject_name = r->line->subject_name,
                                 .organization = r->line->organization,
                                 .organization_name = r->line->organization_name,
                                 .attribute = r->line->attribute,
                                 .text = TAKES_BACK,
                                 .before = r->line->after,
                                 .after = r->line->before};
    l->write.version = r->made->outcome.is;
    return l;
}

static void conflict(const struct reversing *r, struct str text)
{
    struct reconcile_line *l = reconcile_plan_add(r->plan, RECONCILE_CONFLICT, r->line->kind);
    *l = *r->line;
    l->state = RECONCILE_CONFLICT;
    l->code = "";
    l->text = text;
}

/* What stood there before, as the journal has it. NULL: it has not. */
static json_t *before_of(const struct reconcile_line *l)
{
    struct error odd = ERROR_INIT;
    json_t *o = json_load_strict(l->before, (struct json_limits){.depth = BEFORE_DEPTH}, &odd);
    return json_is_object(o) ? o : (json_decref(o), NULL);
}

/* A membership that was removed comes back with what went with it, one line each. */
static void join_again(const struct reversing *r, const json_t *seat)
{
    struct arena *a = r->plan->arena;
    const json_t *permissions = json_object_get(seat, "permissions");
    struct reconcile_line *l = back(r, KIOPS_ADD);
    l->before = l->write.version = STR_NONE;
    l->after = kiops_role_name(KIOPS_MEMBER);
    l->text = STR("takes back what the run did: as a new member, whose join date is new");
    reconcile_line_membership(a, l);
    if (str_eq(json_get_str(seat, "role"), kiops_role_name(KIOPS_MANAGER))) {
        l = back(r, KIOPS_PROMOTE);
        l->before = kiops_role_name(KIOPS_MEMBER);
        l->after = kiops_role_name(KIOPS_MANAGER);
        l->write.version = STR_NONE;
        reconcile_line_membership(a, l);
    }
    for (size_t i = 0; i < json_array_size(permissions); i++) {
        l = back(r, KIOPS_GRANT);
        l->attribute = STR("permissions");
        l->before = l->write.version = STR_NONE;
        l->after = arena_str(a, json_str(json_array_get(permissions, i)));
        reconcile_line_membership(a, l);
    }
}

/* Whom the run made goes, unless somebody gave them something since. */
static void unmake(const struct reversing *r, enum kiops_change_kind kind)
{
    struct reconcile_line *l = back(r, kind);
    *(kind == KIOPS_DELETE_USER ? &l->subject : &l->organization) = r->made->outcome.id;
    l->write.bare = kind == KIOPS_DELETE_USER;
    reconcile_line_resource(r->plan->arena, l, NULL);
}

static void make_again(const struct reversing *r, enum kiops_change_kind kind, json_t *before)
{
    struct reconcile_line *l = back(r, kind);
    bool user = kind == KIOPS_CREATE_USER;
    *(user ? &l->subject : &l->organization) = l->write.version = STR_NONE;
    l->before = STR_NONE;
    l->text = user ? STR("takes back a deletion, as a new person: new id, no roles, no password")
                   : STR("takes back a deletion, as a new organization: new id, no members");
    reconcile_line_resource(r->plan->arena, l, json_incref(before));
}

static void reverse_request(const struct reversing *r)
{
    enum kiops_change_kind kind = opposite(r->line->kind);
    struct reconcile_request request;
    OWNED_JSON json_t *before = before_of(r->line);
    bool membership =
        reconcile_request_of(r->line->kind, &request) && request.resource == REPLICA_MEMBERSHIP;
    bool makes = kind == KIOPS_CREATE_USER || kind == KIOPS_CREATE_ORGANIZATION;
    bool unmakes = kind == KIOPS_DELETE_USER || kind == KIOPS_DELETE_ORGANIZATION;
    bool needs_before = (!membership && !unmakes) || r->line->kind == KIOPS_REMOVE;
    if (needs_before && !before)
        conflict(r, STR("what was before is not in the journal: take it back by hand"));
    else if (r->line->kind == KIOPS_REMOVE)
        join_again(r, before);
    else if (membership)
        reconcile_line_membership(r->plan->arena,
                                  back(r, r->line->kind == KIOPS_REQUEST ? KIOPS_REMOVE : kind));
    else if (unmakes)
        unmake(r, kind);
    else if (makes)
        make_again(r, kind, before);
    else
        reconcile_line_resource(r->plan->arena, back(r, kind), json_incref(before));
}

static void reverse_one(const struct reversing *r)
{
    if (r->made->over && !r->made->done)
        return;
    if (!r->made->over)
        conflict(r, STR("broken off while it was made: look at the entry"));
    else if (r->line->means == RECONCILE_WRITE)
        reverse_request(r);
    else if (r->line->means == RECONCILE_REMOTE)
        reconcile_push_reverse(r->plan, r->line, r->made);
    else if (!can_turn_round(r->line))
        conflict(r, STR("an attribute was taken out as a whole: put it back by hand"));
    else
        turn_round(r);
}

/* The version that the run left an organization in which it made itself: who came into it since
 * goes with it, unless somebody else has changed it. */
static struct str left_as(const struct reconcile_plan *was, const struct reconcile_done *made,
                          struct str key)
{
    struct str last = STR_NONE;
    for (size_t i = 0; i < was->count; i++)
        if (made[i].done && str_eq(was->at[i].organization_made, key))
            last = made[i].outcome.place;
    return last;
}

void reconcile_reverse(struct reconcile_plan *out, const struct reconcile_plan *was,
                       const struct reconcile_done *made)
{
    for (size_t i = was->count; i > 0; i--) {
        const struct reconcile_line *l = &was->at[i - 1];
        struct reconcile_done m = made[i - 1];
        const struct reversing r = {.plan = out, .line = l, .made = &m};
        if (m.done && l->organization_made.len && l->means == RECONCILE_WRITE)
            continue;
        struct str left = l->kind == KIOPS_CREATE_ORGANIZATION && l->write.makes.len
                              ? left_as(was, made, l->write.makes)
                              : STR_NONE;
        if (left.len)
            m.outcome.is = left;
        reverse_one(&r);
    }
}
