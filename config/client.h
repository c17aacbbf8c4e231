// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A client block of a tenant: a credential, and what single APIs add to it.
#pragma once

#include "config/block.h"
#include "config/config.h"

// Fills a zeroed struct; what was refused is 0 or NULL and stands in the block's report.
void client_read(const struct block *block, struct config_client *out_client);
