/*
 * Actors and states for the tests of src/kiops, as names and bits that fit into a table row.
 */
#pragma once

#include "kiops/kiops.h"

enum who {
    ADMIN,   /* a person, PlatformAdmin */
    MANAGER, /* a person, Manager of the organization */
    MEMBER,  /* a person, Member of the organization */
    ELSEWHERE /* a person, Manager of another organization and Member of this one */,
    STRANGER, /* a person, Manager of another organization only */
    OUTSIDER, /* a person, in no organization */
    T_ADMIN,  /* tokens: by role */
    T_READ,   /* PlatformAdmin with access read */
    T_ASK,    /* PlatformAdmin with push mode request */
    T_MANAGER,
    T_FOREIGN, /* Manager of another organization */
    T_MEMBER,  /* bound to the organization */
    OPERATOR,
    SIGNS_UP, /* has no account */
    WHO_COUNT
};

#define ORG_ID "0b6c0000-0000-4000-8000-000000000001"
#define OTHER_ID "0b6c0000-0000-4000-8000-000000000002"
#define ACTOR_ID "9d1e0000-0000-4000-8000-000000000001"
#define SUBJECT_ID "9d1e0000-0000-4000-8000-000000000002"

enum {
    EXISTS = 1 << 0,
    ACTIVE = 1 << 1,
    IN = 1 << 2,
    MGR = 1 << 3,
    PEND = 1 << 4,
    ADM = 1 << 5,
    ORG = 1 << 6,
    OPEN = 1 << 7,
    HELD = 1 << 8,
    REJ = 1 << 9,    /* rejected yesterday, quiet for 30 days */
    OMGR = 1 << 10,  /* another Manager that counts */
    OADM = 1 << 11,  /* another active PlatformAdmin */
    SELF = 1 << 12,  /* the subject is the actor */
    APPL = 1 << 13,  /* the subject signed up and is not approved */
    TAKEN = 1 << 14, /* a user has the name that it asks for */
    FACTS_END = 1 << 15,
};

#define NOW INT64_C(1767600000000000)
#define DAY (INT64_C(86400) * 1000000)

static const struct str org_ids[] = {{ORG_ID, sizeof ORG_ID - 1}};
static const struct str other_ids[] = {{OTHER_ID, sizeof OTHER_ID - 1}};

struct who_row {
    const char *name;
    enum kiops_actor_kind kind;
    enum kiops_role role;
    const struct str *organizations, *member_of;
    bool reads_only, asks;
};

static const struct who_row who_rows[WHO_COUNT] = {
    [ADMIN] = {"admin", KIOPS_ACTOR_PERSON, KIOPS_PLATFORM_ADMIN, 0, 0, 0, 0},
    [MANAGER] = {"manager", KIOPS_ACTOR_PERSON, KIOPS_MANAGER, org_ids, org_ids, 0, 0},
    [MEMBER] = {"member", KIOPS_ACTOR_PERSON, KIOPS_MEMBER, 0, org_ids, 0, 0},
    [ELSEWHERE] = {"elsewhere", KIOPS_ACTOR_PERSON, KIOPS_MANAGER, other_ids, org_ids, 0, 0},
    [STRANGER] = {"stranger", KIOPS_ACTOR_PERSON, KIOPS_MANAGER, other_ids, other_ids, 0, 0},
    [OUTSIDER] = {"outsider", KIOPS_ACTOR_PERSON, KIOPS_NO_ROLE, 0, 0, 0, 0},
    [T_ADMIN] = {"token", KIOPS_ACTOR_TOKEN, KIOPS_PLATFORM_ADMIN, 0, 0, 0, 0},
    [T_READ] = {"read token", KIOPS_ACTOR_TOKEN, KIOPS_PLATFORM_ADMIN, 0, 0, 1, 0},
    [T_ASK] = {"request token", KIOPS_ACTOR_TOKEN, KIOPS_PLATFORM_ADMIN, 0, 0, 0, 1},
    [T_MANAGER] = {"manager token", KIOPS_ACTOR_TOKEN, KIOPS_MANAGER, org_ids, 0, 0, 0},
    [T_FOREIGN] = {"foreign token", KIOPS_ACTOR_TOKEN, KIOPS_MANAGER, other_ids, 0, 0, 0},
    [T_MEMBER] = {"member token", KIOPS_ACTOR_TOKEN, KIOPS_MEMBER, org_ids, 0, 0, 0},
    [OPERATOR] = {"operator", KIOPS_ACTOR_OPERATOR, KIOPS_NO_ROLE, 0, 0, 1, 0},
    [SIGNS_UP] = {"sign-up", KIOPS_ACTOR_STRANGER, KIOPS_NO_ROLE, 0, 0, 0, 0},
};

static inline struct kiops_actor actor_of(enum who w)
{
    const struct who_row *r = &who_rows[w];
    return (struct kiops_actor){
        .kind = r->kind,
        .id = str_of(ACTOR_ID),
        .role = r->role,
        .organizations = r->organizations,
        .organization_count = r->organizations ? 1 : 0,
        .member_of = r->member_of,
        .member_of_count = r->member_of ? 1 : 0,
        .can_write = !r->reads_only,
        .push_request = r->asks,
        .max_removals = -1,
        .max_removals_percent = -1,
    };
}

static inline struct kiops_change change_of(enum kiops_change_kind kind, unsigned facts)
{
    return (struct kiops_change){
        .kind = kind,
        .subject = str_of(facts & SELF ? ACTOR_ID : SUBJECT_ID),
        .subject_name = str_of("Kim Min"),
        .organization = str_of(ORG_ID),
        .organization_name = str_of("Project A"),
        .permission = KIOPS_VPN,
        .operation = -1,
    };
}

static inline struct kiops_state state_of(unsigned facts)
{
    return (struct kiops_state){
        .subject_exists = (facts & EXISTS) != 0,
        .subject_active = (facts & ACTIVE) != 0,
        .subject_in = (facts & IN) != 0,
        .subject_manager = (facts & MGR) != 0,
        .subject_owner = (facts & MGR) != 0,
        .subject_pending = (facts & PEND) != 0,
        .subject_rejected = facts & REJ ? NOW - DAY : INSTANT_NONE,
        .subject_admin = (facts & ADM) != 0,
        .organization_exists = (facts & ORG) != 0,
        .organization_open = (facts & OPEN) != 0,
        .other_managers = facts & OMGR ? 1 : 0,
        .other_admins = facts & OADM ? 1 : 0,
        .subject_applicant = (facts & APPL) != 0,
        .subject_name_taken = (facts & TAKEN) != 0,
        .subject_since = facts & REJ ? NOW - 30 * DAY : NOW - 29 * DAY,
        .keep_days = 30,
        .now = NOW,
        .reject_quiet_days = 30,
        .subject_permissions = facts & HELD ? (1U << KIOPS_VPN) | 1U : 0,
    };
}

static inline struct kiops_verdict verdict_of(enum who w, enum kiops_change_kind kind,
                                              unsigned facts)
{
    const struct kiops_actor actor = actor_of(w);
    const struct kiops_change change = change_of(kind, facts);
    const struct kiops_state state = state_of(facts);
    return kiops_judge(&actor, &change, &state);
}
