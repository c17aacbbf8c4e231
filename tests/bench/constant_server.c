// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// constant_server PORT THREADS REPLY: what civetweb itself can do. Answers every request on 127.0.0.1 with
// the bytes of the file REPLY (head and body of one of the appliance's own replies), after reading its body.
// Options are those of web/server.c, over plain HTTP. Ends on SIGTERM.
#include <civetweb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_BYTES_MAX = 1 << 20, BODY_PIECE = 4096 };

struct reply {
    char *bytes;
    size_t len;
};

static int answer(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    const struct reply *reply = info->user_data;
    char piece[BODY_PIECE];
    long long left = info->content_length;
    while (left > 0) {
        const int got = mg_read(connection, piece, sizeof piece);
        if (got <= 0)
            break;
        left -= got;
    }
    mg_write(connection, reply->bytes, reply->len);
    return 1;
}

static struct reply load(const char *path)
{
    struct reply reply = {.bytes = malloc(REPLY_BYTES_MAX)};
    FILE *file = fopen(path, "rb");
    if (file == NULL || reply.bytes == NULL) {
        perror(path);
        exit(1);
    }
    reply.len = fread(reply.bytes, 1, REPLY_BYTES_MAX, file);
    fclose(file);
    return reply;
}

static struct mg_context *start(const char *address, const char *threads, struct reply *reply)
{
    const char *options[] = {"listening_ports",
                             address,
                             "num_threads",
                             threads,
                             "max_request_size",
                             "16384",
                             "request_timeout_ms",
                             "10000",
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
    const struct mg_callbacks callbacks = {.begin_request = answer};
    mg_init_library(0);
    return mg_start(&callbacks, reply, options);
}

int main(int argc, char **argv)
{
    char address[32];
    int received;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); // before there are threads
    if (argc != 4) {
        fprintf(stderr, "usage: constant_server PORT THREADS REPLY\n");
        return 2;
    }
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[1]);
    struct reply reply = load(argv[3]);
    if (start(address, argv[2], &reply) == NULL) {
        fprintf(stderr, "constant_server: cannot listen on %s\n", address);
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    sigwait(&signals, &received);
    _Exit(0); // civetweb's own stop waits for idle connections
}
