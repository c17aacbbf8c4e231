// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// An account of the customer-token API, as configured. Immutable; belongs to its tenant.
#pragma once

#include "appliance/tokens/tenant.h"

// Copies all of it. ERR_MEMORY.
enum err account_new(const struct account_options *options, struct account **out_account);
void account_free(struct account *account);

const char *account_id(const struct account *account);
bool account_has_customer(const struct account *account, struct slice customer_id);
// When an event of this status ends that is made at now_ms: 0 never.
int64_t account_event_ends_ms(const struct account *account, struct slice status, int64_t now_ms);
