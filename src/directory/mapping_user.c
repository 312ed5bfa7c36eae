/* Users: the face of the mapping for the entries of people. */
#include <string.h>

#include "base/unicode.h"
#include "directory/mapping.h"

/* A later modify carries it twice, and slapd takes messages of 16 MB: a person who fills one could
 * never be changed again. Other servers are narrower. */
#define ASSERTED_MAX (2 * 1024 * 1024)

/* ---- reading */

/* Of the overlay ppolicy; of 389 Directory Server with passwordTrackUpdateTime. */
static struct str password_changed(const struct directory_entry *e)
{
    struct str at = directory_value(e, "pwdChangedTime");
    return at.len ? at : directory_value(e, "pwdUpdateTime");
}

void directory_map_person(struct arena *a, const struct directory_entry *e,
                          struct directory_person *out)
{
    (void)a;
    *out = (struct directory_person){
        .dn = e->dn,
        .id = e->id,
        .csn = e->csn,
        .password_changed = password_changed(e),
        .active = !str_ieq(directory_value(e, "kiopsActive"), STR("FALSE")),
        .joined = mapping_values(e, "kiopsJoined"),
        .managers = mapping_values(e, "kiopsManager"),
        .permissions = mapping_values(e, "kiopsPermission"),
        .requests = mapping_values(e, "kiopsRequest"),
        .rejected = mapping_values(e, "kiopsRejected"),
        .external_ids = mapping_values(e, "kiopsExternalId"),
    };
}

#define SECOND_US 1000000

/* lastModified speaks of content: joins and roles move the entry's own time stamp too. Content
 * without a time is what the entry was made with. In whole seconds, as the directory's own times
 * are: who reads on from the latest lastModified would miss what comes later in the same second. */
static instant_t modified(const struct directory_entry *e, const struct mapping_asserted *asserted,
                          const char version[17])
{
    instant_t at;
    bool holds = str_eq(asserted->hash, str_of(version));
    if (holds && asserted->time.len == 0)
        return mapping_instant(e, "createTimestamp");
    if (holds && clock_parse_rfc3339(asserted->time, &at))
        return at - at % SECOND_US;
    return mapping_instant(e, "modifyTimestamp");
}

/* Of who signed up: the name asked for, which the entry's own RDN does not hold, and the e-mail as
 * it was given. */
static void show_applicant(json_t *resource, const struct mapping_asserted *asserted)
{
    struct str name = json_get_str(asserted->resource, "userName");
    if (name.len)
        json_put_str(resource, "userName", name);
    if (asserted->given_mail.len)
        json_put(resource, "emails",
                 json_pack("[{s:s%,s:s}]", "value", asserted->given_mail.at,
                           asserted->given_mail.len, "type", "unverified"));
}

bool directory_map_user(const struct directory *d, struct arena *a, const struct directory_entry *e,
                        struct directory_user *out, struct error *err)
{
    struct mapping_asserted asserted;
    mapping_asserted_read(a, directory_value(e, "kiopsResource"), &asserted);
    json_t *resource = mapping_read(d->mapping, a, e, &asserted);
    json_keep(a, resource);
    bool applicant = directory_is_applicant(d, e->dn);
    if (applicant)
        show_applicant(resource, &asserted);
    struct str user_name = json_get_str(resource, "userName");
    if (user_name.len == 0)
        return error_set(err, ERR_INTERNAL, "an entry of the users has no userName");
    struct str display = json_get_str(resource, "displayName");
    *out = (struct directory_user){
        .user_name = user_name,
        .display = display.len ? display : user_name,
        .resource = resource,
        .created = mapping_instant(e, "createTimestamp"),
        .marker = asserted.marker,
        .asserted_name = json_get_str(asserted.resource, "userName"),
    };
    directory_map_person(a, e, &out->person);
    out->person.external_ids = mapping_external_ids(d->mapping, a, e);
    if (!d->mapping->keeps)
        out->person.active = json_get_bool(resource, "active", true);
    out->person.applicant = applicant;
    out->asserted = asserted.resource || out->person.external_ids.count;
    mapping_version(a, resource, &out->person.external_ids, out->version);
    out->as_asserted = str_eq(asserted.hash, str_of(out->version));
    out->modified = modified(e, &asserted, out->version);
    return true;
}

/* ---- writing */

/* The name is what everybody finds the person by: it cannot live in kiopsResource alone. */
static bool check_user_name(const json_t *resource, struct error *err)
{
    struct str name = json_get_str(resource, "userName");
    if (str_trim(name).len == 0)
        return error_set(err, ERR_INVALID_VALUE, "userName is missing");
    if (!utf8_valid(name) || utf8_has_prohibited(name))
        return error_set(err, ERR_INVALID_VALUE, "userName holds a character that a name cannot");
    return true;
}

static bool is_known(const struct directory_mapping *m, struct str name)
{
    for (size_t i = 0; i < m->group_count; i++)
        if (m->groups[i].extension && str_eq(m->groups[i].extension->id, name))
            return true;
    return false;
}

/* What stands under the URN of an extension that this bridge does not have now: it was taken out of
 * the configuration, by mistake or for a while, or another bridge has it. */
static void keep_unknown(const struct mapping_write *w)
{
    json_t *asserted = w->asserted.resource;
    for (void *at = json_object_iter(asserted); at; at = json_object_iter_next(asserted, at)) {
        struct str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
        size_t colon;
        if (str_find(name, ':', &colon) && !is_known(w->mapping, name))
            mapping_put(w->resource, name, json_incref(json_object_iter_value(at)));
    }
}

static void begin(struct mapping_write *w, const struct directory *d, struct arena *a,
                  const struct directory_user_edit *edit)
{
    static const struct directory_entry nothing;
    const struct directory_entry *entry = edit->entry ? edit->entry : &nothing;
    *w = (struct mapping_write){
        .mapping = d->mapping,
        .arena = a,
        .filled = json_object(),
        .at = mapping_slots(d->mapping, a, entry),
        .changes = {.arena = a, .entry = entry},
    };
    json_keep(a, w->filled);
    w->resource = mapping_stored_part(d->mapping, edit->after);
    json_keep(a, w->resource);
    mapping_asserted_read(a, directory_value(entry, "kiopsResource"), &w->asserted);
    keep_unknown(w);
}

/* Version of what a read will give once the changes so far are made. */
static void foresee(const struct mapping_write *w, char version[17])
{
    const struct directory_entry *after = mapping_changes_applied(&w->changes);
    struct mapping_asserted asserted = {.resource = w->resource, .filled = w->filled};
    json_t *resource = mapping_read(w->mapping, w->arena, after, &asserted);
    json_keep(w->arena, resource);
    struct directory_values external = mapping_external_ids(w->mapping, w->arena, after);
    mapping_version(w->arena, resource, &external, version);
}

/* Old kiopsResource out, new one in: together they say that nobody wrote in between. A new entry
 * gets no time: the directory's clock says when it was made, and lastModified is to equal that. */
static bool swap_asserted(struct mapping_write *w, const struct directory_writer *writer,
                          struct str given_mail, struct error *err)
{
    char version[17];
    foresee(w, version);
    char time[CLOCK_TEXT_MAX];
    bool is_new = w->changes.entry->attr_count == 0;
    struct mapping_asserted asserted = {
        .resource = w->resource,
        .filled = w->filled,
        .hash = str_of(version),
        .time = is_new ? STR_NONE : clock_rfc3339(writer->now, time),
        .marker = writer->marker,
        .given_mail = given_mail,
    };
    struct directory_values old = mapping_values(w->changes.entry, "kiopsResource");
    struct str now = mapping_asserted_write(w->arena, &asserted);
    if (now.len > ASSERTED_MAX)
        return error_set(err, ERR_INVALID_VALUE,
                         "the user would take more than %d KB in the directory; send fewer or "
                         "shorter values",
                         ASSERTED_MAX / 1024);
    mapping_changes_push(&w->changes, (struct mapping_change){.ldap = "kiopsResource",
                                                              .del = old.at,
                                                              .del_count = old.count,
                                                              .add = &now,
                                                              .add_count = 1});
    return true;
}

static void write_all(struct mapping_write *w, const struct directory_user_edit *edit)
{
    const struct directory_mapping *m = w->mapping;
    mapping_write_values(w);
    if (m->keeps || m->external)
        mapping_changes_external_id(&w->changes, edit->writer, edit->after, m->external);
}

/* What LDAP attributes do not hold: stored beside them, or refused where nothing stores it. */
static bool keep(struct mapping_write *w, const struct directory_user_edit *edit,
                 struct str given_mail, struct error *err)
{
    return w->mapping->keeps ? swap_asserted(w, edit->writer, given_mail, err)
                             : mapping_plain_check(w, edit->after, err);
}

/* The changes that make a new entry, and its RDN. */
static bool begin_new(struct mapping_write *write, const struct directory *d,
                      const struct directory_applicant *who, struct str *rdn, struct error *err)
{
    const struct config_users *users = &d->config->directory.users;
    const struct directory_user_edit *edit = who->edit;
    if (!check_user_name(edit->after, err))
        return false;
    mapping_changes_classes(&write->changes, &users->object_classes,
                            d->mapping->keeps ? STR("kiopsUser") : STR_NONE);
    write_all(write, edit);
    return keep(write, edit, who->mail, err) &&
           mapping_changes_new_rdn(&write->changes, users->rdn, rdn, err);
}

static void send_new(const struct directory *d, const struct mapping_write *write,
                     const struct directory_user_edit *edit, struct directory_mods *attrs)
{
    mapping_changes_send(&write->changes, attrs);
    mapping_lock_new(&d->config->directory, json_get_bool(edit->after, "active", true), attrs);
}

bool directory_unmap_new_user(const struct directory *d, const struct directory_user_edit *edit,
                              struct str *dn, struct directory_mods *attrs, struct error *err)
{
    const struct directory_applicant known = {.edit = edit};
    struct mapping_write write;
    struct str rdn;
    begin(&write, d, attrs->arena, edit);
    if (!begin_new(&write, d, &known, &rdn, err))
        return false;
    *dn = arena_fmt(attrs->arena, STR_FMT "," STR_FMT, STR_ARG(rdn),
                    STR_ARG(d->config->directory.users.create_in));
    send_new(d, &write, edit, attrs);
    return true;
}

bool directory_unmap_applicant(const struct directory *d, const struct directory_applicant *who,
                               struct str *dn, struct directory_mods *attrs, struct error *err)
{
    struct str ldap = d->config->directory.users.rdn, rdn;
    struct mapping_write write;
    begin(&write, d, attrs->arena, who->edit);
    if (!begin_new(&write, d, who, &rdn, err))
        return false;
    for (size_t i = 0; i < write.changes.count; i++)
        if (str_ieq(str_of(write.changes.at[i].ldap), ldap)) {
            write.changes.at[i].add = &who->name;
            write.changes.at[i].add_count = 1;
        }
    *dn = arena_fmt(attrs->arena, STR_FMT "=" STR_FMT "," STR_FMT, STR_ARG(ldap),
                    STR_ARG(who->name), STR_ARG(d->config->signup.container));
    send_new(d, &write, who->edit, attrs);
    return true;
}

struct str directory_user_rdn(const struct directory *d, struct arena *a, struct str user_name)
{
    return arena_fmt(a, STR_FMT "=" STR_FMT, STR_ARG(d->config->directory.users.rdn),
                     STR_ARG(directory_dn_value(a, user_name)));
}

/* The value of `dn`'s own name, spelt as the entry has it; empty: it has no such value, or is named
 * so itself. */
static struct str old_name(const struct directory *d, struct arena *a,
                           const struct directory_entry *e, struct str name)
{
    const char *ldap = arena_cstr(a, d->config->directory.users.rdn);
    struct directory_values values = mapping_values(e, ldap);
    bool shared;
    struct str now = mapping_rdn_value(a, e->dn, ldap, &shared), key = unicode_key(a, name);
    if (!name.len || shared || str_eq(unicode_key(a, now), key))
        return STR_NONE;
    for (size_t i = 0; i < values.count; i++)
        if (str_eq(unicode_key(a, values.at[i]), key))
            return values.at[i];
    return STR_NONE;
}

void directory_drop_old_name(const struct directory *d, const struct directory_entry *e,
                             struct str dn, struct directory_mods *mods)
{
    bool shared;
    const char *ldap = arena_cstr(mods->arena, d->config->directory.users.rdn);
    struct str value =
        old_name(d, mods->arena, e, mapping_rdn_value(mods->arena, dn, ldap, &shared));
    if (value.len)
        directory_mods_one(mods, DIRECTORY_DELETE, ldap, value);
}

/* What a rename left that was not ended: the asserted name is another one. */
static bool drop_old_name(struct mapping_write *w, const struct directory *d,
                          const struct directory_user_edit *edit)
{
    struct str asserted = edit->before->asserted_name;
    if (!asserted.len ||
        str_eq(unicode_key(w->arena, asserted), unicode_key(w->arena, edit->before->user_name)))
        return false;
    struct str value = old_name(d, w->arena, edit->entry, asserted);
    if (value.len)
        mapping_changes_one(&w->changes, arena_cstr(w->arena, d->config->directory.users.rdn),
                            STR("userName"), value, STR_NONE);
    return true;
}

bool directory_unmap_user(const struct directory *d, const struct directory_user_edit *edit,
                          struct directory_mods *mods, struct str *new_rdn, struct error *err)
{
    struct mapping_write write;
    char version[17];
    *new_rdn = STR_NONE;
    if (!check_user_name(edit->after, err))
        return false;
    begin(&write, d, mods->arena, edit);
    write_all(&write, edit);
    bool left = drop_old_name(&write, d, edit);
    foresee(&write, version);
    if (!left && !edit->adopts && str_eq(str_of(version), str_of(edit->before->version)))
        return d->mapping->keeps || mapping_plain_check(&write, edit->after, err);
    if (d->mapping->keeps)
        mapping_changes_class(&write.changes, STR("kiopsUser"));
    if (!keep(&write, edit, STR_NONE, err))
        return false;
    if (!mapping_changes_rename(&write.changes, new_rdn, err))
        return false;
    mapping_changes_send(&write.changes, mods);
    bool active = json_get_bool(edit->after, "active", true);
    mapping_lock(&d->config->directory, edit->before->person.active, active, mods);
    if (active)
        mapping_unbar(edit->entry, mods);
    return true;
}
