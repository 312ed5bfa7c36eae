/*
 * The LDAP schema and the access rules as shipped in conf/, inside the program, so that what it
 * prints is what it was built with; and the forms that servers take them in.
 *
 * Threads: pure.
 */
#pragma once

#include "base/arena.h"
#include "config/config.h"

/* conf/kiops.schema: the form of slapd.conf. */
struct str directory_schema_text(void);

/* How a server wants each definition named. */
struct directory_schema_form {
    const char *head, *attribute, *class;
};
extern const struct directory_schema_form directory_schema_ldif, directory_schema_389ds;

/* Definitions for which `wanted(name, arg)` says yes, a line each; `wanted` NULL: all, behind the
 * form's head. */
void directory_schema_print(const struct directory_schema_form *form,
                            bool (*wanted)(struct str name, void *arg), void *arg, struct buf *out);

/* A DN as it stands in the quotes of a rule: a `"` of its own as \22, and in slapd.conf, which eats
 * a backslash, two for one; in cn=config, which eats none, as it is. */
struct str directory_quoted(struct arena *a, struct str dn, bool in_conf);
/* conf/acl.conf or, in plain mode, conf/acl-plain.conf (as slapd.conf takes them) or, for 389-ds,
 * conf/acl-389ds.ldif, with this configuration's names. Without an
 * operator's account, without its rules; with an empty bind_dn, @BRIDGE@ and @READERS@ stay. */
void directory_acl_print(const struct config *config, struct buf *out);
/* The same as values of olcAccess, a line each: `to ... by ...`. */
void directory_acl_values(const struct config *config, struct buf *out);
/* The lines of slapd.conf that go with it: contents of new entries, limits. */
void directory_acl_settings(const struct config_directory *config, struct buf *out);
