/* A $ref below this service, and the id in it. */
#include "scim/shape.h"

/* "v2", "v1" */
static bool is_version(struct str segment)
{
    int64_t number;
    return segment.len > 1 && (segment.at[0] == 'v' || segment.at[0] == 'V') &&
           segment.at[1] != '-' && str_to_i64(str_sub(segment, 1, segment.len), &number);
}

static struct str without_last_segment(struct str url, struct str *segment)
{
    size_t slash;
    if (!str_rfind(url, '/', &slash))
        slash = 0;
    *segment = str_sub(url, slash + 1, url.len);
    return str_sub(url, 0, slash);
}

static bool take_root(struct str root, struct str *reference)
{
    if (root.len == 0 || !str_istarts(*reference, root))
        return false;
    *reference = str_sub(*reference, root.len, reference->len);
    return reference->len > 0 && reference->at[0] == '/';
}

/* "..", "scim" and the like, which stand before "Users" in a relative reference. */
static bool is_step(struct str segment)
{
    return segment.len == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR("..")) ||
           str_eq(segment, STR("scim")) || is_version(segment);
}

/* [steps/]Users/<id> */
static struct str id_after_steps(struct str path, bool absolute)
{
    struct str id, endpoint, segment;
    struct str rest = without_last_segment(path, &id);
    if (rest.len == 0)
        return STR_NONE;
    size_t slash;
    bool alone = !str_rfind(rest, '/', &slash);
    endpoint = alone ? rest : str_sub(rest, slash + 1, rest.len);
    rest = alone ? STR_NONE : str_sub(rest, 0, slash);
    if (!str_ieq(endpoint, STR("Users")) && !str_ieq(endpoint, STR("Groups")))
        return STR_NONE;
    if (absolute && rest.len > 0 && !is_version(str_sub(rest, 1, rest.len)))
        return STR_NONE;
    while (!absolute && str_split(&rest, '/', &segment))
        if (!is_step(segment))
            return STR_NONE;
    return id;
}

struct str shape_reference_id(struct str base, struct str reference)
{
    struct str version;
    struct str root = without_last_segment(base, &version);
    if (!is_version(version))
        root = base;
    size_t colon;
    bool absolute = str_find(reference, ':', &colon) || str_starts(reference, STR("//"));
    if (absolute && !take_root(root, &reference))
        return STR_NONE;
    return id_after_steps(reference, absolute);
}
