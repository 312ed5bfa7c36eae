/* Values of groups that named none of the people who were read: nobody, or an entry out of sight.
 * Each is looked up before anything is said of it: who was moved while we read is not missing. */
#include "base/own.h"
#include "service/findings_read.h"

static bool is_unknown(const struct reading *r, uint64_t key)
{
    size_t from = 0, to = r->naming_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        *(r->namings[middle].key < key ? &from : &to) =
            r->namings[middle].key < key ? middle + 1 : middle;
    }
    return from < r->naming_count && r->namings[from].key == key && !r->namings[from].known;
}

static void found(struct reading *r, struct place *p, bool owner, struct str dn)
{
    bool platform = p == &r->platform;
    struct service_finding f = {
        .about = FINDING_DANGLING,
        .code = "KB-C204",
        .kind = platform ? KIOPS_UNMAKE_ADMIN
                : owner  ? KIOPS_DEMOTE
                         : KIOPS_REMOVE,
        .organization = platform ? STR_NONE : p->id,
        .organization_name = p->name,
        .attribute = owner ? STR("owner") : STR("member"),
        .before = dn,
        .text = STR("names no entry"),
    };
    findings_take_value(r, &f, p, owner, dn);
    f.mend.nobody = dn;
    findings_add(r, &f);
}

/* Who was read too early or too late to be seen is a user all the same, and none of ours here. */
static bool is_user_now(struct reading *r, struct str dn, bool *user, struct error *err)
{
    struct directory_search s = directory_search_user_at(r->ground->directory, r->arena, dn);
    struct directory_entries entries;
    if (!directory_find(r->ground->conn, r->arena, &s, &entries, err))
        return false;
    *user = entries.count > 0;
    return true;
}

static bool look_up(struct reading *r, struct place *p, bool owner, struct str dn,
                    struct error *err)
{
    static const char *const none[] = {"entryUUID", NULL};
    struct directory_search s = {.base = dn, .scope = DIRECTORY_BASE, .attrs = none};
    struct directory_entries entries;
    bool user = false;
    if (directory_is_protected(r->ground->directory, dn))
        return true;
    if (!directory_find(r->ground->conn, r->arena, &s, &entries, err))
        return false;
    if (!entries.count) {
        found(r, p, owner, dn);
        return true;
    }
    if (!is_user_now(r, dn, &user, err) || user)
        return user;
    struct service_finding f = {.about = FINDING_OTHER,
                                .code = "KB-C216",
                                .organization = p == &r->platform ? STR_NONE : p->id,
                                .organization_name = p->name,
                                .attribute = owner ? STR("owner") : STR("member"),
                                .before = dn,
                                .text = STR("outside users.base or users.filter")};
    findings_add(r, &f);
    return true;
}

static void collect(struct reading *r, struct place *p, const struct directory_values *dns,
                    bool owner)
{
    for (size_t i = 0; i < dns->count; i++) {
        if (!is_unknown(r, read_dn_key(&r->key, dns->at[i])))
            continue;
        r->unknown =
            arena_grow(r->arena, r->unknown, sizeof *r->unknown, r->unknown_count, &r->unknown_cap);
        r->unknown[r->unknown_count++] =
            (struct unknown){arena_str(r->arena, dns->at[i]), p, owner};
    }
}

static void collect_organization(struct reading *r, const struct directory_entry *e)
{
    struct directory_organization o;
    struct error odd = ERROR_INIT;
    if (!directory_map_organization(r->ground->directory, r->passing, e, &o, &odd))
        return;
    struct place *p = findings_place(r, o.id);
    if (!p)
        return; /* made since */
    collect(r, p, &o.members, false);
    collect(r, p, &o.owners, true);
}

static bool collect_platform(struct reading *r, struct error *err)
{
    struct directory_search s = directory_search_platform(r->ground->directory, r->arena);
    struct directory_entries entries;
    if (!directory_find(r->ground->conn, r->arena, &s, &entries, err))
        return false;
    const struct directory_attr *members =
        entries.count == 1 ? directory_attr(&entries.at[0], "member") : NULL;
    if (members)
        collect(r, &r->platform, &(struct directory_values){members->values, members->count},
                false);
    return true;
}

bool findings_dangling(struct reading *r, struct error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < r->naming_count; i++)
        n += !r->namings[i].known;
    if (!n)
        return true;
    struct directory_search organizations = findings_organizations(r);
    if (!findings_walk(r, &organizations, collect_organization, err) || !collect_platform(r, err))
        return false;
    for (size_t i = 0; i < r->unknown_count; i++)
        if (!look_up(r, r->unknown[i].place, r->unknown[i].owner, r->unknown[i].dn, err))
            return false;
    return true;
}
