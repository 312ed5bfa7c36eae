/* The reading: organizations, then people, then what is left over. */
#include "service/findings_read.h"

#include "base/own.h"

#define DN_KEY_MAX (1 << 20)

struct place *findings_place_at(struct reading *r, uint32_t place)
{
    return place == FINDINGS_PLATFORM ? &r->platform : &r->places[place];
}

struct place *findings_place(const struct reading *r, struct str id)
{
    size_t place = read_order_place(&r->by_id, id);
    return place < r->place_count ? &r->places[place] : NULL;
}

static void copy_mods(struct arena *a, struct directory_mods *m)
{
    struct directory_mods from = *m;
    directory_mods_init(m, a);
    for (size_t i = 0; i < from.count; i++) {
        const struct directory_mod *mod = &from.at[i];
        struct str *values = ARENA_ARRAY(a, struct str, mod->count);
        for (size_t k = 0; k < mod->count; k++)
            values[k] = arena_str(a, mod->values[k]);
        directory_mods_push(m, mod->op, arena_cstr(a, str_of(mod->attr)), values, mod->count);
    }
}

struct service_finding *findings_add(struct reading *r, const struct service_finding *f)
{
    struct service_findings *out = r->out;
    struct arena *a = r->arena;
    out->at = arena_grow(a, out->at, sizeof *out->at, out->count, &out->cap);
    struct service_finding *to = &out->at[out->count++];
    *to = *f;
    struct str *texts[] = {
        &to->subject,     &to->subject_name, &to->organization,    &to->organization_name,
        &to->attribute,   &to->before,       &to->after,           &to->text,
        &to->by,          &to->at,           &to->mend.dn,         &to->mend.id,
        &to->mend.csn,    &to->mend.nobody,  &to->mend.person_csn, &to->mend.person,
        &to->mend.manages};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_str(a, *texts[i]);
    copy_mods(a, &to->mend.mods);
    return to;
}

void findings_take_value(struct reading *r, struct service_finding *f, struct place *p, bool owner,
                         struct str dn)
{
    const struct config_organizations *config = &r->ground->config->directory.organizations;
    bool platform = p == &r->platform;
    size_t *left = owner ? &p->owners_left : &p->members_left;
    const char *attr = platform ? "member"
                       : owner  ? arena_cstr(r->arena, config->owner)
                                : arena_cstr(r->arena, config->member);
    f->mend.dn = p->dn;
    f->mend.id = p->id;
    directory_mods_init(&f->mend.mods, r->arena);
    directory_mods_one(&f->mend.mods, DIRECTORY_DELETE, attr, dn);
    *left -= *left > 0;
    if (*left == 0 && (!owner || p->managed)) {
        directory_mods_one(&f->mend.mods, DIRECTORY_ADD, attr, config->placeholder_dn);
        *left = 1;
    }
}

/* ---- organizations */

static void name_all(struct reading *r, const struct directory_values *dns, uint32_t place,
                     bool owner)
{
    for (size_t i = 0; i < dns->count; i++) {
        r->namings =
            arena_grow(r->arena, r->namings, sizeof *r->namings, r->naming_count, &r->naming_cap);
        r->namings[r->naming_count++] = (struct naming){
            .key = read_dn_key(&r->key, dns->at[i]), .place = place, .owner = owner};
    }
}

static void odd(struct reading *r, const struct directory_entry *e, const char *what)
{
    struct service_finding f = {
        .about = FINDING_OTHER,
        .code = "KB-C102",
        .subject = e->id,
        .subject_name = e->dn,
        .text = arena_fmt(r->passing, "%s cannot be shown, and is left as it is", what)};
    findings_add(r, &f);
}

static void take_organization(struct reading *r, const struct directory_entry *e)
{
    struct directory_organization o;
    struct error ignored = ERROR_INIT;
    if (!directory_map_organization(r->ground->directory, r->passing, e, &o, &ignored)) {
        odd(r, e, "the organization");
        return;
    }
    uint32_t place = (uint32_t)r->place_count;
    name_all(r, &o.members, place, false);
    name_all(r, &o.owners, place, true);
    r->places = arena_grow(r->arena, r->places, sizeof *r->places, r->place_count, &r->place_cap);
    r->places[r->place_count++] = (struct place){
        .id = arena_str(r->arena, o.id),
        .name = arena_str(r->arena, o.name),
        .dn = arena_str(r->arena, o.dn),
        .managed = o.managed,
        .members_left = o.members.count + o.has_placeholder_member,
        .owners_left = o.owners.count + o.has_placeholder_owner,
    };
}

static bool read_platform(struct reading *r, struct error *err)
{
    struct directory *d = r->ground->directory;
    struct directory_search s = directory_search_platform(d, r->arena);
    struct directory_entries found;
    if (!directory_find(r->ground->conn, r->arena, &s, &found, err))
        return false;
    if (found.count != 1)
        return true;
    const struct directory_entry *e = &found.at[0];
    const struct directory_attr *members = directory_attr(e, "member");
    struct str placeholder = r->ground->config->directory.organizations.placeholder_dn;
    r->platform = (struct place){.id = e->id, .name = STR("platform"), .dn = e->dn};
    for (size_t i = 0; members && i < members->count; i++) {
        r->platform.members_left++;
        if (read_dn_key(&r->key, members->values[i]) != read_dn_key(&r->key, placeholder))
            name_all(r, &(struct directory_values){&members->values[i], 1}, FINDINGS_PLATFORM,
                     false);
    }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct naming *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void put_in_order(struct reading *r)
{
    if (r->naming_count)
        qsort(r->namings, r->naming_count, sizeof *r->namings, by_key);
    r->by_id = read_order_of(r->arena, r->places, r->place_count, sizeof *r->places);
}

/* ---- the passes */

struct directory_search findings_organizations(const struct reading *r)
{
    const struct config_organizations *config = &r->ground->config->directory.organizations;
    return (struct directory_search){
        .base = config->base,
        .scope = DIRECTORY_SUB,
        .filter = config->filter,
        .attrs = directory_organization_attrs(r->ground->directory, true, true)};
}

static struct directory_search people(const struct reading *r)
{
    const struct config_users *config = &r->ground->config->directory.users;
    return (struct directory_search){.base = config->base,
                                     .scope = DIRECTORY_SUB,
                                     .filter = config->filter,
                                     .attrs = directory_user_attrs(r->ground->directory)};
}

bool findings_walk(struct reading *r, const struct directory_search *s, findings_take *take,
                   struct error *err)
{
    struct directory_walk w;
    struct directory_entry e;
    bool more = true;
    if (!directory_walk_begin(r->ground->conn, r->passing, s, &w, err))
        return false;
    while (more) {
        arena_reset(r->passing);
        if (!directory_walk_next(&w, r->passing, &e, &more, err))
            return false;
        if (more)
            take(r, &e);
    }
    return true;
}

static void vacant_seats(struct reading *r)
{
    for (size_t i = 0; i < r->place_count; i++) {
        const struct place *p = &r->places[i];
        if (!p->managed || p->managers)
            continue;
        struct service_finding f = {.about = FINDING_OTHER,
                                    .code = "KB-C211",
                                    .kind = KIOPS_PROMOTE,
                                    .organization = p->id,
                                    .organization_name = p->name,
                                    .text = STR("no active Manager counts here; a PlatformAdmin "
                                                "makes a member Manager")};
        findings_add(r, &f);
    }
}

static void tell_places(struct reading *r)
{
    struct service_findings *out = r->out;
    out->place_count = r->place_count;
    out->places = ARENA_ARRAY(r->arena, struct finding_place, r->place_count + 1);
    for (size_t i = 0; i < r->place_count; i++) {
        const struct place *p = &r->places[r->by_id.at[i]];
        out->places[i] = (struct finding_place){p->id, p->name, p->members, p->managers};
    }
}

#define TOGETHER 64

static void take_changed(struct reading *r, struct service_finding *f,
                         const struct directory_entries *found)
{
    char text[CLOCK_TEXT_MAX];
    instant_t at;
    if (found->count != 1)
        return;
    const struct directory_entry *e = &found->at[0];
    f->by = arena_str(r->arena, directory_value(e, "modifiersName"));
    if (clock_parse_generalized(directory_value(e, "modifyTimestamp"), &at))
        f->at = arena_str(r->arena, clock_rfc3339(at, text));
}

/* Who wrote the entries last, and when: only of what is to be shown, many in one round trip. */
static bool who_changed(struct reading *r, struct error *err)
{
    static const char *const attrs[] = {"modifiersName", "modifyTimestamp", NULL};
    struct directory_search s[TOGETHER];
    struct directory_entries found[TOGETHER];
    struct service_finding *of[TOGETHER];
    for (size_t i = 0, n = 0; i < r->out->count; i++) {
        struct service_finding *f = &r->out->at[i];
        if (f->about == FINDING_ATTRIBUTES && f->mend.dn.len) {
            s[n] = (struct directory_search){
                .base = f->mend.dn, .scope = DIRECTORY_BASE, .attrs = attrs};
            of[n++] = f;
        }
        if (n < TOGETHER && i + 1 < r->out->count)
            continue;
        arena_reset(r->passing);
        if (n && !directory_find_all(r->ground->conn, r->passing, (struct directory_searches){s, n},
                                     found, err))
            return false;
        while (n > 0) {
            n--;
            take_changed(r, of[n], &found[n]);
        }
    }
    return true;
}

static bool read_all(struct reading *r, struct error *err)
{
    struct directory_search organizations = findings_organizations(r), users = people(r);
    if (!findings_walk(r, &organizations, take_organization, err) || !read_platform(r, err))
        return false;
    put_in_order(r);
    if (!findings_walk(r, &users, findings_of_person, err))
        return false;
    vacant_seats(r);
    tell_places(r);
    findings_same(r);
    findings_audit(r);
    return findings_dangling(r, err) && who_changed(r, err);
}

bool service_findings_read(const struct mend_ground *g, const struct findings_wanted *w,
                           struct service_findings *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    *out = (struct service_findings){0};
    struct reading r = {.ground = g,
                        .wanted = w,
                        .arena = g->arena,
                        .passing = passing,
                        .out = out,
                        .now = clock_now()};
    buf_init(&r.key, DN_KEY_MAX);
    bool read = read_all(&r, err);
    buf_free(&r.key);
    return read;
}

size_t service_findings_members(const struct service_findings *f, struct str organization)
{
    size_t from = 0, to = f->place_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = str_cmp(f->places[middle].id, organization);
        if (order == 0)
            return f->places[middle].members;
        *(order < 0 ? &from : &to) = order < 0 ? middle + 1 : middle;
    }
    return 0;
}
