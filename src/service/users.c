/* Users: read and create. */
#include "service/user_write.h"

#include <stdio.h>
#include <string.h>

enum service_status service_user_get(const struct service_call *c, struct str id,
                                     struct service_result *out, struct error *err)
{
    struct service *s = c->service;
    const struct replica_ask ask = {REPLICA_USER, id, &c->actor, {.members = true}};
    struct directory_person known;
    struct replica_text text;
    if (!service_readable(s, err))
        return SERVICE_FAILED;
    bool found = replica_show(s->replica, c->arena, &ask, &text);
    if (!found && directory_is_uuid(id) && !replica_person(s->replica, c->arena, id, &known)) {
        if (!c->conn) {
            out->search = directory_search_user(s->directory, c->arena, id);
            return SERVICE_NEEDS_DIRECTORY;
        }
        if (!service_refresh_user(s, c->conn, c->arena, id, err))
            return SERVICE_FAILED;
    }
    /* Who is known and still not shown is hidden, at no cost to the directory. */
    if (!found && !replica_show(s->replica, c->arena, &ask, &text)) {
        error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER);
        return SERVICE_FAILED;
    }
    return answer_read(c, &text, out);
}

static bool find_own_add(struct user_write *w, struct str user_name, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_search s =
        directory_search_user_named(c->service->directory, c->arena, user_name);
    struct directory_entries found;
    atomic_fetch_add(&c->service->unknown_outcomes, 1);
    error_clear(err);
    w->doubtful = true;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    w->doubtful = false;
    if (found.count != 1)
        return error_set(err, ERR_UNAVAILABLE, "the directory did not take the user; try again");
    if (!has_person_side(c)) /* nothing on the entry says who made it */
        return error_set(err, ERR_UNAVAILABLE,
                         "the directory did not answer; look the user up before you try again");
    w->entry = found.at[0];
    if (!directory_map_user(c->service->directory, c->arena, &w->entry, &w->before, err))
        return false;
    return str_eq(w->before.marker, w->writer.marker) ||
           error_set(err, ERR_UNIQUENESS, "userName is taken by another user; choose another one");
}

static bool add_user(struct user_write *w, struct str dn, const struct directory_mods *attrs,
                     struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    bool answered = directory_add(c->conn, dn, attrs, &result, err);
    if (!answered && result.outcome == DIRECTORY_UNKNOWN)
        return find_own_add(w, json_get_str(w->after, "userName"), err);
    if (!answered)
        return false;
    if (result.outcome == DIRECTORY_EXISTS)
        return error_set(err, ERR_UNIQUENESS,
                         "userName is taken by another user; choose another one");
    if (result.outcome != DIRECTORY_DONE || !result.post)
        return error_set(err, ERR_UNAVAILABLE, "the directory's place for new users is not there");
    w->entry = *result.post;
    return true;
}

/* Refused after it was added: the new entry is taken back, so the request leaves nothing. */
static bool take_back(struct user_write *w)
{
    const struct service_call *c = w->call;
    struct error ignored = ERROR_INIT;
    struct directory_result result = {0};
    struct directory_target target = {.dn = w->entry.dn, .id = w->entry.id};
    if (!directory_delete(c->conn, c->arena, &target, &result, &ignored) ||
        !service_refresh_user(c->service, c->conn, c->arena, w->entry.id, &ignored)) {
        w->doubtful = true;
        LOG_WARN("refused_user_left", LOG_S("user", w->entry.id), LOG_C("reason", ignored.detail));
    }
    return false;
}

/* Made inactive, with a password. */
static bool is_barred(const struct user_write *w)
{
    return w->password.at && !json_get_bool(w->after, "active", true) &&
           directory_password_unlocks(w->call->service->directory);
}

static bool lock_again(struct user_write *w, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_result result = {0};
    struct directory_target target = {.dn = w->entry.dn, .id = w->entry.id, .want_post = true};
    struct directory_mods mods;
    directory_mods_init(&mods, c->arena);
    if (!is_barred(w))
        return true;
    directory_lock_again(c->service->directory, &mods);
    if (!directory_modify(c->conn, &target, &mods, &result, err))
        return false;
    if (result.outcome != DIRECTORY_DONE)
        return error_set(err, ERR_UNAVAILABLE, "the new user changed meanwhile; try again");
    if (result.post)
        w->entry = *result.post;
    return true;
}

static bool set_first_password(struct user_write *w, struct error *err)
{
    return (user_write_password(w, w->entry.dn, err) && lock_again(w, err)) || take_back(w);
}

/* The rules look at a person who is there. */
static bool decide_roles(struct user_write *w, struct error *err)
{
    w->id = w->entry.id;
    if (!w->roles.count)
        return true;
    operation_apply_user(w->call, &w->entry);
    return (user_roles_decide(w, err) && user_roles_intend(w, err)) || take_back(w);
}

static bool create_user(struct user_write *w, const json_t *body, struct error *err)
{
    const struct service_call *c = w->call;
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = body};
    struct kiops_change what = {.kind = KIOPS_CREATE_USER, .operation = -1};
    struct kiops_state state = {.now = clock_now()};
    struct str dn;
    struct directory_mods attrs;
    if (!user_write_judge(c, &what, &state, &w->rule, err) ||
        !scim_resource_check(&c->scim, &asked, &w->after, err))
        return false;
    json_keep(c->arena, w->after);
    w->password = user_write_take_password(c, w->after);
    json_t *posted = json_copy_deep(w->after);
    json_keep(c->arena, posted);
    directory_mods_init(&attrs, c->arena);
    const struct directory_user_edit edit = {.after = w->after, .writer = &w->writer};
    if (!user_roles_take(w, NULL, w->after, err) || !user_roles_known(w, err) ||
        !user_write_check_manager(c, w->after, err) ||
        !directory_unmap_new_user(c->service->directory, &edit, &dn, &attrs, err) ||
        !access_confirm(c, STR_NONE, err) || !user_adopt_find(w, &attrs, posted, err))
        return false;
    if (w->posted)
        return true;
    if ((is_barred(w) && !directory_bar(NULL, &attrs, err)) ||
        !user_write_intend(w, KIOPS_CREATE_USER, w->rule, err))
        return false;
    return user_write_name_is_free(c, json_get_str(w->after, "userName"), STR_NONE, err) &&
           naming_claim(c, dn, json_get_str(w->after, "userName"), err) &&
           add_user(w, dn, &attrs, err) && set_first_password(w, err) && decide_roles(w, err);
}

enum service_status service_user_create(const struct service_call *c, const json_t *body,
                                        struct service_result *out, struct error *err)
{
    struct user_write w = {.call = c, .body = body};
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w.writer = access_writer(c);
    bool done = create_user(&w, body, err);
    if (done && w.posted)
        return user_adopt(&w, out, err);
    if (w.intent && done)
        audit_made(c->service->audit, w.intent, w.entry.id);
    else if (w.intent)
        audit_outcome(c->service->audit, w.intent, w.doubtful ? AUDIT_UNFINISHED : AUDIT_FAILED,
                      str_of(err->detail));
    if (!done)
        return SERVICE_FAILED;
    operation_apply_user(c, &w.entry);
    if (user_roles_take_away(&w, err) == STEP_FAILED || !user_roles_give(&w, err)) {
        size_t len = strlen(err->detail);
        snprintf(err->detail + len, sizeof err->detail - len,
                 " (the user is made; send the roles in a PATCH)");
        return SERVICE_FAILED;
    }
    enum service_status answered = answer_resource(c, REPLICA_USER, w.entry.id, out, err);
    return answered == SERVICE_OK ? SERVICE_CREATED : answered;
}
