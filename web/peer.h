// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end of a connection. An IPv6 address counts as its /64, because that is what one
// subscriber gets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct peer_key {
    uint8_t bytes[16];
};

// From an address in text; anything that is not one shares a single key.
struct peer_key peer_key(const char *address);
struct peer_key peer_key_of_socket(const struct sockaddr *address);
uint64_t peer_hash(const struct peer_key *key);
bool peer_equal(const struct peer_key *a, const struct peer_key *b);

// The connected socket of this process that leads from local_port to this peer, or -1. It asks the
// kernel about every descriptor, which is dear: for the rare cases that need it.
int peer_socket(const char *address, unsigned port, unsigned local_port);
