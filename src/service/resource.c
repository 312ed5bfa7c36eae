/* The resource types differ in one table; a write of any is read, keyed and run here, whether it
 * came alone or in a bulk. */
#include "service/internal.h"

const struct service_resource service_users = {
    .kind = REPLICA_USER,
    .name = STR_INIT("User"),
    .get = service_user_get,
    .create = service_user_create,
    .replace = service_user_replace,
    .patch = service_user_patch,
    .remove = service_user_delete,
};

const struct service_resource service_groups = {
    .kind = REPLICA_GROUP,
    .name = STR_INIT("Group"),
    .get = service_group_get,
    .create = service_group_create,
    .replace = service_group_replace,
    .patch = service_group_patch,
    .remove = service_group_delete,
};

const struct service_resource service_memberships = {
    .kind = REPLICA_MEMBERSHIP,
    .name = STR_INIT("Membership"),
    .get = service_membership_get,
    .create = service_membership_create,
    .replace = service_membership_replace,
    .patch = service_membership_patch,
    .remove = service_membership_delete,
};

const struct service_resource *service_resource_of(const struct scim_resource_type *type)
{
    static const struct service_resource *const all[] = {&service_users, &service_groups,
                                                         &service_memberships};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_eq(type->name, all[i]->name))
            return all[i];
    return NULL;
}

bool service_write_read(const struct service_call *c, struct service_write *w, struct error *fault)
{
    json_t *normal = NULL;
    if (w->verb == SCIM_DELETE)
        return true;
    if (!json_is_object(w->body))
        return error_set(fault, ERR_INVALID_SYNTAX, "the body must be a JSON object");
    if (w->verb == SCIM_PATCH)
        return scim_patch_parse(&c->scim, w->body, &w->patch, fault);
    if (!scim_dialect_normalise(&c->scim, w->body, &normal, fault))
        return false;
    json_keep(c->arena, normal);
    w->body = normal;
    return true;
}

struct str service_write_key(struct arena *a, const struct service_write *w)
{
    return key_of_write(a, &(struct written){w->resource->name, w->verb, w->id, w->body});
}

enum service_status service_write_run(const struct service_call *c, const struct service_write *w,
                                      struct service_result *out, struct error *err)
{
    switch (w->verb) {
    case SCIM_POST:
        return w->resource->create(c, w->body, out, err);
    case SCIM_PUT:
        return w->resource->replace(c, w->id, w->body, out, err);
    case SCIM_PATCH:
        return w->resource->patch(c, w->id, w->patch, out, err);
    case SCIM_DELETE:
        break;
    }
    return w->resource->remove(c, w->id, out, err);
}

enum service_status service_write_refuse(const struct service_call *c,
                                         const struct service_write *w, const struct error *fault,
                                         struct error *err)
{
    struct service_call look = *c;
    struct service_result unused = {0};
    look.if_none_match = STR_NONE;
    enum service_status status =
        w->verb == SCIM_POST ? SERVICE_OK : w->resource->get(&look, w->id, &unused, err);
    if (status == SERVICE_NEEDS_DIRECTORY && !c->conn)
        return status;
    if (status != SERVICE_FAILED)
        *err = *fault;
    return SERVICE_FAILED;
}
