// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory of one JSON tree: a few large blocks that are wiped and freed together. They count as memory in
// flight (web/memory.h). An arena is filled by one thread at a time.
#pragma once

#include <stddef.h>

struct arena_block;

// Used zero-initialised.
struct json_arena {
    struct arena_block *newest;
};

// NULL beyond memory_in_flight, too. Aligned for any member of a tree.
void *json_arena_take(struct json_arena *arena, size_t bytes);
void json_arena_done(struct json_arena *arena);
