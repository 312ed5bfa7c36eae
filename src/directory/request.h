/*
 * One change as one LDAP request.
 *
 * Owns:    everything lives in the arena of the call.
 * Threads: that of the connection.
 * Errors:  as directory_modify().
 */
#pragma once

#include "directory/internal.h"

struct change {
    enum directory_operation operation;
    const char *dn;
    LDAPMod **mods;
    const char *new_rdn, *new_superior;
    bool keep_old_rdn;
    struct str password;
    const char *assertion;        /* filter, or NULL */
    const char *const *pre_attrs; /* read-entry controls; NULL = not wanted */
    const char *const *post_attrs;
    const struct directory_entry *met; /* after it: as it was before, if the server told */
};

struct change change_of(const struct directory *d, struct arena *a,
                        enum directory_operation operation, const struct directory_target *t);
/* As libldap takes them. */
LDAPMod **change_mods(const struct directory_mods *mods);
/* Sends it once; after that only the server's answer says what happened. */
MUST_CHECK bool change_send(struct directory_conn *c, struct arena *a, struct change *change,
                            struct directory_result *result, struct error *err);
