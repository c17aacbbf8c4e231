// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A `p11-kit server` with one PKCS#11 module in it, and the processes that it starts for each connection.
// They form a process group of their own, with a shell in it that kills all of them as soon as our end of a
// pipe closes: when we close it, and when we die, however. Started by posix_spawn, which runs no fork handler
// of a library. No PIN is in an argument, a file or the environment of theirs.
//
// Threads: isolate_server_kill from any; the others one at a time.
#pragma once

#include "appliance/base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define SERVER_FOLDER_BYTES 80

struct isolate_server {
    char folder[SERVER_FOLDER_BYTES]; // mode 0700; holds the socket
    pthread_mutex_t lock;             // group
    pid_t group;  // its leader is our child and not reaped: the number is still its own; 0: none
    int lifeline; // the end of the pipe that we keep
};

// Makes the private folder: of a new name when it has none, else again of the same. ERR_IO.
enum err isolate_server_make_folder(struct isolate_server *server, struct diag *diag);
// folder/socket, as the client's address wants it. out_path holds SERVER_FOLDER_BYTES + 8.
void isolate_server_socket_path(const struct isolate_server *server, char *out_path);

// Kills what is left of an earlier one, starts another and waits until its socket is there.
// ERR_HSM_CONFIG: p11-kit is not installed or ended at once. ERR_IO, ERR_HSM_DOWN.
enum err isolate_server_start(struct isolate_server *server, const char *module, struct diag *diag);
// Whether the server itself still runs.
bool isolate_server_runs(struct isolate_server *server);
// Kills the group at once, stopped or hanging processes too.
void isolate_server_kill(struct isolate_server *server);
// Kills it and removes the folder.
void isolate_server_stop(struct isolate_server *server);
