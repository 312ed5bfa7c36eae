/* A secret is read from a file that nobody else may read. */
#include "base/own.h"
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_MAX 4096
#define KEY_MAX 65536

/* systemd (LoadCredential=) lets a service read what root owns by an access list, which shows as
 * 0440. */
static bool is_credential(struct str path, const struct stat *st)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    return dir && *dir == '/' && str_starts(path, str_of(dir)) && st->st_uid == 0;
}

static bool check_file(int fd, struct str path, size_t most, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": is no regular file; name the file that holds "
                                 "the secret",
                         STR_ARG(path));
    const unsigned mode = st.st_mode & 07777U;
    if (mode != 0400 && mode != 0600 && !(mode == 0440 && is_credential(path, &st)))
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": mode is %04o, so others may read it; run chmod 0600 on it",
                         STR_ARG(path), mode);
    if ((size_t)st.st_size > most)
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": is longer than %zu bytes; put the secret alone "
                                 "into it",
                         STR_ARG(path), most);
    return true;
}

static bool read_whole(int fd, char *bytes, size_t size, size_t *len)
{
    *len = 0;
    while (*len < size) {
        const ssize_t n = read(fd, bytes + *len, size - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return true;
}

static bool take_secret(struct str path, struct str bytes, struct buf *out, struct error *err)
{
    if (bytes.len && bytes.at[bytes.len - 1] == '\n')
        bytes.len--;
    size_t at;
    if (!bytes.len || bytes.len > SECRET_MAX || str_find(bytes, '\0', &at))
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": must hold 1 to %d bytes and no NUL; write the "
                                 "secret into it",
                         STR_ARG(path), SECRET_MAX);
    buf_str(out, bytes);
    if (out->failed)
        return error_set(err, ERR_CONFIG, STR_FMT ": is too long for what it is used for",
                         STR_ARG(path));
    return true;
}

static bool read_private(struct str path, size_t most, struct buf *out, struct error *err)
{
    OWNED_ARENA struct arena *a = arena_new();
    /* O_NONBLOCK: a FIFO in its place must not hang the start. */
    OWNED_FD const int fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, ERR_CONFIG,
                         STR_FMT ": cannot be opened (%s); create it with mode "
                                 "0600 for this service's user",
                         STR_ARG(path), strerrordesc_np(errno));
    if (!check_file(fd, path, most, err))
        return false;
    char bytes[KEY_MAX + 1];
    size_t len;
    const bool whole = read_whole(fd, bytes, most + 1, &len);
    if (whole)
        buf_add(out, bytes, len);
    else
        error_set(err, ERR_CONFIG, STR_FMT ": cannot be read (%s)", STR_ARG(path),
                  strerrordesc_np(errno));
    explicit_bzero(bytes, sizeof bytes);
    return whole;
}

bool config_read_secret(struct str path, struct buf *out, struct error *err)
{
    OWNED_SECRET struct buf bytes;
    buf_init(&bytes, SECRET_MAX + 1);
    return read_private(path, SECRET_MAX, &bytes, err) &&
           take_secret(path, buf_view(&bytes), out, err);
}

bool config_read_key(struct str path, struct buf *out, struct error *err)
{
    return read_private(path, KEY_MAX, out, err);
}
