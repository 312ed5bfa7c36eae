/* ServiceProviderConfig, ResourceTypes and Schemas as JSON. */
#include "base/own.h"
#include "scim/shape.h"

#define URN_TYPE "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

static void put_meta(json_t *resource, const char *type, struct str location)
{
    json_t *meta = json_object();
    json_put_str(meta, "resourceType", str_of(type));
    json_put_str(meta, "location", location);
    json_put(resource, "meta", meta);
}

static void put_meta_below(json_t *resource, const char *type, const struct str path[3])
{
    OWNED_ARENA struct arena *a = arena_new();
    put_meta(resource, type,
             arena_fmt(a, STR_FMT "/" STR_FMT "%s" STR_FMT, STR_ARG(path[0]), STR_ARG(path[1]),
                       path[2].len ? "/" : "", STR_ARG(path[2])));
}

static json_t *new_resource(const char *urn)
{
    json_t *resource = json_object(), *schemas = json_array();
    json_push(schemas, json_string_safe(str_of(urn)));
    json_put(resource, "schemas", schemas);
    return resource;
}

/* ---- ServiceProviderConfig */

static void put_supported(json_t *config, const char *name, bool supported)
{
    json_t *feature = json_object();
    json_put(feature, "supported", json_boolean(supported));
    json_put(config, name, feature);
}

static void put_figure(json_t *config, const char *feature, const char *name, int64_t value)
{
    json_put(json_object_get(config, feature), name, json_integer(value));
}

static void put_pagination(json_t *config, const struct scim_features *f)
{
    json_t *pagination = json_object();
    json_put(pagination, "cursor", json_boolean(f->cursor));
    json_put(pagination, "index", json_true());
    json_put_str(pagination, "defaultPaginationMethod", STR("index"));
    json_put(pagination, "defaultPageSize", json_integer(f->default_page));
    json_put(pagination, "maxPageSize", json_integer(f->max_page));
    if (f->cursor)
        json_put(pagination, "cursorTimeout", json_integer(f->cursor_timeout_s));
    json_put(config, "pagination", pagination);
}

/* A scheme that this server does not take is not shown; any other of the file is the operator's. */
static bool is_taken(const json_t *scheme, const struct scim_features *f)
{
    struct str type = json_get_str(scheme, "type");
    if (str_eq(type, STR("httpbasic")))
        return f->http_basic;
    if (str_eq(type, STR("oauthbearertoken")))
        return f->oauth_bearer;
    return true;
}

static void put_schemes(json_t *config, const struct scim_features *f)
{
    json_t *taken = json_array();
    const json_t *schemes = json_object_get(config, "authenticationSchemes");
    for (size_t i = 0; i < json_array_size(schemes); i++)
        if (is_taken(json_array_get(schemes, i), f))
            json_push(taken, json_incref(json_array_get(schemes, i)));
    json_put(config, "authenticationSchemes", taken);
}

json_t *scim_discovery_config(const json_t *config, const struct scim_features *features,
                              struct str base)
{
    const struct scim_features *f = features;
    json_t *out = json_copy_deep(config);
    put_supported(out, "patch", f->patch);
    put_supported(out, "bulk", f->bulk);
    /* Okta's test wants the figures also where bulk is off. */
    put_figure(out, "bulk", "maxOperations", f->bulk ? f->bulk_operations : 0);
    put_figure(out, "bulk", "maxPayloadSize", f->bulk ? f->bulk_bytes : 0);
    put_supported(out, "filter", f->filter);
    put_figure(out, "filter", "maxResults", f->filter_results);
    put_supported(out, "changePassword", f->change_password);
    put_supported(out, "sort", f->sort);
    put_supported(out, "etag", f->etag);
    put_pagination(out, f);
    put_schemes(out, f);
    const struct str path[3] = {base, STR("ServiceProviderConfig"), STR_NONE};
    put_meta_below(out, "ServiceProviderConfig", path);
    return out;
}

/* ---- ResourceTypes */

json_t *scim_discovery_type(const struct scim_resource_type *type, struct str base)
{
    json_t *out = new_resource(URN_TYPE);
    json_put_str(out, "id", type->id);
    json_put_str(out, "name", type->name);
    json_put_str(out, "endpoint", type->endpoint);
    if (type->description.len > 0)
        json_put_str(out, "description", type->description);
    json_put_str(out, "schema", type->core->id);
    json_t *extensions = json_array();
    for (size_t i = 0; i < type->extension_count; i++) {
        json_t *extension = json_object();
        json_put_str(extension, "schema", type->extensions[i]->id);
        json_put(extension, "required", json_boolean(type->extension_required[i]));
        json_push(extensions, extension);
    }
    json_put(out, "schemaExtensions", extensions);
    const struct str path[3] = {base, STR("ResourceTypes"), type->id};
    put_meta_below(out, "ResourceType", path);
    return out;
}

/* ---- Schemas: from the table that requests are checked against; the texts from the file */

static const char *const types[] = {
    [SCIM_STRING] = "string",   [SCIM_BOOLEAN] = "boolean",   [SCIM_DECIMAL] = "decimal",
    [SCIM_INTEGER] = "integer", [SCIM_DATETIME] = "dateTime", [SCIM_REFERENCE] = "reference",
    [SCIM_BINARY] = "binary",   [SCIM_COMPLEX] = "complex",
};
static const char *const mutabilities[] = {
    [SCIM_READ_WRITE] = "readWrite",
    [SCIM_READ_ONLY] = "readOnly",
    [SCIM_IMMUTABLE] = "immutable",
    [SCIM_WRITE_ONLY] = "writeOnly",
};
static const char *const returns[] = {
    [SCIM_DEFAULT] = "default",
    [SCIM_ALWAYS] = "always",
    [SCIM_NEVER] = "never",
    [SCIM_REQUEST] = "request",
};
static const char *const uniquenesses[] = {
    [SCIM_NOT_UNIQUE] = "none",
    [SCIM_SERVER_UNIQUE] = "server",
    [SCIM_GLOBAL_UNIQUE] = "global",
};

/* The definition of `attr` in the schema's file, found by its name: a list has a few dozen. */
static const json_t *definition_of(const json_t *definitions, const struct scim_attr *attr)
{
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        const json_t *definition = json_array_get(definitions, i);
        if (str_ieq(json_get_str(definition, "name"), attr->name))
            return definition;
    }
    return NULL;
}

static json_t *canonical_values(const struct scim_attr *attr)
{
    json_t *values = json_array();
    for (size_t i = 0; i < attr->canonical_count; i++)
        json_push(values, json_string_safe(attr->canonical[i]));
    return values;
}

static json_t *describe_all(const struct scim_attr *attrs, size_t count, const json_t *definitions);

static json_t *describe(const struct scim_attr *attr, const json_t *definition)
{
    json_t *out = json_object();
    const json_t *references = json_object_get(definition, "referenceTypes");
    json_put_str(out, "name", attr->name);
    json_put_str(out, "type", str_of(types[attr->type]));
    json_put(out, "multiValued", json_boolean(attr->multi));
    json_put_str(out, "description", json_get_str(definition, "description"));
    json_put(out, "required", json_boolean(attr->required));
    if (attr->canonical_count > 0)
        json_put(out, "canonicalValues", canonical_values(attr));
    json_put(out, "caseExact", json_boolean(attr->case_exact));
    json_put_str(out, "mutability", str_of(mutabilities[attr->mutability]));
    json_put_str(out, "returned", str_of(returns[attr->returned]));
    json_put_str(out, "uniqueness", str_of(uniquenesses[attr->uniqueness]));
    if (references)
        json_put(out, "referenceTypes", json_copy_deep(references));
    if (attr->type == SCIM_COMPLEX)
        json_put(out, "subAttributes",
                 describe_all(attr->subs, attr->sub_count,
                              json_object_get(definition, "subAttributes")));
    return out;
}

/* As deep as a schema's own nesting, which its loader bounds. */
static json_t *describe_all(const struct scim_attr *attrs, size_t count, const json_t *definitions)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_push(list, describe(&attrs[i], definition_of(definitions, &attrs[i])));
    return list;
}

json_t *scim_discovery_schema(const struct scim_schema *schema, struct str base)
{
    json_t *out = new_resource(SCIM_URN_SCHEMA);
    json_put_str(out, "id", schema->id);
    json_put_str(out, "name", schema->name);
    if (schema->description.len > 0)
        json_put_str(out, "description", schema->description);
    json_put(out, "attributes",
             describe_all(schema->attrs, schema->attr_count,
                          json_object_get(schema->source, "attributes")));
    const struct str path[3] = {base, STR("Schemas"), schema->id};
    put_meta_below(out, "Schema", path);
    return out;
}
