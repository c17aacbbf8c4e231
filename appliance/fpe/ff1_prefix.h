// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of FF1's PRF that all rounds and all values of one (key, shape, tweak) share: CBC-MAC over P
// and over the blocks of Q before the first that holds the round number, then the remaining tweak bytes
// of that block. Its 16 bytes are computed once and remembered in a cache of fixed size.
//
// A cache may be used by any number of threads; its lock is held for look-ups only, never during a call
// of the cipher. What it remembers is derived from the key and wiped at the end.
#pragma once

#include "appliance/fpe/ff1_shape.h"

enum {
    FF1_PREFIXES_MAX = 256,         // remembered for each key
    FF1_PREFIX_TWEAK_BYTES_MAX = 64 // a longer tweak is computed every time
};

struct ff1_prefixes;

enum err ff1_prefixes_new(struct ff1_prefixes **out_prefixes);
void ff1_prefixes_free(struct ff1_prefixes *prefixes);

// Fills in the base of every piece, with one cipher call for all that are missing and one more for each
// further block that the longest of them needs. blocks is scratch of `count` blocks of 16 bytes.
enum err ff1_prefixes_resolve(struct ff1_prefixes *prefixes, const struct cipher *cipher,
                              struct ff1_piece *pieces, size_t count, uint64_t *blocks);
