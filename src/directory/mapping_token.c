/* Tokens: principals whose secret is known by its hash alone. */
#include "directory/mapping.h"

bool directory_map_token(struct arena *a, const struct directory_entry *e,
                         struct directory_token *out, struct error *err)
{
    (void)a;
    struct directory_token t = {
        .name = directory_value(e, "cn"),
        .hash = directory_value(e, "kiopsTokenHash"),
        .client = directory_value(e, "kiopsTokenClient"),
        .role = directory_value(e, "kiopsTokenRole"),
        .access = directory_value(e, "kiopsTokenAccess"),
        .profile = directory_value(e, "kiopsTokenProfile"),
        .push_mode = directory_value(e, "kiopsTokenPushMode"),
        .csn = e->csn,
        .dn = e->dn,
        .id = e->id,
        .organizations = mapping_values(e, "kiopsTokenOrganization"),
        .options = mapping_values(e, "kiopsTokenOption"),
        .expires = INSTANT_NONE,
    };
    if (t.name.len == 0 || t.hash.len == 0 || t.role.len == 0)
        return error_set(err, ERR_INTERNAL, "a token's entry lacks name, hash or role");
    /* An expiry that nobody can read must not come to mean "never". */
    struct str expires = directory_value(e, "kiopsTokenExpires");
    if (expires.len && !clock_parse_generalized(expires, &t.expires))
        return error_set(err, ERR_INTERNAL, "a token's entry has an odd expiry");
    *out = t;
    return true;
}
