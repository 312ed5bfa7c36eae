/* Versions and the preconditions of HTTP (RFC 9110 13.1, RFC 7644 3.14). SCIM puts weak tags into
 * If-Match, so the opaque parts are compared. */
#include "service/internal.h"

struct str version_text(struct arena *a, const char *hex)
{
    return arena_fmt(a, "W/\"%s\"", hex);
}

static struct str opaque(struct str tag)
{
    if (str_starts(tag, STR("W/")))
        tag = str_sub(tag, 2, tag.len - 2);
    if (tag.len >= 2 && tag.at[0] == '"' && tag.at[tag.len - 1] == '"')
        return str_sub(tag, 1, tag.len - 2);
    return STR_NONE;
}

bool version_matches(struct str header, struct str version)
{
    struct str want = opaque(version), rest = header, part;
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_eq(part, STR("*")))
            return true;
        struct str got = opaque(part);
        if (got.len && str_eq(got, want))
            return true;
    }
    return false;
}

bool version_check(const struct service_call *c, struct str version, struct error *err)
{
    /* RFC 9110 13.1.2: If-None-Match guards a write, too; `*` there says "only if there is none".
     */
    bool fits = !c->if_match.at || version_matches(c->if_match, version);
    if (fits && !(c->if_none_match.at && version_matches(c->if_none_match, version)))
        return true;
    return error_set(err, ERR_PRECONDITION,
                     "the resource was changed since that version; read it again and repeat with "
                     "its meta.version");
}
