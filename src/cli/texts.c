/* The schema and the access rules as shipped in conf/, inside the program, so that what it prints
 * is what it was built with. */
#include "cli/texts.h"

#define EMBED(symbol, file)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 1\n"                                                                          \
            ".global " #symbol "\n" #symbol ":\n"                                                  \
            ".incbin \"" file "\"\n"                                                               \
            ".global " #symbol "_end\n" #symbol "_end:\n"                                          \
            ".byte 0\n"                                                                            \
            ".previous\n")

EMBED(cli_text_schema, "conf/kiops.schema");
EMBED(cli_text_acl, "conf/acl.conf");

extern const char cli_text_schema[], cli_text_schema_end[], cli_text_acl[], cli_text_acl_end[];

struct str cli_schema_text(void)
{
    return (struct str){cli_text_schema, (size_t)(cli_text_schema_end - cli_text_schema)};
}

struct str cli_acl_text(void)
{
    return (struct str){cli_text_acl, (size_t)(cli_text_acl_end - cli_text_acl)};
}
