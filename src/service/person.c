/* A person as actor: by id, whichever door found out whose it is. */
#include "base/own.h"
#include "service/internal.h"

static enum service_status refuse(struct error *err)
{
    error_set(err, ERR_UNAUTHORIZED,
              "this account is unknown here or not active; ask a PlatformAdmin");
    return SERVICE_FAILED;
}

/* Who is known is still served while the directory is away, as tokens are (until stale_after_s). */
static bool read_again(const struct service_call *c, struct str id, bool known, struct error *err)
{
    bool read = service_refresh_user(c->service, c->conn, c->arena, id, err);
    bool answered = read || err->kind != ERR_UNAVAILABLE;
    access_asked(c, answered);
    if (!read && (answered || !known))
        return false;
    error_clear(err);
    return true;
}

enum service_status service_person_authenticate(const struct service_call *c, struct str id,
                                                struct kiops_actor *actor, struct error *err)
{
    struct replica *r = c->service->replica;
    struct directory_person person;
    /* Authority read from half a directory would be too little, or stale. */
    if (!service_readable(c->service, err))
        return SERVICE_FAILED;
    if (!directory_is_uuid(id))
        return refuse(err);
    bool known = replica_person(r, c->arena, id, &person);
    if (!known || (!replica_live(r) && access_asks_directory(c))) {
        if (!c->conn)
            return SERVICE_NEEDS_DIRECTORY;
        if (!read_again(c, id, known, err))
            return SERVICE_FAILED;
        known = replica_person(r, c->arena, id, &person);
    }
    return known && person.active && replica_actor(r, c->arena, id, actor) ? SERVICE_OK
                                                                           : refuse(err);
}

struct str service_password_changed(const struct service_call *c, struct str id)
{
    struct directory_person person;
    return replica_person(c->service->replica, c->arena, id, &person) ? person.password_changed
                                                                      : STR_NONE;
}

/* ---- by what an identity provider says of somebody */

#define FILTER_MAX 4096
#define TYPED_MAX 512

static bool filter_of(const struct service_call *c, const struct service_claim *claim,
                      const struct scim_filter **out, struct error *err)
{
    OWNED_BUF struct buf text;
    buf_init(&text, FILTER_MAX);
    buf_str(&text, claim->attribute);
    BUF_LIT(&text, " eq ");
    buf_json_string(&text, claim->value);
    return scim_filter_parse(&c->scim, arena_str(c->arena, buf_view(&text)), out, err);
}

static enum service_status find_person(const struct service_call *c,
                                       const struct service_claim *claim, struct replica_page *page,
                                       struct error *err)
{
    struct replica_query query = {.kind = REPLICA_USER, .start_index = 1, .count = 2};
    struct replica *r = c->service->replica;
    bool found = false;
    query.actor = &c->actor;
    query.brief = !c->conn; /* an attribute without an index: not on a thread that answers others */
    if (!filter_of(c, claim, &query.filter, err) || !replica_find(r, c->arena, &query, page, err))
        return SERVICE_FAILED;
    if (page->confirm_count == 0 && !page->put_off)
        return SERVICE_OK;
    if (!c->conn)
        return SERVICE_NEEDS_DIRECTORY;
    return list_confirm(c, page, &found, err) &&
                   (!found || replica_find(r, c->arena, &query, page, err))
               ? SERVICE_OK
               : SERVICE_FAILED;
}

enum service_status service_claim_authenticate(const struct service_call *c,
                                               const struct service_claim *claim,
                                               struct kiops_actor *actor, struct error *err)
{
    struct service_call asks = *c; /* everybody is looked at, with that client's externalIds */
    struct replica_page page = {0};
    asks.actor = (struct kiops_actor){.kind = KIOPS_ACTOR_OPERATOR, .client = claim->client};
    if (!service_readable(c->service, err))
        return SERVICE_FAILED;
    enum service_status found = find_person(&asks, claim, &page, err);
    if (found != SERVICE_OK)
        return found;
    if (page.total != 1)
        return refuse(err);
    return service_person_authenticate(c, page.at[0].id, actor, err);
}

/* ---- by what somebody typed */

/* From memory, so that an address costs no more than a name, whether there is one or not. */
struct str service_sign_in_name(const struct service_call *c, struct str typed)
{
    struct replica *r = c->service->replica;
    const struct replica_name wanted = {.name = typed};
    const struct service_claim claim = {.attribute = STR("active eq true and emails.value"),
                                        .value = typed};
    struct service_call asks = *c;
    struct replica_page page = {0};
    struct error odd = ERROR_INIT;
    struct str id, name, display;
    size_t at;
    if (!str_find(typed, '@', &at) || typed.len > TYPED_MAX ||
        replica_user_named(r, c->arena, &wanted, &id))
        return typed;
    asks.conn = NULL;
    asks.actor = (struct kiops_actor){.kind = KIOPS_ACTOR_OPERATOR};
    if (find_person(&asks, &claim, &page, &odd) != SERVICE_OK || page.total != 1 ||
        !replica_user_name(r, c->arena, page.at[0].id, &name, &display))
        return typed;
    return name;
}
