/*
 * What the files of src/console share.
 *
 * Threads: constant after console_open().
 */
#pragma once

#include "console/console.h"

#define CONSOLE_KEY 32
#define CONSOLE_FILES 24

enum console_kind { CONSOLE_SESSION, CONSOLE_CSRF, CONSOLE_TRY, CONSOLE_KINDS };

struct console {
    const struct config *config;
    unsigned char keys[CONSOLE_KINDS][CONSOLE_KEY];
    struct console_file files[CONSOLE_FILES];
    size_t file_count;
    char version[17];
};

/* files.c: tags and the version. */
void console_files_load(struct console *c);
