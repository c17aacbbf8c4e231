// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The characters of an alphabet: UTF-8 (RFC 3629), 2..65536 code points, none twice, no control characters.
#pragma once

#include "config/block.h"

// Complains about the first thing wrong with the text of an option.
void characters_check(const struct block *block, const char *option, const char *text);
