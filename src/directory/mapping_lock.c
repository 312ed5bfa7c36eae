/* What keeps a deactivated account from signing in elsewhere: the directory's own mark of it
 * (directory.lock). It goes with the modify that moves kiopsActive, and follows it alone: how it
 * was before does not matter. */
#include "directory/mapping.h"

static const struct str LOCKED_FOR_GOOD = STR_INIT("000001010000Z");

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
        return (struct mark){"pwdAccountLockedTime", LOCKED_FOR_GOOD};
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

struct str mapping_lock_value(const struct config_directory *config)
{
    if (config->lock == CONFIG_LOCK_ATTR)
        return config->lock_value;
    return config->lock == CONFIG_LOCK_PPOLICY ? LOCKED_FOR_GOOD : STR("TRUE");
}

void mapping_lock(const struct config_directory *config, bool was_active, bool active,
                  struct directory_mods *mods)
{
    struct mark mark = mark_of(config, mods->arena);
    if (!mark.attr || was_active == active || !config_has_schema(config))
        return; /* in plain mode the mapping writes it */
    if (active)
        directory_mods_push(mods, DIRECTORY_REPLACE, mark.attr, NULL, 0);
    else
        directory_mods_one(mods, DIRECTORY_REPLACE, mark.attr, mark.value);
}

void mapping_lock_new(const struct config_directory *config, bool active,
                      struct directory_mods *attrs)
{
    struct mark mark = mark_of(config, attrs->arena);
    if (mark.attr && !active && config_has_schema(config))
        directory_mods_one(attrs, DIRECTORY_ADD, mark.attr, mark.value);
}

/* slapd's ppolicy unlocks whose password is set, and takes no mark in the modify that sets it. So
 * an end of the account, long past, stands there meanwhile: nobody binds behind it. */
#define BAR "pwdEndTime"
static const struct str LONG_PAST = STR_INIT("19700101000000Z");

const char *mapping_bar_attribute(const struct config_directory *config)
{
    return config->lock == CONFIG_LOCK_PPOLICY ? BAR : NULL;
}

bool directory_password_unlocks(const struct directory *d)
{
    return mapping_bar_attribute(&d->config->directory) != NULL;
}

bool directory_is_barred(const struct directory_entry *e)
{
    return str_eq(directory_value(e, BAR), LONG_PAST);
}

bool directory_bar(const struct directory_entry *e, struct directory_mods *mods, struct error *err)
{
    if (e && directory_is_barred(e))
        return true;
    if (e && directory_value(e, BAR).len)
        return error_set(err, ERR_CONFLICT,
                         "the directory gives this inactive account an end of its own "
                         "(pwdEndTime); activate the user first, then set the password");
    directory_mods_one(mods, DIRECTORY_ADD, BAR, LONG_PAST);
    return true;
}

void directory_lock_again(const struct directory *d, struct directory_mods *mods)
{
    struct mark mark = mark_of(&d->config->directory, mods->arena);
    /* Without kiopsActive the bar is the proof: who is active again has lost it. */
    if (config_has_schema(&d->config->directory))
        directory_mods_prove_there(mods, "kiopsActive", STR("FALSE"));
    directory_mods_one(mods, DIRECTORY_REPLACE, mark.attr, mark.value);
    directory_mods_one(mods, DIRECTORY_DELETE, BAR, LONG_PAST);
}

void mapping_unbar(const struct directory_entry *e, struct directory_mods *mods)
{
    if (directory_is_barred(e))
        directory_mods_one(mods, DIRECTORY_DELETE, BAR, LONG_PAST);
}
