/* A list, page by page, to its end. */
#include "remote/internal.h"

#include "base/json.h"
#include "base/own.h"

#define SMALL_PAGE 100
#define TARGET_MAX ((size_t)64 * 1024)

struct remote_list {
    struct remote_client *client;
    struct arena *arena;
    struct str type, filter, names; /* "&filter=..."; "&excludedAttributes=..." */
    struct paging paging;
    json_t *page; /* NULL: none is held */
    struct paging_fresh fresh;
    size_t room, at; /* of `fresh`; in it */
};

static void drop_page(void *list)
{
    struct remote_list *l = list;
    json_decref(l->page);
    l->page = NULL;
}

static void add_part(struct buf *out, const char *name, struct str value)
{
    if (!value.len)
        return;
    buf_fmt(out, "&%s=", name);
    remote_encode(out, value);
}

/* STR_NONE: too long to be sent. */
static struct str part(struct arena *a, const char *name, struct str value)
{
    OWNED_BUF struct buf text;
    buf_init(&text, TARGET_MAX);
    add_part(&text, name, value);
    return text.failed ? STR_NONE : arena_str(a, buf_view(&text));
}

bool remote_list_begin(struct remote_client *c, struct arena *a, const struct remote_query *q,
                       struct remote_list **out, struct error *err)
{
    struct remote_features can = {.page = REMOTE_PAGE};
    enum config_paging paging = c->settings.paging;
    if (paging == CONFIG_PAGING_AUTO && !remote_features(c, &can, err))
        return false;
    struct remote_list *l = ARENA_NEW(a, struct remote_list);
    *l = (struct remote_list){.client = c,
                              .arena = a,
                              .type = arena_str(a, q->type),
                              .filter = part(a, "filter", q->filter),
                              .names = q->attributes.len
                                           ? part(a, "attributes", q->attributes)
                                           : part(a, "excludedAttributes", q->excluded),
                              .paging = {.by_cursor = paging == CONFIG_PAGING_CURSOR || can.cursor,
                                         .asked = (int64_t)can.page,
                                         .start = 1,
                                         .total = -1}};
    if (q->filter.len && !l->filter.len)
        return error_set(err, ERR_UNAVAILABLE, "the filter is too long to be sent");
    arena_keep(a, l, drop_page);
    *out = l;
    return true;
}

static struct str target(const struct remote_list *l)
{
    OWNED_BUF struct buf query;
    buf_init(&query, TARGET_MAX);
    remote_paging_query(&l->paging, &query);
    return arena_fmt(l->arena, STR_FMT "?" STR_FMT STR_FMT STR_FMT, STR_ARG(l->type),
                     STR_ARG(buf_view(&query)), STR_ARG(l->filter), STR_ARG(l->names));
}

/* Some refuse names that they do not know, or a large count, rather than give what they have. */
static bool ask_plainly(struct remote_list *l)
{
    if (l->paging.pages || (!l->names.len && l->paging.asked <= SMALL_PAGE))
        return false;
    if (!l->names.len)
        l->paging.asked = SMALL_PAGE;
    l->names = STR_NONE;
    return true;
}

static json_t *ask_page(struct remote_list *l, struct error *err)
{
    int status;
    json_t *doc = remote_read(l->client, l->arena, target(l), &status, err);
    while (!doc && status == 400 && ask_plainly(l)) {
        error_clear(err);
        doc = remote_read(l->client, l->arena, target(l), &status, err);
    }
    return doc;
}

/* Says which list, and how far it got. */
static bool not_whole(const struct remote_list *l, struct error *err, const struct error *why)
{
    return error_set(err, ERR_UNAVAILABLE,
                     STR_FMT " of " STR_FMT
                             " could not be read to the end (%zu came): %s. Nothing was concluded",
                     STR_ARG(str_sub(l->type, 0, 40)),
                     STR_ARG(str_sub(l->client->settings.url, 0, 100)), l->paging.seen,
                     why->detail);
}

static bool take_page(struct remote_list *l, struct error *err)
{
    struct error why = ERROR_INIT;
    drop_page(l);
    l->at = l->fresh.count = 0;
    json_t *doc = ask_page(l, &why);
    if (!doc)
        return not_whole(l, err, &why);
    l->page = doc;
    size_t most = json_array_size(json_get_icase(doc, STR("Resources"), NULL));
    if (most > l->room) {
        l->fresh.at = ARENA_ARRAY(l->arena, const json_t *, most);
        l->room = most;
    }
    return remote_paging_take(&l->paging, l->arena, doc, &l->fresh, &why) ||
           not_whole(l, err, &why);
}

bool remote_list_next(struct remote_list *l, const json_t **resource, struct error *err)
{
    while (l->at == l->fresh.count && !l->paging.over)
        if (!take_page(l, err))
            return false;
    *resource = l->at < l->fresh.count ? l->fresh.at[l->at++] : NULL;
    return true;
}

size_t remote_list_seen(const struct remote_list *l)
{
    return l->paging.seen;
}

/* ---- a few that match */

struct str remote_equals(struct arena *a, const char *attribute, struct str value)
{
    OWNED_BUF struct buf text;
    buf_init(&text, TARGET_MAX);
    buf_json_string(&text, value);
    return arena_fmt(a, "%s eq " STR_FMT, attribute, STR_ARG(buf_view(&text)));
}

bool remote_find(struct remote_client *c, struct arena *a, const struct remote_query *q,
                 struct remote_found *out, struct error *err)
{
    struct remote_list *l;
    const json_t *r;
    size_t cap = 0;
    *out = (struct remote_found){0};
    if (!remote_list_begin(c, a, q, &l, err))
        return false;
    while (out->count <= q->most) {
        if (!remote_list_next(l, &r, err))
            return false;
        if (!r)
            return true;
        json_t *kept = json_copy_deep(r);
        json_keep(a, kept);
        out->at = arena_grow(a, out->at, sizeof *out->at, out->count, &cap);
        out->at[out->count++] = kept;
    }
    return true;
}
