// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// civetweb with the options of web/server.c over plain HTTP, for programs that the appliance is compared
// with.
#pragma once

#include <civetweb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

// Reads a file of at most out_capacity bytes; ends the program when it cannot.
static inline size_t plain_read(const char *path, char *out, size_t out_capacity)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    const size_t count = fread(out, 1, out_capacity, file);
    fclose(file);
    return count;
}

static inline struct mg_context *plain_start(const char *address, const char *threads,
                                             const struct mg_callbacks *callbacks, void *user_data)
{
    const char *options[] = {"listening_ports",
                             address,
                             "num_threads",
                             threads,
                             "max_request_size",
                             "16384",
                             "request_timeout_ms",
                             "5000",
                             "keep_alive_timeout_ms",
                             "15000",
                             "enable_keep_alive",
                             "yes",
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "connection_queue",
                             "64",
                             "listen_backlog",
                             "512",
                             "enable_auth_domain_check",
                             "no",
                             "enable_directory_listing",
                             "no",
                             "access_control_allow_origin",
                             "",
                             "access_control_allow_methods",
                             "",
                             "access_control_allow_headers",
                             "",
                             NULL};
    mg_init_library(0);
    return mg_start(callbacks, user_data, options);
}

// Serves on 127.0.0.1, says "ready" on stdout, and ends the process on SIGTERM. Returns a status only when it
// cannot listen.
static inline int plain_serve(const char *port, const char *threads, const struct mg_callbacks *callbacks,
                              void *user_data)
{
    char address[32];
    int received;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before there are threads
    snprintf(address, sizeof address, "127.0.0.1:%s", port);
    if (plain_start(address, threads, callbacks, user_data) == NULL) {
        fprintf(stderr, "cannot listen on %s\n", address);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    sigwait(&signals, &received);
    _Exit(0); // civetweb's own stop waits for idle connections
}
