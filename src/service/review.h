/*
 * The state of every organization for a review: who is in with which role since when, who waits,
 * which seats are vacant. Read from the directory in one pass over organizations and one over
 * people, without a replica.
 *
 * Owns:    everything lies in the arena given; about 200 bytes a membership, whatever the size of
 *          the entries.
 * Threads: one caller; the connection is its own.
 * Errors:  ERR_UNAVAILABLE: a review of half a directory would call seats vacant that are not.
 */
#pragma once

#include "directory/directory.h"
#include "kiops/kiops.h"

struct review_organization {
    struct str id, name, key; /* key: names compare by it */
    size_t managers;          /* that count and are active */
    size_t members;           /* people; values that name nobody are not among them */
    bool managed;             /* has had a Manager: without one now, the seat is vacant */
};

struct review_person {
    struct str id, user_name, display;
    bool active;
};

/* A membership, or a request to join. */
struct review_row {
    const struct review_organization *organization;
    const struct review_person *person;
    enum kiops_role role; /* in this organization: KIOPS_MEMBER or KIOPS_MANAGER */
    kiops_permission_set permissions;
    instant_t since; /* of the join, or the request; INSTANT_NONE: nobody knows */
};

struct service_review {
    const struct review_organization **organizations; /* by name */
    size_t organization_count;
    struct review_row *members; /* by organization, Managers first, then by userName */
    size_t member_count;
    struct review_row *requests; /* oldest first */
    size_t request_count;
    size_t odd; /* entries that cannot be shown, and were passed over */
};

MUST_CHECK bool service_review_read(struct directory *d, struct directory_conn *conn,
                                    struct arena *a, struct service_review *out, struct error *err);
