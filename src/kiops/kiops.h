/*
 * The KIOPS role rules KB-R01..R21: (actor, change, state) -> allowed, or refused with a rule id.
 * Pure.
 *
 * Source:  the text of the page "User Management".
 * Threads: pure: same input, same answer.
 * Errors:  a refusal is not an error: kiops_refuse() turns a verdict into one for the client.
 */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

/* ---- role.c */
enum kiops_role { KIOPS_NO_ROLE, KIOPS_MEMBER, KIOPS_MANAGER, KIOPS_PLATFORM_ADMIN }; /* by rank */

bool kiops_role_parse(
    struct str name,
    enum kiops_role *out); /* exact spelling; false for Viewer, Admin, ... (KB-R01) */
struct str kiops_role_name(enum kiops_role role);
/* The same of what a client asks for: ERR_INVALID_VALUE with the rule (KB-R01). */
MUST_CHECK bool kiops_role_wish(struct str name, enum kiops_role *out, struct error *err);

enum kiops_permission {
    KIOPS_INFRA,
    KIOPS_SERVICE,
    KIOPS_BACKUP,
    KIOPS_DEVICE,
    KIOPS_DATABASE,
    KIOPS_VPN,
    KIOPS_AUDIT
};
#define KIOPS_PERMISSIONS 7

bool kiops_permission_parse(struct str name,
                            enum kiops_permission *out); /* exact; false otherwise (KB-R14) */
struct str kiops_permission_name(enum kiops_permission p);
MUST_CHECK bool kiops_permission_wish(struct str name, enum kiops_permission *out,
                                      struct error *err); /* KB-R14 */
typedef uint8_t kiops_permission_set;                     /* bit 1 << enum kiops_permission */

/* ---- who asks */
enum kiops_actor_kind {
    KIOPS_ACTOR_TOKEN,
    KIOPS_ACTOR_PERSON,
    KIOPS_ACTOR_OPERATOR, /* the CLI, and what `serve` does by itself */
    KIOPS_ACTOR_STRANGER, /* who signs up: nobody knows them; id: the address they come from */
};

struct kiops_actor {
    enum kiops_actor_kind kind;
    struct str id;     /* person: SCIM id; token: its name (cn); operator: the OS user */
    struct str client; /* token: whose externalIds it sees */
    struct str secret; /* token: hash of what was shown, so that a later token of its name is
                          another one; empty where none was shown (jobs) */
    enum kiops_role
        role; /* highest: token's role; a person: PlatformAdmin, Manager anywhere, Member, none */
    const struct str *organizations; /* ids: token with role Manager/Member: bound to these; person:
                                        where Manager */
    size_t organization_count;
    const struct str *member_of; /* ids: person: where in `member` (Managers included) */
    size_t member_of_count;
    bool can_write;               /* access write */
    bool push_request;            /* KB-R20: adds become requests */
    bool write_roles;             /* core `roles` act */
    bool keep_managers;           /* replacing members never drops owners */
    int64_t max_removals;         /* absolute; -1 = not set */
    int64_t max_removals_percent; /* -1 = not set */
    struct str profile;           /* dialect name */
};

/* Manager of that organization itself; a PlatformAdmin manages none without being its Manager. */
bool kiops_actor_manages(const struct kiops_actor *a, struct str organization);
/* A person: in `member`; a token: bound to it. */
bool kiops_actor_is_in(const struct kiops_actor *a, struct str organization);

/* ---- what is asked */
enum kiops_change_kind {
    KIOPS_CREATE_USER,
    KIOPS_EDIT_USER, /* attributes other than active */
    KIOPS_DEACTIVATE,
    KIOPS_REACTIVATE,
    KIOPS_DELETE_USER, /* judged once as a whole, then per organization as KIOPS_DELETE_FROM */
    KIOPS_DELETE_FROM, /* the part of a deletion that one organization sees */
    KIOPS_CREATE_ORGANIZATION,
    KIOPS_EDIT_ORGANIZATION, /* name, description, join policy */
    KIOPS_DELETE_ORGANIZATION,
    KIOPS_ADD, /* member without a request */
    KIOPS_REQUEST,
    KIOPS_APPROVE,
    KIOPS_REJECT,
    KIOPS_WITHDRAW,
    KIOPS_REMOVE,
    KIOPS_PROMOTE, /* Member -> Manager */
    KIOPS_DEMOTE,  /* Manager -> Member */
    KIOPS_GRANT,   /* permission */
    KIOPS_REVOKE,
    KIOPS_MAKE_ADMIN, /* PlatformAdmin */
    KIOPS_UNMAKE_ADMIN,
    KIOPS_LIST_USERS, /* reading doors that have a rule */
    KIOPS_SEE_ORGANIZATION,
    KIOPS_CREATE_TOKEN, /* no HTTP door (KB-R17): the operator's alone; here for the audit record */
    KIOPS_REVOKE_TOKEN,
    KIOPS_RELEASE_GUARD,  /* of a reconciliation; as the two before */
    KIOPS_SIGN_UP,        /* a stranger becomes an applicant, who then REQUESTs */
    KIOPS_EXPIRE_SIGN_UP, /* an applicant whom nobody has approved goes */
};
#define KIOPS_CHANGES (KIOPS_EXPIRE_SIGN_UP + 1)

struct kiops_change {
    enum kiops_change_kind kind;
    struct str subject;      /* user id; empty when there is none yet */
    struct str subject_name; /* for the texts */
    struct str organization; /* id; empty when not about one */
    struct str organization_name;
    enum kiops_permission permission; /* GRANT, REVOKE */
    int operation;                    /* index in a PATCH, -1 */
};

/* ---- what is so */
/* Only facts; whoever fills it reads them from the directory (or, for a first try, from the
 * replica). */
struct kiops_state {
    bool subject_exists, subject_active;
    bool subject_in;            /* in `member` */
    bool subject_manager;       /* Manager that counts, activity aside: in member, owner,
                                   kiopsJoined and kiopsManager */
    bool subject_owner;         /* in `owner`, whatever it counts */
    bool subject_pending;       /* has a request and is no member */
    instant_t subject_rejected; /* of the last rejection, INSTANT_NONE */
    bool subject_admin;         /* PlatformAdmin, activity aside */
    bool subject_applicant;     /* signed up and not approved yet: nobody's user */
    bool subject_name_taken;    /* by a user: the name that an applicant asks for */
    instant_t subject_since;    /* of an applicant: the last request or rejection */
    bool organization_exists, organization_open;
    size_t other_managers; /* Managers that count and are active, the subject not among them */
    size_t other_admins;   /* active PlatformAdmins, the subject not among them */
    instant_t now;
    int64_t reject_quiet_days;
    int64_t keep_days;                        /* EXPIRE_SIGN_UP */
    kiops_permission_set subject_permissions; /* that the person holds here; GRANT and REVOKE ask */
};

enum kiops_status { KIOPS_ALLOWED, KIOPS_NOTHING_TO_DO, KIOPS_VACATE, KIOPS_REFUSED };

struct kiops_verdict {
    enum kiops_status status; /* VACATE: allowed, and the seat of the last (inactive) Manager
                                 becomes vacant (KB-R19) */
    enum error_kind
        kind; /* when refused: ERR_FORBIDDEN, ERR_CONFLICT, ERR_NOT_FOUND, ERR_INVALID_VALUE */
    const char *rule; /* "KB-R07"; the rule that decided, also when allowed */
    char text[240];   /* for the client; says what to do next */
};

/* The texts of every 404: what an actor may not see answers as what was never there (KB-R05). */
#define KIOPS_NO_USER "no such user"
#define KIOPS_NO_ORGANIZATION "no such group"

/* rules.c: the only place where a rule is checked. Who the actor is comes before what the state
 * forbids. KB-R10: what names a role or permissions too is judged as add, then promote, then grant,
 * each on the state that the one before leaves. KB-R20: what a token with `push_request` would ADD
 * is judged as REQUEST; its ADD is refused. */
struct kiops_verdict kiops_judge(const struct kiops_actor *actor, const struct kiops_change *change,
                                 const struct kiops_state *state);
/* Fills `err` from a refusal (kind, text, rule, subject, organization, operation) and returns
 * false; 404 carries nothing. */
bool kiops_refuse(const struct kiops_verdict *v, const struct kiops_change *change,
                  struct error *err);
/* KB-R20: may one request of this token remove `removals` of `members` members? Others than tokens
 * are not bound by it. Of two limits the larger holds. */
struct kiops_verdict kiops_judge_removals(const struct kiops_actor *actor, size_t removals,
                                          size_t members);

/* Rules and finding codes as `kiops-bridge rules` prints them. */
struct kiops_rule {
    const char *id, *text;
};
size_t kiops_rules(const struct kiops_rule **out);

/* ---- phrase.c: a change in words */
/* `add|remove|promote|demote|approve|reject|request USER in ORGANIZATION`, `grant|revoke PERMISSION
 * for USER in ORGANIZATION`, `make|unmake USER PlatformAdmin`, `deactivate|delete USER`. Views into
 * the text; who and what is meant is not looked up here. */
struct kiops_phrase {
    enum kiops_change_kind kind;
    struct str user, organization, permission, role;
};
/* Names with spaces stand in double quotes; an organization's, at the end, need not. Errors:
 * ERR_INVALID_SYNTAX, saying how to write it. */
MUST_CHECK bool kiops_phrase_parse(struct str text, struct kiops_phrase *out, struct error *err);
/* Does it speak of a role and a permission that exist? Else refused by KB-R01, KB-R14. */
struct kiops_verdict kiops_phrase_judge(const struct kiops_phrase *p);

/* ---- the change record: one for audit, plan, journal and --json */
struct kiops_record {
    struct kiops_actor actor; /* id, kind, client are used */
    enum kiops_change_kind kind;
    const char *rule;
    struct str subject, organization;
    struct str before, after; /* JSON texts of what changes ("" = nothing), never a secret */
};
const char *kiops_change_name(enum kiops_change_kind kind); /* "promote" */
const char *kiops_change_category(
    enum kiops_change_kind kind); /* KIOPS audit category: user, organization, auth, audit */
