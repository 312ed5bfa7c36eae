/* The writer of a write: changes of one name, one user or one organization come one after another.
 */
#include "base/unicode.h"
#include "service/internal.h"

/* Names in any letter case: of a bulk's operation the body is as it was sent. */
static struct str text_of(const json_t *body, const char *name)
{
    return json_str(json_get_icase(body, str_of(name), NULL));
}

/* A membership's is its organization's. */
static struct str membership_key(enum scim_verb verb, struct str id, const json_t *body)
{
    size_t dot = id.len;
    if (verb == SCIM_POST)
        return text_of(json_get_icase(body, STR("organization"), NULL), "value");
    (void)str_find(id, '.', &dot);
    return str_sub(id, 0, dot);
}

struct str key_of_write(struct arena *a, const struct written *w)
{
    if (str_eq(w->type, STR("Membership")))
        return membership_key(w->verb, w->id, w->body);
    const char *name = str_eq(w->type, STR("User")) ? "userName" : "displayName";
    return unicode_key(a, w->verb == SCIM_POST ? text_of(w->body, name) : w->id);
}
