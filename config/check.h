// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What must hold between the parts of a configuration that was read without running out of memory:
// unique ids and names, one current generation, references that lead somewhere. Values that were already
// refused are 0 or NULL and are passed over.
#pragma once

#include "config/config.h"
#include "config/report.h"

void check_config(const struct config *config, struct report *report);
