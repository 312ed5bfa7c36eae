/* GET /Users and /Groups: lists from memory; a look-up of one key that finds nothing is confirmed
 * in the directory. */
#include "service/internal.h"

#include "base/own.h"

static bool may_list(const struct service_call *c, const struct service_query *q, struct error *err)
{
    struct kiops_change asks = {.kind = KIOPS_LIST_USERS, .operation = -1};
    struct kiops_state state = {.now = clock_now()};
    if (q->kind != REPLICA_USER)
        return true;
    struct kiops_verdict v = kiops_judge(&c->actor, &asks, &state);
    return v.status != KIOPS_REFUSED || kiops_refuse(&v, &asks, err);
}

/* The one entry that could match. */
static struct directory_search search_of(const struct service_call *c,
                                         const struct service_query *q,
                                         const struct replica_page *page)
{
    const struct config_directory *config = &c->service->config->directory;
    const struct directory *d = c->service->directory;
    struct str value = page->confirm_value;
    struct arena *a = c->arena;
    bool users = q->kind == REPLICA_USER;
    if (str_eq(page->confirm_attr, STR("userName")))
        return directory_search_user_named(d, a, value);
    if (str_eq(page->confirm_attr, STR("displayName")))
        return directory_search_organization_named(d, a, value);
    if (!str_eq(page->confirm_attr, STR("externalId")))
        return users ? directory_search_user(d, a, value)
                     : directory_search_organization(d, a, value);
    struct directory_search search = users ? directory_search_user(d, a, STR_NONE)
                                           : directory_search_organization(d, a, STR_NONE);
    value = arena_fmt(a, STR_FMT ":" STR_FMT, STR_ARG(c->actor.client), STR_ARG(value));
    search.nothing = false; /* no id was asked for, but a filter of our own */
    search.filter = arena_fmt(a, "(&" STR_FMT "(kiopsExternalId=" STR_FMT "))",
                              STR_ARG(users ? config->users.filter : config->organizations.filter),
                              STR_ARG(directory_filter_value(a, value)));
    return search;
}

/* Asked for in the directory and applied to the replica: true when something was found. */
static bool confirm(const struct service_call *c, const struct service_query *q,
                    const struct replica_page *page, bool *found, struct error *err)
{
    struct service *s = c->service;
    bool users = q->kind == REPLICA_USER;
    struct directory_search search = search_of(c, q, page);
    struct directory_entries entries;
    if (!directory_find(c->conn, c->arena, &search, &entries, err))
        return false;
    *found = false;
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

static void render(const struct service_call *c, const struct service_query *q,
                   const struct replica_page *page, struct service_result *out)
{
    size_t room = 512;
    for (size_t i = 0; i < page->count; i++)
        room += page->at[i].json.len + 64;
    OWNED_BUF struct buf body;
    buf_init(&body, room * 2);
    scim_reply_list_begin(&body, page->total, q->page.start_index, (int64_t)page->count);
    for (size_t i = 0; i < page->count; i++) {
        if (i)
            buf_char(&body, ',');
        buf_str(&body, answer_projected(c, q->kind, page->at[i].json));
    }
    scim_reply_list_end(&body, STR_NONE);
    out->body = arena_str(c->arena, buf_view(&body));
    out->status = SERVICE_OK;
}

enum service_status service_list(const struct service_call *c, const struct service_query *q,
                                 struct service_result *out, struct error *err)
{
    struct service *s = c->service;
    if (!service_readable(s, err) || !may_list(c, q, err))
        return SERVICE_FAILED;
    struct replica_query query = {
        .kind = q->kind,
        .filter = q->filter,
        .sort = q->sort,
        .start_index = q->page.start_index,
        .count = q->page.count,
        .actor = &c->actor,
        .want = {.members = scim_projection_wants(c->projection, STR("members"))},
    };
    struct replica_page page = {0};
    if (!replica_find(s->replica, c->arena, &query, &page, err))
        return SERVICE_FAILED;
    if (page.confirm && !c->conn) {
        out->search = search_of(c, q, &page);
        return SERVICE_NEEDS_DIRECTORY;
    }
    if (page.confirm) {
        bool found;
        if (!confirm(c, q, &page, &found, err))
            return SERVICE_FAILED;
        if (found && !replica_find(s->replica, c->arena, &query, &page, err))
            return SERVICE_FAILED;
    }
    render(c, q, &page, out);
    return SERVICE_OK;
}
