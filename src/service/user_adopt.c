/* A POST of somebody who is in the directory already and whom no client asserted yet takes the
 * entry over (directory.users.adopt). One modify claims it: of two clients one is told 409. What
 * that cannot hold (another name, activity, roles, a password) follows as a PUT would write it. */
#include "service/user_write.h"

#include "base/unicode.h"

#define IDS_TOLD 2 /* what an error has room for */

static bool say_several(const struct user_write *w, const struct directory_entries *found,
                        struct error *err)
{
    return error_set(err, ERR_UNIQUENESS,
                     "%zu users have this " STR_FMT "; none is taken over: " STR_FMT ", " STR_FMT
                     "%s",
                     found->count, STR_ARG(w->call->service->config->directory.users.adopt),
                     STR_ARG(found->at[0].id), STR_ARG(found->at[1].id),
                     found->count > IDS_TOLD ? " and more" : "");
}

static bool say_taken(const struct user_write *w, struct error *err)
{
    error_clear(err);
    struct str adopt = w->call->service->config->directory.users.adopt;
    return error_set(err, ERR_UNIQUENESS,
                     STR_FMT " is taken by another user (" STR_FMT "); find and change that one",
                     STR_ARG(adopt), STR_ARG(w->id));
}

bool user_adopt_find(struct user_write *w, const struct directory_mods *attrs, json_t *posted,
                     struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s = directory_search_adoptable(c->service->directory, attrs);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    if (found.count > 1)
        return say_several(w, &found, err);
    if (found.count == 0)
        return true;
    w->id = found.at[0].id;
    w->posted = posted;
    return true;
}

/* ---- the claim */

struct claim {
    struct directory_entry was;
    struct directory_mods mods;
    struct str csn; /* of what it left */
};

static bool is_plain(const struct user_write *w)
{
    return json_get_bool(w->after, "active", true) == w->before.person.active &&
           str_eq(json_get_str(w->after, "userName"), w->before.user_name);
}

/* The whole in one modify; where that would need more, the entry as it is with our mark. */
static bool unmap(const struct user_write *w, struct directory_mods *mods, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_user_edit edit = {.entry = &w->entry,
                                       .before = &w->before,
                                       .after = w->after,
                                       .writer = &w->writer,
                                       .adopts = true};
    struct str new_rdn = STR_NONE;
    directory_mods_init(mods, c->arena);
    if (is_plain(w) && !directory_unmap_user(c->service->directory, &edit, mods, &new_rdn, err))
        return false;
    if (mods->count && !new_rdn.len)
        return true;
    json_t *as_it_is = json_copy(w->before.resource);
    struct str external = json_get_str(w->posted, "externalId");
    if (external.len)
        json_put_str(as_it_is, "externalId", external);
    json_keep(c->arena, as_it_is);
    edit.after = as_it_is;
    directory_mods_init(mods, c->arena);
    return directory_unmap_user(c->service->directory, &edit, mods, &new_rdn, err);
}

/* As it is now: is it still nobody's? */
static bool look(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    if (!user_change_read(w, err))
        return err->kind == ERR_NOT_FOUND ? say_taken(w, err) : false;
    if (w->before.asserted)
        return say_taken(w, err);
    struct str name = json_get_str(w->posted, "userName");
    w->after = directory_adopted_user(c->service->directory, c->arena, &w->before, w->posted);
    json_keep(c->arena, w->after);
    return user_roles_take(w, NULL, w->after, err) &&
           (str_eq(unicode_key(c->arena, name), unicode_key(c->arena, w->before.user_name)) ||
            user_write_name_is_free(c, name, w->id, err));
}

static enum step claim_once(struct user_write *w, struct claim *claim, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    if (!look(w, err) || !unmap(w, &claim->mods, err) ||
        !user_write_intend(w, KIOPS_CREATE_USER, w->rule, err))
        return STEP_FAILED;
    claim->was = w->entry;
    struct directory_target target = {.dn = w->entry.dn,
                                      .id = w->id,
                                      .csn = w->entry.csn,
                                      .extra = directory_adopt_assertion(&w->entry),
                                      .want_post = true};
    bool answered = directory_modify(c->conn, &target, &claim->mods, &result, err);
    enum step step = user_write_step(w, answered, &result, err);
    if (step != STEP_DONE)
        return step;
    operation_apply_user(c, result.post);
    claim->csn = result.post ? result.post->csn : w->entry.csn;
    LOG_INFO("user_adopted", LOG_S("user", w->id), LOG_S("client", w->writer.client));
    return STEP_DONE;
}

static enum step claim_it(struct user_write *w, struct claim *claim, struct error *err)
{
    enum step step = STEP_AGAIN;
    for (int tries = 0; step == STEP_AGAIN && tries <= TRIES_BEFORE; tries++)
        step = claim_once(w, claim, err);
    return step;
}

/* Refused after the claim, with nothing else written: the entry is nobody's again. */
static void give_back(struct user_write *w, const struct claim *claim)
{
    const struct service_call *c = w->call;
    struct error ignored = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target target = {
        .dn = claim->was.dn, .id = w->id, .csn = claim->csn, .want_post = true};
    struct directory_mods undo;
    directory_mods_init(&undo, c->arena);
    directory_adopt_undo(&claim->was, &claim->mods, &undo);
    bool back = claim->csn.len && directory_modify(c->conn, &target, &undo, &result, &ignored) &&
                result.outcome == DIRECTORY_DONE;
    if (back) {
        operation_apply_user(c, result.post);
        return;
    }
    w->wrote = true;
    LOG_WARN("user_left_adopted", LOG_S("user", w->id), LOG_C("reason", ignored.detail));
}

enum service_status user_adopt(struct user_write *w, struct service_result *out, struct error *err)
{
    struct claim claim = {0};
    enum step step = claim_it(w, &claim, err);
    if (step == STEP_DONE) {
        step = user_change_steps(w, err);
        if (step != STEP_DONE && !w->wrote && !w->doubtful)
            give_back(w, &claim);
    }
    enum service_status answered = user_change_finish(w, step, out, err);
    return answered == SERVICE_OK ? SERVICE_CREATED : answered;
}
