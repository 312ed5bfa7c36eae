/* The entry of a job: who runs it, and what earlier runs did. Written as the rest is: old out, new
 * in, in one modify. */
#include "service/internal.h"
#include "service/mend.h"

static const char *const attrs[] = {"entryUUID",       "entryCSN",      "kiopsLeaseHolder",
                                    "kiopsLeaseUntil", "kiopsJobState", NULL};

bool service_job_read(const struct mend_ground *g, struct str name, struct service_job *out,
                      struct error *err)
{
    struct arena *a = g->arena;
    *out = (struct service_job){.name = name,
                                .dn = arena_fmt(a, "cn=" STR_FMT "," STR_FMT,
                                                STR_ARG(directory_dn_value(a, name)),
                                                STR_ARG(g->config->directory.jobs_base))};
    struct directory_search s = {.base = out->dn, .scope = DIRECTORY_BASE, .attrs = attrs};
    struct directory_entries found;
    if (!directory_find(g->conn, a, &s, &found, err))
        return false;
    if (found.count != 1)
        return true;
    const struct directory_entry *e = &found.at[0];
    out->id = e->id;
    out->csn = e->csn;
    out->holder = directory_value(e, "kiopsLeaseHolder");
    out->until = directory_value(e, "kiopsLeaseUntil");
    out->state = directory_value(e, "kiopsJobState");
    return true;
}

static void swap(struct directory_mods *m, const char *attr, struct str from, struct str to)
{
    if (from.len)
        directory_mods_one(m, DIRECTORY_DELETE, attr, from);
    if (to.len)
        directory_mods_one(m, DIRECTORY_ADD, attr, to);
}

bool service_job_write(const struct mend_ground *g, const struct service_job *from,
                       const struct service_job *to, bool *lost, struct error *err)
{
    struct directory_mods m;
    struct directory_result r = {0};
    directory_mods_init(&m, g->arena);
    bool is_new = !from->id.len;
    if (is_new) {
        directory_mods_one(&m, DIRECTORY_ADD, "objectClass", STR("kiopsJob"));
        directory_mods_one(&m, DIRECTORY_ADD, "cn", from->name);
    }
    swap(&m, "kiopsLeaseHolder", from->holder, to->holder);
    swap(&m, "kiopsLeaseUntil", from->until, to->until);
    swap(&m, "kiopsJobState", from->state, to->state);
    const struct directory_target target = {.dn = from->dn, .id = from->id};
    bool answered = is_new ? directory_add(g->conn, from->dn, &m, &r, err)
                           : directory_modify(g->conn, &target, &m, &r, err);
    if (!answered)
        return false;
    *lost = r.outcome != DIRECTORY_DONE;
    return true;
}
