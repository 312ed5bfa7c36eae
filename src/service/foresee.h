/*
 * What the rules will say of a change that is planned: the judge that a request has, on what memory
 * knows of people and organizations, and on what the plan does before. Nothing is read from the
 * directory and nothing written, not even the refusal.
 *
 * Owns:    texts lie in the arena of the call.
 * Threads: any.
 * Errors:  none: a refusal is a verdict. The request itself is judged again when it is made.
 */
#pragma once

#include "service/service.h"

/* What earlier lines of the plan do. */
struct service_foresight {
    bool makes; /* the person or the organization itself: nothing that is so forbids the change */
    bool joins; /* add the person to that organization */
    bool activates;                           /* the person */
    size_t leaving_managers, coming_managers; /* others, of that organization */
};

/* Fills the names in `what` that are not given. */
struct kiops_verdict service_foresee(const struct service_call *c, struct kiops_change *what,
                                     const struct service_foresight *before);
