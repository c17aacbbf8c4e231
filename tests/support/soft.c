// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/soft.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { BLOCKS_PER_UPDATE = 1 << 20 };

void soft_cipher_init(struct soft_cipher *soft, const uint8_t *key, size_t key_bytes)
{
    const EVP_CIPHER *algorithm = key_bytes == 16   ? EVP_aes_128_ecb()
                                  : key_bytes == 24 ? EVP_aes_192_ecb()
                                                    : EVP_aes_256_ecb();
    memset(soft, 0, sizeof *soft);
    EVP_CIPHER_CTX *schedule = EVP_CIPHER_CTX_new();
    assert(schedule != NULL && (key_bytes == 16 || key_bytes == 24 || key_bytes == 32));
    int initialized = EVP_EncryptInit_ex(schedule, algorithm, NULL, key, NULL);
    assert(initialized == 1);
    EVP_CIPHER_CTX_set_padding(schedule, 0);
    soft->schedule = schedule;
}

void soft_cipher_done(struct soft_cipher *soft)
{
    EVP_CIPHER_CTX_free(soft->schedule);
    soft->schedule = NULL;
}

static enum err encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct soft_cipher *soft = context;
    size_t call = atomic_fetch_add_explicit(&soft->calls, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(&soft->blocks, count, memory_order_relaxed);
    if (soft->fail_at_call == call)
        return soft->failure;
    while (count > 0) {
        size_t now = count < BLOCKS_PER_UPDATE ? count : BLOCKS_PER_UPDATE;
        int written = 0;
        int done = EVP_EncryptUpdate(soft->schedule, blocks, &written, blocks, (int)now * CIPHER_BLOCK_BYTES);
        assert(done == 1 && written == (int)now * CIPHER_BLOCK_BYTES);
        blocks += now * CIPHER_BLOCK_BYTES;
        count -= now;
    }
    return OK;
}

struct cipher soft_cipher_seam(struct soft_cipher *soft)
{
    return (struct cipher){.encrypt = encrypt, .context = soft};
}

static enum err compute(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES])
{
    struct soft_mac *soft = context;
    unsigned len = MAC_BYTES;
    return HMAC(EVP_sha256(), soft->key, sizeof soft->key, message, message_bytes, out_mac, &len) != NULL
               ? OK
               : ERR_INTERNAL;
}

struct mac soft_mac_seam(struct soft_mac *soft)
{
    return (struct mac){.compute = compute, .context = soft};
}

// splitmix64 (Steele, Lea, Flood 2014): statistics for tests, not cryptography.
static uint64_t next_word(uint64_t *state)
{
    uint64_t word = *state += 0x9e3779b97f4a7c15u;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

static enum err fill(void *context, uint8_t *out, size_t out_bytes)
{
    struct soft_rng *soft = context;
    for (size_t i = 0; i < out_bytes; i++)
        out[i] = (uint8_t)next_word(&soft->state);
    return OK;
}

struct rng soft_rng_seam(struct soft_rng *soft)
{
    return (struct rng){.fill = fill, .context = soft};
}
