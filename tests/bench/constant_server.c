// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// constant_server PORT THREADS REPLY: what civetweb itself can do. Answers every request with the bytes of
// the file REPLY (head and body of one of the appliance's own replies), after reading its body.
#include "tests/bench/plain_civetweb.h"

enum { REPLY_BYTES_MAX = 1 << 20, BODY_PIECE = 4096 };

struct reply {
    char bytes[REPLY_BYTES_MAX];
    size_t count;
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
    mg_write(connection, reply->bytes, reply->count);
    return 1;
}

int main(int argc, char **argv)
{
    static struct reply reply;
    if (argc != 4) {
        fprintf(stderr, "usage: constant_server PORT THREADS REPLY\n");
        return 2;
    }
    reply.count = plain_read(argv[3], reply.bytes, sizeof reply.bytes);
    const struct mg_callbacks callbacks = {.begin_request = answer};
    return plain_serve(argv[1], argv[2], &callbacks, &reply);
}
