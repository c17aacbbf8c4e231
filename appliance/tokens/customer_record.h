// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The record that stands for a value of a customer: type, 0x00, value and eight zero bytes, as numerals of
// radix 256. Records of a tenant go through FF1's rounds together, whatever their lengths, so that a page
// or a batch costs hardly more calls of the HSM than its longest value. Pure but for the cipher; any thread.
//
// What the store keeps is sealed under the blind index of its value as well: moved to another row, it does
// not open. A token id is sealed without, so that it opens before anything is known of it.
//
// Bytes are clear before they are turned, or afterwards: their owner wipes them.
#pragma once

#include "appliance/tokens/customer.h"

enum {
    CUSTOMER_PROOF_BYTES = 8, // zeros
    CUSTOMER_RECORD_MIN = 1 + 1 + 1 + CUSTOMER_PROOF_BYTES,
    CUSTOMER_RECORD_MAX = CUSTOMER_TYPE_MAX + 1 + CUSTOMER_VALUE_MAX + CUSTOMER_PROOF_BYTES,
};

struct customer_record {
    const char *account;
    const uint8_t *index; // STORE_INDEX_BYTES of what the store keeps; NULL: a token id
    uint8_t *bytes;
    size_t count; // CUSTOMER_RECORD_MIN .. CUSTOMER_RECORD_MAX
};

size_t customer_record_bytes(const struct customer_value *value);
void customer_record_write(const struct customer_value *value, uint8_t *out_bytes);
// What an opened record says, as slices of it. false: it is none of ours.
bool customer_record_read(const struct customer_record *record, struct slice *out_type,
                          struct slice *out_value);

// Encrypts or decrypts records where they stand, under a generation of the tenant. After a failure, whose
// code is that of the cipher, they are as they were.
enum err customer_records_turn(const struct tenant *tenant, const struct generation *generation, bool encrypt,
                               const struct customer_record *records, size_t count);
