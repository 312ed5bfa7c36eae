/* The list of servers: the order of trying, and a name service that hangs. No server runs. */
#include <netdb.h>
#include <stdatomic.h>

#include "private_slapd.h"

#define CONNECT_MS 300

static struct private_slapd place;
static atomic_bool released;
static atomic_int asked;

/* In the place of the C library's. Nobody connects: what is found does not matter. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)service;
    (void)hints;
    atomic_fetch_add(&asked, 1);
    while (strncmp(node, "hangs", 5) == 0 && !atomic_load(&released))
        usleep(1000);
    if (strncmp(node, "nobody", 6) == 0)
        return EAI_NONAME;
    *out = calloc(1, sizeof **out);
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(found);
}

static int before_all(void **state)
{
    (void)state;
    slapd_prepare(&place);
    place.config.directory.connect_timeout_ms = CONNECT_MS;
    return 0;
}

static int after_all(void **state)
{
    (void)state;
    atomic_store(&released, true);
    usleep(50000); /* whoever hangs sees it */
    directory_free(place.directory);
    arena_free(place.memory);
    unlink(place.secret.at);
    return rmdir(place.dir);
}

static int64_t ping_fails_after(const char *uri)
{
    struct error err = ERROR_INIT;
    place.directory->servers.at[0].uri = uri;
    struct directory_conn *conn = directory_open(place.directory, DIRECTORY_SERVICE);
    int64_t began = clock_monotonic_ms();
    assert_false(directory_ping(conn, &err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    directory_close(conn);
    return clock_monotonic_ms() - began;
}

static void a_name_service_that_hangs_costs_the_time_to_connect(void **state)
{
    (void)state;
    int64_t took = ping_fails_after("ldap://hangs.example.org");
    assert_true(took >= CONNECT_MS - 1);
    if (took > CONNECT_MS + 500)
        fail_msg("took %lld ms", (long long)took);
}

static void look_ups_that_hang_do_not_pile_up(void **state)
{
    (void)state;
    place.config.directory.connect_timeout_ms = 10;
    for (int i = 0; i < 30; i++)
        ping_fails_after("ldap://hangs.example.org");
    place.config.directory.connect_timeout_ms = CONNECT_MS;
    int before = atomic_load(&asked);
    assert_true(before < 20);
    assert_true(ping_fails_after("ldap://hangs.example.org") < CONNECT_MS - 1);
    assert_int_equal(atomic_load(&asked), before);
}

static void numbers_and_sockets_are_not_looked_up(void **state)
{
    (void)state;
    int before = atomic_load(&asked);
    assert_true(directory_resolve("ldap://127.0.0.1:1", clock_deadline_in(0)));
    assert_true(directory_resolve("ldaps://[::1]:1", clock_deadline_in(0)));
    assert_true(directory_resolve("ldapi://%2Frun%2Fldapi", clock_deadline_in(0)));
    assert_int_equal(atomic_load(&asked), before);
}

static void a_name_that_is_not_there_fails_at_once(void **state)
{
    (void)state;
    atomic_store(&released, true); /* those that hang make room */
    int64_t deadline = clock_deadline_in(READY_WITHIN_MS);
    while (!directory_resolve("ldap://fine.example.org", clock_deadline_in(CONNECT_MS)))
        assert_true(clock_left_ms(deadline) > 0);
    assert_false(directory_resolve("ldap://nobody.example.org", clock_deadline_in(CONNECT_MS)));
}

static void the_one_in_use_is_tried_first_then_the_list(void **state)
{
    const size_t orders[3][3] = {{0, 1, 2}, {1, 0, 2}, {2, 0, 1}};
    (void)state;
    for (size_t first = 0; first < 3; first++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(directory_host_nth(first, k), orders[first][k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_service_that_hangs_costs_the_time_to_connect),
        cmocka_unit_test(look_ups_that_hang_do_not_pile_up),
        cmocka_unit_test(numbers_and_sockets_are_not_looked_up),
        cmocka_unit_test(a_name_that_is_not_there_fails_at_once),
        cmocka_unit_test(the_one_in_use_is_tried_first_then_the_list),
    };
    return cmocka_run_group_tests(tests, before_all, after_all);
}
