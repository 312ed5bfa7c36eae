/* schema: the LDAP schema in three servers' forms, the access rules with this configuration's
 * names, and the mapping. */
#include <stdio.h>

#include "base/own.h"
#include "cli/cli.h"
#include "directory/directory.h"
#include "directory/texts.h"

static int put(struct str text)
{
    return fwrite(text.at, 1, text.len, stdout) == text.len ? CLI_OK : CLI_ERROR;
}

static int put_all(const struct buf *out)
{
    return out->failed ? CLI_ERROR : put(buf_view(out));
}

static int print_ldif(const struct directory_schema_form *form)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    directory_schema_print(form, NULL, NULL, &out);
    return put_all(&out);
}

static int print_acl(const struct config *config)
{
    OWNED_BUF struct buf out;
    buf_init(&out, 1 << 20);
    if (!config->directory.service.bind_dn.len)
        BUF_LIT(
            &out,
            "# directory.bind_dn is \"\": put for @BRIDGE@ the DN that `ldapwhoami -Y EXTERNAL -H "
            "URI` prints when the user\n"
            "# of the service runs it, and for @READERS@ the subtree of the accounts that may "
            "read roles, or that DN again.\n"
            "# `kiops-bridge check` asks the directory itself, and prints the rules with its "
            "answer.\n");
    if (config->directory.preset != CONFIG_389DS) {
        BUF_LIT(&out, "# For slapd.conf, in the database's section, before the site's own access "
                      "rules.\n");
        directory_acl_settings(&config->directory, &out);
        buf_char(&out, '\n');
    }
    directory_acl_print(config, &out);
    return put_all(&out);
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
        return put(directory_schema_text());
    if (str_eq(form, STR("ldif")))
        return print_ldif(&directory_schema_ldif);
    if (str_eq(form, STR("389ds")))
        return print_ldif(&directory_schema_389ds);
    if (str_eq(form, STR("acl")))
        return with_config(c, print_acl);
    if (str_eq(form, STR("mapping")))
        return with_config(c, print_mapping);
    return cli_usage("write: schema openldap|ldif|389ds|acl|mapping");
}
