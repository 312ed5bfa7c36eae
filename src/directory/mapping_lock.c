/* What keeps a deactivated account from signing in elsewhere: the directory's own mark of it
 * (directory.lock). It goes with the modify that moves kiopsActive, and follows it alone: how it
 * was before does not matter. */
#include "directory/mapping.h"

struct mark {
    const char *attr;
    struct str value;
};

static struct mark mark_of(const struct config_directory *config, struct arena *a)
{
    switch (config->lock) {
    case CONFIG_LOCK_NONE:
        break;
    case CONFIG_LOCK_PPOLICY: /* until an administrator unlocks it */
        return (struct mark){"pwdAccountLockedTime", STR("000001010000Z")};
    case CONFIG_LOCK_NSACCOUNTLOCK:
        return (struct mark){"nsAccountLock", STR("TRUE")};
    case CONFIG_LOCK_ATTR:
        return (struct mark){arena_cstr(a, config->lock_attribute), config->lock_value};
    }
    return (struct mark){NULL, STR_NONE};
}

const char *mapping_lock_attribute(const struct config_directory *config, struct arena *a)
{
    return mark_of(config, a).attr;
}

void mapping_lock(const struct config_directory *config, bool was_active, bool active,
                  struct directory_mods *mods)
{
    struct mark mark = mark_of(config, mods->arena);
    if (!mark.attr || was_active == active)
        return;
    if (active)
        directory_mods_push(mods, DIRECTORY_REPLACE, mark.attr, NULL, 0);
    else
        directory_mods_one(mods, DIRECTORY_REPLACE, mark.attr, mark.value);
}

void mapping_lock_new(const struct config_directory *config, bool active,
                      struct directory_mods *attrs)
{
    struct mark mark = mark_of(config, attrs->arena);
    if (mark.attr && !active)
        directory_mods_one(attrs, DIRECTORY_ADD, mark.attr, mark.value);
}

/* slapd's ppolicy unlocks whose password an administrator sets. */
void directory_lock_again(const struct directory *d, struct directory_mods *mods)
{
    const struct config_directory *config = &d->config->directory;
    if (config->lock != CONFIG_LOCK_PPOLICY)
        return;
    struct mark mark = mark_of(config, mods->arena);
    directory_mods_prove_there(mods, "kiopsActive", STR("FALSE"));
    directory_mods_one(mods, DIRECTORY_REPLACE, mark.attr, mark.value);
}
