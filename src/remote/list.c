/* A list, page by page, to its end. */
#include "remote/internal.h"

#include <pthread.h>

#include "base/json.h"
#include "base/own.h"

#define SMALL_PAGE 100
#define TARGET_MAX ((size_t)64 * 1024)

/* A page, or why there is none. */
struct page {
    json_t *doc;
    struct paging_fresh fresh;
    size_t seen; /* of all pages */
    bool fine, last;
    struct error why;
};

/* Pages are read by whoever has the turn: first the caller, then, of a list that is read to its
 * end, a thread of its own, which is one page ahead. */
struct remote_list {
    struct remote_client *client; /* nobody else's until the list has ended */
    struct arena *arena;
    struct str type, filter, names; /* "&filter=..."; "&excludedAttributes=..." */
    struct paging paging;

    struct page page; /* the caller's */
    size_t at;        /* in it */
    bool ahead, runs;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t turned;
    struct page next;
    bool ready, quits; /* `next` is there; nobody wants it */
    json_t *spent;     /* the caller has done with it: freed where it was made */
};

static void drop_page(struct page *p)
{
    json_decref(p->doc);
    *p = (struct page){0};
}

/* Of a thread that is asking, the answer is waited for. */
static void end_thread(struct remote_list *l)
{
    if (!l->runs)
        return;
    pthread_mutex_lock(&l->lock);
    l->quits = true;
    pthread_cond_broadcast(&l->turned);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->runs = false;
}

static void drop_list(void *list)
{
    struct remote_list *l = list;
    end_thread(l);
    drop_page(&l->page);
    drop_page(&l->next);
    json_decref(l->spent);
    pthread_cond_destroy(&l->turned);
    pthread_mutex_destroy(&l->lock);
    arena_free(l->arena);
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
    struct arena *own = arena_new();
    struct remote_list *l = ARENA_NEW(a, struct remote_list);
    *l = (struct remote_list){.client = c,
                              .arena = own,
                              .type = arena_str(own, q->type),
                              .filter = part(own, "filter", q->filter),
                              .names = q->attributes.len
                                           ? part(own, "attributes", q->attributes)
                                           : part(own, "excludedAttributes", q->excluded),
                              .ahead = !q->most,
                              .paging = {.by_cursor = paging == CONFIG_PAGING_CURSOR || can.cursor,
                                         .asked = (int64_t)can.page,
                                         .start = 1,
                                         .total = -1}};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->turned, NULL);
    arena_keep(a, l, drop_list);
    if (q->filter.len && !l->filter.len)
        return error_set(err, ERR_UNAVAILABLE, "the filter is too long to be sent");
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

static void read_page(struct remote_list *l, struct page *out)
{
    struct error why = ERROR_INIT;
    *out = (struct page){.doc = ask_page(l, &why), .why = ERROR_INIT};
    if (out->doc) {
        const json_t *all = json_get_icase(out->doc, STR("Resources"), NULL);
        out->fresh.at = ARENA_ARRAY(l->arena, const json_t *, json_array_size(all) + 1);
        out->fine = remote_paging_take(&l->paging, l->arena, out->doc, &out->fresh, &why);
    }
    if (!out->fine)
        (void)not_whole(l, &out->why, &why);
    out->last = !out->fine || l->paging.over;
    out->seen = l->paging.seen;
}

/* ---- one page ahead */

/* Waits until the last one that was read is gone. */
static bool is_wanted(struct remote_list *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->ready && !l->quits)
        pthread_cond_wait(&l->turned, &l->lock);
    bool wanted = !l->quits;
    json_t *spent = TAKE(l->spent);
    pthread_mutex_unlock(&l->lock);
    json_decref(spent);
    return wanted;
}

static void *read_ahead(void *list)
{
    struct remote_list *l = list;
    for (bool last = false; !last && is_wanted(l);) {
        struct page page;
        read_page(l, &page);
        last = page.last;
        pthread_mutex_lock(&l->lock);
        l->next = page;
        l->ready = true;
        pthread_cond_broadcast(&l->turned);
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

static void take_ready(struct remote_list *l)
{
    pthread_mutex_lock(&l->lock);
    while (!l->ready)
        pthread_cond_wait(&l->turned, &l->lock);
    l->spent = l->page.doc;
    l->page = l->next;
    l->next = (struct page){0};
    l->ready = false;
    pthread_cond_broadcast(&l->turned);
    pthread_mutex_unlock(&l->lock);
    if (l->page.last)
        end_thread(l);
}

static bool turn_page(struct remote_list *l, struct error *err)
{
    l->at = 0;
    if (l->runs) {
        take_ready(l);
    } else {
        drop_page(&l->page);
        read_page(l, &l->page);
    }
    if (l->ahead && !l->runs && !l->page.last)
        l->runs = pthread_create(&l->thread, NULL, read_ahead, l) == 0;
    if (!l->page.fine)
        *err = l->page.why;
    return l->page.fine;
}

bool remote_list_next(struct remote_list *l, const json_t **resource, struct error *err)
{
    while (l->at == l->page.fresh.count && !(l->page.fine && l->page.last))
        if (!turn_page(l, err))
            return false;
    *resource = l->at < l->page.fresh.count ? l->page.fresh.at[l->at++] : NULL;
    return true;
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
