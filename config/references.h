// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the blocks of a tenant name must stand in that tenant.
#pragma once

#include "config/config.h"
#include "config/report.h"

// The client or account of this name, or NULL.
const struct config_client *references_find_client(const struct config_tenant *tenant, const char *name);
const struct config_account *references_find_account(const struct config_tenant *tenant, const char *id);

// Reports what leads nowhere.
void references_check(const struct config_tenant *tenant, struct report *report);
