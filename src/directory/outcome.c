/* What an LDAP result code means: one table. The words are ours; the server's go to the log. */
#include <string.h>

#include "base/log.h"
#include "directory/internal.h"

#define NAME_MAX_CHARS 64
#define OP(operation) (1U << (operation))
#define CHANGES                                                                                    \
    (OP(DIRECTORY_OP_MODIFY) | OP(DIRECTORY_OP_ADD) | OP(DIRECTORY_OP_DELETE) |                    \
     OP(DIRECTORY_OP_RENAME) | OP(DIRECTORY_OP_PASSWORD))
#define ANY (CHANGES | OP(DIRECTORY_OP_SEARCH))

struct meaning {
    int code;
    unsigned operations;
    enum directory_outcome outcome;
    enum error_kind kind;
    const char *text;
};

/* The first row of a code whose operations fit decides. */
static const struct meaning meanings[] = {
    {LDAP_SUCCESS, ANY, DIRECTORY_DONE, ERR_NONE, ""},
    {LDAP_NO_SUCH_OBJECT, OP(DIRECTORY_OP_ADD), DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory has no container for this entry"},
    {LDAP_NO_SUCH_OBJECT, ANY, DIRECTORY_ABSENT, ERR_UNAVAILABLE,
     "the directory does not show the place that was asked for"},
    {LDAP_ALREADY_EXISTS, CHANGES, DIRECTORY_EXISTS, ERR_NONE, ""},
    {LDAP_NO_SUCH_ATTRIBUTE, CHANGES, DIRECTORY_LOST, ERR_NONE, ""},
    {LDAP_TYPE_OR_VALUE_EXISTS, OP(DIRECTORY_OP_ADD), DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "a value is given twice"},
    {LDAP_TYPE_OR_VALUE_EXISTS, CHANGES, DIRECTORY_LOST, ERR_NONE, ""},
    {LDAP_ASSERTION_FAILED, CHANGES, DIRECTORY_LOST, ERR_NONE, ""},
    {LDAP_OBJECT_CLASS_VIOLATION, OP(DIRECTORY_OP_MODIFY), DIRECTORY_LOST, ERR_INVALID_VALUE,
     "the directory's schema refuses the change"},
    {LDAP_OBJECT_CLASS_VIOLATION, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory's schema refuses the entry"},
    {LDAP_CONSTRAINT_VIOLATION, OP(DIRECTORY_OP_PASSWORD), DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory's password policy refuses the password"},
    {LDAP_CONSTRAINT_VIOLATION, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory's constraints refuse a value"},
    {LDAP_UNDEFINED_TYPE, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory's schema does not know an attribute"},
    {LDAP_INVALID_SYNTAX, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "a value does not fit the directory's syntax"},
    {LDAP_INAPPROPRIATE_MATCHING, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory cannot compare the values of an attribute"},
    {LDAP_INVALID_DN_SYNTAX, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the name does not fit the directory's syntax"},
    {LDAP_NAMING_VIOLATION, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory refuses the name"},
    {LDAP_NOT_ALLOWED_ON_RDN, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the value that names the entry cannot be taken away"},
    {LDAP_NO_OBJECT_CLASS_MODS, CHANGES, DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory does not change the kind of an entry"},
    {LDAP_NOT_ALLOWED_ON_NONLEAF, CHANGES, DIRECTORY_REFUSED, ERR_CONFLICT,
     "other entries stand below this one in the directory"},
    /* 389-ds 2.3.1 with attribute uniqueness: every rename of a name that has an escape. */
    {LDAP_OPERATIONS_ERROR, OP(DIRECTORY_OP_RENAME), DIRECTORY_REFUSED, ERR_INVALID_VALUE,
     "the directory cannot rename an entry of this name"},
    {LDAP_OTHER, CHANGES, DIRECTORY_UNKNOWN, ERR_UNAVAILABLE,
     "the directory failed while it made the change"},
    {LDAP_INSUFFICIENT_ACCESS, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the bridge's account lacks a right in the directory"},
    {LDAP_INVALID_CREDENTIALS, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory refuses the bridge's account"},
    {LDAP_STRONG_AUTH_REQUIRED, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory wants a stronger login of the bridge"},
    {LDAP_CONFIDENTIALITY_REQUIRED, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory wants an encrypted connection"},
    {LDAP_REFERRAL, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory server refers to another one"},
    {LDAP_BUSY, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE, "the directory is busy"},
    {LDAP_UNAVAILABLE, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory is not available"},
    {LDAP_UNWILLING_TO_PERFORM, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory does not accept the request now"},
    {LDAP_UNAVAILABLE_CRITICAL_EXTENSION, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory lacks a control that the bridge needs"},
    {LDAP_SIZELIMIT_EXCEEDED, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory cuts its answer at a size limit"},
    {LDAP_TIMELIMIT_EXCEEDED, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory cuts its answer at a time limit"},
    {LDAP_ADMINLIMIT_EXCEEDED, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory cuts its answer at an administrative limit"},
    {LDAP_TIMEOUT, CHANGES, DIRECTORY_UNKNOWN, ERR_UNAVAILABLE,
     "the directory did not answer in time; the change may have been made"},
    {LDAP_TIMEOUT, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory did not answer in time"},
    {LDAP_SERVER_DOWN, CHANGES, DIRECTORY_UNKNOWN, ERR_UNAVAILABLE,
     "the connection to the directory broke; the change may have been made"},
    {LDAP_SERVER_DOWN, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the connection to the directory broke"},
    {LDAP_CONNECT_ERROR, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE,
     "the directory cannot be reached"},
};

/* A code that nobody foresaw: after a change it says nothing about what happened. */
static const struct meaning unforeseen[] = {
    {0, CHANGES, DIRECTORY_UNKNOWN, ERR_UNAVAILABLE,
     "the directory gave an unexpected answer; the change may have been made"},
    {0, ANY, DIRECTORY_UNAVAILABLE, ERR_UNAVAILABLE, "the directory gave an unexpected answer"},
};

static const char *const operation_names[] = {
    [DIRECTORY_OP_MODIFY] = "modify",     [DIRECTORY_OP_ADD] = "add",
    [DIRECTORY_OP_DELETE] = "delete",     [DIRECTORY_OP_RENAME] = "rename",
    [DIRECTORY_OP_PASSWORD] = "password", [DIRECTORY_OP_SEARCH] = "search",
};

/* How servers say that a value is taken: slapo-unique, and the attribute uniqueness of 389-ds. */
static const char *const unique_phrases[] = {
    "non-unique attributes found with",
    "some attributes not unique",
    "same attribute value already exists",
};

/* Attributes that a precondition speaks of: what their class refuses is a race, not bad data. */
static const char *const precondition_attributes[] = {"owner", "member", "uniqueMember"};

void directory_answer_take(LDAP *ld, struct arena *a, LDAPMessage *message,
                           struct directory_answer *answer, LDAPControl ***controls)
{
    char *diagnostic = NULL, **referrals = NULL;
    int code = LDAP_DECODING_ERROR;
    int failed = ldap_parse_result(ld, message, &code, NULL, &diagnostic, &referrals, controls, 1);
    answer->code = failed == LDAP_SUCCESS ? code : failed;
    answer->diagnostic = arena_str(a, str_of(diagnostic));
    if (referrals)
        answer->referral = arena_str(a, str_of(referrals[0]));
    ldap_memfree(diagnostic);
    ldap_memvfree((void **)referrals);
}

void directory_answer_reference(LDAP *ld, struct arena *a, LDAPMessage *message,
                                struct directory_answer *answer)
{
    char **urls = NULL;
    if (ldap_parse_reference(ld, message, &urls, NULL, 1) == LDAP_SUCCESS && urls)
        answer->referral = arena_str(a, str_of(urls[0]));
    ldap_memvfree((void **)urls);
}

static const struct meaning *meaning_of(int code, enum directory_operation operation)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (meanings[i].code == code && meanings[i].operations & OP(operation))
            return &meanings[i];
    return &unforeseen[operation == DIRECTORY_OP_SEARCH];
}

static bool text_after(struct str text, const char *phrase, struct str *rest)
{
    if (text.len == 0)
        return false;
    const char *found = memmem(text.at, text.len, phrase, strlen(phrase));
    if (!found)
        return false;
    size_t from = (size_t)(found - text.at) + strlen(phrase);
    *rest = str_sub(text, from, text.len);
    return true;
}

/* A schema name at the start of `text` that ends with `end`; empty for anything else: nothing but
 * names may leave the server's text. */
static struct str name_at(struct str text, char end)
{
    size_t len;
    if (!str_find(text, end, &len) || len > NAME_MAX_CHARS)
        return STR_NONE;
    struct str name = str_sub(text, 0, len);
    return str_consists_of(name, "-;.") ? name : STR_NONE;
}

/* slapd: "mail: value #0 invalid per syntax", "object class 'x' requires attribute 'sn'";
 * 389-ds: "mail: value #0 invalid per syntax", "missing attribute "sn" required by object class".
 */
static struct str attribute_named(struct str diagnostic)
{
    struct str rest;
    if (text_after(diagnostic, "attribute '", &rest))
        return name_at(rest, '\'');
    if (text_after(diagnostic, "attribute \"", &rest))
        return name_at(rest, '"');
    return name_at(diagnostic, ':');
}

static struct str class_named(struct str diagnostic)
{
    struct str rest;
    if (text_after(diagnostic, "object class '", &rest))
        return name_at(rest, '\'');
    return text_after(diagnostic, "object class \"", &rest) ? name_at(rest, '"') : STR_NONE;
}

static bool is_unique_refusal(struct str diagnostic)
{
    struct str rest;
    for (size_t i = 0; i < sizeof unique_phrases / sizeof unique_phrases[0]; i++)
        if (text_after(diagnostic, unique_phrases[i], &rest))
            return true;
    return false;
}

/* The class of organizations refuses to lose its last owner or member: that is a precondition. Any
 * other attribute that a class refuses is what the client sent. */
static bool is_schema_refusal(struct str diagnostic)
{
    struct str name = attribute_named(diagnostic);
    if (name.len == 0)
        return false;
    for (size_t i = 0; i < sizeof precondition_attributes / sizeof precondition_attributes[0]; i++)
        if (str_ieq(name, str_of(precondition_attributes[i])))
            return false;
    return true;
}

enum directory_outcome directory_outcome_of(const struct directory_answer *answer)
{
    enum directory_outcome outcome = meaning_of(answer->code, answer->operation)->outcome;
    if (answer->operation == DIRECTORY_OP_SEARCH)
        return outcome;
    if (answer->code == LDAP_CONSTRAINT_VIOLATION && is_unique_refusal(answer->diagnostic))
        return DIRECTORY_EXISTS;
    if (answer->code == LDAP_OBJECT_CLASS_VIOLATION && is_schema_refusal(answer->diagnostic))
        return DIRECTORY_REFUSED;
    return outcome;
}

static void set_error(const struct directory_answer *answer, enum directory_outcome outcome,
                      struct error *err)
{
    const struct meaning *m = meaning_of(answer->code, answer->operation);
    struct str name = STR_NONE, class = STR_NONE;
    if (outcome == DIRECTORY_REFUSED && m->kind == ERR_INVALID_VALUE) {
        name = attribute_named(answer->diagnostic);
        class = class_named(answer->diagnostic);
    }
    error_set(err, m->kind == ERR_NONE ? ERR_UNAVAILABLE : m->kind,
              "%s%s" STR_FMT "%s" STR_FMT "%s", answer->reason ? answer->reason : m->text,
              name.len ? ": " : "", STR_ARG(name), class.len ? " (object class " : "",
              STR_ARG(class), class.len ? ")" : "");
}

bool directory_outcome_report(const struct directory_answer *answer, enum directory_outcome outcome,
                              struct error *err)
{
    bool failed = outcome == DIRECTORY_REFUSED || outcome == DIRECTORY_UNAVAILABLE ||
                  outcome == DIRECTORY_UNKNOWN;
    if (!failed)
        return true;
    set_error(answer, outcome, err);
    const char *request = operation_names[answer->operation];
    LOG(outcome == DIRECTORY_REFUSED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "directory_failed",
        LOG_C("operation", request), LOG_I("code", answer->code),
        LOG_C("meaning", ldap_err2string(answer->code)), LOG_S("diagnostic", answer->diagnostic),
        LOG_S("referral", answer->referral));
    return false;
}
