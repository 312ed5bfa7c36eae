/* Encrypted connections: StartTLS and ldaps, and that nothing goes out in clear where it is
 * required. */
#include "private_slapd.h"

static struct private_slapd slapd;

/* `scheme` of the server, and whether the certificate is for this host. */
static void start(const char *scheme, const char *name)
{
    setenv("MINI_SLAPD_TLS", name, 1);
    setenv("MINI_SLAPD_SCHEME", scheme, 1);
    slapd_prepare(&slapd);
    slapd.directory->servers.at[0].uri =
        arena_fmt(slapd.memory, "%s://127.0.0.1:%s", scheme, slapd.port).at;
    slapd.config.directory.start_tls = CONFIG_TLS_REQUIRED;
    slapd.config.directory.ca_file = arena_fmt(slapd.memory, "%s/ca.pem", slapd.dir);
    slapd_launch(&slapd);
}

static int stop(void **state)
{
    (void)state;
    unsetenv("MINI_SLAPD_TLS");
    unsetenv("MINI_SLAPD_SCHEME");
    slapd_remove(&slapd);
    return 0;
}

static void use_everything(void)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_conn *conn = directory_open(slapd.directory, DIRECTORY_SERVICE);
    struct directory_feed *feed = directory_feed_new(slapd.directory);
    struct directory_event event;
    for (int i = 0; i < 200; i++)
        person_new(conn, a, arena_fmt(a, "tls%d", i).at);
    int64_t deadline = clock_deadline_in(READY_WITHIN_MS);
    size_t users = 0;
    do {
        directory_feed_next(feed, a, 1000, &event);
        users += event.kind == FEED_USER;
        assert_true(clock_left_ms(deadline) > 0);
    } while (event.kind != FEED_LIVE);
    assert_int_equal(users, 200);
    for (int i = 0; i < 50; i++) {
        struct str id = person_new(conn, a, arena_fmt(a, "live%d", i).at);
        directory_feed_next(feed, a, 200, &event);
        assert_int_equal(event.kind, FEED_USER);
        assert_true(str_eq(event.entry.id, id));
    }
    directory_feed_free(feed);
    directory_close(conn);
}

static void start_tls_carries_everything(void **state)
{
    (void)state;
    start("ldap", "IP:127.0.0.1");
    slapd_wait(&slapd);
    use_everything();
}

static void ldaps_carries_everything(void **state)
{
    (void)state;
    start("ldaps", "IP:127.0.0.1");
    slapd_wait(&slapd);
    use_everything();
}

/* Waits until something listens, then says whether a bind comes about. */
static bool reaches(struct error *err)
{
    struct directory_conn *conn = directory_open(slapd.directory, DIRECTORY_SERVICE);
    int64_t deadline = clock_deadline_in(READY_WITHIN_MS);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int64_t port = 0;
    assert_true(str_to_i64(str_of(slapd.port), &port));
    at.sin_port = htons((uint16_t)port);
    for (int connected = -1; connected != 0;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connected = connect(fd, (struct sockaddr *)&at, sizeof at);
        close(fd);
        assert_true(clock_left_ms(deadline) > 0);
        usleep(5000);
    }
    bool fine = directory_ping(conn, err);
    directory_close(conn);
    return fine;
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    start("ldap", "DNS:ldap.example.org");
    assert_false(reaches(&err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

static void an_unknown_authority_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    start("ldap", "IP:127.0.0.1");
    slapd.config.directory.ca_file = STR("/etc/ssl/certs/ca-certificates.crt");
    assert_false(reaches(&err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

static void a_server_without_tls_gets_no_password(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    start("ldap", "");
    assert_false(reaches(&err));
    assert_int_equal(err.kind, ERR_UNAVAILABLE);
    slapd.config.directory.start_tls = CONFIG_TLS_OFF;
    err = ERROR_INIT;
    assert_true(reaches(&err));
}

#define TLS(test) cmocka_unit_test_teardown(test, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS(start_tls_carries_everything),
        TLS(ldaps_carries_everything),
        TLS(a_certificate_for_another_name_is_refused),
        TLS(an_unknown_authority_is_refused),
        TLS(a_server_without_tls_gets_no_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
