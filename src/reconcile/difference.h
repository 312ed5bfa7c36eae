/*
 * Lines out of a difference: what a source says of somebody or something, against what is here.
 *
 * Owns:    lines and their texts lie in the arena of the plan.
 * Threads: one caller.
 * Errors:  none: what contradicts itself is a line.
 */
#pragma once

#include "reconcile/reconcile.h"
#include "service/ours.h"

struct difference {
    const struct reconcile_run *run;
    struct reconcile_plan *plan;
    struct service_call call; /* whose view is compared; its arena is emptied between records */
};

void difference_init(struct difference *d, const struct reconcile_run *r,
                     struct reconcile_plan *plan, struct arena *passing);

/* A person in an organization, by id, or by the key of the line that makes them. */
struct difference_seat {
    struct str organization, organization_made, organization_name;
    struct str user, user_made, user_name;
    enum kiops_role role; /* Member at least */
    kiops_permission_set permissions;
    struct str source; /* where it says so: "line 12" */
};
/* Adds, promotes and grants what is missing. What there is more than the source says is reported:
 * nothing is taken away. */
void difference_give(struct difference *d, const struct difference_seat *wanted);
/* An organization of that name is not here. `*made`: the key for lines that need it. false: it is
 * refused, so they cannot be made. */
bool difference_create_organization(struct difference *d, struct str name, struct str source,
                                    struct str *made);
/* Nobody but a person can tell. */
void difference_conflict(struct difference *d, const struct difference_seat *about,
                         const char *code, struct str text);
