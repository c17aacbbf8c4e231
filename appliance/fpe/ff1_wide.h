// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// FF1 for halves over 2^96, as limbs (base/bigint): several cipher blocks a round, for the tail of Q and
// for S, as SP 800-38G says. Values go in lock-step here too, whatever their shapes: each block position
// of the longest value costs one call a round for all that have it, and all of S past its first block
// one more.
//
// Time and access depend on shapes only. The caller owns and wipes the arena.
#pragma once

#include "appliance/fpe/ff1_shape.h"

// Bytes of arena that a value of this shape needs.
size_t ff1_wide_bytes(const struct ff1_shape *shape);

// Transforms all values of the pieces (shapes FF1_WIDE, bases resolved). arena is aligned to 16 bytes and
// holds the sum of ff1_wide_bytes over the values.
enum err ff1_wide_transform(const struct cipher *cipher, bool decrypt, const struct ff1_piece *pieces,
                            size_t count, void *arena);
