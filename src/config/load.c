/* libconfig's tree -> struct config, by the table of grammar.c. */
#include "base/own.h"
#include "base/unicode.h"
#include "config/internal.h"

#include <errno.h>
#include <libconfig.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

struct load {
    config_t file;
    struct config *c;
    struct arena *arena;
    struct buf *report;
    const char *path; /* of the file, as it was named */
    struct str dir;   /* where relative paths start */
    bool mistaken;
    bool *seen;         /* per key of the table */
    struct str *places; /* the same: where it stands */
};

/* One key on its way in: where it stands in the file and where its value goes. */
struct place {
    const config_setting_t *at;
    const struct config_key *key;
    const char *path; /* with the numbers of list items */
    char *base;       /* struct config, or the element of a list */
};

static void say(struct load *l, const config_setting_t *at, const char *key, const char *format,
                ...) PRINTF_LIKE(4, 5);

static void say(struct load *l, const config_setting_t *at, const char *key, const char *format,
                ...)
{
    char reason[400];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    const char *file = at ? config_setting_source_file(at) : NULL;
    const unsigned line = at ? config_setting_source_line(at) : 0;
    buf_fmt(l->report, "%s:%u: %s: %s\n", file ? file : l->path, line ? line : 1, key, reason);
}

static void mistake(struct load *l, const struct place *p, const char *reason)
{
    l->mistaken = true;
    say(l, p->at, p->path, "%s", reason);
}

/* ---- values into their places */

static void store(const struct place *p, const void *value, size_t size)
{
    if (p->key->size == size)
        memcpy(p->base + p->key->offset, value, size);
}

/* Fields are bool, int, unsigned, enums, or 64 bits wide; the table keeps values in range. */
static void store_number(const struct place *p, int64_t number)
{
    const bool flag = number != 0;
    const int narrow = (int)number;
    store(p, &flag, sizeof flag);
    store(p, &narrow, sizeof narrow);
    store(p, &number, sizeof number);
}

static void store_text(const struct place *p, struct str text)
{
    store(p, &text, sizeof text);
}

static struct str file_path(struct load *l, struct str text)
{
    if (!text.len || text.at[0] == '/')
        return text;
    return arena_fmt(l->arena, STR_FMT "/" STR_FMT, STR_ARG(l->dir), STR_ARG(text));
}

static const struct config_word *find_word(const struct config_word *words, struct str text)
{
    for (; words->name; words++)
        if (str_eq(text, str_of(words->name)))
            return words;
    return NULL;
}

static void unknown_word(struct load *l, const struct place *p)
{
    OWNED_BUF struct buf list;
    buf_init(&list, 300);
    for (const struct config_word *w = p->key->words; w->name; w++)
        buf_fmt(&list, "%s%s", w == p->key->words ? "" : ", ", w->name);
    l->mistaken = true;
    say(l, p->at, p->path, "must be one of " STR_FMT, STR_ARG(buf_view(&list)));
}

static bool check_text(struct load *l, const struct place *p, struct str text)
{
    const struct config_key *k = p->key;
    const char *reason = NULL;
    if (!utf8_valid(text) || utf8_has_prohibited(text))
        reason = "must be UTF-8 without control characters";
    else if (!k->text && !text.len)
        reason = "must not be empty";
    else if (k->check && !(k->text && !k->text[0] && !text.len))
        reason = k->check(text);
    if (reason)
        mistake(l, p, reason);
    return !reason;
}

static void set_text(struct load *l, const struct place *p, struct str text)
{
    const struct config_word *word = p->key->words ? find_word(p->key->words, text) : NULL;
    if (p->key->words && !word)
        unknown_word(l, p);
    else if (p->key->type == CONFIG_WORD)
        store_number(p, word ? word->value : 0);
    else if (check_text(l, p, text))
        store_text(p, p->key->type == CONFIG_FILE ? file_path(l, text) : text);
}

/* ---- values from the file */

static void read_bool(struct load *l, const struct place *p)
{
    if (config_setting_type(p->at) != CONFIG_TYPE_BOOL) {
        mistake(l, p, "must be true or false");
        return;
    }
    store_number(p, config_setting_get_bool(p->at));
}

static void read_number(struct load *l, const struct place *p)
{
    const int type = config_setting_type(p->at);
    store_number(p, p->key->number); /* a mistake here must not look like one of other keys */
    if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
        mistake(l, p, "must be a whole number");
        return;
    }
    const int64_t value =
        type == CONFIG_TYPE_INT ? config_setting_get_int(p->at) : config_setting_get_int64(p->at);
    if (value < p->key->min || value > p->key->max) {
        l->mistaken = true;
        say(l, p->at, p->path, "must be from %lld to %lld", (long long)p->key->min,
            (long long)p->key->max);
        return;
    }
    store_number(p, value);
}

static void read_text(struct load *l, const struct place *p)
{
    const char *text = config_setting_get_string(p->at);
    if (text)
        set_text(l, p, arena_str(l->arena, str_of(text)));
    else
        mistake(l, p, "must be a text in quotes");
}

static void read_list(struct load *l, const struct place *p)
{
    if (!config_setting_is_array(p->at) && !config_setting_is_list(p->at)) {
        mistake(l, p, "must be a list of texts, for example [ \"a\", \"b\" ]");
        return;
    }
    const int n = config_setting_length(p->at);
    struct str *items = ARENA_ARRAY(l->arena, struct str, (size_t)n);
    for (int i = 0; i < n; i++) {
        const struct place item = {config_setting_get_elem(p->at, (unsigned)i), p->key, p->path,
                                   p->base};
        const char *text = config_setting_get_string(item.at);
        if (!text)
            mistake(l, &item, "must hold texts in quotes only");
        else if (check_text(l, &item, str_of(text)))
            items[i] = arena_str(l->arena, str_of(text));
    }
    if (n < p->key->min)
        mistake(l, p, "must name at least one");
    const struct config_strings strings = {items, (size_t)n};
    store(p, &strings, sizeof strings);
}

static void read_group(struct load *l, const config_setting_t *group, const char *prefix,
                       char *base);
static void fill_missing(struct load *l, const config_setting_t *at, const char *prefix,
                         char *base);

static void read_groups(struct load *l, const struct place *p)
{
    if (!config_setting_is_list(p->at)) {
        mistake(l, p, "must be a list of groups: ( { ... }, { ... } )");
        return;
    }
    const int n = config_setting_length(p->at);
    const size_t size = p->key->element_size;
    char *elements = arena_alloc_array(l->arena, size ? size : 1, (size_t)n);
    for (int i = 0; i < n; i++) {
        const config_setting_t *e = config_setting_get_elem(p->at, (unsigned)i);
        const char *path = arena_fmt(l->arena, "%s[%d]", p->path, i).at;
        const struct place element = {e, p->key, path, p->base};
        if (!config_setting_is_group(e)) {
            mistake(l, &element, "must be a group: { key = value; }");
            continue;
        }
        read_group(l, e, path, elements + (size_t)i * size);
        fill_missing(l, e, path, elements + (size_t)i * size);
    }
    store(p, &elements, sizeof elements);
    if (size)
        memcpy(p->base + p->key->count_offset, &(size_t){(size_t)n}, sizeof(size_t));
}

static void read_key(struct load *l, const struct place *p)
{
    switch (p->key->type) {
    case CONFIG_GROUP:
        if (!config_setting_is_group(p->at)) {
            mistake(l, p, "must be a group: { key = value; }");
            return;
        }
        read_group(l, p->at, p->path, p->base);
        return;
    case CONFIG_GROUPS:
        read_groups(l, p);
        return;
    case CONFIG_BOOL:
        read_bool(l, p);
        return;
    case CONFIG_NUMBER:
        read_number(l, p);
        return;
    case CONFIG_TEXT:
    case CONFIG_FILE:
    case CONFIG_WORD:
        read_text(l, p);
        return;
    case CONFIG_LIST:
        read_list(l, p);
        return;
    }
}

/* ---- the tree */

/* "jobs[3].name" is the key "jobs[].name" of the table. */
static bool is_key(const char *key, const char *path)
{
    while (*key && *key == *path) {
        if (*path == '[')
            path += strspn(path + 1, "0123456789");
        key++, path++;
    }
    return !*key && !*path;
}

static const struct config_key *find_key(const char *path)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (is_key(config_keys[i].path, path))
            return &config_keys[i];
    return NULL;
}

static void unknown_key(struct load *l, const struct place *p)
{
    const char *as_file = arena_fmt(l->arena, "%s_file", p->path).at;
    l->mistaken = true;
    if (find_key(as_file))
        say(l, p->at, p->path, "no secret stands in this file; name a file with %s", as_file);
    else
        say(l, p->at, p->path, "there is no such key");
}

static struct str place_of(struct load *l, const config_setting_t *at)
{
    const char *file = config_setting_source_file(at);
    return arena_fmt(l->arena, "%s:%u", file ? file : l->path, config_setting_source_line(at));
}

static void read_group(struct load *l, const config_setting_t *group, const char *prefix,
                       char *base)
{
    const int n = config_setting_length(group);
    for (int i = 0; i < n; i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);
        const char *path =
            arena_fmt(l->arena, "%s%s%s", prefix, *prefix ? "." : "", config_setting_name(s)).at;
        const struct place p = {s, find_key(path), path, base};
        if (!p.key) {
            unknown_key(l, &p);
            continue;
        }
        l->seen[p.key - config_keys] = true;
        l->places[p.key - config_keys] = place_of(l, s);
        read_key(l, &p);
    }
}

static void set_default_list(struct load *l, const struct place *p)
{
    struct str rest = str_of(p->key->text), part;
    struct str *items = NULL;
    size_t n = 0, cap = 0;
    while (str_split(&rest, ' ', &part)) {
        items = arena_grow(l->arena, items, sizeof *items, n, &cap);
        items[n++] = part;
    }
    const struct config_strings strings = {items, n};
    store(p, &strings, sizeof strings);
}

static void set_default(struct load *l, const struct place *p)
{
    switch (p->key->type) {
    case CONFIG_GROUP:
    case CONFIG_GROUPS:
        return;
    case CONFIG_BOOL:
    case CONFIG_NUMBER:
        store_number(p, p->key->number);
        return;
    case CONFIG_TEXT:
    case CONFIG_FILE:
    case CONFIG_WORD:
    case CONFIG_LIST:
        if (!p->key->text)
            mistake(l, p, "must be given");
        else if (p->key->type == CONFIG_LIST)
            set_default_list(l, p);
        else
            set_text(l, p, str_of(p->key->text));
        return;
    }
}

/* The group that a missing key would stand in, as far as the file has it. */
static const config_setting_t *nearest_group(struct load *l, const char *path)
{
    char *cut = arena_cstr(l->arena, str_of(path));
    for (char *dot = strrchr(cut, '.'); dot; dot = strrchr(cut, '.')) {
        *dot = '\0';
        const config_setting_t *found = config_lookup(&l->file, cut);
        if (found)
            return found;
    }
    return NULL;
}

/* Defaults of what was not given below `prefix`: "" for all but items of lists, else one item. */
static void fill_missing(struct load *l, const config_setting_t *at, const char *prefix, char *base)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        const char *in_item = strrchr(k->path, ']');
        const char *name = in_item ? in_item + 1 : k->path;
        const char *path =
            *prefix ? arena_fmt(l->arena, "%s%s", prefix, in_item ? name : "").at : k->path;
        if (*prefix ? !in_item || !is_key(k->path, path) : in_item != NULL)
            continue;
        const struct place p = {at ? at : nearest_group(l, k->path), k, path, base};
        if (!l->seen[i])
            set_default(l, &p);
        l->seen[i] = *prefix == '\0'; /* the next item starts anew */
    }
}

/* A value that is none counts as not given: one complaint is enough. */
static bool is_told(const struct load *l, const struct config_finding *f)
{
    const char *line = arena_fmt(l->arena, ": %s: ", f->key).at;
    return str_eq(str_of(f->reason), STR("must be given")) && l->report->len &&
           memmem(l->report->at, l->report->len, line, strlen(line));
}

static void say_finding(void *arg, const struct config_finding *f)
{
    struct load *l = arg;
    if (is_told(l, f))
        return;
    const config_setting_t *at = config_lookup(&l->file, f->key);
    if (!at)
        at = nearest_group(l, f->key);
    l->mistaken = l->mistaken || !f->warning;
    say(l, at, f->key, "%s%s", f->warning ? "warning: " : "", f->reason);
}

static bool read_file(struct load *l)
{
    struct stat st;
    char dir[PATH_MAX];
    OWNED_TEXT char *named = strdup(l->path);
    char *slash = named ? strrchr(named, '/') : NULL;
    if (slash)
        slash[slash == named ? 1 : 0] = '\0';
    /* libconfig ends the process when what it opened cannot be read, as a directory cannot. */
    if (stat(l->path, &st) || !realpath(slash ? named : ".", dir) || access(l->path, R_OK)) {
        say(l, NULL, "file", "cannot be read: %s", strerrordesc_np(errno));
        return false;
    }
    if (S_ISDIR(st.st_mode)) {
        say(l, NULL, "file", "is a directory");
        return false;
    }
    l->dir = arena_str(l->arena, str_of(dir));
    config_set_include_dir(&l->file, dir);
    if (config_read_file(&l->file, l->path))
        return true;
    const char *file = config_error_file(&l->file);
    buf_fmt(l->report, "%s:%d: syntax: %s\n", file ? file : l->path, config_error_line(&l->file),
            config_error_text(&l->file));
    return false;
}

static bool load_file(struct load *l)
{
    if (!read_file(l))
        return false;
    char *base = (char *)l->c;
    read_group(l, config_root_setting(&l->file), "", base);
    fill_missing(l, NULL, "", base);
    config_derive(l->c, &l->file, l->arena);
    config_check_together(l->c, say_finding, l);
    return !l->mistaken;
}

struct config *config_load(const char *path, struct buf *report)
{
    OWNED_ARENA struct arena *arena = arena_new();
    struct load l = {.c = ARENA_NEW(arena, struct config),
                     .arena = arena,
                     .report = report,
                     .path = path,
                     .seen = ARENA_ARRAY(arena, bool, config_key_count),
                     .places = ARENA_ARRAY(arena, struct str, config_key_count)};
    l.c->path = arena_str(arena, str_of(path));
    l.c->places = l.places;
    config_init(&l.file);
    const bool loaded = load_file(&l);
    config_destroy(&l.file);
    if (!loaded)
        return NULL;
    l.c->memory = TAKE(arena);
    return l.c;
}

void config_free(struct config *c)
{
    if (c)
        arena_free(c->memory);
}

struct str config_place(const struct config *c, const char *key)
{
    const struct config_key *k = find_key(key);
    const bool given = k && c->places && c->places[k - config_keys].len;
    return given ? c->places[k - config_keys] : c->path;
}
