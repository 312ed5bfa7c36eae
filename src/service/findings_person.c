/* One person: attributes that differ from what was asserted, and values that count for nothing
 * because their other side is missing. */
#include "base/own.h"
#include "directory/drift.h"
#include "service/findings_read.h"

/* What the groups say of the person in one place. */
struct seat {
    struct place *place;
    uint32_t index;
    bool member, owner;
    bool joined, manager, permissions, young; /* the person's side */
};

struct looking {
    struct reading *r;
    const struct directory_user *u;
    struct seat *seats;
    size_t count, cap;
    struct seat platform;
};

/* ---- findings */

static struct service_finding about(const struct looking *l, const struct place *p,
                                    const char *code, enum kiops_change_kind kind)
{
    bool platform = p == &l->r->platform;
    return (struct service_finding){.about = FINDING_ROLES,
                                    .code = code,
                                    .kind = kind,
                                    .subject = l->u->person.id,
                                    .subject_name = l->u->display,
                                    .organization = p && !platform ? p->id : STR_NONE,
                                    .organization_name = p ? p->name : STR_NONE};
}

/* A value of the person's own entry goes. */
static void take_own(struct looking *l, struct service_finding *f, const char *attr,
                     struct str value)
{
    const struct directory_person *p = &l->u->person;
    f->attribute = str_of(attr);
    f->before = value;
    f->mend = (struct service_mend){.dn = p->dn, .id = p->id, .csn = p->csn};
    directory_mods_init(&f->mend.mods, l->r->arena);
    directory_mods_one(&f->mend.mods, DIRECTORY_DELETE, attr, value);
    findings_add(l->r, f);
}

/* A value of a group goes. */
static void take_group(struct looking *l, struct service_finding *f, struct place *p, bool owner)
{
    const struct directory_person *person = &l->u->person;
    bool platform = p == &l->r->platform;
    f->attribute = owner ? STR("owner") : STR("member");
    f->before = person->dn;
    findings_take_value(l->r, f, p, owner, person->dn);
    f->mend.person = person->dn;
    f->mend.person_csn = person->csn;
    f->mend.manages = platform ? STR("platform") : p->id;
    findings_add(l->r, f);
}

/* ---- both sides together */

static struct seat *seat_at(struct looking *l, uint32_t index)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->seats[i].index == index)
            return &l->seats[i];
    l->seats = arena_grow(l->r->passing, l->seats, sizeof *l->seats, l->count, &l->cap);
    struct seat *s = &l->seats[l->count++];
    *s = (struct seat){.place = findings_place_at(l->r, index), .index = index};
    return s;
}

static size_t first_naming(const struct reading *r, uint64_t key)
{
    size_t from = 0, to = r->naming_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        *(r->namings[middle].key < key ? &from : &to) =
            r->namings[middle].key < key ? middle + 1 : middle;
    }
    return from;
}

/* Another hand renamed the person: the group's value follows, unless somebody else stands there. */
static void follow(struct looking *l, struct seat *s, bool owner, struct str former)
{
    const struct config_organizations *config = &l->r->ground->config->directory.organizations;
    bool platform = s->place == &l->r->platform, there = owner ? s->owner : s->member;
    const char *attr = arena_cstr(l->r->passing, platform ? STR("member")
                                                 : owner  ? config->owner
                                                          : config->member);
    struct service_finding f = about(l, s->place, "KB-C218", KIOPS_EDIT_USER);
    f.attribute = owner ? STR("owner") : STR("member");
    f.before = former;
    f.after = l->u->person.dn;
    f.text = STR("renamed by another hand; the group names the person as before");
    f.mend = (struct service_mend){.dn = s->place->dn, .id = s->place->id, .nobody = former};
    directory_mods_init(&f.mend.mods, l->r->passing);
    directory_mods_one(&f.mend.mods, DIRECTORY_DELETE, attr, former);
    if (!there)
        directory_mods_one(&f.mend.mods, DIRECTORY_ADD, attr, l->u->person.dn);
    findings_add(l->r, &f);
}

/* `former`: that DN was theirs; empty: it is. */
static void take_namings(struct looking *l, struct str dn, struct str former)
{
    struct reading *r = l->r;
    uint64_t key = read_dn_key(&r->key, dn);
    for (size_t i = first_naming(r, key); i < r->naming_count && r->namings[i].key == key; i++) {
        struct naming *n = &r->namings[i];
        struct seat *s = n->place == FINDINGS_PLATFORM ? &l->platform : seat_at(l, n->place);
        if (former.len)
            follow(l, s, n->owner, former);
        n->known = true;
        *(n->owner ? &s->owner : &s->member) = true;
    }
}

static struct str former_dn(const struct looking *l)
{
    struct service service = {.config = l->r->ground->config, .directory = l->r->ground->directory};
    const struct service_call call = {.service = &service, .arena = l->r->passing};
    return naming_former_dn(&call, l->u);
}

/* The organization that a value speaks of; `*known` false: there is none, which is a finding. */
static struct seat *seat_of(struct looking *l, const char *attr, struct str value)
{
    struct str rest = value, id = STR_NONE;
    (void)str_split(&rest, ':', &id);
    struct place *p = findings_place(l->r, id);
    if (p)
        return seat_at(l, (uint32_t)(p - l->r->places));
    bool odd = !directory_is_uuid(id);
    struct service_finding f = about(l, NULL, odd ? "KB-C103" : "KB-C213", KIOPS_REMOVE);
    f.organization = odd ? STR_NONE : id;
    f.text = odd ? STR("the value has not its form") : STR("there is no such organization");
    take_own(l, &f, attr, value);
    return NULL;
}

static bool is_platform(struct str value)
{
    return str_starts(value, STR("platform:"));
}

static void spread(struct looking *l)
{
    const struct directory_person *p = &l->u->person;
    for (size_t i = 0; i < p->joined.count; i++) {
        struct str v = p->joined.at[i];
        struct seat *s = is_platform(v) ? &l->platform : seat_of(l, "kiopsJoined", v);
        if (!s)
            continue;
        s->joined = true;
        s->young = s->young || operation_is_young(v, l->r->now);
    }
    for (size_t i = 0; i < p->managers.count; i++) {
        struct seat *s = seat_of(l, "kiopsManager", p->managers.at[i]);
        if (s)
            s->manager = true;
    }
}

static bool is_member(const struct seat *s)
{
    return s->member && s->joined;
}

static bool is_manager(const struct seat *s)
{
    return is_member(s) && s->owner && s->manager;
}

/* ---- what does not fit */

static void check_joined(struct looking *l)
{
    const struct directory_person *p = &l->u->person;
    for (size_t i = 0; i < p->joined.count; i++) {
        struct str v = p->joined.at[i], rest = v, id = STR_NONE;
        (void)str_split(&rest, ':', &id);
        bool platform = is_platform(v);
        struct place *at = platform ? &l->r->platform : findings_place(l->r, id);
        const struct seat *s = platform ? &l->platform
                               : at     ? seat_at(l, (uint32_t)(at - l->r->places))
                                        : NULL;
        if (!s || s->member || s->young)
            continue;
        struct service_finding f = about(l, at, platform ? "KB-C210" : "KB-C209",
                                         platform ? KIOPS_UNMAKE_ADMIN : KIOPS_REMOVE);
        f.text = platform ? STR("not in the platform group")
                          : STR("not in member: a join that was cut off, or a removal by hand");
        take_own(l, &f, "kiopsJoined", v);
    }
}

static void check_managers(struct looking *l)
{
    const struct directory_person *p = &l->u->person;
    for (size_t i = 0; i < p->managers.count; i++) {
        struct place *at = findings_place(l->r, p->managers.at[i]);
        const struct seat *s = at ? seat_at(l, (uint32_t)(at - l->r->places)) : NULL;
        if (!s || is_manager(s) || s->young)
            continue;
        struct service_finding f = about(l, at, "KB-C206", KIOPS_DEMOTE);
        f.text = !s->owner    ? STR("not in owner")
                 : !s->member ? STR("in owner, but no member")
                              : STR("in owner, but never joined");
        take_own(l, &f, "kiopsManager", p->managers.at[i]);
    }
}

static void check_permissions(struct looking *l)
{
    const struct directory_person *p = &l->u->person;
    for (size_t i = 0; i < p->permissions.count; i++) {
        enum kiops_permission which;
        struct str v = p->permissions.at[i], word = v, id = STR_NONE;
        (void)str_split(&word, ':', &id);
        const struct seat *s = seat_of(l, "kiopsPermission", v);
        if (!s)
            continue;
        bool known = kiops_permission_parse(word, &which);
        l->r->out->permissions += known && is_member(s);
        if (known && (is_member(s) || s->young))
            continue;
        struct service_finding f = about(l, s->place, known ? "KB-C208" : "KB-C103", KIOPS_REVOKE);
        f.text = known ? STR("no member with a join date") : STR("there is no such permission");
        take_own(l, &f, "kiopsPermission", v);
    }
}

static void check_requests(struct looking *l)
{
    const struct directory_person *p = &l->u->person;
    for (size_t i = 0; i < p->requests.count; i++) {
        struct str v = p->requests.at[i];
        const struct seat *s = seat_of(l, "kiopsRequest", v);
        if (!s || !s->member || s->young)
            continue;
        struct service_finding f = about(l, s->place, "KB-C212", KIOPS_REJECT);
        f.text = STR("a member asks for nothing");
        take_own(l, &f, "kiopsRequest", v);
    }
    for (size_t i = 0; i < p->rejected.count; i++)
        (void)seat_of(l, "kiopsRejected", p->rejected.at[i]);
}

static void check_groups(struct looking *l)
{
    struct reading *r = l->r;
    for (size_t i = 0; i < l->count; i++) {
        const struct seat *s = &l->seats[i];
        s->place->members += s->member;
        s->place->managers += is_manager(s) && l->u->person.active;
        r->out->managers += is_manager(s);
        if (s->young)
            continue;
        if (s->owner && !is_manager(s)) {
            struct service_finding f = about(l, s->place, "KB-C205", KIOPS_DEMOTE);
            f.text = s->manager ? STR("not a member with a join date")
                                : STR("kiopsManager is not on the person's entry");
            take_group(l, &f, s->place, true);
        }
        if (s->member && !s->joined) {
            struct service_finding f = about(l, s->place, "KB-C207", KIOPS_ADD);
            f.about = FINDING_OTHER;
            f.text = STR("the join date is unknown; roles and permissions need one");
            findings_add(r, &f);
        }
    }
    if (l->platform.member && !l->platform.joined) {
        struct service_finding f = about(l, &r->platform, "KB-C210", KIOPS_UNMAKE_ADMIN);
        f.text = STR("in the platform group without kiopsJoined platform");
        take_group(l, &f, &r->platform, false);
    }
}

/* ---- attributes */

static struct str object_of(struct arena *a, const struct directory_drift *d, bool now)
{
    OWNED_BUF struct buf out;
    buf_init(&out, (size_t)8 << 20);
    buf_char(&out, '{');
    for (size_t i = 0, n = 0; i < d->count; i++) {
        struct str value = now ? d->at[i].now : d->at[i].asserted;
        if (d->at[i].kept || !value.len)
            continue;
        if (n++)
            buf_char(&out, ',');
        buf_json_string(&out, d->at[i].path);
        buf_char(&out, ':');
        buf_str(&out, value);
    }
    buf_char(&out, '}');
    return arena_str(a, buf_view(&out));
}

static void report_kept(struct looking *l, const struct directory_difference *d)
{
    struct service_finding f = about(l, NULL, "KB-C215", KIOPS_EDIT_USER);
    f.about = FINDING_OTHER;
    f.attribute = d->path;
    f.before = d->now;
    f.after = d->asserted;
    f.text = STR("changed by another hand; not put back by a machine");
    findings_add(l->r, &f);
}

static void check_attributes(struct looking *l, const struct directory_entry *e)
{
    struct reading *r = l->r;
    const struct directory *d = r->ground->directory;
    struct directory_drift drift;
    struct error err = ERROR_INIT;
    directory_map_drift(d, r->passing, e, l->u, &drift);
    struct str names = STR_NONE;
    for (size_t i = 0; i < drift.count; i++) {
        if (drift.at[i].kept)
            report_kept(l, &drift.at[i]);
        else
            names = arena_fmt(r->passing, STR_FMT "%s" STR_FMT, STR_ARG(names),
                              names.len ? ", " : "", STR_ARG(drift.at[i].path));
    }
    if (!names.len)
        return;
    struct service_finding f = about(l, NULL, "KB-C215", KIOPS_EDIT_USER);
    f.about = FINDING_ATTRIBUTES;
    f.attribute = names;
    f.before = object_of(r->passing, &drift, true);
    f.after = object_of(r->passing, &drift, false);
    f.mend = (struct service_mend){
        .dn = l->u->person.dn, .id = l->u->person.id, .csn = l->u->person.csn};
    const struct directory_writer writer = {.marker = r->ground->run, .now = r->now};
    directory_mods_init(&f.mend.mods, r->passing);
    const struct directory_user_edit edit = {.entry = e, .before = l->u, .writer = &writer};
    if (!directory_unmap_drift(d, &edit, &f.mend.mods, &err)) {
        f.mend.mods.count = 0;
        f.text = str_of(err.detail);
    }
    if (f.mend.mods.count || f.text.len)
        findings_add(r, &f);
}

static void check_several(struct looking *l, const struct directory_entry *e)
{
    struct str several = directory_map_several(l->r->ground->directory, l->r->passing, e);
    if (!several.len)
        return;
    struct service_finding f = about(l, NULL, "KB-C214", KIOPS_EDIT_USER);
    f.about = FINDING_OTHER;
    f.attribute = several;
    f.text = STR("has several values; SCIM shows the first in order");
    findings_add(l->r, &f);
}

void findings_of_person(struct reading *r, const struct directory_entry *e)
{
    struct directory_user u;
    struct error odd = ERROR_INIT;
    if (!directory_map_user(r->ground->directory, r->passing, e, &u, &odd)) {
        struct service_finding f = {.about = FINDING_OTHER,
                                    .code = "KB-C102",
                                    .subject = e->id,
                                    .subject_name = e->dn,
                                    .text = STR("the entry cannot be shown, and is left as it is")};
        findings_add(r, &f);
        return;
    }
    struct looking l = {.r = r, .u = &u, .platform = {.place = &r->platform}};
    r->out->users++;
    r->out->active += u.person.active;
    findings_remember(r, &u);
    take_namings(&l, u.person.dn, STR_NONE);
    struct str former = former_dn(&l);
    if (former.len)
        take_namings(&l, former, former);
    spread(&l);
    check_joined(&l);
    check_managers(&l);
    check_permissions(&l);
    check_requests(&l);
    check_groups(&l);
    check_several(&l, e);
    if (r->wanted->attributes)
        check_attributes(&l, e);
}
