/* One entry is read again, and enters the replica as it is now. */
#include "service/internal.h"

void service_leave_out(struct service *s, enum directory_feed_kind kind,
                       const struct directory_entry *e, const struct error *why)
{
    bool applicant = kind == FEED_USER && directory_is_applicant(s->directory, e->dn);
    replica_apply_gone(s->replica, applicant ? FEED_APPLICANT : kind, e->id);
    replica_note_odd(s->replica);
    if (kind == FEED_USER)
        LOG_WARN("feed_odd_user", LOG_S("id", e->id), LOG_C("reason", why->detail));
    else
        LOG_WARN("feed_odd_organization", LOG_S("id", e->id), LOG_C("reason", why->detail));
}

bool service_refresh_organization(struct service *s, struct directory_conn *conn, struct arena *a,
                                  struct str id, struct error *err)
{
    struct directory_search search = directory_search_organization(s->directory, a, id);
    search.attrs = directory_organization_attrs(s->directory, true, true);
    struct directory_entries found;
    if (!directory_find(conn, a, &search, &found, err))
        return false;
    struct directory_organization o;
    struct error odd = ERROR_INIT;
    if (found.count == 0)
        replica_apply_deleted(s->replica, id);
    else if (directory_map_organization(s->directory, a, &found.at[0], &o, &odd))
        replica_apply_organization(s->replica, &o, true);
    else
        service_leave_out(s, FEED_ORGANIZATION, &found.at[0], &odd);
    return true;
}

/* Approval moves an entry from the one place to the other, so whom neither look found may have
 * passed between them: a third one finds out. */
bool service_find_user(struct directory_conn *conn, struct arena *a, struct str id,
                       struct directory_entries *out, struct error *err)
{
    const struct directory *d = directory_of(conn);
    const struct directory_search user = directory_search_user(d, a, id),
                                  applicant = directory_search_applicant(d, a, id);
    if (!directory_find(conn, a, &user, out, err))
        return false;
    if (out->count || !directory_config(d)->signup.enabled)
        return true;
    return directory_find(conn, a, &applicant, out, err) &&
           (out->count || directory_find(conn, a, &user, out, err));
}

bool service_refresh_user(struct service *s, struct directory_conn *conn, struct arena *a,
                          struct str id, struct error *err)
{
    struct directory_entries found;
    if (!service_find_user(conn, a, id, &found, err))
        return false;
    struct directory_user u;
    struct error odd = ERROR_INIT;
    if (found.count == 0)
        replica_apply_deleted(s->replica, id);
    else if (directory_map_user(s->directory, a, &found.at[0], &u, &odd))
        replica_apply_user(s->replica, &u);
    else
        service_leave_out(s, FEED_USER, &found.at[0], &odd);
    return true;
}

bool service_apply_platform(struct service *s, const struct directory_entry *e)
{
    const struct directory_attr *members = e ? directory_attr(e, "member") : NULL;
    struct directory_values values = {members ? members->values : NULL,
                                      members ? members->count : 0};
    return replica_apply_platform(s->replica, e ? e->csn : STR_NONE, &values);
}

bool service_refresh_platform(struct service *s, struct directory_conn *conn, struct arena *a,
                              struct error *err)
{
    struct directory_search search = directory_search_platform(s->directory, a);
    struct directory_entries found;
    if (!directory_find(conn, a, &search, &found, err))
        return false;
    service_apply_platform(s, found.count ? &found.at[0] : NULL);
    return true;
}
