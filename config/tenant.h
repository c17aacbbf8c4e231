// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One tenant's blocks, with ranges, defaults and spellings.
#pragma once

#include "config/block.h"
#include "config/config.h"

// Fills a zeroed struct; what was refused is 0 or NULL and stands in the block's report.
void tenant_read(const struct block *block, struct config_tenant *out_tenant);
