/*
 * What the inspect*.c files share: one file per kind of thing that a server has or lacks, each adds
 * its findings with the exact text to apply.
 *
 * Owns:    everything lives in the arena of directory_inspect().
 * Threads: one.
 * Errors:  ERR_UNAVAILABLE when the directory is away; what it lacks or hides is a finding.
 */
#pragma once

#include "directory/findings.h"
#include "directory/mapping.h"

struct inspection {
    struct directory *d;
    const struct config_directory *config; /* in `whole` */
    struct config whole; /* with the DN that the server knows the bridge's account by */
    struct directory_conn *conn;
    struct arena *a;
    struct directory_finding *at;
    size_t count, cap;
    json_t *facts;
    struct str subschema;               /* where the schema is read */
    struct str suffix;                  /* that the users are in; the server's own word for it */
    bool openldap, ds389;               /* neither: its own configuration is not looked at */
    bool mistaken;                      /* the preset is for the other one */
    struct directory_entries server;    /* cn=config; none: it cannot be read */
    const struct directory_attr *types; /* of the schema; NULL: it cannot be read */
};

/* ---- inspect.c */
struct directory_finding *inspect_find(struct inspection *in, enum directory_severity severity,
                                       const char *code, struct str text, const char *why);
bool inspect_has(const struct inspection *in, const char *code);
void inspect_apply(struct directory_finding *f, enum directory_apply form, struct str text);
/* For cn=config as LDIF where it can be read, else as lines of slapd.conf; nothing for another
 * server than OpenLDAP. */
void inspect_apply_server(struct inspection *in, struct directory_finding *f, struct str ldif,
                          struct str conf);
MUST_CHECK bool inspect_read(struct inspection *in, struct str dn, const char *const *attrs,
                             struct directory_entries *out, struct error *err);
/* `name: value`, in base64 where LDIF wants it, and the end of the line. */
struct str inspect_line(struct arena *a, const char *name, struct str value);
/* A record of LDIF that adds or deletes (`op`) one value, with an empty line behind it. */
struct str inspect_modify(struct arena *a, struct str dn, const char *op, const char *attr,
                          struct str value);

/* ---- inspect_server.c: cn=config */
MUST_CHECK bool inspect_server(struct inspection *in, struct error *err);
/* After the schema: what could not be seen, and the rule that shows it. */
void inspect_hidden(struct inspection *in);
/* An overlay whose settings the account may not read: its module came after the rule. */
bool inspect_is_veiled(const struct directory_entry *overlay);
/* The database that holds `dn`; NULL: not visible. */
const struct directory_entry *inspect_database(const struct inspection *in, struct str dn);
/* The next overlay of that class in the database behind `after` (NULL: the first); NULL: none. */
const struct directory_entry *inspect_overlay(const struct inspection *in,
                                              const struct directory_entry *database,
                                              const char *class,
                                              const struct directory_entry *after);
/* LDIF of the changes that put `values`, a line each, before all others of `attr` (X-ORDERED):
 * those of them that stand somewhere already are taken out first, else slapd says that they exist.
 * No record: `dn` and `changetype` stand before it, an empty line behind. */
struct str inspect_first(struct inspection *in, const struct directory_entry *database,
                         const char *attr, struct str values);
/* The same as a whole record. */
struct str inspect_modify_first(struct inspection *in, const struct directory_entry *database,
                                const char *attr, struct str values);
/* LDIF that loads the module, empty where it is loaded. */
struct str inspect_module(struct inspection *in, const char *name);
/* An overlay entry to add, without what configures it, and without the last line's end. */
struct str inspect_new_overlay(struct inspection *in, const struct directory_entry *database,
                               const char *name, const char *class);

/* What was read of cn=config, for the report. */
void inspect_take_facts(struct inspection *in);
/* Keys of directory_dn_key(). */

/* ---- inspect_389.c */
MUST_CHECK bool inspect_389(struct inspection *in, struct error *err);
/* Two people of one name were possible: says so where nothing of cn=config has said it. */
void inspect_389_twice(struct inspection *in);
/* ---- inspect_389_entries.c */
void inspect_389_index(struct inspection *in, struct str attr, struct str below,
                       const struct str *kinds, size_t count);
void inspect_389_limit(struct inspection *in, struct str text);
MUST_CHECK bool inspect_389_limits(struct inspection *in, struct error *err);
/* ---- inspect_389_rules.c */
/* What throw-away entries have shown: something may not be done, or may be though it should not,
 * or an applicant may bind. */
struct inspect_effect {
    bool lacks, open, unlocked;
};
void inspect_389_find_rules(struct inspection *in, const struct inspect_effect *effect,
                            struct str text, const char *why);
/* After a read that brought nothing: is it there, and may not be read? */
bool inspect_389_is_hidden(struct inspection *in, struct str dn);
void inspect_389_unreadable(struct inspection *in, struct str what);

/* ---- one file each */
MUST_CHECK bool inspect_root(struct inspection *in, struct error *err);
/* A server that does not tell its changes: fit only where it may be asked again and again. */
enum directory_severity inspect_feed_severity(const struct inspection *in);
MUST_CHECK bool inspect_schema(struct inspection *in, struct error *err);
bool inspect_knows(const struct inspection *in, struct str attribute);
MUST_CHECK bool inspect_entries(struct inspection *in, struct error *err);
void inspect_indexes(struct inspection *in);
void inspect_overlays(struct inspection *in);
/* `serialize ldap:///BASE?ATTR?sub`, as slapo-unique takes it. */
struct str inspect_unique_uri(struct inspection *in, struct str base, struct str attr);
MUST_CHECK bool inspect_limits(struct inspection *in, struct error *err);
void inspect_replication(struct inspection *in);
/* Throw-away entries: what the bridge's account, a person and the operator may do. */
MUST_CHECK bool inspect_rights(struct inspection *in, struct error *err);
MUST_CHECK bool inspect_expiry(struct inspection *in, struct error *err);
