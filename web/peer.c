// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/peer.h"

#include "appliance/base/random.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

enum { DESCRIPTORS_MAX = 65536, SUBSCRIBER_BYTES = 8 };

static struct peer_key key_of_v4(const struct in_addr *address)
{
    struct peer_key key = {.bytes = {[10] = 0xff, [11] = 0xff}};
    memcpy(key.bytes + 12, address, 4);
    return key;
}

static struct peer_key key_of_v6(const struct in6_addr *address)
{
    struct peer_key key = {0};
    memcpy(key.bytes, address, IN6_IS_ADDR_V4MAPPED(address) ? sizeof key.bytes : SUBSCRIBER_BYTES);
    return key;
}

struct peer_key peer_key(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return key_of_v4(&v4);
    if (inet_pton(AF_INET6, address, &v6) == 1)
        return key_of_v6(&v6);
    return (struct peer_key){0};
}

struct peer_key peer_key_of_socket(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return key_of_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    if (address->sa_family == AF_INET6)
        return key_of_v6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return (struct peer_key){0};
}

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    random_bytes((uint8_t *)&seed, sizeof seed);
}

// Seeded, so that nobody outside can choose addresses that collide.
uint64_t peer_hash(const struct peer_key *key)
{
    pthread_once(&seed_once, draw_seed);
    uint64_t halves[2];
    memcpy(halves, key->bytes, sizeof halves);
    uint64_t hash = seed;
    for (size_t i = 0; i < 2; i++) {
        hash = (hash ^ halves[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

bool peer_equal(const struct peer_key *a, const struct peer_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

static bool leads_to(int socket, const char *address, unsigned port, unsigned local_port)
{
    struct sockaddr_storage peer, local;
    socklen_t peer_len = sizeof peer, local_len = sizeof local;
    if (getpeername(socket, (struct sockaddr *)&peer, &peer_len) != 0 || port_of(&peer) != port)
        return false;
    if (getsockname(socket, (struct sockaddr *)&local, &local_len) != 0 || port_of(&local) != local_port)
        return false;
    char text[NI_MAXHOST];
    return getnameinfo((struct sockaddr *)&peer, peer_len, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
           strcmp(text, address) == 0;
}

int peer_socket(const char *address, unsigned port, unsigned local_port)
{
    struct rlimit limit;
    int end = DESCRIPTORS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MAX)
        end = (int)limit.rlim_cur;
    for (int socket = 0; socket < end; socket++) {
        if (leads_to(socket, address, port, local_port))
            return socket;
    }
    return -1;
}
