// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory that requests in flight hold, over all listeners of the process: bodies, JSON trees, replies.
// Whoever lets it grow takes first and gives back what was freed. One number, an atomic; any thread.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

// The most that may be in flight; without a call, there is no limit. Also makes large blocks go back to the
// system when they are freed, instead of staying with the thread that had them.
void memory_configure(size_t limit_bytes);

// false, without effect, beyond the limit.
bool memory_take(size_t bytes);
void memory_give(size_t bytes);
size_t memory_in_flight(void);

// *charged is what was taken for a buffer, 0 at first, given back by memory_release.
// Brings the charge to what the buffer's memory has become. false beyond the limit.
bool memory_charge(const struct buf *buf, size_t *charged);
// Makes room for `more` bytes; what it needs meanwhile, old memory and new, is taken before. false beyond the
// limit, or when there is no memory.
bool memory_reserve(struct buf *buf, size_t more, size_t *charged);
void memory_release(size_t *charged);
