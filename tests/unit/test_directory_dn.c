/* DN and filter text: what is equal has one key, what a client sends stays one value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/own.h"
#include "directory/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct str key(struct arena *a, const char *dn)
{
    return directory_dn_key(a, str_of(dn));
}

static void spellings_of_one_dn_have_one_key(void **state)
{
    static const char *const equal[][2] = {
        {"uid=kim,ou=people,dc=example,dc=org", "UID=Kim,OU=People,DC=Example,DC=Org"},
        {"uid=kim,dc=org", "uid=kim, dc=org"},
        {"uid=kim,dc=org", "  uid = kim ; dc=org"},
        {"uid=kim,dc=org", "userid=kim,domainComponent=org"},
        {"uid=kim,dc=org", "0.9.2342.19200300.100.1.1=kim,oid.0.9.2342.19200300.100.1.25=org"},
        {"cn=a\\,b,dc=org", "cn=a\\2cb,dc=org"},
        {"cn=a\\+b,dc=org", "cn=a\\2Bb,dc=org"},
        {"cn=a=b,dc=org", "cn=a\\3Db,dc=org"},
        {"cn=a\\=b,dc=org", "cn=a\\3Db,dc=org"},
        {"cn=kim,dc=org", "cn=#04036b696d,dc=org"},
        {"cn=kim,dc=org", "cn=\\6bim,dc=org"},
        {"cn=kim  min,dc=org", "cn=kim min,dc=org"},
        {"cn=\\ kim\\ ,dc=org", "cn=kim,dc=org"},
        {"cn=a+sn=b,dc=org", "sn=B + cn=A,dc=org"},
        {"cn=\xC3\x89ric,dc=org", "cn=\\c3\\a9RIC,dc=org"},
        {"cn=\\#a,dc=org", "cn=\\23a,dc=org"},
        {"", ""},
    };
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(equal); i++)
        if (!str_eq(key(a, equal[i][0]), key(a, equal[i][1])))
            fail_msg("%s: " STR_FMT " and " STR_FMT, equal[i][0], STR_ARG(key(a, equal[i][0])),
                     STR_ARG(key(a, equal[i][1])));
}

static void different_dns_have_different_keys(void **state)
{
    static const char *const different[][2] = {
        {"uid=kim,dc=org", "uid=kimm,dc=org"},
        {"uid=kim,dc=org", "cn=kim,dc=org"},
        {"cn=a\\,cn=b,dc=org", "cn=a,cn=b,dc=org"},
        {"cn=a\\+sn=b,dc=org", "cn=a+sn=b,dc=org"},
        {"cn=#04036b696d,dc=org", "cn=\\#04036b696d,dc=org"},
        {"cn=a\\5cb,dc=org", "cn=ab,dc=org"},
        {"cn=a,b", "cn=a"},
        {"no dn at all", "also none"},
        {"cn=a\\00b,dc=org", "cn=a,dc=org"},
    };
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(different); i++)
        if (str_eq(key(a, different[i][0]), key(a, different[i][1])))
            fail_msg("%s and %s", different[i][0], different[i][1]);
}

static void a_key_appended_to_a_buffer_is_the_same_key(void **state)
{
    static const char *const dns[] = {"uid=Kim,dc=org", "cn=\xC3\x89ric\\, x,dc=org", "junk", ""};
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(dns); i++) {
        OWNED_BUF struct buf out;
        buf_init(&out, 4096);
        directory_dn_key_to(&out, str_of(dns[i]));
        assert_true(str_eq(buf_view(&out), key(a, dns[i])));
    }
}

/* Whatever bytes a name has, its escaped form is one RDN with exactly that value. */
static void an_escaped_value_never_leaves_its_rdn(void **state)
{
    static const char *const values[] = {"a,b",  "a+b",   "a\\b",         "#a",  " a ",
                                         "a=b",  "a;b",   "\"a\"",        "<a>", "a\nb",
                                         "*)(u", "a/b%c", "\xEA\xB9\x80", "\\2c"};
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    for (size_t i = 0; i < COUNT(values); i++) {
        struct str rdn = directory_dn_value(a, str_of(values[i]));
        struct str dn = arena_fmt(a, "cn=" STR_FMT ",dc=org", STR_ARG(rdn));
        LDAPDN parsed = NULL;
        struct berval text = directory_berval(dn);
        assert_int_equal(ldap_bv2dn(&text, &parsed, LDAP_DN_FORMAT_LDAPV3), LDAP_SUCCESS);
        assert_non_null(parsed[0]);
        assert_non_null(parsed[1]);
        assert_null(parsed[2]);
        assert_null(parsed[0][1]);
        struct berval value = parsed[0][0]->la_value;
        assert_true(str_eq((struct str){value.bv_val, value.bv_len}, str_of(values[i])));
        ldap_dnfree(parsed);
    }
}

static void a_nul_in_a_value_is_escaped(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct str nul = {"a\0b", 3};
    assert_true(str_eq(directory_dn_value(a, nul), STR("a\\00b")));
    assert_true(str_eq(directory_filter_value(a, nul), STR("a\\00b")));
}

static void a_filter_value_has_no_syntax_left(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    assert_true(
        str_eq(directory_filter_value(a, STR("*)(uid=*\\")), STR("\\2a\\29\\28uid=\\2a\\5c")));
    assert_true(str_eq(directory_filter_value(a, STR("plain")), STR("plain")));
    assert_int_equal(directory_filter_value(a, STR_NONE).len, 0);
}

static void only_a_uuid_looks_like_one(void **state)
{
    (void)state;
    assert_true(directory_is_uuid(STR("0b6c7f21-9d1e-103f-8a2b-000000000001")));
    assert_false(directory_is_uuid(STR("0B6C7F21-9D1E-103F-8A2B-00000000000F")));
    assert_false(directory_is_uuid(STR("0b6c7f21-9d1e-103f-8a2b-00000000000")));
    assert_false(directory_is_uuid(STR("0b6c7f21-9d1e-103f-8a2b-00000000000g")));
    assert_false(directory_is_uuid(STR("0b6c7f2109d1e-103f-8a2b-000000000001")));
    assert_false(directory_is_uuid(STR("*")));
    assert_false(directory_is_uuid(STR_NONE));
}

static void a_parent_begins_behind_the_whole_first_rdn(void **state)
{
    static const char *const pairs[][2] = {
        {"ou=people,dc=org", "dc=org"},
        {"ou=people, dc=org", "dc=org"},
        {"ou=a\\, b,ou=c,dc=org", "ou=c,dc=org"},
        {"ou=a\\2Cb;dc=org", "dc=org"},
        {"ou=a\\\\,dc=org", "dc=org"},
        {"ou=a\\\\\\,b,dc=org", "dc=org"},
        {"dc=org", ""},
        {"dc=org\\", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        assert_true(str_eq(directory_dn_parent(str_of(pairs[i][0])), str_of(pairs[i][1])));
}

static void a_protected_dn_hides_all_below_and_nothing_else(void **state)
{
    (void)state;
    OWNED_ARENA struct arena *a = arena_new();
    struct str keys[] = {key(a, "uid=root,ou=people,dc=org"), key(a, "ou=hidden,dc=org")};
    struct directory d = {.protected_keys = keys, .protected_count = COUNT(keys)};
    assert_true(directory_is_protected(&d, STR("UID=Root, ou=people,dc=org")));
    assert_true(directory_is_protected(&d, STR("cn=a,ou=b,ou=hidden,dc=org")));
    assert_false(directory_is_protected(&d, STR("uid=root2,ou=people,dc=org")));
    assert_false(directory_is_protected(&d, STR("uid=notroot,ou=people,dc=org")));
    assert_false(directory_is_protected(&d, STR("cn=x\\,ou=hidden,dc=org")));
    assert_false(directory_is_protected(&d, STR("dc=org")));
}

int main(void)
{
    hash_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_one_dn_have_one_key),
        cmocka_unit_test(different_dns_have_different_keys),
        cmocka_unit_test(a_key_appended_to_a_buffer_is_the_same_key),
        cmocka_unit_test(an_escaped_value_never_leaves_its_rdn),
        cmocka_unit_test(a_nul_in_a_value_is_escaped),
        cmocka_unit_test(a_filter_value_has_no_syntax_left),
        cmocka_unit_test(only_a_uuid_looks_like_one),
        cmocka_unit_test(a_parent_begins_behind_the_whole_first_rdn),
        cmocka_unit_test(a_protected_dn_hides_all_below_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
