// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/fields.h"

#include "appliance/base/secret.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NEAR_BYTES = 512, LENGTH_BYTES = 4, SHA256_BYTES = 32 };

// SHA256() of OpenSSL 3 looks the algorithm up in each call, which takes twice as long as the digest.
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void sha256_fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); // for the life of the process
}

// Label and fields, of a length known before they are written. A value with a tweak of its own derives one:
// the usual message needs no memory from the heap.
struct message {
    uint8_t near[NEAR_BYTES];
    uint8_t *at;
    size_t len, room;
};

static size_t room_of(const struct field *fields, size_t count)
{
    size_t room = 0;
    for (size_t i = 0; i < count; i++)
        room += LENGTH_BYTES + fields[i].count;
    return room;
}

static void put(struct message *message, const void *bytes, size_t count)
{
    assert(count <= message->room - message->len);
    if (count > 0)
        memcpy(message->at + message->len, bytes, count);
    message->len += count;
}

static void put_fields(struct message *message, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = fields[i].count;
        const uint8_t length[LENGTH_BYTES] = {(uint8_t)(bytes >> 24), (uint8_t)(bytes >> 16),
                                              (uint8_t)(bytes >> 8), (uint8_t)bytes};
        put(message, length, sizeof length);
        put(message, fields[i].bytes, bytes);
    }
}

// The label, the fields that every message of its kind begins with, and those given.
static enum err message_init(struct message *message, const char *label, const struct field *first,
                             size_t first_count, const struct field *fields, size_t count)
{
    message->len = 0;
    message->room = strlen(label) + 1 + room_of(first, first_count) + room_of(fields, count);
    message->at = message->room <= sizeof message->near ? message->near : malloc(message->room);
    if (message->at == NULL)
        return ERR_MEMORY;
    put(message, label, strlen(label));
    put(message, "\x01", 1);
    put_fields(message, first, first_count);
    put_fields(message, fields, count);
    return OK;
}

static void message_done(struct message *message)
{
    wipe(message->at, message->len);
    if (message->at != message->near)
        free(message->at);
}

static enum err digest_16(const struct message *message, uint8_t out_digest[16])
{
    uint8_t digest[SHA256_BYTES];
    WIPE_AT_EXIT(digest);
    pthread_once(&sha256_once, sha256_fetch);
    if (sha256 == NULL || EVP_Digest(message->at, message->len, digest, NULL, sha256, NULL) != 1)
        return ERR_MEMORY;
    memcpy(out_digest, digest, 16);
    return OK;
}

enum err tweak_derive(const char *purpose, unsigned tenant_id, const struct field *fields, size_t count,
                      uint8_t out_tweak[TWEAK_BYTES])
{
    struct message message;
    const struct field_u16 tenant = field_u16(tenant_id);
    const struct field first[] = {{purpose, strlen(purpose)}, FIELD_ARRAY(tenant.bytes)};
    enum err rc = message_init(&message, "symbolon", first, 2, fields, count);
    if (rc != OK)
        return rc;
    rc = digest_16(&message, out_tweak);
    message_done(&message);
    return rc;
}

enum err layout_derive(const struct field *fields, size_t count, uint8_t out_layout[LAYOUT_BYTES])
{
    struct message message;
    enum err rc = message_init(&message, "symbolon layout", NULL, 0, fields, count);
    if (rc != OK)
        return rc;
    rc = digest_16(&message, out_layout);
    message_done(&message);
    return rc;
}

enum err mac_derive(const struct mac *mac, const char *purpose, const struct field *fields, size_t count,
                    uint8_t out_mac[MAC_BYTES])
{
    struct message message;
    const struct field first[] = {{purpose, strlen(purpose)}};
    enum err rc = message_init(&message, "symbolon mac", first, 1, fields, count);
    if (rc != OK)
        return rc;
    rc = mac_compute(mac, message.at, message.len, out_mac);
    message_done(&message);
    return rc;
}
