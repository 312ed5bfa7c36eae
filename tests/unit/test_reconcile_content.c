/* Two resources as content: equal in whatever order and spelling, and what differs by its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "reconcile/content.h"
#include "scim_fixture.h"

static struct scim_catalog *catalog;

static json_t *json(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    return o;
}

/* `after`: the paths that differ and their values; NULL: none does. */
struct pair {
    const char *theirs, *ours, *after, *before;
};

static uint64_t print_as_text(const struct scim_resource_type *type, const json_t *resource)
{
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    json_write(resource, &text);
    return content_print_text(type, buf_view(&text));
}

static const struct pair pairs[] = {
    {"{'userName':'kim','title':'Boss'}", "{'title':'Boss','userName':'kim','id':'1','meta':{}}",
     NULL, NULL},
    {"{'userName':'Kim','title':'boss'}", "{'userName':'kim','title':'Boss'}", NULL, NULL},
    {"{'title':'New'}", "{'title':'Old'}", "{'title':'New'}", "{'title':'Old'}"},
    {"{'title':'New'}", "{}", "{'title':'New'}", "{'title':null}"},
    {"{}", "{'title':'Old'}", NULL, NULL}, /* not said: record_removals() */
    {"{'name':{'givenName':'A','familyName':'B'}}",
     "{'name':{'givenName':'A','familyName':'C','honorificPrefix':'Dr.'}}",
     "{'name.familyName':'B','name.honorificPrefix':null}",
     "{'name.familyName':'C','name.honorificPrefix':'Dr.'}"},
    {"{'emails':[{'value':'a@x'},{'value':'b@x','type':'work','primary':true}]}",
     "{'emails':[{'type':'work','value':'b@x','primary':true},{'value':'a@x','primary':false}]}",
     NULL, NULL},
    {"{'emails':[{'value':'a@x'},{'value':'a@x'}]}", "{'emails':[{'value':'a@x'},{'value':'b@x'}]}",
     "{'emails':[{'value':'a@x'},{'value':'a@x'}]}",
     "{'emails':[{'value':'a@x'},{'value':'b@x'}]}"},
    {"{'emails':[{'value':'a@x'}]}", "{'emails':[{'value':'a@x','type':'work'}]}",
     "{'emails':[{'value':'a@x'}]}", "{'emails':[{'value':'a@x','type':'work'}]}"},
    {"{'" SCIM_URN_ENTERPRISE "':{'department':'Hulls','manager':{'value':'9'}}}",
     "{'" SCIM_URN_ENTERPRISE "':{'department':'Sails'}}",
     "{'" SCIM_URN_ENTERPRISE ":department':'Hulls'}",
     "{'" SCIM_URN_ENTERPRISE ":department':'Sails'}"},
    {"{'active':false,'roles':[{'value':'x'}],'groups':[{'value':'g'}],'externalId':'e'}",
     "{'active':true}", NULL, NULL},
    {"{'urn:unknown':{'x':1},'unknown':2}", "{}", NULL, NULL},
    {"{'title':'a\\tb\\u00e9','x509Certificates':[],'name':{},'displayName':''}",
     "{'title':'a\\tb\u00e9'}", NULL, NULL},
};

/* With ' for ". */
static json_t *quoted(const char *text)
{
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return json(copy);
}

static void what_differs_is_named_by_its_path(void **state)
{
    const struct scim_resource_type *user = fixture_type(catalog, "User");
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        OWNED_JSON json_t *theirs = quoted(pairs[i].theirs), *ours = quoted(pairs[i].ours);
        OWNED_JSON json_t *after = quoted(pairs[i].after ? pairs[i].after : "{}");
        OWNED_JSON json_t *before = quoted(pairs[i].before ? pairs[i].before : "{}");
        struct content_difference d;
        content_compare(user, theirs, ours, &d);
        if (!json_equal(d.after, after) || !json_equal(d.before, before))
            fail_msg("pair %zu: %s", i, json_dumps(d.after, 0));
        json_decref(d.after);
        json_decref(d.before);
    }
}

static void equal_content_has_one_print_whatever_the_order(void **state)
{
    const struct scim_resource_type *user = fixture_type(catalog, "User");
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        OWNED_JSON json_t *theirs = quoted(pairs[i].theirs), *ours = quoted(pairs[i].ours);
        assert_true(print_as_text(user, theirs) == content_print(user, theirs));
        assert_true(print_as_text(user, ours) == content_print(user, ours));
        if (pairs[i].after && content_print(user, theirs) == content_print(user, ours))
            fail_msg("pair %zu differs and has one print", i);
    }
    OWNED_JSON json_t *a = quoted("{'userName':'k','emails':[{'value':'a'},{'value':'b'}]}");
    OWNED_JSON json_t *b = quoted(
        "{'emails':[{'value':'b','primary':false},{'value':'a'}],'userName':'k','title':''}");
    OWNED_JSON json_t *c = quoted("{'userName':'k','emails':[{'value':'a'},{'type':'b'}]}");
    assert_true(content_print(user, a) == content_print(user, b));
    assert_true(content_print(user, a) != content_print(user, c));
}

static void what_the_source_has_stopped_saying_goes_but_for_what_is_required(void **state)
{
    const struct scim_resource_type *user = fixture_type(catalog, "User");
    (void)state;
    OWNED_JSON json_t *theirs = quoted("{}");
    OWNED_JSON json_t *ours = quoted("{'userName':'k','title':'Old','nickName':'K'}");
    OWNED_JSON json_t *others = quoted("{'title':'x','userName':'y'}");
    struct content_difference d;
    content_compare(user, theirs, ours, &d);
    content_removals(user, d.absent & content_has(user, others), ours, &d);
    OWNED_JSON json_t *after = quoted("{'title':null}");
    assert_true(json_equal(d.after, after));
    json_decref(d.after);
    json_decref(d.before);
}

static void a_new_one_is_made_of_content_alone(void **state)
{
    const struct scim_resource_type *user = fixture_type(catalog, "User");
    (void)state;
    OWNED_JSON json_t *shown =
        quoted("{'id':'1','meta':{},'userName':'k','active':true,'groups':[{'value':'g'}],"
               "'" SCIM_URN_ENTERPRISE
               "':{'department':'Hulls','manager':{'value':'2'}},'" SCIM_URN_KIOPS_USER
               "':{'memberships':[{'value':'g'}]}}");
    OWNED_JSON json_t *made = content_of(user, shown);
    OWNED_JSON json_t *wanted =
        quoted("{'schemas':['" SCIM_URN_USER "','" SCIM_URN_ENTERPRISE
               "'],'userName':'k','" SCIM_URN_ENTERPRISE "':{'department':'Hulls'}}");
    if (!json_equal(made, wanted))
        fail_msg("%s", json_dumps(made, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_is_named_by_its_path),
        cmocka_unit_test(equal_content_has_one_print_whatever_the_order),
        cmocka_unit_test(what_the_source_has_stopped_saying_goes_but_for_what_is_required),
        cmocka_unit_test(a_new_one_is_made_of_content_alone),
    };
    hash_init();
    catalog = fixture_catalog();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scim_catalog_free(catalog);
    return failed;
}
