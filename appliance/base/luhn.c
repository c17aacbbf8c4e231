// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/luhn.h"

unsigned luhn_weight(unsigned value, size_t from_right)
{
    if (from_right % 2 == 0)
        return value;
    return 2 * value - 9 * (2 * value > 9);
}

// From the left, the digits after an odd one in front come in pairs of a doubled and a plain one.
unsigned luhn_sum(const uint16_t *digits, size_t count)
{
    unsigned sum = count % 2 == 1 ? digits[0] : 0;
    for (size_t i = count % 2; i < count; i += 2)
        sum += luhn_weight(digits[i], 1) + digits[i + 1];
    return sum % 10;
}

unsigned luhn_digit(unsigned contribution, size_t from_right)
{
    contribution %= 10;
    if (from_right % 2 == 0)
        return contribution;
    // Doubling maps 0..4 to the even digits and 5..9 to the odd ones.
    return contribution % 2 == 0 ? contribution / 2 : (contribution + 9) / 2;
}
