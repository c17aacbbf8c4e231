// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What `symbolon check` says of the files that a sound configuration names: those that serving would miss
// are found before the running appliance is stopped. Nothing is created and no PIN is tried.
#pragma once

#include "config/config.h"

// Appends a line for each file that is missing or not as it must be: "FILE:LINE: warning: what is wrong",
// without LINE where a name stands only once. Returns how many.
size_t check_files(const struct config *config, struct buf *out_report);
