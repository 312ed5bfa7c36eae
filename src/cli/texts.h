/*
 * conf/kiops.schema and conf/acl.conf, built into the program.
 *
 * Threads: pure.
 */
#pragma once

#include "base/text.h"

struct str cli_schema_text(void);
struct str cli_acl_text(void);
