// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/utf8.h"

enum { CODE_POINT_MAX = 0x10ffff };

size_t utf8_next(const char *text, size_t len, uint32_t *out_point)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t form = 0; form < sizeof forms / sizeof *forms && form < len; form++) {
        if ((bytes[0] & forms[form].mask) != forms[form].lead)
            continue;
        uint32_t value = bytes[0] & (uint8_t)~forms[form].mask;
        for (size_t i = 1; i <= form; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (bytes[i] & 0x3f);
        }
        bool surrogate = value >= 0xd800 && value <= 0xdfff;
        *out_point = value;
        return value < forms[form].least || value > CODE_POINT_MAX || surrogate ? 0 : form + 1;
    }
    return 0;
}

size_t utf8_put(uint32_t point, char *out_text)
{
    if (point < 0x80) {
        out_text[0] = (char)point;
        return 1;
    }
    size_t tail = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    out_text[0] = (char)(leads[tail] | point >> 6 * tail);
    for (size_t i = 1; i <= tail; i++)
        out_text[i] = (char)(0x80 | (point >> 6 * (tail - i) & 0x3f));
    return tail + 1;
}

bool utf8_is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0);
}
