/* schema: the LDAP schema in three servers' forms, the access rules with this configuration's
 * names, and the mapping. */
#include <stdio.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/texts.h"
#include "directory/directory.h"

static int put(struct str text)
{
    return fwrite(text.at, 1, text.len, stdout) == text.len ? CLI_OK : CLI_ERROR;
}

struct form {
    const char *head, *attribute, *class;
};

static const struct form LDIF = {
    "dn: cn=kiops,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: kiops\n",
    "olcAttributeTypes: ", "olcObjectClasses: "};
static const struct form DS389 = {"dn: cn=schema\n", "attributeTypes: ", "objectClasses: "};

/* One definition of the slapd.conf form: its first line, and the indented ones behind it, joined by
 * single blanks. */
static void print_definition(const struct form *form, struct str keyword, struct str first,
                             struct str *rest)
{
    struct str line;
    printf("%s" STR_FMT, str_eq(keyword, STR("attributetype")) ? form->attribute : form->class,
           STR_ARG(str_trim(first)));
    while (rest->len && (rest->at[0] == ' ' || rest->at[0] == '\t') && str_split(rest, '\n', &line))
        printf(" " STR_FMT, STR_ARG(str_trim(line)));
    putchar('\n');
}

static int print_ldif(const struct form *form)
{
    struct str rest = cli_schema_text(), line;
    fputs(form->head, stdout);
    while (str_split(&rest, '\n', &line)) {
        static const struct str KEYWORDS[] = {STR_INIT("attributetype"), STR_INIT("objectclass")};
        for (size_t i = 0; i < 2; i++)
            if (str_starts(line, KEYWORDS[i]))
                print_definition(form, KEYWORDS[i], str_sub(line, KEYWORDS[i].len, line.len),
                                 &rest);
    }
    return CLI_OK;
}

static struct str parent(struct str dn)
{
    size_t comma;
    return str_find(dn, ',', &comma) ? str_sub(dn, comma + 1, dn.len) : dn;
}

struct acl_name {
    struct str name, value;
};

/* One name at the head of `*rest`, or one byte. */
static void print_replaced(struct str *rest, const struct acl_name *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(*rest, names[i].name))
            continue;
        put(names[i].value);
        *rest = str_sub(*rest, names[i].name.len, rest->len);
        return;
    }
    putchar(rest->at[0]);
    *rest = str_sub(*rest, 1, rest->len);
}

/* Without a container in the configuration: where one would stand. */
static void print_pending(const struct config *config)
{
    if (!config->signup.container.len)
        put(STR("ou=pending,"));
    put(config->signup.container.len ? config->signup.container
                                     : parent(config->directory.users.base));
}

static int print_acl(const struct config *config)
{
    const struct config_directory *d = &config->directory;
    const struct acl_name names[] = {
        {STR("@PEOPLE@"), d->users.base},
        {STR("@ORGANIZATIONS@"), d->organizations.base},
        {STR("@TOKENS@"), d->tokens_base},
        {STR("@PLATFORM@"), parent(d->tokens_base)},
        {STR("@ADMINS@"), d->admins_dn},
        {STR("@BRIDGE@"), d->service.bind_dn},
        {STR("@OPERATOR@"), d->operator_account.bind_dn},
        {STR("@READERS@"), parent(d->service.bind_dn)},
    };
    printf("# For slapd.conf, in the database's section, before the site's own access rules.\n"
           "add_content_acl on\n"
           "limits dn.exact=\"" STR_FMT
           "\" size=unlimited size.prtotal=unlimited time=unlimited\n\n",
           STR_ARG(d->service.bind_dn));
    /* The file's head explains the names, which are replaced here. */
    struct str rest = cli_acl_text(), line;
    while (str_starts(rest, STR("#")) && str_split(&rest, '\n', &line))
        continue;
    const struct str pending = STR("@PENDING@");
    while (rest.len) {
        if (!str_starts(rest, pending)) {
            print_replaced(&rest, names, sizeof names / sizeof *names);
            continue;
        }
        print_pending(config);
        rest = str_sub(rest, pending.len, rest.len);
    }
    return CLI_OK;
}

static int print_mapping(const struct config *config)
{
    struct scim_catalog *catalog = NULL;
    struct directory *directory = NULL;
    struct error err = ERROR_INIT;
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    bool ok =
        cli_catalog(config, &catalog, &err) && directory_new(config, catalog, &directory, &err);
    if (ok)
        directory_mapping_print(directory, &out);
    int status = ok ? put(buf_view(&out)) : cli_fail(&err);
    directory_free(directory);
    scim_catalog_free(catalog);
    return status;
}

static int with_config(const struct cli *c, int (*print)(const struct config *config))
{
    struct config *config = cli_config(c);
    if (!config)
        return CLI_ERROR;
    int status = print(config);
    config_free(config);
    return status;
}

int cli_schema(const struct cli *c)
{
    struct str form = c->count == 1 ? str_of(c->args[0]) : STR_NONE;
    if (str_eq(form, STR("openldap")))
        return put(cli_schema_text());
    if (str_eq(form, STR("ldif")))
        return print_ldif(&LDIF);
    if (str_eq(form, STR("389ds")))
        return print_ldif(&DS389);
    if (str_eq(form, STR("acl")))
        return with_config(c, print_acl);
    if (str_eq(form, STR("mapping")))
        return with_config(c, print_mapping);
    return cli_usage("write: schema openldap|ldif|389ds|acl|mapping");
}
