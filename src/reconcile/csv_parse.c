/* CSV text to rows: strict, so that a file that was cut or mixed up is refused, not half used. */
#include <stdlib.h>

#include "base/unicode.h"
#include "reconcile/csv.h"

enum column { COLUMN_ORGANIZATION, COLUMN_USER, COLUMN_ROLE, COLUMN_PERMISSIONS, COLUMNS };

static const char *const header[COLUMNS] = {"organization", "userName", "role", "permissions"};

struct reading {
    struct arena *arena;
    struct cursor at;
    size_t line;  /* of the next byte */
    size_t begun; /* of the row */
    struct csv_row *rows;
    size_t count, cap;
};

/* ---- fields */

static bool wrong(const struct reading *r, struct error *err, const char *what)
{
    return error_set(err, ERR_UNAVAILABLE, "line %zu: %s; correct the file: nothing of it was used",
                     r->begun, what);
}

static bool ends_row(char c)
{
    return c == '\n' || c == '\r';
}

/* Behind the opening quote. "" stands for one. */
static bool take_quoted(struct reading *r, struct buf *field, struct error *err)
{
    for (; !cursor_done(&r->at); r->at.at++) {
        char c = *r->at.at;
        if (c == '"') {
            r->at.at++;
            if (cursor_peek(&r->at) != '"')
                return true;
        }
        if ((unsigned char)c < 0x20 || c == 0x7F)
            return wrong(r, err, "a control character stands in quotes");
        buf_char(field, c);
    }
    return wrong(r, err, "a quote is not closed");
}

static bool take_plain(struct reading *r, struct buf *field, struct error *err)
{
    for (; !cursor_done(&r->at) && *r->at.at != ',' && !ends_row(*r->at.at); r->at.at++) {
        char c = *r->at.at;
        if (c == '"')
            return wrong(r, err, "a quote stands in the middle of a field");
        if ((unsigned char)c < 0x20 || c == 0x7F)
            return wrong(r, err, "a control character stands in a field");
        buf_char(field, c);
    }
    return true;
}

static bool take_field(struct reading *r, struct str *out, struct error *err)
{
    struct buf field;
    buf_init(&field, CSV_FIELD_MAX + 1);
    bool taken =
        cursor_take(&r->at, '"') ? take_quoted(r, &field, err) : take_plain(r, &field, err);
    bool fits = !field.failed && field.len <= CSV_FIELD_MAX;
    *out = arena_str(r->arena, str_trim(buf_view(&field)));
    buf_free(&field);
    return taken && (fits || wrong(r, err, "a field is longer than 1024 bytes"));
}

static bool end_row(struct reading *r, struct error *err)
{
    bool carriage = cursor_take(&r->at, '\r');
    if (cursor_take(&r->at, '\n')) {
        r->line++;
        return true;
    }
    return (!carriage && cursor_done(&r->at)) ||
           wrong(r, err, "there are not four fields, separated by commas");
}

static bool take_row(struct reading *r, struct str fields[COLUMNS], struct error *err)
{
    r->begun = r->line;
    for (int i = 0; i < COLUMNS; i++) {
        if (i && !cursor_take(&r->at, ','))
            return wrong(r, err, "there are not four fields, separated by commas");
        if (!take_field(r, &fields[i], err))
            return false;
    }
    return end_row(r, err);
}

/* ---- rows */

static bool read_permissions(struct reading *r, struct str words, struct csv_row *row,
                             struct error *err)
{
    for (struct str word; str_split(&words, ' ', &word);) {
        enum kiops_permission p;
        if (!word.len)
            continue;
        if (!kiops_permission_parse(word, &p))
            return wrong(r, err,
                         "permissions are infra, service, backup, device, database, vpn and audit");
        row->permissions = (kiops_permission_set)(row->permissions | 1U << p);
    }
    return true;
}

static bool read_row(struct reading *r, const struct str fields[COLUMNS], struct error *err)
{
    struct csv_row row = {.organization = fields[COLUMN_ORGANIZATION],
                          .user_name = fields[COLUMN_USER],
                          .role = KIOPS_MEMBER,
                          .line = r->begun};
    struct str role = fields[COLUMN_ROLE];
    if (!row.organization.len)
        return wrong(r, err, "the organization is missing");
    if (role.len && !kiops_role_parse(role, &row.role))
        return wrong(r, err, "roles are exactly PlatformAdmin, Manager and Member");
    if (!read_permissions(r, fields[COLUMN_PERMISSIONS], &row, err))
        return false;
    if (!row.user_name.len && (role.len || row.permissions))
        return wrong(r, err, "a role or permissions need a userName");
    if (r->count == CSV_ROWS_MAX)
        return wrong(r, err, "there are more than 1000000 rows");
    r->rows = arena_grow(r->arena, r->rows, sizeof *r->rows, r->count, &r->cap);
    r->rows[r->count++] = row;
    return true;
}

static bool read_header(struct reading *r, struct error *err)
{
    struct str fields[COLUMNS];
    if (!take_row(r, fields, err))
        return false;
    for (int i = 0; i < COLUMNS; i++)
        if (!str_eq(fields[i], str_of(header[i])))
            return wrong(r, err, "the first line must be organization,userName,role,permissions");
    return true;
}

/* ---- the same pair twice */

static int by_pair(const void *a, const void *b)
{
    const struct csv_row *x = *(const struct csv_row *const *)a;
    const struct csv_row *y = *(const struct csv_row *const *)b;
    int order = str_cmp(x->organization, y->organization);
    order = order ? order : str_cmp(x->user_name, y->user_name);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static bool check_pairs(const struct reading *r, struct error *err)
{
    const struct csv_row **rows = ARENA_ARRAY(r->arena, const struct csv_row *, r->count + 1);
    for (size_t i = 0; i < r->count; i++)
        rows[i] = &r->rows[i];
    if (r->count)
        qsort(rows, r->count, sizeof *rows, by_pair);
    for (size_t i = 1; i < r->count; i++)
        if (str_eq(rows[i]->organization, rows[i - 1]->organization) &&
            str_eq(rows[i]->user_name, rows[i - 1]->user_name))
            return error_set(err, ERR_UNAVAILABLE,
                             "line %zu: says again what line %zu said of the same organization and "
                             "userName; leave one: nothing of the file was used",
                             rows[i]->line, rows[i - 1]->line);
    return true;
}

bool csv_parse(struct arena *a, struct str text, struct csv_row **out, size_t *count,
               struct error *err)
{
    struct str bom = STR("\xEF\xBB\xBF");
    struct reading r = {.arena = a, .line = 1, .begun = 1};
    if (text.len > CSV_BYTES_MAX)
        return error_set(err, ERR_UNAVAILABLE, "the file is larger than 256 MB");
    if (str_starts(text, bom))
        text = str_sub(text, bom.len, text.len);
    if (!utf8_valid(text))
        return error_set(err, ERR_UNAVAILABLE, "the file is not UTF-8; save it as that");
    r.at = cursor_of(text);
    if (!read_header(&r, err))
        return false;
    while (!cursor_done(&r.at)) {
        struct str fields[COLUMNS];
        if (!take_row(&r, fields, err) || !read_row(&r, fields, err))
            return false;
    }
    if (!check_pairs(&r, err))
        return false;
    *out = r.rows;
    *count = r.count;
    return true;
}
