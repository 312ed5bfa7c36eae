/* Who connects is taken from the listening sockets by one thread of ours and handed to those of the
 * library. The library's own accepting cannot be ended beside its threads: MHD_quiesce_daemon() and
 * they take one socket out of one epoll set, and the process dies where they do it at once. */
#include "http/internal.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define AT_ONCE 64          /* from one socket, before the next has its turn */
#define LOOK_FOR_ROOM_MS 10 /* while there are as many connections as may be */

struct http_accept {
    struct MHD_Daemon *daemon;
    struct http_peers *peers;
    const struct http_sockets *given; /* of systemd: who waits there is for the next process */
    size_t room;
    size_t count;
    struct pollfd *at; /* the sockets, and behind them the wish to stop */
    bool out_of_files;
    pthread_t thread;
};

static bool has_room(const struct http_accept *a)
{
    return !a->out_of_files && http_peers_count(a->peers) < a->room;
}

static bool is_lack(int why)
{
    return why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM;
}

/* False: nobody waits there, or there is no room. */
static bool take_one(struct http_accept *a, int listener)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    struct sockaddr *address = (struct sockaddr *)&from;
    int fd = accept4(listener, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        a->out_of_files = is_lack(errno);
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (!http_peers_admit(a->peers, address))
        close(fd);
    else if (MHD_add_connection(a->daemon, fd, address, size) != MHD_YES) /* which has closed it */
        http_peers_dismiss(a->peers, address);
    return true;
}

static void take(struct http_accept *a, int listener, size_t at_most)
{
    while (at_most-- > 0 && has_room(a) && take_one(a, listener))
        ;
}

static void *run(void *arg)
{
    struct http_accept *a = arg;
    struct pollfd *stop = &a->at[a->count];
    while (!stop->revents) {
        a->out_of_files = false;
        for (size_t i = 0; i < a->count; i++)
            if (a->at[i].revents)
                take(a, a->at[i].fd, AT_ONCE);
        bool room = has_room(a);
        for (size_t i = 0; i < a->count; i++)
            a->at[i] = (struct pollfd){.fd = a->at[i].fd, .events = room ? POLLIN : 0};
        poll(a->at, a->count + 1, room ? -1 : LOOK_FOR_ROOM_MS);
    }
    return NULL;
}

void http_accept_start(struct http_server *h, const int *listeners, size_t count)
{
    struct http_accept *a = calloc(1, sizeof(*a));
    if (!a || !(a->at = calloc(count + 1, sizeof(*a->at))))
        memory_out();
    a->daemon = h->daemon;
    a->peers = h->peers;
    a->given = h->given;
    a->room = h->connections;
    a->count = count;
    for (size_t i = 0; i < count; i++) {
        a->at[i].fd = listeners[i];
        fcntl(listeners[i], F_SETFL, fcntl(listeners[i], F_GETFL) | O_NONBLOCK);
    }
    a->at[count] = (struct pollfd){.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
    if (a->at[count].fd < 0 || pthread_create(&a->thread, NULL, run, a) != 0)
        memory_out();
    pthread_setname_np(a->thread, "accept");
    h->accept = a;
}

void http_accept_stop(struct http_accept *a)
{
    if (!a)
        return;
    eventfd_write(a->at[a->count].fd, 1);
    pthread_join(a->thread, NULL);
    for (size_t i = 0; i < a->count; i++) {
        if (!http_sockets_has(a->given, a->at[i].fd))
            take(a, a->at[i].fd, a->room);
        close(a->at[i].fd);
    }
    close(a->at[a->count].fd);
    free(a->at);
    free(a);
}
