/* Tokens: principals whose secret is known by its hash alone. */
#include <string.h>

#include "directory/mapping.h"

/* An attribute of ours; in a plain directory a value "name=value" of `description`. */
static struct directory_values values_of(struct arena *a, const struct directory_entry *e,
                                         const char *name)
{
    if (!directory_has(e, "objectClass", STR("organizationalRole")))
        return mapping_values(e, name);
    struct directory_values all = mapping_values(e, "description");
    struct str prefix = arena_fmt(a, "%s=", name);
    struct str *out = ARENA_ARRAY(a, struct str, all.count + 1);
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++)
        if (str_istarts(all.at[i], prefix))
            out[n++] = str_sub(all.at[i], prefix.len, all.at[i].len);
    return (struct directory_values){out, n};
}

static struct str value_of(struct arena *a, const struct directory_entry *e, const char *name)
{
    struct directory_values all = values_of(a, e, name);
    return all.count ? all.at[0] : STR_NONE;
}

bool directory_map_token(struct arena *a, const struct directory_entry *e,
                         struct directory_token *out, struct error *err)
{
    struct directory_token t = {
        .name = directory_value(e, "cn"),
        .hash = value_of(a, e, "kiopsTokenHash"),
        .client = value_of(a, e, "kiopsTokenClient"),
        .role = value_of(a, e, "kiopsTokenRole"),
        .access = value_of(a, e, "kiopsTokenAccess"),
        .profile = value_of(a, e, "kiopsTokenProfile"),
        .push_mode = value_of(a, e, "kiopsTokenPushMode"),
        .csn = e->csn,
        .dn = e->dn,
        .id = e->id,
        .organizations = values_of(a, e, "kiopsTokenOrganization"),
        .options = values_of(a, e, "kiopsTokenOption"),
        .expires = INSTANT_NONE,
    };
    if (t.name.len == 0 || t.hash.len == 0 || t.role.len == 0)
        return error_set(err, ERR_INTERNAL, "a token's entry lacks name, hash or role");
    /* An expiry that nobody can read must not come to mean "never". */
    struct str expires = value_of(a, e, "kiopsTokenExpires");
    if (expires.len && !clock_parse_generalized(expires, &t.expires))
        return error_set(err, ERR_INTERNAL, "a token's entry has an odd expiry");
    *out = t;
    return true;
}

/* Without our schema each is a value of `description`, which every entry of the class may have. */
void directory_unmap_token(const struct directory *d, const struct directory_token_value *values,
                           size_t count, struct directory_mods *attrs)
{
    bool own = config_has_schema(&d->config->directory);
    struct arena *a = attrs->arena;
    directory_mods_one(attrs, DIRECTORY_ADD, "objectClass",
                       own ? STR("kiopsPrincipal") : STR("organizationalRole"));
    struct str *texts = ARENA_ARRAY(a, struct str, count + 1);
    for (size_t i = 0; i < count; i++)
        texts[i] = own ? values[i].value
                       : arena_fmt(a, "%s=" STR_FMT, values[i].name, STR_ARG(values[i].value));
    size_t same = 0;
    for (size_t from = 0; from < count; from += same) {
        for (same = 1; from + same < count && own; same++)
            if (strcmp(values[from].name, values[from + same].name) != 0)
                break;
        if (!own)
            same = count;
        directory_mods_push(attrs, DIRECTORY_ADD, own ? values[from].name : "description",
                            texts + from, same);
    }
}
