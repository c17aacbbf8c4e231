// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens as callers of the transform API get them, text to text, without HTTP: a tenant with a transformation
// of each built-in kind over a cipher, and a batch of values for one of them. Functions end the program when
// they fail. One thread.
#pragma once

#include "appliance/base/crypto.h"

#include <stddef.h>

struct token_house;
struct token_house *token_house_new(struct cipher cipher);
void token_house_free(struct token_house *house);

// "pan", "ssn", "card", "gift" or "code"; false: there is no such kind. `count` different values.
bool token_house_fill(struct token_house *house, const char *kind, size_t count);
// Encodes the batch; context is the house.
enum err token_house_encode(void *context);
