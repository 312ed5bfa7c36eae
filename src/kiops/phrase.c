/* A change in words: `promote kim in "Project A"`. */
#include "kiops/internal.h"

#include <string.h>

struct form {
    const char *verb;
    enum kiops_change_kind kind;
    const char *words;
};

#define IN_ORGANIZATION "USER in ORGANIZATION"

static const struct form forms[] = {
    {"add", KIOPS_ADD, IN_ORGANIZATION},
    {"remove", KIOPS_REMOVE, IN_ORGANIZATION},
    {"promote", KIOPS_PROMOTE, IN_ORGANIZATION},
    {"demote", KIOPS_DEMOTE, IN_ORGANIZATION},
    {"approve", KIOPS_APPROVE, IN_ORGANIZATION},
    {"reject", KIOPS_REJECT, IN_ORGANIZATION},
    {"request", KIOPS_REQUEST, IN_ORGANIZATION},
    {"grant", KIOPS_GRANT, "PERMISSION for USER in ORGANIZATION"},
    {"revoke", KIOPS_REVOKE, "PERMISSION for USER in ORGANIZATION"},
    {"make", KIOPS_MAKE_ADMIN, "USER PlatformAdmin"},
    {"unmake", KIOPS_UNMAKE_ADMIN, "USER PlatformAdmin"},
    {"deactivate", KIOPS_DEACTIVATE, "USER"},
    {"delete", KIOPS_DELETE_USER, "USER"},
};

/* A word, or what stands between quotes; with `rest`, an unquoted one reaches to the end. */
static bool next_word(struct str *text, bool rest, struct str *word)
{
    *text = str_trim(*text);
    if (!text->len)
        return false;
    size_t end;
    if (text->at[0] == '"') {
        struct str inner = str_sub(*text, 1, text->len);
        if (!str_find(inner, '"', &end))
            return false;
        *word = str_sub(inner, 0, end);
        *text = str_sub(inner, end + 1, inner.len);
        return word->len && (!text->len || strchr(" \t", text->at[0]));
    }
    if (rest || !str_find(*text, ' ', &end))
        end = text->len;
    *word = str_sub(*text, 0, end);
    *text = str_sub(*text, end, text->len);
    return true;
}

static bool wrong_form(const struct form *f, struct error *err)
{
    return error_set(err, ERR_INVALID_SYNTAX,
                     "write: %s %s; a name with spaces stands in double quotes", f->verb, f->words);
}

static bool take_words(const struct form *f, struct str text, struct kiops_phrase *out,
                       struct error *err)
{
    struct str wanted, words = str_of(f->words);
    while (str_split(&words, ' ', &wanted)) {
        struct str word;
        if (!next_word(&text, str_eq(wanted, STR("ORGANIZATION")), &word))
            return wrong_form(f, err);
        if (str_eq(wanted, STR("USER")))
            out->user = word;
        else if (str_eq(wanted, STR("ORGANIZATION")))
            out->organization = word;
        else if (str_eq(wanted, STR("PERMISSION")))
            out->permission = word;
        else if (str_eq(wanted, STR("PlatformAdmin")))
            out->role = word;
        else if (!str_eq(wanted, word))
            return wrong_form(f, err);
    }
    return !str_trim(text).len || wrong_form(f, err);
}

bool kiops_phrase_parse(struct str text, struct kiops_phrase *out, struct error *err)
{
    struct str verb;
    if (next_word(&text, false, &verb))
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            struct kiops_phrase p = {.kind = forms[i].kind};
            if (!str_eq(verb, str_of(forms[i].verb)))
                continue;
            if (!take_words(&forms[i], text, &p, err))
                return false;
            *out = p;
            return true;
        }
    return error_set(err, ERR_INVALID_SYNTAX,
                     "a change begins with add, remove, promote, demote, approve, reject, request, "
                     "grant, revoke, make, unmake, deactivate or delete");
}

struct kiops_verdict kiops_phrase_judge(const struct kiops_phrase *p)
{
    enum kiops_permission permission;
    enum kiops_role role = KIOPS_PLATFORM_ADMIN;
    struct error why = ERROR_INIT;
    if (p->permission.len && !kiops_permission_wish(p->permission, &permission, &why))
        return kiops_deny(why.kind, "KB-R14", "%s", why.detail);
    if (p->role.len && !kiops_role_wish(p->role, &role, &why))
        return kiops_deny(why.kind, "KB-R01", "%s", why.detail);
    if (role != KIOPS_PLATFORM_ADMIN)
        return kiops_deny(ERR_INVALID_VALUE, "KB-R01",
                          "Only PlatformAdmin is made and unmade. Promote or demote in an "
                          "organization instead.");
    return kiops_allow_by("KB-R01");
}
