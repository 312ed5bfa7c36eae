/* Jobs of kind csv: a first load of organizations, Managers and permissions. A file gives; what it
 * does not say is left as it is. */
#include "reconcile/csv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "reconcile/difference.h"

struct place { /* an organization as the file names it */
    struct str name, id, made;
    enum service_named named;
    bool refused; /* not here, and not to be made */
};

struct loading {
    const struct reconcile_run *run;
    struct difference difference;
    struct arena *passing;
    struct csv_row *rows;
    size_t row_count;
    struct place *places; /* by name */
    size_t place_count;
};

/* ---- the file */

static bool unreadable(const struct config_job *job, struct error *err, const char *why)
{
    return error_set(err, ERR_UNAVAILABLE, "KB-C105: " STR_FMT ": %s", STR_ARG(job->file), why);
}

static bool read_file(const struct config_job *job, struct arena *a, struct buf *out,
                      struct error *err)
{
    char part[65536];
    size_t n;
    buf_init(out, CSV_BYTES_MAX + 1);
    FILE *f = fopen(arena_cstr(a, job->file), "re");
    if (!f)
        return unreadable(job, err, strerrordesc_np(errno));
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(out, part, n);
    bool failed = ferror(f);
    fclose(f);
    if (failed)
        return unreadable(job, err, "cannot be read to its end");
    return !out->failed || unreadable(job, err, "the file is larger than 256 MB");
}

static bool load(struct loading *x, struct error *err)
{
    OWNED_BUF struct buf text;
    struct error why = ERROR_INIT;
    struct arena *a = x->run->ground.arena;
    if (!read_file(x->run->job, a, &text, err))
        return false;
    return csv_parse(a, buf_view(&text), &x->rows, &x->row_count, &why) ||
           unreadable(x->run->job, err, why.detail);
}

/* ---- organizations */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

static void list_places(struct loading *x)
{
    struct place *all = ARENA_ARRAY(x->run->ground.arena, struct place, x->row_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < x->row_count; i++)
        all[i].name = x->rows[i].organization;
    if (x->row_count)
        qsort(all, x->row_count, sizeof *all, by_name);
    for (size_t i = 0; i < x->row_count; i++)
        if (!n || !str_eq(all[n - 1].name, all[i].name))
            all[n++] = all[i];
    x->places = all;
    x->place_count = n;
}

static struct place *place_of(const struct loading *x, struct str name)
{
    const struct place wanted = {.name = name};
    return bsearch(&wanted, x->places, x->place_count, sizeof *x->places, by_name);
}

static bool create_organization(struct loading *x, struct place *p)
{
    json_t *body = json_pack("{s:[s],s:s%}", "schemas", SCIM_URN_GROUP, "displayName", p->name.at,
                             p->name.len);
    return difference_create_organization(&x->difference, p->name, STR("the file names it"), body,
                                          &p->made);
}

static void find_places(struct loading *x)
{
    struct arena *a = x->run->ground.arena;
    for (size_t i = 0; i < x->place_count; i++) {
        struct place *p = &x->places[i];
        arena_reset(x->passing);
        p->named = service_ours_organization_named(&x->difference.call, p->name, &p->id);
        if (p->named == NAMED_NONE)
            p->refused = !create_organization(x, p);
        p->id = p->named == NAMED_NONE ? STR_NONE : arena_str(a, p->id);
    }
}

/* ---- rows */

static const char *const codes[] = {[NAMED_NONE] = "KB-C220", [NAMED_SEVERAL] = "KB-C221"};

static void take_person(struct loading *x, struct difference_seat *seat)
{
    enum service_named named =
        service_ours_user_named(&x->difference.call, seat->user_name, &seat->user);
    if (named == NAMED_ONE) {
        difference_seat(&x->difference, seat);
        return;
    }
    seat->user = STR_NONE;
    difference_conflict(&x->difference, seat, codes[named],
                        named == NAMED_NONE
                            ? STR("nobody here has this userName; create the user first")
                            : STR("several users have this userName"));
}

static void take_row(struct loading *x, const struct csv_row *row)
{
    const struct place *p = place_of(x, row->organization);
    assert(p); /* every row's stands in the list */
    struct difference_seat seat = {.organization = p->id,
                                   .organization_made = p->made,
                                   .organization_name = row->organization,
                                   .user_name = row->user_name,
                                   .role = row->role,
                                   .permissions = row->permissions,
                                   .source = arena_fmt(x->passing, "line %zu", row->line)};
    if (p->named == NAMED_SEVERAL) {
        difference_conflict(&x->difference, &seat, codes[p->named],
                            STR("several organizations have this name; write the id instead"));
        return;
    }
    if (row->user_name.len && p->refused)
        difference_conflict(&x->difference, &seat, "KB-C219",
                            STR("the organization is not here, and its creation is refused"));
    else if (row->user_name.len)
        take_person(x, &seat);
}

bool reconcile_csv(const struct reconcile_run *r, struct reconcile_plan *out, struct error *err)
{
    OWNED_ARENA struct arena *passing = arena_new();
    struct loading x = {.run = r, .passing = passing};
    if (!load(&x, err) || !reconcile_resume(r, out, err))
        return false;
    difference_init(&x.difference, r, out, passing);
    list_places(&x);
    find_places(&x);
    for (size_t i = 0; i < x.row_count; i++) {
        arena_reset(passing);
        take_row(&x, &x.rows[i]);
    }
    size_t users = service_ours_users(&x.difference.call);
    out->population =
        (struct reconcile_population){.users = users, .scope = users, .source = x.row_count};
    reconcile_plan_sort(out);
    return true;
}
