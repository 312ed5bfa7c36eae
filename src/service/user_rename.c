/* A new userName is a new DN: the entry moves by one modrdn, then the groups that name it follow
 * (DESIGN 3.3 "rename user"). */
#include "service/user_write.h"

static bool is_same_dn(const struct service_call *c, struct str one, struct str other)
{
    return str_eq(directory_dn_key(c->arena, one), directory_dn_key(c->arena, other));
}

bool user_rename_claim(struct user_write *w, struct str new_rdn, struct error *err)
{
    struct str dn = naming_dn_with(w->call->arena, w->entry.dn, new_rdn);
    /* Another spelling of the same name is no other DN. */
    return is_same_dn(w->call, dn, w->entry.dn) ||
           (user_write_name_is_free(w->call, json_get_str(w->after, "userName"), w->id, err) &&
            naming_claim(w->call, dn, err));
}

enum step user_rename(struct user_write *w, struct directory_target *target, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    bool answered = directory_rename(c->conn, c->arena, target, &result, err);
    if (!answered && result.outcome == DIRECTORY_UNKNOWN) {
        /* A modrdn writes no marker: where the entry stands says whether it was made. */
        w->renamed_from = target->dn;
        w->failing = true;
        atomic_fetch_add(&c->service->unknown_outcomes, 1);
        error_clear(err);
        return STEP_AGAIN;
    }
    enum step step = user_write_step(w, answered, &result, err);
    if (step != STEP_DONE)
        return step;
    w->wrote = true;
    w->renamed_from = target->dn;
    target->dn = naming_dn_with(c->arena, target->dn, target->new_rdn);
    target->csn = result.post_csn;
    return STEP_DONE;
}

struct str user_rename_left(const struct user_write *w)
{
    struct str dn = w->renamed_from.len ? w->renamed_from : naming_former_dn(w->call, &w->before);
    return dn.len && !is_same_dn(w->call, dn, w->entry.dn) ? dn : STR_NONE;
}

bool user_rename_finish(struct user_write *w, struct str dn, struct error *err)
{
    struct str left = w->renamed_from.len ? w->renamed_from : user_rename_left(w);
    if (!left.len || is_same_dn(w->call, left, dn))
        return true;
    if (!naming_move(w->call, left, dn, err))
        return false;
    w->wrote = true;
    w->renamed_from = STR_NONE;
    return true;
}

void user_rename_undo(struct user_write *w, const struct directory_target *target,
                      struct str old_dn)
{
    const struct service_call *c = w->call;
    struct error ignored = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target renamed = {
        .dn = target->dn, .id = w->id, .new_rdn = naming_rdn(old_dn)};
    bool back = directory_rename(c->conn, c->arena, &renamed, &result, &ignored) &&
                result.outcome == DIRECTORY_DONE;
    if (!back || !naming_move(c, target->dn, old_dn, &ignored))
        LOG_WARN("user_keeps_new_name", LOG_S("user", w->id), LOG_C("reason", ignored.detail));
}
