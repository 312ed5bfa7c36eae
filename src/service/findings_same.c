/* What two people have that only one can: userName, e-mail, externalId of one client. */
#include "service/findings_read.h"

#include "base/hash.h"
#include "base/unicode.h"

enum { SAME_NAME, SAME_MAIL, SAME_EXTERNAL };

static const char *const codes[] = {
    [SAME_NAME] = "KB-C201", [SAME_MAIL] = "KB-C202", [SAME_EXTERNAL] = "KB-C203"};
static const char *const attributes[] = {
    [SAME_NAME] = "userName", [SAME_MAIL] = "emails", [SAME_EXTERNAL] = "externalId"};

static void remember(struct reading *r, unsigned char what, struct str value)
{
    struct str key = what == SAME_EXTERNAL ? value : unicode_key(r->passing, value);
    r->same = arena_grow(r->arena, r->same, sizeof *r->same, r->same_count, &r->same_cap);
    r->same[r->same_count++] = (struct sameness){.key = hash_keyed(key.at, key.len) ^ what,
                                                 .person = (uint32_t)(r->out->users - 1),
                                                 .what = what};
}

void findings_remember(struct reading *r, const struct directory_user *u)
{
    const json_t *emails = json_object_get(u->resource, "emails");
    size_t place = r->out->users - 1;
    r->ids = arena_grow(r->arena, r->ids, sizeof *r->ids, place, &r->id_cap);
    r->ids[place] = arena_str(r->arena, u->person.id);
    remember(r, SAME_NAME, u->user_name);
    for (size_t i = 0; i < json_array_size(emails); i++) {
        struct str mail = json_get_str(json_array_get(emails, i), "value");
        if (mail.len)
            remember(r, SAME_MAIL, mail);
    }
    for (size_t i = 0; i < u->person.external_ids.count; i++)
        remember(r, SAME_EXTERNAL, u->person.external_ids.at[i]);
}

static int by_key(const void *a, const void *b)
{
    const struct sameness *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->person > y->person) - (x->person < y->person);
}

static void tell(struct reading *r, const struct sameness *first, const struct sameness *other)
{
    struct service_finding f = {.about = FINDING_CONFLICT,
                                .code = codes[first->what],
                                .kind = KIOPS_EDIT_USER,
                                .subject = r->ids[first->person],
                                .attribute = str_of(attributes[first->what]),
                                .text = arena_fmt(r->arena,
                                                  "the same as user " STR_FMT "; neither is merged",
                                                  STR_ARG(r->ids[other->person]))};
    findings_add(r, &f);
}

void findings_same(struct reading *r)
{
    if (r->same_count)
        qsort(r->same, r->same_count, sizeof *r->same, by_key);
    const struct sameness *first = r->same;
    for (size_t i = 1; i < r->same_count; i++) {
        const struct sameness *s = &r->same[i];
        if (s->key != first->key)
            first = s;
        else if (s->person != first->person)
            tell(r, first, s);
    }
}
