/*
 * What the files of src/kiops share: the table of who may ask for what, one case under judgement,
 * and how a verdict is made.
 *
 * Owns:    nothing; a case points at the caller's actor, change and state.
 * Threads: pure.
 */
#pragma once

#include "kiops/kiops.h"

/* Who may ask for a change, before the state is looked at. */
enum kiops_who {
    KIOPS_WHO_SEES,      /* whoever sees the organization */
    KIOPS_WHO_APPLICANT, /* a person for themselves; a token for people, where it manages */
    KIOPS_WHO_MANAGER,   /* Managers of the organization (anywhere, when there is none), and up */
    KIOPS_WHO_ADMIN,     /* PlatformAdmins */
    KIOPS_WHO_STRANGER,  /* who has no account */
    KIOPS_WHO_OPERATOR,  /* the command line with the directory's credentials */
};

struct kiops_case;
typedef struct kiops_verdict kiops_decide(const struct kiops_case *c);

struct kiops_right {
    const char *name, *category;
    enum kiops_who who;
    bool reads;           /* needs no write access */
    bool in_organization; /* KB-R05 asks whether the actor sees it */
    bool never_oneself;   /* KB-R04 */
    bool of_applicants;   /* may be about who signed up */
    bool spares_admins;   /* KB-R03: of a PlatformAdmin only for PlatformAdmins */
    const char *rule;     /* named when allowed, and when a Manager asks what is an admin's */
    const char *denied;   /* the text for that Manager */
    kiops_decide *decide; /* by state */
};

const struct kiops_right *kiops_right(enum kiops_change_kind kind);

#define KIOPS_NAME_MAX 60 /* bytes of a name in a text, so that the text always fits */

struct kiops_case {
    const struct kiops_actor *actor;
    const struct kiops_change *change;
    const struct kiops_state *state;
    const struct kiops_right *right;
    bool admin;       /* acts with a PlatformAdmin's authority */
    bool manages;     /* Manager of the organization in question */
    bool self;        /* a person, about themselves; a stranger, about what they just signed up */
    struct str who;   /* the subject's name for texts: never empty, never too long */
    struct str where; /* the organization's */
};

struct kiops_verdict kiops_allow(const struct kiops_case *c);
struct kiops_verdict kiops_allow_by(const char *rule);
struct kiops_verdict kiops_nothing(const char *rule);
struct kiops_verdict kiops_vacate(void);
struct kiops_verdict kiops_deny(enum error_kind kind, const char *rule, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* KB-R05 */
struct kiops_verdict kiops_deny_unseen_user(void);
struct kiops_verdict kiops_deny_unseen_organization(void);

/* rules_people.c */
kiops_decide kiops_decide_always, kiops_decide_edit_user, kiops_decide_deactivate,
    kiops_decide_reactivate, kiops_decide_delete_user, kiops_decide_make_admin,
    kiops_decide_unmake_admin, kiops_decide_expire_sign_up;
/* rules_membership.c */
kiops_decide kiops_decide_add, kiops_decide_sign_up, kiops_decide_request, kiops_decide_withdraw,
    kiops_decide_approve, kiops_decide_reject, kiops_decide_remove, kiops_decide_promote,
    kiops_decide_demote, kiops_decide_grant, kiops_decide_revoke;
