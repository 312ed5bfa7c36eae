/* The organizations that a stranger may ask to join: what a person without any place sees of
 * them, searched by name. */
#include "base/own.h"
#include "service/internal.h"

#define SHOWN_MAX 20
#define ANSWER_MAX ((size_t)4 << 20)

static const struct json_limits OWN_TEXT = {.depth = 8};

static bool filter_of(const struct service_call *c, struct str text, const struct scim_filter **out,
                      struct error *err)
{
    OWNED_BUF struct buf filter;
    *out = NULL;
    if (!text.len)
        return true;
    buf_init(&filter, 16 + text.len * 6 + 64);
    BUF_LIT(&filter, "displayName co ");
    buf_json_string(&filter, text);
    return scim_filter_parse(&c->scim, arena_str(c->arena, buf_view(&filter)), out, err);
}

static void put_one(json_t *list, const struct replica_text *text)
{
    struct error odd = ERROR_INIT;
    OWNED_JSON json_t *group = json_load_strict(text->json, OWN_TEXT, &odd);
    const json_t *own = json_object_get(group, SCIM_URN_KIOPS_ORGANIZATION);
    struct str description = json_get_str(own, "description");
    json_t *one = json_object();
    json_put_str(one, "id", text->id);
    json_put_str(one, "displayName", json_get_str(group, "displayName"));
    if (description.len)
        json_put_str(one, "description", description);
    json_push(list, one);
}

enum service_status service_signup_organizations(const struct service_call *c, struct str text,
                                                 struct service_result *out, struct error *err)
{
    struct service_call asks = *c;
    struct replica_page page;
    struct replica_query query = {.kind = REPLICA_GROUP, .start_index = 1, .count = SHOWN_MAX};
    asks.actor = (struct kiops_actor){.kind = KIOPS_ACTOR_PERSON}; /* no id: nobody */
    asks.scim.type = c->service->types[REPLICA_GROUP];
    query.actor = &asks.actor;
    query.brief = !c->has_time;
    if (!service_readable(c->service, err) || !filter_of(&asks, text, &query.filter, err) ||
        !scim_sort_parse(&asks.scim, STR("displayName"), STR_NONE, &query.sort, err) ||
        !replica_find(c->service->replica, c->arena, &query, &page, err))
        return SERVICE_FAILED;
    if (page.put_off)
        return SERVICE_NEEDS_TIME;
    OWNED_JSON json_t *answer = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < page.count; i++)
        put_one(list, &page.at[i]);
    json_put(answer, "organizations", list);
    json_put(answer, "more", json_boolean(page.more));
    OWNED_BUF struct buf body;
    buf_init(&body, ANSWER_MAX);
    json_write(answer, &body);
    out->body = arena_str(c->arena, buf_view(&body));
    return SERVICE_OK;
}
