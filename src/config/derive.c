/* What follows from other keys. */
#include <libconfig.h>

#include "config/internal.h"

struct given {
    const config_t *file; /* what stands there goes before every default */
    struct arena *arena;
};

/* Of the defaults, what a directory without our schema has. */
static void leave_out_own(const struct given *g, const char *key, struct config_strings *classes)
{
    struct str *kept = ARENA_ARRAY(g->arena, struct str, classes->count + 1);
    size_t n = 0;
    if (config_lookup(g->file, key))
        return;
    for (size_t i = 0; i < classes->count; i++)
        if (!config_is_own_name(classes->at[i]))
            kept[n++] = classes->at[i];
    *classes = (struct config_strings){kept, n};
}

void config_derive(struct config *c, const struct config_t *file, struct arena *a)
{
    const struct given g = {file, a};
    struct config_directory *d = &c->directory;
    if (d->preset == CONFIG_389DS && !config_lookup(file, "directory.lock.convention"))
        d->lock = CONFIG_LOCK_NSACCOUNTLOCK;
    if (!config_has_schema(d)) {
        leave_out_own(&g, "directory.users.object_classes", &d->users.object_classes);
        leave_out_own(&g, "directory.organizations.object_classes",
                      &d->organizations.object_classes);
    }
    if (!d->users.create_in.len)
        d->users.create_in = d->users.base;
    if (!d->organizations.create_in.len)
        d->organizations.create_in = d->organizations.base;
    if (str_ends(c->server.public_url, STR("/")))
        c->server.public_url.len--;
    config_jobs_derive(c);
}
