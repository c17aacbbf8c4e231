// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/census.h"

#include "web/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DESCRIPTORS = 8192, // looked at; the kernel hands out the lowest free one
    GAP = 1024,         // unused descriptors in a row after which no more are expected
    BUCKETS = 16384,    // more than DESCRIPTORS: there is always a free one
};

struct connection {
    struct peer_key key;
    unsigned port; // 0: not a connection to our port
};

struct address {
    struct peer_key key;
    unsigned count; // 0: free
};

struct census {
    unsigned local_port;
    atomic_uint per_address;
    struct connection known[DESCRIPTORS]; // by descriptor, from the last census
    struct address addresses[BUCKETS];
};

struct census *census_new(unsigned local_port, unsigned per_address)
{
    struct census *census = calloc(1, sizeof *census);
    if (census == NULL)
        return NULL;
    census->local_port = local_port;
    census_set_limit(census, per_address);
    return census;
}

void census_set_limit(struct census *census, unsigned per_address)
{
    atomic_store(&census->per_address, per_address);
}

void census_free(struct census *census)
{
    free(census);
}

static unsigned *count_of(struct census *census, const struct peer_key *key)
{
    size_t at = peer_hash(key) % BUCKETS;
    while (census->addresses[at].count > 0 && !peer_equal(&census->addresses[at].key, key))
        at = (at + 1) % BUCKETS;
    census->addresses[at].key = *key;
    return &census->addresses[at].count;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

// What a descriptor is to us; port 0 when it is none of ours. errno tells an unused one (EBADF).
static struct connection look_at(const struct census *census, int descriptor)
{
    struct sockaddr_storage local, peer;
    socklen_t local_len = sizeof local, peer_len = sizeof peer;
    errno = 0;
    if (getsockname(descriptor, (struct sockaddr *)&local, &local_len) != 0 ||
        port_of(&local) != census->local_port ||
        getpeername(descriptor, (struct sockaddr *)&peer, &peer_len) != 0)
        return (struct connection){0};
    return (struct connection){peer_key_of_socket((struct sockaddr *)&peer), port_of(&peer)};
}

static bool same(const struct connection *a, const struct connection *b)
{
    return a->port == b->port && peer_equal(&a->key, &b->key);
}

// A duplicate of the descriptor cannot be closed or reused by the connection's own thread meanwhile.
static int pin(int descriptor)
{
    return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

static bool end_input(const struct census *census, int descriptor, const struct connection *expected)
{
    int pinned = pin(descriptor);
    if (pinned < 0)
        return false;
    struct connection found = look_at(census, pinned);
    bool ended = found.port != 0 && same(&found, expected) && shutdown(pinned, SHUT_RD) == 0;
    close(pinned);
    return ended;
}

static bool is_ours(const struct census *census, int descriptor)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    return getsockname(descriptor, (struct sockaddr *)&local, &len) == 0 &&
           port_of(&local) == census->local_port;
}

void census_end_all(struct census *census)
{
    for (int descriptor = 0; descriptor < DESCRIPTORS; descriptor++) {
        int pinned = is_ours(census, descriptor) ? pin(descriptor) : -1;
        if (pinned < 0)
            continue;
        if (is_ours(census, pinned))
            shutdown(pinned, SHUT_RD);
        close(pinned);
    }
}

// Counts connections that the last census let stay, and collects the others.
static size_t count_known(struct census *census, int *newcomers)
{
    size_t count = 0;
    int unused = 0;
    for (int descriptor = 0; descriptor < DESCRIPTORS; descriptor++) {
        struct connection *known = &census->known[descriptor];
        struct connection found = {0};
        if (unused < GAP) {
            found = look_at(census, descriptor);
            unused = errno == EBADF ? unused + 1 : 0;
        }
        bool stays = found.port != 0 && same(&found, known);
        *known = found;
        if (stays)
            ++*count_of(census, &found.key);
        else if (found.port != 0)
            newcomers[count++] = descriptor;
    }
    return count;
}

size_t census_take(struct census *census)
{
    size_t ended = 0;
    int *newcomers = malloc(DESCRIPTORS * sizeof *newcomers);
    if (newcomers == NULL)
        return 0;
    memset(census->addresses, 0, sizeof census->addresses);
    size_t count = count_known(census, newcomers);
    for (size_t i = 0; i < count; i++) {
        struct connection *newcomer = &census->known[newcomers[i]];
        unsigned *connections = count_of(census, &newcomer->key);
        if (*connections < census->per_address) {
            ++*connections;
            continue;
        }
        ended += end_input(census, newcomers[i], newcomer);
        newcomer->port = 0; // not known: it counts for nothing until it is gone
    }
    free(newcomers);
    return ended;
}
