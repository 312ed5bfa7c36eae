/*
 * What the tests of the mapping share: a directory without a server, and entries that take
 * modifications as strictly as slapd does.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "directory/internal.h"
#include "scim_fixture.h"

#define PEOPLE "ou=people,dc=example,dc=org"
#define ORGANIZATIONS "ou=organizations,dc=example,dc=org"
#define PLACEHOLDER "cn=nobody,ou=kiops,dc=example,dc=org"

struct mapping_fixture {
    struct config config;
    struct scim_catalog *catalog;
    struct directory directory;
    struct arena *arena;
};

static inline void fixture_config(struct config *config)
{
    static const struct str user_classes[] = {STR_INIT("inetOrgPerson"), STR_INIT("kiopsUser")};
    static const struct str group_classes[] = {STR_INIT("groupOfNames")};
    config->directory.users = (struct config_users){.base = STR(PEOPLE),
                                                    .create_in = STR(PEOPLE),
                                                    .rdn = STR("uid"),
                                                    .object_classes = {user_classes, 2}};
    config->directory.organizations =
        (struct config_organizations){.base = STR(ORGANIZATIONS),
                                      .create_in = STR(ORGANIZATIONS),
                                      .rdn = STR("cn"),
                                      .object_classes = {group_classes, 1},
                                      .member = STR("member"),
                                      .owner = STR("owner"),
                                      .placeholder_dn = STR(PLACEHOLDER)};
}

/* `rows` may be NULL: the preset alone. Takes the catalog. */
static inline struct mapping_fixture *fixture_new_with(struct scim_catalog *catalog,
                                                       const struct config_map *rows, size_t n)
{
    struct mapping_fixture *f = calloc(1, sizeof *f);
    struct error err = ERROR_INIT;
    hash_init();
    fixture_config(&f->config);
    f->config.mapping.user = rows;
    f->config.mapping.user_count = n;
    f->catalog = catalog;
    f->arena = arena_new();
    f->directory.config = &f->config;
    f->directory.catalog = f->catalog;
    fixture_expect(directory_mapping_new(&f->config, f->catalog, &f->directory.mapping, &err),
                   &err);
    return f;
}

static inline struct mapping_fixture *fixture_new(const struct config_map *rows, size_t n)
{
    return fixture_new_with(fixture_catalog(), rows, n);
}

static inline void fixture_free(struct mapping_fixture *f)
{
    directory_mapping_free(f->directory.mapping);
    arena_free(f->arena);
    scim_catalog_free(f->catalog);
    free(f);
}

/* Kept by the arena. Single quotes stand for double ones. */
static inline json_t *fixture_value(struct mapping_fixture *f, const char *text)
{
    char *copy = arena_cstr(f->arena, str_of(text));
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_loads(copy, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    json_keep(f->arena, value);
    return value;
}

static inline void assert_json(const json_t *got, const json_t *want)
{
    OWNED_BUF struct buf left, right;
    buf_init(&left, 1 << 20);
    buf_init(&right, 1 << 20);
    json_write_canonical(got, &left);
    json_write_canonical(want, &right);
    assert_string_equal(left.at, right.at);
}

/* ---- entries */

static inline struct directory_attr *entry_attr(struct directory_entry *e, const char *name)
{
    return (struct directory_attr *)(uintptr_t)directory_attr(e, name);
}

static inline void entry_put(struct mapping_fixture *f, struct directory_entry *e, const char *name,
                             const struct str *values, size_t n)
{
    struct directory_attr *attr = entry_attr(e, name);
    if (!attr) {
        struct directory_attr *grown =
            ARENA_ARRAY(f->arena, struct directory_attr, e->attr_count + 1);
        if (e->attr_count)
            memcpy(grown, e->attrs, e->attr_count * sizeof *grown);
        attr = &grown[e->attr_count++];
        *attr = (struct directory_attr){.name = str_of(name)};
        e->attrs = grown;
    }
    struct str *all = ARENA_ARRAY(f->arena, struct str, attr->count + n);
    if (attr->count)
        memcpy(all, attr->values, attr->count * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < attr->count + i; k++)
            assert_false(str_ieq(all[k], values[i])); /* slapd: 20 */
        all[attr->count + i] = values[i];
    }
    attr->values = all;
    attr->count += n;
}

static inline void entry_take(struct directory_entry *e, const char *name, struct str value)
{
    struct directory_attr *attr = entry_attr(e, name);
    assert_non_null(attr);
    struct str *values = (struct str *)(uintptr_t)attr->values;
    for (size_t i = 0; i < attr->count; i++)
        if (str_eq(values[i], value)) {
            memmove(values + i, values + i + 1, (attr->count - i - 1) * sizeof *values);
            attr->count--;
            return;
        }
    fail_msg("no value " STR_FMT " of %s to delete", STR_ARG(value), name); /* slapd: 16 */
}

/* As slapd applies a modify: in order, exact values out, new ones in. */
static inline void entry_apply(struct mapping_fixture *f, struct directory_entry *e,
                               const struct directory_mods *mods)
{
    for (size_t i = 0; i < mods->count; i++) {
        const struct directory_mod *m = &mods->at[i];
        if (m->op == DIRECTORY_ADD)
            entry_put(f, e, m->attr, m->values, m->count);
        for (size_t k = 0; m->op == DIRECTORY_DELETE && k < m->count; k++)
            entry_take(e, m->attr, m->values[k]);
        if (m->op == DIRECTORY_DELETE && m->count == 0)
            entry_attr(e, m->attr)->count = 0;
    }
}

/* "name: value" lines, as an administrator would write them. */
static inline struct directory_entry fixture_entry(struct mapping_fixture *f, const char *ldif)
{
    struct directory_entry e = {.id = STR("0b6c0000-0000-4000-8000-000000000001")};
    struct str rest = str_of(ldif), line;
    while (str_split(&rest, '\n', &line)) {
        size_t colon;
        assert_true(str_find(line, ':', &colon));
        struct str value = arena_str(f->arena, str_sub(line, colon + 2, line.len));
        const char *name = arena_cstr(f->arena, str_sub(line, 0, colon));
        if (strcmp(name, "dn") == 0)
            e.dn = value;
        else
            entry_put(f, &e, name, &value, 1);
    }
    return e;
}

static const struct directory_writer writer_entra = {
    .client = STR_INIT("entra"), .marker = STR_INIT("m1"), .now = 1700000000000000};
static const struct directory_writer writer_okta = {
    .client = STR_INIT("okta"), .marker = STR_INIT("m2"), .now = 1800000000000000};

/* The entry that a POST makes. */
static inline struct directory_entry fixture_post(struct mapping_fixture *f, const json_t *resource)
{
    struct error err = ERROR_INIT;
    struct directory_mods mods;
    struct directory_entry e = {.id = STR("0b6c0000-0000-4000-8000-000000000001")};
    const struct directory_user_edit edit = {.after = resource, .writer = &writer_entra};
    directory_mods_init(&mods, f->arena);
    fixture_expect(directory_unmap_new_user(&f->directory, &edit, &e.dn, &mods, &err), &err);
    entry_apply(f, &e, &mods);
    struct str when = STR("20240102030405Z");
    entry_put(f, &e, "createTimestamp", &when, 1);
    return e;
}

static inline struct directory_user fixture_map(struct mapping_fixture *f,
                                                const struct directory_entry *e)
{
    struct error err = ERROR_INIT;
    struct directory_user u;
    fixture_expect(directory_map_user(&f->directory, f->arena, e, &u, &err), &err);
    return u;
}

struct fixture_written {
    struct directory_mods mods;
    struct str new_rdn;
};

/* Writes `after` over the entry, as PUT does, and applies what comes of it. */
static inline struct fixture_written fixture_put(struct mapping_fixture *f,
                                                 struct directory_entry *e, const json_t *after,
                                                 const struct directory_writer *w)
{
    struct error err = ERROR_INIT;
    struct fixture_written out;
    struct directory_user before = fixture_map(f, e);
    const struct directory_user_edit edit = {e, &before, after, w, false};
    directory_mods_init(&out.mods, f->arena);
    fixture_expect(directory_unmap_user(&f->directory, &edit, &out.mods, &out.new_rdn, &err), &err);
    entry_apply(f, e, &out.mods);
    if (out.new_rdn.len) {
        struct str rest = e->dn, rdn;
        str_split(&rest, ',', &rdn);
        entry_take(e, "uid", str_sub(rdn, 4, rdn.len));
        struct str uid = str_sub(out.new_rdn, 4, out.new_rdn.len);
        if (!directory_has(e, "uid", uid))
            entry_put(f, e, "uid", &uid, 1);
        e->dn = arena_fmt(f->arena, STR_FMT "," STR_FMT, STR_ARG(out.new_rdn), STR_ARG(rest));
    }
    return out;
}
