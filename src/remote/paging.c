/* How the pages of a list follow each other, and whether all came. Pure. */
#include "remote/internal.h"

#include "base/hash.h"
#include "base/json.h"

#define IDS_FIRST 1024
#define EMPTY_MAX 1000 /* pages by cursor with nothing on them, one after the other */

/* ---- ids that came */

static void put(struct id_set *s, uint64_t key)
{
    size_t i = key & (s->cap - 1);
    while (s->at[i])
        i = (i + 1) & (s->cap - 1);
    s->at[i] = key;
}

static void make_room(struct id_set *s, struct arena *a)
{
    struct id_set old = *s;
    if (s->count * 2 < s->cap)
        return;
    s->cap = old.cap ? old.cap * 2 : IDS_FIRST;
    s->at = ARENA_ARRAY(a, uint64_t, s->cap);
    for (size_t i = 0; i < old.cap; i++)
        if (old.at[i])
            put(s, old.at[i]);
}

bool remote_ids_add(struct id_set *s, struct arena *a, struct str id)
{
    uint64_t key = hash_keyed(id.at, id.len);
    key += !key; /* 0 = free */
    make_room(s, a);
    for (size_t i = key & (s->cap - 1); s->at[i]; i = (i + 1) & (s->cap - 1))
        if (s->at[i] == key)
            return false;
    put(s, key);
    s->count++;
    return true;
}

/* ---- queries */

void remote_paging_query(const struct paging *p, struct buf *out)
{
    if (!p->by_cursor) {
        buf_fmt(out, "startIndex=%lld&count=%lld", (long long)p->start, (long long)p->asked);
        return;
    }
    BUF_LIT(out, "cursor=");
    remote_encode(out, p->cursor);
    buf_fmt(out, "&count=%lld", (long long)p->asked);
}

/* ---- pages */

struct page {
    const json_t *resources; /* array, or NULL: none */
    size_t count;
    int64_t total, start; /* -1 = not said */
    struct str next;      /* cursor; empty = none */
};

static bool odd(struct error *err, const char *what)
{
    return error_set(err, ERR_UNAVAILABLE, "%s", what);
}

static int64_t number(const json_t *doc, const char *name)
{
    const json_t *n = json_get_icase(doc, str_of(name), NULL);
    return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n) : -1;
}

static bool read_page(const json_t *doc, struct page *out, struct error *err)
{
    const json_t *all = json_get_icase(doc, STR("Resources"), NULL);
    *out = (struct page){.total = number(doc, "totalResults"),
                         .start = number(doc, "startIndex"),
                         .next = json_str(json_get_icase(doc, STR("nextCursor"), NULL))};
    /* RFC 7644 3.4.2: left out when there are none. */
    if (!json_is_array(all) && !(!all && (out->total == 0 || out->next.len)))
        return odd(err, "a page is no list of SCIM resources");
    out->resources = all;
    out->count = json_array_size(all);
    if (out->total > (int64_t)REMOTE_RESOURCES_MAX)
        return odd(err, "the list is longer than is read at once; make the filter narrower");
    return true;
}

static bool take_resources(struct paging *p, struct arena *a, const struct page *page,
                           struct paging_fresh *fresh, struct error *err)
{
    fresh->count = 0;
    for (size_t i = 0; i < page->count; i++) {
        const json_t *r = json_array_get(page->resources, i);
        struct str id = json_get_str(r, "id");
        if (!id.len)
            return odd(err, "a resource of the list has no id");
        if (remote_ids_add(&p->ids, a, id))
            fresh->at[fresh->count++] = r;
    }
    p->seen = p->ids.count;
    if (p->seen > REMOTE_RESOURCES_MAX)
        return odd(err, "the list is longer than is read at once; make the filter narrower");
    return true;
}

static bool all_came(const struct paging *p, struct error *err)
{
    return p->total < 0 || p->seen >= (size_t)p->total ||
           error_set(err, ERR_UNAVAILABLE, "%zu resources came, of the %lld that it says it has",
                     p->seen, (long long)p->total);
}

static bool next_by_cursor(struct paging *p, struct arena *a, const struct page *page,
                           struct error *err)
{
    p->over = !page->next.len;
    if (p->over) /* the only mark of the end; a page may be empty before it */
        return all_came(p, err);
    if (str_eq(page->next, p->cursor))
        return odd(err, "the next cursor is the one that was sent: the list has no end");
    p->empty = page->count ? 0 : p->empty + 1;
    if (p->empty > EMPTY_MAX)
        return odd(err, "page after page is empty: the list has no end");
    p->cursor = arena_str(a, page->next);
    return true;
}

static bool next_by_index(struct paging *p, const struct page *page, struct error *err)
{
    if (page->total < 0)
        return odd(err, "totalResults is missing, so nobody can tell whether all came");
    if (page->start >= 0 && page->count && page->start != p->start)
        return error_set(err, ERR_UNAVAILABLE, "asked from %lld on, and got those from %lld on",
                         (long long)p->start, (long long)page->start);
    if (p->probing && page->count)
        return odd(err, "totalResults is less than there is");
    p->start += (int64_t)page->count;
    if (page->count && p->start <= p->total)
        return true;
    if (!all_came(p, err))
        return false;
    if (p->seen > (size_t)p->total)
        return error_set(err, ERR_UNAVAILABLE, "%zu resources came, more than the %lld it says",
                         p->seen, (long long)p->total);
    /* A full page that is said to be the last: some count the page, not the list. */
    p->probing = page->count && (int64_t)page->count >= p->asked;
    p->over = !p->probing;
    return true;
}

bool remote_paging_take(struct paging *p, struct arena *a, const json_t *doc,
                        struct paging_fresh *fresh, struct error *err)
{
    struct page page;
    if (!read_page(doc, &page, err) || !take_resources(p, a, &page, fresh, err))
        return false;
    if (p->total >= 0 && page.total >= 0 && page.total != p->total && !p->by_cursor)
        return error_set(err, ERR_UNAVAILABLE,
                         "it changed while it was read: %lld resources before, %lld now",
                         (long long)p->total, (long long)page.total);
    if (page.total >= 0)
        p->total = page.total;
    if (page.count && !fresh->count && p->pages)
        return odd(err, "a page holds only what came before: pages are not what was asked for");
    if (++p->pages > REMOTE_PAGES_MAX)
        return odd(err, "too many pages");
    return p->by_cursor ? next_by_cursor(p, a, &page, err) : next_by_index(p, &page, err);
}
