/* Records: one entry packed into one block; about 0.8 KB for a user, where a jansson tree takes 6.
 */
#include "replica/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/own.h"
#include "base/unicode.h"

/* Far above what an entry may hold by the limits, far below what `end` can count. */
#define RECORD_MAX ((size_t)256 * 1024 * 1024)

struct packer {
    struct buf text;
    uint32_t end[FIELDS];
    enum field next;
    uint16_t extensions;
    bool odd_keys;
};

/* Fields are packed in their order; those passed over are empty. */
static void begin_field(struct packer *p, enum field f)
{
    assert(p->next <= f);
    for (; p->next < f; p->next++)
        p->end[p->next] = (uint32_t)p->text.len;
}

static void end_field(struct packer *p, enum field f)
{
    assert(p->next == f);
    p->end[f] = (uint32_t)p->text.len;
    p->next = f + 1;
}

static void pack(struct packer *p, enum field f, struct str value)
{
    begin_field(p, f);
    buf_str(&p->text, value);
    end_field(p, f);
}

/* Empty when it says the same as `original`. */
static void pack_key(struct packer *p, enum field f, struct str key, struct str original)
{
    pack(p, f, str_eq(key, original) ? STR_NONE : key);
}

static void pack_list(struct packer *p, enum field f, const struct directory_values *values)
{
    begin_field(p, f);
    for (size_t i = 0; i < values->count; i++) {
        uint32_t len = (uint32_t)values->at[i].len;
        buf_add(&p->text, (const char *)&len, sizeof len);
        buf_str(&p->text, values->at[i]);
    }
    end_field(p, f);
}

static void pack_label(struct packer *p, struct str display)
{
    begin_field(p, FIELD_LABEL);
    size_t from = p->text.len;
    buf_json_string(&p->text, display);
    end_field(p, FIELD_LABEL);
    struct str label = str_sub(buf_view(&p->text), from + 1, p->text.len - from - 2);
    pack_key(p, FIELD_DISPLAY, display, label);
}

static void pack_member(struct packer *p, size_t from, const char *name, const json_t *value)
{
    if (p->text.len > from)
        buf_char(&p->text, ',');
    buf_json_string(&p->text, str_of(name));
    buf_char(&p->text, ':');
    json_write(value, &p->text);
}

/* The members of the resource that are not extensions, `roles` (merged with ours when shown) left
 * out. */
static void pack_core(struct packer *p, const json_t *resource)
{
    begin_field(p, FIELD_CORE);
    size_t from = p->text.len;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)resource, name,
                        value) if (!strchr(name, ':') && strcmp(name, "roles") != 0)
        pack_member(p, from, name, value);
    end_field(p, FIELD_CORE);
}

static uint16_t extension_bit(const struct scim_resource_type *type, const char *urn)
{
    for (size_t i = 0; i < type->extension_count; i++)
        if (str_eq(type->extensions[i]->id, str_of(urn)))
            return (uint16_t)(1U << i);
    return 0;
}

/* New. RFC 7643 4.3: manager.$ref is the URI of that User; only we know the base. */
static json_t *shown_extension(const struct replica *r, const char *urn, json_t *extension)
{
    const json_t *manager = json_object_get(extension, "manager");
    struct str id = json_get_str(manager, "value");
    if (strcmp(urn, SCIM_URN_ENTERPRISE) != 0 || !id.len)
        return json_incref(extension);
    json_t *shown = json_copy(extension), *person = json_copy((json_t *)(uintptr_t)manager);
    json_put(person, "$ref",
             json_sprintf(STR_FMT "/Users/" STR_FMT, STR_ARG(r->base), STR_ARG(id)));
    json_put(shown, "manager", person);
    return shown;
}

static void pack_extensions(struct packer *p, const struct replica *r, const json_t *resource,
                            bool is_user)
{
    const struct scim_resource_type *type = is_user ? r->user_type : r->group_type;
    const char *own = is_user ? SCIM_URN_KIOPS_USER : SCIM_URN_KIOPS_ORGANIZATION, *name;
    json_t *value;
    begin_field(p, FIELD_EXTENSIONS);
    size_t from = p->text.len;
    json_object_foreach((json_t *)(uintptr_t)resource, name, value)
    {
        uint16_t bit = strcmp(name, own) != 0 ? extension_bit(type, name) : 0;
        if (!bit || !json_object_size(value))
            continue;
        OWNED_JSON json_t *shown = shown_extension(r, name, value);
        pack_member(p, from, name, shown);
        p->extensions |= bit;
    }
    end_field(p, FIELD_EXTENSIONS);
}

/* joinPolicy is shown from `open`, so that its default shows too; the rest is made from links. */
static void pack_own_extension(struct packer *p, const json_t *extension)
{
    const json_t *description = json_object_get(extension, "description");
    begin_field(p, FIELD_OWN_EXTENSION);
    if (description)
        pack_member(p, p->text.len, "description", description);
    end_field(p, FIELD_OWN_EXTENSION);
}

static void pack_roles(struct packer *p, const json_t *roles)
{
    begin_field(p, FIELD_ROLES);
    size_t i;
    const json_t *role;
    json_array_foreach(roles, i, role)
    {
        if (i)
            buf_char(&p->text, ',');
        json_write(role, &p->text);
    }
    end_field(p, FIELD_ROLES);
}

static void pack_identity(struct packer *p, struct str id, struct str dn, struct str csn)
{
    OWNED_BUF struct buf key;
    buf_init(&key, RECORD_MAX);
    directory_dn_key_to(&key, dn);
    pack(p, FIELD_ID, id);
    pack(p, FIELD_DN, dn);
    pack_key(p, FIELD_DN_KEY, buf_view(&key), dn);
    pack(p, FIELD_CSN, csn);
}

static void pack_name(struct packer *p, struct str name)
{
    OWNED_BUF struct buf key;
    buf_init(&key, RECORD_MAX);
    unicode_key_to(&key, name);
    p->odd_keys |= key.len == 0;
    pack(p, FIELD_NAME, name);
    pack_key(p, FIELD_NAME_KEY, buf_view(&key), name);
}

/* ---- keys */

static void pack_key_item(struct packer *p, struct str text)
{
    uint32_t len = 0;
    size_t from = p->text.len;
    buf_add(&p->text, (const char *)&len, sizeof len);
    unicode_key_to(&p->text, text);
    if (p->text.failed)
        return;
    len = (uint32_t)(p->text.len - from - sizeof len);
    memcpy(p->text.at + from, &len, sizeof len);
    p->odd_keys |= text.len > 0 && len == 0;
}

static void pack_keys(struct packer *p, const json_t *resource)
{
    const json_t *name = json_object_get(resource, "name");
    const struct str texts[RECORD_KEYS] = {
        [RECORD_DISPLAY_NAME] = json_get_str(resource, "displayName"),
        [RECORD_FORMATTED] = json_get_str(name, "formatted"),
        [RECORD_FAMILY_NAME] = json_get_str(name, "familyName"),
        [RECORD_GIVEN_NAME] = json_get_str(name, "givenName"),
    };
    begin_field(p, FIELD_KEYS);
    for (size_t i = 0; i < RECORD_KEYS; i++)
        pack_key_item(p, texts[i]);
    end_field(p, FIELD_KEYS);
}

/* An order by e-mail goes by the primary one, else the first (RFC 7644 3.4.2.3). */
static void pack_mails(struct packer *p, const json_t *mails)
{
    size_t n = json_array_size(mails), first = 0;
    while (first < n && !json_is_true(json_object_get(json_array_get(mails, first), "primary")))
        first++;
    first = first < n ? first : 0;
    begin_field(p, FIELD_MAILS);
    for (size_t i = 0; i < n; i++) {
        size_t k = i == 0 ? first : i <= first ? i - 1 : i;
        struct str value = json_get_str(json_array_get(mails, k), "value");
        if (value.len)
            pack_key_item(p, value);
        p->odd_keys |= i == 0 && !value.len;
    }
    end_field(p, FIELD_MAILS);
}

static struct record *finish(struct packer *p, instant_t created, instant_t modified)
{
    begin_field(p, FIELDS);
    if (p->text.failed)
        return NULL;
    struct record *rec = must(calloc(1, sizeof *rec + p->text.len));
    rec->size = (uint32_t)(sizeof *rec + p->text.len);
    rec->created = created;
    rec->modified = modified;
    rec->extensions = p->extensions;
    rec->odd_keys = p->odd_keys;
    memcpy(rec->end, p->end, sizeof rec->end);
    if (p->text.len)
        memcpy(rec->text, p->text.at, p->text.len);
    return rec;
}

/* Who signed up has no place anywhere: a join in such an entry is an approval that was cut off, to
 * be decided again as the request that it was. */
static void pack_roles_of(struct packer *p, const struct directory_person *who)
{
    static const struct directory_values none;
    const size_t n = who->requests.count, joined = who->applicant ? who->joined.count : 0;
    struct str *requests = must(malloc((n + joined + 1) * sizeof *requests));
    for (size_t i = 0; i < n + joined; i++)
        requests[i] = i < n ? who->requests.at[i] : who->joined.at[i - n];
    const struct directory_values waiting = {requests, n + joined};
    pack_list(p, FIELD_JOINED, who->applicant ? &none : &who->joined);
    pack_list(p, FIELD_MANAGERS, who->applicant ? &none : &who->managers);
    pack_list(p, FIELD_PERMISSIONS, who->applicant ? &none : &who->permissions);
    pack_list(p, FIELD_REQUESTS, &waiting);
    free(requests);
}

struct record *record_of_user(const struct replica *r, const struct directory_user *u)
{
    const struct directory_person *who = &u->person;
    struct packer p = {0};
    OWNED_JSON json_t *shown = scim_without_hidden(r->user_type, u->resource);
    buf_init(&p.text, RECORD_MAX);
    pack_identity(&p, who->id, who->dn, who->csn);
    pack_name(&p, u->user_name);
    pack_label(&p, u->display);
    pack(&p, FIELD_VERSION, str_of(u->version));
    pack_core(&p, u->resource);
    pack_extensions(&p, r, shown, true);
    pack(&p, FIELD_PASSWORD, who->password_changed);
    pack_roles(&p, json_object_get(u->resource, "roles"));
    pack_keys(&p, u->resource);
    pack_mails(&p, json_object_get(u->resource, "emails"));
    pack_list(&p, FIELD_EXTERNAL, &who->external_ids);
    pack_roles_of(&p, who);
    pack_list(&p, FIELD_REJECTED, &who->rejected);
    struct record *rec = finish(&p, u->created, u->modified);
    buf_free(&p.text);
    if (!rec)
        return NULL;
    rec->is_user = true;
    rec->active = who->active;
    rec->applicant = who->applicant;
    rec->content = hash_content(who->id.at, who->id.len);
    return rec;
}

struct record *record_of_organization(const struct replica *r,
                                      const struct directory_organization *o)
{
    struct packer p = {0};
    buf_init(&p.text, RECORD_MAX);
    pack_identity(&p, o->id, o->dn, o->csn);
    pack_name(&p, o->name);
    pack_label(&p, o->name);
    pack_core(&p, o->resource);
    pack_extensions(&p, r, o->resource, false);
    pack_own_extension(&p, json_object_get(o->resource, SCIM_URN_KIOPS_ORGANIZATION));
    pack_list(&p, FIELD_EXTERNAL, &o->external_ids);
    struct record *rec = finish(&p, o->created, o->modified);
    buf_free(&p.text);
    if (!rec)
        return NULL;
    rec->open = o->open;
    rec->content = o->content;
    return rec;
}

struct record *record_touched(const struct record *rec, struct str csn, instant_t modified)
{
    struct packer p = {.extensions = rec->extensions};
    buf_init(&p.text, RECORD_MAX);
    for (enum field f = 0; f < FIELDS; f++)
        pack(&p, f, f == FIELD_CSN ? csn : record_field(rec, f));
    struct record *touched = must(finish(&p, rec->created, modified));
    buf_free(&p.text);
    touched->open = rec->open;
    touched->content = rec->content;
    return touched;
}

static struct str field_or(const struct record *rec, enum field f, enum field original)
{
    struct str value = record_field(rec, f);
    return value.len ? value : record_field(rec, original);
}

struct str record_name_key(const struct record *rec)
{
    return field_or(rec, FIELD_NAME_KEY, FIELD_NAME);
}

struct str record_dn_key(const struct record *rec)
{
    return field_or(rec, FIELD_DN_KEY, FIELD_DN);
}

struct str record_display(const struct record *rec)
{
    struct str plain = record_field(rec, FIELD_DISPLAY), label = record_field(rec, FIELD_LABEL);
    return plain.len ? plain : str_sub(label, 1, label.len - 2);
}

bool record_same(const struct record *a, const struct record *b)
{
    return a->size == b->size && a->created == b->created && a->modified == b->modified &&
           a->content == b->content && a->extensions == b->extensions && a->active == b->active &&
           a->open == b->open && a->applicant == b->applicant &&
           memcmp(a->end, b->end, sizeof a->end) == 0 &&
           memcmp(a->text, b->text, a->size - sizeof *a) == 0;
}

bool record_next(const struct record *rec, enum field list, size_t *at, struct str *value)
{
    struct str all = record_field(rec, list);
    if (*at >= all.len)
        return false;
    uint32_t len;
    memcpy(&len, all.at + *at, sizeof len);
    *value = (struct str){all.at + *at + sizeof len, len};
    *at += sizeof len + len;
    return true;
}

bool record_has(const struct record *rec, enum field list, struct str value)
{
    struct str v;
    for (size_t at = 0; record_next(rec, list, &at, &v);)
        if (str_ieq(v, value))
            return true;
    return false;
}

struct str record_keyed(const struct record *rec, enum field list, struct str key)
{
    struct str v;
    for (size_t at = 0; record_next(rec, list, &at, &v);)
        if (v.len > key.len && v.at[key.len] == ':' && str_istarts(v, key))
            return str_sub(v, key.len + 1, v.len);
    return STR_NONE;
}

struct directory_values record_list(const struct record *rec, enum field list, struct arena *a)
{
    struct str v;
    size_t n = 0;
    for (size_t at = 0; record_next(rec, list, &at, &v);)
        n++;
    struct str *values = ARENA_ARRAY(a, struct str, n);
    size_t i = 0;
    for (size_t at = 0; record_next(rec, list, &at, &v);)
        values[i++] = arena_str(a, v);
    return (struct directory_values){values, n};
}

void record_person(const struct record *rec, struct arena *a, struct directory_person *out)
{
    *out = (struct directory_person){
        .dn = arena_str(a, record_field(rec, FIELD_DN)),
        .id = arena_str(a, record_field(rec, FIELD_ID)),
        .csn = arena_str(a, record_field(rec, FIELD_CSN)),
        .password_changed = arena_str(a, record_field(rec, FIELD_PASSWORD)),
        .active = rec->active,
        .applicant = rec->applicant,
        .joined = record_list(rec, FIELD_JOINED, a),
        .managers = record_list(rec, FIELD_MANAGERS, a),
        .permissions = record_list(rec, FIELD_PERMISSIONS, a),
        .requests = record_list(rec, FIELD_REQUESTS, a),
        .rejected = record_list(rec, FIELD_REJECTED, a),
        .external_ids = record_list(rec, FIELD_EXTERNAL, a),
    };
}
