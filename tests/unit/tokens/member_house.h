// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Members with keys of every kind, and one who is none, for tests of what they may present.
#pragma once

#include "tests/unit/tokens/forge.h"

#include "appliance/tokens/member.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { NOW_S = 1700000000 };

static struct soft_mac mac_key = {.key = {7}};
static struct fixture fixture;
static struct long_ids *ids;
static struct members members;
static struct clients *clients;

enum signing { ED, EC, RSA_2048, OTHER_ED, KEYS };
static EVP_PKEY *keys[KEYS]; // the last one is another member's
static struct buf pems[KEYS];
static char key_ids[KEYS][MEMBER_KEY_ID_BYTES];

static inline void write_pem(EVP_PKEY *key, bool private, struct buf *out)
{
    char *at;
    BIO *bio = BIO_new(BIO_s_mem());
    if (private)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    const long bytes = BIO_get_mem_data(bio, &at);
    buf_append(out, at, (size_t)bytes);
    BIO_free(bio);
}

static inline void name_key(enum signing which)
{
    uint8_t raw[32], *der = NULL;
    size_t raw_bytes = sizeof raw;
    if (EVP_PKEY_get_raw_public_key(keys[which], raw, &raw_bytes) == 1) {
        member_key_id(raw, raw_bytes, key_ids[which]);
        return;
    }
    const int der_bytes = i2d_PUBKEY(keys[which], &der);
    member_key_id(der, (size_t)der_bytes, key_ids[which]);
    OPENSSL_free(der);
}

static inline struct member_key file_of(enum signing which)
{
    return (struct member_key){"key.pem", pems[which].at, pems[which].len};
}

static inline struct clients *new_clients(unsigned generation, bool accept_previous)
{
    struct clients *made;
    const struct member_key own[] = {file_of(ED), file_of(EC), file_of(RSA_2048)};
    const struct member_key others[] = {file_of(OTHER_ED)};
    const struct client_options shop = {.name = "shop",
                                        .id = 9,
                                        .tenant_id = 1,
                                        .generation = generation,
                                        .accept_previous = accept_previous,
                                        .apis = CLIENT_API_REQUESTS,
                                        .permissions = PERMISSION_TOKENIZE,
                                        .member_keys = own,
                                        .member_key_count = 3,
                                        .rate = 25,
                                        .display_name = "The Shop",
                                        .mac = soft_mac_seam(&mac_key)};
    struct client_options all[] = {shop, shop, shop};
    all[1].name = "other", all[1].id = 10, all[1].member_keys = others, all[1].member_key_count = 1;
    all[2].name = "cards", all[2].id = 11, all[2].apis = CLIENT_API_CARD, all[2].display_name = NULL;
    const struct clients_services services = {.members = &members};
    assert_int_equal(clients_new(all, 3, &services, &made, NULL), OK);
    return made;
}

static inline int make_all(void **state)
{
    (void)state;
    uint8_t seed[32] = {3};
    struct soft_signer signer;
    fixture_init(&fixture, 0, 1);
    assert_int_equal(long_ids_new(fixture.keyring, "tokn", &ids), OK);
    members.ids = ids;
    soft_signer_init(&signer, SIGNER_ED25519, seed);
    keys[ED] = signer.key;
    soft_signer_init(&signer, SIGNER_ES256, seed);
    keys[EC] = signer.key;
    keys[RSA_2048] = EVP_RSA_gen(2048);
    seed[0]++;
    soft_signer_init(&signer, SIGNER_ED25519, seed);
    keys[OTHER_ED] = signer.key;
    for (size_t i = 0; i < KEYS; i++) {
        write_pem(keys[i], false, &pems[i]);
        name_key((enum signing)i);
    }
    clients = new_clients(1, false);
    return 0;
}

static inline int drop_all(void **state)
{
    (void)state;
    clients_free(clients);
    long_ids_free(ids);
    fixture_done(&fixture);
    for (size_t i = 0; i < KEYS; i++) {
        EVP_PKEY_free(keys[i]);
        buf_done(&pems[i]);
    }
    return 0;
}

static inline const char *id_of(const char *name)
{
    return client_member_id(clients_find(clients, name));
}
