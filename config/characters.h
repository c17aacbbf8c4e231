// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Texts of UTF-8 (RFC 3629) without control characters.
#pragma once

#include "config/block.h"

// Complains about the first thing wrong with the text of an option as an alphabet: 2..65536 code points, none
// twice.
void characters_check(const struct block *block, const char *option, const char *text);
// The same for a name: 1..most code points, no spaces at its ends. option "" stands for the title.
void characters_check_name(const struct block *block, const char *option, const char *text, size_t most);
