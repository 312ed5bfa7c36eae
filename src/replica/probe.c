/*
 * Probe: parsing a whole resource for each candidate of a scan costs several microseconds, and a
 * filter speaks of one or two attributes. So only what it names is rendered, cut out and parsed.
 */
#include "base/json.h"
#include "replica/internal.h"

struct walk {
    struct arena *arena;
    struct probe *out;
    struct str *names, *only;
    size_t name_cap, only_cap;
};

static const struct {
    struct str name;
    unsigned sections;
} sections[] = {
    {STR_INIT("id"), 0},
    {STR_INIT("externalId"), 0},
    {STR_INIT("schemas"), SECTION_SCHEMAS},
    {STR_INIT("meta"), SECTION_META},
    {STR_INIT("groups"), SECTION_GROUPS},
    {STR_INIT("roles"), SECTION_ROLES},
    {STR_INIT("members"), SECTION_MEMBERS},
    {STR_INIT(SCIM_URN_KIOPS_USER), SECTION_KIOPS},
};

static unsigned section_of(struct str name)
{
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (str_eq(sections[i].name, name))
            return sections[i].sections;
    return SECTION_CORE | SECTION_EXTENSIONS;
}

static void want(struct walk *w, const struct scim_path *path)
{
    const struct scim_attr *attr =
        path->attr && path->attr->parent ? path->attr->parent : path->attr;
    if (!path->extension && !attr)
        return;
    struct str name = path->extension ? path->extension->id : attr->name;
    struct probe *p = w->out;
    for (size_t i = 0; i < p->name_count; i++)
        if (str_eq(p->names[i], name))
            return;
    w->names = arena_grow(w->arena, w->names, sizeof *w->names, p->name_count, &w->name_cap);
    w->names[p->name_count++] = name;
    p->names = w->names;
    p->sections |= section_of(name);
}

static bool is_value(const struct scim_attr *sub)
{
    return !sub || str_eq(sub->name, STR("value"));
}

/* `members eq X` holds or not whether or not the others are there: they need not be rendered. */
static void want_members(struct walk *w, const struct scim_filter *f)
{
    const struct scim_filter *eq = f;
    if (f->kind == SCIM_VALUE_PATH)
        eq = f->target.sub ? NULL : f->left;
    bool named = eq && eq->kind == SCIM_COMPARE && eq->op == SCIM_EQ &&
                 eq->literal == SCIM_LIT_STRING &&
                 is_value(eq == f ? f->target.sub : eq->target.attr);
    if (!named) {
        w->out->whole_members = true;
        return;
    }
    w->only = arena_grow(w->arena, w->only, sizeof *w->only, w->out->only_count, &w->only_cap);
    w->only[w->out->only_count++] = eq->string;
    w->out->only = w->only;
}

static void walk(struct walk *w, const struct scim_filter *f)
{
    switch (f->kind) {
    case SCIM_AND:
    case SCIM_OR:
        walk(w, f->left);
        walk(w, f->right);
        break;
    case SCIM_NOT:
        walk(w, f->left);
        break;
    case SCIM_COMPARE:
    case SCIM_VALUE_PATH:
        want(w, &f->target);
        if (f->target.attr && !f->target.extension && str_eq(f->target.attr->name, STR("members")))
            want_members(w, f);
        break;
    }
}

void probe_of(struct arena *a, const struct replica_query *q, struct probe *out)
{
    *out = (struct probe){.sections = SECTION_PROBE};
    struct walk w = {.arena = a, .out = out};
    if (q->filter)
        walk(&w, q->filter);
    if (q->sort.by.attr)
        want(&w, &q->sort.by);
    out->whole_members |= q->sort.by.attr && str_eq(q->sort.by.attr->name, STR("members"));
    if (out->whole_members) {
        out->only = NULL;
        out->only_count = 0;
    }
}

static bool is_named(const struct probe *p, struct str name)
{
    for (size_t i = 0; i < p->name_count; i++)
        if (str_eq(p->names[i], name))
            return true;
    return false;
}

json_t *probe_document(const struct probe *p, struct arena *scratch, struct str resource)
{
    struct pen cut;
    pen_init(&cut, scratch, resource.len + 2);
    PEN_LIT(&cut, "{");
    struct json_member m;
    for (size_t at = 0; json_text_next(resource, &at, &m);) {
        if (!is_named(p, m.name))
            continue;
        if (cut.at > cut.start + 1)
            PEN_LIT(&cut, ",");
        pen_str(&cut, m.text);
    }
    PEN_LIT(&cut, "}");
    struct str text = pen_text(&cut);
    return json_loadb(text.at, text.len, JSON_ALLOW_NUL, NULL);
}
