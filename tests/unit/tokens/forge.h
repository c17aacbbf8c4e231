// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Signed texts (JWS) made by hand, rightly and wrongly, for those who must refuse the wrong ones.
#pragma once

#include "tests/unit/tokens/token_fixture.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static inline struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline void forge_base64url(struct buf *out, const void *bytes, size_t count)
{
    char *room = buf_reserve(out, (count + 2) / 3 * 4 + 1);
    assert_non_null(room);
    base64url_encode(bytes, count, room);
    out->len += strlen(room);
}

static inline void forge_signature(struct buf *out, struct soft_signer *signer, const struct buf *text)
{
    uint8_t signature[SIGNATURE_BYTES];
    const struct signer seam = soft_signer_seam(signer);
    assert_int_equal(signer_sign(&seam, (const uint8_t *)text->at, text->len, signature), OK);
    forge_base64url(out, signature, sizeof signature);
}

// base64url(header) "." base64url(payload)
static inline void forge_text(struct buf *out, const char *header, struct slice payload)
{
    buf_reset(out);
    forge_base64url(out, header, strlen(header));
    buf_byte(out, '.');
    forge_base64url(out, payload.at, payload.len);
}

// The other spelling of the last character, whose lowest bits mean nothing and must be zero; false where all
// of its bits count.
static inline bool forge_last_character(char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (len % 4 == 0)
        return false;
    text[len - 1] = digits[(strchr(digits, text[len - 1]) - digits) + 1];
    return true;
}
