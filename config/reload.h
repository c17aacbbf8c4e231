// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a running appliance can take over from a file that was read again, and what it cannot: listeners, the
// HSM's sessions and open files last as long as the process.
#pragma once

#include "config/config.h"

// Whether next differs from running in anything that only a restart changes. diag then has a line for each
// such option: "FILE:LINE: what". Pure; the order of slots does not matter.
bool config_needs_restart(const struct config *running, const struct config *next, struct diag *diag);
