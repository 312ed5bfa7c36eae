/* What a read or an acknowledged write answers: the resource on the actor's view, projected. */
#include "service/internal.h"

#include "base/own.h"

struct str answer_uri(const struct service_call *c, enum replica_kind kind, struct str id)
{
    const struct str parts[] = {c->service->base, c->service->types[kind]->endpoint, STR("/"), id};
    return arena_join(c->arena, parts, sizeof parts / sizeof *parts);
}

static bool is_cut(const struct service_call *c, enum replica_kind kind)
{
    return c->projection || c->service->types[kind]->on_request;
}

void answer_project(const struct service_call *c, enum replica_kind kind, struct str json,
                    struct buf *out)
{
    if (is_cut(c, kind))
        scim_project(c->projection, c->service->types[kind], json, out);
    else
        buf_str(out, json);
}

struct str answer_projected(const struct service_call *c, enum replica_kind kind, struct str json)
{
    if (!is_cut(c, kind))
        return json;
    OWNED_BUF struct buf out;
    buf_init(&out, json.len + 64);
    answer_project(c, kind, json, &out);
    return arena_str(c->arena, buf_view(&out));
}

static void answer_text(const struct service_call *c, const struct replica_text *text,
                        struct service_result *out)
{
    out->version = text->version;
    out->location = answer_uri(c, text->kind, text->id);
    if (!c->version_only)
        out->body = answer_projected(c, text->kind, text->json);
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
    answer_text(c, &text, out);
    return SERVICE_OK;
}

enum service_status answer_read(const struct service_call *c, const struct replica_text *text,
                                struct service_result *out)
{
    if (c->if_none_match.at && version_matches(c->if_none_match, text->version)) {
        out->version = text->version;
        return SERVICE_NOT_MODIFIED;
    }
    answer_text(c, text, out);
    return SERVICE_OK;
}
