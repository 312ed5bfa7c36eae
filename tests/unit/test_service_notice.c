#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/own.h"
#include "replica_fixture.h"
#include "service/notice.h"

/* ---- the signature */

static struct str repeated(struct arena *a, char c, size_t n)
{
    char *text = arena_alloc(a, n + 1);
    memset(text, c, n);
    return (struct str){text, n};
}

/* RFC 4231, cases 1, 2, 6 and 7. */
static void the_signature_is_hmac_sha256_of_the_body(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    const struct {
        struct str key, body;
        const char *want;
    } cases[] = {
        {repeated(a, '\x0b', 20), STR("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {STR("Jefe"), STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {repeated(a, '\xaa', 131), STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {repeated(a, '\xaa', 131),
         STR("This is a test using a larger than block-size key and a larger than block-size data. "
             "The key needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[NOTICE_SIGNATURE_MAX];
        notice_sign(cases[i].key, cases[i].body, line);
        assert_string_equal(line, arena_fmt(a, "X-Kiops-Signature: sha256=%s", cases[i].want).at);
    }
}

/* ---- the body */

static void the_body_names_who_and_where_as_scim_does(void **state)
{
    struct world *w = *state;
    struct notice_settings s = {.replica = w->replica, .base = STR(BASE)};
    const struct notice_text text = {STR("0a"), 1767600000000000};
    struct notice what = {.event = NOTICE_VACANT_SEAT,
                          .organization = STR("org-alpha"),
                          .user = STR("user-kim"),
                          .request_id = STR("r-1")};
    OWNED_BUF struct buf out, unknown;
    add_user(w, "kim", "1");
    add_organization(w, "alpha", "1", "kim", "kim");
    buf_init(&out, 4096);
    notice_write(&s, &what, &text, &out);
    assert_string_equal(
        out.at, "{\"id\":\"0a\",\"event\":\"vacant-seat\",\"time\":\"2026-01-05T08:00:00Z\","
                "\"organization\":{\"value\":\"org-alpha\",\"$ref\":\"" BASE
                "/Groups/org-alpha\",\"display\":\"Project alpha\"},"
                "\"user\":{\"value\":\"user-kim\",\"$ref\":\"" BASE
                "/Users/user-kim\",\"display\":\"The \\\"kim\\\"\",\"userName\":\"kim\"},"
                "\"requestId\":\"r-1\"}");
    what = (struct notice){.event = NOTICE_REQUEST, .organization = STR("o"), .user = STR("u")};
    buf_init(&unknown, 4096);
    notice_write(&s, &what, &text, &unknown);
    assert_string_equal(unknown.at,
                        "{\"id\":\"0a\",\"event\":\"request\",\"time\":\"2026-01-05T08:00:00Z\","
                        "\"organization\":{\"value\":\"o\",\"$ref\":\"" BASE "/Groups/o\"},"
                        "\"user\":{\"value\":\"u\",\"$ref\":\"" BASE "/Users/u\"}}");
}

/* ---- again, and when */

static void two_hundreds_are_taken_and_what_cannot_get_better_is_given_up(void **state)
{
    static const struct {
        int status;
        enum notice_fate want;
    } cases[] = {
        {200, NOTICE_TAKEN},   {204, NOTICE_TAKEN},   {299, NOTICE_TAKEN},   {0, NOTICE_AGAIN},
        {302, NOTICE_AGAIN},   {308, NOTICE_AGAIN},   {400, NOTICE_REFUSED}, {404, NOTICE_REFUSED},
        {407, NOTICE_REFUSED}, {408, NOTICE_AGAIN},   {409, NOTICE_REFUSED}, {428, NOTICE_REFUSED},
        {429, NOTICE_AGAIN},   {499, NOTICE_REFUSED}, {500, NOTICE_AGAIN},   {599, NOTICE_AGAIN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(notice_fate(cases[i].status), cases[i].want);
}

static void pauses_double_up_to_five_minutes_and_half_of_each_is_chance(void **state)
{
    int64_t whole = 1000;
    (void)state;
    for (unsigned tries = 1; tries < 40; tries++) {
        assert_int_equal(notice_pause_ms(tries, 0, 0), whole / 2);
        assert_int_equal(notice_pause_ms(tries, 0, (uint32_t)whole / 2), whole);
        for (uint32_t random = 1; random < 4000000000; random = random * 7 + 3) {
            int64_t pause = notice_pause_ms(tries, 0, random);
            assert_true(pause >= whole / 2 && pause <= whole);
            if (random > 500000000)
                break;
        }
        whole = whole * 2 < 300000 ? whole * 2 : 300000;
    }
    assert_int_equal(notice_pause_ms(1, 90, 0), 90000);
    assert_int_equal(notice_pause_ms(20, 90, 0), 150000);
    assert_int_equal(notice_pause_ms(1, INT64_MAX, 0), 3600000);
    assert_int_equal(notice_pause_ms(1, -5, 0), 500);
    assert_int_equal(notice_pause_ms(UINT32_MAX, 0, 0), 150000);
}

/* ---- the thread */

struct receiver {
    int listener;
    pthread_t thread;
    struct str url;
    const int *script; /* statuses of the first answers, until 0; then 204. -1: never answered */
    atomic_int posts;
    atomic_bool stop;
};

static void read_post(int fd)
{
    char bytes[8192];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, bytes + len, sizeof bytes - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        bytes[len] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n"), *length = strstr(bytes, "Content-Length: ");
        if (end && length &&
            len >= (size_t)(end + 4 - bytes) + (size_t)strtoul(length + 16, NULL, 10))
            return;
    }
}

static void *receive(void *arg)
{
    struct receiver *r = arg;
    const int *next = r->script;
    for (int fd; (fd = accept(r->listener, NULL, NULL)) >= 0; close(fd)) {
        char answer[64];
        int status = *next ? *next++ : 204;
        read_post(fd);
        atomic_fetch_add(&r->posts, 1);
        while (status < 0 && !atomic_load(&r->stop))
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        int len = snprintf(answer, sizeof answer, "HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n",
                           status < 0 ? 500 : status);
        if (write(fd, answer, (size_t)len) != len)
            continue; /* the other side had enough */
    }
    return NULL;
}

static void receiver_start(struct receiver *r, struct arena *a, const int *script)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    *r = (struct receiver){.listener = socket(AF_INET, SOCK_STREAM, 0), .script = script};
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(r->listener, 64), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &size), 0);
    r->url = arena_fmt(a, "http://127.0.0.1:%d/", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
}

static void receiver_stop(struct receiver *r)
{
    atomic_store(&r->stop, true);
    shutdown(r->listener, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->listener);
}

struct stage {
    struct receiver receiver;
    struct config_webhook config;
    struct notices *notices;
    char secret[40];
};

static void stage_open(struct stage *s, struct world *w, const int *script)
{
    struct error err = ERROR_INIT;
    receiver_start(&s->receiver, w->arena, script);
    strcpy(s->secret, "/tmp/kiops-notice-XXXXXX");
    int fd = mkstemp(s->secret);
    assert_true(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, "0123456789abcdef\n", 17) == 17);
    close(fd);
    s->config = (struct config_webhook){s->receiver.url, str_of(s->secret), 30};
    const struct notice_settings settings = {&s->config, w->replica, STR(BASE)};
    assert_true(notices_start(&settings, &s->notices, &err));
    assert_non_null(s->notices);
}

static void stage_close(struct stage *s)
{
    notices_stop(s->notices);
    receiver_stop(&s->receiver);
    unlink(s->secret);
}

static struct service_notice_figures figures_with(struct stage *s, uint64_t sent, uint64_t waiting)
{
    struct service_notice_figures f;
    for (int i = 0; i < 20000; i++) {
        notices_figures(s->notices, &f);
        if (f.sent == sent && f.waiting == waiting)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(f.sent, sent);
    assert_int_equal(f.waiting, waiting);
    return f;
}

static const struct notice asked = {.event = NOTICE_REQUEST,
                                    .certain = true,
                                    .organization = STR_INIT("org-alpha"),
                                    .user = STR_INIT("user-kim")};
static const struct notice maybe_vacant = {.event = NOTICE_VACANT_SEAT,
                                           .organization = STR_INIT("org-alpha"),
                                           .user = STR_INIT("user-kim")};

static void *tell_fifty(void *notices)
{
    for (int i = 0; i < 50; i++) {
        notices_tell(notices, &asked);
        notices_tell(notices, &maybe_vacant);
    }
    return NULL;
}

static void many_threads_tell_while_one_sends(void **state)
{
    static const int script[] = {500, 503, 400, 0};
    struct world *w = *state;
    struct stage s;
    pthread_t tellers[4];
    replica_set_live(w->replica, true);
    stage_open(&s, w, script);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&tellers[i], NULL, tell_fifty, s.notices), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(tellers[i], NULL);
    struct service_notice_figures f = figures_with(&s, 199, 0);
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.dropped, 0);
    assert_int_equal(atomic_load(&s.receiver.posts), 202);
    stage_close(&s);
}

/* Kim is the only Manager of alpha. */
static void seat(struct world *w, const char *csn, bool active)
{
    struct directory_user u = user_of(w, "kim", csn);
    u.person.joined = values_of(w, "org-alpha:20260105080000Z.1", NULL);
    u.person.managers = values_of(w, "org-alpha", NULL);
    u.person.active = active;
    replica_apply_user(w->replica, &u);
}

static void a_seat_is_looked_at_again_before_it_is_told(void **state)
{
    static const int script[] = {0};
    struct world *w = *state;
    struct stage s;
    seat(w, "1", true);
    add_organization(w, "alpha", "1", "kim", "kim");
    replica_set_live(w->replica, true);
    stage_open(&s, w, script);
    notices_tell(s.notices, &maybe_vacant);
    notices_tell(s.notices, &maybe_vacant);
    figures_with(&s, 0, 1);
    figures_with(&s, 0, 0); /* somebody sits there */
    notices_tell(s.notices, &maybe_vacant);
    seat(w, "2", false);
    figures_with(&s, 1, 0);
    stage_close(&s);
}

static void only_active_managers_who_count_fill_a_seat_that_was_ever_taken(void **state)
{
    struct world *w = *state;
    const struct notice nowhere = {.event = NOTICE_VACANT_SEAT, .organization = STR("org-none")};
    struct directory_organization never = organization_of(w, "alpha", "3");
    add_user(w, "lee", "1"); /* in owner, and not by the own entry */
    seat(w, "1", true);
    add_organization(w, "alpha", "1", "kim lee", "kim lee");
    assert_false(notice_holds(w->replica, &maybe_vacant));
    seat(w, "2", false);
    assert_true(notice_holds(w->replica, &maybe_vacant));
    never.members = never.owners = dns_of(w, "kim lee");
    never.managed = false;
    replica_apply_organization(w->replica, &never, true);
    assert_false(notice_holds(w->replica, &maybe_vacant));
    assert_false(notice_holds(w->replica, &nowhere));
}

static void while_the_feed_is_away_nothing_is_known(void **state)
{
    static const int script[] = {0};
    struct world *w = *state;
    struct stage s;
    seat(w, "1", false);
    add_organization(w, "alpha", "1", "kim", "kim");
    stage_open(&s, w, script);
    notices_tell(s.notices, &maybe_vacant);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 300000000}, NULL);
    figures_with(&s, 0, 1);
    replica_set_live(w->replica, true);
    figures_with(&s, 1, 0);
    stage_close(&s);
}

static void a_receiver_that_hangs_is_left_at_a_stop(void **state)
{
    static const int script[] = {-1, 0};
    struct stage s;
    stage_open(&s, *state, script);
    notices_tell(s.notices, &asked);
    notices_tell(s.notices, &asked);
    while (atomic_load(&s.receiver.posts) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    int64_t limit = clock_deadline_in(5000);
    notices_stop(s.notices);
    assert_true(clock_left_ms(limit) > 0);
    receiver_stop(&s.receiver);
    unlink(s.secret);
}

static void what_is_over_the_ceiling_is_dropped(void **state)
{
    static const int script[] = {-1, 0};
    struct stage s;
    struct service_notice_figures f;
    stage_open(&s, *state, script);
    for (int i = 0; i < NOTICES_MAX + 3; i++)
        notices_tell(s.notices, &asked);
    notices_figures(s.notices, &f);
    assert_int_equal(f.waiting, NOTICES_MAX);
    assert_int_equal(f.dropped, 3);
    stage_close(&s);
}

/* Else those whom nobody need be told of would take the place of those who ask. */
static void of_very_many_seats_at_once_the_rest_is_judged_at_once(void **state)
{
    static const int script[] = {-1, 0};
    struct world *w = *state;
    struct stage s;
    struct service_notice_figures f;
    seat(w, "1", false);
    add_organization(w, "alpha", "1", "kim", "kim");
    stage_open(&s, w, script);
    for (int i = 0; i < NOTICES_MAX; i++) {
        struct notice one = maybe_vacant;
        one.organization = arena_fmt(w->arena, "org-%d", i);
        notices_tell(s.notices, &one);
    }
    notices_figures(s.notices, &f);
    assert_int_equal(f.waiting, NOTICES_MAX / 4);
    notices_tell(s.notices, &maybe_vacant);
    notices_figures(s.notices, &f);
    assert_int_equal(f.waiting, NOTICES_MAX / 4 + 1);
    assert_int_equal(f.dropped, 0);
    stage_close(&s);
}

static void without_an_address_nothing_is_told(void **state)
{
    struct world *w = *state;
    const struct config_webhook off = {.timeout_s = 5};
    struct notices *n;
    struct error err = ERROR_INIT;
    assert_true(notices_start(&(struct notice_settings){&off, w->replica, STR(BASE)}, &n, &err));
    assert_null(n);
    notices_tell(n, &asked);
    notices_stop(n);
}

static struct world world;

static int fresh(void **state)
{
    world = world_new();
    *state = &world;
    return 0;
}

static int gone(void **state)
{
    world_free(*state);
    return 0;
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signature_is_hmac_sha256_of_the_body),
        WITH_WORLD(the_body_names_who_and_where_as_scim_does),
        cmocka_unit_test(two_hundreds_are_taken_and_what_cannot_get_better_is_given_up),
        cmocka_unit_test(pauses_double_up_to_five_minutes_and_half_of_each_is_chance),
        WITH_WORLD(many_threads_tell_while_one_sends),
        WITH_WORLD(a_seat_is_looked_at_again_before_it_is_told),
        WITH_WORLD(only_active_managers_who_count_fill_a_seat_that_was_ever_taken),
        WITH_WORLD(while_the_feed_is_away_nothing_is_known),
        WITH_WORLD(a_receiver_that_hangs_is_left_at_a_stop),
        WITH_WORLD(what_is_over_the_ceiling_is_dropped),
        WITH_WORLD(of_very_many_seats_at_once_the_rest_is_judged_at_once),
        WITH_WORLD(without_an_address_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
