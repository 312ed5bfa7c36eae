/*
 * HTTP: libmicrohttpd, ceilings, routing, authentication, and the SCIM endpoint as a client of
 * src/service.
 *
 * Owns:    listening sockets, connections, one request's arena from its first byte to its
 *          completion.
 * Threads: a pool; reads are answered in place, writes and confirmations are suspended and resumed.
 * Errors:  everything the client sees is a SCIM Error body, made by scim/reply.c.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"
#include "service/service.h"

struct http_server;

/* Listening sockets that somebody else has bound: systemd keeps them open while we restart. Ours
 * from http_server_start() on. */
#define HTTP_SOCKETS_MAX 32
struct http_sockets {
    int fd[HTTP_SOCKETS_MAX];
    bool taken[HTTP_SOCKETS_MAX]; /* by the address of server.listen or metrics_listen it has */
    size_t count;
};

/* Listens on every server.listen address and on metrics_listen; `given` may be NULL. Errors:
 * ERR_CONFIG (address in use, not allowed; a given socket that no address names; TLS files, as
 * FILE:LINE: KEY: reason). */
MUST_CHECK bool http_server_start(const struct config *config, struct service *service,
                                  struct http_sockets *given, struct http_server **out,
                                  struct error *err);
/* The threads that see to connections get on; for a watchdog. */
bool http_server_alive(const struct http_server *h);
/* Stops accepting, finishes what runs, closes. */
void http_server_stop(struct http_server *h);
