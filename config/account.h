// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// An account block of a tenant: customers of the customer-token API.
#pragma once

#include "config/block.h"
#include "config/config.h"

// Fills a zeroed struct; what was refused is 0 or NULL and stands in the block's report.
void account_read(const struct block *block, struct config_account *out_account);
