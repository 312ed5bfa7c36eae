/* Listening sockets: our own, or those that systemd holds open while we restart. */
#include "http/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#define BACKLOG 1024

static bool split_address(struct str address, char host[256], char port[8])
{
    size_t colon;
    if (!str_rfind(address, ':', &colon) || colon >= 256 || address.len - colon - 1 >= 8)
        return false;
    struct str name = str_sub(address, 0, colon);
    if (name.len >= 2 && name.at[0] == '[' && name.at[name.len - 1] == ']')
        name = str_sub(name, 1, name.len - 2);
    snprintf(host, 256, STR_FMT, STR_ARG(name));
    snprintf(port, 8, "%.*s", (int)(address.len - colon - 1), address.at + colon + 1);
    return true;
}

/* Family, address and port; a scope or flow of IPv6 aside. */
static bool is_at(int fd, const struct addrinfo *wanted)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        bound.ss_family != wanted->ai_family)
        return false;
    if (bound.ss_family == AF_INET) {
        struct sockaddr_in a, b;
        memcpy(&a, &bound, sizeof(a));
        memcpy(&b, wanted->ai_addr, sizeof(b));
        return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
    }
    struct sockaddr_in6 a, b;
    memcpy(&a, &bound, sizeof(a));
    memcpy(&b, wanted->ai_addr, sizeof(b));
    return a.sin6_port == b.sin6_port && memcmp(&a.sin6_addr, &b.sin6_addr, 16) == 0;
}

static bool take_given(struct http_sockets *given, const struct addrinfo *found, int *fd)
{
    for (; found; found = found->ai_next) {
        for (size_t i = 0; given && i < given->count; i++) {
            if (!given->taken[i] && is_at(given->fd[i], found)) {
                given->taken[i] = true;
                *fd = given->fd[i];
                return true;
            }
        }
    }
    return false;
}

static bool bind_first(const struct addrinfo *found, int *fd)
{
    int on = 1;
    int sock = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0)
        return false;
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(sock, found->ai_addr, found->ai_addrlen) != 0 || listen(sock, BACKLOG) != 0) {
        int why = errno;
        close(sock);
        errno = why;
        return false;
    }
    *fd = sock;
    return true;
}

bool http_listen(struct http_sockets *given, struct str address, int *fd, struct error *err)
{
    char host[256], port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split_address(address, host, port))
        return error_set(err, ERR_CONFIG, "listen: " STR_FMT " is not host:port", STR_ARG(address));
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return error_set(err, ERR_CONFIG, "listen: " STR_FMT ": %s", STR_ARG(address),
                         gai_strerror(rc));
    bool bound = take_given(given, found, fd) || bind_first(found, fd);
    int why = errno;
    freeaddrinfo(found);
    return bound ||
           error_set(err, ERR_CONFIG, "listen: " STR_FMT ": %s", STR_ARG(address), strerror(why));
}

unsigned http_listen_port(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    char port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
        getnameinfo((struct sockaddr *)&bound, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return (unsigned)strtoul(port, NULL, 10);
}

bool http_sockets_has(const struct http_sockets *given, int fd)
{
    for (size_t i = 0; given && i < given->count; i++)
        if (given->fd[i] == fd)
            return true;
    return false;
}

bool http_sockets_all_taken(const struct http_sockets *given, struct error *err)
{
    for (size_t i = 0; given && i < given->count; i++) {
        char host[64] = "?", port[8] = "?";
        struct sockaddr_storage bound = {0};
        socklen_t size = sizeof(bound);
        if (given->taken[i])
            continue;
        if (getsockname(given->fd[i], (struct sockaddr *)&bound, &size) == 0)
            getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
                        NI_NUMERICHOST | NI_NUMERICSERV);
        return error_set(err, ERR_CONFIG,
                         "the socket unit listens on %s:%s, which server.listen does not name; "
                         "make them the same",
                         host, port);
    }
    return true;
}
