/* All that somebody sees, a page at a time. */
#include "service/shown.h"

#include <string.h>

#include "service/internal.h"

void service_shown_begin(struct service_shown *s, const struct service_call *c,
                         enum replica_kind kind)
{
    /* An organization's text holds its members. */
    *s = (struct service_shown){.service = c->service,
                                .actor = &c->actor,
                                .kind = kind,
                                .page = kind == REPLICA_GROUP ? 20 : 1000};
}

static bool page_of(struct service_shown *s, struct arena *a, struct replica_page *out,
                    struct error *err)
{
    const struct replica_place after = {.kind = s->kind, .id = s->last};
    const struct replica_query q = {.kind = s->kind,
                                    .count = (int64_t)s->page,
                                    .after = &after,
                                    .actor = s->actor,
                                    .want = {.members = true}};
    *out = (struct replica_page){0};
    if (!replica_find(s->service->replica, a, &q, out, err))
        return false;
    s->over = !out->more || !out->last.id.len || out->last.id.len > sizeof s->id;
    if (!s->over) {
        memcpy(s->id, out->last.id.at, out->last.id.len);
        s->last = (struct str){s->id, out->last.id.len};
    }
    return true;
}

bool service_shown_next(struct service_shown *s, struct arena *a, const struct replica_text **at,
                        size_t *count, struct error *err)
{
    *count = 0;
    while (!s->over && !*count) {
        struct replica_page page;
        if (!page_of(s, a, &page, err))
            return false;
        *at = page.at;
        *count = page.count;
    }
    return true;
}

bool service_shown_gone(const struct service_call *c, enum replica_kind kind, struct str id,
                        bool *gone, struct error *err)
{
    const struct directory *d = c->service->directory;
    struct directory_search s = kind == REPLICA_USER
                                    ? directory_search_user(d, c->arena, id)
                                    : directory_search_organization(d, c->arena, id);
    struct directory_entries found;
    if (!directory_find(c->conn, c->arena, &s, &found, err))
        return false;
    *gone = found.count == 0;
    return true;
}
