// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests and benchmarks: runs one kernel of ff1_small.h by name instead of the best one.
#pragma once

#include "appliance/fpe/ff1.h"

#include <stdbool.h>

// Before the key is shared between threads. false when this machine has no such kernel.
bool ff1_key_use_kernel(struct ff1_key *key, const char *name);
