/* The list of modifications that one change sends, and the pairs in it that prove something. */
#include "directory/internal.h"

void directory_mods_init(struct directory_mods *m, struct arena *a)
{
    *m = (struct directory_mods){.arena = a};
}

void directory_mods_push(struct directory_mods *m, enum directory_mod_op op, const char *attr,
                         const struct str *values, size_t count)
{
    struct str *own = NULL;
    if (count > 0) {
        own = ARENA_ARRAY(m->arena, struct str, count);
        memcpy(own, values, count * sizeof *own);
    }
    m->at = arena_grow(m->arena, m->at, sizeof *m->at, m->count, &m->cap);
    m->at[m->count++] =
        (struct directory_mod){.op = op, .attr = attr, .values = own, .count = count};
}

void directory_mods_one(struct directory_mods *m, enum directory_mod_op op, const char *attr,
                        struct str value)
{
    directory_mods_push(m, op, attr, &value, 1);
}

void directory_mods_prove_there(struct directory_mods *m, const char *attr, struct str value)
{
    directory_mods_one(m, DIRECTORY_DELETE, attr, value);
    directory_mods_one(m, DIRECTORY_ADD, attr, value);
}

void directory_mods_prove_absent(struct directory_mods *m, const char *attr, struct str value)
{
    directory_mods_one(m, DIRECTORY_ADD, attr, value);
    directory_mods_one(m, DIRECTORY_DELETE, attr, value);
}
