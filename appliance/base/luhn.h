// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The Luhn sum of ISO/IEC 7812-1, annex B: from the right, every second digit is doubled and its digits
// are added. Digits are values 0..9, not characters.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The sum mod 10 over all digits; 0 for a valid number.
unsigned luhn_sum(const uint16_t *digits, size_t count);

// What digit `value` adds when `from_right` digits stand to its right.
unsigned luhn_weight(unsigned value, size_t from_right);
// The one digit that adds `contribution` (mod 10) at that place: the inverse of luhn_weight.
unsigned luhn_digit(unsigned contribution, size_t from_right);
