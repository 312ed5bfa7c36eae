/* Discovery: rendered once, answered from memory. */
#include "http/internal.h"

#include <errno.h>
#include <stdio.h>

#define CONFIG_MAX (256 * 1024)
#define ANSWER_MAX (16 * 1024 * 1024)

/* One ready answer; `name` is empty for a list and for the single ServiceProviderConfig. */
struct page {
    struct str endpoint, name, body;
};

/* Rendered at start: discovery cannot change while the bridge runs. */
struct http_discovery {
    struct arena *arena;
    struct str base;
    struct page *pages;
    size_t count, cap;
};

static void add_page(struct http_discovery *d, struct str endpoint, struct str name,
                     struct str body)
{
    d->pages = arena_grow(d->arena, d->pages, sizeof(*d->pages), d->count, &d->cap);
    d->pages[d->count++] = (struct page){endpoint, name, arena_str(d->arena, body)};
}

/* A resource's own page, and its place in the list. */
static void add_resource(struct http_discovery *d, struct str endpoint, struct str name,
                         const json_t *resource, struct buf *list)
{
    OWNED_BUF struct buf text;
    buf_init(&text, ANSWER_MAX);
    json_write(resource, &text);
    add_page(d, endpoint, arena_str(d->arena, name), buf_view(&text));
    if (list->len)
        buf_char(list, ',');
    buf_str(list, buf_view(&text));
}

static void add_list(struct http_discovery *d, struct str endpoint, size_t total,
                     const struct buf *list)
{
    OWNED_BUF struct buf text;
    buf_init(&text, ANSWER_MAX);
    scim_reply_list_begin(&text, (int64_t)total, 1, (int64_t)total);
    buf_str(&text, buf_view(list));
    scim_reply_list_end(&text, STR_NONE);
    add_page(d, endpoint, STR_NONE, buf_view(&text));
}

static void add_types(struct http_discovery *d, const struct scim_catalog *catalog, struct str base)
{
    OWNED_BUF struct buf list;
    buf_init(&list, ANSWER_MAX);
    const struct scim_resource_type *const *types;
    size_t count = scim_catalog_types(catalog, &types), shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (!http_route_serves(types[i]->endpoint))
            continue;
        OWNED_JSON json_t *resource = scim_discovery_type(types[i], base);
        add_resource(d, STR("ResourceTypes"), types[i]->id, resource, &list);
        shown++;
    }
    add_list(d, STR("ResourceTypes"), shown, &list);
}

/* A schema that only an endpoint which is not served would use is not shown either. */
static bool is_served(const struct scim_catalog *catalog, const struct scim_schema *schema)
{
    const struct scim_resource_type *const *types;
    size_t count = scim_catalog_types(catalog, &types);
    for (size_t i = 0; i < count; i++) {
        if (types[i]->core == schema && !http_route_serves(types[i]->endpoint))
            return false;
    }
    return true;
}

static void add_schemas(struct http_discovery *d, const struct scim_catalog *catalog,
                        struct str base)
{
    OWNED_BUF struct buf list;
    buf_init(&list, ANSWER_MAX);
    const struct scim_schema *const *schemas;
    size_t count = scim_catalog_schemas(catalog, &schemas), shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_served(catalog, schemas[i]))
            continue;
        OWNED_JSON json_t *resource = scim_discovery_schema(schemas[i], base);
        add_resource(d, STR("Schemas"), schemas[i]->id, resource, &list);
        shown++;
    }
    add_list(d, STR("Schemas"), shown, &list);
}

static bool read_file(const char *path, struct buf *out, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    char block[4096];
    size_t got;
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        buf_add(out, block, got);
    bool failed = ferror(file) != 0 || out->failed;
    fclose(file);
    return !failed || error_set(err, ERR_CONFIG, "%s: cannot be read whole", path);
}

static bool load_texts(struct arena *a, struct str directory, json_t **out, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, CONFIG_MAX);
    struct str path = arena_fmt(a, STR_FMT "/ServiceProviderConfig.json", STR_ARG(directory));
    struct error fault = ERROR_INIT;
    if (!read_file(path.at, &text, err))
        return false;
    *out = json_load_strict(buf_view(&text), (struct json_limits){.depth = 16}, &fault);
    return *out || error_set(err, ERR_CONFIG, "%s: %s", path.at, fault.detail);
}

static struct scim_features features_of(const struct config *config)
{
    return (struct scim_features){
        .patch = true,
        .bulk = true,
        .bulk_operations = (int64_t)config->limits.bulk_operations,
        .bulk_bytes = (int64_t)config->limits.bulk_kb * 1024,
        .filter = true,
        .change_password = true,
        .sort = true,
        .etag = true,
        .cursor = true,
        .filter_results = config->scim.max_page,
        .default_page = config->scim.default_page,
        .max_page = config->scim.max_page,
        .cursor_timeout_s = config->scim.cursor_timeout_s,
        .oauth_bearer = true,
        .http_basic = config->auth.basic,
    };
}

bool http_discovery_load(const struct config *config, const struct scim_catalog *catalog,
                         struct http_discovery **out, struct error *err)
{
    OWNED_ARENA struct arena *arena = arena_new();
    OWNED_JSON json_t *texts = NULL;
    if (!load_texts(arena, config->mapping.schema_dir, &texts, err))
        return false;
    struct http_discovery *d = ARENA_NEW(arena, struct http_discovery);
    d->arena = TAKE(arena);
    const struct str base = d->base =
        arena_fmt(d->arena, STR_FMT HTTP_BASE_PATH, STR_ARG(config->server.public_url));
    const struct scim_features features = features_of(config);
    OWNED_JSON json_t *provider = scim_discovery_config(texts, &features, base);
    OWNED_BUF struct buf unused;
    buf_init(&unused, ANSWER_MAX);
    add_resource(d, STR("ServiceProviderConfig"), STR_NONE, provider, &unused);
    add_types(d, catalog, base);
    add_schemas(d, catalog, base);
    *out = d;
    return true;
}

struct str http_discovery_base(const struct http_discovery *d)
{
    return d->base;
}

void http_discovery_free(struct http_discovery *d)
{
    if (d)
        arena_free(d->arena);
}

enum http_next http_endpoint_discovery(struct http_request *r, struct directory_conn *conn)
{
    (void)conn;
    const struct http_discovery *d = r->server->discovery;
    if (r->method == HTTP_OPTIONS) {
        r->answer.allow = http_route_allow(r->arena, r->route);
        http_answer_body(r, 204, STR_NONE);
        return HTTP_ANSWERED;
    }
    if (r->target.params[HTTP_FILTER].at) { /* RFC 7644 4 */
        error_set(&r->err, ERR_FORBIDDEN, "discovery takes no filter");
        return HTTP_ANSWERED;
    }
    for (size_t i = 0; i < d->count; i++) {
        if (str_eq(d->pages[i].endpoint, r->route->name) &&
            str_ieq(d->pages[i].name, r->resource_id)) {
            http_answer_body(r, 200, d->pages[i].body);
            return HTTP_ANSWERED;
        }
    }
    error_set(&r->err, ERR_NOT_FOUND, "there is no such resource");
    return HTTP_ANSWERED;
}
