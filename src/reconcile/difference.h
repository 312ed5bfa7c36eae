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
    struct str source;                /* where it says so: "line 12" */
    bool outside;                     /* no member at all; of a source that takes away */
    bool takes;                       /* takes away what there is more; else that is reported */
    bool says_role, says_permissions; /* of one that takes: else what there is stays */
    bool activates;                   /* the plan makes the person active */
    size_t leaving, coming; /* Managers there whom the plan takes, this one too, and makes */
};
/* Adds, promotes and grants what is missing; takes away what is too much, or reports it. */
void difference_seat(struct difference *d, const struct difference_seat *wanted);

/* ---- people: by id, or by the key of the line that makes them */
struct difference_person {
    struct str id, made, name, version;
    struct str source; /* why */
    bool late;         /* behind the lines that make others */
};
/* `after`, `before`: path -> value, taken. */
void difference_edit_user(struct difference *d, const struct difference_person *p, json_t *after,
                          json_t *before);
/* `body` is taken. false: refused. */
bool difference_create_user(struct difference *d, const struct difference_person *p, json_t *body,
                            struct str made);
void difference_set_active(struct difference *d, const struct difference_person *p, bool active);
/* `before`: what they were, for an undo; taken. */
void difference_delete_user(struct difference *d, const struct difference_person *p,
                            json_t *before);
void difference_edit_organization(struct difference *d, const struct difference_person *p,
                                  json_t *after, json_t *before);
void difference_tell(struct difference *d, enum reconcile_state state, enum kiops_change_kind kind,
                     const struct difference_person *p, const char *code);
/* An organization that is not here; `body` is taken. `*made`: the key for lines that need it.
 * false: it is refused, so they cannot be made. */
bool difference_create_organization(struct difference *d, struct str name, struct str source,
                                    json_t *body, struct str *made);
/* Nobody but a person can tell. */
void difference_conflict(struct difference *d, const struct difference_seat *about,
                         const char *code, struct str text);
