/* A plan for people (a line each) and for ldapmodify. */
#include "reconcile/reconcile.h"

#include "base/base64.h"

#define SHOWN_MAX 160

static void put(struct buf *out, const char *before, struct str text, const char *after)
{
    if (!text.len)
        return;
    bool cut = text.len > SHOWN_MAX;
    buf_fmt(out, "%s" STR_FMT "%s%s", before, STR_ARG(str_sub(text, 0, SHOWN_MAX)),
            cut ? "..." : "", after);
}

void reconcile_line_text(const struct reconcile_line *l, struct buf *out)
{
    buf_fmt(out, "%c %s", reconcile_symbol(l), kiops_change_name(l->kind));
    put(out, " ", str_of(l->code), "");
    put(out, " ", l->subject_name, "");
    put(out, " (", l->subject, ")");
    put(out, " in ", l->organization_name.len ? l->organization_name : l->organization, "");
    put(out, ": ", l->attribute, "");
    put(out, " ", l->before, "");
    if (l->after.len)
        put(out, " -> ", l->after, "");
    put(out, "; ", l->text, "");
    put(out, "; last changed by ", l->by, "");
    put(out, " at ", l->at, "");
}

/* ---- LDIF (RFC 2849) */

static bool is_safe(struct str v)
{
    if (v.len && (v.at[0] == ' ' || v.at[0] == ':' || v.at[0] == '<' || v.at[v.len - 1] == ' '))
        return false;
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.at[i];
        if (c < 0x20 || c > 0x7E)
            return false;
    }
    return true;
}

static void put_value(struct arena *a, struct buf *out, const char *attr, struct str v)
{
    if (is_safe(v))
        buf_fmt(out, "%s: " STR_FMT "\n", attr, STR_ARG(v));
    else
        buf_fmt(out, "%s:: " STR_FMT "\n", attr, STR_ARG(base64_encode(a, v)));
}

static void put_modify(const struct reconcile_line *l, struct arena *a, struct buf *out)
{
    static const char *const ops[] = {
        [DIRECTORY_ADD] = "add", [DIRECTORY_DELETE] = "delete", [DIRECTORY_REPLACE] = "replace"};
    const struct directory_mods *m = &l->mend.mods;
    put_value(a, out, "dn", l->mend.dn);
    BUF_LIT(out, "changetype: modify\n");
    for (size_t i = 0; i < m->count; i++) {
        buf_fmt(out, "%s: %s\n", ops[m->at[i].op], m->at[i].attr);
        for (size_t k = 0; k < m->at[i].count; k++)
            put_value(a, out, m->at[i].attr, m->at[i].values[k]);
        BUF_LIT(out, "-\n");
    }
    buf_char(out, '\n');
}

static void put_comment(const struct reconcile_line *l, struct buf *out)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    reconcile_line_text(l, &text);
    BUF_LIT(out, "# ");
    for (size_t i = 0; i < text.len; i++)
        buf_char(out, (unsigned char)text.at[i] < 0x20 ? '?' : text.at[i]);
    buf_char(out, '\n');
    buf_free(&text);
}

/* Its LDAP operations rest on what the ones before found; LDIF cannot say that. */
static void put_request(const struct reconcile_line *l, struct arena *a, struct buf *out)
{
    bool remote = l->means == RECONCILE_REMOTE;
    struct str request = remote ? reconcile_remote_request(a, l) : reconcile_line_request(a, l);
    buf_fmt(out, "# not as LDIF, made by --apply alone: " STR_FMT "%s\n\n", STR_ARG(request),
            remote ? " at the provider" : "");
}

void reconcile_report_ldif(const struct reconcile_plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct reconcile_line *l = &p->at[i];
        put_comment(l, out);
        if (l->state == RECONCILE_PLANNED && l->means == RECONCILE_MODIFY)
            put_modify(l, p->arena, out);
        else if (l->state == RECONCILE_PLANNED)
            put_request(l, p->arena, out);
        else
            buf_char(out, '\n');
    }
}
