/*
 * What is here, for who compares it with what a source has: from memory, on the view of the job's
 * principal.
 *
 * Owns:    texts lie in the arena of the call.
 * Threads: any.
 * Errors:  none: what is not found is not there, for memory is whole (service_await()).
 */
#pragma once

#include "service/service.h"

/* How many have the name: by userName, by displayName; `*id`: of the first. Of an organization its
 * id counts as a name, before others. */
enum service_named { NAMED_NONE, NAMED_ONE, NAMED_SEVERAL };
enum service_named service_ours_user_named(const struct service_call *c, struct str name,
                                           struct str *id);
enum service_named service_ours_organization_named(const struct service_call *c, struct str name,
                                                   struct str *id);

/* Every user, or every organization, by id, as text (base/json.h: json_text_next()), without
 * members. It is borrowed until the next one; the call's arena is emptied between pages. */
typedef void service_ours_take(void *arg, struct str id, struct str json);
MUST_CHECK bool service_ours_walk(const struct service_call *c, enum replica_kind kind,
                                  service_ours_take *take, void *arg, struct error *err);
/* One of them; empty: there is none. */
struct str service_ours_text(const struct service_call *c, enum replica_kind kind, struct str id,
                             struct str *version);
/* New; NULL: there is none. */
json_t *service_ours_resource(const struct service_call *c, enum replica_kind kind, struct str id,
                              struct str *version);
/* In order. */
size_t service_ours_member_ids(const struct service_call *c, struct str organization,
                               struct str **ids);

/* A person in an organization. */
struct service_seat {
    bool member, manager, admin, pending;
    bool joined; /* the join date is known: a member without one is nothing more than Member */
    kiops_permission_set permissions;
    size_t other_managers; /* of a Manager's organization, who count and are active */
};
void service_ours_seat(const struct service_call *c, struct str organization, struct str user,
                       struct service_seat *out);
/* Of the Membership; empty: there is none. */
struct str service_ours_seat_version(const struct service_call *c, struct str organization,
                                     struct str user);
size_t service_ours_members(const struct service_call *c, struct str organization);
/* As an ETag; empty: there is no such user or organization. */
struct str service_ours_version(const struct service_call *c, enum replica_kind kind,
                                struct str id);
/* Who counts there, and is active. */
size_t service_ours_manager_ids(const struct service_call *c, struct str organization,
                                struct str **ids);
/* Of any organization? */
bool service_ours_is_member(const struct service_call *c, struct str user);
/* Users in the directory. */
size_t service_ours_users(const struct service_call *c);
