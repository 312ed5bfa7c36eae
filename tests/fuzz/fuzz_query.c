/*
 * Any bytes as the target of a list, with all its parameters together, asked of a small replica:
 * refused with a client's fault, or answered with strict JSON that keeps what was promised about
 * filter, page and projection. First byte: profile and actor.
 */
#include <stdint.h>

#include "../unit/replica_fixture.h"
#include "http/internal.h"

static const char *const names[] = {"kim", "mina", "\xc3\x89va", "lee", "noa"};
static const struct scim_page_limits page_limits = {.fallback = 3, .most = 10};

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static struct world small_world(void)
{
    struct world w = world_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_user(&w, names[i], "20260105080000.000000Z#000000#000#000000");
    add_organization(&w, "alpha", "20260105080000.000000Z#000000#000#000000", "kim mina", "mina");
    add_organization(&w, "beta", "20260105080000.000000Z#000000#000#000000", "kim", "");
    replica_refresh_end(w.replica);
    return w;
}

struct asked {
    struct scim_context in;
    const struct kiops_actor *actor;
    enum replica_kind kind;
    const struct scim_filter *filter;
    struct scim_sort sort;
    struct scim_page page;
    const struct scim_projection *projection;
};

/* In the order of the endpoint. */
static bool read_query(const struct http_target *t, struct asked *q, struct error *err)
{
    const struct str *p = t->params;
    const struct scim_page_query page = {p[HTTP_START_INDEX], p[HTTP_COUNT], p[HTTP_CURSOR]};
    if ((p[HTTP_ATTRIBUTES].at || p[HTTP_EXCLUDED_ATTRIBUTES].at) &&
        !scim_projection_parse(&q->in, p[HTTP_ATTRIBUTES], p[HTTP_EXCLUDED_ATTRIBUTES],
                               &q->projection, err))
        return false;
    if (p[HTTP_FILTER].at && !scim_filter_parse(&q->in, p[HTTP_FILTER], &q->filter, err))
        return false;
    return scim_sort_parse(&q->in, p[HTTP_SORT_BY], p[HTTP_SORT_ORDER], &q->sort, err) &&
           scim_page_parse(&page, &page_limits, &q->page, err);
}

static struct replica_page find(struct world *w, const struct asked *q,
                                const struct scim_filter *filter, int64_t count)
{
    const struct replica_query query = {
        .kind = q->kind,
        .filter = filter,
        .sort = q->sort,
        .start_index = q->page.start_index,
        .count = count,
        .actor = q->actor,
        .want = {.members = scim_projection_wants(q->projection, STR("members"))},
    };
    struct replica_page page = {0};
    struct error err = ERROR_INIT;
    demand(replica_find(w->replica, q->in.arena, &query, &page, &err), "a list that fails");
    return page;
}

static void check_resource(const struct asked *q, const struct replica_text *text, struct buf *list)
{
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *whole =
        json_load_strict(text->json, (struct json_limits){.depth = 32}, &err);
    demand(whole != NULL, "what is shown is no strict JSON");
    demand(!q->filter || !scim_projection_wants(q->projection, STR("members")) ||
               scim_match(q->filter, whole),
           "shown, and the filter does not hold");
    OWNED_BUF struct buf shown;
    buf_init(&shown, text->json.len);
    scim_project(q->projection, q->in.type, text->json, &shown);
    OWNED_JSON json_t *part =
        json_load_strict(buf_view(&shown), (struct json_limits){.depth = 32}, &err);
    demand(part && !shown.failed, "what is projected is no strict JSON, or longer than all");
    demand(str_eq(json_get_str(part, "id"), text->id), "projected without its id");
    demand(json_object_get(part, "schemas") && !json_object_get(part, "password"),
           "projected without schemas, or with a secret");
    buf_str(list, buf_view(&shown));
}

/* The whole answer, read as a client reads it. */
static void check_list(struct world *w, const struct asked *q)
{
    struct replica_page page = find(w, q, q->filter, q->page.count);
    demand((int64_t)page.count <= q->page.count && (int64_t)page.count <= page.total,
           "more than was asked for");
    OWNED_BUF struct buf body;
    buf_init(&body, 1 << 20);
    scim_reply_list_begin(&body, page.total, q->page.start_index, (int64_t)page.count);
    for (size_t i = 0; i < page.count; i++) {
        if (i)
            buf_char(&body, ',');
        check_resource(q, &page.at[i], &body);
    }
    scim_reply_list_end(&body, STR_NONE);
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *list =
        json_load_strict(buf_view(&body), (struct json_limits){.depth = 32}, &err);
    demand(json_array_size(json_object_get(list, "Resources")) == page.count,
           "the list is not what was put into it");
    if (!q->filter)
        return;
    const struct scim_filter negation = {.kind = SCIM_NOT, .left = q->filter};
    demand(find(w, q, NULL, 0).total == page.total + find(w, q, &negation, 0).total,
           "a filter and its opposite do not make all");
}

/* A list of one kind; NULL for anything else. */
static const struct http_route *route_of(struct str target, struct arena *a, struct http_target *t)
{
    struct error err = ERROR_INIT;
    struct str id = STR_NONE;
    if (!http_target_parse(a, target, t, &err)) {
        demand(scim_status(err.kind) == 400 && err.detail[0], "the error is not a 400");
        return NULL;
    }
    const struct http_route *route = http_route_find(t, &id);
    return route && !route->item && route->resource ? route : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (!w.replica)
        w = small_world();
    static const struct str alpha = STR_INIT("org-alpha");
    const struct kiops_actor actors[] = {everyone_sees,
                                         {.kind = KIOPS_ACTOR_TOKEN,
                                          .id = STR_INIT("m"),
                                          .client = STR_INIT("other"),
                                          .role = KIOPS_MANAGER,
                                          .organizations = &alpha,
                                          .organization_count = 1}};
    const struct scim_dialect *dialects;
    size_t n = scim_dialects(&dialects);
    OWNED_ARENA struct arena *a = arena_new();
    struct http_target t;
    if (size < 2)
        return 0;
    const struct http_route *route =
        route_of((struct str){(const char *)data + 1, size - 1}, a, &t);
    if (!route)
        return 0;
    bool users = !str_eq(route->name, STR("Groups"));
    struct asked q = {
        .in = fixture_context(a, w.catalog, users ? "User" : "Group"),
        .actor = &actors[data[0] & 1],
        .kind = users ? REPLICA_USER : REPLICA_GROUP,
    };
    struct error err = ERROR_INIT;
    q.in.dialect = &dialects[data[0] / 2 % n];
    if (read_query(&t, &q, &err))
        check_list(&w, &q);
    else
        demand(scim_status(err.kind) == 400 && err.detail[0], "the error is not a 400");
    return 0;
}
