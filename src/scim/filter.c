/* A filter from text to tree (RFC 7644 3.4.2.2). */
#include "scim/internal.h"

#include <jansson.h>

#include "base/own.h"
#include "base/unicode.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    struct str word;
    enum scim_op op;
} operators[] = {
    {STR_INIT("eq"), SCIM_EQ}, {STR_INIT("ne"), SCIM_NE}, {STR_INIT("co"), SCIM_CO},
    {STR_INIT("sw"), SCIM_SW}, {STR_INIT("ew"), SCIM_EW}, {STR_INIT("gt"), SCIM_GT},
    {STR_INIT("ge"), SCIM_GE}, {STR_INIT("lt"), SCIM_LT}, {STR_INIT("le"), SCIM_LE},
    {STR_INIT("pr"), SCIM_PR},
};

#define EQUALITY ((1U << SCIM_EQ) | (1U << SCIM_NE))
#define ORDER (EQUALITY | (1U << SCIM_GT) | (1U << SCIM_GE) | (1U << SCIM_LT) | (1U << SCIM_LE))
#define ALL (ORDER | (1U << SCIM_CO) | (1U << SCIM_SW) | (1U << SCIM_EW))

/* What an attribute of each type may be compared with, and how. A complex one is never compared
 * itself. */
static const struct {
    unsigned ops;
    enum scim_literal literal;
    const char *wants;
} comparable[] = {
    [SCIM_STRING] = {ALL, SCIM_LIT_STRING, "expected text in double quotes"},
    [SCIM_BOOLEAN] = {EQUALITY, SCIM_LIT_BOOLEAN, "expected true or false"},
    [SCIM_DECIMAL] = {ORDER, SCIM_LIT_NUMBER, "expected a number"},
    [SCIM_INTEGER] = {ORDER, SCIM_LIT_NUMBER, "expected a number"},
    [SCIM_DATETIME] = {ORDER, SCIM_LIT_STRING, "expected a date in double quotes"},
    [SCIM_REFERENCE] = {ALL, SCIM_LIT_STRING, "expected text in double quotes"},
    [SCIM_BINARY] = {EQUALITY, SCIM_LIT_STRING, "expected base64 in double quotes"},
    [SCIM_COMPLEX] = {0, SCIM_LIT_NULL, "name one of its sub-attributes"},
};

static struct scim_filter *new_node(struct scim_parser *p, enum scim_node kind)
{
    if (++p->nodes > p->limits.nodes) {
        scim_parser_fail(p, "the filter has too many terms");
        return NULL;
    }
    struct scim_filter *node = ARENA_NEW(p->arena, struct scim_filter);
    node->kind = kind;
    node->instant = INSTANT_NONE;
    return node;
}

static bool fail_at(struct scim_parser *p, const char *at, const char *what)
{
    p->c.at = at;
    return scim_parser_fail(p, what);
}

static bool take_blanks(struct scim_parser *p)
{
    const char *from = p->c.at;
    cursor_spaces(&p->c);
    return p->c.at > from;
}

/* The bytes up to a blank, bracket, quote or the end. */
static struct str take_token(struct scim_parser *p)
{
    const char *from = p->c.at;
    size_t unused;
    while (!cursor_done(&p->c) && !str_find(STR(" ()[]\""), *p->c.at, &unused))
        p->c.at++;
    return (struct str){from, (size_t)(p->c.at - from)};
}

/* ---- literals */

/* JSON text to a value (new), NULL when it is wrong; so are NUL and lone surrogates in a string. */
static json_t *decode(struct str json)
{
    return json_loadb(json.at, json.len, JSON_DECODE_ANY, NULL);
}

static bool read_quoted(struct scim_parser *p, struct scim_filter *node)
{
    const char *from = p->c.at++;
    while (!cursor_done(&p->c) && *p->c.at != '"') {
        bool escape = *p->c.at++ == '\\';
        if (escape && !cursor_done(&p->c))
            p->c.at++;
    }
    if (!cursor_take(&p->c, '"'))
        return fail_at(p, from, "the text that begins here has no closing quote");
    OWNED_JSON json_t *value = decode((struct str){from, (size_t)(p->c.at - from)});
    if (!value)
        return fail_at(p, from, "not a JSON string");
    node->literal = SCIM_LIT_STRING;
    node->string = arena_str(p->arena, json_str(value));
    return true;
}

static bool read_number(struct str token, struct scim_filter *node)
{
    if (token.at[0] != '-' && (token.at[0] < '0' || token.at[0] > '9'))
        return false;
    OWNED_JSON json_t *value = decode(token);
    if (!json_is_number(value))
        return false;
    node->literal = SCIM_LIT_NUMBER;
    node->number = json_number_value(value);
    return true;
}

/* A value without quotes. `string` keeps its spelling: a lenient client means text by it. */
static bool read_bare(struct scim_parser *p, struct scim_filter *node)
{
    const char *from = p->c.at;
    struct str token = take_token(p);
    node->string = token;
    if (token.len == 0)
        return fail_at(p, from, "expected a value");
    if (str_ieq(token, STR("null"))) {
        node->literal = SCIM_LIT_NULL;
    } else if (str_ieq(token, STR("true")) || str_ieq(token, STR("false"))) {
        node->literal = SCIM_LIT_BOOLEAN;
        node->boolean = str_ieq(token, STR("true"));
    } else if (!read_number(token, node)) {
        if (!p->lenient_bare || !utf8_valid(token) || utf8_has_prohibited(token))
            return fail_at(p, from, "expected a value; text stands in double quotes");
        node->literal = SCIM_LIT_STRING;
    }
    return true;
}

/* ---- comparisons */

static const struct scim_attr *leaf_of(const struct scim_filter *node)
{
    return node->target.sub ? node->target.sub : node->target.attr;
}

/* A space at the inner end of a partial text counts (`sw "kim "` is not `sw "kim"`), but a key
 * drops spaces at its ends: a control character shields them while the key is made. */
static struct str partial_key(struct arena *a, enum scim_op op, struct str text)
{
    const char *before = op == SCIM_SW ? "" : "\x01";
    const char *after = op == SCIM_EW ? "" : "\x01";
    struct str shielded = arena_fmt(a, "%s" STR_FMT "%s", before, STR_ARG(text), after);
    struct str key = unicode_key(a, shielded);
    if (*before)
        key = str_sub(key, 1, key.len);
    if (*after)
        key.len--;
    return key;
}

static void set_key(struct scim_parser *p, struct scim_filter *node, const struct scim_attr *leaf)
{
    if (leaf->type != SCIM_STRING || leaf->case_exact)
        node->key = node->string;
    else if (node->op == SCIM_CO || node->op == SCIM_SW || node->op == SCIM_EW)
        node->key = partial_key(p->arena, node->op, node->string);
    else
        node->key = unicode_key(p->arena, node->string);
}

/* "True" is a boolean everywhere (Entra writes it so), and bare words are text for those who send
 * them. */
static void coerce(const struct scim_parser *p, struct scim_filter *node, enum scim_type type)
{
    bool means_true = str_ieq(node->string, STR("true"));
    if (type == SCIM_BOOLEAN && (means_true || str_ieq(node->string, STR("false")))) {
        node->literal = SCIM_LIT_BOOLEAN;
        node->boolean = means_true;
    } else if (p->lenient_bare && comparable[type].literal == SCIM_LIT_STRING) {
        node->literal = SCIM_LIT_STRING;
    }
}

static bool check_literal(struct scim_parser *p, struct scim_filter *node, const char *op_at,
                          const char *literal_at)
{
    if (node->literal == SCIM_LIT_NULL)
        return ((1U << node->op) & EQUALITY) || fail_at(p, op_at, "null may only follow eq and ne");
    if (leaf_of(node) == &scim_attr_absent)
        return true; /* what it is compared with does not matter */
    /* `emails eq "a@b"` and Entra's `members eq "id"` mean the value. */
    if (leaf_of(node)->type == SCIM_COMPLEX && !node->target.sub)
        node->target.sub = scim_attr_sub(node->target.attr, STR("value"));
    const struct scim_attr *leaf = leaf_of(node);
    coerce(p, node, leaf->type);
    if (leaf->type == SCIM_COMPLEX)
        return fail_at(p, op_at, comparable[SCIM_COMPLEX].wants);
    if (!((1U << node->op) & comparable[leaf->type].ops))
        return fail_at(p, op_at, "this operator does not fit the attribute's type");
    if (node->literal != comparable[leaf->type].literal)
        return fail_at(p, literal_at, comparable[leaf->type].wants);
    if (leaf->type == SCIM_DATETIME && !clock_parse_rfc3339(node->string, &node->instant))
        return fail_at(p, literal_at, "expected a date such as \"2026-01-05T08:00:00Z\"");
    set_key(p, node, leaf);
    return true;
}

static bool read_operator(struct scim_parser *p, enum scim_op *out)
{
    const char *from = p->c.at;
    struct str word = take_token(p);
    for (size_t i = 0; i < COUNT(operators); i++) {
        if (!str_ieq(word, operators[i].word))
            continue;
        *out = operators[i].op;
        return true;
    }
    return fail_at(p, from, "expected one of eq ne co sw ew gt ge lt le pr");
}

/* ` op literal` behind the target of `node`. */
static bool read_operation(struct scim_parser *p, struct scim_filter *node)
{
    /* An attribute that no answer shows may not be guessed by questions either (RFC 7644 7.5.2). */
    if (node->target.attr->returned == SCIM_NEVER || leaf_of(node)->returned == SCIM_NEVER)
        return scim_parser_fail(p, "no filter may ask for this attribute");
    if (!take_blanks(p))
        return scim_parser_fail(p, "expected a blank and an operator");
    const char *op_at = p->c.at;
    if (!read_operator(p, &node->op))
        return false;
    if (node->op == SCIM_PR)
        return true;
    if (!take_blanks(p))
        return scim_parser_fail(p, "expected a blank and a value");
    const char *literal_at = p->c.at;
    bool read = cursor_peek(&p->c) == '"' ? read_quoted(p, node) : read_bare(p, node);
    return read && check_literal(p, node, op_at, literal_at);
}

/* `emails[..]`, and Entra's `emails[..].value eq "x"`, which the RFC's grammar lacks. */
static bool read_value_path(struct scim_parser *p, struct scim_filter *node)
{
    node->kind = SCIM_VALUE_PATH;
    if (!node->target.attr->multi)
        return scim_parser_fail(p, "a value filter needs a multi-valued attribute");
    if (!scim_filter_items(p, node->target.attr, &node->left))
        return false;
    if (!cursor_take(&p->c, '.'))
        return true;
    return scim_path_sub(p, node->target.attr, &node->target.sub) && read_operation(p, node);
}

static bool read_target(struct scim_parser *p, const struct scim_attr *items,
                        struct scim_path *target)
{
    if (items)
        return scim_path_sub(p, items, &target->attr);
    if (!scim_path_attr(p, target))
        return false;
    if (!target->attr)
        return scim_parser_fail(p, "expected : and the name of an attribute");
    return !cursor_take(&p->c, '.') || scim_path_sub(p, target->attr, &target->sub);
}

static bool read_comparison(struct scim_parser *p, const struct scim_attr *items,
                            const struct scim_filter **out)
{
    struct scim_filter *node = new_node(p, SCIM_COMPARE);
    if (!node)
        return false;
    *out = node;
    const char *from = p->c.at;
    if (!read_target(p, items, &node->target))
        return false;
    node->target.text = (struct str){from, (size_t)(p->c.at - from)};
    if (cursor_peek(&p->c) != '[' || node->target.sub)
        return read_operation(p, node);
    if (items)
        return scim_parser_fail(p, "[ within [ ]");
    return read_value_path(p, node);
}

/* ---- and, or, not, ( ) */

static bool read_chain(struct scim_parser *p, const struct scim_attr *items, enum scim_node kind,
                       const struct scim_filter **out);

/* Everything up to `close`. The one place where the parser goes deeper. */
static bool read_nested(struct scim_parser *p, const struct scim_attr *items, char close,
                        const struct scim_filter **out)
{
    if (++p->depth > p->limits.depth)
        return scim_parser_fail(p, "the filter is nested too deep");
    p->c.at++;
    if (!read_chain(p, items, SCIM_OR, out))
        return false;
    cursor_spaces(&p->c);
    p->depth--;
    return cursor_take(&p->c, close) ||
           scim_parser_fail(p, close == ')' ? "expected and, or or )" : "expected and, or or ]");
}

bool scim_filter_items(struct scim_parser *p, const struct scim_attr *attr,
                       const struct scim_filter **out)
{
    return read_nested(p, attr, ']', out);
}

/* `not (`, also without the blank: many write it so. */
static bool at_not(struct scim_parser *p)
{
    const struct cursor start = p->c;
    bool is_not = str_ieq(take_token(p), STR("not"));
    cursor_spaces(&p->c);
    if (is_not && cursor_peek(&p->c) == '(')
        return true;
    p->c = start;
    return false;
}

static bool read_term(struct scim_parser *p, const struct scim_attr *items,
                      const struct scim_filter **out)
{
    cursor_spaces(&p->c);
    if (cursor_peek(&p->c) == '(')
        return read_nested(p, items, ')', out);
    if (!at_not(p))
        return read_comparison(p, items, out);
    struct scim_filter *node = new_node(p, SCIM_NOT);
    *out = node;
    return node && read_nested(p, items, ')', &node->left);
}

/* ` and ` or ` or `; takes nothing when it is not there. */
static bool take_keyword(struct scim_parser *p, struct str keyword)
{
    const struct cursor start = p->c;
    if (take_blanks(p) && str_ieq(take_token(p), keyword) &&
        (cursor_peek(&p->c) == ' ' || cursor_peek(&p->c) == '('))
        return true;
    p->c = start;
    return false;
}

/* `a or b or c` becomes a or (b or c), so that neither reading nor matching a long chain recurses.
 * An or-chain is made of and-chains, those of terms. */
static bool read_chain(struct scim_parser *p, const struct scim_attr *items, enum scim_node kind,
                       const struct scim_filter **out)
{
    bool is_or = kind == SCIM_OR;
    const struct scim_filter **slot = out;
    for (;;) {
        if (!(is_or ? read_chain(p, items, SCIM_AND, slot) : read_term(p, items, slot)))
            return false;
        if (!take_keyword(p, is_or ? STR("or") : STR("and")))
            return true;
        struct scim_filter *node = new_node(p, kind);
        if (!node)
            return false;
        node->left = *slot;
        *slot = node;
        slot = &node->right;
    }
}

bool scim_filter_parse(const struct scim_context *in, struct str text,
                       const struct scim_filter **out, struct error *err)
{
    struct scim_parser p = {.arena = in->arena,
                            .type = in->type,
                            .limits = in->limits.filter,
                            .lenient_bare = in->dialect->bare_filter_operand,
                            .of_many_types = in->of_many_types,
                            .c = cursor_of(text),
                            .kind = ERR_INVALID_FILTER,
                            .err = err};
    if (text.len > p.limits.chars)
        return error_set(err, p.kind, "a filter has at most %zu bytes", p.limits.chars);
    const struct scim_filter *tree = NULL;
    if (!read_chain(&p, NULL, SCIM_OR, &tree))
        return false;
    cursor_spaces(&p.c);
    if (!cursor_done(&p.c))
        return scim_parser_fail(&p, "expected and, or or the end");
    *out = tree;
    return true;
}
