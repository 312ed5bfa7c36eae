/* Sealed cookies: what opens, and everything that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "console/internal.h"

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define ID STR("9d1e0000-0000-4000-8000-000000000001")
#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static const struct str languages[] = {STR_INIT("en"), STR_INIT("ko")};
static struct config config = {.console = {.session_h = 12, .languages = {languages, 2}}};

struct ground {
    struct console *console;
    struct arena *arena;
    instant_t now;
};

static int open_ground(void **state)
{
    static struct ground g;
    struct error err = ERROR_INIT;
    g = (struct ground){.arena = arena_new(), .now = 1000000 * HOUR};
    assert_true(console_open(&config, &g.console, &err));
    *state = &g;
    return 0;
}

static int close_ground(void **state)
{
    struct ground *g = *state;
    console_close(g->console);
    arena_free(g->arena);
    return 0;
}

static struct str sealed_at(const struct ground *g, instant_t issued)
{
    const struct console_session s = {ID, issued, STR("20260105080000Z")};
    return console_session_seal(g->console, g->arena, &s);
}

static bool opens(const struct ground *g, struct str sealed)
{
    struct console_session s;
    return console_session_open(g->console, g->arena, sealed, g->now, &s);
}

static void what_was_sealed_opens_as_it_was(void **state)
{
    const struct ground *g = *state;
    struct console_session s;
    assert_true(console_session_open(g->console, g->arena, sealed_at(g, g->now), g->now, &s));
    assert_true(str_eq(s.id, ID));
    assert_true(str_eq(s.password_changed, STR("20260105080000Z")));
    assert_true(s.issued == g->now);
}

static void two_of_the_same_look_different_and_hide_it(void **state)
{
    const struct ground *g = *state;
    struct str one = sealed_at(g, g->now), other = sealed_at(g, g->now);
    assert_false(str_eq(one, other));
    assert_null(memmem(one.at, one.len, "9d1e", 4));
    for (size_t i = 0; i < one.len; i++)
        assert_non_null(strchr(ALPHABET, one.at[i])); /* may stand in a cookie as it is */
}

static void every_single_changed_letter_is_noticed(void **state)
{
    const struct ground *g = *state;
    struct str sealed = sealed_at(g, g->now);
    for (size_t i = 0; i < sealed.len; i++) {
        char *text = arena_cstr(g->arena, sealed);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_false(opens(g, (struct str){text, sealed.len}));
    }
}

static void what_is_cut_or_longer_does_not_open(void **state)
{
    const struct ground *g = *state;
    struct str sealed = sealed_at(g, g->now);
    for (size_t len = 0; len < sealed.len; len++)
        assert_false(opens(g, str_sub(sealed, 0, len)));
    assert_false(opens(g, arena_fmt(g->arena, STR_FMT "AAAA", STR_ARG(sealed))));
    assert_false(opens(g, arena_fmt(g->arena, STR_FMT " ", STR_ARG(sealed))));
    char *large = arena_alloc(g->arena, 100000);
    memset(large, 'A', 100000);
    assert_false(opens(g, (struct str){large, 100000}));
    assert_false(opens(g, STR_NONE));
}

static void a_session_ends_when_its_hours_are_over(void **state)
{
    const struct ground *g = *state;
    assert_true(opens(g, sealed_at(g, g->now - 12 * HOUR + SECOND)));
    assert_false(opens(g, sealed_at(g, g->now - 12 * HOUR)));
    assert_false(opens(g, sealed_at(g, 0)));
}

static void clocks_of_two_bridges_may_differ_by_minutes_alone(void **state)
{
    const struct ground *g = *state;
    assert_true(opens(g, sealed_at(g, g->now + 60 * SECOND)));
    assert_false(opens(g, sealed_at(g, g->now + HOUR)));
}

static void another_key_opens_nothing(void **state)
{
    const struct ground *g = *state;
    struct console *other;
    struct console_session s;
    struct error err = ERROR_INIT;
    struct str sealed = sealed_at(g, g->now);
    assert_true(console_open(&config, &other, &err));
    assert_false(console_session_open(other, g->arena, sealed, g->now, &s));
    assert_false(
        str_eq(console_csrf(other, g->arena, sealed), console_csrf(g->console, g->arena, sealed)));
    console_close(other);
}

static void one_kind_opens_as_no_other(void **state)
{
    const struct ground *g = *state;
    struct console_try t = {.next = STR("/users"), .issued = g->now}, back;
    console_try_draw(g->arena, &t);
    struct str sealed = console_try_seal(g->console, g->arena, &t);
    assert_false(opens(g, sealed));
    assert_false(console_try_open(g->console, g->arena, sealed_at(g, g->now), g->now, &back));
    assert_true(console_try_open(g->console, g->arena, sealed, g->now, &back));
    assert_true(str_eq(back.state, t.state) && str_eq(back.nonce, t.nonce));
    assert_true(str_eq(back.verifier, t.verifier) && str_eq(back.next, STR("/users")));
    assert_false(console_try_open(g->console, g->arena, sealed, g->now + 600 * SECOND, &back));
}

static void each_kind_has_a_key_of_its_own(void **state)
{
    const struct ground *g = *state;
    for (size_t i = 0; i < CONSOLE_KINDS; i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(g->console->keys[i], g->console->keys[k], CONSOLE_KEY);
}

static void what_is_drawn_is_never_the_same(void **state)
{
    const struct ground *g = *state;
    struct console_try a = {0}, b = {0};
    console_try_draw(g->arena, &a);
    console_try_draw(g->arena, &b);
    assert_int_equal(a.verifier.len, 43); /* RFC 7636 4.1: 43 to 128 */
    assert_false(str_eq(a.state, b.state) || str_eq(a.nonce, b.nonce) ||
                 str_eq(a.verifier, b.verifier));
    assert_false(str_eq(a.state, a.nonce) || str_eq(a.state, a.verifier));
}

static void a_challenge_is_that_of_the_rfc(void **state)
{
    const struct ground *g = *state; /* RFC 7636 appendix B */
    struct str verifier = STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_true(str_eq(console_challenge(g->arena, verifier),
                       STR("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")));
}

static void the_csrf_text_is_of_one_session(void **state)
{
    const struct ground *g = *state;
    struct str one = sealed_at(g, g->now), other = sealed_at(g, g->now);
    struct str csrf = console_csrf(g->console, g->arena, one);
    assert_true(console_csrf_is(g->console, one, csrf));
    assert_false(console_csrf_is(g->console, other, csrf));
    assert_false(console_csrf_is(g->console, one, STR_NONE));
    assert_false(console_csrf_is(g->console, one, str_sub(csrf, 0, csrf.len - 1)));
    assert_false(console_csrf_is(g->console, one, one));
}

static void what_is_too_long_is_not_sealed(void **state)
{
    const struct ground *g = *state;
    char *large = arena_alloc(g->arena, 5000);
    memset(large, 'x', 5000);
    const struct console_session s = {ID, g->now, {large, 5000}};
    assert_int_equal(console_session_seal(g->console, g->arena, &s).len, 0);
}

static struct config kept[4];
static size_t kept_count;

static struct console *with_key(const char *text, struct error *err)
{
    char path[] = "/tmp/session-key-XXXXXX";
    struct console *c = NULL;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config own = config;
    own.console.session_key_file = str_of(path);
    kept[kept_count] = own; /* outlives the console */
    if (!console_open(&kept[kept_count++], &c, err))
        assert_null(c);
    unlink(path);
    return c;
}

static void bridges_with_one_key_file_know_each_other_s_sessions(void **state)
{
    const struct ground *g = *state;
    struct error err = ERROR_INIT;
    const char *key = "0123456789abcdef0123456789abcdef\n";
    struct console *a = with_key(key, &err), *b = with_key(key, &err);
    assert_true(a && b);
    const struct console_session s = {ID, g->now, STR_NONE};
    struct console_session back;
    assert_true(
        console_session_open(b, g->arena, console_session_seal(a, g->arena, &s), g->now, &back));
    console_close(a);
    console_close(b);
    assert_null(with_key("short", &err));
    assert_non_null(strstr(err.detail, "a session key has at least 32 characters"));
}

static void the_language_is_the_one_most_wanted(void **state)
{
    const struct ground *g = *state;
    static const struct {
        struct str accept, language;
    } cases[] = {
        {STR_INIT(""), STR_INIT("en")},
        {STR_INIT("ko"), STR_INIT("ko")},
        {STR_INIT("ko-KR,ko;q=0.9,en;q=0.8"), STR_INIT("ko")},
        {STR_INIT("en-US,en;q=0.9,ko;q=0.8"), STR_INIT("en")},
        {STR_INIT("de, ko;q=0.3, en;q=0.2"), STR_INIT("ko")},
        {STR_INIT("de"), STR_INIT("en")},
        {STR_INIT("ko;q=0, en"), STR_INIT("en")},
        {STR_INIT("korean"), STR_INIT("en")},
        {STR_INIT(",;,;;q=,ko;q=1"), STR_INIT("ko")},
        {STR_INIT("*"), STR_INIT("en")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(str_eq(console_language(g->console, cases[i].accept), cases[i].language));
}

static void the_shell_takes_nothing_as_markup(void **state)
{
    const struct ground *g = *state;
    const struct console_shell s = {
        .language = STR("en"), .status = 200, .user = STR("\"><script>&$x$")};
    struct str text = console_shell(g->console, g->arena, &s);
    assert_null(memmem(text.at, text.len, "\"><script>", 10));
    assert_null(memmem(text.at, text.len, "$session$", 9));
    assert_non_null(memmem(text.at, text.len, "lang=\"en\"", 9));
}

static void every_file_has_a_type_and_a_tag(void **state)
{
    const struct ground *g = *state;
    const struct console_file *f = console_file(g->console, STR("main.js"));
    assert_non_null(f);
    assert_true(f->bytes.len > 0 && f->tag[0] == '"' && strlen(f->tag) == 18);
    assert_null(console_file(g->console, STR("page.html")));
    assert_null(console_file(g->console, STR("")));
    assert_int_equal(console_version(g->console).len, 16);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_ground, close_ground)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_sealed_opens_as_it_was),
        TEST(two_of_the_same_look_different_and_hide_it),
        TEST(every_single_changed_letter_is_noticed),
        TEST(what_is_cut_or_longer_does_not_open),
        TEST(a_session_ends_when_its_hours_are_over),
        TEST(clocks_of_two_bridges_may_differ_by_minutes_alone),
        TEST(another_key_opens_nothing),
        TEST(one_kind_opens_as_no_other),
        TEST(each_kind_has_a_key_of_its_own),
        TEST(what_is_drawn_is_never_the_same),
        TEST(a_challenge_is_that_of_the_rfc),
        TEST(the_csrf_text_is_of_one_session),
        TEST(what_is_too_long_is_not_sealed),
        TEST(bridges_with_one_key_file_know_each_other_s_sessions),
        TEST(the_language_is_the_one_most_wanted),
        TEST(the_shell_takes_nothing_as_markup),
        TEST(every_file_has_a_type_and_a_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
