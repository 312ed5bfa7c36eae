/* Lists: /Users, /Groups, and both (RFC 7644 3.4.2.1), from memory; a look-up of one key that finds
 * nothing is confirmed in the directory. */
#include "service/internal.h"

#include <stdlib.h>

#include "base/own.h"

/* The members of all organizations of a page may be many more than memory should hold at once. */
#define PAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)

static bool may_list(const struct service_call *c, enum replica_kind kind, struct error *err)
{
    struct kiops_change asks = {.kind = KIOPS_LIST_USERS, .operation = -1};
    struct kiops_state state = {.now = clock_now()};
    if (kind != REPLICA_USER)
        return true;
    struct kiops_verdict v = kiops_judge(&c->actor, &asks, &state);
    return v.status != KIOPS_REFUSED || kiops_refuse(&v, &asks, err);
}

/* Of several types, those that the actor may list; of one, a refusal is the answer. */
static bool choose_parts(const struct service_call *c, struct service_query *q, struct error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < q->part_count; i++) {
        struct error refused = ERROR_INIT;
        if (may_list(c, q->parts[i].kind, &refused))
            q->parts[n++] = q->parts[i];
        else if (q->part_count == 1)
            *err = refused;
    }
    bool some = n > 0;
    q->part_count = n;
    return some;
}

/* ---- confirming */

/* The one entry that could match. */
static struct directory_search search_of(const struct service_call *c,
                                         const struct replica_confirm *what)
{
    const struct config_directory *config = &c->service->config->directory;
    const struct directory *d = c->service->directory;
    struct str value = what->value;
    struct arena *a = c->arena;
    bool users = what->kind == REPLICA_USER;
    if (str_eq(what->attr, STR("userName")))
        return directory_search_user_named(d, a, value);
    if (str_eq(what->attr, STR("displayName")))
        return directory_search_organization_named(d, a, value);
    if (!str_eq(what->attr, STR("externalId")))
        return users ? directory_search_user(d, a, value)
                     : directory_search_organization(d, a, value);
    struct directory_search search = users ? directory_search_user(d, a, STR_NONE)
                                           : directory_search_organization(d, a, STR_NONE);
    const char *attr = directory_external_attr(d);
    if (!attr)
        return search;
    if (has_person_side(c))
        value = arena_fmt(a, STR_FMT ":" STR_FMT, STR_ARG(c->actor.client), STR_ARG(value));
    search.nothing = false; /* no id was asked for, but a filter of our own */
    search.filter = arena_fmt(a, "(&" STR_FMT "(%s=" STR_FMT "))",
                              STR_ARG(users ? config->users.filter : config->organizations.filter),
                              attr, STR_ARG(directory_filter_value(a, value)));
    return search;
}

/* Asked for in the directory and applied to the replica: `*found` when something was. */
static bool confirm(const struct service_call *c, const struct replica_confirm *what, bool *found,
                    struct error *err)
{
    struct service *s = c->service;
    bool users = what->kind == REPLICA_USER;
    struct directory_search search = search_of(c, what);
    struct directory_entries entries;
    if (!directory_find(c->conn, c->arena, &search, &entries, err))
        return false;
    for (size_t i = 0; i < entries.count; i++) {
        if (directory_is_protected(s->directory, entries.at[i].dn))
            continue;
        if (!(users ? service_refresh_user : service_refresh_organization)(s, c->conn, c->arena,
                                                                           entries.at[i].id, err))
            return false;
        *found = true;
    }
    return true;
}

bool list_confirm(const struct service_call *c, const struct replica_page *page, bool *found,
                  struct error *err)
{
    *found = false;
    for (size_t i = 0; i < page->confirm_count; i++)
        if (!confirm(c, &page->confirm[i], found, err))
            return false;
    return true;
}

/* ---- the answer */

static const struct scim_projection *projection_of(const struct service_query *q,
                                                   enum replica_kind kind)
{
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].kind == kind)
            return q->parts[i].projection;
    return NULL;
}

static void render(const struct service_call *c, const struct service_query *q,
                   const struct replica_page *page, struct service_result *out)
{
    size_t room = 512;
    struct str next = STR_NONE;
    for (size_t i = 0; i < page->count; i++)
        room += page->at[i].json.len + 64;
    if (q->page.by_cursor && page->more && page->last.id.len)
        next = cursor_seal(c, q, &page->last);
    OWNED_BUF struct buf body;
    buf_init(&body, room * 2 + next.len);
    scim_reply_list_begin(&body, page->total, q->page.by_cursor ? 0 : q->page.start_index,
                          (int64_t)page->count);
    for (size_t i = 0; i < page->count; i++) {
        struct service_call one = *c;
        one.projection = projection_of(q, page->at[i].kind);
        if (i)
            buf_char(&body, ',');
        answer_project(&one, page->at[i].kind, page->at[i].json, &body);
    }
    scim_reply_list_end(&body, next);
    out->body = buf_view(&body);
    if (body.at)
        arena_keep(c->arena, TAKE(body.at), free);
    out->status = SERVICE_OK;
}

static struct replica_query query_of(const struct service_call *c, const struct service_query *q,
                                     size_t part)
{
    const struct service_part *p = &q->parts[part];
    const struct scim_projection *groups = projection_of(q, REPLICA_GROUP);
    return (struct replica_query){
        .kind = p->kind,
        .filter = p->filter,
        .sort = p->sort,
        .start_index = q->page.start_index,
        .count = q->page.count,
        .actor = &c->actor,
        .want = {.members = scim_projection_wants(groups, STR("members"))},
        .text = q->text,
        .brief = !c->has_time,
        .bytes_max = PAGE_BYTES_MAX,
    };
}

static bool find(const struct service_call *c, const struct replica_query *query,
                 struct replica_page *page, struct error *err)
{
    return replica_find(c->service->replica, c->arena, query, page, err);
}

enum service_status service_list(const struct service_call *c, const struct service_query *asked,
                                 struct service_result *out, struct error *err)
{
    struct service_query q = *asked;
    struct replica_place after;
    struct replica_page page;
    if (!service_readable(c->service, err) || !choose_parts(c, &q, err) ||
        !cursor_open(c, &q, &after, err))
        return SERVICE_FAILED;
    struct replica_query query = query_of(c, &q, 0), also = query_of(c, &q, q.part_count - 1);
    query.also = q.part_count > 1 ? &also : NULL;
    query.after = q.page.by_cursor ? &after : NULL;
    if (!find(c, &query, &page, err))
        return SERVICE_FAILED;
    if (page.put_off)
        return SERVICE_NEEDS_TIME;
    if (page.confirm_count && !c->conn) {
        out->search = search_of(c, &page.confirm[0]);
        return SERVICE_NEEDS_DIRECTORY;
    }
    bool found = false;
    if (page.confirm_count &&
        (!list_confirm(c, &page, &found, err) || (found && !find(c, &query, &page, err))))
        return SERVICE_FAILED;
    render(c, &q, &page, out);
    return SERVICE_OK;
}
