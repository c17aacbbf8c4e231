// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/memory.h"

#include "appliance/metrics/metrics.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>

// Blocks of this size and above are mapped, and unmapped when freed. Left alone, glibc raises its threshold
// to the largest block that it ever freed, and keeps for each thread what is below; trimming does not help,
// because locked pages cannot be discarded.
enum { MAPPED_BYTES = 512 * 1024, SMALLEST_BUFFER = 256 };

static atomic_size_t limit = SIZE_MAX, in_flight;

void memory_configure(size_t limit_bytes)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    atomic_store(&limit, limit_bytes);
}

bool memory_take(size_t bytes)
{
    const size_t most = atomic_load(&limit);
    size_t before = atomic_load(&in_flight);
    do {
        if (bytes > most || before > most - bytes)
            return false;
    } while (!atomic_compare_exchange_weak(&in_flight, &before, before + bytes));
    metrics_add(METRIC_BYTES_IN_FLIGHT, (int64_t)bytes);
    return true;
}

void memory_give(size_t bytes)
{
    atomic_fetch_sub(&in_flight, bytes);
    metrics_add(METRIC_BYTES_IN_FLIGHT, -(int64_t)bytes);
}

size_t memory_in_flight(void)
{
    return atomic_load(&in_flight);
}

bool memory_charge(const struct buf *buf, size_t *charged)
{
    const size_t capacity = buf->capacity;
    if (capacity < *charged)
        memory_give(*charged - capacity);
    else if (capacity > *charged && !memory_take(capacity - *charged))
        return false;
    *charged = capacity;
    return true;
}

// A buffer grows by halves, so that it ends below one and a half times what is needed.
bool memory_reserve(struct buf *buf, size_t more, size_t *charged)
{
    if (more > SIZE_MAX / 4 - buf->len || !memory_charge(buf, charged))
        return false;
    const size_t needed = buf->len + more, fresh = needed + needed / 2 + SMALLEST_BUFFER;
    if (needed <= buf->capacity)
        return true;
    if (!memory_take(fresh))
        return false;
    *charged += fresh;
    return buf_reserve(buf, more) != NULL && memory_charge(buf, charged);
}

void memory_release(size_t *charged)
{
    if (*charged > 0)
        memory_give(*charged);
    *charged = 0;
}
