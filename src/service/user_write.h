/*
 * One write of a user: what creating (users.c) and changing (user_change.c) share.
 *
 * Threads: a struct user_write belongs to the thread that runs its request.
 */
#pragma once

#include "service/internal.h"

/* One value of core `roles` that acts. */
struct role_wish {
    enum kiops_role role;
    struct str organization; /* as written: id or displayName; empty for PlatformAdmin */
    bool removed;
};

struct user_roles {
    struct role_wish *at;
    size_t count, cap;
    struct plan *plans; /* one for each organization, and one for the platform */
    size_t plan_count;
    bool intended, taken_away;
    json_t *shown; /* of `before`, what we compute; kept by the arena */
};

/* One write of a user under way. */
struct user_write {
    const struct service_call *call;
    struct str id;
    const json_t *body;             /* PUT; else NULL */
    const struct scim_patch *patch; /* PATCH; else NULL */
    struct directory_entry entry;   /* as just read */
    struct directory_user before;
    json_t *after;       /* checked; kept by the arena */
    struct str password; /* taken out of `after`; at NULL = none */
    struct directory_writer writer;
    const char *rule; /* by which a new user is made */
    uint64_t intent;
    bool wrote;
    bool doubtful; /* an answer was lost, and nobody could look what became of it */
    bool applied;  /* the entry that the last write left is in the replica */
    bool
        failing; /* the last try met no clear answer of the directory: what stopped it is no race */
    bool password_set;
    json_t *posted; /* of a POST that takes an entry over: what it asks, checked; else NULL */
    struct str renamed_from; /* DN that groups may still name after this request's modrdn */
    struct user_roles roles; /* none, unless the token has write_roles */
};

/* Takes the password out; the view lives as long as the arena. */
struct str user_write_take_password(const struct service_call *c, json_t *resource);
MUST_CHECK bool user_write_check_manager(const struct service_call *c, const json_t *resource,
                                         struct error *err);
MUST_CHECK bool user_write_judge(const struct service_call *c, struct kiops_change *what,
                                 const struct kiops_state *state, const char **rule,
                                 struct error *err);
/* Who may change no user learns nothing of whom there is (KB-R05, R09): 404 for whom a Manager does
 * not see, as for an unknown id; 403 for whoever else asks, before anybody is looked for. */
MUST_CHECK bool user_write_may_know(const struct service_call *c, enum kiops_change_kind kind,
                                    struct str id, struct error *err);
/* The intent, once. */
MUST_CHECK bool user_write_intend(struct user_write *w, enum kiops_change_kind kind,
                                  const char *rule, struct error *err);
MUST_CHECK bool user_write_password(struct user_write *w, struct str dn, struct error *err);

/* ERR_UNIQUENESS when another user than `except` (may be empty) has this name by our key. The
 * directory's own rule comes on top: it refuses what it holds equal. */
MUST_CHECK bool user_write_name_is_free(const struct service_call *c, struct str name,
                                        struct str except, struct error *err);

/* What an answer to a write of the entry means. */
enum step user_write_step(struct user_write *w, bool answered, const struct directory_result *r,
                          struct error *err);

/* ---- user_change.c: what user_adopt.c goes through, too */
/* The entry as it is: entry, before. ERR_NOT_FOUND. */
MUST_CHECK bool user_change_read(struct user_write *w, struct error *err);
/* Read, decide, write, until done. */
enum step user_change_steps(struct user_write *w, struct error *err);
/* The outcome, what gives, and the answer. */
enum service_status user_change_finish(struct user_write *w, enum step step,
                                       struct service_result *out, struct error *err);

/* ---- user_adopt.c: directory.users.adopt */
/* Does the POST mean somebody who is there (then w->id, w->posted)? `attrs`: of the new entry.
 * ERR_UNIQUENESS: several, or one whom somebody asserts already. */
MUST_CHECK bool user_adopt_find(struct user_write *w, const struct directory_mods *attrs,
                                json_t *posted, struct error *err);
/* Takes over whom user_adopt_find() found. */
enum service_status user_adopt(struct user_write *w, struct service_result *out, struct error *err);

/* ---- user_roles.c: core `roles` */
/* What we compute stands in `before` too, where a PATCH is to find it: also what this request has
 * taken away since it was first asked. */
MUST_CHECK bool user_roles_show(struct user_write *w, json_t *before, struct error *err);
/* Leaves in `after` what is to be stored. With write_roles the rest are wishes, else what we
 * compute is dropped. Errors: ERR_INVALID_VALUE (KB-R01). `before` NULL for a new user. */
MUST_CHECK bool user_roles_take(struct user_write *w, const json_t *before, json_t *after,
                                struct error *err);
/* For who is still to be made: ERR_INVALID_VALUE names an organization that is not there. */
MUST_CHECK bool user_roles_known(const struct user_write *w, struct error *err);
/* The user is there. Every refusal before the first write; ERR_INVALID_VALUE names an organization
 * that is not there. */
MUST_CHECK bool user_roles_decide(struct user_write *w, struct error *err);
MUST_CHECK bool user_roles_intend(struct user_write *w, struct error *err); /* once */
/* What takes away, once, before the attributes. STEP_AGAIN: it did, and so changed the entry. */
enum step user_roles_take_away(struct user_write *w, struct error *err);
MUST_CHECK bool user_roles_give(struct user_write *w, struct error *err);
bool user_roles_end(struct user_write *w, struct error *err); /* as plan_end */

/* ---- user_rename.c: a new userName is a new DN, which the groups must follow */
/* ERR_UNIQUENESS when somebody stands where the new name leads; STEP_AGAIN: it is the user. */
MUST_CHECK enum step user_rename_claim(struct user_write *w, struct str new_rdn, struct error *err);
/* The last modrdn, whose answer was lost, was made: the entry as it was read now says so. */
bool user_rename_was_made(const struct user_write *w);
/* modrdn; afterwards `target` is the entry under its new name, and `mods` give up the old one. */
enum step user_rename(struct user_write *w, struct directory_target *target,
                      struct directory_mods *mods, struct error *err);
/* The DN that groups may still name, because a rename (of this request, an earlier one, or by
 * another hand) was not followed to its end; empty = none. */
struct str user_rename_left(const struct user_write *w);
/* What names the DN that was left names `dn`. */
MUST_CHECK bool user_rename_finish(struct user_write *w, struct str dn, struct error *err);
/* What followed was refused: the entry gets its old name back, and the groups follow. */
void user_rename_undo(struct user_write *w, const struct directory_target *target,
                      struct str old_dn);
