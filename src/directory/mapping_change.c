/* What a modify does to an entry: exact values out and in, the rename that some of them need, and
 * the entry that comes of it. */
#include <string.h>

#include "base/unicode.h"
#include "directory/mapping.h"

/* back-mdb refuses a longer RDN with "other" (80), which nobody could tell from trouble. */
#define RDN_MAX 240

/* ---- collecting */

static const struct str *copy_of(struct arena *a, const struct str *values, size_t n)
{
    struct str *copy = ARENA_ARRAY(a, struct str, n);
    if (n > 0)
        memcpy(copy, values, n * sizeof *copy);
    return copy;
}

void mapping_changes_push(struct mapping_changes *c, struct mapping_change change)
{
    if (change.del_count == 0 && change.add_count == 0)
        return;
    change.del = copy_of(c->arena, change.del, change.del_count);
    change.add = copy_of(c->arena, change.add, change.add_count);
    c->at = arena_grow(c->arena, c->at, sizeof *c->at, c->count, &c->cap);
    c->at[c->count++] = change;
}

void mapping_changes_one(struct mapping_changes *c, const char *ldap, struct str scim,
                         struct str del, struct str add)
{
    mapping_changes_push(c, (struct mapping_change){.ldap = ldap,
                                                    .scim = scim,
                                                    .del = &del,
                                                    .del_count = del.at != NULL,
                                                    .add = &add,
                                                    .add_count = add.at != NULL,
                                                    .name = add});
}

void mapping_changes_class(struct mapping_changes *c, struct str name)
{
    /* Without the right to read the classes, adding one that is there would fail for ever. */
    if (directory_attr(c->entry, "objectClass") && !directory_has(c->entry, "objectClass", name))
        mapping_changes_one(c, "objectClass", STR("schemas"), STR_NONE, name);
}

void mapping_changes_classes(struct mapping_changes *c, const struct config_strings *configured,
                             struct str own)
{
    struct str *classes = ARENA_ARRAY(c->arena, struct str, configured->count + 1);
    size_t n = 0;
    bool there = false;
    for (size_t i = 0; i < configured->count; i++) {
        classes[n++] = configured->at[i];
        there = there || str_ieq(configured->at[i], own);
    }
    if (!there && own.len)
        classes[n++] = own;
    mapping_changes_push(
        c, (struct mapping_change){.ldap = "objectClass", .add = classes, .add_count = n});
}

/* `value` behind "<client>:", STR_NONE for another client's. Letter by letter, as reads and the
 * attribute's own rule have it. */
static struct str own_external(struct str value, struct str client)
{
    if (str_starts(value, STR(":")))
        return str_sub(value, 1, value.len);
    if (client.len == 0 || value.len <= client.len || value.at[client.len] != ':' ||
        !str_starts(value, client))
        return STR_NONE;
    return str_sub(value, client.len + 1, value.len);
}

struct str directory_external_id(const struct directory_values *values, struct str client)
{
    for (size_t i = 0; i < values->count; i++) {
        struct str own = own_external(values->at[i], client);
        if (own.at)
            return own;
    }
    return STR_NONE;
}

/* Somebody else's values of it stay, should it have several. */
static void change_plain_external(struct mapping_changes *c, const json_t *after, const char *ldap)
{
    struct directory_values now = mapping_values(c->entry, ldap);
    struct str wanted = json_get_str(after, "externalId");
    struct str old = now.count ? now.at[0] : STR_NONE;
    if (!str_eq(old, wanted))
        mapping_changes_one(c, ldap, STR("externalId"), old.len ? old : STR_NONE,
                            wanted.len ? wanted : STR_NONE);
}

void mapping_changes_external_id(struct mapping_changes *c, const struct directory_writer *w,
                                 const json_t *after, const char *plain)
{
    if (plain) {
        change_plain_external(c, after, plain);
        return;
    }
    static const char ldap[] = "kiopsExternalId";
    if (w->client.len == 0)
        return;
    struct directory_values now = mapping_values(c->entry, ldap);
    struct str wanted = json_get_str(after, "externalId");
    struct str *del = ARENA_ARRAY(c->arena, struct str, now.count);
    size_t n = 0;
    bool there = false;
    for (size_t i = 0; i < now.count; i++) {
        struct str own = own_external(now.at[i], w->client);
        if (own.at && !there && wanted.len && str_eq(own, wanted))
            there = true;
        else if (own.at)
            del[n++] = now.at[i];
    }
    struct str add = arena_fmt(c->arena, STR_FMT ":" STR_FMT, STR_ARG(w->client), STR_ARG(wanted));
    mapping_changes_push(c, (struct mapping_change){.ldap = ldap,
                                                    .scim = STR("externalId"),
                                                    .del = del,
                                                    .del_count = n,
                                                    .add = &add,
                                                    .add_count = wanted.len > 0 && !there});
}

/* ---- the name of the entry */

struct str mapping_rdn_value(struct arena *a, struct str dn, const char *ldap, bool *shared)
{
    *shared = false;
    struct berval text = {.bv_len = dn.len, .bv_val = (char *)(uintptr_t)dn.at};
    LDAPDN parts = NULL;
    if (dn.len == 0 || ldap_bv2dn(&text, &parts, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS || !parts)
        return STR_NONE;
    struct str found = STR_NONE;
    for (LDAPAVA **ava = parts[0]; ava && *ava; ava++) {
        struct str type = {(*ava)->la_attr.bv_val, (*ava)->la_attr.bv_len};
        struct str value = {(*ava)->la_value.bv_val, (*ava)->la_value.bv_len};
        if (str_ieq(type, str_of(ldap)))
            found = arena_str(a, value);
        *shared = *shared || ava != parts[0];
    }
    ldap_dnfree(parts);
    return found;
}

/* The text of `ldap`=`value`, when the directory can hold it. */
static bool rdn_text(struct arena *a, const struct mapping_change *change, struct str value,
                     struct str *out, struct error *err)
{
    struct str scim = change->scim;
    if (utf8_has_prohibited(value))
        return error_set(err, ERR_INVALID_VALUE, STR_FMT " holds a character that a name cannot",
                         STR_ARG(scim));
    struct str escaped = directory_dn_value(a, value);
    struct str folded = directory_dn_value(a, unicode_key(a, value));
    size_t longer = escaped.len > folded.len ? escaped.len : folded.len;
    if (strlen(change->ldap) + 1 + longer > RDN_MAX)
        return error_set(err, ERR_INVALID_VALUE,
                         STR_FMT " is longer than the directory's names (%d bytes)", STR_ARG(scim),
                         RDN_MAX);
    *out = arena_fmt(a, "%s=" STR_FMT, change->ldap, STR_ARG(escaped));
    return true;
}

bool mapping_changes_new_rdn(const struct mapping_changes *c, struct str ldap, struct str *rdn,
                             struct error *err)
{
    for (size_t i = 0; i < c->count; i++)
        if (str_ieq(str_of(c->at[i].ldap), ldap) && c->at[i].add_count > 0)
            return rdn_text(c->arena, &c->at[i], c->at[i].add[0], rdn, err);
    return error_set(err, ERR_INVALID_VALUE, "the value that names the entry is missing");
}

/* Copies `values` without the one that is `value`, byte for byte. */
static const struct str *without(struct arena *a, const struct str *values, size_t *n,
                                 struct str value)
{
    struct str *rest = ARENA_ARRAY(a, struct str, *n);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (!str_eq(values[i], value))
            rest[kept++] = values[i];
    *n = kept;
    return rest;
}

/* The rename takes the old value out and puts the new one in: neither is in the modify. */
static bool rename_by(struct mapping_changes *c, struct mapping_change *change, struct str old,
                      struct str *new_rdn, struct error *err)
{
    if (!change->name.at)
        return error_set(err, ERR_INVALID_VALUE, STR_FMT " names the entry and cannot be removed",
                         STR_ARG(change->scim));
    if (!rdn_text(c->arena, change, change->name, new_rdn, err))
        return false;
    change->del = without(c->arena, change->del, &change->del_count, old);
    change->add = without(c->arena, change->add, &change->add_count, change->name);
    return true;
}

bool mapping_changes_rename(struct mapping_changes *c, struct str *new_rdn, struct error *err)
{
    *new_rdn = STR_NONE;
    for (size_t i = 0; i < c->count; i++) {
        struct mapping_change *change = &c->at[i];
        bool shared;
        struct str name = mapping_rdn_value(c->arena, c->entry->dn, change->ldap, &shared);
        struct str key = name.at ? unicode_key(c->arena, name) : STR_NONE;
        for (size_t k = 0; name.at && k < change->del_count; k++) {
            if (!str_eq(unicode_key(c->arena, change->del[k]), key))
                continue;
            if (shared)
                return error_set(err, ERR_INVALID_VALUE,
                                 STR_FMT " names the entry together with another attribute and "
                                         "cannot be changed here",
                                 STR_ARG(change->scim));
            return rename_by(c, change, change->del[k], new_rdn, err);
        }
    }
    return true;
}

/* ---- the entry after them */

static struct directory_attr applied(struct arena *a, const struct directory_attr *now,
                                     const struct mapping_change *change)
{
    size_t had = now ? now->count : 0, n = 0;
    struct str *values = ARENA_ARRAY(a, struct str, had + change->add_count);
    for (size_t i = 0; i < had; i++) {
        bool gone = false;
        for (size_t k = 0; !gone && k < change->del_count; k++)
            gone = str_eq(now->values[i], change->del[k]);
        if (!gone)
            values[n++] = now->values[i];
    }
    for (size_t i = 0; i < change->add_count; i++)
        values[n++] = change->add[i];
    return (struct directory_attr){str_of(change->ldap), values, n};
}

const struct directory_entry *mapping_changes_applied(const struct mapping_changes *c)
{
    struct directory_entry *out = ARENA_NEW(c->arena, struct directory_entry);
    *out = *c->entry;
    out->dn = STR_NONE; /* a rename may follow */
    struct directory_attr *attrs =
        ARENA_ARRAY(c->arena, struct directory_attr, c->entry->attr_count + c->count);
    size_t n = 0;
    for (size_t i = 0; i < c->entry->attr_count; i++) {
        bool changed = false;
        for (size_t k = 0; !changed && k < c->count; k++)
            changed = str_ieq(c->entry->attrs[i].name, str_of(c->at[k].ldap));
        if (!changed)
            attrs[n++] = c->entry->attrs[i];
    }
    for (size_t k = 0; k < c->count; k++)
        attrs[n++] = applied(c->arena, directory_attr(c->entry, c->at[k].ldap), &c->at[k]);
    out->attrs = attrs;
    out->attr_count = n;
    return out;
}

/* ---- sending */

/* Without an equality rule neither single values nor additions can be named (18): all out, all in.
 * The swapped kiopsResource in the same modify says that nobody wrote in between. */
static void send_whole(const struct mapping_changes *c, const struct mapping_change *change,
                       struct directory_mods *mods)
{
    const struct directory_attr *now = directory_attr(c->entry, change->ldap);
    struct directory_attr after = applied(c->arena, now, change);
    if (now)
        directory_mods_push(mods, DIRECTORY_DELETE, change->ldap, NULL, 0);
    if (after.count > 0)
        directory_mods_push(mods, DIRECTORY_ADD, change->ldap, after.values, after.count);
}

void mapping_changes_send(const struct mapping_changes *c, struct directory_mods *mods)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct mapping_change *change = &c->at[i];
        if (change->no_equality) {
            send_whole(c, change, mods);
            continue;
        }
        if (change->del_count > 0)
            directory_mods_push(mods, DIRECTORY_DELETE, change->ldap, change->del,
                                change->del_count);
        if (change->add_count > 0)
            directory_mods_push(mods, DIRECTORY_ADD, change->ldap, change->add, change->add_count);
    }
}
