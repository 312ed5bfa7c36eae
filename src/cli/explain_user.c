/* A person's roles with the audit records that gave them. */
#include <stdio.h>

#include "audit/audit.h"
#include "base/own.h"
#include "cli/explain.h"

#define VALUE_MAX (1 << 20)

void cli_print_plain(struct str text)
{
    OWNED_BUF struct buf out;
    buf_init(&out, VALUE_MAX);
    cli_plain(&out, text);
    printf(STR_FMT, STR_ARG(buf_view(&out)));
}

void cli_print_value(const json_t *value)
{
    OWNED_BUF struct buf out;
    buf_init(&out, VALUE_MAX);
    if (json_is_string(value)) {
        cli_print_plain(json_str(value));
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        fputs(i ? " " : "", stdout);
        cli_print_value(json_array_get(value, i));
    }
    if (json_is_array(value)) {
        fputs(json_array_size(value) ? "" : "none", stdout);
        return;
    }
    json_write(value, &out);
    cli_print_plain(buf_view(&out));
}

/* ---- audit */

static json_t *change_json(const struct audit_change *ch)
{
    json_t *o = json_object();
    json_put_str(o, "chain", ch->chain);
    json_put(o, "seq", json_integer((json_int_t)ch->seq));
    json_put_str(o, "time", ch->time);
    json_put_str(o, "change", ch->change);
    json_put_str(o, "actor", ch->actor);
    json_put_str(o, "rule", ch->rule);
    if (ch->permission.len)
        json_put_str(o, "permission", ch->permission);
    return o;
}

static void put_changes(json_t *of, const struct audit_changes *changes, struct str organization)
{
    json_t *list = json_array();
    for (size_t i = 0; i < changes->count; i++)
        if (str_eq(changes->at[i].organization, organization))
            json_push(list, change_json(&changes->at[i]));
    json_put(of, "audit", list);
}

bool cli_explain_audit(const struct config *config, struct arena *a, json_t *all, struct error *err)
{
    struct audit_changes changes;
    json_t *organizations = json_object_get(all, "organizations");
    struct str user = json_get_str(json_object_get(all, "user"), "id");
    if (!audit_read_changes(config->audit.dir, user, a, &changes, err))
        return false;
    for (size_t i = 0; i < json_array_size(organizations); i++) {
        json_t *o = json_array_get(organizations, i);
        put_changes(o, &changes, json_get_str(o, "id"));
    }
    put_changes(all, &changes, STR_NONE);
    return true;
}

/* ---- text */

static void put_member(const json_t *o, const char *name, const char *before)
{
    const json_t *value = json_object_get(o, name);
    if (!value || (json_is_array(value) && !json_array_size(value)))
        return;
    fputs(before, stdout);
    cli_print_value(value);
}

static void put_notes(const json_t *o)
{
    const json_t *texts = json_object_get(o, "notCounted"), *records = json_object_get(o, "audit");
    for (size_t i = 0; i < json_array_size(texts); i++) {
        fputs("    does not count: ", stdout);
        cli_print_value(json_array_get(texts, i));
        fputs("\n", stdout);
    }
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *r = json_array_get(records, i);
        put_member(r, "chain", "    audit ");
        put_member(r, "seq", " ");
        put_member(r, "time", ", ");
        put_member(r, "change", ": ");
        put_member(r, "permission", " ");
        put_member(r, "actor", " by ");
        put_member(r, "rule", ", ");
        fputs("\n", stdout);
    }
}

void cli_explain_user_text(const json_t *all)
{
    const json_t *user = json_object_get(all, "user");
    const json_t *organizations = json_object_get(all, "organizations");
    cli_print_value(json_object_get(user, "userName"));
    put_member(user, "displayName", " (");
    put_member(user, "id", "), ");
    fputs(json_get_bool(user, "active", true) ? ", active\n" : ", inactive\n", stdout);
    if (json_object_get(all, "platformRole")) {
        fputs("  PlatformAdmin", stdout);
        put_member(all, "platformAdminSince", ", since ");
        fputs("\n", stdout);
    }
    put_notes(all);
    for (size_t i = 0; i < json_array_size(organizations); i++) {
        const json_t *o = json_array_get(organizations, i);
        fputs("  ", stdout);
        cli_print_value(
            json_object_get(o, json_object_get(o, "displayName") ? "displayName" : "id"));
        put_member(o, "status", ": ");
        put_member(o, "role", ", ");
        put_member(o, "permissions", ", permissions ");
        put_member(o, "joinDate", ", since ");
        put_member(o, "requestedAt", ", asked ");
        put_member(o, "rejectedAt", ", rejected ");
        fputs("\n", stdout);
        put_notes(o);
    }
}
