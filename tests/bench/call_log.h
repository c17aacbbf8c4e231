// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the engine asks of its cipher: the sizes of its calls, to make the same calls without the engine.
#pragma once

#include "appliance/base/crypto.h"

#include <stdbool.h>
#include <stddef.h>

struct call_log {
    struct cipher inner;
    bool on;
    size_t *sizes; // in blocks
    size_t calls, capacity, blocks, largest;
};

// A seam that logs what goes through it to log->inner while log->on.
struct cipher call_log_seam(struct call_log *log);
void call_log_reset(struct call_log *log);
void call_log_done(struct call_log *log);
