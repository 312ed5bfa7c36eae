/* What each kind of actor sees of users and organizations, byte for byte where it matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica_fixture.h"

/* kim: Manager of alpha, Member of beta; lee: Member of alpha, asks to join gamma; choi: Member of
 * beta; admin: PlatformAdmin. alpha and beta are closed, gamma is open. */
static struct world peopled(void)
{
    struct world w = world_new();
    struct directory_user u = user_of(&w, "kim", "1");
    u.person.joined =
        values_of(&w, "org-alpha:20260105080000Z.aa", "org-beta:20260106090000Z.bb", NULL);
    u.person.managers = values_of(&w, "org-alpha", NULL);
    u.person.permissions = values_of(&w, "org-alpha:vpn", "org-alpha:INFRA", "org-beta:none", NULL);
    u.person.external_ids = values_of(&w, "idp:00u\"1", "hr:4711", NULL);
    replica_apply_user(w.replica, &u);
    u = user_of(&w, "lee", "1");
    u.person.requests = values_of(&w, "org-gamma:20260105080000Z.cc", NULL);
    replica_apply_user(w.replica, &u);
    add_user(&w, "choi", "1");
    u = user_of(&w, "admin", "1");
    u.person.joined = values_of(&w, "platform:20260105080000Z.dd", NULL);
    json_put(u.resource, "roles", json_pack("[{s:s,s:b}]", "value", "Editor", "primary", 1));
    replica_apply_user(w.replica, &u);
    struct directory_values admins = dns_of(&w, "admin");
    replica_apply_platform(w.replica, STR("1"), &admins);
    add_organization(&w, "alpha", "1", "kim lee ghost", "kim");
    add_organization(&w, "beta", "1", "kim choi", "");
    struct directory_organization o = organization_of(&w, "gamma", "1");
    o.open = true;
    o.external_ids = values_of(&w, "idp:grp-9", NULL);
    replica_apply_organization(w.replica, &o, true);
    return w;
}

static struct kiops_actor person(struct world *w, const char *name)
{
    struct kiops_actor actor;
    assert_true(replica_actor(w->replica, w->arena, user_id(w, name), &actor));
    return actor;
}

static struct kiops_actor token(struct world *w, enum kiops_role role, const char *organization)
{
    struct directory_values bound = values_of(w, organization, NULL);
    return (struct kiops_actor){.kind = KIOPS_ACTOR_TOKEN,
                                .id = STR("t"),
                                .client = STR("hr"),
                                .role = role,
                                .organizations = bound.at,
                                .organization_count = bound.count};
}

static void a_user_is_rendered_whole(void **state)
{
    (void)state;
    struct world w = peopled();
    struct replica_text text;
    assert_true(replica_show(
        w.replica, w.arena,
        &(struct replica_ask){REPLICA_USER, STR("user-kim"), &everyone_sees, {true}}, &text));
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash_content("1", 1));
    struct str want = arena_fmt(
        w.arena,
        "{\"schemas\":[\"" SCIM_URN_USER "\",\"" SCIM_URN_KIOPS_USER "\"],\"id\":\"user-kim\","
        "\"externalId\":\"00u\\\"1\",\"userName\":\"kim\",\"displayName\":\"The \\\"kim\\\"\","
        "\"active\":true,\"emails\":[{\"value\":\"kim@Example.org\",\"type\":\"work\"}],"
        "\"groups\":[{\"value\":\"org-alpha\",\"$ref\":\"" BASE "/Groups/org-alpha\","
        "\"display\":\"Project alpha\",\"type\":\"direct\"},"
        "{\"value\":\"org-beta\",\"$ref\":\"" BASE "/Groups/org-beta\","
        "\"display\":\"Project beta\",\"type\":\"direct\"}],"
        "\"roles\":[{\"value\":\"Manager@org-alpha\",\"display\":\"Manager of Project alpha\","
        "\"type\":\"kiops\"},{\"value\":\"Member@org-beta\","
        "\"display\":\"Member of Project beta\",\"type\":\"kiops\"}],"
        "\"" SCIM_URN_KIOPS_USER "\":{\"memberships\":["
        "{\"value\":\"org-alpha\",\"$ref\":\"" BASE "/Groups/org-alpha\","
        "\"display\":\"Project alpha\",\"membership\":\"" BASE
        "/Memberships/org-alpha.user-kim\",\"role\":\"Manager\","
        "\"permissions\":[\"infra\",\"vpn\"],\"status\":\"active\","
        "\"joinDate\":\"2026-01-05T08:00:00Z\"},"
        "{\"value\":\"org-beta\",\"$ref\":\"" BASE "/Groups/org-beta\","
        "\"display\":\"Project beta\",\"membership\":\"" BASE
        "/Memberships/org-beta.user-kim\",\"role\":\"Member\",\"status\":\"active\","
        "\"joinDate\":\"2026-01-06T09:00:00Z\"}]},"
        "\"meta\":{\"resourceType\":\"User\",\"created\":\"2026-01-05T08:00:00Z\","
        "\"lastModified\":\"2026-02-01T09:00:00Z\",\"location\":\"" BASE "/Users/user-kim\","
        "\"version\":\"W/\\\"%s\\\"\"}}",
        hex);
    assert_string_equal(arena_cstr(w.arena, text.json), want.at);
    world_free(&w);
}

static void a_user_without_anything_has_no_extension(void **state)
{
    (void)state;
    struct world w = world_new();
    add_user(&w, "kim", "1");
    json_t *kim = user(&w, "kim");
    assert_int_equal(json_array_size(json_object_get(kim, "schemas")), 1);
    assert_null(json_object_get(kim, "groups"));
    assert_null(json_object_get(kim, "roles"));
    assert_null(json_object_get(kim, "externalId"));
    assert_null(json_object_get(kim, SCIM_URN_KIOPS_USER));
    world_free(&w);
}

static void a_manager_in_the_enterprise_extension_has_a_uri(void **state)
{
    (void)state;
    struct world w = world_new();
    struct directory_user u = user_of(&w, "kim", "1");
    json_put(u.resource, SCIM_URN_ENTERPRISE,
             json_pack("{s:s,s:{s:s,s:s}}", "department", "Hull", "manager", "value", "user-lee",
                       "$ref", "../Users/lee"));
    replica_apply_user(w.replica, &u);
    json_t *kim = user(&w, "kim");
    json_t *manager = json_object_get(json_object_get(kim, SCIM_URN_ENTERPRISE), "manager");
    assert_true(str_eq(json_get_str(manager, "$ref"), STR(BASE "/Users/user-lee")));
    assert_true(str_eq(json_get_str(manager, "value"), STR("user-lee")));
    assert_int_equal(json_array_size(json_object_get(kim, "schemas")), 2);
    world_free(&w);
}

static void a_platform_admin_is_primary_unless_a_stored_role_is(void **state)
{
    (void)state;
    struct world w = peopled();
    json_t *admin = user(&w, "admin");
    json_t *roles = json_object_get(admin, "roles");
    assert_string_equal(listed(&w, roles, "value"), "PlatformAdmin Editor");
    assert_null(json_object_get(json_array_get(roles, 0), "primary"));
    assert_true(json_is_true(json_object_get(json_array_get(roles, 1), "primary")));
    json_t *own = json_object_get(admin, SCIM_URN_KIOPS_USER);
    assert_true(str_eq(json_get_str(own, "platformRole"), STR("PlatformAdmin")));
    assert_null(json_object_get(own, "memberships"));
    world_free(&w);
}

static void a_group_is_rendered_whole(void **state)
{
    (void)state;
    struct world w = peopled();
    struct replica_text text;
    assert_true(replica_show(
        w.replica, w.arena,
        &(struct replica_ask){REPLICA_GROUP, STR("org-alpha"), &everyone_sees, {true}}, &text));
    struct str want = arena_fmt(
        w.arena,
        "{\"schemas\":[\"" SCIM_URN_GROUP "\",\"" SCIM_URN_KIOPS_ORGANIZATION "\"],"
        "\"id\":\"org-alpha\",\"displayName\":\"Project alpha\","
        "\"members\":[{\"value\":\"user-kim\",\"$ref\":\"" BASE "/Users/user-kim\","
        "\"display\":\"The \\\"kim\\\"\",\"type\":\"User\"},"
        "{\"value\":\"user-lee\",\"$ref\":\"" BASE "/Users/user-lee\","
        "\"display\":\"The \\\"lee\\\"\",\"type\":\"User\"}],"
        "\"" SCIM_URN_KIOPS_ORGANIZATION "\":{\"description\":\"works\","
        "\"joinPolicy\":\"closed\",\"managers\":[{\"value\":\"user-kim\",\"$ref\":\"" BASE
        "/Users/user-kim\",\"display\":\"The \\\"kim\\\"\",\"active\":true}],"
        "\"memberCount\":2,\"pending\":0},"
        "\"meta\":{\"resourceType\":\"Group\",\"created\":\"2026-01-05T08:00:00Z\","
        "\"lastModified\":\"2026-02-01T09:00:00Z\",\"location\":\"" BASE "/Groups/org-alpha\","
        "\"version\":\"W/\\\"" STR_FMT "\\\"\"}}",
        16, text.version.at + 3);
    assert_string_equal(arena_cstr(w.arena, text.json), want.at);
    world_free(&w);
}

static void members_stay_out_when_nobody_wants_them_and_are_an_array_when_empty(void **state)
{
    (void)state;
    struct world w = peopled();
    struct replica_text with, without;
    struct replica_want no = {false}, yes = {true};
    assert_true(replica_show(
        w.replica, w.arena,
        &(struct replica_ask){REPLICA_GROUP, STR("org-alpha"), &everyone_sees, no}, &without));
    assert_true(replica_show(
        w.replica, w.arena,
        &(struct replica_ask){REPLICA_GROUP, STR("org-alpha"), &everyone_sees, yes}, &with));
    assert_true(str_eq(with.version, without.version));
    assert_null(strstr(arena_cstr(w.arena, without.json), "\"members\""));
    json_t *members = json_object_get(group(&w, "gamma"), "members");
    assert_true(json_is_array(members) && json_array_size(members) == 0);
    world_free(&w);
}

static void a_client_sees_its_own_external_id_alone(void **state)
{
    (void)state;
    static const struct {
        const char *client, *external;
    } cases[] = {{"idp", "00u\"1"}, {"hr", "4711"}, {"id", ""}, {"", ""}, {"IDP", ""}};
    struct world w = peopled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kiops_actor actor = everyone_sees;
        actor.client = str_of(cases[i].client);
        json_t *kim = seen(&w, REPLICA_USER, STR("user-kim"), &actor);
        assert_true(str_eq(json_get_str(kim, "externalId"), str_of(cases[i].external)));
    }
    world_free(&w);
}

/* Per actor: the groups shown of each user ("-" = the user is hidden), and each group: F full, S
 * short, - hidden. */
static void actors_see_what_their_roles_give(void **state)
{
    (void)state;
    static const struct {
        const char *person, *token;
        enum kiops_role role;
        const char *kim, *lee, *choi, *groups;
    } cases[] = {
        {"admin", NULL, KIOPS_NO_ROLE, "org-alpha org-beta", "org-alpha", "org-beta", "FFF"},
        {"kim", NULL, KIOPS_NO_ROLE, "org-alpha org-beta", "org-alpha", "-", "FSS"},
        {"lee", NULL, KIOPS_NO_ROLE, "-", "org-alpha", "-", "S-S"},
        {"choi", NULL, KIOPS_NO_ROLE, "-", "-", "org-beta", "-SS"},
        {NULL, "org-alpha", KIOPS_MANAGER, "org-alpha", "org-alpha", "-", "F--"},
        {NULL, "org-beta", KIOPS_MANAGER, "org-beta", "-", "org-beta", "-F-"},
        {NULL, "org-gamma", KIOPS_MANAGER, "-", "", "-", "--F"},
        {NULL, "org-alpha", KIOPS_MEMBER, "-", "-", "-", "S--"},
        {NULL, "org-alpha", KIOPS_PLATFORM_ADMIN, "org-alpha org-beta", "org-alpha", "org-beta",
         "FFF"},
    };
    static const char *const users[] = {"user-kim", "user-lee", "user-choi"};
    static const char *const groups[] = {"org-alpha", "org-beta", "org-gamma"};
    struct world w = peopled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kiops_actor actor = cases[i].person ? person(&w, cases[i].person)
                                                   : token(&w, cases[i].role, cases[i].token);
        const char *const expected[] = {cases[i].kim, cases[i].lee, cases[i].choi};
        char sights[4] = "---";
        for (size_t k = 0; k < 3; k++) {
            json_t *u = seen(&w, REPLICA_USER, str_of(users[k]), &actor);
            const char *shown = u ? listed(&w, json_object_get(u, "groups"), "value") : "-";
            assert_string_equal(shown, expected[k]);
            json_t *g = seen(&w, REPLICA_GROUP, str_of(groups[k]), &actor);
            if (g)
                sights[k] = json_object_get(g, "members") ? 'F' : 'S';
        }
        assert_string_equal(sights, cases[i].groups);
    }
    world_free(&w);
}

/* Each once, though a Manager's own may be met with the organization and with the person. */
static void actors_list_the_memberships_that_they_see(void **state)
{
    (void)state;
    static const struct {
        const char *person, *token, *seen, *roles;
    } cases[] = {
        {"admin", NULL,
         "org-alpha.user-kim org-alpha.user-lee org-beta.user-choi "
         "org-beta.user-kim org-gamma.user-lee",
         "Manager Member Member Member "},
        {"kim", NULL, "org-alpha.user-kim org-alpha.user-lee org-beta.user-kim",
         "Manager Member Member"},
        {"lee", NULL, "org-alpha.user-lee org-gamma.user-lee", "Member "},
        {"choi", NULL, "org-beta.user-choi", "Member"},
        {NULL, "org-beta", "org-beta.user-choi org-beta.user-kim", "Member Member"},
    };
    struct world w = peopled();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kiops_actor actor = cases[i].person ? person(&w, cases[i].person)
                                                   : token(&w, KIOPS_MANAGER, cases[i].token);
        const struct replica_query q = {
            .kind = REPLICA_MEMBERSHIP, .start_index = 1, .count = 100, .actor = &actor};
        struct replica_page page;
        struct error err = ERROR_INIT;
        fixture_expect(replica_find(w.replica, w.arena, &q, &page, &err), &err);
        json_t *all = json_array();
        for (size_t k = 0; k < page.count; k++)
            json_push(all,
                      json_load_strict(page.at[k].json, (struct json_limits){.depth = 8}, &err));
        json_keep(w.arena, all);
        assert_string_equal(listed(&w, all, "id"), cases[i].seen);
        assert_string_equal(listed(&w, all, "role"), cases[i].roles);
        assert_int_equal(page.total, page.count);
    }
    world_free(&w);
}

static void a_manager_sees_requests_to_the_own_organization_only(void **state)
{
    (void)state;
    struct world w = peopled();
    struct kiops_actor gamma = token(&w, KIOPS_MANAGER, "org-gamma");
    struct kiops_actor alpha = token(&w, KIOPS_MANAGER, "org-alpha");
    json_t *lee = seen(&w, REPLICA_USER, STR("user-lee"), &gamma);
    json_t *rows = json_object_get(json_object_get(lee, SCIM_URN_KIOPS_USER), "memberships");
    assert_string_equal(listed(&w, rows, "status"), "pending");
    assert_null(json_object_get(json_array_get(rows, 0), "role"));
    lee = seen(&w, REPLICA_USER, STR("user-lee"), &alpha);
    rows = json_object_get(json_object_get(lee, SCIM_URN_KIOPS_USER), "memberships");
    assert_string_equal(listed(&w, rows, "value"), "org-alpha");
    assert_string_equal(listed(&w, json_object_get(lee, "roles"), "value"), "Member@org-alpha");
    world_free(&w);
}

static void short_groups_show_three_things_and_have_their_own_version(void **state)
{
    (void)state;
    struct world w = peopled();
    struct kiops_actor choi = person(&w, "choi");
    json_t *gamma = seen(&w, REPLICA_GROUP, STR("org-gamma"), &choi);
    char *text = json_dumps(gamma, JSON_COMPACT);
    const char *version = strstr(text, ",\"version\"");
    assert_non_null(version);
    assert_string_equal(arena_cstr(w.arena, (struct str){text, (size_t)(version - text)}),
                        "{\"schemas\":[\"" SCIM_URN_GROUP "\",\"" SCIM_URN_KIOPS_ORGANIZATION "\"],"
                        "\"id\":\"org-gamma\",\"displayName\":\"Project gamma\","
                        "\"" SCIM_URN_KIOPS_ORGANIZATION "\":{\"description\":\"works\"},"
                        "\"meta\":{\"resourceType\":\"Group\",\"location\":\"" BASE
                        "/Groups/org-gamma\"");
    free(text);
    const char *before = version_of(gamma);
    struct directory_organization o = organization_of(&w, "gamma", "2");
    o.open = true;
    o.members = dns_of(&w, "kim");
    replica_apply_organization(w.replica, &o, true);
    assert_string_equal(version_of(seen(&w, REPLICA_GROUP, STR("org-gamma"), &choi)), before);
    world_free(&w);
}

static void people_see_the_open_ones_until_they_close(void **state)
{
    (void)state;
    struct world w = peopled();
    struct kiops_actor choi = person(&w, "choi");
    struct directory_organization o = organization_of(&w, "gamma", "2");
    replica_apply_organization(w.replica, &o, true);
    assert_null(seen(&w, REPLICA_GROUP, STR("org-gamma"), &choi));
    world_free(&w);
}

static void ids_of_the_other_kind_are_unknown(void **state)
{
    (void)state;
    struct world w = peopled();
    assert_null(seen(&w, REPLICA_USER, STR("org-alpha"), &everyone_sees));
    assert_null(seen(&w, REPLICA_GROUP, STR("user-kim"), &everyone_sees));
    assert_null(seen(&w, REPLICA_USER, STR("USER-KIM"), &everyone_sees));
    assert_null(seen(&w, REPLICA_USER, STR_NONE, &everyone_sees));
    world_free(&w);
}

static void the_facts_of_a_person_are_whole(void **state)
{
    (void)state;
    struct world w = peopled();
    struct directory_person kim;
    assert_true(replica_person(w.replica, w.arena, STR("user-kim"), &kim));
    assert_int_equal(kim.joined.count, 2);
    assert_int_equal(kim.permissions.count, 3);
    assert_true(str_eq(kim.permissions.at[1], STR("org-alpha:INFRA")));
    assert_true(str_eq(kim.external_ids.at[1], STR("hr:4711")));
    assert_true(str_eq(kim.dn, user_dn(&w, "kim")));
    struct str name, display;
    assert_true(replica_user_name(w.replica, w.arena, STR("user-kim"), &name, &display));
    assert_true(str_eq(name, STR("kim")) && str_eq(display, STR("The \"kim\"")));
    struct str *ids, id;
    assert_int_equal(replica_members(w.replica, w.arena, STR("org-beta"), &ids), 2);
    assert_true(str_eq(ids[0], STR("user-choi")) && str_eq(ids[1], STR("user-kim")));
    assert_int_equal(replica_members(w.replica, w.arena, STR("org-none"), &ids), 0);
    assert_true(replica_organization_named(
        w.replica, w.arena, &(const struct replica_name){.name = STR("PROJECT  Alpha")}, &id));
    assert_true(str_eq(id, STR("org-alpha")));
    assert_false(replica_organization_named(
        w.replica, w.arena, &(const struct replica_name){STR("PROJECT Alpha"), id}, &id));
    assert_false(replica_organization_named(
        w.replica, w.arena, &(const struct replica_name){.name = STR("Project")}, &id));
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_rendered_whole),
        cmocka_unit_test(a_user_without_anything_has_no_extension),
        cmocka_unit_test(a_manager_in_the_enterprise_extension_has_a_uri),
        cmocka_unit_test(a_platform_admin_is_primary_unless_a_stored_role_is),
        cmocka_unit_test(a_group_is_rendered_whole),
        cmocka_unit_test(members_stay_out_when_nobody_wants_them_and_are_an_array_when_empty),
        cmocka_unit_test(a_client_sees_its_own_external_id_alone),
        cmocka_unit_test(actors_see_what_their_roles_give),
        cmocka_unit_test(actors_list_the_memberships_that_they_see),
        cmocka_unit_test(a_manager_sees_requests_to_the_own_organization_only),
        cmocka_unit_test(short_groups_show_three_things_and_have_their_own_version),
        cmocka_unit_test(people_see_the_open_ones_until_they_close),
        cmocka_unit_test(ids_of_the_other_kind_are_unknown),
        cmocka_unit_test(the_facts_of_a_person_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
