#include "directory/texts.h"

#include "base/embed.h"
#include "base/own.h"

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

static struct str parent(struct str dn)
{
    size_t comma;
    return str_find(dn, ',', &comma) ? str_sub(dn, comma + 1, dn.len) : dn;
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
static void print_pending(const struct config *config, struct buf *out)
{
    if (config->signup.container.len)
        buf_str(out, config->signup.container);
    else
        buf_fmt(out, "ou=pending," STR_FMT, STR_ARG(parent(config->directory.users.base)));
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

void directory_acl_print(const struct config *config, struct buf *out)
{
    const struct config_directory *d = &config->directory;
    OWNED_BUF struct buf pending;
    OWNED_BUF struct buf groups;
    buf_init(&pending, 1 << 16);
    buf_init(&groups, 1 << 16);
    print_pending(config, &pending);
    print_groups(d, &groups);
    const struct acl_name names[] = {
        {STR("@PENDING@"), buf_view(&pending)},
        {STR("@PEOPLE@"), d->users.base},
        {STR("@ORGANIZATIONS@"), d->organizations.base},
        {STR("@GROUPS@"), buf_view(&groups)},
        {STR("@TOKENS@"), d->tokens_base},
        {STR("@PLATFORM@"), parent(d->tokens_base)},
        {STR("@ADMINS@"), d->admins_dn},
        {STR("@BRIDGE@"), d->service.bind_dn},
        {STR("@OPERATOR@"), d->operator_account.bind_dn},
        {STR("@READERS@"), parent(d->service.bind_dn)},
    };
    struct str rest = acl_text(config), line;
    /* The file's head explains the names, which are replaced here. */
    while (str_starts(rest, STR("#")) && str_split(&rest, '\n', &line))
        continue;
    while (rest.len)
        print_replaced(&rest, names, sizeof names / sizeof *names, out);
}

void directory_acl_values(const struct config *config, struct buf *out)
{
    OWNED_BUF struct buf text;
    buf_init(&text, 1 << 20);
    directory_acl_print(config, &text);
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
    buf_fmt(out,
            "add_content_acl on\n"
            "limits dn.exact=\"" STR_FMT
            "\" size=unlimited size.prtotal=unlimited time=unlimited\n",
            STR_ARG(config->service.bind_dn));
}
