/* Which operations of a bulk may run beside each other. The final state must be that of one after
 * the other, so what could touch more than its own user runs alone: groups (the rules count their
 * Managers), a delete, a change of activity, a new name. */
#include "service/internal.h"

#include "base/unicode.h"

/* Of a user: what decides about groups, or is nobody else's. */
static const struct str SHARED[] = {
    STR_INIT("userName"),          STR_INIT("active"), STR_INIT("roles"), STR_INIT("groups"),
    STR_INIT(SCIM_URN_KIOPS_USER),
};

static bool names_shared(struct str text)
{
    for (size_t at = 0; at < text.len; at++) {
        for (size_t i = 0; i < sizeof(SHARED) / sizeof(*SHARED); i++) {
            if (str_istarts(str_sub(text, at, text.len), SHARED[i]))
                return true;
        }
    }
    return false;
}

/* Is any of it named in a PATCH, as a member or in a path? */
static bool touches_shared(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (touches_shared(json_array_get(value, i)))
            return true;
    }
    json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators take no const */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        struct str name = str_of(json_object_iter_key(at));
        const json_t *member = json_object_iter_value(at);
        if (names_shared(name) || (str_ieq(name, STR("path")) && names_shared(json_str(member))) ||
            touches_shared(member))
            return true;
    }
    return false;
}

/* A replacement that leaves name and activity: the name is compared with the one in memory. */
static bool keeps_shared(const struct service_call *c, const json_t *body, struct str id)
{
    struct str name, display;
    const json_t *active = json_get_icase(body, STR("active"), NULL);
    struct str asked = json_str(json_get_icase(body, STR("userName"), NULL));
    if ((active && !json_is_true(active)) || json_get_icase(body, STR("roles"), NULL) ||
        json_get_icase(body, STR("groups"), NULL) ||
        json_get_icase(body, STR(SCIM_URN_KIOPS_USER), NULL))
        return false;
    return replica_user_name(c->service->replica, c->arena, id, &name, &display) &&
           str_eq(unicode_key(c->arena, name), unicode_key(c->arena, asked));
}

bool bulk_runs_beside(const struct service_call *c, const struct scim_bulk_operation *op,
                      struct str id, struct str *key)
{
    bool user = str_eq(op->type->name, STR("User"));
    *key = key_of_write(c->arena, &(struct written){op->type->name, op->verb, id, op->data});
    if (!user || !key->len)
        return false;
    switch (op->verb) {
    case SCIM_POST:
        return true; /* equal names have one writer, which takes them in order */
    case SCIM_PUT:
        return keeps_shared(c, op->data, id);
    case SCIM_PATCH:
        return !touches_shared(op->data);
    case SCIM_DELETE:
        break;
    }
    return false;
}

bool service_write_beside(const struct service_call *c, const struct service_write *w,
                          struct str *key)
{
    const struct scim_bulk_operation op = {
        .verb = w->verb, .type = c->scim.type, .id = w->id, .data = w->body};
    return bulk_runs_beside(c, &op, w->id, key);
}
