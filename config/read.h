// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// From the parsed top level to a struct config: every block and option, with ranges, defaults and
// spellings. What concerns several blocks is left to check.h.
#pragma once

#include "config/block.h"
#include "config/config.h"

// Fills a zeroed struct; what was refused is 0 or NULL and stands in the root's report.
void read_config(const struct block *root, struct config *out_config);
