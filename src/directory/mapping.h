/*
 * What the mapping*.c files share: the table in force, and the pieces of reading and writing by it.
 *
 * Owns:    struct directory_mapping owns its table; everything else lives in the caller's arena.
 * Threads: the table is const after directory_mapping_new(); the rest is pure.
 */
#pragma once

#include "directory/internal.h"

struct mapping_write;

/* How a value stands in LDAP, and which values the directory would refuse. */
enum mapping_syntax {
    MAPPING_TEXT,
    MAPPING_IA5,
    MAPPING_PHONE,
    MAPPING_COUNTRY,
    MAPPING_BOOLEAN,
    MAPPING_INTEGER,
    MAPPING_TIME,  /* dateTime: generalizedTime in LDAP, which is a directory string as well */
    MAPPING_BYTES, /* binary: base64 in JSON, the bytes themselves in LDAP */
};

/* One SCIM attribute or sub-attribute and the LDAP attribute that holds it. */
struct mapping_row {
    struct scim_path scim;
    const char *ldap;
    size_t slot;     /* where mapping_slots() puts the LDAP attribute */
    struct str type; /* of LDAP values that no client asserted; empty = none */
    enum mapping_syntax syntax;
    bool read_only;
    bool no_equality;    /* LDAP cannot name single values of it: it changes as a whole */
    bool true_if_absent; /* `active` */
    bool names_entry;    /* userName: the RDN attribute */
    struct str lock;     /* of `active` in plain mode: the value that says no; empty = none */
};

enum mapping_shape {
    MAPPING_STORED,     /* no LDAP attribute: lives in kiopsResource */
    MAPPING_SINGLE,     /* one value, one row */
    MAPPING_COMPLEX,    /* one object, a row for some of its sub-attributes */
    MAPPING_ITEMS,      /* many values, each one LDAP value, rows by type */
    MAPPING_FIRST_ITEM, /* many objects, of which the primary one (else the first) has rows */
};

struct mapping_attr {
    const struct scim_attr *attr;
    enum mapping_shape shape;
    const struct mapping_row *rows;
    size_t row_count;
    bool foreign_only; /* roles: those that we compute come from the directory, not from here */
};

/* The stored attributes of one schema, in its order. */
struct mapping_group {
    const struct scim_schema *extension; /* NULL = the core schema */
    const struct mapping_attr *attrs;
    size_t count;
};

struct directory_mapping {
    struct arena *memory;
    const struct config_directory *config;
    bool keeps;           /* kiopsResource is there: what has no LDAP attribute is kept */
    const char *external; /* plain mode: where externalId stands; NULL = not supported */
    const struct mapping_group *groups;
    size_t group_count;
    size_t member_count;            /* names that a resource can have at its top */
    const struct mapping_row *rows; /* in the order of the table */
    size_t row_count;
    const char *const *names; /* LDAP attribute of each slot */
    size_t slot_count;
    uint16_t *index; /* open addressing over names: slot + 1; 0 = free */
    size_t index_size;
    const char *const *user_attrs;
    const char *const *organization_attrs[2][2]; /* [with_members][with_owners] */
};

/* ---- mapping_table.c */
/* The i-th row of the preset, of which userName is the first; false behind the last. */
bool mapping_preset(const struct config *config, size_t i, struct config_map *out);

/* ---- mapping_lock.c: directory.lock; nothing under "none" */
/* NULL = none. */
const char *mapping_lock_attribute(const struct config_directory *config, struct arena *a);
struct str mapping_lock_value(const struct config_directory *config); /* what stands there */
void mapping_lock(const struct config_directory *config, bool was_active, bool active,
                  struct directory_mods *mods);
/* What bars an inactive account while its password is set; NULL = nothing needs to. */
const char *mapping_bar_attribute(const struct config_directory *config);
/* Of who is active again: a request that broke off may have left it. */
void mapping_unbar(const struct directory_entry *e, struct directory_mods *mods);
void mapping_lock_new(const struct config_directory *config, bool active,
                      struct directory_mods *attrs);

/* ---- mapping_plain.c: a directory without the kiops schema */
/* Is this row of the table `active` in plain mode? Its attribute is the lock's, or none. */
static inline bool mapping_plain_is_lock(const struct directory_mapping *m,
                                         const struct mapping_row *row)
{
    return !m->keeps && row->true_if_absent;
}
/* What says that a user is not active: the directory's lock. */
struct mapping_row mapping_plain_active(const struct config_directory *config, struct arena *a);
/* Is it the attribute of the lock, so that nothing else may write it? */
bool mapping_plain_takes(const struct config_directory *config, struct str ldap);
bool mapping_plain_is_active(const struct mapping_row *row, const struct directory_attr *now);
/* The values of `lock` that go and come; nothing else is touched. */
void mapping_plain_lock(struct mapping_write *w, const struct mapping_row *row, bool active);
/* Does this row of the mapping say where externalId stands? */
bool mapping_plain_is_external(const struct config_map *map);
/* Nothing can keep it beside the LDAP attributes, so it is refused. */
MUST_CHECK bool mapping_plain_check(const struct mapping_write *w, const json_t *after,
                                    struct error *err);
/* "<client>:<value>"; in plain mode ":<value>", which is every client's. */
struct directory_values mapping_external_ids(const struct directory_mapping *m, struct arena *a,
                                             const struct directory_entry *e);

/* ---- mapping_slots.c */
/* Gives every row its slot, and the mapping the attributes to ask for. */
void mapping_slots_build(struct directory_mapping *m, struct mapping_row *rows, size_t n);
/* The attributes of `e` that the table knows, by slot; NULL where absent. */
const struct directory_attr **mapping_slots(const struct directory_mapping *m, struct arena *a,
                                            const struct directory_entry *e);

/* ---- mapping_values.c */
/* Would the directory take this value? What it would not lives in kiopsResource alone. */
bool mapping_storable(const struct mapping_row *row, const json_t *value);
/* A value as LDAP text: a view of it, or in the arena; STR_NONE for what is no value. */
struct str mapping_text(struct arena *a, const struct mapping_row *row, const json_t *value);
/* New; NULL when the text is no value of that kind. `asserted` itself when it says the same. */
json_t *mapping_value(struct arena *a, const struct mapping_row *row, struct str text,
                      json_t *asserted);
/* Two values are one to the directory exactly when their keys are equal bytes. */
struct str mapping_key(struct arena *a, const struct mapping_row *row, struct str text);
/* Place of `text` in `values`: the same bytes, else the same key; -1 absent. */
ptrdiff_t mapping_find(struct arena *a, const struct mapping_row *row,
                       const struct directory_attr *values, struct str text);
/* The one value of `values` (not empty) that a single-valued SCIM attribute shows. */
struct str mapping_shown(struct arena *a, const struct mapping_row *row, struct str dn,
                         const struct directory_attr *values, const json_t *asserted);
/* Of a multi-valued attribute: the value of an item, the row that holds it, the item with rows. */
const json_t *mapping_item_value(const json_t *item);
const struct mapping_row *mapping_item_row(const struct mapping_attr *attr, const json_t *item);
size_t mapping_mapped_item(const json_t *items);
json_t *mapping_member(const json_t *object, struct str name); /* `object` may be NULL */
/* Takes `value`. What is unassigned (NULL, null, {}, []) is left out (RFC 7643 2.5). */
void mapping_put(json_t *object, struct str name, json_t *value);
/* New, or NULL: the items whose type is not ours; `roles` itself when all are. */
json_t *mapping_foreign(json_t *roles);

/* ---- mapping_json.c */
/* New, or NULL for text that no bridge wrote: with blanks, names twice, or deep. */
json_t *mapping_json(struct str text);

/* ---- mapping_asserted.c: kiopsResource */
struct mapping_asserted {
    json_t *resource; /* borrowed, kept by the arena; NULL = nobody asserted anything */
    json_t *filled;   /* LDAP attribute -> the value filled in because the class demands one */
    struct str hash;  /* version of the content that `time` belongs to */
    struct str time;
    struct str marker;
    struct str given_mail; /* of who signed up: nobody has verified it */
};

/* Odd bytes count as nothing asserted. */
void mapping_asserted_read(struct arena *a, struct str bytes, struct mapping_asserted *out);
struct str mapping_asserted_write(struct arena *a, const struct mapping_asserted *asserted);
/* Hex of the hash of the canonical text and the externalIds of all clients. */
void mapping_version(struct arena *a, const json_t *resource,
                     const struct directory_values *external_ids, char out[17]);
uint64_t mapping_content(struct arena *a, const json_t *resource,
                         const struct directory_values *external_ids);

/* ---- mapping_read.c */
/* New: the shared part of the resource by the merge rule. */
json_t *mapping_read(const struct directory_mapping *m, struct arena *a,
                     const struct directory_entry *e, const struct mapping_asserted *asserted);
struct directory_values mapping_values(const struct directory_entry *e, const char *name);
instant_t mapping_instant(const struct directory_entry *e, const char *name);

/* ---- mapping_group.c */
/* The members of an organization as DNs: of memberUid, those of users.create_in with that uid. */
struct directory_values mapping_group_dns(const struct config_directory *config, struct arena *a,
                                          struct directory_values values);

/* ---- mapping_change.c: what a modify does to an entry, before it is sent */
struct mapping_change {
    const char *ldap;
    struct str scim; /* for the client's eyes */
    bool no_equality;
    const struct str *del, *add; /* exact values */
    size_t del_count, add_count;
    struct str
        name; /* value that names the entry afterwards, should this be its RDN; at NULL = none */
};

struct mapping_changes {
    struct arena *arena;
    const struct directory_entry *entry; /* as it is now; no attributes = about to be added */
    struct mapping_change *at;
    size_t count, cap;
};

/* Does nothing without values. At most one change of an LDAP attribute; `add` is put at its end. */
void mapping_changes_push(struct mapping_changes *c, struct mapping_change change);
void mapping_changes_one(struct mapping_changes *c, const char *ldap, struct str scim,
                         struct str del, struct str add); /* at NULL = none */
/* A change of the value that names the entry becomes a rename. `*new_rdn` stays empty without one.
 * Errors: ERR_INVALID_VALUE. */
MUST_CHECK bool mapping_changes_rename(struct mapping_changes *c, struct str *new_rdn,
                                       struct error *err);
/* The RDN of a new entry. Errors: ERR_INVALID_VALUE. */
MUST_CHECK bool mapping_changes_new_rdn(const struct mapping_changes *c, struct str ldap,
                                        struct str *rdn, struct error *err);
/* The entry after the changes; its DN is left open. */
const struct directory_entry *mapping_changes_applied(const struct mapping_changes *c);
void mapping_changes_send(const struct mapping_changes *c, struct directory_mods *mods);
/* externalId of this writer's client; those of others stay. `plain`: the attribute that holds one
 * for all of them; NULL = kiopsExternalId. */
void mapping_changes_external_id(struct mapping_changes *c, const struct directory_writer *w,
                                 const json_t *after, const char *plain);
/* Classes of a new entry: the configured ones and ours (`own` may be empty). */
void mapping_changes_classes(struct mapping_changes *c, const struct config_strings *configured,
                             struct str own);
/* Adds the class when the entry shows its classes and lacks it. */
void mapping_changes_class(struct mapping_changes *c, struct str name);
/* The value of `ldap` in the entry's RDN; STR_NONE when it is named otherwise. `*shared`: other
 * attributes name it too. */
struct str mapping_rdn_value(struct arena *a, struct str dn, const char *ldap, bool *shared);

/* ---- mapping_write.c */
struct mapping_write {
    const struct directory_mapping *mapping;
    struct arena *arena;
    json_t *resource;                 /* to be stored, see mapping_stored_part() */
    json_t *filled;                   /* what it had to fill in */
    struct mapping_asserted asserted; /* what kiopsResource says until now */
    const struct directory_attr **at; /* values now, by slot */
    struct str lost;                  /* a SCIM attribute of which LDAP cannot hold a value */
    struct mapping_changes changes;
};

/* New: the attributes of a resource that the directory keeps. */
json_t *mapping_stored_part(const struct directory_mapping *m, const json_t *resource);
/* The changes of LDAP values that make them say `resource`; kiops attributes are not among them. */
void mapping_write_values(struct mapping_write *w);
