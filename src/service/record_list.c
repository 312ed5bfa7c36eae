/* What was done in an organization, for its Managers and PlatformAdmins. */
#include "base/own.h"
#include "service/internal.h"

#include <stdio.h>

#define SHOWN 100
#define ANSWER_MAX ((size_t)1024 * 1024)

/* KB-R05: what somebody neither manages nor is in does not exist for them. */
static bool may_see(const struct service_call *c, struct str organization, struct error *err)
{
    struct replica_organization known;
    bool manages =
        c->actor.role == KIOPS_PLATFORM_ADMIN || kiops_actor_manages(&c->actor, organization);
    if (!manages && kiops_actor_is_in(&c->actor, organization)) {
        error_set(err, ERR_FORBIDDEN, "the record is for Managers of the organization");
        snprintf(err->rule, sizeof err->rule, "KB-R09");
        return false;
    }
    return (manages && replica_organization(c->service->replica, c->arena, organization, &known)) ||
           error_set(err, ERR_NOT_FOUND, "there is no such organization");
}

static void put_name(const struct service_call *c, json_t *to, const char *name, struct str id)
{
    struct str user_name, display = STR_NONE;
    if (id.len && replica_user_name(c->service->replica, c->arena, id, &user_name, &display))
        json_put_str(to, name, display.len ? display : user_name);
}

static void put_one(const struct service_call *c, json_t *list, const struct audit_recent *r)
{
    const struct {
        const char *name;
        struct str value;
    } members[] = {{"time", r->time},     {"change", r->change},        {"subject", r->subject},
                   {"actor", r->actor},   {"actorKind", r->actor_kind}, {"rule", r->rule},
                   {"result", r->result}, {"permission", r->permission}};
    json_t *one = json_object();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].value.len)
            json_put(one, members[i].name, json_string_safe(members[i].value));
    put_name(c, one, "subjectName", r->subject);
    if (str_eq(r->actor_kind, STR("person")))
        put_name(c, one, "actorName", r->actor);
    json_push(list, one);
}

enum service_status service_record_list(const struct service_call *c,
                                        const struct service_record_query *q,
                                        struct service_result *out, struct error *err)
{
    struct audit_recents found;
    const struct audit_wanted wanted = {.dir = c->service->config->audit.dir,
                                        .organization = q->organization,
                                        .before = q->before,
                                        .count = SHOWN};
    if (!service_readable(c->service, err) || !may_see(c, q->organization, err))
        return SERVICE_FAILED;
    if (!c->has_time)
        return SERVICE_NEEDS_TIME;
    if (!audit_read_latest(&wanted, c->arena, &found, err))
        return SERVICE_FAILED;
    OWNED_JSON json_t *answer = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < found.count; i++)
        put_one(c, list, &found.at[i]);
    json_put(answer, "records", list);
    if (found.next.len)
        json_put_str(answer, "next", found.next);
    OWNED_BUF struct buf body;
    buf_init(&body, ANSWER_MAX);
    json_write(answer, &body);
    out->body = arena_str(c->arena, buf_view(&body));
    return SERVICE_OK;
}
