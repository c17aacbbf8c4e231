// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Values of customers: sealed so that the store never holds one, found by a blind index, and named by token
// ids that open by computation.
//
// The record is type, 0x00, value and eight zero bytes, FF1-encrypted as numerals of radix 256; the zero
// bytes prove it authentic (odds 2^-64 for each live generation). Tweak: purpose "customer", tenant, account,
// and in the store the blind index, so that what is sealed there opens in its own row only. A generated token
// id is the record without the index, in base64url, where that fits; a longer one has an id made by HMAC over
// the index, which opens through its record in the store only. The index does not depend on generations.
//
// Threads: any. Clear values are wiped by their owners' buffers.
#pragma once

#include "appliance/store/store.h"
#include "appliance/tokens/tenant.h"

enum {
    CUSTOMER_TYPE_MAX = 255,     // bytes
    CUSTOMER_VALUE_MAX = 1024,   // bytes
    CUSTOMER_TOKEN_ID_MAX = 255, // characters of a generated one; also of a caller's
    CUSTOMER_TOKEN_ID_BYTES = CUSTOMER_TOKEN_ID_MAX + 1,
};

// A (type, value) of an account.
struct customer_value {
    const struct tenant *tenant;
    const char *account;
    struct slice type;  // 1..CUSTOMER_TYPE_MAX bytes without 0x00
    struct clear value; // 1..CUSTOMER_VALUE_MAX bytes
};

// Seals it under the current generation and computes its index; what is made of out_subject is given back by
// store_subject_done. Its id is the caller's to draw. Errors of cipher and mac.
enum err customer_seal(const struct customer_value *value, struct store_subject *out_subject);
// The same, and the token id generated for it, with no more calls of the cipher.
enum err customer_seal_named(const struct customer_value *value, struct store_subject *out_subject,
                             char out_token_id[CUSTOMER_TOKEN_ID_BYTES]);
// The index alone, in a subject that has tenant, account and index: to look for it.
enum err customer_index(const struct customer_value *value, struct store_subject *out_subject);
// Appends the clear value of a stored subject. ERR_HSM_KEY: its generation is not live; ERR_NOT_GENUINE: the
// store was tampered with, if only by exchanging what two rows hold.
enum err customer_open(const struct tenant *tenant, const struct store_subject *subject,
                       struct buf *out_value);
// Where a text stands in a buffer.
struct customer_place {
    size_t at, len;
};
// The same for several subjects, whose values are appended one after the other, with the
// fewest calls of the HSM.
enum err customer_open_all(const struct tenant *tenant, const struct store_subject *const *subjects,
                           size_t count, struct buf *out_values, struct customer_place *out_places);

// ---- generated token ids, customer_token_id.c ------------------------------------------------------------

enum { CUSTOMER_TOKEN_ID_SEALED_MAX = CUSTOMER_TOKEN_ID_MAX * 3 / 4 }; // bytes whose base64url fits

// Whether the token id generated for a value will open without the store.
bool customer_fits_token_id(const struct customer_value *value);
// The id generated for a subject whose value does not fit. Errors of the mac.
enum err customer_make_long_token_id(const struct tenant *tenant, const struct store_subject *subject,
                                     char out_token_id[CUSTOMER_TOKEN_ID_BYTES]);
// The ids of values of one tenant that fit, and the generation that seals them.
enum err customer_make_token_ids(const struct customer_value *values, size_t count,
                                 char (*out_token_ids)[CUSTOMER_TOKEN_ID_BYTES], unsigned *out_generation);

// What a generated token id, opened without the store, says; generation 0: it is no token id of this account
// whose value fits in it.
struct customer_opening {
    struct customer_place type, value;
    unsigned generation;
};
// Opens token ids of an account; types and values are appended to out. Errors of the cipher.
enum err customer_open_token_ids(const struct tenant *tenant, const char *account,
                                 const struct slice *token_ids, size_t count, struct buf *out,
                                 struct customer_opening *out_openings);

// ---- moving to the current key ---------------------------------------------------------------------------

// Moves stored values from a generation to the current one, at most `limit` of them. ERR_CONFLICT: it is the
// current one.
enum err customers_rewrap(struct store *store, const struct tenant *tenant, unsigned from, uint64_t limit,
                          uint64_t *out_moved);
