// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The lanes of one key, shared between callers. Who finds a lane idle and nobody waiting uses it at once, on
// its own thread and its own blocks. When all are busy, callers line up; whichever of them comes to an idle
// lane first (the head of the line is called, but a new caller may be quicker) takes the line along: as many
// from its head as fit into LANE_BLOCKS_MAX blocks are encrypted in one call on that caller's thread, each
// gets its result and is woken by itself. There is no timer, and nobody waits while a lane is idle.
//
// A module whose calls are over before a thread could sleep and be woken (SoftHSM: half a microsecond) gains
// nothing from that, and a crowd in line would pay two switches of threads for every call. So how long calls
// take is measured now and then, and while they are that swift a caller looks for an idle lane for a moment
// before it stands in line, and may use one though others sleep there.
//
// Fairness: the line is first come, first served, and whoever leads takes its head, not itself; swift calls
// may go by it, a bounded number of times. A call of more than LANE_BLOCKS_MAX blocks is cut, and each piece
// lines up anew behind those who wait already. Errors: all who share a call get its outcome; each caller's
// blocks are all encrypted or none of theirs is said to be. When the slot is down, everybody in line is told
// ERR_HSM_DOWN, without another call: at once when a call of this pool found out, within WAITER_PATIENCE_MS
// when somebody else did. So are those whose blocks are in a call that does not return, save the one whose
// thread is inside. Threads: lane_pool_encrypt and lane_pool_waiting from any; the lock is never held in a
// call of the module. Secrets: a shared call goes through a copy of the blocks (one buffer for each lane),
// wiped after each call.
#pragma once

#include "pkcs11/lane.h"

enum { LANES_MAX = 64 };

struct lane_pool;

// Opens `lanes` lanes (at most LANES_MAX) for the key that query means. The query is copied.
enum err lane_pool_open(struct slot *slot, const struct key_query *query, unsigned lanes,
                        struct lane_pool **out_pool, struct key_evidence *out_evidence, struct diag *diag);
// Every lane must have been given back. NULL is fine.
void lane_pool_close(struct lane_pool *pool);

// The cipher seam: context is the lane_pool.
enum err lane_pool_encrypt(void *context, uint8_t *blocks, size_t count);

// After slot_reopen: no session, operation or handle of before is of any use. Nobody may be in a lane.
void lane_pool_forget(struct lane_pool *pool);

// Whether lanes that are idle now, `most` at most, encrypt these blocks as they should; wrong ones come with
// OK. What a busy one makes is seen at another time. The caller has entered the slot, or it is down and
// nobody can.
enum { LANE_PROOF_BYTES = 2 * CIPHER_BLOCK_BYTES };
struct lane_proof {
    uint8_t clear[LANE_PROOF_BYTES], encrypted[LANE_PROOF_BYTES];
};
enum err lane_pool_prove(struct lane_pool *pool, const struct lane_proof *proof, unsigned most,
                         bool *out_wrong);

// How many callers stand in line now.
size_t lane_pool_waiting(struct lane_pool *pool);
// Whether every lane streams.
bool lane_pool_streams(const struct lane_pool *pool);
