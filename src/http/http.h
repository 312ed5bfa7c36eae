/*
 * HTTP: libmicrohttpd, ceilings, routing, authentication, and the SCIM endpoint as a client of
 * src/service.
 *
 * Owns:    listening sockets, connections, one request's arena from its first byte to its
 * completion. Threads: a pool; reads are answered in place, writes and confirmations are suspended
 * and resumed. Errors:  everything the client sees is a SCIM Error body, made by scim/reply.c.
 */
#pragma once

#include "base/error.h"
#include "config/config.h"
#include "service/service.h"

struct http_server;

/* Listens on every server.listen address and on metrics_listen. Errors: ERR_CONFIG (address in use,
 * not allowed). */
MUST_CHECK bool http_server_start(const struct config *config, struct service *service,
                                  struct http_server **out, struct error *err);
/* Stops accepting, finishes what runs, closes. */
void http_server_stop(struct http_server *h);
