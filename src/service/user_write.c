/* What creating and changing a user share: the checks before, the rules, the intent, the password.
 */
#include "service/user_write.h"

#include "base/own.h"

struct str user_write_take_password(const struct service_call *c, json_t *resource)
{
    json_t *password = json_object_get(resource, "password");
    if (!json_is_string(password))
        return STR_NONE;
    json_incref(password);
    json_keep(c->arena, password);
    json_object_del(resource, "password");
    return json_str(password);
}

/* RFC 7643 4.3: manager.value is the id of an existing user. */
bool user_write_check_manager(const struct service_call *c, const json_t *resource,
                              struct error *err)
{
    const json_t *enterprise = json_object_get(resource, SCIM_URN_ENTERPRISE);
    struct str id = json_get_str(json_object_get(enterprise, "manager"), "value");
    struct directory_person p;
    if (!id.len || replica_person(c->service->replica, c->arena, id, &p))
        return true;
    if (!service_refresh_user(c->service, c->conn, c->arena, id, err))
        return false;
    return replica_person(c->service->replica, c->arena, id, &p) ||
           error_set(err, ERR_INVALID_VALUE,
                     "manager: no user has that id; create the manager first");
}

bool user_write_judge(const struct service_call *c, struct kiops_change *what,
                      const struct kiops_state *state, const char **rule, struct error *err)
{
    struct kiops_verdict v = kiops_judge(&c->actor, what, state);
    *rule = v.rule;
    return v.status != KIOPS_REFUSED || operation_refuse(c, &v, what, err);
}

bool user_write_may_know(const struct service_call *c, enum kiops_change_kind kind, struct str id,
                         struct error *err)
{
    const struct replica_ask ask = {REPLICA_USER, id, &c->actor, {.members = false}};
    struct replica_text seen;
    const char *rule;
    if (c->actor.role == KIOPS_PLATFORM_ADMIN || c->actor.kind == KIOPS_ACTOR_OPERATOR)
        return true;
    if (c->actor.role == KIOPS_MANAGER)
        return replica_show(c->service->replica, c->arena, &ask, &seen) ||
               error_set(err, ERR_NOT_FOUND, KIOPS_NO_USER);
    const struct kiops_state anybody = {
        .subject_exists = true, .subject_active = true, .now = clock_now()};
    struct kiops_change what = {.kind = kind, .subject = id, .operation = -1};
    return user_write_judge(c, &what, &anybody, &rule, err);
}

bool user_write_intend(struct user_write *w, enum kiops_change_kind kind, const char *rule,
                       struct error *err)
{
    const struct service_call *c = w->call;
    struct kiops_record record = {.actor = c->actor, .kind = kind, .rule = rule, .subject = w->id};
    if (w->intent)
        return true;
    const struct scim_resource_type *type = scim_catalog_type(c->service->catalog, STR("User"));
    OWNED_BUF struct buf before, after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    OWNED_JSON json_t *was =
        w->before.resource ? scim_without_hidden(type, w->before.resource) : NULL;
    OWNED_JSON json_t *is = scim_without_hidden(type, w->after);
    if (was)
        json_write(was, &before);
    json_write(is, &after);
    record.before = buf_view(&before);
    record.after = buf_view(&after);
    return audit_intent(c->service->audit, &record, c->request_id, &w->intent, err);
}

bool user_write_password(struct user_write *w, struct str dn, struct error *err)
{
    struct directory_result result = {0};
    if (!w->password.at)
        return true;
    bool set = directory_set_password(w->call->conn, dn, w->password, &result, err);
    w->doubtful = w->doubtful || (!set && result.outcome == DIRECTORY_UNKNOWN);
    return set;
}

/* Memory knows what is free; that something is taken is asked of the directory. */
bool user_write_name_is_free(const struct service_call *c, struct str name, struct str except,
                             struct error *err)
{
    const struct replica_name wanted = {name, except};
    struct replica *r = c->service->replica;
    struct str taken;
    if (!naming_is_fit(c, name, "userName", err))
        return false;
    if (!replica_user_named(r, c->arena, &wanted, &taken))
        return true;
    if (!service_refresh_user(c->service, c->conn, c->arena, taken, err))
        return false;
    return !replica_user_named(r, c->arena, &wanted, &taken) ||
           error_set(err, ERR_UNIQUENESS, "userName is taken by another user; choose another one");
}
