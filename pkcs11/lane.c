// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/lane.h"
#include "pkcs11/ckr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PROBE_BLOCKS = 3, PROBE_FIRST_BLOCKS = 2 };

struct lane {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    bool stream;
};

struct lane_pool {
    struct slot *slot;
    struct key_query query;
    pthread_mutex_t lock;
    pthread_cond_t given;
    unsigned lane_count, idle_count;
    struct lane *idle[LANES_MAX];
    struct lane lanes[LANES_MAX];
};

// ---- one lane ---------------------------------------------------------------------------------------

static CK_RV lane_begin(const struct slot *slot, const struct lane *lane)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    return slot->f->C_EncryptInit(lane->session, &ecb, lane->key);
}

// Output other than one byte for each byte means that the operation holds bytes back: it is lost.
static CK_RV lane_call(const struct slot *slot, const struct lane *lane, uint8_t *blocks, size_t count)
{
    CK_ULONG bytes = count * CIPHER_BLOCK_BYTES, out_bytes = bytes;
    CK_RV rv;
    if (lane->stream) {
        rv = slot->f->C_EncryptUpdate(lane->session, blocks, bytes, blocks, &out_bytes);
    } else {
        rv = lane_begin(slot, lane);
        if (rv == CKR_OK)
            rv = slot->f->C_Encrypt(lane->session, blocks, bytes, blocks, &out_bytes);
    }
    return rv == CKR_OK && out_bytes != bytes ? CKR_OPERATION_NOT_INITIALIZED : rv;
}

static void probe_fill(uint8_t *blocks)
{
    for (size_t i = 0; i < (size_t)PROBE_BLOCKS * CIPHER_BLOCK_BYTES; i++)
        blocks[i] = (uint8_t)(i * 7 + 1);
}

static bool probe_stream(const struct slot *slot, struct lane *lane, const uint8_t *expected)
{
    uint8_t blocks[PROBE_BLOCKS * CIPHER_BLOCK_BYTES];
    probe_fill(blocks);
    lane->stream = true;
    return lane_begin(slot, lane) == CKR_OK && lane_call(slot, lane, blocks, PROBE_FIRST_BLOCKS) == CKR_OK &&
           lane_call(slot, lane, blocks + PROBE_FIRST_BLOCKS * CIPHER_BLOCK_BYTES,
                     PROBE_BLOCKS - PROBE_FIRST_BLOCKS) == CKR_OK &&
           memcmp(blocks, expected, sizeof blocks) == 0;
}

static CK_RV probe_single_part(const struct slot *slot, const struct lane *lane, uint8_t *expected)
{
    uint8_t blocks[PROBE_BLOCKS * CIPHER_BLOCK_BYTES];
    CK_ULONG bytes = sizeof blocks;
    probe_fill(blocks);
    CK_RV rv = lane_begin(slot, lane);
    if (rv == CKR_OK)
        rv = slot->f->C_Encrypt(lane->session, blocks, sizeof blocks, expected, &bytes);
    return rv;
}

static void lane_close(struct slot *slot, struct lane *lane)
{
    slot_close_session(slot, lane->session);
    *lane = (struct lane){0};
}

static enum err lane_open_session(struct slot *slot, const struct key_query *query, struct lane *lane,
                                  struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    TRY(slot_open_session(slot, false, &lane->session, diag));
    rc = key_find(slot, lane->session, query, &lane->key, out_evidence, diag);
out:
    return rc;
}

// Leaves the lane with its stream open, or proved to work call by call.
static enum err lane_open(struct slot *slot, const struct key_query *query, struct lane *lane,
                          struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    uint8_t expected[PROBE_BLOCKS * CIPHER_BLOCK_BYTES], blocks[sizeof expected];
    TRY(lane_open_session(slot, query, lane, out_evidence, diag));
    CK_RV rv = probe_single_part(slot, lane, expected);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "AES-ECB of three blocks"));
    if (probe_stream(slot, lane, expected))
        return OK;
    // A session lost in this moment says nothing about streams.
    REQUIRE(slot_session_is_good(slot, lane->session),
            diag_set(diag, ERR_BUSY, "%s: the session was lost while its stream was probed", slot->name));
    lane_close(slot, lane);
    TRY(lane_open_session(slot, query, lane, out_evidence, diag));
    probe_fill(blocks);
    rv = lane_call(slot, lane, blocks, PROBE_BLOCKS);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "AES-ECB of three blocks in place"));
    REQUIRE(memcmp(blocks, expected, sizeof blocks) == 0,
            diag_set(diag, ERR_HSM_CONFIG, "%s: the module encrypts wrongly in place", slot->name));
out:
    if (rc != OK)
        lane_close(slot, lane);
    return rc;
}

// The retriable codes are given before a module touches data. The first and the last block prove it: a call
// that had begun, from either end, would have changed one of them.
static enum err lane_encrypt_chunk(const struct lane_pool *pool, struct lane *lane, uint8_t *blocks,
                                   size_t count)
{
    struct slot *slot = pool->slot;
    uint8_t ends[2 * CIPHER_BLOCK_BYTES];
    WIPE_AT_EXIT(ends);
    uint8_t *last = blocks + (count - 1) * CIPHER_BLOCK_BYTES;
    memcpy(ends, blocks, CIPHER_BLOCK_BYTES);
    memcpy(ends + CIPHER_BLOCK_BYTES, last, CIPHER_BLOCK_BYTES);

    CK_RV rv = lane->session == CK_INVALID_HANDLE ? CKR_SESSION_CLOSED : lane_call(slot, lane, blocks, count);
    if (rv == CKR_OK)
        return OK;
    lane_close(slot, lane);
    if (!ckr_is_retriable(rv))
        return slot_failed(slot, rv);
    if (!ct_equal(ends, blocks, CIPHER_BLOCK_BYTES) ||
        !ct_equal(ends + CIPHER_BLOCK_BYTES, last, CIPHER_BLOCK_BYTES))
        return ERR_BUSY;
    enum err rc = lane_open(slot, &pool->query, lane, NULL, NULL);
    if (rc == ERR_HSM_KEY && slot_check_presence(slot, NULL) != OK)
        rc = ERR_HSM_DOWN;
    if (rc != OK)
        return slot_seam_err(rc);
    rv = lane_call(slot, lane, blocks, count);
    if (rv == CKR_OK)
        return OK;
    lane_close(slot, lane);
    return slot_failed(slot, rv);
}

// ---- the pool ---------------------------------------------------------------------------------------

static struct lane *lane_take(struct lane_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->idle_count == 0)
        pthread_cond_wait(&pool->given, &pool->lock);
    struct lane *lane = pool->idle[--pool->idle_count];
    pthread_mutex_unlock(&pool->lock);
    return lane;
}

static void lane_give(struct lane_pool *pool, struct lane *lane)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = lane;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
}

enum err lane_encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct lane_pool *pool = context;
    enum err rc = OK;
    if (count == 0)
        return OK;
    if (!slot_enter(pool->slot))
        return ERR_HSM_DOWN;
    struct lane *lane = lane_take(pool);
    while (rc == OK && count > 0) {
        size_t chunk = count < LANE_BLOCKS_MAX ? count : LANE_BLOCKS_MAX;
        rc = slot_is_up(pool->slot) ? lane_encrypt_chunk(pool, lane, blocks, chunk) : ERR_HSM_DOWN;
        blocks += chunk * CIPHER_BLOCK_BYTES;
        count -= chunk;
    }
    lane_give(pool, lane);
    slot_leave(pool->slot);
    return rc;
}

enum err lane_pool_open(struct slot *slot, const struct key_query *query, unsigned lanes,
                        struct lane_pool **out_pool, struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    assert(lanes >= 1 && lanes <= LANES_MAX);
    struct lane_pool *pool = calloc(1, sizeof *pool);
    struct key_evidence evidence = {0};
    if (pool == NULL)
        return ERR_MEMORY;
    pool->slot = slot;
    pool->query = *query;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->given, NULL);
    for (; pool->lane_count < lanes; pool->lane_count++) {
        TRY(lane_open(slot, &pool->query, &pool->lanes[pool->lane_count], &evidence, diag));
        pool->idle[pool->idle_count++] = &pool->lanes[pool->lane_count];
        key_query_pin(&pool->query, &evidence);
    }
    *out_pool = pool;
    if (out_evidence != NULL)
        *out_evidence = evidence;
out:
    if (rc != OK)
        lane_pool_close(pool);
    return rc;
}

void lane_pool_close(struct lane_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->idle_count == pool->lane_count);
    for (unsigned i = 0; i < pool->lane_count; i++)
        lane_close(pool->slot, &pool->lanes[i]);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->lock);
    wipe(pool, sizeof *pool);
    free(pool);
}

void lane_pool_forget(struct lane_pool *pool)
{
    assert(pool->idle_count == pool->lane_count);
    for (unsigned i = 0; i < pool->lane_count; i++)
        pool->lanes[i] = (struct lane){0};
}

bool lane_pool_streams(const struct lane_pool *pool)
{
    for (unsigned i = 0; i < pool->lane_count; i++)
        if (!pool->lanes[i].stream)
            return false;
    return true;
}
