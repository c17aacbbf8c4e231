// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// When each thread entered the module. A call of C that never returns cannot be ended from outside; but it
// can be noticed and given up, so that nobody else waits for it and its late result is not used. A stamp
// costs one look at the coarse clock and two stores.
//
// Calls may nest: the outer one then has its full time again from the end of each inner one.
// Threads: each writes at a place of its own (more than CALL_STAMPS threads share places, and then one that
// returns hides another that hangs, until that one is alone). A thread is inside one slot at a time.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CALL_STAMPS = 1024 };

struct call_stamps {
    _Atomic int64_t began_ms[CALL_STAMPS]; // 0: not inside; negative: given up
};

void call_begins(struct call_stamps *stamps);
// Whether the call was given up meanwhile, which the outer one is told again.
bool call_ends(struct call_stamps *stamps);
// Gives up all that have been inside for longer; whether there were any. From another thread.
bool calls_give_up(struct call_stamps *stamps, int64_t longer_than_ms);
// Whether anybody is inside.
bool calls_inside(const struct call_stamps *stamps);
