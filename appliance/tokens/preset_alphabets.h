// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The alphabets that every client of the serial-token API has.
#pragma once

#include <stddef.h>

struct preset_alphabet {
    const char *name, *characters;
};

size_t preset_alphabet_count(void);
const struct preset_alphabet *preset_alphabet_at(size_t index); // by name
