/* A person as actor: by id, whichever door found out whose it is. */
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
