/* A server that speaks badly: sliced, cut, malformed or lying answers are never an empty list,
 * never a crash, and never cost more than the deadline. */

#include "private_slapd.h"

#define BIND_DONE "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"
#define SEARCH_DONE "\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00"
/* cn=a with one attribute cn: a */
#define ENTRY                                                                                      \
    "\x30\x19\x02\x01\x02\x64\x14\x04\x04"                                                         \
    "cn=a\x30\x0c\x30\x0a\x04\x02"                                                                 \
    "cn\x31\x04\x04\x02"                                                                           \
    "aa"

struct script {
    const char *name;
    struct str answer;
    bool then_close;
    bool readable; /* a whole answer: the search succeeds with `count` entries */
    size_t count;
};

static const struct script scripts[] = {
    {"whole", STR_INIT(ENTRY SEARCH_DONE), false, true, 1},
    {"empty", STR_INIT(SEARCH_DONE), false, true, 0},
    {"entry without end", STR_INIT(ENTRY), false, false, 0},
    {"entry, then closed", STR_INIT(ENTRY), true, false, 0},
    {"nothing, then closed", STR_INIT(""), true, false, 0},
    {"half a message", STR_INIT("\x30\x0c\x02\x01"), false, false, 0},
    {"half a message, then closed", STR_INIT("\x30\x0c\x02\x01"), true, false, 0},
    {"no LDAP at all", STR_INIT("HTTP/1.1 400 Bad Request\r\n\r\n"), false, false, 0},
    {"two gigabytes announced", STR_INIT("\x30\x84\x7f\xff\xff\xff\x02\x01\x02\x64"), false, false,
     0},
    {"answer to somebody else",
     STR_INIT("\x30\x0c\x02\x01\x09\x65\x07\x0a\x01\x00\x04\x00\x04\x00"), false, false, 0},
    {"NUL in the name",
     STR_INIT("\x30\x0d\x02\x01\x02\x64\x08\x04\x04"
              "cn\0a\x30\x00" SEARCH_DONE),
     false, false, 0},
    {"attribute longer than its entry",
     STR_INIT("\x30\x19\x02\x01\x02\x64\x14\x04\x04"
              "cn=a\x30\x0c\x30\x0a\x04\x7f"
              "cn\x31\x04\x04\x02"
              "aa" SEARCH_DONE),
     false, false, 0},
    {"attributes cut short",
     STR_INIT("\x30\x19\x02\x01\x02\x64\x14\x04\x04"
              "cn=a\x30\x0c\x30\x0a\x04\x02"
              "cn\x31\x06\x04\x02"
              "aa" SEARCH_DONE),
     false, false, 0},
    {"reference to another server",
     STR_INIT("\x30\x12\x02\x01\x02\x73\x0d\x04\x0b"
              "ldap://evil" SEARCH_DONE),
     false, false, 0},
    {"referral",
     STR_INIT("\x30\x1b\x02\x01\x02\x65\x16\x0a\x01\x0a\x04\x00\x04\x00\xa3\x0d\x04\x0b"
              "ldap://evil"),
     false, false, 0},
    {"intermediate message", STR_INIT("\x30\x05\x02\x01\x02\x79\x00"), false, false, 0},
};

/* ---- the server: one child, one script, any number of connections */

static bool wait_bytes(int fd)
{
    char bytes[4096];
    return read(fd, bytes, sizeof bytes) > 0;
}

static void say(int fd, struct str text, bool sliced)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = sliced ? 1 : text.len;
        if (send(fd, text.at + i, n, MSG_NOSIGNAL) < 0)
            return;
        i += n;
    }
}

static void serve(int listener, const struct script *script, bool sliced)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(0);
        if (wait_bytes(fd))
            say(fd, STR(BIND_DONE), sliced);
        if (wait_bytes(fd))
            say(fd, script->answer, sliced);
        while (!script->then_close && wait_bytes(fd))
            ;
        close(fd);
    }
}

static pid_t start_server(const struct script *script, bool sliced, int *port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(listener, 8), 0);
    *port = ntohs(at.sin_port);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, script, sliced);
    }
    close(listener);
    return child;
}

static void ask(struct directory *d, const struct script *script)
{
    struct error err = ERROR_INIT;
    struct directory_entries found = {0};
    OWNED_ARENA struct arena *a = arena_new();
    struct directory_conn *conn = directory_open(d, DIRECTORY_SERVICE);
    struct directory_search search = {.base = STR("dc=org"), .scope = DIRECTORY_SUB};
    int64_t began = clock_monotonic_ms();
    bool fine = directory_find(conn, a, &search, &found, &err);
    int64_t took = clock_monotonic_ms() - began;
    if (fine != script->readable || found.count != script->count || took > 900)
        fail_msg("%s: %s, %zu entries, %lld ms", script->name, fine ? "true" : "false", found.count,
                 (long long)took);
    if (!fine) {
        assert_int_equal(err.kind, ERR_UNAVAILABLE);
        assert_null(strstr(err.detail, "evil"));
    }
    directory_close(conn);
}

static void run_all(bool sliced)
{
    struct private_slapd place;
    slapd_prepare(&place);
    place.config.directory.operation_timeout_ms = 300;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        int port = 0;
        pid_t server = start_server(&scripts[i], sliced, &port);
        place.directory->servers.at[0].uri =
            arena_fmt(place.memory, "ldap://127.0.0.1:%d", port).at;
        ask(place.directory, &scripts[i]);
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    slapd_remove(&place);
}

static void bad_answers_are_never_absence(void **state)
{
    (void)state;
    run_all(false);
}

static void answers_may_come_byte_by_byte(void **state)
{
    (void)state;
    run_all(true);
}

/* As a sync search may get it, to a search without the control. */
static void ids_that_nobody_asked_for_are_malformed(void **state)
{
    static const struct script script = {.answer =
                                             STR_INIT("\x30\x3a\x02\x01\x02\x79\x35\x80\x18"
                                                      "1.3.6.1.4.1.4203.1.9.1.4"
                                                      "\x81\x19\xa3\x17\x01\x01\xff\x31\x12\x04\x10"
                                                      "0123456789abcdef")};
    struct private_slapd place;
    struct error err = ERROR_INIT;
    struct directory_sync sync;
    LDAPMessage *message = NULL;
    int port = 0, msgid = 0;
    (void)state;
    slapd_prepare(&place);
    pid_t server = start_server(&script, false, &port);
    place.directory->servers.at[0].uri = arena_fmt(place.memory, "ldap://127.0.0.1:%d", port).at;
    struct directory_conn *conn = directory_open(place.directory, DIRECTORY_SERVICE);
    assert_true(directory_ping(conn, &err));
    assert_int_equal(ldap_search_ext(conn->ld, "dc=org", LDAP_SCOPE_BASE, NULL, NULL, 0, NULL, NULL,
                                     NULL, 0, &msgid),
                     LDAP_SUCCESS);
    assert_int_equal(
        directory_ldap_wait(conn->ld, msgid, LDAP_MSG_ONE, clock_deadline_in(1000), &message),
        LDAP_SUCCESS);
    assert_int_equal(ldap_msgtype(message), LDAP_RES_INTERMEDIATE);
    assert_false(directory_sync_read_plain(conn->ld, place.memory, message, &sync));
    directory_close(conn);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    slapd_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_answers_are_never_absence),
        cmocka_unit_test(answers_may_come_byte_by_byte),
        cmocka_unit_test(ids_that_nobody_asked_for_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
