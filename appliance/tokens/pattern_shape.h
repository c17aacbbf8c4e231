// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be told from a POSIX extended regular expression without matching it: enough to refuse at start
// one whose captured text can never be long enough for FF1.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern_shape {
    size_t groups;       // capture groups
    size_t captured_min; // fewest characters that all groups together can capture, as a lower bound
    size_t captured_max; // most bytes that all groups together can capture; SIZE_MAX: no bound
    bool back_references;
};

// The pattern has passed regcomp(3). ERR_TOO_LARGE when groups nest deeper than 32.
enum err pattern_measure(const char *pattern, struct pattern_shape *out_shape);
