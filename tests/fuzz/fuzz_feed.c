/*
 * Entries as the feed delivers them, with whatever a directory may hold: mapped, applied and shown,
 * or left out; what is shown is strict JSON with what every resource must have, and is found again
 * by its id.
 *
 * Input: entries that begin with the byte 0x1d; of each the first two letters say what it is
 * (u user, o organization, p platform group, t token, d deleted) and which id it has, then come
 * its attributes as NAME:VALUE behind the byte 0x1e each. "dn" and "csn" are attributes too.
 */
#include <stdint.h>
#include <string.h>

#include "../unit/replica_fixture.h"
#include "base/unicode.h"
#include "directory/internal.h"

#define ATTRIBUTES_MAX 64
#define VALUES_MAX 64

static struct config config;
static struct directory directory = {.config = &config};
static struct world world;

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
    world = world_new();
    config.directory.users.rdn = STR("uid");
    config.directory.users.create_in = STR("ou=people,dc=example,dc=org");
    config.directory.organizations = (struct config_organizations){
        .rdn = STR("cn"),
        .member = STR("member"),
        .owner = STR("owner"),
        .placeholder_dn = STR("cn=nobody,dc=example,dc=org"),
    };
    directory.catalog = world.catalog;
    fixture_expect(directory_mapping_new(&config, directory.catalog, &directory.mapping, &err),
                   &err);
    replica_free(world.replica); /* every input has its own */
}

/* ---- the input as entries */

struct reading {
    struct directory_attr attrs[ATTRIBUTES_MAX];
    struct str *values[ATTRIBUTES_MAX];
    size_t count;
};

/* As libldap gives them: the values of one name together. */
static void add_value(struct reading *r, struct arena *a, struct str name, struct str value)
{
    size_t i = 0;
    while (i < r->count && !str_ieq(r->attrs[i].name, name))
        i++;
    if (i == ATTRIBUTES_MAX)
        return;
    if (i == r->count) {
        r->values[i] = ARENA_ARRAY(a, struct str, VALUES_MAX);
        r->attrs[i] = (struct directory_attr){arena_str(a, name), r->values[i], 0};
        r->count++;
    }
    if (r->attrs[i].count < VALUES_MAX)
        r->values[i][r->attrs[i].count++] = arena_str(a, value);
}

static struct directory_entry read_entry(struct arena *a, struct str text, struct reading *r)
{
    struct directory_entry e = {
        .dn = STR("uid=kim,ou=people,dc=example,dc=org"),
        .id = arena_fmt(a, "00000000-0000-4000-8000-0000000000%02x",
                        text.len ? (unsigned char)text.at[0] : 0U),
    };
    struct str part;
    (void)str_split(&text, '\x1e', &part);
    while (str_split(&text, '\x1e', &part)) {
        struct str name;
        if (!str_split(&part, ':', &name))
            continue;
        if (str_ieq(name, STR("dn")))
            e.dn = arena_str(a, part);
        else if (str_ieq(name, STR("csn")))
            e.csn = arena_str(a, part);
        else
            add_value(r, a, name, part);
    }
    e.attrs = r->attrs;
    e.attr_count = r->count;
    return e;
}

/* ---- an entry into the replica */

static void apply_user(struct arena *a, const struct directory_entry *e)
{
    struct directory_user u;
    struct error err = ERROR_INIT;
    if (!directory_map_user(&directory, a, e, &u, &err)) {
        demand(err.kind == ERR_INTERNAL, "an odd user is another error");
        replica_note_odd(world.replica);
        return;
    }
    demand(u.user_name.len && u.display.len, "a user without a name");
    replica_apply_user(world.replica, &u);
}

static void apply_organization(struct arena *a, const struct directory_entry *e, bool with_sets)
{
    struct directory_organization o;
    struct error err = ERROR_INIT;
    if (!directory_map_organization(&directory, a, e, &o, &err)) {
        demand(err.kind == ERR_INTERNAL, "an odd organization is another error");
        replica_note_odd(world.replica);
        return;
    }
    replica_apply_organization(world.replica, &o, with_sets);
}

static void apply_token(struct arena *a, const struct directory_entry *e)
{
    struct directory_token t, known;
    struct error err = ERROR_INIT;
    if (!directory_map_token(a, e, &t, &err)) {
        demand(err.kind == ERR_INTERNAL, "an odd token is another error");
        return;
    }
    replica_apply_token(world.replica, &t);
    demand(!replica_token(world.replica, a, t.hash, &known) || known.name.len,
           "a token without a name");
}

static void apply(struct arena *a, char kind, const struct directory_entry *e)
{
    struct directory_values members = {NULL, 0};
    const struct directory_attr *attr = directory_attr(e, "member");
    if (attr)
        members = (struct directory_values){attr->values, attr->count};
    switch (kind) {
    case 'u':
        apply_user(a, e);
        break;
    case 'o':
    case 'O':
        apply_organization(a, e, kind == 'o');
        break;
    case 'p':
        replica_apply_platform(world.replica, e->csn, &members);
        break;
    case 't':
        apply_token(a, e);
        break;
    case 'd':
        replica_apply_deleted(world.replica, e->id);
        break;
    default:
        break;
    }
}

/* ---- what is shown */

static void check_extensions(json_t *resource)
{
    const char *name;
    json_t *value;
    json_object_foreach(resource, name, value)
    {
        demand(strncmp(name, "urn:", 4) != 0 || json_object_size(value) > 0,
               "an extension that is no object");
    }
}

static void check_shown(const struct replica_text *text, enum replica_kind kind,
                        const struct kiops_actor *actor)
{
    struct error err = ERROR_INIT;
    OWNED_JSON json_t *value =
        json_load_strict(text->json, (struct json_limits){.depth = 32}, &err);
    demand(value != NULL, "what is shown is no strict JSON");
    demand(str_eq(json_get_str(value, "id"), text->id), "shown with another id");
    demand(json_array_size(json_object_get(value, "schemas")) > 0, "shown without schemas");
    demand(str_eq(json_get_str(json_object_get(value, "meta"), "version"), text->version),
           "shown with another version");
    check_extensions(value);
    const char *name = kind == REPLICA_USER ? "userName" : "displayName";
    demand(json_get_str(value, name).len > 0, "shown without a name");
    const char *must = kind == REPLICA_USER ? "active" : "members";
    bool whole = kind == REPLICA_USER || actor->role == KIOPS_PLATFORM_ADMIN;
    demand(!whole || json_object_get(value, must), "shown without active or members");
}

static size_t check_list(struct arena *a, enum replica_kind kind, const struct kiops_actor *actor)
{
    struct replica_query q = {
        .kind = kind, .start_index = 1, .count = 1000, .actor = actor, .want = {true}};
    struct replica_page page;
    struct error err = ERROR_INIT;
    demand(replica_find(world.replica, a, &q, &page, &err), "a list that fails");
    demand(page.total == (int64_t)page.count, "another total than resources");
    for (size_t i = 0; i < page.count; i++) {
        struct replica_text one;
        check_shown(&page.at[i], kind, actor);
        demand(replica_show(world.replica, a,
                            &(struct replica_ask){kind, page.at[i].id, actor, {true}}, &one),
               "listed and not found");
        demand(str_eq(one.json, page.at[i].json), "listed otherwise than shown");
    }
    return page.count;
}

static void check_all(struct arena *a)
{
    struct replica_counts counts;
    replica_count(world.replica, &counts);
    demand(check_list(a, REPLICA_USER, &everyone_sees) == counts.users, "users are counted wrong");
    demand(check_list(a, REPLICA_GROUP, &everyone_sees) == counts.organizations,
           "organizations are counted wrong");
    static const struct str some[] = {STR_INIT("00000000-0000-4000-8000-000000000041")};
    const struct kiops_actor manager = {
        .kind = KIOPS_ACTOR_TOKEN,
        .id = STR_INIT("m"),
        .client = STR_INIT("c"),
        .role = KIOPS_MANAGER,
        .organizations = some,
        .organization_count = 1,
    };
    (void)check_list(a, REPLICA_USER, &manager);
    (void)check_list(a, REPLICA_GROUP, &manager);
    struct kiops_actor person;
    if (replica_actor(world.replica, a, some[0], &person)) {
        (void)check_list(a, REPLICA_USER, &person);
        (void)check_list(a, REPLICA_GROUP, &person);
    }
}

static void demand_empty(void)
{
    struct replica_counts counts;
    replica_refresh_begin(world.replica);
    replica_refresh_end(world.replica);
    replica_count(world.replica, &counts);
    demand(counts.users + counts.organizations + counts.tokens == 0,
           "a refresh that names nothing leaves something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        set_up();
    ready = true;
    world.replica = world_replica(&world);
    replica_refresh_begin(world.replica);
    replica_refresh_end(world.replica);
    OWNED_ARENA struct arena *a = arena_new();
    struct str rest = {(const char *)data, size}, text;
    while (str_split(&rest, '\x1d', &text)) {
        struct reading r = {.count = 0};
        if (text.len < 2)
            continue;
        const struct directory_entry e = read_entry(a, str_sub(text, 1, text.len), &r);
        apply(a, text.at[0], &e);
    }
    check_all(a);
    demand_empty();
    replica_free(world.replica);
    return 0;
}
