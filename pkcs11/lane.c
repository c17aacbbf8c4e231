// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/lane.h"
#include "pkcs11/ckr.h"

#include <string.h>

enum { PROBE_BLOCKS = 3, PROBE_FIRST_BLOCKS = 2 };

// ---- calls ------------------------------------------------------------------------------------------

static CK_RV lane_begin(const struct slot *slot, const struct lane *lane)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    return slot->f->C_EncryptInit(lane->session, &ecb, lane->key);
}

// After another login the handle may mean another key.
static bool lane_is_stale(const struct slot *slot, const struct lane *lane)
{
    return lane->logins != slot_logins(slot);
}

// Output other than one byte for each byte means that the operation holds bytes back: it is lost. So it is
// if somebody has logged in meanwhile, and what it gave is of no worth.
static CK_RV lane_call(const struct slot *slot, const struct lane *lane, uint8_t *blocks, size_t count)
{
    CK_ULONG bytes = count * CIPHER_BLOCK_BYTES, out_bytes = bytes;
    CK_RV rv;
    if (lane_is_stale(slot, lane))
        return CKR_SESSION_CLOSED;
    if (lane->stream) {
        rv = slot->f->C_EncryptUpdate(lane->session, blocks, bytes, blocks, &out_bytes);
    } else {
        rv = lane_begin(slot, lane);
        if (rv == CKR_OK)
            rv = slot->f->C_Encrypt(lane->session, blocks, bytes, blocks, &out_bytes);
    }
    if (rv == CKR_OK && lane_is_stale(slot, lane))
        return CKR_SESSION_CLOSED;
    return rv == CKR_OK && out_bytes != bytes ? CKR_OPERATION_NOT_INITIALIZED : rv;
}

// ---- opening ----------------------------------------------------------------------------------------

static void probe_fill(uint8_t *blocks)
{
    for (size_t i = 0; i < (size_t)PROBE_BLOCKS * CIPHER_BLOCK_BYTES; i++)
        blocks[i] = (uint8_t)(i * 7 + 1);
}

static CK_RV probe_stream(const struct slot *slot, struct lane *lane, const uint8_t *expected,
                          bool *out_wrong)
{
    uint8_t blocks[PROBE_BLOCKS * CIPHER_BLOCK_BYTES];
    probe_fill(blocks);
    lane->stream = true;
    CK_RV rv = lane_begin(slot, lane);
    if (rv == CKR_OK)
        rv = lane_call(slot, lane, blocks, PROBE_FIRST_BLOCKS);
    if (rv == CKR_OK)
        rv = lane_call(slot, lane, blocks + PROBE_FIRST_BLOCKS * CIPHER_BLOCK_BYTES,
                       PROBE_BLOCKS - PROBE_FIRST_BLOCKS);
    *out_wrong = rv == CKR_OK && memcmp(blocks, expected, sizeof blocks) != 0;
    return rv;
}

// Only what is a refusal of streams, or of this module's doing from the beginning: a fault that passes does
// not make a slow lane of it, and a stream that has become wrong is broken.
static bool may_do_without_stream(const struct lane *lane, CK_RV rv, bool wrong)
{
    if (wrong)
        return !lane->has_streamed;
    return rv == CKR_OPERATION_NOT_INITIALIZED || ckr_class(rv) == CKR_CLASS_CONFIG;
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

void lane_close(struct slot *slot, struct lane *lane)
{
    slot_close_session(slot, lane->session);
    lane_forget(lane);
}

void lane_forget(struct lane *lane)
{
    *lane = (struct lane){.has_streamed = lane->has_streamed};
}

static enum err lane_open_session(struct slot *slot, const struct key_query *query, struct lane *lane,
                                  struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    TRY(slot_open_session(slot, false, &lane->session, diag));
    lane->logins = slot_logins(slot);
    rc = key_find(slot, lane->session, query, &lane->key, out_evidence, diag);
out:
    return rc;
}

// The way without streams, on a session of its own.
static enum err open_part_by_part(struct slot *slot, const struct key_query *query, struct lane *lane,
                                  const uint8_t *expected, struct diag *diag)
{
    enum err rc = OK;
    uint8_t blocks[PROBE_BLOCKS * CIPHER_BLOCK_BYTES];
    slot_close_session(slot, lane->session);
    *lane = (struct lane){0};
    TRY(lane_open_session(slot, query, lane, NULL, diag));
    probe_fill(blocks);
    CK_RV rv = lane_call(slot, lane, blocks, PROBE_BLOCKS);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "AES-ECB of three blocks in place"));
    REQUIRE(memcmp(blocks, expected, sizeof blocks) == 0,
            diag_set(diag, ERR_HSM_CONFIG, "%s: the module encrypts wrongly in place", slot->name));
out:
    return rc;
}

static enum err open_and_probe(struct slot *slot, const struct key_query *query, struct lane *lane,
                               struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    bool wrong = false;
    uint8_t expected[PROBE_BLOCKS * CIPHER_BLOCK_BYTES];
    TRY(lane_open_session(slot, query, lane, out_evidence, diag));
    CK_RV rv = probe_single_part(slot, lane, expected);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "AES-ECB of three blocks"));
    rv = probe_stream(slot, lane, expected, &wrong);
    if (rv == CKR_OK && !wrong) {
        lane->has_streamed = true;
        return OK;
    }
    // A session lost in this moment says nothing about streams.
    REQUIRE(slot_session_is_good(slot, lane->session) && !lane_is_stale(slot, lane),
            diag_set(diag, ERR_BUSY, "%s: the session was lost while its stream was probed", slot->name));
    if (may_do_without_stream(lane, rv, wrong))
        return open_part_by_part(slot, query, lane, expected, diag);
    rc = wrong ? diag_set(diag, ERR_HSM_KEY, "%s: the blocks of a stream have become wrong", slot->name)
               : ckr_diag(diag, rv, slot->name, "AES-ECB in a stream");
out:
    return rc;
}

enum err lane_open(struct slot *slot, const struct key_query *query, struct lane *lane,
                   struct key_evidence *out_evidence, struct diag *diag)
{
    call_begins(&slot->calls);
    const enum err rc = open_and_probe(slot, query, lane, out_evidence, diag);
    if (rc != OK)
        lane_close(slot, lane);
    call_ends(&slot->calls);
    return rc;
}

// ---- encrypting -------------------------------------------------------------------------------------

// A lane that is closed asks to be opened.
static CK_RV lane_try(const struct slot *slot, const struct lane *lane, uint8_t *blocks, size_t count)
{
    return lane->session == CK_INVALID_HANDLE ? CKR_SESSION_CLOSED : lane_call(slot, lane, blocks, count);
}

// After a call that failed with rv. OK: the lane is open again and the call may be made once more.
static enum err lane_replace(struct slot *slot, const struct key_query *query, struct lane *lane, CK_RV rv)
{
    lane_close(slot, lane);
    if (!ckr_is_retriable(rv))
        return slot_failed(slot, rv);
    enum err rc = lane_open(slot, query, lane, NULL, NULL);
    if (rc == ERR_HSM_KEY && slot_check_presence(slot, NULL) != OK)
        rc = ERR_HSM_DOWN;
    return slot_seam_err(rc);
}

static enum err lane_give_up(struct slot *slot, struct lane *lane, CK_RV rv)
{
    lane_close(slot, lane);
    return slot_failed(slot, rv);
}

// The retriable codes are given before a module touches data. The first and the last block prove it: a call
// that had begun, from either end, would have changed one of them.
static enum err encrypt_here(struct slot *slot, const struct key_query *query, struct lane *lane,
                             uint8_t *blocks, size_t count)
{
    enum err rc = OK;
    uint8_t ends[2 * CIPHER_BLOCK_BYTES];
    WIPE_AT_EXIT(ends);
    uint8_t *last = blocks + (count - 1) * CIPHER_BLOCK_BYTES;
    memcpy(ends, blocks, CIPHER_BLOCK_BYTES);
    memcpy(ends + CIPHER_BLOCK_BYTES, last, CIPHER_BLOCK_BYTES);

    CK_RV rv = lane_try(slot, lane, blocks, count);
    if (rv == CKR_OK)
        return OK;
    if (ckr_is_retriable(rv) && (!ct_equal(ends, blocks, CIPHER_BLOCK_BYTES) ||
                                 !ct_equal(ends + CIPHER_BLOCK_BYTES, last, CIPHER_BLOCK_BYTES))) {
        lane_close(slot, lane);
        return ERR_BUSY;
    }
    TRY(lane_replace(slot, query, lane, rv));
    rv = lane_call(slot, lane, blocks, count);
    if (rv != CKR_OK)
        rc = lane_give_up(slot, lane, rv);
out:
    return rc;
}

// What a call that was given up has done comes too late for everybody.
static enum err in_time(bool given_up, enum err rc)
{
    return given_up && rc == OK ? ERR_TIMEOUT : rc;
}

enum err lane_encrypt(struct slot *slot, const struct key_query *query, struct lane *lane, uint8_t *blocks,
                      size_t count)
{
    call_begins(&slot->calls);
    const enum err rc = encrypt_here(slot, query, lane, blocks, count);
    return in_time(call_ends(&slot->calls), rc);
}

static enum err encrypt_load(struct slot *slot, const struct key_query *query, struct lane *lane,
                             const struct lane_load *load, uint8_t *shared)
{
    enum err rc = OK;
    CK_RV rv = lane_try(slot, lane, shared, load->fill(load->context, shared));
    if (rv == CKR_OK)
        return OK;
    TRY(lane_replace(slot, query, lane, rv));
    const size_t count = load->fill(load->context, shared); // what the failed call made of it is of no matter
    rv = count > 0 ? lane_call(slot, lane, shared, count) : CKR_OK;
    if (rv != CKR_OK)
        rc = lane_give_up(slot, lane, rv);
out:
    return rc;
}

enum err lane_encrypt_load(struct slot *slot, const struct key_query *query, struct lane *lane,
                           const struct lane_load *load, uint8_t *shared)
{
    call_begins(&slot->calls);
    const enum err rc = encrypt_load(slot, query, lane, load, shared);
    return in_time(call_ends(&slot->calls), rc);
}
