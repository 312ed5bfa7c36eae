/*
 * kiopsResource of any bytes: whatever stands there, the entry is shown by its LDAP values, what is
 * shown can be sent back without a change, and a change reads back as written.
 */
#include <stdint.h>

#include "../unit/scim_fixture.h"
#include "base/hash.h"
#include "directory/mapping.h"

#define PEOPLE "ou=people,dc=example,dc=org"

static struct config config;
static struct directory directory = {.config = &config};

static void demand(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void set_up(void)
{
    struct error err = ERROR_INIT;
    hash_init();
    config.directory.users.rdn = STR("uid");
    config.directory.users.create_in = STR(PEOPLE);
    config.directory.organizations = (struct config_organizations){
        .rdn = STR("cn"), .member = STR("member"), .owner = STR("owner")};
    directory.catalog = fixture_catalog();
    fixture_expect(directory_mapping_new(&config, directory.catalog, &directory.mapping, &err),
                   &err);
}

static const struct directory_writer writer = {
    .client = STR_INIT("c"), .marker = STR_INIT("m"), .now = 1700000000000000};

static struct directory_mods write_over(struct arena *a, const struct directory_entry *e,
                                        const struct directory_user *u, const json_t *after)
{
    const struct directory_user_edit edit = {
        .entry = e, .before = u, .after = after, .writer = &writer};
    struct directory_mods mods;
    struct str rdn;
    struct error err = ERROR_INIT;
    directory_mods_init(&mods, a);
    fixture_expect(directory_unmap_user(&directory, &edit, &mods, &rdn, &err), &err);
    demand(rdn.len == 0, "an entry is renamed for nothing");
    return mods;
}

/* What kiopsResource says after the modification. */
static const json_t *stored(struct arena *a, const struct directory_mods *mods)
{
    struct mapping_asserted asserted = {0};
    for (size_t i = 0; i < mods->count; i++)
        if (str_eq(str_of(mods->at[i].attr), STR("kiopsResource")) &&
            mods->at[i].op == DIRECTORY_ADD)
            mapping_asserted_read(a, mods->at[i].values[0], &asserted);
    return asserted.resource;
}

static void check(struct arena *a, const struct directory_entry *e)
{
    struct directory_user u;
    struct error err = ERROR_INIT;
    fixture_expect(directory_map_user(&directory, a, e, &u, &err), &err);
    demand(str_eq(u.user_name, STR("ann")), "LDAP's userName does not win");
    demand(write_over(a, e, &u, u.resource).count == 0, "sent back as shown, and it changes");
    json_t *after = json_copy_deep(u.resource);
    json_keep(a, after);
    json_put_str(after, "title", STR("T"));
    struct directory_mods mods = write_over(a, e, &u, after);
    demand(mods.count == 0 || json_equal(stored(a, &mods), after), "stored otherwise than said");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        set_up();
    ready = true;
    struct str bytes = {(const char *)data, size};
    static const struct str uid = STR_INIT("ann"), name = STR_INIT("Ann K"),
                            mails[] = {STR_INIT("a@x.org"), STR_INIT("b@x.org")},
                            phone = STR_INIT("+49 431-1"), street = STR_INIT("Hafen 1"),
                            object_class = STR_INIT("inetOrgPerson");
    const struct directory_attr attrs[] = {
        {STR("objectClass"), &object_class, 1},
        {STR("uid"), &uid, 1},
        {STR("cn"), &name, 1},
        {STR("sn"), &uid, 1},
        {STR("mail"), mails, 2},
        {STR("telephoneNumber"), &phone, 1},
        {STR("street"), &street, 1},
        {STR("kiopsResource"), &bytes, 1},
    };
    const struct directory_entry e = {
        .dn = STR("uid=ann," PEOPLE), .attrs = attrs, .attr_count = sizeof attrs / sizeof *attrs};
    OWNED_ARENA struct arena *a = arena_new();
    check(a, &e);
    return 0;
}
