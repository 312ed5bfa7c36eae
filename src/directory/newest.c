/* The newest entries that a search was told, and what became of them. */
#include <string.h>

#include "directory/internal.h"

void directory_newest_note(struct directory_newest *n, const struct directory_entry *e)
{
    size_t at = DIRECTORY_NEWEST, last = DIRECTORY_NEWEST - 1;
    while (at > 0 && str_cmp(e->csn, str_of(n->at[at - 1].csn)) > 0)
        at--;
    if (at == DIRECTORY_NEWEST || e->csn.len >= sizeof n->at[0].csn ||
        e->id.len >= sizeof n->at[0].id)
        return;
    for (size_t i = at; i < DIRECTORY_NEWEST; i++) /* the same entry, in the version before */
        if (str_eq(str_of(n->at[i].id), e->id))
            last = i;
    memmove(&n->at[at + 1], &n->at[at], (last - at) * sizeof n->at[0]);
    memset(&n->at[at], 0, sizeof n->at[0]);
    memcpy(n->at[at].csn, e->csn.at, e->csn.len);
    memcpy(n->at[at].id, e->id.at, e->id.len);
}

static struct str filter_of(struct arena *a, const struct directory_newest *n)
{
    struct str parts[DIRECTORY_NEWEST + 2] = {STR("(|")};
    for (size_t i = 0; i < DIRECTORY_NEWEST; i++)
        parts[i + 1] = n->at[i].csn[0] ? arena_fmt(a, "(entryUUID=%s)", n->at[i].id) : STR_NONE;
    parts[DIRECTORY_NEWEST + 1] = STR(")");
    return arena_join(a, parts, DIRECTORY_NEWEST + 2);
}

static struct str value_of(LDAP *ld, struct arena *a, LDAPMessage *entry, const char *name)
{
    struct berval **values = ldap_get_values_len(ld, entry, name);
    struct str value = STR_NONE;
    if (values && values[0])
        value = arena_str(a, (struct str){values[0]->bv_val, values[0]->bv_len});
    ldap_value_free_len(values);
    return value;
}

static bool is_older(const struct directory_newest *n, struct str id, struct str csn)
{
    for (size_t i = 0; i < DIRECTORY_NEWEST && csn.len; i++)
        if (str_eq(str_of(n->at[i].id), id))
            return str_cmp(csn, str_of(n->at[i].csn)) < 0;
    return false;
}

bool directory_newest_look(LDAP *ld, const char *base, const struct directory_newest *n,
                           int64_t deadline, struct directory_newest_seen *seen)
{
    static const char *const attrs[] = {"entryUUID", "entryCSN", NULL};
    OWNED_ARENA struct arena *a = arena_new();
    LDAPMessage *answer = NULL;
    int msgid = 0;
    if (!n->at[0].csn[0])
        return true;
    if (ldap_search_ext(ld, base, LDAP_SCOPE_SUBTREE, filter_of(a, n).at,
                        directory_attr_names(attrs), 0, NULL, NULL, NULL, 0,
                        &msgid) != LDAP_SUCCESS ||
        directory_ldap_wait(ld, msgid, LDAP_MSG_ALL, deadline, &answer) != LDAP_SUCCESS)
        return false;
    seen->asked++;
    for (LDAPMessage *m = ldap_first_entry(ld, answer); m; m = ldap_next_entry(ld, m)) {
        seen->found++;
        seen->older += is_older(n, value_of(ld, a, m, "entryUUID"), value_of(ld, a, m, "entryCSN"));
    }
    ldap_msgfree(answer);
    return true;
}
