/* Schema and access rules as they are shipped, filled in, in the forms that servers take. */
#include "directory/texts.h"

#include <string.h>

#include "base/embed.h"
#include "base/own.h"
#include "directory/directory.h"

EMBED(directory_text_schema, "conf/kiops.schema");
EMBED(directory_text_acl, "conf/acl.conf");
EMBED(directory_text_acl_389ds, "conf/acl-389ds.ldif");
EMBED(directory_text_acl_plain, "conf/acl-plain.conf");

extern const char directory_text_schema[], directory_text_schema_end[], directory_text_acl[],
    directory_text_acl_end[], directory_text_acl_389ds[], directory_text_acl_389ds_end[],
    directory_text_acl_plain[], directory_text_acl_plain_end[];

struct str directory_schema_text(void)
{
    return (struct str){directory_text_schema,
                        (size_t)(directory_text_schema_end - directory_text_schema)};
}

/* ---- the schema */

const struct directory_schema_form directory_schema_ldif = {
    "dn: cn=kiops,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: kiops\n",
    "olcAttributeTypes: ", "olcObjectClasses: "};
const struct directory_schema_form directory_schema_389ds = {"dn: cn=schema\n",
                                                             "attributeTypes: ", "objectClasses: "};

/* One definition of the slapd.conf form: its first line, and the indented ones behind it, joined by
 * single blanks. */
static void take_definition(struct str first, struct str *rest, struct buf *out)
{
    struct str line;
    buf_clear(out);
    buf_str(out, str_trim(first));
    while (rest->len && (rest->at[0] == ' ' || rest->at[0] == '\t') && str_split(rest, '\n', &line))
        buf_fmt(out, " " STR_FMT, STR_ARG(str_trim(line)));
}

/* What stands between the first quotes. */
static struct str name_of(struct str definition)
{
    struct str before = STR_NONE, name = STR_NONE;
    if (str_split(&definition, '\'', &before))
        str_split(&definition, '\'', &name);
    return name;
}

void directory_schema_print(const struct directory_schema_form *form,
                            bool (*wanted)(struct str name, void *arg), void *arg, struct buf *out)
{
    static const struct str ATTRIBUTE = STR_INIT("attributetype"), CLASS = STR_INIT("objectclass");
    struct str rest = directory_schema_text(), line;
    OWNED_BUF struct buf definition;
    buf_init(&definition, 1 << 16);
    if (!wanted)
        buf_fmt(out, "%s", form->head);
    while (str_split(&rest, '\n', &line)) {
        bool attribute = str_starts(line, ATTRIBUTE);
        if (!attribute && !str_starts(line, CLASS))
            continue;
        take_definition(str_sub(line, attribute ? ATTRIBUTE.len : CLASS.len, line.len), &rest,
                        &definition);
        if (!wanted || wanted(name_of(buf_view(&definition)), arg))
            buf_fmt(out, "%s" STR_FMT "\n", attribute ? form->attribute : form->class,
                    STR_ARG(buf_view(&definition)));
    }
}

/* ---- the access rules */

struct str directory_quoted(struct arena *a, struct str dn, bool in_conf)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < dn.len; i++) {
        bool escaped = dn.at[i] == '\\' && i + 1 < dn.len;
        if (escaped)
            buf_fmt(&out, in_conf ? "\\\\" : "\\");
        i += escaped;
        if (dn.at[i] == '"')
            buf_fmt(&out, "%s22", escaped ? "" : in_conf ? "\\\\" : "\\");
        else if (dn.at[i] == '\\' && in_conf)
            buf_fmt(&out, "\\\\");
        else
            buf_char(&out, dn.at[i]);
    }
    return arena_str(a, buf_view(&out));
}

/* Never empty: a rule about "" is about everything. */
static struct str parent_or_self(struct str dn)
{
    struct str parent = directory_dn_parent(dn);
    return parent.len ? parent : dn;
}

/* The accounts beside the bridge's; a name that SASL made (a user of this host) has none. */
static struct str readers(struct str bridge)
{
    return str_ends(bridge, STR(",cn=auth")) ? bridge : parent_or_self(bridge);
}

struct acl_name {
    struct str name, value;
};

/* One name at the head of `*rest`, or one byte. */
static void print_replaced(struct str *rest, const struct acl_name *names, size_t n,
                           struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(*rest, names[i].name))
            continue;
        buf_str(out, names[i].value);
        *rest = str_sub(*rest, names[i].name.len, rest->len);
        return;
    }
    buf_char(out, rest->at[0]);
    *rest = str_sub(*rest, 1, rest->len);
}

/* Without a container in the configuration: where one would stand. */
static struct str pending(struct arena *a, const struct config *config)
{
    if (config->signup.container.len)
        return config->signup.container;
    return arena_fmt(a, "ou=pending," STR_FMT,
                     STR_ARG(parent_or_self(config->directory.users.base)));
}

/* "member,owner" as slapd wants it, "member || owner" as 389-ds. */
static void print_groups(const struct config_directory *d, struct buf *out)
{
    buf_str(out, d->organizations.member);
    if (d->organizations.owner.len)
        buf_fmt(out, "%s" STR_FMT, d->preset == CONFIG_389DS ? " || " : ",",
                STR_ARG(d->organizations.owner));
}

/* ldapmodify stops at an entry that is not there: the last record, of the sign-ups' container. */
static struct str acl_389ds(bool with_applicants)
{
    static const char APPLICANTS[] = "\n# Who signed up";
    const char *begin = directory_text_acl_389ds, *end = directory_text_acl_389ds_end;
    const char *last = memmem(begin, (size_t)(end - begin), APPLICANTS, strlen(APPLICANTS));
    return (struct str){begin, (size_t)((last && !with_applicants ? last : end) - begin)};
}

static struct str acl_text(const struct config *config)
{
    enum config_preset preset = config->directory.preset;
    if (preset == CONFIG_389DS)
        return acl_389ds(config->signup.enabled);
    if (preset == CONFIG_PLAIN)
        return (struct str){directory_text_acl_plain,
                            (size_t)(directory_text_acl_plain_end - directory_text_acl_plain)};
    return (struct str){directory_text_acl, (size_t)(directory_text_acl_end - directory_text_acl)};
}

#define NO_OPERATOR "userdn != \"ldap:///@OPERATOR@\""

/* Without an operator's account nobody may what it alone could; who is denied stays so. */
static bool is_left_out(const struct config_directory *d, struct str line)
{
    static const char NAME[] = "@OPERATOR@", DENIED[] = "deny (";
    return !d->operator_account.bind_dn.len && line.at[0] != '#' &&
           memmem(line.at, line.len, NAME, strlen(NAME)) &&
           !memmem(line.at, line.len, DENIED, strlen(DENIED));
}

/* `in_conf`: in quotes of slapd.conf, which eat a backslash. */
static void print_rules(const struct config *config, bool in_conf, struct buf *out)
{
    const struct config_directory *d = &config->directory;
    struct str bridge = d->service.bind_dn, maker = d->operator_account.bind_dn;
    OWNED_ARENA struct arena *a = arena_new();
    OWNED_BUF struct buf groups;
    buf_init(&groups, 1 << 16);
    print_groups(d, &groups);
    struct acl_name names[] = {
        {STR("@PENDING@"), pending(a, config)},
        {STR("@PEOPLE@"), d->users.base},
        {STR("@ORGANIZATIONS@"), d->organizations.base},
        {STR("@TOKENS@"), d->tokens_base},
        {STR("@PLATFORM@"), parent_or_self(d->tokens_base)},
        {STR("@ADMINS@"), d->admins_dn},
        {STR("@BRIDGE@"), bridge.len ? bridge : STR("@BRIDGE@")},
        {STR("@READERS@"), bridge.len ? readers(bridge) : STR("@READERS@")},
        {maker.len ? STR("@OPERATOR@") : STR(" and " NO_OPERATOR), maker},
        {maker.len ? STR("@OPERATOR@") : STR(NO_OPERATOR), maker},
        {STR("@GROUPS@"), buf_view(&groups)},
    };
    size_t count = sizeof names / sizeof *names, last = count - 2;
    for (size_t i = 0; i < count - 1; i++)
        names[i].value = directory_quoted(a, names[i].value, in_conf);
    if (!maker.len)
        names[last].value = STR("userdn = \"ldap:///anyone\"");
    struct str rest = acl_text(config), line;
    /* The file's head explains the names, which are replaced here. */
    while (str_starts(rest, STR("#")) && str_split(&rest, '\n', &line))
        continue;
    while (str_split(&rest, '\n', &line)) {
        if (is_left_out(d, line))
            continue;
        while (line.len)
            print_replaced(&line, names, count, out);
        buf_char(out, '\n');
    }
}

void directory_acl_print(const struct config *config, struct buf *out)
{
    print_rules(config, config->directory.preset != CONFIG_389DS, out);
}

void directory_acl_values(const struct config *config, struct buf *out)
{
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    print_rules(config, false, &text);
    struct str rest = buf_view(&text), line;
    static const struct str HEAD = STR_INIT("access ");
    bool first = true;
    while (str_split(&rest, '\n', &line)) {
        if (line.len == 0 || line.at[0] == '#')
            continue;
        if (str_starts(line, HEAD))
            buf_fmt(out, "%s" STR_FMT, first ? "" : "\n",
                    STR_ARG(str_sub(line, HEAD.len, line.len)));
        else
            buf_fmt(out, " " STR_FMT, STR_ARG(str_trim(line)));
        first = false;
    }
    buf_char(out, '\n');
}

void directory_acl_settings(const struct config_directory *config, struct buf *out)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct str bridge = config->service.bind_dn.len ? config->service.bind_dn : STR("@BRIDGE@");
    buf_fmt(out,
            "add_content_acl on\n"
            "limits dn.exact=\"" STR_FMT
            "\" size=unlimited size.prtotal=unlimited time=unlimited\n",
            STR_ARG(directory_quoted(a, bridge, true)));
}
