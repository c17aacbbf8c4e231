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
    size_t captured_max; // most characters that all groups together can capture; SIZE_MAX: no bound
    size_t expanded;     // atoms when all bounds are written out: what regcomp(3) has to build
    bool back_references;
    bool unmatched;       // a closing parenthesis closes nothing: regcomp(3) takes it for a character
    bool repeats_nothing; // a group that may match nothing is repeated: regexec(3) may never return
};

// UTF-8. Of a pattern that regcomp(3) would refuse the shape means nothing. ERR_TOO_LARGE when groups nest
// deeper than 32.
enum err pattern_measure(const char *pattern, struct pattern_shape *out_shape);
