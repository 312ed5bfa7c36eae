/* What identity providers send becomes what the RFC says, by each profile's switches. */
#include "base/own.h"
#include "scim/shape.h"

/* The shapes of idp-profiles that harm nobody, and that no identity provider may fail on: all that
 * sections 12 and 13 list, bodies edited by hand, and attributes that we do not have. */
#define HARMLESS                                                                                   \
    .infer_schemas = true, .ignore_unknown = true, .string_booleans = true, .dotted_keys = true,   \
    .single_as_array = true, .empty_operations = true, .unwrap_value = true

/* Entra and Okta write attributes one by one, each by a path of the administrator's mapping: one
 * that we lack or that is read-only must not stop the others, and among two primaries the one that
 * was written last is meant. Both prefer 204 to the members of a large group. */
#define BY_MAPPED_PATHS                                                                            \
    .ignore_unknown_path = true, .ignore_readonly_path = true, .last_primary_wins = true,          \
    .group_patch_204 = true

/* One row per profile; a profile belongs to a token and is never guessed. What a row leaves out is
 * what the RFC says. */
static const struct scim_dialect dialects[] = {
    {.name = STR_INIT("default"), HARMLESS},
    {.name = STR_INIT("strict"), .put_clears_members = true},
    /* `emails[type eq "work"].value` is replaced where there is no such e-mail yet. */
    {.name = STR_INIT("entra"), HARMLESS, BY_MAPPED_PATHS, .create_on_replace = true},
    /* The same: on-demand provisioning ignores the flag of the tenant's URL, so one tenant sends
     * both shapes. */
    {.name = STR_INIT("entra-legacy"), HARMLESS, BY_MAPPED_PATHS, .create_on_replace = true},
    {.name = STR_INIT("okta"), HARMLESS, BY_MAPPED_PATHS},
    /* Its template of 1.x has a manager with managerId. The rest of that template, URNs of 1.x,
     * an object for `emails`, "true", "id": null and an enterprise block that `schemas` does not
     * name, is harmless. */
    {.name = STR_INIT("onelogin"), HARMLESS, .manager_id = true},
    /* Removals by value and repeated additions, which mean the same in every profile. */
    {.name = STR_INIT("jumpcloud"), HARMLESS},
    /* PUT alone, `Eq`, `emails eq` and names in lower case, which are legal. */
    {.name = STR_INIT("ping"), HARMLESS},
    /* Discovery first, then one PATCH for each member. It reads `schemas` and `members` of the
     * answers: never 204 unasked. */
    {.name = STR_INIT("sailpoint"), HARMLESS},
    /* `userName eq akadmin`. It takes 204, and reads the group itself after a PATCH. */
    {.name = STR_INIT("authentik"), HARMLESS, .bare_filter_operand = true, .group_patch_204 = true},
    /* One plugin compares the Content-Type of every answer with the one configured, and a 204 has
     * none: the resource is answered. */
    {.name = STR_INIT("keycloak"), HARMLESS},
};

#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))

const struct scim_dialect *scim_dialect_find(struct str name)
{
    for (size_t i = 0; i < DIALECTS; i++)
        if (str_eq(dialects[i].name, name))
            return &dialects[i];
    return NULL;
}

size_t scim_dialects(const struct scim_dialect **out)
{
    *out = dialects;
    return DIALECTS;
}

/* ---- `schemas` of a body */

struct intake {
    const struct scim_context *context;
    const struct scim_dialect *dialect;
    const struct scim_resource_type *type;
    json_t *out;
};

static bool is_core_of_another_type(struct str urn)
{
    return str_ieq(urn, STR(SCIM_URN_USER)) || str_ieq(urn, STR(SCIM_URN_GROUP)) ||
           str_ieq(urn, STR(SCIM_URN_MEMBERSHIP));
}

/* What the URNs of a body say, taken together. */
struct claims {
    bool core;    /* ours */
    bool foreign; /* the core schema of another resource type */
};

static bool read_urn(const struct intake *in, const json_t *entry, struct claims *claims,
                     struct error *err)
{
    struct str urn = shape_urn(in->context, json_str(entry));
    if (!json_is_string(entry))
        return error_set(err, ERR_INVALID_SYNTAX, "schemas must be an array of URNs");
    if (str_ieq(urn, in->type->core->id))
        claims->core = true;
    else if (is_core_of_another_type(urn))
        claims->foreign = true;
    else if (!in->dialect->infer_schemas && !scim_type_extension(in->type, urn))
        return error_set(err, ERR_INVALID_SYNTAX, "schemas names an unknown schema");
    return true;
}

static bool check_schemas(const struct intake *in, const json_t *body, struct error *err)
{
    const json_t *schemas = json_get_icase(body, STR("schemas"), NULL);
    bool lenient = in->dialect->infer_schemas;
    bool single = lenient && json_is_string(schemas);
    struct claims claims = {0};
    if (schemas && !json_is_null(schemas) && !json_is_array(schemas) && !single)
        return error_set(err, ERR_INVALID_SYNTAX, "schemas must be an array of URNs");
    if (single && !read_urn(in, schemas, &claims, err))
        return false;
    for (size_t i = 0; i < json_array_size(schemas); i++)
        if (!read_urn(in, json_array_get(schemas, i), &claims, err))
            return false;
    if (lenient ? claims.core || !claims.foreign : claims.core && !claims.foreign)
        return true;
    return error_set(err, ERR_INVALID_SYNTAX, "schemas must name " STR_FMT,
                     STR_ARG(in->type->core->id));
}

/* ---- members of a body */

/* Absence, null and [] are one (RFC 7643 2.5), but for a set of references and for what a
 * Membership lists: PUT with `"members": []` empties the group, PUT without members leaves it
 * alone. */
static bool is_said(const struct intake *in, const struct scim_attr *attr, const json_t *sent,
                    const json_t *value)
{
    if (json_is_null(value))
        return false;
    if (!attr->multi || json_array_size(value) > 0)
        return true;
    return json_is_array(sent) &&
           (shape_is_reference(attr) || str_eq(in->type->name, STR("Membership")));
}

static bool take_attr(const struct intake *in, const struct shape_key *key, const json_t *sent,
                      struct error *err)
{
    const struct shaping shaping = {.dialect = in->dialect, .base = in->context->base};
    if (key->attr->mutability == SCIM_READ_ONLY)
        return true;
    OWNED_JSON json_t *value = NULL;
    if (!shape_value(&shaping, key->attr, sent, &value, err))
        return false;
    if (is_said(in, key->attr, sent, value))
        shape_put(shape_holder(in->out, key->extension), key->attr->name, TAKE(value));
    return true;
}

static bool is_dotted(const struct intake *in, struct str name)
{
    size_t dot;
    return in->dialect->dotted_keys && str_find(name, '.', &dot);
}

/* Not SCIM, but what is sent: "manager.value" as a name. What the attribute's own object says
 * counts. */
static bool take_sub(const struct intake *in, const struct scim_path *path, const json_t *sent,
                     struct error *err)
{
    const struct shaping shaping = {.dialect = in->dialect, .base = in->context->base};
    if (path->attr->mutability == SCIM_READ_ONLY || path->sub->mutability == SCIM_READ_ONLY)
        return true;
    OWNED_JSON json_t *whole = json_object(), *value = NULL;
    shape_put(whole, path->sub->name, json_incref((json_t *)(uintptr_t)sent));
    if (!shape_value(&shaping, path->attr, whole, &value, err))
        return false;
    if (!is_said(in, path->attr, whole, value))
        return true;
    json_t *holder = shape_holder(in->out, path->extension);
    json_t *there = json_object_getn(holder, path->attr->name.at, path->attr->name.len);
    if (!there)
        shape_put(holder, path->attr->name, TAKE(value));
    else if (json_is_object(there))
        json_object_update_missing(there, value);
    return true;
}

static bool unknown(const struct intake *in, void *member, struct error *err)
{
    return in->dialect->ignore_unknown ||
           error_set(err, ERR_INVALID_SYNTAX, "a " STR_FMT " has no attribute \"%.60s\"",
                     STR_ARG(in->type->name), json_object_iter_key(member));
}

/* `schema`: whose URN the member stands under; NULL: the name says it. */
static bool take_dotted(const struct intake *in, const struct scim_schema *schema, void *member,
                        struct error *err)
{
    struct str name = shape_iter_name(member);
    struct scim_path path;
    struct error odd = ERROR_INIT;
    if (!is_dotted(in, name))
        return unknown(in, member, err);
    struct str text = name;
    if (schema)
        text =
            arena_fmt(in->context->arena, STR_FMT ":" STR_FMT, STR_ARG(schema->id), STR_ARG(name));
    bool one = scim_path_parse(in->context->arena, in->type, text, &path, &odd) && path.attr &&
               path.sub && !path.filter && !path.attr->multi;
    return one ? take_sub(in, &path, json_object_iter_value(member), err)
               : unknown(in, member, err);
}

/* The object under a schema's URN. */
static bool take_schema(const struct intake *in, const struct scim_schema *extension,
                        const json_t *sent, struct error *err)
{
    const struct scim_schema *schema = extension ? extension : in->type->core;
    if (json_is_null(sent) || (json_is_string(sent) && json_string_length(sent) == 0))
        return true;
    if (!json_is_object(sent))
        return error_set(err, ERR_INVALID_VALUE, STR_FMT " must be an object", STR_ARG(schema->id));
    json_t *members = shape_iterable(sent);
    for (int dotted = 0; dotted <= 1; dotted++)
        for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
            struct shape_key key = {.kind = SHAPE_ATTR, .extension = extension};
            if (is_dotted(in, shape_iter_name(at)) != (dotted == 1))
                continue;
            key.attr = scim_attr_find(schema->attrs, schema->attr_count, shape_iter_name(at));
            if (!(key.attr ? take_attr(in, &key, json_object_iter_value(at), err)
                           : take_dotted(in, schema, at, err)))
                return false;
        }
    return true;
}

static bool take_member(const struct intake *in, void *member, bool flat, struct error *err)
{
    const json_t *sent = json_object_iter_value(member);
    struct shape_key key = shape_key_find(in->context, shape_iter_name(member));
    bool dotted = key.kind == SHAPE_UNKNOWN && is_dotted(in, shape_iter_name(member));
    if ((key.kind == SHAPE_FLAT || dotted) != flat)
        return true;
    switch (key.kind) {
    case SHAPE_ATTR:
        return take_attr(in, &key, sent, err);
    case SHAPE_SCHEMA:
        return take_schema(in, key.extension, sent, err);
    case SHAPE_FLAT:
        if (!in->dialect->dotted_keys)
            return unknown(in, member, err);
        if (scim_value(scim_holder(in->out, key.extension), key.attr))
            return true; /* said under its URN already, and that counts */
        return take_attr(in, &key, sent, err);
    case SHAPE_UNKNOWN:
        break;
    }
    return take_dotted(in, NULL, member, err);
}

bool scim_dialect_normalise(const struct scim_context *context, const json_t *body, json_t **out,
                            struct error *err)
{
    if (!json_is_object(body))
        return error_set(err, ERR_INVALID_SYNTAX, "the body must be a JSON object");
    OWNED_JSON json_t *normal = json_object();
    const struct intake in = {
        .context = context,
        .dialect = context->dialect,
        .type = context->type,
        .out = normal,
    };
    if (!check_schemas(&in, body, err))
        return false;
    json_t *members = shape_iterable(body);
    for (int flat = 0; flat <= 1; flat++)
        for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at))
            if (!take_member(&in, at, flat == 1, err))
                return false;
    scim_resource_schemas(in.type, normal);
    *out = TAKE(normal);
    return true;
}
