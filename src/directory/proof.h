/*
 * Throw-away entries, to try what an account may do instead of believing it. A try changes nothing
 * even where it is allowed: it adds one value twice in one modify, which a server refuses with 20
 * (typeOrValueExists) after it has looked at the rights, and with 50 before.
 *
 * Owns:    the entries, from proof_begin() to proof_end(); all are named kiops-proof-<16 digits>,
 *          and the tries' own endings: directory_is_protected() hides them from every other thread.
 * Threads: one, from proof_begin() to proof_end(). Block signals that would end the process in
 *          between.
 * Errors:  ERR_UNAVAILABLE when the directory is away; a refusal is a result.
 */
#pragma once

#include "directory/internal.h"

struct proof {
    struct directory *d;
    struct arena *a;
    struct directory_conn *bridge;
    LDAP *person;                  /* bound as the throw-away person; NULL: could not */
    struct str user, organization; /* their DNs; empty: not made */
    struct str applicant;          /* in signup.container; empty: not made */
    struct str token;              /* one that could not be taken away again */
    struct str user_name, password;
    int user_code, organization_code, applicant_code; /* why not */
    struct str referral;                              /* where a consumer says that writes go */
};

/* Takes away what killed runs left (older than a minute; a younger one may be at work), makes the
 * person, and binds as them. */
MUST_CHECK bool proof_begin(struct proof *p, struct directory *d, struct arena *a,
                            struct error *err);
/* The person is its owner; the placeholder, or else the person, its member. */
MUST_CHECK bool proof_add_organization(struct proof *p, struct error *err);
/* With the person's password. */
MUST_CHECK bool proof_add_applicant(struct proof *p, struct error *err);
/* false: one or more of the entries may be left, which a later run takes away; else all are
 * empty. */
bool proof_end(struct proof *p);

/* LDAP codes of single operations; below 0: no answer. */
int proof_write(struct proof *p, LDAP *as, struct str dn, const char *attr, const char *value);
bool proof_is_allowed(int code); /* of proof_write() */
int proof_add(struct proof *p, LDAP *as, struct str dn, LDAPMod **attrs);
int proof_delete(struct proof *p, LDAP *as, struct str dn);
int proof_rename(struct proof *p, LDAP *as, struct str dn, struct str new_rdn);
int proof_password(struct proof *p, LDAP *as, struct str dn, struct str password);
/* A token without a secret is added, and taken away where that worked; else it is left, in
 * `token`. */
int proof_token(struct proof *p, LDAP *as);

/* ---- prove.c: what the person could do, by commas; `open` stays empty where all is refused. */
MUST_CHECK bool proof_as_person(struct proof *p, struct buf *open, struct error *err);
