/* A new userName is a new DN: the entry moves by one modrdn, then the groups that name it follow.
 * Until they have, the entry keeps the old name among its values:
 * nobody else gets it, nor clears it out of the groups. */
#include "service/user_write.h"

static bool is_same_dn(const struct service_call *c, struct str one, struct str other)
{
    return str_eq(directory_dn_key(c->arena, one), directory_dn_key(c->arena, other));
}

bool user_rename_was_made(const struct user_write *w)
{
    return w->renamed_from.len && !is_same_dn(w->call, w->renamed_from, w->entry.dn);
}

/* Who stands where the new name leads: by our own modrdn, which was not answered and came late, it
 * is the user. */
static bool is_ours(const struct user_write *w, struct str dn, bool *ours, struct error *err)
{
    static const char *const attrs[] = {"entryUUID", NULL};
    const struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    struct directory_entries found;
    if (!directory_find(w->call->conn, w->call->arena, &s, &found, err))
        return false;
    *ours = found.count == 1 && str_ieq(found.at[0].id, w->id);
    return true;
}

enum step user_rename_claim(struct user_write *w, struct str new_rdn, struct error *err)
{
    struct str dn = naming_dn_with(w->call->arena, w->entry.dn, new_rdn);
    struct str name = json_get_str(w->after, "userName");
    if (!naming_is_fit(w->call, name, "userName", err))
        return STEP_FAILED;
    /* Another spelling of the same name is no other DN. */
    if (is_same_dn(w->call, dn, w->entry.dn) ||
        (user_write_name_is_free(w->call, name, w->id, err) &&
         naming_claim(w->call, dn, name, err)))
        return STEP_DONE;
    struct error taken = *err;
    bool ours;
    if (err->kind != ERR_UNIQUENESS || !w->renamed_from.len)
        return STEP_FAILED;
    error_clear(err);
    if (!is_ours(w, dn, &ours, err))
        return STEP_FAILED;
    if (ours)
        return STEP_AGAIN;
    *err = taken;
    return STEP_FAILED;
}

enum step user_rename(struct user_write *w, struct directory_target *target,
                      struct directory_mods *mods, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    struct str new_dn = naming_dn_with(c->arena, target->dn, target->new_rdn);
    /* One value in two spellings is one value. */
    target->keep_old_rdn = !is_same_dn(c, new_dn, target->dn);
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
    target->dn = new_dn;
    target->csn = result.post_csn;
    if (result.post)
        directory_drop_old_name(c->service->directory, result.post, w->renamed_from, mods);
    return result.post ? STEP_DONE : STEP_AGAIN;
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
    if (!naming_move(w->call, w->id, left, dn, err))
        return false;
    w->wrote = true;
    w->renamed_from = STR_NONE;
    return true;
}

/* The groups follow no more: the name that `dn` had goes. */
static bool give_up(const struct service_call *c, const struct directory_entry *e, struct str dn,
                    struct error *err)
{
    struct directory_result result = {0};
    struct directory_target target = {.dn = e->dn, .id = e->id};
    struct directory_mods mods;
    directory_mods_init(&mods, c->arena);
    directory_drop_old_name(c->service->directory, e, dn, &mods);
    return !mods.count || directory_modify(c->conn, &target, &mods, &result, err);
}

enum step rename_end(const struct service_call *c, const struct directory_entry *e,
                     struct error *err)
{
    const struct directory *d = c->service->directory;
    struct directory_user u;
    struct error odd = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target target = {.dn = e->dn, .id = e->id, .csn = e->csn, .want_post = true};
    struct directory_mods mods;
    struct str new_rdn;
    if (directory_is_protected(d, e->dn) || !directory_map_user(d, c->arena, e, &u, &odd))
        return STEP_DONE;
    struct str left = naming_former_dn(c, &u);
    if (!left.len)
        return STEP_DONE;
    struct directory_writer writer = access_writer(c);
    writer.client = STR_NONE; /* nobody's externalId changes */
    const struct directory_user_edit edit = {
        .entry = e, .before = &u, .after = u.resource, .writer = &writer};
    directory_mods_init(&mods, c->arena);
    if (!naming_move(c, e->id, left, e->dn, err) ||
        !directory_unmap_user(d, &edit, &mods, &new_rdn, err) ||
        !directory_modify(c->conn, &target, &mods, &result, err))
        return STEP_FAILED;
    if (result.outcome != DIRECTORY_DONE)
        return STEP_AGAIN;
    operation_apply_user(c, result.post);
    return STEP_DONE;
}

void user_rename_undo(struct user_write *w, const struct directory_target *target,
                      struct str old_dn)
{
    const struct service_call *c = w->call;
    struct error ignored = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target renamed = {.dn = target->dn,
                                       .id = w->id,
                                       .new_rdn = naming_rdn(old_dn),
                                       .keep_old_rdn = !is_same_dn(c, target->dn, old_dn),
                                       .want_post = true};
    bool back = directory_rename(c->conn, c->arena, &renamed, &result, &ignored) &&
                result.outcome == DIRECTORY_DONE;
    if (!back || !naming_move(c, w->id, target->dn, old_dn, &ignored) ||
        (result.post && !give_up(c, result.post, target->dn, &ignored)))
        LOG_WARN("user_keeps_new_name", LOG_S("user", w->id), LOG_C("reason", ignored.detail));
}
