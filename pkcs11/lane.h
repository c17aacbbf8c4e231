// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Lanes: the AES blocks of one key. A lane is one session with one ECB operation that is opened once and fed
// by C_EncryptUpdate for ever (an Init for each call costs SoftHSM thirty times the encryption). Each lane
// proves at opening that its stream returns every block at once, in place, and agrees with single-part
// output; a module that fails this gets C_EncryptInit + C_Encrypt for each call instead.
//
// An operation that failed is never used again: its session is closed, a new one opened, the key found and
// verified again, and the call made once more, provided that the caller's blocks are still what they were.
// Calls are cut at LANE_BLOCKS_MAX. Today a caller who finds all lanes taken waits in line; shared batches
// may come behind lane_encrypt without anybody noticing.
#pragma once

#include "pkcs11/key.h"
#include "pkcs11/slot.h"

enum {
    LANE_BLOCKS_MAX = 2048, // larger calls leave the cache and gain nothing
    LANES_MAX = 64,
};

struct lane_pool;

// Opens `lanes` lanes (at most LANES_MAX) for the key that query means. The query is copied.
enum err lane_pool_open(struct slot *slot, const struct key_query *query, unsigned lanes,
                        struct lane_pool **out_pool, struct key_evidence *out_evidence, struct diag *diag);
// Every lane must have been given back. NULL is fine.
void lane_pool_close(struct lane_pool *pool);

// The cipher seam: context is the lane_pool.
enum err lane_encrypt(void *context, uint8_t *blocks, size_t count);

// After slot_reopen: no session, operation or handle of before is of any use. Nobody may be in a lane.
void lane_pool_forget(struct lane_pool *pool);

// Whether every lane streams.
bool lane_pool_streams(const struct lane_pool *pool);
