// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/random.h"

#include "appliance/base/codec.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

void random_bytes(uint8_t *out, size_t count)
{
    while (count > 0) {
        ssize_t got = getrandom(out, count, 0);
        assert(got > 0 || errno == EINTR);
        if (got > 0) {
            out += got;
            count -= (size_t)got;
        }
    }
}

void random_uuid(char *out_text)
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    uuid_encode(bytes, out_text);
}
