/* libldap shakes hands over TLS until it has succeeded or failed: without a pause on a socket that
 * does not block, for ever where it does and the peer says nothing. A layer between the socket and
 * TLS waits for the peer instead, and fails at the deadline. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "directory/internal.h"

#define LEVEL (LBER_SBIOD_LEVEL_PROVIDER + 1) /* above the socket, below TLS */

static int keep(Sockbuf_IO_Desc *io, void *handshake)
{
    io->sbiod_pvt = handshake;
    return 0;
}

static int pass_control(Sockbuf_IO_Desc *io, int option, void *arg)
{
    return LBER_SBIOD_CTRL_NEXT(io, option, arg);
}

static int socket_of(Sockbuf_IO_Desc *io)
{
    struct directory_handshake *h = io->sbiod_pvt;
    ber_socket_t fd = -1;
    if (ber_sockbuf_ctrl(io->sbiod_sb, LBER_SB_OPT_GET_FD, &fd) != 1 || fd < 0)
        return -1;
    if (!h->never_blocks)
        h->never_blocks = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
    return fd;
}

/* After a read or write that came to nothing: true to try again. */
static bool wait_for(const Sockbuf_IO_Desc *io, int fd, short events)
{
    const struct directory_handshake *h = io->sbiod_pvt;
    struct pollfd one = {.fd = fd, .events = events};
    if (errno != EAGAIN)
        return errno == EINTR;
    int ready = poll(&one, 1, (int)clock_left_ms(h->deadline));
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

static ber_slen_t read_in_time(Sockbuf_IO_Desc *io, void *at, ber_len_t len)
{
    const int fd = socket_of(io);
    ber_slen_t got;
    do
        got = LBER_SBIOD_READ_NEXT(io, at, len);
    while (got < 0 && wait_for(io, fd, POLLIN));
    return got;
}

static ber_slen_t write_in_time(Sockbuf_IO_Desc *io, void *at, ber_len_t len)
{
    const int fd = socket_of(io);
    ber_slen_t sent;
    do
        sent = LBER_SBIOD_WRITE_NEXT(io, at, len);
    while (sent < 0 && wait_for(io, fd, POLLOUT));
    return sent;
}

static Sockbuf_IO in_time = {
    .sbi_setup = keep,
    .sbi_ctrl = pass_control,
    .sbi_read = read_in_time,
    .sbi_write = write_in_time,
};

bool directory_handshake_begin(LDAP *ld, struct directory_handshake *h)
{
    Sockbuf *buffer = NULL;
    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_add_io(buffer, &in_time, LEVEL, h) == 0;
}

bool directory_handshake_end(LDAP *ld)
{
    Sockbuf *buffer = NULL;
    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
           ber_sockbuf_remove_io(buffer, &in_time, LEVEL) == 0;
}
