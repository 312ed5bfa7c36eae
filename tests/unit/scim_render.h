/*
 * A parsed filter or path as text that shows its shape: `(and (eq userName "kim") (pr title))`.
 */
#pragma once

#include "scim/scim.h"

static inline void render_schema(struct buf *out, const struct scim_schema *extension)
{
    if (!extension)
        return;
    if (str_eq(extension->id, STR(SCIM_URN_ENTERPRISE)))
        BUF_LIT(out, "enterprise:");
    else
        BUF_LIT(out, "kiops:");
}

static inline void render_target(struct buf *out, const struct scim_path *target)
{
    render_schema(out, target->extension);
    buf_str(out, target->attr->name);
    if (target->sub)
        buf_fmt(out, "." STR_FMT, STR_ARG(target->sub->name));
}

static inline void render_literal(struct buf *out, const struct scim_filter *f)
{
    switch (f->literal) {
    case SCIM_LIT_NULL:
        BUF_LIT(out, "null");
        break;
    case SCIM_LIT_BOOLEAN:
        buf_fmt(out, "%s", f->boolean ? "true" : "false");
        break;
    case SCIM_LIT_NUMBER:
        buf_fmt(out, "%g", f->number);
        break;
    case SCIM_LIT_STRING:
        buf_fmt(out, "\"" STR_FMT "\"", STR_ARG(f->string));
        break;
    }
}

static inline void render_comparison(struct buf *out, const struct scim_filter *f,
                                     const struct scim_path *target)
{
    static const char *const words[] = {"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"};
    buf_fmt(out, "(%s ", words[f->op]);
    render_target(out, target);
    if (f->op != SCIM_PR) {
        buf_char(out, ' ');
        render_literal(out, f);
    }
    buf_char(out, ')');
}

static inline void render_filter(struct buf *out, const struct scim_filter *f)
{
    switch (f->kind) {
    case SCIM_AND:
    case SCIM_OR:
        buf_fmt(out, "(%s ", f->kind == SCIM_AND ? "and" : "or");
        render_filter(out, f->left);
        buf_char(out, ' ');
        render_filter(out, f->right);
        buf_char(out, ')');
        break;
    case SCIM_NOT:
        BUF_LIT(out, "(not ");
        render_filter(out, f->left);
        buf_char(out, ')');
        break;
    case SCIM_COMPARE:
        render_comparison(out, f, &f->target);
        break;
    case SCIM_VALUE_PATH:
        render_schema(out, f->target.extension);
        buf_fmt(out, STR_FMT "[", STR_ARG(f->target.attr->name));
        render_filter(out, f->left);
        buf_char(out, ']');
        if (f->target.sub)
            render_comparison(out, f, &(struct scim_path){.attr = f->target.sub});
        break;
    }
}

static inline void render_path(struct buf *out, const struct scim_path *path)
{
    render_schema(out, path->extension);
    if (!path->attr)
        return;
    buf_str(out, path->attr->name);
    if (path->filter) {
        buf_char(out, '[');
        render_filter(out, path->filter);
        buf_char(out, ']');
    }
    if (path->sub)
        buf_fmt(out, "." STR_FMT, STR_ARG(path->sub->name));
}
