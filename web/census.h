// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts the connections to one port per peer address and ends those above the limit. civetweb tells
// nobody of a connection before its first request is whole, and silent connections are just the ones
// that must be bounded; so this asks the kernel which of the process's descriptors are connections to
// the port. It sees connections in civetweb's queue and in their TLS handshake, too.
//
// Ending means no further input: a request that has arrived is still answered. Older connections stay.
// One thread, but for census_set_limit.
#pragma once

#include <stddef.h>

struct census;

// NULL: out of memory.
struct census *census_new(unsigned local_port, unsigned per_address);
// From the next census on.
void census_set_limit(struct census *census, unsigned per_address);
void census_free(struct census *census);
// Wakes everybody who waits at the port: no connection gets further input, and no new one comes.
void census_end_all(struct census *census);
// Takes one census; returns how many connections were ended.
size_t census_take(struct census *census);
