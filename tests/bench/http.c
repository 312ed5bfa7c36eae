/*
 * What HTTP alone costs here: the library that the bridge uses, with as many threads, answers every
 * request with the same bytes. No bridge can answer faster on this machine.
 *
 *   http PORT THREADS BYTES
 *
 * Prints `ready` and runs until it is ended.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *response;

// NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature
static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **context)
{
    (void)cls, (void)url, (void)method, (void)version, (void)data, (void)size;
    if (!*context) {
        *context = response;
        return MHD_YES;
    }
    return MHD_queue_response(connection, 200, response);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: http PORT THREADS BYTES\n");
        return 64;
    }
    size_t bytes = strtoul(argv[3], NULL, 10);
    char *body = calloc(1, bytes + 1);
    if (!body)
        return 1;
    memset(body, ' ', bytes);
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/scim+json");
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME,
        (uint16_t)strtoul(argv[1], NULL, 10), NULL, NULL, answer, NULL, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)strtoul(argv[2], NULL, 10), MHD_OPTION_END);
    if (!daemon)
        return 1;
    puts("ready");
    fflush(stdout);
    pause();
    MHD_stop_daemon(daemon);
    return 0;
}
