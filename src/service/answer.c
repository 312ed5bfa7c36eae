/* What a read or an acknowledged write answers: the resource on the actor's view, projected. */
#include "service/internal.h"

#include "base/own.h"

struct str answer_uri(const struct service_call *c, enum replica_kind kind, struct str id)
{
    const struct str parts[] = {c->service->base, c->service->types[kind]->endpoint, STR("/"), id};
    return arena_join(c->arena, parts, sizeof parts / sizeof *parts);
}

struct str answer_projected(const struct service_call *c, enum replica_kind kind, struct str json)
{
    const struct scim_resource_type *type = c->service->types[kind];
    if (!c->projection && !type->on_request)
        return json;
    struct error err = ERROR_INIT;
    OWNED_BUF struct buf cut;
    buf_init(&cut, json.len + 1024);
    scim_project_text(c->projection, type, json, &cut);
    OWNED_JSON json_t *whole =
        json_load_strict(buf_view(&cut), (struct json_limits){.depth = 32}, &err);
    OWNED_JSON json_t *part = whole ? scim_project(c->projection, type, whole) : NULL;
    if (!part)
        return json;
    OWNED_BUF struct buf out;
    buf_init(&out, json.len * 2 + 1024);
    json_write(part, &out);
    return arena_str(c->arena, buf_view(&out));
}

enum service_status answer_resource(const struct service_call *c, enum replica_kind kind,
                                    struct str id, struct service_result *out, struct error *err)
{
    struct replica_want want = {.members = scim_projection_wants(c->projection, STR("members"))};
    struct replica_text text;
    if (!replica_show(c->service->replica, c->arena,
                      &(struct replica_ask){kind, id, &c->actor, want}, &text)) {
        static const char *const nouns[] = {[REPLICA_USER] = "user",
                                            [REPLICA_GROUP] = "group",
                                            [REPLICA_MEMBERSHIP] = "membership"};
        error_set(err, ERR_NOT_FOUND, "no such %s", nouns[kind]);
        return SERVICE_FAILED;
    }
    out->version = text.version;
    out->location = answer_uri(c, kind, id);
    if (!c->version_only)
        out->body = answer_projected(c, kind, text.json);
    return SERVICE_OK;
}
