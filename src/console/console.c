/* Key and files, at start. */
#include "console/internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/own.h"

#define SECRET_MIN 32
#define SECRET_MAX 4096
#define CONTEXT "kiopsweb" /* crypto_kdf_CONTEXTBYTES */

_Static_assert(CONSOLE_KEY == crypto_kdf_KEYBYTES, "one key gives the others");
_Static_assert(CONSOLE_KEY == crypto_secretbox_KEYBYTES, "a derived key seals");

static bool read_key(const struct config *config, unsigned char key[CONSOLE_KEY], struct error *err)
{
    struct str path = config->console.session_key_file;
    OWNED_SECRET struct buf secret;
    buf_init(&secret, SECRET_MAX);
    if (!path.len) {
        randombytes_buf(key, CONSOLE_KEY);
        return true;
    }
    if (!config_read_secret(path, &secret, err))
        return false;
    if (secret.len < SECRET_MIN)
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": a session key has at least %d characters; make one with "
                                 "`openssl rand -hex 32`",
                         STR_ARG(path), SECRET_MIN);
    crypto_generichash(key, CONSOLE_KEY, (const unsigned char *)secret.at, secret.len, NULL, 0);
    return true;
}

bool console_open(const struct config *config, struct console **out, struct error *err)
{
    unsigned char key[CONSOLE_KEY];
    if (sodium_init() < 0)
        memory_out();
    if (!read_key(config, key, err))
        return false;
    struct console *c = must(calloc(1, sizeof *c));
    c->config = config;
    for (size_t i = 0; i < CONSOLE_KINDS; i++)
        crypto_kdf_derive_from_key(c->keys[i], CONSOLE_KEY, i + 1, CONTEXT, key);
    explicit_bzero(key, sizeof key);
    console_files_load(c);
    *out = c;
    return true;
}

void console_close(struct console *c)
{
    if (!c)
        return;
    explicit_bzero(c->keys, sizeof c->keys);
    free(c);
}
