// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// When each thread entered the module. A call of C that never returns cannot be ended from outside; but it
// can be noticed, so that nobody else waits for it. A stamp costs one look at the coarse clock and one store.
//
// Threads: each writes at a place of its own (more than CALL_STAMPS threads share places, and then one that
// returns hides another that hangs, until that one is alone).
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CALL_STAMPS = 1024 };

struct call_stamps {
    _Atomic int64_t began_ms[CALL_STAMPS]; // 0: not inside
};

void call_begins(struct call_stamps *stamps);
void call_ends(struct call_stamps *stamps);
// Whether some thread has been inside for longer.
bool call_hangs(const struct call_stamps *stamps, int64_t longer_than_ms);
