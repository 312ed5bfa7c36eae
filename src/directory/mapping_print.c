/* The table in force, for the administrator's eyes: `schema mapping`. */
#include "directory/mapping.h"

static bool is_mapped(const struct mapping_attr *at, const struct scim_attr *sub)
{
    for (size_t i = 0; i < at->row_count; i++)
        if (!at->rows[i].scim.sub || at->rows[i].scim.sub == sub)
            return true;
    return false;
}

static void print_stored_path(const struct mapping_group *group, const struct scim_attr *attr,
                              struct buf *out)
{
    BUF_LIT(out, "#   ");
    if (group->extension)
        buf_fmt(out, STR_FMT ":", STR_ARG(group->extension->id));
    if (attr->parent)
        buf_fmt(out, STR_FMT ".", STR_ARG(attr->parent->name));
    buf_fmt(out, STR_FMT "\n", STR_ARG(attr->name));
}

static void print_stored(const struct mapping_group *group, struct buf *out)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct mapping_attr *at = &group->attrs[i];
        if (at->shape == MAPPING_STORED)
            print_stored_path(group, at->attr, out);
        for (size_t k = 0; at->shape != MAPPING_STORED && k < at->attr->sub_count; k++)
            if (at->attr->subs[k].mutability != SCIM_READ_ONLY &&
                !is_mapped(at, &at->attr->subs[k]))
                print_stored_path(group, &at->attr->subs[k], out);
    }
}

void directory_mapping_print(const struct directory *d, struct buf *out)
{
    const struct directory_mapping *m = d->mapping;
    const char *before = "";
    BUF_LIT(out, "mapping = {\n  user = (\n");
    for (size_t i = 0; i < m->row_count; i++) {
        const struct mapping_row *row = &m->rows[i];
        if (mapping_plain_is_lock(m, row) && !row->lock.len)
            continue; /* always true: it stands nowhere */
        buf_fmt(out, "%s", before);
        before = ",\n";
        buf_fmt(out, "    { scim = \"" STR_FMT "\"; ldap = \"%s\";", STR_ARG(row->scim.text),
                row->ldap);
        if (row->type.len)
            buf_fmt(out, " type = \"" STR_FMT "\";", STR_ARG(row->type));
        if (row->read_only)
            BUF_LIT(out, " direction = \"read\";");
        BUF_LIT(out, " }");
    }
    if (m->external)
        buf_fmt(out, ",\n    { scim = \"externalId\"; ldap = \"%s\"; }", m->external);
    BUF_LIT(out, "\n  );\n};\n");
    if (!m->keeps) {
        BUF_LIT(out, "# Nothing else is kept: the directory has no kiops schema.\n");
        return;
    }
    BUF_LIT(out, "# Without an LDAP attribute of their own, in kiopsResource:\n");
    for (size_t i = 0; i < m->group_count; i++)
        print_stored(&m->groups[i], out);
}
