/*
 * Memberships as resources: what is asked of one becomes a plan of single changes,
 * the same ones that members and managers of a Group become, so no rule is asked here.
 */
#include "service/internal.h"

#include "base/own.h"

struct wish {
    const struct service_call *call;
    struct str id, organization, user;
    struct plan plan;
    enum kiops_role role; /* KIOPS_NO_ROLE: nothing is said of it */
    bool permissions_said;
    kiops_permission_set permissions;
    bool approves;
    bool recalled; /* what it was before is memory's word */
};

static const struct json_limits OWN_TEXT = {.depth = 8};

/* ---- reading */

static bool no_membership(struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "no such membership");
}

static bool show(const struct service_call *c, struct str id, struct replica_text *out)
{
    const struct replica_ask ask = {REPLICA_MEMBERSHIP, id, &c->actor, {.members = false}};
    return replica_show(c->service->replica, c->arena, &ask, out);
}

static bool is_id(struct str id, struct str *organization, struct str *user)
{
    return replica_membership_split(id, organization, user) && directory_is_uuid(*organization) &&
           directory_is_uuid(*user);
}

/* Both sides as the directory has them now. */
static bool refresh(const struct service_call *c, struct str organization, struct str user,
                    struct error *err)
{
    return service_refresh_user(c->service, c->conn, c->arena, user, err) &&
           service_refresh_organization(c->service, c->conn, c->arena, organization, err);
}

static enum service_status answer(const struct service_call *c, struct str id,
                                  struct service_result *out, struct error *err)
{
    return answer_resource(c, REPLICA_MEMBERSHIP, id, out, err);
}

enum service_status service_membership_get(const struct service_call *c, struct str id,
                                           struct service_result *out, struct error *err)
{
    struct str organization, user;
    struct replica_text text;
    if (!service_readable(c->service, err))
        return SERVICE_FAILED;
    if (!is_id(id, &organization, &user)) {
        no_membership(err);
        return SERVICE_FAILED;
    }
    if (!show(c, id, &text)) {
        if (!c->conn) {
            out->search = directory_search_user(c->service->directory, c->arena, user);
            return SERVICE_NEEDS_DIRECTORY;
        }
        if (!refresh(c, organization, user, err) || (!show(c, id, &text) && !no_membership(err)))
            return SERVICE_FAILED;
    }
    return answer_read(c, &text, out);
}

/* ---- what is wished */

static bool wish_role(struct wish *w, const json_t *resource, struct error *err)
{
    const json_t *role = json_object_get(resource, "role");
    return !role || kiops_role_wish(json_str(role), &w->role, err);
}

static bool wish_permissions(struct wish *w, const json_t *resource, struct error *err)
{
    const json_t *all = json_object_get(resource, "permissions");
    w->permissions_said = all != NULL;
    for (size_t i = 0; i < json_array_size(all); i++) {
        enum kiops_permission one;
        if (!kiops_permission_wish(json_str(json_array_get(all, i)), &one, err))
            return false;
        w->permissions = (kiops_permission_set)(w->permissions | 1U << one);
    }
    return true;
}

static bool wish_status(struct wish *w, struct str before, struct str wanted, struct error *err)
{
    if (!wanted.len || str_eq(wanted, before))
        return true;
    w->approves = str_eq(wanted, STR("active"));
    return w->approves ||
           error_set(err, ERR_INVALID_VALUE,
                     "status: only \"active\" may be written, which approves a pending "
                     "request; delete the membership to reject it");
}

static struct change *add(struct wish *w, enum kiops_change_kind kind)
{
    return plan_add(&w->plan, kind, w->user, w->organization, -1);
}

/* Made so a moment ago by another bridge: the person was read just now, the group was not. */
static bool is_admin(const struct wish *w, bool *is, struct error *err)
{
    const struct service_call *c = w->call;
    struct directory_person p;
    struct directory_entries found;
    *is = replica_is_admin(c->service->replica, w->user);
    if (*is || w->role == KIOPS_NO_ROLE ||
        !replica_person(c->service->replica, c->arena, w->user, &p) ||
        !operation_values_of(c->arena, &p.joined, STR("platform")).count)
        return true;
    struct directory_search in_group = directory_search_has_value(
        c->arena, c->service->config->directory.admins_dn, "member", p.dn);
    if (!directory_find(c->conn, c->arena, &in_group, &found, err))
        return false;
    *is = found.count == 1;
    return true;
}

static void add_role(struct wish *w, bool admin_now)
{
    if (w->role == KIOPS_NO_ROLE)
        return;
    if (w->role == KIOPS_PLATFORM_ADMIN) {
        add(w, KIOPS_MAKE_ADMIN);
        return;
    }
    if (admin_now)
        add(w, KIOPS_UNMAKE_ADMIN);
    add(w, w->role == KIOPS_MANAGER ? KIOPS_PROMOTE : KIOPS_DEMOTE);
}

static void add_permissions(struct wish *w, kiops_permission_set now)
{
    for (enum kiops_permission p = KIOPS_INFRA; w->permissions_said && p < KIOPS_PERMISSIONS; p++) {
        bool wanted = w->permissions & (1U << p), held = now & (1U << p);
        if (wanted != held)
            add(w, wanted ? KIOPS_GRANT : KIOPS_REVOKE)->what.permission = p;
    }
}

/* What was decided. */
static bool carry_out(struct wish *w, struct error *err)
{
    struct plan *p = &w->plan;
    return plan_intend(p, NULL, 0, NULL, err) &&
           ((plan_take(p, err) && plan_give(p, err)) || plan_end(p, err));
}

/* ---- create */

/* A person who names nobody asks for the own place. */
static json_t *with_self(const struct service_call *c, const json_t *body)
{
    json_t *whole = json_copy_deep(body);
    if (c->actor.kind == KIOPS_ACTOR_PERSON && !json_object_get(whole, "user"))
        json_put(whole, "user", json_pack("{s:s%}", "value", c->actor.id.at, c->actor.id.len));
    return whole;
}

static enum kiops_change_kind first_step(const struct wish *w)
{
    const struct kiops_actor *actor = &w->call->actor;
    bool own = actor->kind == KIOPS_ACTOR_PERSON && str_ieq(actor->id, w->user);
    return own || actor->push_request ? KIOPS_REQUEST : KIOPS_ADD;
}

static bool is_there(const struct wish *w)
{
    struct replica_text text;
    return show(w->call, w->id, &text) &&
           replica_membership(w->call->service->replica, w->organization, w->user).member;
}

static bool read_create(struct wish *w, const json_t *body, struct error *err)
{
    const struct service_call *c = w->call;
    OWNED_JSON json_t *whole = with_self(c, body), *checked = NULL;
    const struct scim_proposal asked = {.purpose = SCIM_FOR_CREATE, .resource = whole};
    if (!wish_role(w, whole, err) || !wish_permissions(w, whole, err) ||
        !scim_resource_check(&c->scim, &asked, &checked, err))
        return false;
    w->organization =
        arena_str(c->arena, json_get_str(json_object_get(checked, "organization"), "value"));
    w->user = arena_str(c->arena, json_get_str(json_object_get(checked, "user"), "value"));
    const struct str id[] = {w->organization, STR("."), w->user};
    w->id = arena_join(c->arena, id, 3);
    return true;
}

static bool create(struct wish *w, const json_t *body, struct error *err)
{
    if (!read_create(w, body, err))
        return false;
    enum kiops_change_kind first = first_step(w);
    bool before = first == KIOPS_ADD && is_there(w);
    plan_init(&w->plan, w->call);
    add(w, first);
    if (w->role > KIOPS_MEMBER)
        add_role(w, false);
    add_permissions(w, 0);
    if (!plan_decide(&w->plan, err))
        return false;
    if (before && w->plan.count == 0)
        return error_set(err, ERR_UNIQUENESS,
                         "the user is a member already; change the membership that is there");
    return carry_out(w, err);
}

static bool shows_permissions(const struct wish *w)
{
    struct replica *r = w->call->service->replica;
    struct replica_membership m = replica_membership(r, w->organization, w->user);
    return (m.permissions & w->permissions) == w->permissions;
}

/* A write was made. Memory may miss the membership, having half of a rename, or a permission that
 * was there already: the directory says. */
static enum service_status answer_made(const struct wish *w, struct service_result *out,
                                       struct error *err)
{
    struct replica_text text;
    bool shown = show(w->call, w->id, &text) && (!w->recalled || shows_permissions(w));
    if (!shown && !refresh(w->call, w->organization, w->user, err))
        return SERVICE_FAILED;
    return plan_answered(&w->plan, answer(w->call, w->id, out, err), err);
}

enum service_status service_membership_create(const struct service_call *c, const json_t *body,
                                              struct service_result *out, struct error *err)
{
    struct wish w = {.call = c};
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err) || !create(&w, body, err))
        return SERVICE_FAILED;
    enum service_status status = answer_made(&w, out, err);
    return status == SERVICE_OK ? SERVICE_CREATED : status;
}

/* ---- change */

struct membership_edit {
    const json_t *body; /* PUT */
    const struct scim_patch *patch;
};

/* What is said of it now, after a look at the directory: "nothing to do" is never memory's word. */
static bool look(struct wish *w, json_t **before, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_text text;
    if (!is_id(w->id, &w->organization, &w->user) || !refresh(c, w->organization, w->user, err))
        return err->kind == ERR_NONE ? no_membership(err) : false;
    if (!show(c, w->id, &text))
        return no_membership(err);
    *before = json_load_strict(text.json, OWN_TEXT, err);
    return *before && version_check(c, text.version, err);
}

/* A membership of which nothing is said but whose it is. */
static json_t *bare(const struct wish *w, const char *status)
{
    return json_pack("{s:[s],s:s%,s:{s:s%},s:{s:s%},s:s}", "schemas", SCIM_URN_MEMBERSHIP, "id",
                     w->id.at, w->id.len, "organization", "value", w->organization.at,
                     w->organization.len, "user", "value", w->user.at, w->user.len, "status",
                     status);
}

/* A join that was cut off is in no view, and still waits for whoever decides: approved again, it is
 * finished. */
static bool look_cut_off(const struct wish *w, json_t **before, struct error *err)
{
    const struct service_call *c = w->call;
    struct replica_membership m = replica_membership(c->service->replica, w->organization, w->user);
    bool decides =
        c->actor.role == KIOPS_PLATFORM_ADMIN || kiops_actor_manages(&c->actor, w->organization);
    if (err->kind != ERR_NOT_FOUND || !decides || m.member || !m.joined)
        return false;
    error_clear(err);
    *before = bare(w, "pending");
    return version_check(c, STR_NONE, err);
}

static bool make_after(const struct wish *w, const struct membership_edit *edit,
                       const json_t *before, json_t **after, struct error *err)
{
    const struct service_call *c = w->call;
    if (edit->patch)
        return scim_patch_apply(&c->scim, edit->patch, before, after, err);
    *after = json_copy_deep(edit->body);
    return true;
}

static bool touches(const struct membership_edit *edit, const json_t *after, const char *name)
{
    const struct scim_attr_name attr = {.name = str_of(name)};
    return edit->patch ? scim_patch_touches(edit->patch, &attr)
                       : json_object_get(after, name) != NULL;
}

static bool read_edit(struct wish *w, const struct membership_edit *edit, const json_t *before,
                      struct error *err)
{
    const struct service_call *c = w->call;
    OWNED_JSON json_t *after = NULL, *checked = NULL;
    if (!make_after(w, edit, before, &after, err))
        return false;
    if (touches(edit, after, "role") && !wish_role(w, after, err))
        return false;
    if (touches(edit, after, "permissions") && !wish_permissions(w, after, err))
        return false;
    w->permissions_said = touches(edit, after, "permissions");
    const struct scim_proposal asked = {.purpose = edit->patch ? SCIM_FOR_PATCH : SCIM_FOR_REPLACE,
                                        .before = before,
                                        .resource = after};
    return scim_resource_check(&c->scim, &asked, &checked, err) &&
           wish_status(w, json_get_str(before, "status"), json_get_str(checked, "status"), err);
}

static kiops_permission_set held(const json_t *membership)
{
    const json_t *all = json_object_get(membership, "permissions");
    kiops_permission_set set = 0;
    enum kiops_permission p;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (kiops_permission_parse(json_str(json_array_get(all, i)), &p))
            set = (kiops_permission_set)(set | 1U << p);
    return set;
}

/* Permissions are added and nothing else is said: no value is taken, no version is bound. */
static bool only_grants(const struct service_call *c, const struct membership_edit *edit)
{
    return edit->patch && !c->if_match.at && !c->if_none_match.at &&
           scim_patch_adds_only(edit->patch) && touches(edit, NULL, "permissions") &&
           !touches(edit, NULL, "role") && !touches(edit, NULL, "status");
}

/* Memory's word is enough for who only grants: each grant proves in its own modify that it may be
 * made, and change_decide asks the directory where memory says it was. So all that are named are
 * granted, as to somebody who has none. */
static bool recall(struct wish *w, const struct membership_edit *edit, json_t **before)
{
    const struct service_call *c = w->call;
    struct replica_text text;
    if (!only_grants(c, edit) || !is_id(w->id, &w->organization, &w->user) ||
        !replica_membership(c->service->replica, w->organization, w->user).member ||
        !show(c, w->id, &text))
        return false;
    *before = bare(w, "active");
    return true;
}

/* What was recalled may have ended meanwhile; then that is what there is to say. */
static enum service_status failed(struct wish *w, struct error *err)
{
    OWNED_JSON json_t *now = NULL;
    struct error gone = ERROR_INIT;
    bool some_done = false;
    for (size_t i = 0; i < w->plan.count; i++)
        some_done = some_done || w->plan.at[i].done;
    if (w->recalled && !some_done && err->kind != ERR_UNAVAILABLE && !look(w, &now, &gone) &&
        gone.kind == ERR_NOT_FOUND)
        *err = gone;
    return SERVICE_FAILED;
}

static enum service_status change(struct wish *w, const struct membership_edit *edit,
                                  struct service_result *out, struct error *err)
{
    const struct service_call *c = w->call;
    OWNED_JSON json_t *before = NULL;
    bool admin;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err))
        return SERVICE_FAILED;
    w->recalled = recall(w, edit, &before);
    if ((!w->recalled && !look(w, &before, err) && !look_cut_off(w, &before, err)) ||
        !read_edit(w, edit, before, err))
        return SERVICE_FAILED;
    plan_init(&w->plan, c);
    if (w->approves)
        add(w, KIOPS_APPROVE);
    if (!is_admin(w, &admin, err))
        return SERVICE_FAILED;
    add_role(w, admin);
    add_permissions(w, held(before));
    return plan_decide(&w->plan, err) && carry_out(w, err) ? answer_made(w, out, err)
                                                           : failed(w, err);
}

enum service_status service_membership_patch(const struct service_call *c, struct str id,
                                             const struct scim_patch *patch,
                                             struct service_result *out, struct error *err)
{
    struct wish w = {.call = c, .id = id};
    return change(&w, &(struct membership_edit){.patch = patch}, out, err);
}

enum service_status service_membership_replace(const struct service_call *c, struct str id,
                                               const json_t *body, struct service_result *out,
                                               struct error *err)
{
    struct wish w = {.call = c, .id = id};
    return change(&w, &(struct membership_edit){.body = body}, out, err);
}

/* ---- delete: reject, withdraw or remove */

static enum kiops_change_kind ending(const struct wish *w, const json_t *before)
{
    const struct kiops_actor *actor = &w->call->actor;
    if (!str_eq(json_get_str(before, "status"), STR("pending")))
        return KIOPS_REMOVE;
    bool own = actor->kind == KIOPS_ACTOR_PERSON && str_ieq(actor->id, w->user);
    return own ? KIOPS_WITHDRAW : KIOPS_REJECT;
}

enum service_status service_membership_delete(const struct service_call *c, struct str id,
                                              struct service_result *out, struct error *err)
{
    struct wish w = {.call = c, .id = id};
    OWNED_JSON json_t *before = NULL;
    (void)out;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    if (!access_may_write(c, err) || !service_readable(c->service, err) || !look(&w, &before, err))
        return SERVICE_FAILED;
    if (str_eq(json_get_str(before, "status"), STR("rejected"))) {
        no_membership(err);
        return SERVICE_FAILED;
    }
    plan_init(&w.plan, c);
    add(&w, ending(&w, before));
    return plan_decide(&w.plan, err) && carry_out(&w, err) ? SERVICE_NO_CONTENT : SERVICE_FAILED;
}
