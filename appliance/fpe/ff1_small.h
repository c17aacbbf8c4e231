// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// FF1's arithmetic for halves in machine words (FF1_WORD32, 64 and 128), many values at a time. The
// halves, the prefix states and the cipher's blocks stand in flat arrays, one element (or two words) for
// each value. Of the two halves one feeds the PRF and the other is changed by it; then they trade places.
// A step does all between two calls of the cipher: it takes y from the block, adds it to the other half,
// and writes the block of the next round, which that half now feeds.
//
// The same source is compiled for several instruction sets; ff1_kernels() lists those this machine has.
// Nothing here branches on, or indexes by, a half. The caller owns and wipes every array.
#pragma once

#include "appliance/fpe/ff1_shape.h"

// One shape's constants in one round.
struct ff1_step {
    const struct ff1_shape *shape;
    const struct ff1_modulus *modulus; // of the half that changes
    bool subtract;                     // decryption
    bool shared_base;                  // all values use base[0] and base[1]
    unsigned next_round;               // 0..9: the number that goes into the next block
};

struct ff1_kernel {
    const char *name;
    // Arrays of `count`: blocks and base two words each, half uint32_t, uint64_t or ff1_u128.
    void (*fill)(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, const void *half,
                 size_t count);
    void (*step)(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, void *half,
                 size_t count);
    // Numerals of count values side by side to halves (u numerals, v numerals) and back; store destroys
    // the halves.
    void (*load)(const struct ff1_shape *shape, const uint16_t *numerals, void *left, void *right,
                 size_t count);
    void (*store)(const struct ff1_shape *shape, void *left, void *right, uint16_t *numerals, size_t count);
    // Whether every numeral is below the radix.
    bool (*valid)(const uint16_t *numerals, size_t count, uint32_t radix);
};

// The kernels that this processor can run, best first; the last one runs everywhere.
const struct ff1_kernel *const *ff1_kernels(size_t *out_count);

// Bytes of a half of this kind.
size_t ff1_half_bytes(enum ff1_kind kind);
