// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A lane: one session with one ECB operation of one key, opened once and fed by C_EncryptUpdate for ever (an
// Init for each call costs SoftHSM thirty times the encryption). It proves at opening that its stream returns
// every block at once, in place, and agrees with single-part output; a module that fails this gets
// C_EncryptInit + C_Encrypt for each call instead. A fault that passes does not make it a slow one: opening
// it fails, and the next call tries anew; so it does when a stream that was right has become wrong.
//
// An operation that failed is never used again: its session is closed, a new one opened, the key found and
// verified again, and the call made once more, provided that its blocks are still what they were.
// Threads: a lane is used by one at a time; lane_pool.h shares lanes.
#pragma once

#include "pkcs11/key.h"
#include "pkcs11/slot.h"

enum { LANE_BLOCKS_MAX = 2048 }; // of one call: larger ones leave the cache and gain nothing

// A zeroed one is closed; the next call opens it.
struct lane {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    unsigned logins; // see slot_logins
    bool stream;
    bool has_streamed; // outlives the session
};

// Writes at most LANE_BLOCKS_MAX blocks to be encrypted, and says how many.
struct lane_load {
    size_t (*fill)(void *context, uint8_t *blocks);
    void *context;
};

// Leaves the lane with its stream open, or proved to work call by call.
enum err lane_open(struct slot *slot, const struct key_query *query, struct lane *lane,
                   struct key_evidence *out_evidence, struct diag *diag);
void lane_close(struct slot *slot, struct lane *lane);
// As lane_close, of a session that is gone.
void lane_forget(struct lane *lane);

// Both make one call to the module, and one more if the session was lost, with what crypto.h lets a seam
// return; ERR_TIMEOUT when the call was given up before it returned. The first encrypts 1..LANE_BLOCKS_MAX
// blocks where they stand, and gives up if a failed call touched them.
enum err lane_encrypt(struct slot *slot, const struct key_query *query, struct lane *lane, uint8_t *blocks,
                      size_t count);
// Encrypts what fill writes, at least one block, in `shared`, from where the caller takes it. Filled again
// for the second call (with nothing, if nobody wants it any more), even if the first had begun to write.
enum err lane_encrypt_load(struct slot *slot, const struct key_query *query, struct lane *lane,
                           const struct lane_load *load, uint8_t *shared);
